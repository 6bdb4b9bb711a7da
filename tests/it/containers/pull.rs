//! Images from a registry on loopback: Debian's docker-registry, started here.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::super::stories::world::World;
use super::full_disk::Disk;
use super::{Boxes, engine};

/// A registry with one image, ended by its pid.
pub(super) struct Registry {
    process: Child,
    pub(super) port: u16,
}

impl Registry {
    pub(super) fn start(folder: &Path) -> Self {
        let port = free_port();
        let (config, store) = (folder.join("registry.yml"), folder.join("registry"));
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\n",
            store.display()
        );
        fs::write(&config, text).unwrap();
        let log = fs::File::create(folder.join("registry.log")).unwrap();
        let mut serve = Command::new("docker-registry");
        serve.arg("serve").arg(&config).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self { process: serve.spawn().unwrap(), port }
    }

    /// Pushes an image there as `name` that is nowhere else.
    fn fill(&self, name: &str) {
        let target = format!("127.0.0.1:{}/{name}", self.port);
        let image = format!("localhost/quire-test:{}", self.port);
        let change = format!("--change=LABEL port={}", self.port);
        let made = engine::call(&["create", engine::IMAGE, "true"]);
        let container = String::from_utf8(made.stdout).unwrap();
        let committed = engine::call(&["commit", &change, container.trim(), &image]);
        assert!(committed.status.success(), "{}", String::from_utf8_lossy(&committed.stderr));
        engine::call(&["rm", container.trim()]);
        self.push(&image, &target);
        assert!(engine::call(&["rmi", &image]).status.success());
    }

    pub(super) fn push(&self, image: &str, target: &str) {
        // The registry may still be on its way.
        for _ in 0..100 {
            if engine::push(image, target).status.success() {
                return;
            }
        }
        panic!("the registry takes no image");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        // What was pulled from it goes from this machine, too.
        let filter = format!("label=port={}", self.port);
        let listed = engine::call(&["images", "--quiet", "--filter", &filter]);
        for image in String::from_utf8_lossy(&listed.stdout).lines() {
            engine::call(&["rmi", "--force", "--", image]);
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server whose engine speaks plain HTTP with registries on loopback.
fn boxes(config: &str) -> Option<Boxes> {
    engine::can_run_containers().then(|| {
        let boxes = Boxes::serving(config, &["CONTAINERS_REGISTRIES_CONF=$T/registries.conf"]);
        let conf = "[[registry]]\nlocation = \"127.0.0.1\"\nprefix = \"127.0.0.1\"\ninsecure = true\n";
        fs::write(boxes.path("registries.conf"), conf).unwrap();
        boxes
    })
}

/// Trusts one registry on loopback without TLS.
fn trust(boxes: &Boxes, port: u16) {
    let conf = format!("[[registry]]\nlocation = \"127.0.0.1:{port}\"\ninsecure = true\n");
    fs::write(boxes.path("registries.conf"), conf).unwrap();
}

#[test]
pub(super) fn images_are_pulled_by_tag_and_digest_and_pinned() {
    let Some(mut boxes) = boxes("{:limits {:jobs 1}}") else { return };
    let registry = Registry::start(boxes.world.path());
    trust(&boxes, registry.port);
    registry.fill("box:one");
    let (port, none) = (registry.port, "0".repeat(64));
    let run = boxes.push(&format!(
        r#"(ci:job :never [:quire/push] {{:allow-failure true}}
             (fn [{{: container}}] (container "127.0.0.1:{port}/box:one" "echo ran" {{:pull :never}})))
           (ci:job :tag [:never] {{:when :always}}
             (fn [{{: container}}]
               (container "127.0.0.1:{port}/box:one" "echo by tag")
               (container "127.0.0.1:{port}/box:one" "echo again" {{:pull :always}})))
           (ci:job :absent [:tag] {{:when :always :allow-failure true}}
             (fn [{{: container}}] (container "127.0.0.1:{port}/box:two" "echo ran")))
           (ci:job :wrong [:absent] {{:when :always :allow-failure true}}
             (fn [{{: container}}] (container "127.0.0.1:{port}/box@sha256:{none}" "echo ran")))"#
    ));
    let shown = boxes.wait(&run);
    let text = boxes.quire(&["show", &run]).output;
    assert!(
        text.contains(&format!(
            "image.pull.failed: the image `127.0.0.1:{port}/box:one` is not on this machine"
        )),
        "{text}"
    );
    assert!(boxes.logs(&run, "tag").contains("by tag\n") && boxes.logs(&run, "tag").ends_with("again\n"));
    for image in ["box:two".to_owned(), format!("box@sha256:{none}")] {
        let said = format!("image.pull.failed: could not pull the image `127.0.0.1:{port}/{image}`");
        assert!(text.contains(&said), "{text}");
    }
    let digest = shown["images"][0]["digest"].as_str().unwrap_or_else(|| panic!("{shown}")).to_owned();
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{shown}");
    let journal = boxes.journal(&run);
    let (_, pulled) = journal.split_once("\"pulled_ms\":").unwrap_or_else(|| panic!("{journal}"));
    assert!(pulled.starts_with(|c: char| c.is_ascii_digit()), "how long the pull took: {journal}");
    let run = boxes.push(&format!(
        r#"(ci:job :digest [:quire/push]
             (fn [{{: container}}] (container "127.0.0.1:{port}/box@{digest}" "echo by digest" {{:pull :always}})))"#
    ));
    boxes.ends(&run, "passed");
    assert_eq!(boxes.show(&run)["images"][0]["digest"], digest.as_str());
    assert!(boxes.logs(&run, "digest").ends_with("by digest\n"));
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn a_registry_that_is_down_is_said_and_one_that_hangs_ends_by_cancel_or_by_the_clock() {
    let Some(mut boxes) = boxes("{:limits {:jobs 2}}") else { return };
    // It takes connections, and never says anything.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let (down, port) = (free_port(), hanging.local_addr().unwrap().port());
    trust(&boxes, port);
    let run = boxes.push(&format!(
        r#"(ci:job :down [:quire/push]
             (fn [{{: container}}] (container "127.0.0.1:{down}/box" "echo ran")))
           (ci:job :hangs [:quire/push]
             (fn [{{: container}}] (container "127.0.0.1:{port}/box" "echo ran" {{:timeout 1}})))"#
    ));
    let ended = boxes.wait(&run);
    let text = boxes.quire(&["show", &run]).output;
    let could_not = |port: u16| format!("image.pull.failed: could not pull the image `127.0.0.1:{port}/box");
    assert!(text.contains(&could_not(down)), "{text}");
    let jobs = ended["jobs"].as_array().unwrap().iter();
    let outcomes: Vec<_> = jobs.map(|job| (job["id"].as_str(), job["outcome"].as_str())).collect();
    assert_eq!(outcomes, [(Some("down"), Some("failed")), (Some("hangs"), Some("timed-out"))], "{text}");
    let log = boxes.logs(&run, "hangs");
    assert!(log.contains(&could_not(port)) && log.contains(": timed out"), "{log}");
    boxes.nothing_left(&run);
    let run = boxes.push(&format!(
        r#"(ci:job :hangs [:quire/push] (fn [{{: container}}] (container "127.0.0.1:{port}/box:x" "echo ran")))
           (ci:job :beside [:quire/push] {{:allow-failure true}}
             (fn [{{: container}}] (container "127.0.0.1:{port}/box:x" "echo ran" {{:timeout 1}})))"#
    ));
    hanging.set_nonblocking(true).unwrap();
    // Whichever pulls the image: the one with a limit does not wait for the other.
    let shows = |text: &str| boxes.quire(&["show", &run]).output.contains(text);
    assert!(boxes.world.eventually(|_| shows("timed out") && shows("(running)")));
    boxes.quire(&["cancel", &run]);
    boxes.ends(&run, "cancelled");
    boxes.nothing_left(&run);
}

