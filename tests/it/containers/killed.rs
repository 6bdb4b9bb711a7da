//! Who is killed while a container runs: the engine's client, the runner, the server; and who looks like one of ours.

use super::{Boxes, client, containers, engine, kill};

const LONG: &str = r#"(ci:job :long [:quire/push]
  (fn [{: container}] (container "localhost/busybox" "touch began; sleep 600" {:secrets [:token]})))"#;
const CONFIG: &str = r#"{:secrets {:token "a-token-of-the-test"}}"#;

/// A container of nobody's run: made here, gone with this.
struct Foreign(String);

impl Foreign {
    fn start(name: &str, label: &str) -> Self {
        let label = format!("--label={label}");
        let ran = engine::call(&[
            "run",
            "--detach",
            "--name",
            name,
            &label,
            "--network=none",
            "--ulimit=nofile=1024:1024",
            "--ulimit=nproc=1024:1024",
            engine::IMAGE,
            "sleep",
            "600",
        ]);
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        Self(name.to_owned())
    }

    fn is_running(&self) -> bool {
        let asked = engine::call(&["container", "inspect", "--format", "{{.State.Running}}", &self.0]);
        asked.stdout.starts_with(b"true")
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        engine::remove(&self.0);
    }
}

#[test]
pub(super) fn a_container_whose_client_was_killed_is_gone_at_the_end_of_the_run() {
    let Some(mut boxes) = Boxes::new(CONFIG) else { return };
    let run = boxes.push(LONG);
    boxes.appears(&run, "began");
    kill(&client(&boxes.id(&run), "long-1"));
    let shown = boxes.ends(&run, "failed");
    assert!(shown.contains("signal 9"), "{shown}");
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn a_container_whose_runner_was_killed_is_removed_and_look_alikes_are_left_alone() {
    let Some(mut boxes) = Boxes::new(CONFIG) else { return };
    let run = boxes.push(LONG);
    boxes.appears(&run, "began");
    let id = boxes.id(&run);
    let label = "--format={{index .Config.Labels \"quire.instance\"}}";
    let said = engine::call(&["inspect", label, "--", &containers(&id)[0]]);
    let data = boxes.path("data").canonicalize().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), data.to_str().unwrap());
    let other = Foreign::start(&format!("other-{id}"), "quire.run=00000000-0000-0000-0000-000000000000");
    let longer = Foreign::start(&format!("quire-{id}-long-12"), &format!("quire.run={id}0"));
    // The same run of a copy of the data folder.
    let copied = Foreign::start(&format!("copied-{id}"), &format!("quire.run={id}"));
    let marked = Foreign::start(&format!("marked-{id}"), &format!("quire.mark=0000000000000007-{id}"));
    kill(runner(&boxes, &run).as_str());
    let shown = boxes.ends(&run, "interrupted");
    assert!(shown.contains("its runner was gone"), "{shown}");
    assert!(other.is_running() && longer.is_running(), "look-alikes are left alone");
    assert!(copied.is_running() && marked.is_running(), "what is another data folder's is left alone");
    drop(copied);
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn the_next_server_removes_what_killed_ones_have_left() {
    let Some(mut boxes) = Boxes::new(CONFIG) else { return };
    let run = boxes.push(&LONG.replace("{:secrets", "{:memory \"64MiB\" :secrets"));
    boxes.appears(&run, "began");
    let id = boxes.id(&run);
    boxes.world.end_server("KILL");
    kill(runner(&boxes, &run).as_str());
    assert_eq!(containers(&id).len(), 1, "nobody is there who could");
    boxes.world.serve(&[]).unwrap();
    boxes.ends(&run, "interrupted");
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn a_run_whose_script_ignores_the_stop_takes_its_containers_along() {
    let Some(mut boxes) = Boxes::new("{}") else { return };
    let run = boxes.push(
        r#"(ci:job :boxed [:quire/push]
             (fn [{: container}] (container "localhost/busybox" "touch began; sleep 600" {:memory "64MiB"})))
           (ci:job :deaf [:quire/push]
             (fn [{: sh}]
               (sh "until [ -e began ]; do sleep 0.01; done")
               (string.find (string.rep "a" 60000) ".-.-.-.-b")))"#,
    );
    boxes.ends(&run, "timed-out");
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn n67_a_name_that_another_container_has_is_a_conflict_and_that_one_stays() {
    let Some(mut boxes) = Boxes::new("{}") else { return };
    let run = boxes.push(
        r#"(ci:job :named [:quire/push]
             (fn [{: container : sh}]
               (sh "touch began; until [ -e go ]; do sleep 0.01; done")
               (container "localhost/busybox" "echo ran")))"#,
    );
    boxes.appears(&run, "began");
    let id = boxes.id(&run);
    let taken = Foreign::start(&format!("quire-{id}-named-2"), "quire.run=another");
    std::fs::write(boxes.work(&run).join("go"), "").unwrap();
    let shown = boxes.ends(&run, "failed");
    assert!(shown.contains("container.name.conflict: a container of another run is called"), "{shown}");
    assert!(taken.is_running());
    // One of the run's own, left by a client that was killed, makes room.
    let run = boxes.push(
        r#"(ci:job :named [:quire/push]
             (fn [{: container : sh}]
               (sh "touch began; until [ -e go ]; do sleep 0.01; done")
               (container "localhost/busybox" "echo ran")))"#,
    );
    boxes.appears(&run, "began");
    let id = boxes.id(&run);
    let instance = quire::config::Instance::read(&boxes.path("data")).unwrap().unwrap();
    let own = Foreign::start(&format!("quire-{id}-named-2"), &format!("quire.mark={instance}-{id}"));
    std::fs::write(boxes.work(&run).join("go"), "").unwrap();
    boxes.ends(&run, "passed");
    assert!(boxes.logs(&run, "named").ends_with("ran\n"));
    assert!(!own.is_running());
    boxes.nothing_left(&run);
}

pub(super) fn runner(boxes: &Boxes, run: &str) -> String {
    let lock = boxes.work(run).with_file_name("lock");
    std::fs::read_to_string(lock).unwrap().trim().to_owned()
}
