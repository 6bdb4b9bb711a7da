//! The file that keeps what was found.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{ids, job};
use crate::pipeline::folder::*;

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
    let (root, index) = (folder.path().join("scripts"), folder.path().join("cache/jobs.json"));
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
    let (root, index) = (folder.path().join("scripts"), folder.path().join("jobs.json"));
    for round in 0..50 {
        job(&root, "x", &format!("job: {{summary: s{round:02}}}\n"));
        assert_eq!(count(&root, &index).find("x").unwrap().summary, Some(format!("s{round:02}")));
    }
}

#[test]
fn an_index_that_is_damaged_or_of_another_root_or_cannot_be_written_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let (root, index) = (folder.path().join("scripts"), folder.path().join("jobs.json"));
    job(&root, "x", "interpreter: sh\n");
    settle();
    count(&root, &index);
    let whole = fs::read_to_string(&index).unwrap();
    for text in [
        String::new(),
        "{".to_owned(),
        whole[..whole.len() / 2].to_owned(),
        whole.replace("\"version\":1", "\"version\":0"),
        whole.replace("scripts", "elsewhere"),
        "[1,2,3]".to_owned(),
    ] {
        fs::write(&index, &text).unwrap();
        assert_eq!(ids(&count(&root, &index)), ["x"], "{text}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&fs::read_to_string(&index).unwrap()).unwrap()["version"],
            1
        );
    }
    fs::remove_file(&index).unwrap();
    fs::create_dir(&index).unwrap();
    assert_eq!(ids(&count(&root, &index)), ["x"]);
    assert_eq!(ids(&count(&root, Path::new("/proc/none/jobs.json"))), ["x"]);
}

/// How long 5,000 folders take: `cargo nextest run --release --run-ignored only five_thousand`.
#[test]
#[ignore = "a measurement"]
fn five_thousand_folders_are_found_fast() {
    let folder = tempfile::tempdir().unwrap();
    let (root, index) = (folder.path().join("scripts"), folder.path().join("jobs.json"));
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
