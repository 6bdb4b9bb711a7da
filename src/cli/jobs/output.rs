//! What commands about jobs print.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{JobPlan, RepoJob, RunRow};
use crate::cli::exit::stdout_screen;
use crate::pipeline::argument::ArgSpec;
use crate::pipeline::folder::Discovery;
use crate::view::{RunEvent, SafeText, between, plain};

/// The part of an event that has output.
#[derive(Deserialize)]
struct LogEvent {
    kind: String,
    #[serde(default)]
    stream: String,
    #[serde(default)]
    lines: Vec<LogLine>,
}

#[derive(Deserialize)]
struct LogLine {
    text: String,
}

/// Prints the output of scripts: each stream as its own.
pub(crate) fn print_output(event: &RunEvent) -> io::Result<()> {
    let Ok(event) = serde_json::from_slice::<LogEvent>(event.line()) else { return Ok(()) };
    if event.kind != "log" {
        return Ok(());
    }
    let colours = stdout_screen().colours();
    let mut text = String::new();
    for line in &event.lines {
        text.push_str(SafeText::of_output(&line.text, colours).as_str());
        text.push('\n');
    }
    if event.stream == "stderr" {
        io::stderr().write_all(text.as_bytes())
    } else {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    }
}

/// Prints an event as a line of JSON.
pub(super) fn print_line(event: &RunEvent) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(event.line()).and_then(|()| out.flush())
}

/// `quire: quire/jobs#3 failed in 0.4 s: the reason`
pub(super) fn end_line(row: &RunRow) -> String {
    let outcome = row.outcome.map(|outcome| outcome.to_string()).unwrap_or_default();
    let took = row.started_at.zip(row.finished_at).map(|(start, end)| format!(" in {}", between(start, end)));
    let reason = row.reason.as_ref().map(|reason| format!(": {}", plain(reason.first_line())));
    format!(
        "quire: {}#{} {outcome}{}{}\n",
        row.repo,
        row.number,
        took.unwrap_or_default(),
        reason.unwrap_or_default()
    )
}

/// The jobs and aliases as tables.
pub(super) fn list_text(found: &Discovery) -> String {
    let mut rows = vec![["JOB".to_owned(), "NAME".to_owned(), "SUMMARY".to_owned()]];
    rows.extend(found.jobs.iter().map(|job| {
        [job.id.clone(), job.name.clone(), job.summary.clone().unwrap_or_default()]
            .map(|text: String| plain(&text))
    }));
    let mut text = table(&rows);
    if !found.aliases.valid.is_empty() {
        let mut rows = vec![["ALIAS".to_owned(), "JOB".to_owned(), "DESCRIPTION".to_owned()]];
        rows.extend(found.aliases.valid.iter().map(|alias| {
            let description = alias.description.clone().unwrap_or_default();
            [alias.name.clone(), alias.target_id.clone(), description].map(|text: String| plain(&text))
        }));
        text.push('\n');
        text.push_str(&table(&rows));
    }
    text
}

/// The jobs of repositories as a table.
pub(super) fn repo_jobs_text(jobs: &[RepoJob]) -> String {
    let mut rows = vec![["JOB".to_owned(), "ARGUMENTS".to_owned()]];
    rows.extend(jobs.iter().map(|RepoJob { repo, job }| {
        let names =
            |specs: &Vec<ArgSpec>| specs.iter().map(|spec| format!("--{}", spec.name)).collect::<Vec<_>>();
        let arguments =
            job.arguments.as_ref().map_or_else(|| "any".to_owned(), |specs| names(specs).join(" "));
        [plain(&format!("{repo}:{}", job.id)), arguments]
    }));
    table(&rows)
}

/// Rows of columns, each as wide as its widest cell.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _infallible = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

/// The jobs and aliases as JSON.
pub(super) fn list_json(found: &Discovery, of_repos: &[RepoJob]) -> Value {
    let folders = found.jobs.iter().map(|job| {
        json!({ "id": job.id, "name": job.name, "summary": job.summary, "path": job.config_path, "args": job.config.args })
    });
    let of_repos = of_repos.iter().map(|RepoJob { repo, job }| {
        json!({ "id": format!("{repo}:{}", job.id), "name": job.id, "repo": repo, "args": job.arguments })
    });
    let jobs = folders.chain(of_repos);
    let errors = found.errors.iter().map(|wrong| json!({ "path": wrong.path, "error": wrong.error }));
    json!({
        "jobs": jobs.collect::<Vec<_>>(),
        "aliases": found.aliases.valid,
        "errors": errors.collect::<Vec<_>>(),
    })
}

/// A plan for people.
pub(super) fn plan_text(plan: &JobPlan) -> String {
    let mut text = String::new();
    let _infallible = writeln!(text, "job          {}  {}", plan.job, plan.name);
    if let Some(summary) = &plan.summary {
        let _infallible = writeln!(text, "             {summary}");
    }
    let runs = plan.interpreter.as_deref().unwrap_or("each script by itself");
    let _infallible = writeln!(text, "runs by      {runs}");
    let _infallible = writeln!(text, "profile      {}", plan.profile);
    text.push_str("arguments\n");
    for spec in &plan.args {
        let _infallible = writeln!(text, "  {}", argument_line(spec, plan.values.get(&spec.name)));
    }
    text.push_str("scripts\n");
    for step in &plan.steps {
        let inside = step.container.as_ref().map(|container| format!("  in {}", container.image));
        let _infallible = writeln!(text, "  {}{}", step.name, inside.unwrap_or_default());
    }
    for warning in &plan.warnings {
        let _infallible = writeln!(text, "warning: {warning}");
    }
    plain(&text)
}

/// `--name string, required = "alice"  Who is greeted`
pub(crate) fn argument_line(spec: &ArgSpec, value: Option<&Value>) -> String {
    let mut words = format!("--{} {}", spec.name, spec.kind.as_str());
    for (is, word) in [(spec.is_required, ", required"), (spec.is_secret, ", secret")] {
        words.push_str(if is { word } else { "" });
    }
    if !spec.choices.is_empty() {
        let _infallible = write!(words, ", one of {}", spec.choices.join(" "));
    }
    if let Some(value) = value.filter(|value| !spec.is_secret && **value != Value::String(String::new())) {
        let _infallible = write!(words, " = {value}");
    }
    if !spec.description.is_empty() {
        let _infallible = write!(words, "  {}", spec.description);
    }
    words
}
