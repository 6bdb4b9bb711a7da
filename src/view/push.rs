//! The output of a push: at most four lines, or a line per job when asked to wait.
//!
//! Lines begin with `error:`, `warning:`, `hint:` or `success:` where appropriate: git colours these on the
//! pusher's terminal and nowhere else.

use std::fmt::Write as _;
use std::time::Duration;

use super::push_job::failed_step;
use super::run::RunView;
use super::sanitize::{one_line, plain, reason_line};
use super::text::between;
use crate::event::{ONLY_OPTION, PushCertificate};
use crate::journal::JobRecord;
use crate::model::{
    Outcome, Progress, Reason, RefName, RepoName, Severity, codes, first_of, format_duration, render_all,
};
use crate::policy::CODES;

/// The longest line that is printed, in characters, so that `remote: ` fits before it on 80 columns.
pub(super) const WIDTH: usize = 72;

/// The most lines about runs that a push prints, when their pipelines can be used.
const MAX_LINES: usize = 4;

/// The most jobs that a verdict names.
const MAX_NAMES: usize = 5;

/// A run that a push has started.
#[derive(Debug, Clone)]
pub(crate) struct PushedRun {
    pub(crate) run: RunView,
    /// How many unfinished runs are ahead of it, when all slots are taken.
    pub(crate) ahead: usize,
    /// Whether the push waits for the run's end, which is printed later.
    pub(crate) is_watched: bool,
    /// What it is compared with, when the push waits.
    pub(crate) compared: Comparison,
}

/// What a run is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// The run of the same ref before it, and how that ended.
    pub(crate) before: Option<(u64, Outcome)>,
    /// How long runs of the repository that passed take: the median of some, when there are enough.
    pub(crate) usual: Option<Duration>,
}

/// The shortest time that is worth a word.
const WORTH_SAYING: Duration = Duration::from_secs(1);

impl Comparison {
    /// `, about 1m 40s`, for a run that has not ended.
    fn estimate(self) -> String {
        let usual = self.usual.filter(|usual| *usual >= WORTH_SAYING);
        usual.map(|usual| format!(", about {}", format_duration(usual))).unwrap_or_default()
    }

    /// `; run 40 passed`, or ` (2 s faster than usual)`.
    pub(super) fn verdict(self, run: &RunView) -> String {
        if !matches!(run.outcome(), Some(Outcome::Passed | Outcome::Failed | Outcome::TimedOut)) {
            return String::new();
        }
        let before = self.before.filter(|(_, outcome)| Some(*outcome) != run.outcome());
        if let Some((number, outcome)) = before {
            return format!("; run {number} {}", outcome.predicate());
        }
        let took = run.started_at().zip(run.finished_at());
        let took = took.and_then(|(start, end)| u64::try_from(end.as_millis() - start.as_millis()).ok());
        let (Some(took), Some(usual), Some(Outcome::Passed)) = (took, self.usual, run.outcome()) else {
            return String::new();
        };
        let took = Duration::from_millis(took);
        let (difference, word) = match took.checked_sub(usual) {
            Some(more) => (more, "slower"),
            None => (usual.saturating_sub(took), "faster"),
        };
        if difference < WORTH_SAYING.max(usual / 10) {
            return String::new();
        }
        format!(" ({} {word} than usual)", format_duration(difference))
    }
}

/// What is printed about the runs of a push: at most four lines, and the diagnostics of a broken pipeline.
pub(crate) fn push_header(runs: &[PushedRun]) -> String {
    match runs {
        [] => String::new(),
        [only] => one_run(only),
        several => several_runs(several),
    }
}

fn one_run(pushed: &PushedRun) -> String {
    let run = &pushed.run;
    if let Some(broken) = broken(run) {
        return broken;
    }
    let estimate = if run.has_ended() { String::new() } else { pushed.compared.estimate() };
    let mut out = first_line(pushed) + &estimate + "\n";
    if run.outcome() == Some(Outcome::Skipped) && run.record.jobs.is_empty() {
        return out;
    }
    if let Some(url) = &run.url {
        let _infallible = writeln!(out, "  {url}");
    }
    if !run.record.jobs.is_empty() {
        out.push_str(&job_names(run));
    }
    out
}

/// `quire: run 41, main at 9f31c2a`, and the state of the run.
pub(crate) fn first_line(pushed: &PushedRun) -> String {
    let run = &pushed.run;
    let number = run.row.number;
    let at = run.subject_text();
    let reason = || run.reason().map(|reason| format!(": {}", reason_line(&reason.text))).unwrap_or_default();
    match (run.outcome(), run.progress()) {
        (Some(_), _) if pushed.is_watched && !run.record.jobs.is_empty() => {
            format!("quire: run {number}, {at}")
        }
        (Some(Outcome::Skipped), _) => format!("quire: run {number} skipped{}", reason()),
        (Some(Outcome::Passed), _) | (None, Progress::Running | Progress::Finished) => {
            format!("quire: run {number}, {at}")
        }
        (Some(outcome), _) => {
            let (did, reason) = predicate(outcome, run.reason());
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            let line = format!("error: run {number} {did}{reason}\n");
            (line + &hints(run.reason())).trim_end().to_owned()
        }
        (None, Progress::Queued) => match pushed.ahead {
            0 => format!("quire: run {number}, {at}"),
            1 => format!("quire: run {number} queued, 1 run ahead, {at}"),
            ahead => format!("quire: run {number} queued, {ahead} runs ahead, {at}"),
        },
    }
}

