//! Disks that are full: that of the data folder, and that of the engine.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::stories::world::World;
use super::{Boxes, engine};

/// A small disk, gone with this.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// A disk in memory at a folder; nothing where none can be mounted, which is said.
    pub(crate) fn mount(at: &Path, size: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            engine::skip("only root can mount a small disk");
            return None;
        }
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={size},mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).status().unwrap();
        assert!(mounted.success());
        Some(Self(at.to_owned()))
    }

    /// A file system at a folder that cannot exchange ids, as network file systems cannot.
    pub(crate) fn mount_overlay(at: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            engine::skip("only root can mount an overlay");
            return None;
        }
        let layers = ["lower", "upper", "work"].map(|name| (name, at.with_extension(name)));
        for folder in layers.iter().map(|(_, folder)| folder.as_path()).chain([at]) {
            std::fs::create_dir_all(folder).unwrap();
        }
        let options = layers.map(|(name, folder)| format!("{name}dir={}", folder.display())).join(",");
        let mut mount = Command::new("mount");
        mount.args(["-t", "overlay", "-o", &options, "overlay"]).arg(at);
        assert!(mount.status().unwrap().success());
        Some(Self(at.to_owned()))
    }

    /// A small disk at a folder, with what is in the folder.
    pub(crate) fn mount_over(at: &Path, size: &str) -> Option<Self> {
        let aside = at.with_extension("aside");
        std::fs::rename(at, &aside).unwrap();
        let disk = Self::mount(at, size);
        let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(at).status().unwrap();
        assert!(disk.is_none() || copied.success());
        disk
    }

    /// Fills it to the last byte.
    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("fill")).unwrap();
        let full = std::io::copy(&mut std::io::repeat(0), &mut file).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    /// Makes the room again that filling it took.
    pub(crate) fn clear(&self) {
        std::fs::remove_file(self.0.join("fill")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status().unwrap();
        assert!(unmounted.success());
    }
}

#[test]
fn a_step_that_fills_the_disk_fails_and_the_server_continues() {
    let world = World::new();
    let Some(disk) = Disk::mount(&world.path().join("data"), "32m") else { return };
    let mut boxes = Boxes::in_world(world, "{}", &[]);
    let run = boxes.push(
        r#"(ci:job :fills [:quire/push]
             (fn [{: sh}] (sh "dd if=/dev/zero of=big bs=1M; while :; do echo more; done")))"#,
    );
    let shown = boxes.ends(&run, "failed");
    let said = "the step was killed, because its output could not be kept: could not write the log file";
    assert!(shown.contains(said) && shown.contains("No space left on device"), "{shown}");
    // A push that cannot be recorded is refused, and changes nothing.
    disk.fill();
    let push = |branch: &str| {
        let args = ["-C", "foo", "push", "-q", "origin", &format!("HEAD:refs/heads/{branch}")];
        boxes.world.run(boxes.world.command("git").args(args))
    };
    let refused = push("refused");
    assert_ne!(refused.exit, 0);
    assert!(
        refused.output.contains("quire cannot record this push") && refused.output.contains("No space left"),
        "{}",
        refused.output
    );
    let refs = boxes.world.run(boxes.world.command("git").args(["-C", "data/repos/foo.git", "for-each-ref"]));
    assert!(!refs.output.contains("refused"), "{}", refs.output);
    disk.clear();
    let taken = push("taken");
    assert_eq!(taken.exit, 0, "{}", taken.output);
    let shown = boxes.wait("foo#2");
    assert_eq!((&shown["ref"], &shown["outcome"]), (&"refs/heads/taken".into(), &"failed".into()), "{shown}");
    boxes.world.stop_everything();
}

#[test]
fn a_container_that_fills_the_disk_ends_and_leaves_nothing() {
    if !engine::can_run_containers() {
        return;
    }
    let world = World::new();
    let Some(_disk) = Disk::mount(&world.path().join("data"), "32m") else { return };
    let mut boxes = Boxes::in_world(world, "{}", &[]);
    let run = boxes.push(
        r#"(ci:job :fills [:quire/push]
             (fn [{: container}] (container "localhost/busybox" "dd if=/dev/zero of=/work/big bs=1M; while :; do echo more; done")))"#,
    );
    let shown = boxes.ends(&run, "failed");
    let said = "the step was killed, because its output could not be kept: could not write the log file";
    assert!(shown.contains(said) && shown.contains("No space left on device"), "{shown}");
    boxes.nothing_left(&run);
    boxes.world.stop_everything();
}
