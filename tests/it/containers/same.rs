//! What engines do differently by themselves, and must not: a step's result is the same by each.

use super::{Boxes, engine};

#[test]
pub(super) fn what_is_asked_for_means_the_same_by_every_engine() {
    let Some(mut boxes) = Boxes::new("{:limits {:jobs 1}}") else { return };
    let run = boxes.push(
        r#"(ci:job :asked [:quire/push]
             (fn [{: container : log : sh}]
               (fn tell [what r] (log (.. what ": " r.exit " " r.stdout)))
               (tell "tmp" (container "localhost/busybox" "printf '#!/bin/sh\necho runs' >/tmp/x; chmod +x /tmp/x; /tmp/x"))
               (tell "nowhere" (container "localhost/busybox" "pwd" {:cwd "no/where"}))
               (tell "file" (container "localhost/busybox" "pwd" {:cwd ".quire/ci.fnl"}))
               (tell "made" (sh "ls -d no 2>/dev/null"))
               (tell "link" (do (sh "ln -s .quire link") (container "localhost/busybox" "ls" {:cwd "link"})))
               (tell "cpus" (container "localhost/busybox" "echo all" {:cpus 512}))
               (tell "no program" (container "localhost/busybox" ["nope"]))
               (tell "named" (let [r (container "localhost/busybox" ["nope"])] {:exit r.exit :stdout r.stderr}))
               (tell "no command" (container "localhost/busybox" "nope"))
               (tell "no executable" (container "localhost/busybox" ["/etc/hosts"]))
               (tell "folder" (container "localhost/busybox" ["/tmp"]))
               (tell "input" (container "localhost/busybox" "wc -c" {:input (string.rep "x" 300000)}))
               (tell "unread" (container "localhost/busybox" "true" {:input (string.rep "x" 300000)}))
               (tell "bytes" (container "localhost/busybox" "od -An -c" {:input "\016\017\255\n"}))
               (tell "closed" (container "localhost/busybox" "cat"))
               (tell "ci" (container "localhost/busybox" "echo $CI" {:env {:CI "false"}}))
               (tell "signal" (container "localhost/busybox" "kill -TERM $$; sleep 9"))
               (tell "both" (container "localhost/busybox" "head -c 5000000 /dev/zero >&2; head -c 100 /dev/zero | tr '\\0' x"))
               (each [_ env (ipairs [{"A B" "v"} {:PATH "\255"} {:PATH (string.rep "x" 66000)}])]
                 (let [(ok problem) (pcall #(container "localhost/busybox" "true" {: env}))]
                   (log (.. "env " (tostring ok) ": " (tostring problem)))))
               (let [(ok problem) (pcall #(container "localhost/busybox" "true" {:memory "4"}))]
                 (log (.. "memory " (tostring ok) ": " (tostring problem))))
               nil))"#,
    );
    boxes.wait(&run);
    let log = boxes.logs(&run, "asked");
    if engine::name() == "podman" {
        let named = "named: 127 `nope` could not be started in the container: No such file or directory";
        assert!(log.contains(named) && !log.contains("catatonit"), "{log}");
    }
    let reported: Vec<&str> = log.lines().filter(|line| line.contains(": ") && !line.contains('│')).collect();

    for line in [
        "tmp: 0 runs",
        "nowhere: 126 ",
        "file: 126 ",
        "link: 0 ci.fnl",
        "cpus: 0 all",
        "no program: 127 ",
        "no command: 127 ",
        "no executable: 126 ",
        "folder: 126 ",
        "input: 0 300000",
        "unread: 0 ",
        "closed: 0 ",
        "bytes: 0  020 021 377  \\n",
        "ci: 0 false",
        "signal: 143 ",
        r#"env false: `:env`: "A B" is not a valid name for a variable of a container"#,
        "env false: `:env`: the engine itself reads `PATH`, and this value is not UTF-8 or is too long; pass it as `:secrets`",
    ] {
        assert!(reported.iter().any(|found| found.trim_end() == line.trim_end()), "{line}\n{log}");
    }
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn the_volumes_of_an_image_are_a_services_own_and_go_with_it() {
    let Some(mut boxes) = Boxes::new("{}") else { return };
    let image = format!("localhost/quire-test-volume-{}", std::process::id());
    let folder = boxes.path("image");
    std::fs::create_dir(&folder).unwrap();
    let text = "FROM localhost/busybox\nRUN mkdir -m 1777 /data && echo old >/data/old\nVOLUME /data\n";
    std::fs::write(folder.join("Dockerfile"), text).unwrap();
    let limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
    let line = [&["build", "--quiet", "--tag", &image], &limits[..], &[folder.to_str().unwrap()]].concat();
    let built = engine::call(&line);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let run = boxes.push(&format!(
        r#"(ci:job :db [:quire/push]
             {{:image "{image}"
              :services {{:db {{:image "{image}" :health "test -e /data/ready"
                              :cmd "printf '#!/bin/sh\\necho runs' >/data/x; chmod +x /data/x; /data/x; ls /data; touch /data/ready; exec sleep 600"}}}}}}
             (fn [{{: sh}}] (sh "cat /data/old")))"#
    ));
    boxes.wait(&run);
    engine::call(&["rmi", "--force", &image]);
    boxes.ends(&run, "passed");
    let log = boxes.logs(&run, "db");
    assert!(log.contains("runs\nold\nx\n") && log.matches("old\n").count() == 2, "{log}");
    boxes.nothing_left(&run);
    if engine::name() == "docker" {
        let left = engine::call(&["volume", "ls", "--quiet"]);
        assert_eq!(String::from_utf8(left.stdout).unwrap(), "", "docker has them on disk");
    }
}

#[test]
pub(super) fn a_volume_has_the_owner_of_the_image_and_root_may_hand_it_over() {
    let Some(mut boxes) = Boxes::new("{:limits {:jobs 1}}") else { return };
    let image = format!("localhost/quire-test-owners-{}", std::process::id());
    let folder = boxes.path("image");
    std::fs::create_dir(&folder).unwrap();
    let text = "FROM localhost/busybox\nRUN mkdir -p /etc /own /var/lib/db && chmod 750 /own && chown 999:998 /own && \
                echo old >/own/old && chmod 700 /var/lib/db && echo root:x:0:0::/:/bin/sh >/etc/passwd && \
                echo 'db:x:999:998::/:/bin/sh' >>/etc/passwd\nVOLUME /own /var/lib/db/\n";
    let build = |name: &str, more: &str| {
        std::fs::write(folder.join("Dockerfile"), format!("{text}{more}")).unwrap();
        let limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
        let line = [&["build", "--quiet", "--tag", name], &limits[..], &[folder.to_str().unwrap()]].concat();
        let built = engine::call(&line);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    };
    build(&image, "");
    let named = format!("{image}-named");
    build(&named, "USER db\n");
    let run = boxes.push(&format!(
        r#"(ci:job :db [:quire/push]
             {{:image "localhost/busybox"
              :services {{:root {{:image "{image}" :health "test -e /own/mine"
                                 :cmd "set -e; stat -c '%n %u %g %a' /own /var/lib/db; chown db /var/lib/db; chmod 711 /var/lib/db
                                       su db -s /bin/sh -c 'id -u; cat /own/old; touch /var/lib/db/x /own/mine; grep CapEff /proc/self/status'; sleep 600"}}
                         :user {{:image "{named}" :health "test -e /own/mine"
                                 :cmd "id -u; grep CapEff /proc/self/status; touch /own/mine; sleep 600"}}}}}}
             (fn [{{: sh}}] (sh "grep CapEff /proc/self/status")))"#
    ));
    boxes.wait(&run);
    engine::call(&["rmi", "--force", &image, &named]);
    boxes.ends(&run, "passed");
    let log = boxes.quire(&["logs", &run]).output;
    let of = |origin: &str| -> Vec<String> {
        let start = format!("{origin} │ ");
        log.lines().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect()
    };
    let none = "CapEff:\t0000000000000000";
    assert_eq!(of("db/root"), ["/own 999 998 750", "/var/lib/db 0 0 700", "999", "old", none], "{log}");
    assert_eq!(
        (of("db/user"), of("db")),
        (vec!["999".to_owned(), none.to_owned()], vec![none.to_owned()]),
        "{log}"
    );
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn folders_of_the_host_are_seen_as_policy_opened_them() {
    let Some(mut boxes) = Boxes::new("{:limits {:jobs 1}}") else { return };
    let text = r#"{:policy {:mounts ["$T/read"] :writable-mounts ["$T/write"]}}"#;
    let config = text.replace("$T", boxes.world.path().to_str().unwrap());
    std::fs::write(boxes.path("data/config.fnl"), config).unwrap();
    for name in ["read", "write", "read/below"] {
        std::fs::create_dir(boxes.path(name)).unwrap();
    }
    std::fs::write(boxes.path("read/below/file"), "of the host\n").unwrap();
    let run = boxes.push(
        r#"(ci:job :mounts [:quire/push]
             (fn [{: container}]
               (container "localhost/busybox" "cat /in/file; touch /in/x 2>&1; echo made >/out/made"
                 {:mounts ["$T/read/below:/in:ro" "$T/write:/out"]})))"#,
    );
    boxes.ends(&run, "passed");
    assert_eq!(boxes.logs(&run, "mounts"), "of the host\ntouch: /in/x: Read-only file system\n");
    assert_eq!(std::fs::read_to_string(boxes.path("write/made")).unwrap(), "made\n");
    boxes.nothing_left(&run);
}