/// The names of the jobs, as many as fit into one line.
fn job_names(run: &RunView) -> String {
    let mut line = String::from(" ");
    for (index, job) in run.record.jobs.iter().enumerate() {
        let left = run.record.jobs.len() - index;
        if left > 1 && line.len() + job.id.len() > WIDTH - " and 10000 more".len() {
            let _infallible = write!(line, " and {left} more");
            break;
        }
        let _infallible = write!(line, " {}", job.id);
    }
    line.push('\n');
    line
}

/// The diagnostics of a pipeline that cannot be used.
pub(crate) fn broken(run: &RunView) -> Option<String> {
    let diagnostics = run.record.diagnostics();
    if !diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return None;
    }
    let mut out = plain(&render_all(&diagnostics));
    let _infallible = writeln!(out, "error: run {} failed: the pipeline cannot be used", run.row.number);
    out.push_str("hint: check before pushing with  quire ci check\n");
    Some(out)
}

/// The warnings about jobs that the push names and that its run does not start.
pub(crate) fn unstarted_jobs(run: &RunView) -> String {
    let warnings = run.record.diagnostics().into_iter();
    let warnings: Vec<_> = warnings
        .filter(|diagnostic| diagnostic.file.starts_with(ONLY_OPTION) && diagnostic.span.is_none())
        .collect();
    plain(&render_all(&warnings))
}

/// One line a run, at most four in all: first those that run, then those that were skipped.
fn several_runs(runs: &[PushedRun]) -> String {
    let (skipped, others): (Vec<_>, Vec<_>) =
        runs.iter().partition(|pushed| pushed.run.outcome() == Some(Outcome::Skipped));
    let groups = skipped_groups(&skipped);
    let mut out = String::new();
    let count = others.len() + groups.len();
    let shown = if count > MAX_LINES { MAX_LINES - 1 } else { count };
    for pushed in others.iter().take(shown) {
        if let Some(broken) = broken(&pushed.run) {
            out.push_str(&broken);
            continue;
        }
        let names: Vec<&str> = pushed.run.record.jobs.iter().map(|job| job.id.as_str()).collect();
        let separator = if names.is_empty() { "" } else { ": " };
        let _infallible =
            writeln!(out, "{}", cut(&format!("{}{separator}{}", first_line(pushed), names.join(" ")), WIDTH));
    }
    let mut shown_runs = others.len().min(shown);
    for (line, members) in groups.iter().take(shown.saturating_sub(shown_runs)) {
        let _infallible = writeln!(out, "{line}");
        shown_runs += members;
    }
    if runs.len() > shown_runs {
        let _infallible = writeln!(out, "quire: and {} more runs", runs.len() - shown_runs);
    }
    out
}

/// One line for all runs that were skipped for the same reason, and how many they are.
fn skipped_groups(skipped: &[&PushedRun]) -> Vec<(String, usize)> {
    let mut groups: Vec<(&str, Vec<&PushedRun>)> = Vec::new();
    for pushed in skipped {
        let reason = pushed.run.reason().map(|reason| reason.text.as_str()).unwrap_or_default();
        match groups.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, members)) => members.push(pushed),
            None => groups.push((reason, vec![pushed])),
        }
    }
    let line = |(_, members): (&str, Vec<&PushedRun>)| match members.as_slice() {
        [only] => (first_line(only), 1),
        several => {
            let reason = several.first().and_then(|pushed| pushed.run.reason());
            let reason = reason.map(|reason| reason_line(&reason.text));
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            (format!("quire: {} runs skipped{reason}", several.len()), several.len())
        }
    };
    groups.into_iter().map(line).collect()
}

/// A line of at most this many columns.
pub(super) fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        line.to_owned()
    } else {
        line.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
    }
}

/// The line about a job that has ended, on a terminal. `width` is the length of the longest job id.
pub(crate) fn job_line(job: &JobRecord, width: usize) -> String {
    let outcome = job.outcome.unwrap_or(Outcome::Failed);
    let word = if outcome == Outcome::Failed { "FAILED".to_owned() } else { outcome.to_string() };
    let took = job.started_at.zip(job.finished_at).map(|(start, end)| between(start, end));
    let reason = job.reason.as_ref().map(|reason| reason_line(reason.first_line())).unwrap_or_default();
    let line = format!("  {word:<10} {:<width$} {:>9}  {reason}", job.id, took.unwrap_or_default());
    format!("{}\n{}", line.trim_end(), hints(job.reason.as_ref()))
}

