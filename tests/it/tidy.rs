//! The house rules that a line search can check.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules in the order of use: each may name only those before it.
const ORDER: &str = "model event schema sys metrics script config secret policy forge log cache artifact journal store \
                     intake pipeline executor container run view notify watch sources app http \
                     serve cli compat";

/// The longest source file, in lines.
const MAX_LINES: usize = 500;

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn all_sources() -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&src, &mut paths);
    paths.sort();
    assert!(paths.len() > 10);
    paths
        .into_iter()
        .map(|path| (path.strip_prefix(&src).unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect()
}

fn rank(module: &str) -> Option<usize> {
    ORDER.split_whitespace().position(|name| name == module)
}

#[test]
fn a_module_names_only_those_before_it() {
    let mut wrong = Vec::new();
    for (path, text) in all_sources() {
        let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
        if matches!(first, "lib.rs" | "main.rs") {
            continue;
        }
        let own = rank(first.trim_end_matches(".rs"))
            .unwrap_or_else(|| panic!("{} has no place in the order", path.display()));
        for (number, line) in text.lines().enumerate() {
            let place = || format!("{}:{}: {}", path.display(), number + 1, line.trim());
            if line.contains("use crate::{") || line.contains("super::super") {
                wrong.push(place());
            }
            for rest in line.split("crate::").skip(1) {
                let module: String =
                    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if rank(&module).is_none_or(|other| other > own) {
                    wrong.push(place());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "against the order of modules:\n{}", wrong.join("\n"));
}

#[test]
fn adapters_reach_the_database_through_operations_only() {
    for (path, text) in all_sources() {
        if !["http", "cli", "compat"].iter().any(|adapter| path.starts_with(adapter)) {
            continue;
        }
        for name in ["crate::store", "rusqlite"] {
            assert!(!text.contains(name), "{} names {name}; ask an operation of `app`", path.display());
        }
    }
}

#[test]
fn lib_lists_the_modules_in_their_order() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let ranks: Vec<_> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod "))
        .map(|rest| rank(rest.trim_end_matches(';')))
        .collect();
    assert!(ranks.iter().all(Option::is_some) && ranks.is_sorted(), "{lib}");
}

#[test]
fn files_have_one_concept_and_fit() {
    let long: Vec<_> = all_sources()
        .into_iter()
        .map(|(path, text)| (text.lines().count(), path))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .collect();
    assert!(long.is_empty(), "files over {MAX_LINES} lines: {long:?}");
    for (path, _) in all_sources() {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(
            !matches!(&*name, "utils" | "util" | "helpers" | "common" | "manager" | "misc"),
            "{} has no name",
            path.display()
        );
    }
}

#[test]
fn secrets_are_exposed_in_three_places_only() {
    for (path, text) in all_sources() {
        let allowed = path.starts_with("secret")
            || path == Path::new("script/api/secret.rs")
            || path == Path::new("executor/environment.rs");
        assert!(allowed || !text.contains("expose_secret"), "{} exposes a secret", path.display());
    }
}

/// Phrases that nobody looks up, and the words that people search for.
const OLD_DIALECT: &[(&str, &str)] = &[
    ("looked at it", "the exit status was not checked"),
    ("told to end", "asked to end"),
    ("told to stop", "asked to stop; being stopped"),
    ("said to who", "reported to"),
    ("whose it is", "the account that owns it"),
    ("that go on", "running; active"),
    ("is going on", "is running"),
    ("in peace", "undisturbed, or nothing"),
    ("in vain", "stuck"),
    ("hereby", "by this"),
    ("thereby", "by this"),
    ("thereof", "of it"),
    ("mischief", "misuse"),
    ("says what is there", "reports what was found"),
    ("gives the host away", "gives access to the host"),
    ("no step may begin", "no step can start"),
    ("would stand in between", "would prevent it"),
    ("beside the runtime", "on a blocking thread"),
    ("stands between", "isolates; protects"),
    ("at hand", "available"),
    ("is content", "accepts; succeeded"),
    ("demands", "requires"),
    (" walls ", "isolation"),
    ("goes on ", "continues"),
    ("going on", "running"),
    (" told ", "reported; printed; sent"),
    (" tells ", "reports; prints; sends"),
    (" wants ", "must be; takes; expects"),
    ("who pushes", "the pusher"),
    ("talks to", "connects to"),
    ("speaks with", "connects to"),
    ("can be had", "is available"),
    ("_is_no_", "_is_not_a_"),
];

/// Every text file below a path, without licences that others wrote.
fn texts(path: &Path, into: &mut Vec<(PathBuf, String)>) {
    if path.ends_with("docs/licenses") {
        return;
    }
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| texts(&entry.unwrap().path(), into));
    } else if let Ok(text) = fs::read_to_string(path) {
        into.push((path.to_owned(), text.to_lowercase()));
    }
}

#[test]
fn the_words_of_the_old_dialect_are_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for part in ["src", "docs", "lua", "fennel", "CI-FENNEL.md", "README.md"] {
        texts(&root.join(part), &mut all);
    }
    let mut wrong = Vec::new();
    for (path, text) in &all {
        for (number, line) in text.lines().enumerate() {
            for (old, new) in OLD_DIALECT.iter().filter(|(old, _)| line.contains(old)) {
                wrong.push(format!("{}:{}: `{old}`: write {new}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
