//! `quire ci run` as people see it: what must not be shown, and what must be.

use std::fs;

use super::place::Place;

fn run(pipeline: &str, config: &str, args: &[&str]) -> (Option<i32>, String, Place) {
    let place = Place::new(pipeline, &[], Some(config));
    let output = place.quire(&[&["ci", "run"], args].concat());
    let shown = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(shown).unwrap(), place)
}

#[test]
fn a_secret_in_the_folder_of_a_step_is_masked() {
    let pipeline = "(local ci (require :quire.ci))
        (ci:job :a [:quire/push] (fn [{: sh : secret}] (sh :true {:cwd (secret :token)})))";
    let (code, shown, place) = run(pipeline, "{:secrets {:token \"s3cr3t-in-a-path\"}}", &["-v"]);
    let all = shown + &place.logs();
    assert_eq!(code, Some(1), "{all}");
    assert!(all.contains("the step cannot run in the folder") && all.contains("<redacted>"), "{all}");
    assert!(!all.contains("s3cr3t"), "{all}");
}

#[test]
fn a_secret_that_is_too_short_is_warned_of() {
    let pipeline = "(local ci (require :quire.ci))
        (ci:job :a [:quire/push] (fn [{: secret}] (print (secret :pin))))";
    let (_, shown, _) = run(pipeline, "{:secrets {:pin \"abc\"}}", &["-v"]);
    assert!(shown.contains("the secret `pin` has fewer than 4 bytes and is not masked"), "{shown}");
}

#[test]
fn each_job_is_reported_once() {
    let pipeline = "(local ci (require :quire.ci))
        (for [i 1 60] (ci:job (.. :j i) [:quire/push] (fn [] (print i))))";
    let (code, shown, _) = run(pipeline, "{}", &[]);
    assert_eq!(code, Some(0), "{shown}");
    let mut reported: Vec<&str> =
        shown.lines().filter_map(|line| line.trim().strip_prefix("passed ")).collect();
    reported.sort_unstable();
    reported.dedup();
    assert_eq!((reported.len(), shown.lines().count()), (60, 62), "{shown}");
}

#[test]
fn a_script_that_does_not_listen_is_ended_with_a_word_and_leaves_no_workspace() {
    let pipeline = "(local ci (require :quire.ci))
        (ci:job :a [:quire/push]
          (fn [] (string.find (string.rep :a 40) (.. (string.rep :a? 40) (string.rep :a 40)))))";
    let (code, shown, place) = run(pipeline, "{}", &[]);
    assert_eq!(code, Some(124), "{shown}");
    let reason = "timed-out: the script did not respond for 5 s in job a, last seen at .quire/ci.fnl:3";
    assert!(shown.contains(reason), "{shown}");
    assert!(shown.trim_end().lines().last().unwrap().starts_with("logs: "), "{shown}");
    for gone in ["work", "lock", "control.sock"] {
        assert!(!place.path("home/.cache/quire/ci/run-1").join(gone).exists(), "{gone}");
    }
    let journal = fs::read_to_string(place.path("home/.cache/quire/ci/run-1/journal.ndjson")).unwrap();
    assert!(journal.trim_end().lines().last().unwrap().contains("\"timed-out\""), "{journal}");
}

/// A pipeline whose one step runs these lines; each must succeed.
fn step(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line} || exit 1\\n")).collect();
    format!("(local ci (require :quire.ci)) (ci:job :a [:quire/push] (fn [{{: sh}}] (sh \"{lines}\")))")
}

