//! The file that keeps what was found.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{ids, job};
use crate::pipeline::folder::index::{Index, MAX_INDEX, checksum};
use crate::pipeline::folder::*;
use crate::sys::user::own_uid;

/// Waits until the times of everything that was written so far can be relied on.
fn settle() {
    let began = crate::sys::clock::now();
    while crate::sys::clock::now().as_millis() < began.as_millis() + 25 {
        std::thread::yield_now();
    }
}

fn count(root: &Path, index: &Path) -> Discovery {
    discover_with_index(root, Some(index)).unwrap()
}

#[test]
fn every_change_is_seen_through_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let (root, index) = (folder.path().join("scripts"), folder.path().join("cache/jobs.index"));
    job(&root, "a/one", "interpreter: bash\nargspec: {args: [{name: first, type: integer, default: 3}]}\n");
    job(&root, "two", "job: {summary: old}\n");
    settle();
    let cold = count(&root, &index);
    let written = fs::metadata(&index).unwrap().modified().unwrap();
    let warm = count(&root, &index);
    assert_eq!(cold.jobs, warm.jobs);
    // Nothing is new, so nothing is written.
    assert_eq!(fs::metadata(&index).unwrap().modified().unwrap(), written);
    // The same size, and times that were put back.
    let config = root.join("two/config.d/config.yaml");
    let times = fs::metadata(&config).unwrap().modified().unwrap();
    fs::write(&config, "job: {summary: new}\n").unwrap();
    fs::File::options().write(true).open(&config).unwrap().set_modified(times).unwrap();
    assert_eq!(count(&root, &index).find("two").unwrap().summary.as_deref(), Some("new"));
    settle();
    count(&root, &index);
    job(&root, "a/three", "");
    fs::create_dir_all(root.join("four/config.d")).unwrap();
    assert_eq!(ids(&count(&root, &index)), ["a.one", "a.three", "two"]);
    settle();
    count(&root, &index);
    fs::write(root.join("four/config.d/CONFIG.yaml"), "").unwrap();
    fs::remove_file(root.join("a/one/config.d/config.yaml")).unwrap();
    fs::remove_dir_all(root.join("two")).unwrap();
    assert_eq!(ids(&count(&root, &index)), ["a.three", "four"]);
    fs::rename(root.join("a"), root.join("b")).unwrap();
    assert_eq!(ids(&count(&root, &index)), ["b.three", "four"]);
}

#[test]
fn two_changes_within_one_tick_of_the_clock_are_both_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (root, index) = (folder.path().join("scripts"), folder.path().join("jobs.index"));
    for round in 0..50 {
        job(&root, "x", &format!("job: {{summary: s{round:02}}}\n"));
        assert_eq!(count(&root, &index).find("x").unwrap().summary, Some(format!("s{round:02}")));
    }
}

/// An index of two jobs, with what was summed up in its head and what follows it.
fn written(root: &Path, index: &Path) -> (Vec<u8>, Vec<u8>) {
    job(
        root,
        "a/x",
        "job: {summary: sum1}\ninterpreter: sh\nargspec: {args: [{name: n, secret: true}]}\nno: 1\n",
    );
    job(root, "y", "interpreter: sh\n");
    settle();
    count(root, index);
    let mut head = fs::read(index).unwrap();
    let rest = head.split_off(Index::read(index, root).unwrap().start);
    (head, rest)
}

/// The index again, with other records and the checksum of these.
fn forge(index: &Path, (head, rest): (&[u8], &[u8])) {
    let mut forged = head[..head.len() - 4].to_vec();
    forged.extend(checksum(rest).to_le_bytes());
    forged.extend(rest);
    fs::write(index, forged).unwrap();
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let place = bytes.windows(from.len()).position(|part| part == from).unwrap();
    [&bytes[..place], to, &bytes[place + from.len()..]].concat()
}

#[test]
fn an_index_that_is_damaged_or_of_another_root_or_version_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let (root, index) = (folder.path().join("scripts"), folder.path().join("jobs.index"));
    let (head, rest) = written(&root, &index);
    let whole = [head, rest].concat();
    let read = |bytes: &[u8]| {
        fs::write(&index, bytes).unwrap();
        Index::read(&index, &root).is_some_and(|index| index.records().is_some())
    };
    assert!(read(&whole));
    for length in 0..whole.len() {
        assert!(!read(&whole[..length]), "cut at {length}");
        let mut flipped = whole.clone();
        flipped[length] ^= 0x10;
        assert!(!read(&flipped), "changed at {length}");
    }
    for bytes in [replaced(&whole, b"scripts", b"strange"), [&whole[..], b"more"].concat(), b"{}".to_vec()] {
        fs::write(&index, &bytes).unwrap();
        assert_eq!(ids(&count(&root, &index)), ["a.x", "y"]);
        assert_eq!(fs::read(&index).unwrap(), whole, "it is written anew");
    }
    fs::File::create(&index).unwrap().set_len(MAX_INDEX + 1).unwrap();
    assert_eq!(ids(&count(&root, &index)), ["a.x", "y"]);
    assert_eq!(fs::read(&index).unwrap(), whole);
    fs::remove_file(&index).unwrap();
    fs::create_dir(&index).unwrap();
    assert_eq!(ids(&count(&root, &index)), ["a.x", "y"]);
    assert_eq!(ids(&count(&root, Path::new("/proc/none/jobs.index"))), ["a.x", "y"]);
}

