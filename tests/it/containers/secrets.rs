//! Where a secret of a container can be seen while it runs, and where not.

use std::fs;
use std::path::Path;

use super::{Boxes, client, containers, contains, engine, named_after, processes};

const FILE: &str = "file-secret-5e7QmLxW";
const VARIABLE: &str = "variable-secret-9aTzKpRv";

#[test]
pub(super) fn a_secret_is_in_no_argument_list_and_as_a_file_not_in_inspect() {
    let config = format!("{{:secrets {{:file \"{FILE}\" :var \"{VARIABLE}\"}}}}");
    let Some(mut boxes) = Boxes::new(&config) else { return };
    let run = boxes.push(
        r#"(ci:job :boxed [:quire/push]
             (fn [{: container}]
               (container "localhost/busybox"
                 "stat -c '%u %a' /run/secrets /run/secrets/file; mount | grep ' /run/secrets ' | cut -d' ' -f5; cat /run/secrets/file; echo; echo $VAR; touch /run/secrets/x; touch began; until [ -e go ]; do sleep 0.01; done"
                 {:secrets [:file] :env {:VAR (secret :var)}})))
           (ci:job :both [:boxed]
             (fn [{: container}]
               (container "localhost/busybox" "cat /run/secrets/file; sed s/-/+/ /run/secrets/var" {:secrets [:file :var] :user "1234:1234"})))"#,
    );
    boxes.appears(&run, "began");
    let id = boxes.id(&run);
    for secret in [FILE, VARIABLE] {
        let seen = processes(|process| contains(&process.join("cmdline"), secret));
        assert_eq!(seen, Vec::<String>::new(), "{secret} is in an argument list");
    }
    let [container] = &containers(&id)[..] else { panic!("one container") };
    let inspected = String::from_utf8(engine::call(&["inspect", container]).stdout).unwrap();
    assert!(inspected.contains("/run/secrets") && !inspected.contains(FILE), "a file is not in inspect");
    assert!(inspected.contains(VARIABLE), "a variable is, and the manual says so");
    let [memory] = &named_after(Path::new("/dev/shm"), &id)[..] else { panic!("one folder in memory") };
    assert_eq!(fs::read_dir(memory).unwrap().count(), 1);
    fs::write(boxes.work(&run).join("go"), "").unwrap();
    boxes.ends(&run, "passed");
    let log = boxes.logs(&run, "boxed");
    let uid = rustix::process::getuid().as_raw();
    let seen = format!("{uid} 500\n{uid} 400\ntmpfs\n<redacted>\n<redacted>\n");
    assert!(log.starts_with(&seen) && log.contains("touch: /run/secrets/x: Read-only file system"), "{log}");
    assert_eq!(boxes.logs(&run, "both"), "<redacted>variable+secret-9aTzKpRv\n");
    let quiet =
        boxes.world.run(boxes.world.command("grep").args(["-rlE", &format!("{FILE}|{VARIABLE}"), "data"]));
    assert_eq!(quiet.output, "data/config.fnl\n", "the operator's file alone has it");
    boxes.nothing_left(&run);
}

#[test]
fn what_the_operator_passes_reaches_a_container_that_asks_where_policy_opens_it() {
    let config = "{:pass-env [\"RECEIVERS\" \"USER\"] :policy {:env-inheritance true}}";
    let Some(mut boxes) = Boxes::new(config) else { return };
    let run = boxes.push(
        r#"(local show "echo ${RECEIVERS##*/} ${USER-none} ${T-none}")
           (ci:job :boxed [:quire/push]
             (fn [{: container}]
               (container "localhost/busybox" show)
               (container "localhost/busybox" show {:env-inheritance true})
               (container "localhost/busybox" show {:env-inheritance true :env {:RECEIVERS "mine"}})))"#,
    );
    boxes.ends(&run, "passed");
    assert_eq!(boxes.logs(&run, "boxed"), "none none\nreceivers none none\nmine none none\n");
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn what_the_engine_would_obey_does_not_reach_its_client() {
    let Some(mut boxes) = Boxes::new("{}") else { return };
    let run = boxes.push(
        r#"(ci:job :boxed [:quire/push]
             (fn [{: container : log}]
               (container "localhost/busybox" "echo $CONTAINERS_CONF $LD_PRELOAD $DOCKER_HOST $PATH; echo \"$LINES_OF\"; touch began; until [ -e go ]; do sleep 0.01; done"
                 {:env {:CONTAINERS_CONF "/work/hostile" :LD_PRELOAD "/work/hostile.so" :DOCKER_HOST "tcp://hostile" :PATH "/bin:/hostile" :LINES_OF "one\ntwo"}})
               (let [(ok problem) (pcall #(container "localhost/busybox" "true" {:env {:LD_PRELOAD "a\nb"}}))]
                 (log (.. (tostring ok) " " (tostring problem))))))"#,
    );
    boxes.appears(&run, "began");
    let process = Path::new("/proc").join(client(&boxes.id(&run), "boxed-1"));
    for hostile in ["/work/hostile", "tcp://hostile", "/bin:/hostile"] {
        assert!(!contains(&process.join("environ"), hostile), "{hostile}");
    }
    assert!(contains(&process.join("environ"), "LINES_OF=one\ntwo"));
    fs::write(boxes.work(&run).join("go"), "").unwrap();
    let _ended = boxes.wait(&run);
    let log = boxes.logs(&run, "boxed");
    assert!(
        log.starts_with("/work/hostile /work/hostile.so tcp://hostile /bin:/hostile\none\ntwo\n"),
        "{log}"
    );
    assert!(log.contains("the engine itself reads `LD_PRELOAD`, and this value has several lines"), "{log}");
    boxes.nothing_left(&run);
}
