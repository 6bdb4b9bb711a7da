//! Runs as plain text: the page behind the address in the push, and what `quire show` and `quire runs` print.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::artifact_shape::TestsShape;
use super::decision_shape::DecisionShape;
use super::diagnostic_shape::DiagnosticShape;
use super::sanitize::{one_line, plain, reason_line};
use super::screen::Screen;
use super::shape::{JobShape, RunShape, StepShape, seconds_text};
use crate::model::{Outcome, Timestamp, format_duration, render_all};

/// A line about each run below a line of titles, with times in this time zone; empty for no runs.
pub(crate) fn run_list(runs: &[RunShape], zone: &TimeZone, screen: Screen) -> String {
    const TITLES: [&str; 8] = ["run", "outcome", "took", "commit", "queued", "ref", "by", "subject"];
    if runs.is_empty() {
        return String::new();
    }
    let rows: Vec<[String; 8]> = runs.iter().map(|run| columns(run, zone)).collect();
    let widest = |column: usize| {
        let texts = rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
        texts.chain(TITLES.get(column).copied()).map(|text| text.chars().count()).max().unwrap_or_default()
    };
    // The second and third column are as wide as they can be, so that lists of several looks are alike.
    let [name, sha, at, on, by] = [0, 3, 4, 5, 6].map(widest);
    let (word, took) = (11, 9);
    let line = |row: [&str; 8], paint: &dyn Fn(&str) -> String| {
        let first = format!("{:<name$}  ", row[0]);
        let state = paint(&format!("{:<word$}", row[1]));
        let rest = format!(
            "  {:>took$}  {:<sha$}  {:<at$}  {:<on$}  {:<by$}  {}",
            row[2], row[3], row[4], row[5], row[6], row[7]
        );
        let used = first.chars().count() + word;
        let left = Screen { width: screen.width.map(|width| width.saturating_sub(used)), ..screen };
        format!("{first}{state}{}\n", left.cut(rest.trim_end()))
    };
    let titles = line(TITLES, &str::to_owned);
    let lines = runs.iter().zip(&rows).map(|(run, row)| {
        line(row.each_ref().map(String::as_str), &|word| screen.outcome(word, run.outcome()))
    });
    [titles].into_iter().chain(lines).collect()
}

/// The columns of a run in a list.
fn columns(run: &RunShape, zone: &TimeZone) -> [String; 8] {
    let queued = Timestamp::parse(&run.queued_at);
    [
        run.name(),
        run.word().to_owned(),
        run.took_text().unwrap_or_else(|| "-".to_owned()),
        run.commit_text(),
        queued.map_or_else(|| run.queued_at.clone(), |queued| queued.to_minute(zone)),
        run.ref_text(),
        run.pusher.as_deref().map_or_else(|| "-".to_owned(), one_line),
        run.subject.as_deref().map(one_line).unwrap_or_default(),
    ]
}

/// Everything about a run.
pub(crate) fn run_page(run: &RunShape, screen: Screen) -> String {
    let verdict = screen.outcome(run.word(), run.outcome());
    let mut out = format!("run {}: {verdict}\n", run.name());
    let mut field = |name: &str, value: String| {
        let _infallible = writeln!(out, "{name:<9} {}", value.trim_end().replace('\n', "\n          "));
    };
    if let Some(reason) = &run.reason {
        field("reason", plain(&reason.to_reason().to_string()));
    }
    if let Some(sha) = &run.sha {
        field("ref", run.ref_text());
        let subject = run.subject.as_deref().map(one_line);
        field("commit", format!("{} {}", one_line(sha), subject.unwrap_or_default()));
    }
    let by = run.pusher.as_ref().map(|pusher| format!(" by {}", one_line(pusher))).unwrap_or_default();
    field("event", format!("{}{by}", run.event));
    field("queued", run.queued_at.clone());
    if let Some(start) = &run.started_at {
        field("started", start.clone());
    }
    if let Some(end) = &run.finished_at {
        let took = run.took_text().map(|took| format!(", after {took}")).unwrap_or_default();
        field("finished", format!("{end}{took}"));
    }
    if let Some(of) = run.attempt_of {
        field("repeats", format!("{}#{of}", run.repo));
    }
    if let Some(signed) = &run.signed {
        field("signed", one_line(&signed.text()));
    }
    if !run.only.is_empty() {
        field("only", one_line(&run.only.join(", ")));
    }
    if let Some(url) = &run.url {
        field("page", url.clone());
    }
    if let Some(left) = &run.left_workspace {
        field("left", plain(&format!("could not remove {left}")));
    }
    if let Some(problem) = &run.problem {
        field("problem", plain(problem));
    }
    if !run.diagnostics.is_empty() {
        let diagnostics: Vec<_> = run.diagnostics.iter().map(DiagnosticShape::to_diagnostic).collect();
        let _infallible = write!(out, "\n{}", plain(&render_all(&diagnostics)));
    }
    if let Some(tests) = &run.tests {
        render_tests(&mut out, tests);
    }
    for job in &run.jobs {
        render_job(&mut out, job, screen);
    }
    out
}