#[test]
fn no_git_in_a_step_finds_the_working_copy_or_a_home_under_git() {
    let place = Place::new(
        &step(&[
            "! git rev-parse",
            "! git tag made-by-ci",
            "! git config user.email ci@example.org",
            "! git reset --hard",
            "! git clean -fdx :/",
            "mkdir -p deep/er && cd deep/er && ! git reset --hard",
            "cd ../../.. && ! git reset --hard",
            "cd .. && ! git reset --hard && cd -",
            "cd work && git init -q && git rev-parse && cd deep && git rev-parse",
        ]),
        &[],
        None,
    );
    place.git(&["-C", "../home", "init", "-q"]);
    fs::write(place.path("home/.bashrc"), "one").unwrap();
    place.git(&["-C", "../home", "add", ".bashrc"]);
    place.git(&["-C", "../home", "commit", "-q", "-m", "dotfiles"]);
    fs::write(place.path("home/.bashrc"), "two").unwrap();
    let config = fs::read(place.path("copy/.git/config")).unwrap();
    let output = place.quire(&["ci", "run", "-v"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fs::read(place.path("home/.bashrc")).unwrap(), b"two");
    assert_eq!(place.git(&["tag"]), "");
    assert_eq!(fs::read(place.path("copy/.git/config")).unwrap(), config);
    assert!(!place.path("copy/.git/quire").exists());
}

#[test]
fn a_cache_that_cannot_be_used_is_replaced_by_a_folder_for_temporary_files() {
    // Without a list of folders that names one with a colon, the fence has to hold as well.
    let place = Place::new(
        &step(&["! git rev-parse", "! git -C .. rev-parse", "! git -C ../.. rev-parse"]),
        &[],
        None,
    );
    let temporary = place.path("a:b");
    fs::create_dir(&temporary).unwrap();
    place.git(&["-C", "..", "init", "-q"]);
    let run = |cache: &std::path::Path, home: &std::path::Path| {
        let mut command = place.command(env!("CARGO_BIN_EXE_quire"), &["ci", "run"]);
        command.env("XDG_CACHE_HOME", cache).env("HOME", home).env("TMPDIR", &temporary);
        command.output().unwrap()
    };
    let inside = place.path("copy");
    let link = place.path("link");
    std::os::unix::fs::symlink(&inside, &link).unwrap();
    fs::write(place.path("file"), "").unwrap();
    for cache in [&inside, &inside.join(".git"), &link, &place.path("file")] {
        let output = run(cache, &inside);
        let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let place_of_logs =
            format!("logs: {}/quire-{}/ci/run-", temporary.display(), rustix::process::getuid().as_raw());
        assert!(output.status.success() && shown.contains(&place_of_logs), "{shown}");
    }
    assert!(!inside.join("quire").exists() && !inside.join(".cache").exists());
}

#[test]
fn the_environment_of_a_hook_does_not_lead_elsewhere() {
    let place = Place::new(
        &step(&["[ -z \\\"$GIT_DIR$GIT_WORK_TREE$GIT_INDEX_FILE\\\" ]", "[ -e x ]", "! git rev-parse"]),
        &[("x".to_owned(), "1".to_owned())],
        None,
    );
    place.git(&["init", "-q", "../other"]);
    let mut command = place.command(env!("CARGO_BIN_EXE_quire"), &["ci", "run", "-v"]);
    command.env("GIT_DIR", place.path("other/.git")).env("GIT_WORK_TREE", place.path("other"));
    command.env("GIT_INDEX_FILE", place.path("other/index")).env("GIT_CEILING_DIRECTORIES", "/nowhere");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_pipeline_behind_a_link_is_refused_as_a_commit_would_not_have_it() {
    let place = Place::new(&step(&["true"]), &[], None);
    fs::rename(place.path("copy/.quire"), place.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("copy/.quire")).unwrap();
    for command in ["run", "check"] {
        let output = place.quire(&["ci", command]);
        let shown = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(shown.starts_with("error: .quire is a symbolic link"), "{shown}");
    }
}

#[test]
fn output_that_is_lost_on_a_full_disk_is_a_failure() {
    let (code, shown, place) = run(&step(&["true"]), "{}", &[]);
    assert_eq!(code, Some(0), "{shown}");
    for args in [["ci", "run", "--json"], ["ci", "check", "--json"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = place.command(env!("CARGO_BIN_EXE_quire"), &args).stdout(full).output().unwrap();
        let reported = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(5), "{reported}");
        assert_eq!(
            reported.matches("error: could not write to standard output: No space left").count(),
            1,
            "{reported}"
        );
    }
}

/// All that is shown of a run can be read from its journal alone, also what its jobs gave to each other.
#[test]
fn a_journal_replays_to_its_record() {
    use quire::journal::{Fact, JournalReader, RunRecord};
    let pipeline = "(local ci (require :quire.ci))
        (ci:job :version [:quire/push] (fn [{: secret}] {:number \"1.2\" :files [1 2 3] :token (secret :token)}))
        (ci:job :large [:quire/push] (fn [] (string.rep :x 300000)))
        (ci:job :show [:version] (fn [{: jobs : sh}] (print (. (jobs :version) :number)) (sh \"true\") nil))
        (ci:job :bad [:show] (fn [{: sh}] (sh \"exit 3\")))";
    let (code, _, place) = run(pipeline, r#"{:secrets {:token "hunter22-hunter22"}}"#, &[]);
    assert_eq!(code, Some(1));
    let runs = place.path("home/.cache/quire/ci");
    let folder = std::fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().path());
    let folder = folder.into_iter().find(|path| path.join("journal.ndjson").is_file()).unwrap();
    let records = JournalReader::new(&folder).read().unwrap();
    let numbers: Vec<u64> = records.iter().map(|record| record.seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(records.iter().all(|record| record.attempt == 1 && record.is_in_order));
    assert!(records.is_sorted_by_key(|record| record.at));
    let mut replayed = RunRecord::default();
    records.iter().cloned().for_each(|record| replayed.apply(record));
    assert_eq!(replayed, RunRecord::try_read(&folder).unwrap());
    let job = |id: &str| replayed.jobs.iter().find(|job| job.id == id).unwrap();
    let output = |id: &str| job(id).output.as_ref().unwrap();
    let version = output("version").json().unwrap();
    assert_eq!(version.to_string(), r#"{"files":[1,2,3],"number":"1.2","token":"<redacted>"}"#);
    assert!(
        !output("version").is_exact() && output("large").json().is_none() && job("show").output.is_none()
    );
    assert_eq!(job("bad").reason.as_ref().map(|reason| &*reason.code), Some("step.failed"));
    assert_eq!(replayed.reason.as_ref().map(|reason| &*reason.code), Some("run.jobs"));
    // What a job gives is written down before its end.
    let place_of = |is: &dyn Fn(&Fact) -> bool| records.iter().position(|record| is(&record.fact)).unwrap();
    let gave = place_of(&|fact| matches!(fact, Fact::JobOutput { job, .. } if job == "version"));
    let ended = place_of(&|fact| matches!(fact, Fact::JobEnded { job, .. } if job == "version"));
    assert!(gave < ended);
    assert!(!std::fs::read_to_string(folder.join("journal.ndjson")).unwrap().contains("hunter22"));
}

#[test]
fn a_step_ignores_no_signal_and_has_a_home_however_quire_was_started() {
    let place = Place::new(
        r#"(local ci (require :quire.ci))
           (ci:job :host [:quire/push]
             (fn [{: sh}] (sh "grep -E 'Sig(Ign|Blk)' /proc/self/status; echo home $HOME")))
           (ci:job :sandbox [:quire/push] {:sandbox :bwrap} (fn [{: sh}] (sh "grep SigIgn /proc/self/status")))"#,
        &[],
        None,
    );
    let quire = env!("CARGO_BIN_EXE_quire");
    let ignoring = format!("trap '' HUP QUIT USR1 USR2 ALRM PIPE; exec {quire} ci run -v");
    let mut start = place.command("sh", &["-c", &ignoring]);
    let output = start.env_remove("HOME").env("XDG_CACHE_HOME", place.path("home")).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    let none = "0000000000000000";
    // Two of the C library's own, 32 and 33, are no concern here: they can neither be set nor reset.
    let own = ["0000000180000000", "0000000080000000", "0000000100000000"];
    let shown = own.iter().fold(shown.into_owned(), |shown, own| shown.replace(own, none));
    for line in [
        format!("host │ SigBlk:\t{none}"),
        format!("host │ SigIgn:\t{none}"),
        format!("sandbox │ SigIgn:\t{none}"),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    let home = shown.lines().find_map(|line| line.strip_prefix("host │ home "));
    assert!(home.is_some_and(|home| home.starts_with('/')), "{shown}");
}
