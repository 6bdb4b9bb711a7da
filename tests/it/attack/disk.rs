//! The push storm over a small disk that becomes full, to the last block or the last inode, and is freed again.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::storm::{Size, storm};
use super::{Attack, Random};
use crate::engine;

/// The size of the disk: what a storm of half a minute needs, and some room.
const SIZE: &str = "size=48m,nr_inodes=24k";

/// The most inodes that are taken in one go; beyond the number that the disk has.
const MAX_INODES: usize = 30_000;

/// How large the pieces are by which the disk is filled.
const PIECE: usize = 1024 * 1024;

#[test]
fn no_push_is_lost_or_doubled_while_the_disk_is_full() {
    if !rustix::process::geteuid().is_root() {
        return engine::skip("only root can mount a small disk");
    }
    let mut attack = Attack::new("disk", 1);
    while let Some(random) = attack.next_round() {
        let size = Size::of(&attack).without_rest();
        storm(&mut attack, size, Some(Disk::mount), random);
    }
    attack.finish();
}

/// A disk in memory; unmounted when it goes.
pub(super) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts a disk at a folder. Only root may.
    pub(super) fn mount(folder: &Path) -> Self {
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", SIZE, "quire-attack"]).arg(folder).status().unwrap();
        assert!(mounted.success(), "no disk could be mounted at {}", folder.display());
        Self { folder: folder.to_owned() }
    }

    /// Fills the disk, but for a few blocks or inodes at random.
    pub(super) fn fill(&self, random: &mut Random) {
        let room = *random.pick(&[0, 0, 1, 2, 5, 20]);
        if random.one_in(3) { self.fill_inodes(room) } else { self.fill_blocks(room) }
    }

    /// Frees what was filled.
    pub(super) fn free(&self) {
        for name in ["filling", "inodes"] {
            let path = self.folder.join(name);
            let _none = fs::remove_file(&path).is_err() && fs::remove_dir_all(&path).is_err();
        }
    }

    fn fill_blocks(&self, room: usize) {
        let Ok(mut file) = File::create(self.folder.join("filling")) else { return };
        for size in [PIECE, 4096] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
        let length = file.metadata().unwrap().len();
        let _as_it_is = file.set_len(length.saturating_sub(room as u64 * 4096)).is_err();
    }

    fn fill_inodes(&self, room: usize) {
        let folder = self.folder.join("inodes");
        if fs::create_dir(&folder).is_err() {
            return;
        }
        let count = (0..MAX_INODES)
            .take_while(|number| File::create(folder.join(number.to_string())).is_ok())
            .count();
        for number in (0..count).rev().take(room) {
            let _none = fs::remove_file(folder.join(number.to_string())).is_err();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.folder).status();
        assert!(std::thread::panicking() || unmounted.is_ok_and(|status| status.success()));
    }
}