/// The hints of a reason, each on a line of its own: in full, because they are meant to be copied. The decisions of policy after
/// the first are printed before them.
pub(super) fn hints(reason: Option<&Reason>) -> String {
    let Some(reason) = reason else { return String::new() };
    let is_decision = CODES.contains(&reason.code.as_str());
    let further =
        reason.text.lines().skip(1).filter(|_| is_decision).map(|line| format!("  {}\n", plain(line)));
    let hints = reason.hints.iter().map(|hint| format!("hint: {}\n", plain(hint)));
    further.chain(hints).collect()
}

/// The last lines about a run that was waited for: what to do next, by this way to call quire, and how it ended.
pub(crate) fn run_verdict(run: &RunView, quire: &str) -> String {
    let verdict = format!("quire: {}\n", verdict_line(run));
    if matches!(run.outcome(), Some(Outcome::Passed | Outcome::Skipped)) {
        return verdict;
    }
    let name = format!("{}#{}", run.row.repo, run.row.number);
    format!("{}hint: {quire} {} '{name}'\n{verdict}", hints(run.reason()), explains(run))
}

/// The command that explains a failure: without a failed step, the logs do not.
pub(super) fn explains(run: &RunView) -> &'static str {
    if run.record.jobs.iter().any(|job| failed_step(job).is_some()) { "logs" } else { "show" }
}

/// The line about a push that was signed.
pub(crate) fn push_signature(certificate: &PushCertificate) -> String {
    let by = certificate.signer.as_ref().or(certificate.key.as_ref());
    match (certificate.problem(), by) {
        (None, Some(by)) => format!("quire: the push is signed by {}\n", one_line(by)),
        (None, None) => "quire: the push is signed\n".to_owned(),
        (Some(problem), _) => format!("warning: the push is signed, but {problem}\n"),
    }
}

/// The line of a push that the default branch of its repository has followed.
pub(crate) fn push_default_branch(branch: &RefName) -> String {
    format!("quire: the default branch is now `{}`\n", one_line(&branch.short()))
}

/// The last line of a push that waits for a run while the server stops.
pub(crate) fn push_stopped(repo: &RepoName, number: u64, quire: &str) -> String {
    format!("warning: the server is stopping; run {number} continues\nhint: {quire} wait '{repo}#{number}'\n")
}

/// `blog#3 failed in 0.4 s: test`: how a run has ended, how long it took, and which jobs or what reason decided it.
fn verdict_line(run: &RunView) -> String {
    let outcome = run.outcome().unwrap_or(Outcome::Failed);
    let of_outcome = |job: &&JobRecord| job.outcome == Some(outcome);
    let jobs: Vec<&str> = run.record.jobs.iter().filter(of_outcome).map(|job| job.id.as_str()).collect();
    let is_by_jobs = run.reason().is_some_and(|reason| reason.code == codes::JOBS);
    let (did, detail) = match jobs.as_slice() {
        [_] if outcome == Outcome::Passed => ("passed".to_owned(), Some("1 job".to_owned())),
        _ if outcome == Outcome::Passed => ("passed".to_owned(), Some(format!("{} jobs", jobs.len()))),
        [_, ..] if is_by_jobs => (outcome.predicate().to_owned(), Some(first_of(jobs.iter(), MAX_NAMES))),
        _ => predicate(outcome, run.reason()),
    };
    let word = if matches!(outcome, Outcome::Passed | Outcome::Failed) { "in" } else { "after" };
    let took = run.started_at().zip(run.finished_at()).filter(|_| outcome != Outcome::Skipped);
    let took = took.map(|(start, end)| format!(" {word} {}", between(start, end))).unwrap_or_default();
    let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{}#{} {did}{took}{detail}", run.row.repo, run.row.number)
}

/// An outcome as a predicate, and its reason unless that is a part of it: `was superseded by run 3`.
pub(super) fn predicate(outcome: Outcome, reason: Option<&Reason>) -> (String, Option<String>) {
    let first = reason.map(|reason| reason_line(reason.first_line()));
    let Some(reason) = first else { return (outcome.predicate().to_owned(), None) };
    match reason.strip_prefix(outcome.as_str()) {
        Some(rest) if rest.is_empty() || rest.starts_with(' ') => {
            (format!("{}{rest}", outcome.predicate()), None)
        }
        Some(_) | None => (outcome.predicate().to_owned(), Some(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_does_not_repeat_the_outcome() {
        let says = |outcome, text: Option<&str>| {
            let (did, reason) = predicate(outcome, text.map(|text| Reason::new("other", text)).as_ref());
            did + &reason.map(|reason| format!(": {reason}")).unwrap_or_default()
        };
        assert_eq!(says(Outcome::Superseded, Some("superseded by run 3")), "was superseded by run 3");
        assert_eq!(says(Outcome::Cancelled, Some("cancelled")), "was cancelled");
        assert_eq!(says(Outcome::Failed, Some("test failed")), "failed: test failed");
        assert_eq!(says(Outcome::Failed, None), "failed");
    }
}