#[test]
fn an_image_for_which_the_engine_has_no_room_is_said() {
    if !engine::can_run_containers() {
        return;
    }
    let world = World::new();
    let Some(_disk) = Disk::mount(&world.path().join("store"), "1m") else { return };
    let variables =
        ["CONTAINERS_REGISTRIES_CONF=$T/registries.conf", "CONTAINERS_STORAGE_CONF=$T/storage.conf"];
    let mut boxes = Boxes::in_world(world, "{}", &variables);
    let store = boxes.path("store").display().to_string();
    let conf =
        format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{store}/graph\"\nrunroot = \"{store}/run\"\n");
    fs::write(boxes.path("storage.conf"), conf).unwrap();
    let registry = Registry::start(boxes.world.path());
    trust(&boxes, registry.port);
    registry.fill("box:large");
    let port = registry.port;
    let run = boxes.push(&format!(
        r#"(ci:job :pulls [:quire/push] (fn [{{: container}}] (container "127.0.0.1:{port}/box:large" "echo ran")))"#
    ));
    let shown = boxes.ends(&run, "failed");
    let said = format!("image.pull.failed: could not pull the image `127.0.0.1:{port}/box:large`");
    assert!(shown.contains(&said) && shown.contains("no space left on device"), "{shown}");
    boxes.world.stop_everything();
}
