//! What is refused: before an engine is looked for, so these need none.

use super::Boxes;

const IMAGES: [&str; 16] = [
    "--privileged",
    "-v/:/h",
    "alpine;id",
    "a b",
    "alpine\\nx",
    "",
    ".",
    "../x",
    "/etc/passwd",
    "docker://alpine",
    "oci-archive:/x",
    "alpine:",
    "Alpine",
    "alpîne",
    "x@sha256:12",
    "alpine@md5:00",
];

/// A table of options, and what the denial or refusal says of it.
const OPTIONS: [(&str, &str); 26] = [
    ("{:privileged true}", "`privileged` gives access to the host"),
    ("{:pid \"host\"}", "`pid=host` gives access to the host"),
    ("{:network \"host\"}", "the network `host` gives access to the host"),
    ("{:network \"container:x\"}", "not the name of a network"),
    ("{:network \"none --privileged\"}", "not the name of a network"),
    ("{:network \"ns:/proc/1/ns/net\"}", "not the name of a network"),
    ("{:network \"bridge\"}", "the network `bridge` is not allowed"),
    ("{:caps [\"ALL\"]}", "all capabilities gives access to the host"),
    ("{:caps [\"SYS_ADMIN\"]}", "the capability `SYS_ADMIN` is not allowed"),
    ("{:caps [\"--privileged\"]}", "not the name of a capability"),
    ("{:rootfs-writable true}", "writing to the image's files is not allowed"),
    ("{:env-inheritance true}", "inheriting the variables of `:pass-env` is not allowed"),
    ("{:user \"0:0:0\"}", "not the name of a user"),
    ("{:user \"--privileged\"}", "not the name of a user"),
    ("{:mounts [\"/:/host\"]}", "policy.denied"),
    ("{:mounts [\"/proc:/p\"]}", "policy.denied"),
    ("{:mounts [\"/var/run/docker.sock:/s\"]}", "gives access to the container engine"),
    ("{:mounts [\"/run/podman/podman.sock:/s\"]}", "gives access to the container engine"),
    ("{:mounts [\"$T/engine.sock:/s\"]}", "gives access to the container engine"),
    ("{:mounts [\"$T/data:/d\"]}", "quire's data folder"),
    ("{:mounts [\"$T/link:/d:ro\"]}", "quire's data folder"),
    ("{:mounts [\"/srv:/work/x\"]}", "has a mount point that is not allowed"),
    ("{:mounts [\"../x:/x\"]}", "does not name a host folder"),
    ("{:mounts [\"/srv:/x,readonly=false\"]}", "cannot be the mount point of a host folder"),
    ("{:memory \"0\"}", "`0` is not a size"),
    ("{:pids 0}", "expected a whole number from 1 to 4194304"),
];

#[test]
fn hostile_images_are_refused_before_the_search_for_an_engine() {
    let mut boxes = without_engine();
    let mut images: Vec<String> = IMAGES.iter().map(|image| (*image).to_owned()).collect();
    images.push("a".repeat(5000));
    images.push(format!("x@sha256:{}", "z".repeat(64)));
    let mut jobs = String::new();
    for (number, image) in images.iter().enumerate() {
        jobs += &format!(
            "(ci:job :called{number} [:quire/push] (fn [{{: container}}] (container \"{image}\" \"true\")))\n"
        );
    }
    let run = boxes.push(&jobs);
    boxes.ends(&run, "denied");
    let shown = boxes.show(&run);
    for (number, image) in images.iter().enumerate() {
        let job = job(&shown, &format!("called{number}"));
        assert_eq!(job["outcome"], "denied", "`{image}` {job}");
        let reason = job["reason"]["text"].as_str().unwrap();
        assert!(reason.starts_with("image.invalid: ") && reason.len() < 1000, "{reason}");
    }
    assert!(!boxes.journal(&run).contains("image-resolved"));
}

#[test]
fn every_request_for_the_host_is_refused_before_the_search_for_an_engine() {
    let mut boxes = without_engine();
    std::os::unix::fs::symlink("data/repos", boxes.path("link")).unwrap();
    std::fs::write(boxes.path("engine.sock"), "").unwrap();
    let mut jobs = String::new();
    for (number, (options, _)) in OPTIONS.iter().enumerate() {
        let job = "(fn [{: container}] (container \"localhost/busybox\" \"true\" ";
        jobs += &format!("(ci:job :asks{number} [:quire/push] {job}{options})))\n");
    }
    let run = boxes.push(&jobs);
    boxes.wait(&run);
    let shown = boxes.show(&run);
    for (number, (options, said)) in OPTIONS.iter().enumerate() {
        let job = job(&shown, &format!("asks{number}"));
        let reason = job["reason"]["text"].as_str().unwrap_or_default();
        assert!(reason.contains(said), "{options}: {job}");
        assert!(!reason.contains("container.runtime.unavailable"), "{reason}");
        assert_ne!(job["outcome"], "passed", "{options}");
    }
    assert_eq!(boxes.world.run(boxes.world.command("ls").arg("empty")).output, "");
}

#[test]
fn a_run_that_is_denied_before_anything_ran_leaves_no_cgroup() {
    let mut boxes = without_engine();
    let options = "{:image \"localhost/busybox\" :network \"bridge\"}";
    let run = boxes.push(&format!("(ci:job :net [:quire/push] {options} (fn [{{: sh}}] (sh \"true\")))"));
    boxes.ends(&run, "denied");
    boxes.no_cgroup_left(&run);
}

/// A server that finds no engine: whatever gets as far as looking for one fails with another code.
fn without_engine() -> Boxes {
    let mut boxes =
        Boxes::serving("{:limits {:jobs 4}}", &["PATH=$T/empty", "DOCKER_HOST=unix://$T/engine.sock"]);
    std::fs::create_dir(boxes.path("empty")).unwrap();
    boxes.pushes = 0;
    boxes
}

fn job<'a>(shown: &'a serde_json::Value, id: &str) -> &'a serde_json::Value {
    shown["jobs"].as_array().unwrap().iter().find(|job| job["id"] == id).unwrap()
}
