//! What commands about jobs print.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::{JobPlan, JobPlanShape, ListedJob, RepoJob};
use crate::cli::exit::{print, print_json, stdout_screen};
use crate::model::Outcome;
use crate::pipeline::argument::ArgSpec;
use crate::pipeline::folder::{Aliases, FolderError};
use crate::view::{RunEvent, RunShape, SafeText, plain};

/// Failed scripts that the last line of a run names, at most.
const MAX_SCRIPTS: usize = 3;

/// A job as a list shows it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ShownJob {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) summary: Option<String>,
    /// None for the job folders of the command or the server.
    #[serde(default)]
    pub(crate) source: Option<ShownSource>,
    /// Its `config.yaml`, if that is on this machine.
    #[serde(skip)]
    pub(crate) path: Option<PathBuf>,
    /// The repository that it is of.
    #[serde(default)]
    pub(crate) repo: Option<String>,
    /// Nothing when it takes any.
    #[serde(default)]
    pub(crate) args: Option<Vec<ArgSpec>>,
}

/// Where a job comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ShownSource {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

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
    print_output_line(event.line())
}

/// The same of an event as JSON.
pub(crate) fn print_output_line(event: &[u8]) -> io::Result<()> {
    let Ok(event) = serde_json::from_slice::<LogEvent>(event) else { return Ok(()) };
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

/// `quire: quire/jobs#3 failed in 0.4 s: 020_build.sh, exit 2`
pub(crate) fn end_line(run: &RunShape) -> String {
    let took = run.took_text().map(|took| format!(" in {took}")).unwrap_or_default();
    format!("quire: {} {}{took}{}\n", run.name(), run.word(), failure_text(run))
}

/// `: 020_build.sh, exit 2`; nothing when the run has passed.
pub(crate) fn failure_text(run: &RunShape) -> String {
    let why = if run.outcome() == Some(Outcome::Passed) { None } else { why(run) };
    why.map(|why| format!(": {}", plain(&why))).unwrap_or_default()
}

/// Why a run has not passed: the scripts that failed, otherwise the first reason of a job, otherwise its own.
fn why(run: &RunShape) -> Option<String> {
    let is_bad = |outcome: Option<&str>| matches!(outcome, Some("failed" | "timed-out"));
    let mut scripts: Vec<(&str, String)> = Vec::new();
    for job in &run.jobs {
        for step in job.steps.iter().flatten() {
            // Of a script that was repeated, the last attempt counts.
            scripts.retain(|(title, _)| *title != step.title);
            let is_late = [&step.outcome, &job.outcome].iter().any(|end| end.as_deref() == Some("timed-out"));
            let how = match (step.outcome.as_deref(), step.signal, step.exit) {
                (Some("passed"), ..) => continue,
                (Some("failed"), Some(signal), _) => format!("signal {signal}"),
                (Some("failed"), None, Some(exit)) => format!("exit {exit}"),
                _ if is_late => "timed out".to_owned(),
                _ => continue,
            };
            scripts.push((&step.title, how));
        }
    }
    if !scripts.is_empty() {
        let shown: Vec<String> =
            scripts.iter().take(MAX_SCRIPTS).map(|(title, how)| format!("{title}, {how}")).collect();
        let more = scripts.len().saturating_sub(MAX_SCRIPTS);
        return Some(shown.join("; ") + &if more > 0 { format!("; {more} more") } else { String::new() });
    }
    let mut of_jobs = run.jobs.iter().filter(|job| is_bad(job.outcome.as_deref()));
    let reason = of_jobs.find_map(|job| job.reason.as_ref()).or(run.reason.as_ref())?;
    Some(reason.text.lines().next().unwrap_or_default().to_owned())
}

impl ShownJob {
    /// The name by which a command can be asked for it.
    pub(crate) fn callable(&self) -> String {
        match &self.source {
            Some(source) if !self.id.starts_with(&format!("{}/", source.name)) => {
                format!("{}/{}", source.name, self.id)
            }
            _ => self.id.clone(),
        }
    }
}

impl From<ListedJob> for ShownJob {
    fn from(job: ListedJob) -> Self {
        let ListedJob { id, name, summary, path, source, args } = job;
        let source = source.map(|(name, kind)| ShownSource { name, kind });
        Self { id, name, summary, source, path: Some(path), repo: None, args: Some(args) }
    }
}

impl From<RepoJob> for ShownJob {
    fn from(RepoJob { repo, job }: RepoJob) -> Self {
        let id = format!("{repo}:{}", job.id);
        Self {
            id,
            name: job.id,
            summary: None,
            source: None,
            path: None,
            repo: Some(repo),
            args: job.arguments,
        }
    }
}

/// The jobs and aliases as tables, those of repositories in one of their own.
pub(crate) fn list_text(jobs: &[ShownJob], aliases: &Aliases) -> String {
    let (of_repos, jobs): (Vec<&ShownJob>, Vec<&ShownJob>) = jobs.iter().partition(|job| job.repo.is_some());
    let mut text = if jobs.is_empty() { String::new() } else { folders_text(&jobs, aliases) };
    if !of_repos.is_empty() {
        text.push_str(if text.is_empty() { "" } else { "\n" });
        text.push_str(&repo_jobs_text(&of_repos));
    }
    text
}

fn folders_text(jobs: &[&ShownJob], aliases: &Aliases) -> String {
    let has_source = jobs.iter().any(|job| job.source.is_some());
    let source = |job: &ShownJob| match &job.source {
        Some(source) => format!("{} ({})", source.name, source.kind),
        None => String::new(),
    };
    let mut rows =
        vec![["JOB", "NAME", "SUMMARY", if has_source { "SOURCE" } else { "" }].map(str::to_owned)];
    rows.extend(jobs.iter().map(|job| {
        [job.callable(), job.name.clone(), job.summary.clone().unwrap_or_default(), source(job)]
            .map(|text: String| plain(&text))
    }));
    let mut text = table(&rows);
    if !aliases.valid.is_empty() {
        let mut rows = vec![["ALIAS".to_owned(), "JOB".to_owned(), "DESCRIPTION".to_owned()]];
        rows.extend(aliases.valid.iter().map(|alias| {
            let description = alias.description.clone().unwrap_or_default();
            [alias.name.clone(), alias.target_id.clone(), description].map(|text: String| plain(&text))
        }));
        text.push('\n');
        text.push_str(&table(&rows));
    }
    text
}

fn repo_jobs_text(jobs: &[&ShownJob]) -> String {
    let mut rows = vec![["JOB".to_owned(), "ARGUMENTS".to_owned()]];
    rows.extend(jobs.iter().map(|job| {
        let names = |specs: &Vec<ArgSpec>| {
            specs.iter().map(|spec| format!("--{}", spec.name)).collect::<Vec<_>>().join(" ")
        };
        [plain(&job.id), job.args.as_ref().map_or_else(|| "any".to_owned(), names)]
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
pub(crate) fn list_json(jobs: &[ShownJob], aliases: &Aliases, errors: &[FolderError]) -> Value {
    let jobs = jobs.iter().map(|job| {
        let mut entry = json!({
            "id": job.callable(), "name": job.name, "summary": job.summary, "path": job.path, "args": job.args,
        });
        if let Some(entry) = entry.as_object_mut() {
            entry.extend(job.source.iter().map(|source| ("source".to_owned(), json!(source))));
            entry.extend(job.repo.iter().map(|repo| ("repo".to_owned(), json!(repo))));
        }
        entry
    });
    let errors = errors.iter().map(|wrong| json!({ "path": wrong.path, "error": wrong.error }));
    json!({
        "jobs": jobs.collect::<Vec<_>>(),
        "aliases": aliases.valid,
        "errors": errors.collect::<Vec<_>>(),
    })
}

/// Prints a plan.
pub(crate) fn print_plan(plan: JobPlan, as_json: bool) {
    if as_json { print_json(&json!(JobPlanShape::of(plan))) } else { print(&plan_text(&plan)) }
}

/// A plan for people.
fn plan_text(plan: &JobPlan) -> String {
    let mut text = String::new();
    let name = if plan.name == plan.job { String::new() } else { format!("  {}", plan.name) };
    let _infallible = writeln!(text, "job          {}{name}", plan.job);
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