/// What test reports say, and which tests have failed.
fn render_tests(out: &mut String, tests: &TestsShape) {
    let _infallible = writeln!(out, "\ntests     {}", tests.line());
    for test in &tests.failing {
        let _infallible = writeln!(out, "  failed  {} ({})", test.title(), one_line(&test.job));
    }
    if tests.unnamed() > 0 && !tests.failing.is_empty() {
        let _infallible = writeln!(out, "          and {} more", tests.unnamed());
    }
}

fn render_job(out: &mut String, job: &JobShape, screen: Screen) {
    let state =
        screen.outcome(&format!("{:<11}", job.word()), job.outcome.as_deref().and_then(Outcome::parse));
    let took = job.duration_s.map(seconds_text).unwrap_or_default();
    let _infallible = writeln!(out, "\n{}", format!("{state} {:<20} {took}", one_line(&job.id)).trim_end());
    if let Some(reason) = &job.reason {
        let reason = plain(&reason.to_reason().to_string()).trim_end().replace('\n', "\n            ");
        let _infallible = writeln!(out, "            {reason}");
    }
    // Allowed points are only in the JSON, and the end of the job has its own reason.
    let is_shown = |decision: &DecisionShape| {
        job.reason.as_ref().is_some_and(|reason| reason.text.contains(&decision.reason))
    };
    for decision in job.policy.iter().filter(|decision| decision.verdict != "allow" && !is_shown(decision)) {
        render_decision(out, decision);
    }
    for step in job.steps.iter().flatten() {
        let _infallible = writeln!(out, "  {:>3}  {}", step.number, step_line(step));
    }
}

/// The points that were denied, or allowed with a warning, and what would allow them.
fn render_decision(out: &mut String, decision: &DecisionShape) {
    let DecisionShape { subject, verdict, code, reason, hint } = decision;
    let word = if verdict == "warn" { "warned" } else { "denied" };
    let reason = reason_line(&format!("{subject}: {reason} ({code})"));
    let _infallible = writeln!(out, "            {word}: {reason}");
    if let Some(hint) = hint {
        // In full: the line is meant to be copied.
        let _infallible = writeln!(out, "            hint: {}", plain(hint).replace('\n', " "));
    }
}

/// The command of a step and its outcome.
fn step_line(step: &StepShape) -> String {
    let mut parts = vec![one_line(&step.title)];
    match (step.outcome.as_deref().and_then(Outcome::parse), step.exit) {
        (None, _) => parts.push("(running)".to_owned()),
        (Some(Outcome::Passed), _) => {}
        (Some(Outcome::Failed), Some(exit)) => {
            let signal = step.signal.map(|signal| format!(", signal {signal}")).unwrap_or_default();
            parts.push(format!("(exit {exit}{signal})"));
        }
        (Some(outcome), _) => parts.push(format!("({outcome})")),
    }
    let (Some(took), Some(_)) = (step.duration_s, step.exit) else { return parts.join("  ") };
    parts.push(seconds_text(took));
    if !step.masked.is_empty() {
        parts.push(format!("masked: {}", step.masked.join(", ")));
    }
    if step.left_out_bytes > 0 {
        parts.push(format!("{} bytes of output left out", step.left_out_bytes));
    }
    if !step.leftovers.is_empty() {
        parts.push(format!("killed what it left behind: {}", one_line(&step.leftovers.join(", "))));
    }
    parts.join("  ")
}

/// The time between two moments, for messages; `None` when the clock was set back.
pub(crate) fn between(start: Timestamp, end: Timestamp) -> String {
    let millis = u64::try_from(end.as_millis() - start.as_millis()).unwrap_or_default();
    format_duration(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_are_shown_with_their_lines_and_allowances_are_not() {
        let decision = |verdict: &str, hint: Option<&str>| DecisionShape {
            subject: "test".into(),
            verdict: verdict.into(),
            code: "policy.denied".into(),
            reason: "the network `\u{1b}[2J` is not allowed".into(),
            hint: hint.map(str::to_owned),
        };
        let mut out = String::new();
        let long = format!("write `:policy {}` in config.fnl", "x".repeat(700));
        for decision in [decision("deny", Some(&long)), decision("warn", None)] {
            render_decision(&mut out, &decision);
        }
        let reason = "test: the network `\u{fffd}[2J` is not allowed (policy.denied)";
        let pad = " ".repeat(12);
        assert_eq!(out, format!("{pad}denied: {reason}\n{pad}hint: {long}\n{pad}warned: {reason}\n"));
    }
}
