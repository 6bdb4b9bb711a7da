//! Users of containers: each of them works on the workspace, and none disturbs another.

use std::os::unix::fs::MetadataExt as _;

use super::super::stories::world::World;
use super::full_disk::Disk;
use super::{Boxes, engine, killed};

/// An image that knows the users `app` (1000:50) and `other` (1100:70).
struct Image(String);

impl Image {
    fn build(boxes: &Boxes) -> Self {
        let image = format!("localhost/quire-test-users-{}", std::process::id());
        let folder = boxes.path("image");
        std::fs::create_dir(&folder).unwrap();
        let text = "FROM localhost/busybox\nRUN mkdir -p /etc && echo 'app:x:1000:50::/app:/bin/sh' >/etc/passwd && \
                    echo 'other:x:1100:70::/:/bin/sh' >>/etc/passwd && echo 'staff:x:20:' >/etc/group\nUSER other\n";
        std::fs::write(folder.join("Dockerfile"), text).unwrap();
        let limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
        let line =
            [&["build", "--quiet", "--tag", &image], &limits[..], &[folder.to_str().unwrap()]].concat();
        let built = engine::call(&line);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Self(image)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        engine::call(&["rmi", "--force", &self.0]);
    }
}

/// A job for each of these users: all of them work at once, and each writes to what the others made.
const AT_ONCE: &str = r#"
  (local image "IMAGE")
  (local all ["none" "n1000" "n2000" "app" "staff"])
  (fn work [name user]
    (ci:job name [:quire/push] {: image : user}
      (fn [{: sh}]
        (sh (.. "set -e; umask 077; mkdir " name "; touch " name "/file; echo first >>shared-" name
                "; for other in " (table.concat all " ")
                "; do until test -e shared-$other; do sleep 0.05; done; echo " name " >>shared-$other; done"
                "; stat -c '" name " %u' shared-* . | sort -u")))))
  (work :none nil) (work :n1000 1000) (work :n2000 "2000:2000") (work :app "app") (work :staff "other:staff")
  (ci:job :after [:none :n1000 :n2000 :app :staff] {: image :user 3000}
    (fn [{: sh}]
      (sh "cat shared-* | sort | uniq -c; for f in */file; do echo more >>$f; done; rm -r n1000; mkdir -m 700 kept; stat -c '%a %u' none")))
  (ci:job :host [:after] (fn [{: sh : write-file}] (write-file "none/file" "host") (sh "stat -c %u * | sort -u")))
"#;

#[test]
pub(super) fn the_users_of_one_run_work_on_its_files_at_the_same_time() {
    let Some(mut boxes) = Boxes::new("{:limits {:jobs 5}}") else { return };
    let image = Image::build(&boxes);
    let run = boxes.push(&AT_ONCE.replace("IMAGE", &image.0));
    boxes.ends(&run, "passed");
    for (job, user) in [("none", 0), ("n1000", 1000), ("n2000", 2000), ("app", 1000), ("staff", 1100)] {
        let own = rustix::process::geteuid().as_raw();
        let user = if job == "none" { own } else { user };
        assert_eq!(boxes.logs(&run, job), format!("{job} {user}\n"), "each sees all files as its own");
    }
    let names = ["app", "n1000", "n2000", "none", "staff"];
    let counted: String = names.iter().map(|name| format!("      5 {name}\n")).collect();
    assert_eq!(
        boxes.logs(&run, "after"),
        format!("{}700 3000\n", counted.replacen("      5 n1000", "      5 first\n      5 n1000", 1))
    );
    assert_eq!(boxes.logs(&run, "host"), format!("{}\n", rustix::process::geteuid().as_raw()));
    boxes.nothing_left(&run);
    assert!(!boxes.work(&run).exists());
}

#[test]
fn a_named_user_has_its_secrets_alone_and_what_was_mounted_for_a_killed_runner_is_gone() {
    let Some(mut boxes) = Boxes::new(r#"{:secrets {:token "a-token-of-the-test"}}"#) else { return };
    let image = Image::build(&boxes);
    let run = boxes.push(&format!(
        r#"(ci:job :app [:quire/push] {{:image "{}" :user "app" :secrets [:token]}}
             (fn [{{: sh}}] (sh "stat -c '%u %a' /run/secrets/token; wc -c </run/secrets/token; id -g; touch began; sleep 600")))"#,
        image.0
    ));
    boxes.appears(&run, "began");
    assert!(boxes.world.eventually(|_| boxes.logs(&run, "app") == "1000 400\n19\n50\n"));
    let id = boxes.id(&run);
    assert_eq!(std::fs::metadata(boxes.work(&run).join("began")).unwrap().uid(), 0);
    super::kill(&killed::runner(&boxes, &run));
    boxes.ends(&run, "interrupted");
    boxes.nothing_left(&run);
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&id), "{mounts}");
    assert!(!boxes.work(&run).exists());
}

#[test]
fn where_ids_cannot_be_exchanged_steps_of_different_users_take_turns() {
    if !engine::can_run_containers() {
        return;
    }
    let world = World::new();
    let Some(_disk) = Disk::mount_overlay(&world.path().join("data/runs")) else { return };
    let mut boxes = Boxes::in_world(world, "{:limits {:jobs 3}}", &[]);
    let run = boxes.push(
        r#"(fn work [name user]
             (ci:job name [:quire/push] {:image "localhost/busybox" : user}
               (fn [{: sh}]
                 (for [i 1 3] (sh (.. "echo " name i " >>shared && mkdir -p d && echo " name " >d/" name i " && rm d/" name i))))))
           (work :none nil) (work :one 1000) (work :two 2000)
           (ci:job :after [:none :one :two] {:image "localhost/busybox"}
             (fn [{: sh}] (sh "sort shared | tr '\\n' ' '; stat -c %u shared")))
           (ci:job :holds [:after] {:image "localhost/busybox" :user 1000}
             (fn [{: sh}] (sh "touch began; until test -e go; do sleep 0.1; done")))
           (ci:job :waits [:after]
             (fn [{: container : sh : log}]
               (sh "until test -e began; do sleep 0.1; done")
               (let [r (container "localhost/busybox" "true" {:user 2000 :timeout 1})]
                 (log (.. "waited: " r.exit " " (tostring r.timed-out) " " r.stderr)))
               (sh "touch go")))"#,
    );
    let shown = boxes.ends(&run, "passed");
    assert_eq!(boxes.logs(&run, "after"), "none1 none2 none3 one1 one2 one3 two1 two2 two3 0\n", "{shown}");
    let log = boxes.logs(&run, "waits");
    assert!(log.contains("waited: 124 true the workspace was not free for the user 2000"), "{log}");
    assert!(shown.contains("2  true  (timed-out)"), "{shown}");
    boxes.nothing_left(&run);
    boxes.world.stop_everything();
}
