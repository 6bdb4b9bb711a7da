//! `:jobs`: the jobs and aliases below `scripts/`.

use serde_json::{Map, Value, json};

use crate::cli::exit::{Code, Ended, print, print_error, print_json};
use crate::cli::jobs::{discovered, place_here, table};
use crate::pipeline::folder::Discovery;
use crate::view::plain;

/// Prints them.
pub(super) fn list(as_json: bool) -> Ended {
    let found = discovered(None, &place_here()?)?;
    if as_json {
        print_json(&document(&found));
        return Ok(Code::Done);
    }
    for wrong in found.errors.iter().chain(&found.aliases.errors) {
        for line in wrong.error.lines() {
            print_error(&format!("[warn] {}: {}\n", plain(&wrong.path), plain(line)));
        }
    }
    if found.jobs.is_empty() {
        print("(no jobs found under scripts/)\n");
    } else {
        print(&text(&found));
    }
    Ok(Code::Done)
}

fn text(found: &Discovery) -> String {
    let or = |text: &Option<String>, otherwise: &str| text.clone().unwrap_or_else(|| otherwise.to_owned());
    let row = |cells: [String; 3]| cells.map(|cell: String| plain(&cell));
    let mut rows = vec![["ID", "NAME", "SUMMARY"].map(str::to_owned)];
    let jobs = found.jobs.iter();
    rows.extend(jobs.map(|job| row([job.id.clone(), job.name.clone(), or(&job.summary, "(no summary)")])));
    let mut text = table(&rows);
    if !found.aliases.valid.is_empty() {
        let mut rows = vec![["NAME", "TARGET", "DESCRIPTION"].map(str::to_owned)];
        let aliases = found.aliases.valid.iter();
        rows.extend(aliases.map(|alias| {
            row([alias.name.clone(), alias.target_path.clone(), or(&alias.description, "(alias)")])
        }));
        text.push_str("\nALIASES\n");
        text.push_str(&table(&rows));
    }
    text
}

fn document(found: &Discovery) -> Value {
    let jobs = found.jobs.iter().map(|job| {
        let mut entry = json!({ "id": job.id, "name": job.name, "path": job.config_path.parent() });
        if let (Some(summary), Some(entry)) = (&job.summary, entry.as_object_mut()) {
            entry.insert("summary".to_owned(), summary.as_str().into());
        }
        entry
    });
    let mut document = Map::from_iter([("jobs".to_owned(), Value::Array(jobs.collect()))]);
    let aliases = &found.aliases;
    let errors: Vec<_> = found.errors.iter().chain(&aliases.errors).collect();
    let members = [
        ("aliases", json!(aliases.valid), aliases.valid.is_empty()),
        ("alias_collisions", json!(aliases.collisions), aliases.collisions.is_empty()),
        ("alias_invalid", json!(aliases.invalid), aliases.invalid.is_empty()),
        ("errors", json!(errors), errors.is_empty()),
    ];
    let present = members.into_iter().filter(|(_, _, is_empty)| !is_empty);
    document.extend(present.map(|(name, value, _)| (name.to_owned(), value)));
    Value::Object(document)
}
