//! What `flwd` promises, by number. Each has a test with that number in its name: `n7_…`, `defect_3_…`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The promises of the README.
const PROMISES: [&str; 68] = [
    ":jobs lists the jobs below scripts/",
    ":plan prints a plan and runs nothing",
    "a job runs by its name with its arguments",
    "--json prints NDJSON of events and nothing else",
    "runs of the command line and of the server are journaled",
    "GET /runs/{id}/events streams events as they happen",
    "events can be exported as NDJSON",
    "secrets are redacted in plans and events",
    "completion scripts for bash, zsh, fish and PowerShell",
    "completion follows changed jobs and flags",
    "aliases of scripts/flwd.yaml are loaded",
    ":jobs --json lists them",
    "an alias runs like a command",
    "bad aliases are reported with their codes",
    "__complete offers commands and aliases",
    "__complete offers the flags of a job",
    "__complete offers values",
    "a thousand completions keep their times",
    "aliases are shown when they are public",
    "aliases are shown to whoever may write",
    ":serve starts with --bind, --profile and --dev",
    "the routes exist",
    "401 without a token, 403 without its scope",
    "--dev needs no token, and takes dev-token",
    "--dev allows pages of localhost",
    "--log=json logs requests",
    "runs and streams show events of the executor",
    "/metrics has the promised names",
    "/metrics is open on loopback only",
    "--metrics=false removes it",
    "a command gives the same events as POST /runs",
    "the profiles secure, permissive and disabled",
    "request before FLWD_PROFILE before --profile before secure",
    "FLWD_POLICY_FILE is verified before the server serves",
    "the keys of the bundle hold",
    "overrides are denied, listed or audited by profile",
    "every decision is an event",
    "jobs of a source have a source, others have none",
    "plans and runs accept a source",
    "local sources are in allowed folders",
    "the README's example with ../extra-scripts",
    "provenance names the source, its ref and its checkout",
    "git sources are pinned to a commit below the data folder",
    "jobs of a git source are listed, planned and run",
    "the smoke script passes for local and git",
    "images with a manifest are add-ons",
    "oci sources must be trusted",
    "plans of an add-on's job name their source",
    "an add-on is removed",
    ":sources add and remove",
    ":plan of an add-on's job",
    "on-add pulls once and pins the digest",
    "on-run pulls nothing when it is added",
    "the manifest is read by the promised arguments",
    "granted overrides are in the provenance of plans and runs",
    "the codes of add-ons",
    "interpreter: container:IMAGE",
    ":serve needs podman or docker",
    "a command without an engine fails with the same problem",
    "a missing engine is a problem before the run",
    "what a container may",
    "secrets are files in /run/secrets",
    "allowed overrides reach the container",
    "cancel stops the container and says so",
    "a denied job does not start",
    "the example job in a container",
    "container.name.conflict",
    "git hosts and paths are on a list that can be set",
];

/// What must never come back.
const DEFECTS: [&str; 13] = [
    "tokens that are lists of scopes",
    "streams that are not flushed, and readers that stop a run",
    "steps, extra arguments and commands beside the policy",
    "secrets in environments, arguments, files and help",
    "failures that exit with 0, ignored timeouts and needs",
    "runs and sources that vanish at a restart",
    "cancelling that leaves processes",
    "one process for a data folder",
    "labels of any path, prefixes of origins, endless bodies",
    "anybody may ask for the profile disabled",
    "warnings in the text of a manifest",
    "endless lines and bytes that are no text",
    "no limit of runs at the same time",
];

/// The numbers in the names of tests below a folder: of promises, and of defects.
fn numbers(folder: &Path, (promises, defects): (&mut BTreeSet<usize>, &mut BTreeSet<usize>)) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            numbers(&path, (promises, defects));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for name in tests(&text) {
                read_name(name, promises, defects);
            }
        }
    }
}

/// The names of the tests in a file.
fn tests(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[test]").skip(1).filter_map(|test| test.split_once("fn ")?.1.split('(').next())
}

/// `n46_to_n53` means all of them.
fn read_name(name: &str, promises: &mut BTreeSet<usize>, defects: &mut BTreeSet<usize>) {
    let parts: Vec<&str> = name.split('_').collect();
    let promise = |part: &&str| part.strip_prefix('n').and_then(|number| number.parse().ok());
    promises.extend(parts.iter().filter_map(promise));
    for range in parts.windows(3).filter(|range| range[1] == "to") {
        if let (Some(first), Some(last)) = (promise(&range[0]), promise(&range[2])) {
            promises.extend::<std::ops::RangeInclusive<usize>>(first..=last);
        }
    }
    let defect = |pair: &[&str]| pair[1].parse::<usize>().ok().filter(|_| pair[0] == "defect");
    defects.extend(parts.windows(2).filter_map(defect));
}

#[test]
fn every_promise_and_every_defect_has_a_test_with_its_number() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut promises, mut defects) = (BTreeSet::new(), BTreeSet::new());
    for folder in ["tests/it", "src"] {
        numbers(&root.join(folder), (&mut promises, &mut defects));
    }
    for (kind, texts, found) in [("promise", &PROMISES[..], promises), ("defect", &DEFECTS[..], defects)] {
        let untested: Vec<String> = (1..=texts.len())
            .filter(|number| !found.contains(number))
            .map(|number| format!("{kind} {number}: {}", texts[number - 1]))
            .collect();
        assert_eq!(untested, Vec::<String>::new(), "no test has these numbers");
        assert!(found.iter().all(|number| (1..=texts.len()).contains(number)), "{kind}: {found:?}");
    }
}