#[test]
fn an_index_that_others_may_write_to_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let (root, index) = (folder.path().join("scripts"), folder.path().join("jobs.index"));
    let (head, rest) = written(&root, &index);
    let forged = replaced(&rest, b"sum1", b"sum2");
    let summary = || count(&root, &index).find("a.x").unwrap().summary.clone().unwrap();
    forge(&index, (&head, &forged));
    assert_eq!(summary(), "sum2", "one of this account is believed");
    forge(&index, (&head, &forged));
    fs::set_permissions(&index, fs::Permissions::from_mode(0o620)).unwrap();
    assert_eq!(summary(), "sum1");
    fs::rename(&index, folder.path().join("real")).unwrap();
    symlink("real", &index).unwrap();
    forge(&folder.path().join("real"), (&head, &forged));
    assert_eq!(summary(), "sum1", "no link is followed");
    if own_uid() == 0 {
        fs::remove_file(&index).unwrap();
        forge(&index, (&head, &forged));
        chown(&index, Some(12345), None).unwrap();
        assert_eq!(summary(), "sum1");
        // Nor is anything written into a folder of somebody else.
        let other = folder.path().join("other");
        fs::create_dir(&other).unwrap();
        chown(&other, Some(12345), None).unwrap();
        count(&root, &other.join("jobs.index"));
        assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
    }
}

#[test]
fn an_index_cannot_lead_out_of_the_root_and_no_forged_record_does_harm() {
    let folder = tempfile::tempdir().unwrap();
    let (root, index) = (folder.path().join("scripts"), folder.path().join("jobs.index"));
    let (head, rest) = written(&root, &index);
    job(folder.path(), "o", "job: {id: outside}\n");
    // The folder `a` becomes `..`, and the name of the file.
    let forgeries = [
        replaced(&rest, b"\x01\0\0\0a", b"\x02\0\0\0.."),
        replaced(&rest, b"\x01\0\0\0a", b"\x04\0\0\0../o"),
        replaced(&rest, b"\x01\0\0\0a", b"\x01\0\0\0/"),
        replaced(&rest, b"config.d/config.yaml", b"../../../../etc/pass"),
        replaced(&rest, b"interpreter", b"interprete!"),
    ];
    for forged in forgeries {
        forge(&index, (&head, &forged));
        let found = count(&root, &index);
        assert_eq!(ids(&found), ["a.x", "y"]);
        assert_eq!(
            found.find("a.x").unwrap().config.args.len(),
            1,
            "what cannot be read is read from the file"
        );
    }
    for place in 0..rest.len() {
        let mut forged = rest.clone();
        forged[place] ^= 0xff;
        forge(&index, (&head, &forged));
        let found = count(&root, &index);
        let args: usize = found.jobs.iter().map(|job| job.config.args.len()).sum();
        assert!(found.jobs.len() <= 2 && args <= 1, "changed at {place}");
    }
}

/// How long 5,000 folders take: `cargo nextest run --release --run-ignored only five_thousand`.
#[test]
#[ignore = "a measurement"]
fn five_thousand_folders_are_found_fast() {
    let folder = tempfile::tempdir().unwrap();
    let (root, index) = (folder.path().join("scripts"), folder.path().join("jobs.index"));
    for number in 0..5000 {
        job(
            &root,
            &format!("team{}/job{number}", number % 50),
            &super::DEMO.replace("id: demo", &format!("id: demo{number}")),
        );
    }
    settle();
    let began = Instant::now();
    assert_eq!(count(&root, &index).jobs.len(), 5000);
    let cold = began.elapsed();
    let mut warm = Duration::MAX;
    for _ in 0..10 {
        let began = Instant::now();
        assert_eq!(count(&root, &index).jobs.len(), 5000);
        warm = warm.min(began.elapsed());
    }
    println!("cold {cold:?}, warm {warm:?}, index {} bytes", fs::metadata(&index).unwrap().len());
}
