//! The documents are true: every example of the manual's pages is run, and what `docs/` lists is what the code has.
//!
//! A comment before an example says what is done with it:
//! - `<!-- test: run OUTCOME "text" … -->`: `quire ci run` ends so, and its JSON, its errors and its logs hold each text;
//! - `<!-- test: check passed -->` and `<!-- test: check error "text" … -->`: the same with `quire ci check`;
//! - `<!-- test: file PATH -->` and `<!-- test: config -->`: a file of the working copy, or the `config.fnl`, of all
//!   examples that follow it in its section.

use std::fs;
use std::path::Path;
use std::thread;

use quire::schema::primitive_of;
use quire::script::globals;

use super::engine;
use super::place::{Place, REMOTE};

/// The pages whose examples are run.
const MANUAL: [&str; 2] = ["CI-FENNEL.md", "docs/coming-from.md"];

/// The examples that run at the same time.
const THREADS: usize = 4;

#[derive(Debug, Clone)]
struct Example {
    /// The page, and the line of the comment.
    place: String,
    mark: Mark,
    text: String,
    /// Files of the working copy, by their paths.
    files: Vec<(String, String)>,
    config: Option<String>,
}

#[derive(Debug, Clone)]
enum Mark {
    Run { outcome: String, texts: Vec<String> },
    Check { is_valid: bool, texts: Vec<String> },
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The examples of a page, with the files that belong to them.
fn examples(path: &str) -> Vec<Example> {
    let page = read(path);
    let mut examples = Vec::new();
    let (mut files, mut config) = (Vec::new(), None);
    let mut lines = page.lines().enumerate().peekable();
    let mut mark: Option<(usize, String)> = None;
    while let Some((number, line)) = lines.next() {
        if line.starts_with("## ") {
            (files, config) = (Vec::new(), None);
        }
        if let Some(rest) = line.strip_prefix("<!-- test: ") {
            mark = Some((number + 1, rest.strip_suffix(" -->").expect("a comment of one line").to_owned()));
            continue;
        }
        if line != "```fennel" && !(mark.is_some() && line.starts_with("```")) {
            assert!(mark.is_none(), "{path}:{number}: there is no example behind this comment");
            continue;
        }
        let unmarked = || panic!("{path}:{}: how is it tested?", number + 1);
        let (line, said) = mark.take().unwrap_or_else(unmarked);
        let body: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let text = body.join("\n") + "\n";
        if let Some(path) = said.strip_prefix("file ") {
            files.push((path.to_owned(), text));
        } else if said == "config" {
            config = Some(text);
        } else {
            let (files, config) = (files.clone(), config.clone());
            let place = format!("{path}:{line}");
            examples.push(Example { place, mark: parse(&said), text, files, config });
        }
    }
    examples
}

fn parse(said: &str) -> Mark {
    let (head, quoted) = said.split_once(" \"").map_or((said, ""), |(head, rest)| (head, rest));
    let texts = quoted.trim_end_matches('"').split("\" \"").filter(|text| !text.is_empty());
    let texts: Vec<String> = texts.map(|text| text.replace("\\\"", "\"")).collect();
    match head.split_once(' ') {
        Some(("run", outcome)) => Mark::Run { outcome: outcome.to_owned(), texts },
        Some(("check", "passed")) => Mark::Check { is_valid: true, texts },
        Some(("check", "error")) => Mark::Check { is_valid: false, texts },
        _ => panic!("`{said}` is no mark"),
    }
}

/// Runs one example; what is wrong with it.
fn try_example(example: &Example) -> Result<(), String> {
    if example.text.contains(engine::IMAGE) && !engine::can_run_containers() {
        return Ok(());
    }
    let place = Place::new(&example.text, &example.files, example.config.as_deref());
    let (args, texts, code): (&[&str], _, _) = match &example.mark {
        Mark::Run { outcome, texts } => (&["ci", "run", "--json"], texts, exit_of(outcome)),
        Mark::Check { is_valid, texts } => (&["ci", "check"], texts, if *is_valid { 0 } else { 2 }),
    };
    let output = place.quire(args);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut all = format!("{}{}", shown, String::from_utf8_lossy(&output.stderr));
    let wrong = |what: String, all: &str| Err(format!("{}: {what}\n{all}", example.place));
    if let Mark::Run { outcome, .. } = &example.mark {
        let Ok(run) = serde_json::from_str::<serde_json::Value>(&shown) else {
            return wrong("there is no JSON".to_owned(), &all);
        };
        // As people read it: without the escapes of JSON.
        all = format!("{all}{}", strings(&run).join("\n")) + &place.logs();
        if run["outcome"] != outcome.as_str() {
            return wrong(format!("it is {} and not {outcome}", run["outcome"]), &all);
        }
    }
    if output.status.code() != Some(code) {
        return wrong(format!("the exit code is {:?} and not {code}", output.status.code()), &all);
    }
    for text in texts {
        if !all.contains(text.as_str()) {
            return wrong(format!("`{text}` is nowhere"), &all);
        }
    }
    if example.text.contains(REMOTE) {
        let there = place.git(&["--git-dir", "../remote.git", "rev-parse", "refs/heads/main"]);
        if there != place.git(&["rev-parse", "HEAD"]) {
            return wrong("the remote has another commit".to_owned(), &all);
        }
    }
    Ok(())
}

fn exit_of(outcome: &str) -> i32 {
    match outcome {
        "passed" | "skipped" => 0,
        "failed" => 1,
        "timed-out" => 124,
        other => panic!("`{other}` is not what a local run ends as"),
    }
}

/// All strings in a document.
fn strings(json: &serde_json::Value) -> Vec<String> {
    match json {
        serde_json::Value::String(text) => vec![text.clone()],
        serde_json::Value::Array(items) => items.iter().flat_map(strings).collect(),
        serde_json::Value::Object(members) => members.values().flat_map(strings).collect(),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => Vec::new(),
    }
}

#[test]
fn every_example_of_the_manual_does_what_it_says() {
    let examples: Vec<Example> = MANUAL.into_iter().flat_map(examples).collect();
    assert!(examples.len() > 25, "{} examples", examples.len());
    let wrong: Vec<String> = thread::scope(|scope| {
        let tried = (0..THREADS).map(|first| {
            let mine: Vec<&Example> = examples.iter().skip(first).step_by(THREADS).collect();
            scope.spawn(move || {
                mine.into_iter().filter_map(|example| try_example(example).err()).collect::<Vec<_>>()
            })
        });
        let tried: Vec<_> = tried.collect();
        tried.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_examples_of_containers_do_it_by_docker_too() {
    engine::by_docker(|| {
        let of_containers = MANUAL.into_iter().flat_map(examples);
        let wrong = of_containers.filter(|example| example.text.contains(engine::IMAGE));
        let wrong: Vec<String> = wrong.filter_map(|example| try_example(&example).err()).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    });
}

#[test]
fn every_recipe_for_services_does_what_it_says() {
    if !engine::can_run_containers() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = std::process::Command::new(root.join("dev/images")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let recipes = examples("docs/services.md");
    assert_eq!(recipes.len(), 5);
    let wrong: Vec<String> = recipes.iter().filter_map(|recipe| try_example(recipe).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The part of a page below a heading, up to the next one of its level or above.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("there is no `{heading}`"));
    let body = &page[start + heading.len() + 2..];
    let level = heading.split(' ').next().unwrap();
    let ends = (1..=level.len()).filter_map(|count| body.find(&format!("\n{} ", "#".repeat(count))));
    &body[..ends.min().unwrap_or(body.len())]
}

#[test]
fn every_name_in_scope_is_in_the_manual() {
    let manual = read("CI-FENNEL.md");
    let (sandbox, planned) = (section(&manual, "## The sandbox"), section(&manual, "## Not in this version"));
    for name in globals() {
        let planned_name = primitive_of(name).and_then(|primitive| primitive.call.workaround());
        let entry = if planned_name.is_some() {
            planned.contains(&format!("`{name}`"))
        } else {
            sandbox.contains(&format!("`{name}`")) || manual.contains(&format!("\n### `{name}`\n"))
        };
        assert!(entry, "`{name}` has no entry in CI-FENNEL.md");
    }
}

/// The pages in `docs/`, with the manual.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec!["CI-FENNEL.md".to_owned()];
    for folder in ["docs", "docs/decisions"] {
        let names = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| format!("{folder}/{}", name.to_str().unwrap()));
        pages.extend(names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "md")));
    }
    pages.into_iter().map(|page| (read(&page), page)).map(|(text, page)| (page, text)).collect()
}

/// Everything between two backquotes on one line, outside of blocks.
fn quoted(page: &str) -> Vec<&str> {
    let mut in_block = false;
    let mut found = Vec::new();
    for line in page.lines() {
        in_block ^= line.starts_with("```");
        if !in_block {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

#[test]
fn files_and_pages_that_are_named_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for (page, text) in pages() {
        let ours = ["src/", "lua/", "fennel/", "tests/", "docs/", "build.rs"];
        for name in quoted(&text) {
            if ours.iter().any(|start| name.starts_with(start)) && !root.join(name).exists() {
                missing.push(format!("{page}: {name}"));
            }
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = root.join(&page).parent().unwrap().join(file);
            let is_there = link.starts_with("https://")
                || if file.is_empty() { has_heading(&text, anchor) } else { target.exists() };
            if !is_there {
                missing.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Whether a page has the heading that an anchor names, as GitHub and GitLab make anchors.
fn has_heading(page: &str, anchor: &str) -> bool {
    page.lines().filter_map(|line| line.strip_prefix('#')).any(|heading| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>() == anchor
    })
}

#[test]
fn the_code_map_has_every_module_in_order() {
    let (lib, page) = (read("src/lib.rs"), read("docs/architecture.md"));
    let modules: Vec<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let map = section(&page, "## Code map");
    let rows: Vec<&str> =
        map.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(rows, modules);
}

#[test]
fn tests_that_the_architecture_names_exist() {
    let page = read("docs/architecture.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                code.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let is_test = |name: &&str| name.matches('_').count() >= 2 && !name.contains(['/', '.', ' ', '=']);
    for name in quoted(section(&page, "## Promises, and what holds them")).into_iter().filter(is_test) {
        assert!(code.contains(&format!("fn {name}(")), "there is no test `{name}`");
    }
}

#[test]
fn what_the_server_logs_of_isolation_is_in_the_threat_model() {
    let page = read("docs/threat-model.md");
    let rows: Vec<String> = quire::app::ISOLATIONS
        .iter()
        .map(|row| format!("| {} | {} | {} |", row.setting, row.binds, row.leaves_open))
        .collect();
    let table = section(&page, "## Isolation").lines().filter(|line| line.starts_with("| "));
    assert_eq!(table.skip(2).collect::<Vec<_>>(), rows);
}

#[test]
fn every_table_and_fact_is_in_the_formats() {
    let page = read("docs/formats.md");
    let has = |part: &str, name: &str| part.contains(&format!("`{name}`"));
    let (tables, facts, spec) = (
        section(&page, "## The database"),
        section(&page, "### `journal.ndjson`"),
        section(&page, "## The assignment of a runner"),
    );
    let schema =
        read("src/store/schema.sql") + &read("src/store/watches.sql") + &read("src/store/outbox.sql");
    for code in quire::model::codes::ALL {
        assert!(facts.contains(&format!("| `{code}` |")), "`{code}` is no code of docs/formats.md");
    }
    for table in schema.split("CREATE TABLE ").skip(1) {
        let (name, body) = table.split_once(" (").unwrap();
        let row = tables.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("`{name}` is no table of docs/formats.md"));
        for column in body.split("\n)").next().unwrap().lines() {
            let column = column.trim().split(' ').next().unwrap_or_default();
            if column.chars().next().is_some_and(char::is_lowercase) {
                assert!(has(row, column), "`{name}.{column}`");
            }
        }
    }
    let added =
        ["rewritten", "events", "reasons"].map(|name| read(&format!("src/store/{name}.sql"))).concat();
    for line in added.lines().filter_map(|line| line.strip_prefix("ALTER TABLE ")) {
        let Some((table, column)) = line.split_once(" ADD COLUMN ") else { continue };
        let row = tables.lines().find(|line| line.starts_with(&format!("| `{table}` |"))).unwrap();
        assert!(has(row, column.split(' ').next().unwrap()), "`{table}`: {column}");
    }
    let fact = read("src/journal/fact.rs");
    let fact = fact.split("pub enum Fact<T = RedactedText> {").nth(1).unwrap().split("\n}").next().unwrap();
    for line in fact.lines().filter(|line| !line.trim_start().starts_with("//")) {
        if let Some(variant) = line.strip_prefix("    ").filter(|rest| rest.starts_with(char::is_uppercase)) {
            let name: String = variant.chars().take_while(char::is_ascii_alphabetic).collect();
            let kebab: String = name
                .char_indices()
                .map(|(place, c)| if place > 0 && c.is_uppercase() { format!("-{c}") } else { c.to_string() })
                .collect();
            assert!(has(facts, &kebab.to_lowercase()), "`{kebab}` is no fact of docs/formats.md");
        } else if let Some((member, _)) = line.trim().split_once(':') {
            assert!(
                has(facts, member.trim_start_matches("r#")),
                "`{member}` is in no fact of docs/formats.md"
            );
        }
    }
    let code = ["assignment", "order", "place"].map(|name| read(&format!("src/run/{name}.rs"))).concat();
    for member in code.lines().filter_map(|line| line.strip_prefix("    pub ")?.split_once(": ")) {
        if !member.0.contains(' ') {
            assert!(has(spec, member.0), "`{}` is not in the assignment of docs/formats.md", member.0);
        }
    }
}

#[test]
fn the_server_names_neither_pipelines_nor_scripts() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for folder in ["app", "serve", "http", "http/door", "intake"] {
        let entries = fs::read_dir(src.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.filter(|path| path.is_file()) {
            // The arguments that a pipeline declares are data.
            let text = fs::read_to_string(&path).unwrap().replace("crate::pipeline::argument", "");
            for module in ["crate::pipeline", "crate::script"] {
                assert!(!text.contains(module), "{} names {module}", path.display());
            }
        }
    }
}
