//! How SQLite goes about every statement of the program: none reads all rows of a table that grows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// Statements that may read all of a small table, or sort a few rows: their beginnings, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("SELECT count(*) FROM outbox WHERE state", "the outbox is bounded"),
    ("SELECT name, url, branch, every_ms, allow_private, token", "a person adds each row"),
    ("SELECT record FROM sources ORDER BY name", "a person adds each row"),
    ("SELECT name, created_by, created_at FROM users ORDER BY name", "a person adds each row"),
    (
        "SELECT id, user, fingerprint, line, comment, repos, may, created_by, created_at FROM keys ORDER BY id",
        "a person adds each row",
    ),
    ("SELECT id, name, hash, scopes", "a person makes each token"),
    ("SELECT id, name FROM repos WHERE origin = 'hosted'", "all repositories are wanted"),
    (
        "SELECT present, name, (SELECT coalesce(max(number), 0) FROM runs",
        "all repositories, once at the start",
    ),
    ("SELECT ref FROM intents WHERE push = ?1 AND state = 'open' ORDER BY id", "the refs of one push"),
    ("SELECT r.id FROM runs r JOIN updates u ON r.update_id = u.id WHERE u.push", "the runs of one push"),
    (
        "SELECT id, target, event, subject, message, state, attempts, due_at, problem, created_at, ended_at, min(due_at)",
        "a row for each target",
    ),
    (
        "SELECT id, target, event, subject, message, state, attempts, due_at, problem, created_at, ended_at FROM outbox",
        "messages of one millisecond",
    ),
];

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

/// The string literals of a source, each on one line, without those of its tests.
fn literals(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(place) = rest.find(['"', '\'', '/']) {
        let (before, from) = rest.split_at(place);
        rest = if from.starts_with("//") {
            from.split_once('\n').map_or("", |(_, rest)| rest)
        } else if let Some(text) = from.strip_prefix('"') {
            let is_raw = before.ends_with(['r', '#']);
            let hashes: String = before.chars().rev().take_while(|c| *c == '#').collect();
            let mut is_escaped = false;
            let end = text.char_indices().find(|(place, c)| {
                let ends = *c == '"' && !is_escaped && text[place + 1..].starts_with(&hashes);
                is_escaped = *c == '\\' && !is_escaped && !is_raw;
                ends
            });
            let (text, rest) = text.split_at(end.unwrap().0);
            found.push(text.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" "));
            &rest[1..]
        } else if let Some(character) = from.strip_prefix("'\\") {
            &character[character.char_indices().nth(1).unwrap().0..]
        } else if let Some((end, '\'')) = from.char_indices().nth(2) {
            &from[end + 1..]
        } else {
            &from[1..]
        };
    }
    found
}

/// The value of a constant text.
fn constant<'a>(name: &str, own: &'a str, all: &'a [String]) -> Option<String> {
    let of = |source: &str| {
        let (_, rest) = source.split_once(&format!("const {name}: &str ="))?;
        literals(rest).into_iter().next()
    };
    of(own).or_else(|| all.iter().find_map(|source| of(source)))
}

/// A literal with the values of the constants that it names; `{from}` stays.
fn expand(mut literal: String, own: &str, all: &[String]) -> String {
    while let Some(name) =
        literal.split('{').skip(1).filter_map(|rest| rest.split('}').next()).find(|name| *name != "from")
    {
        let value = constant(name, own, all).unwrap_or_else(|| panic!("what is {name} in {literal}?"));
        literal = literal.replace(&format!("{{{name}}}"), &value);
    }
    literal
}

/// Every statement of the program. A text that begins with `FROM` is the rest of a statement with `{from}`.
fn statements() -> BTreeSet<String> {
    let mut paths = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);
    paths.retain(|path| !path.to_str().unwrap().ends_with("tests.rs"));
    let texts: Vec<String> = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let is_rest = |text: &String| text.starts_with("FROM ");
    let rests: Vec<String> = texts.iter().flat_map(|text| literals(text)).filter(is_rest).collect();
    let mut statements = BTreeSet::new();
    for text in texts.iter().filter(|text| text.contains("rusqlite")) {
        let literals = literals(text);
        let is_statement = |text: &&String| {
            ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "REPLACE ", "WITH "]
                .iter()
                .any(|verb| text.starts_with(verb))
        };
        for literal in literals.iter().filter(is_statement) {
            let whole = expand(literal.clone(), text, &texts);
            let from = rests.iter().filter(|_| whole.contains("{from}"));
            let with_constants = |from: &String| expand(from.clone(), text, &texts);
            let all: Vec<String> = from.map(|from| whole.replace("{from}", &with_constants(from))).collect();
            assert!(!whole.contains("{from}") || !all.is_empty(), "{literal}");
            statements.extend(if all.is_empty() { vec![whole] } else { all });
        }
    }
    statements
}

/// What SQLite does for a statement that grows with the tables.
fn slow_parts(db: &Connection, sql: &str) -> Vec<String> {
    let explained = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"));
    let mut explained = explained.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let none = vec![rusqlite::types::Value::Null; explained.parameter_count()];
    let plan = explained.query_map(rusqlite::params_from_iter(none), |row| row.get::<_, String>(3)).unwrap();
    let is_partial = |index: &str| {
        let sql = "SELECT instr(sql, 'WHERE') > 0 FROM sqlite_schema WHERE name = ?1 AND sql IS NOT NULL";
        db.query_row(sql, [index], |row| row.get::<_, bool>(0)).unwrap_or(false)
    };
    let is_slow = |part: &String| {
        // The first rows of an index or a table, or rows that do not become many.
        let index = part.split_once("INDEX ").map(|(_, rest)| rest.split(' ').next().unwrap());
        let is_bounded =
            sql.contains(" LIMIT ") || index.is_some_and(is_partial) || part.contains("VIRTUAL TABLE");
        (part.starts_with("SCAN ") && part != "SCAN CONSTANT ROW" && !is_bounded)
            || part.contains("TEMP B-TREE")
            || part.contains("AUTOMATIC")
    };
    plan.map(Result::unwrap).filter(is_slow).collect()
}

#[test]
fn no_statement_reads_or_sorts_a_table_that_grows() {
    let db = super::open_empty().unwrap();
    let statements = statements();
    assert!(statements.len() > 70, "{statements:#?}");
    let mut slow = Vec::new();
    let mut excepted = BTreeSet::new();
    for sql in &statements {
        match (slow_parts(&db, sql).join("; "), EXCEPTIONS.iter().find(|(start, _)| sql.starts_with(start))) {
            (parts, _) if parts.is_empty() => {}
            (_, Some((start, _))) => drop(excepted.insert(*start)),
            (parts, None) => slow.push(format!("{sql}\n    {parts}")),
        }
    }
    assert!(slow.is_empty(), "add an index, or say why this stays small:\n{}", slow.join("\n"));
    assert_eq!(excepted.len(), EXCEPTIONS.len(), "of these exceptions only some are needed: {excepted:#?}");
}

#[test]
fn a_statement_that_grows_with_its_table_is_found() {
    let db = super::open_empty().unwrap();
    for sql in [
        "SELECT id FROM runs WHERE pusher = ?1",
        "SELECT id FROM runs WHERE repo = ?1 ORDER BY finished_at",
        "UPDATE updates SET pusher = ?1 WHERE new = ?2",
        "SELECT count(*) FROM steps",
        "SELECT r.id FROM runs r JOIN updates u ON u.new = r.sha WHERE r.id = ?1",
    ] {
        assert!(!slow_parts(&db, sql).is_empty(), "{sql}");
    }
}
