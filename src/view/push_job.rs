//! What a push that waits prints of jobs: a line for each that has ended, the last lines of those that failed, and a ticker.

use std::fmt::Write as _;
use std::time::Duration;

use super::job_end::JobEnd;
use super::push::{WIDTH, cut, hints};
use super::run::RunView;
use super::sanitize::{Colours, one_line, pushed_output, reason_line};
use super::text::between;
use crate::journal::{JobRecord, StepRecord};
use crate::model::{Outcome, Timestamp, codes, format_duration};

/// The columns of the word for an outcome; only rare words are longer.
const WORD: usize = 8;

/// The most columns that the ids of jobs are padded to.
const MAX_ID: usize = 24;

/// The fewest columns that a reason begins in beside its job.
const MIN_REASON: usize = 20;

/// What a reason is cut to when it has a line of its own, and where it begins.
const INDENT: usize = 2 + WORD + 1;

/// What in a line shows that something is wrong there, in lower case.
const ALARMS: [&str; 6] = ["error", "panicked", "failed", "failure", "fatal", "assert"];

/// How many columns the ids of the jobs of a run have.
pub(crate) fn job_columns(jobs: &[JobRecord]) -> usize {
    jobs.iter().map(|job| job.id.len()).max().unwrap_or_default().min(MAX_ID)
}

/// The line about a job that has ended.
pub(crate) fn pushed_job(job: &JobRecord, columns: usize) -> String {
    let outcome = job.outcome.unwrap_or(Outcome::Failed);
    let word = if outcome == Outcome::Failed { "FAILED" } else { outcome.as_str() };
    let took = job.started_at.zip(job.finished_at).map(|(start, end)| between(start, end));
    let start = format!("  {word:<WORD$} {:<columns$}{:>9}", job.id, took.unwrap_or_default());
    let reason = short_reason(job);
    if reason.is_empty() {
        return format!("{}\n", start.trim_end());
    }
    match room(&start) {
        Some(room) => format!("{start}   {}\n", cut(&reason, room)),
        None => format!("{}\n{:INDENT$}{}\n", start.trim_end(), "", cut(&reason, WIDTH - INDENT)),
    }
}

/// How many columns are left for a reason, unless they are too few.
fn room(start: &str) -> Option<usize> {
    WIDTH.checked_sub(start.chars().count() + 3).filter(|room| *room >= MIN_REASON)
}

/// Why a job ended as it did, in a few words: of a step that failed, `exit 2 in step 1: make test`.
fn short_reason(job: &JobRecord) -> String {
    let Some(reason) = &job.reason else { return String::new() };
    let step = failed_step(job).filter(|_| reason.code == codes::STEP_FAILED);
    match step.and_then(|step| Some((&step.start, step.end.as_ref()?))) {
        Some((start, end)) => {
            let (word, number) = end.signal.map_or(("exit", end.exit), |signal| ("signal", signal));
            format!("{word} {number} in step {}: {}", start.number, one_line(&start.title))
        }
        None => reason_line(reason.first_line()),
    }
}

/// The step that a job failed at.
pub(crate) fn failed_step(job: &JobRecord) -> Option<&StepRecord> {
    let has_failed = |step: &&StepRecord| step.outcome.is_some_and(|outcome| outcome != Outcome::Passed);
    job.steps.iter().rev().find(has_failed)
}

/// What is printed of a job that failed, after all jobs: its reason, if its line has cut that, the last lines of its output, where
/// they are, and what helps. A reason that jobs `before` it have, or the run, is not repeated. Nothing when nothing is left.
pub(crate) fn pushed_failure(
    run: &RunView,
    (before, job): (&[&JobRecord], &JobRecord),
    (end, colours): (&JobEnd, Colours),
) -> String {
    let mut out = String::new();
    let reason = short_reason(job);
    let is_said =
        run.reason() == job.reason.as_ref() || before.iter().any(|other| other.reason == job.reason);
    if !is_said && !pushed_job(job, job_columns(&run.record.jobs)).contains(&reason) {
        out.push_str(&wrap(&reason));
    }
    for (_, bytes) in &end.lines {
        let line = pushed_output(&String::from_utf8_lossy(bytes), colours);
        let _infallible = writeln!(out, "{} │ {line}", job.id);
    }
    if let Some(url) = &run.url {
        let place = failing_line(end).map(|number| format!("#L{number}")).unwrap_or_default();
        let _infallible = writeln!(out, "  {url}/job/{}{place}", job.id);
    }
    if !is_said {
        out.push_str(&hints(job.reason.as_ref()));
    }
    if out.is_empty() { out } else { format!("\n{out}") }
}

/// The number of the first line that shows that something is wrong, or of the last one.
fn failing_line(end: &JobEnd) -> Option<u64> {
    let is_alarming = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        ALARMS.iter().any(|alarm| text.contains(alarm))
    };
    let found = end.lines.iter().find(|(_, bytes)| is_alarming(bytes)).or_else(|| end.lines.last());
    found.and_then(|(number, _)| *number)
}

/// A text in lines of at most [`WIDTH`] columns, with two blanks before each.
pub(super) fn wrap(text: &str) -> String {
    let mut out = String::new();
    let mut columns = WIDTH;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if columns + 1 + length > WIDTH {
            out.push_str(if out.is_empty() { "  " } else { "\n  " });
            columns = 2 + length;
        } else {
            out.push(' ');
            columns += 1 + length;
        }
        out.push_str(word);
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// `3/6 · test 41 s · docs 12 s`: how many jobs have ended, and how long the others have run.
pub(crate) fn ticker((jobs, is_queued): (&[JobRecord], bool), now: Timestamp) -> String {
    let ended = jobs.iter().filter(|job| job.outcome.is_some()).count();
    let mut text = format!("{ended}/{}", jobs.len());
    if is_queued {
        text.push_str(" · queued");
    }
    let running = jobs.iter().filter(|job| job.outcome.is_none());
    let running: Vec<_> = running.filter_map(|job| Some((&job.id, job.started_at?))).collect();
    for (place, (id, start)) in running.iter().enumerate() {
        let part = format!(" · {id} {}", whole_seconds(*start, now));
        let left = running.len() - place;
        let more = format!(" · +{left}");
        let columns = text.chars().count() + part.chars().count();
        if columns + (if left > 1 { more.chars().count() } else { 0 }) > WIDTH {
            text.push_str(&more);
            break;
        }
        text.push_str(&part);
    }
    text
}

/// A time without its fractions.
fn whole_seconds(start: Timestamp, now: Timestamp) -> String {
    let secs = u64::try_from(now.as_millis() - start.as_millis()).unwrap_or_default() / 1000;
    if secs < 60 { format!("{secs} s") } else { format_duration(Duration::from_secs(secs)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reason;

    fn job(id: &str, times: Option<(i64, i64)>, outcome: Option<Outcome>, reason: &str) -> JobRecord {
        JobRecord {
            started_at: times.map(|(start, _)| Timestamp::from_millis(start)),
            finished_at: times.map(|(_, end)| Timestamp::from_millis(end)),
            outcome,
            reason: (!reason.is_empty()).then(|| Reason::new(codes::JOB_FAILED, reason)),
            ..JobRecord::new(id.to_owned(), Vec::new())
        }
    }

    #[test]
    fn lines_of_jobs_are_aligned_and_fit() {
        let long = "x".repeat(64);
        let reason = ".quire/ci.fnl:17:7: it does not greet the world at all";
        let all = [
            job("fmt", Some((0, 1900)), Some(Outcome::Passed), ""),
            job("mirror", None, Some(Outcome::Skipped), "needs test, which failed"),
            job("test", Some((0, 63_000)), Some(Outcome::Failed), reason),
            job("a", Some((0, 1000)), Some(Outcome::Interrupted), "its runner is gone"),
            job(&long, Some((0, 1000)), Some(Outcome::TimedOut), &"why ".repeat(40)),
        ];
        let lines: Vec<String> = all.iter().map(|job| pushed_job(job, job_columns(&all[..4]))).collect();
        assert_eq!(
            lines[..4],
            [
                "  passed   fmt       1.9 s\n",
                "  skipped  mirror            needs test, which failed\n",
                "  FAILED   test   1 m 03 s   .quire/ci.fnl:17:7: it does not greet the …\n",
                "  interrupted a         1.0 s   its runner is gone\n",
            ]
        );
        let (first, second) = lines[4].split_once('\n').unwrap();
        assert_eq!(first, format!("  timed-out {long}    1.0 s"));
        assert!(second.starts_with("           why why") && second.ends_with("…\n"), "{second}");
        assert!(lines[..4].iter().all(|line| line.chars().count() <= WIDTH + 1));
        assert!(second.chars().count() <= WIDTH + 1);
    }

    #[test]
    fn texts_are_wrapped_and_no_word_is_lost() {
        let text = format!("{} {}", "seven77 ".repeat(30), "y".repeat(90));
        let wrapped = wrap(&text);
        let fits = |line: &str| line.starts_with("  ") && (line.len() <= WIDTH || line.contains('y'));
        assert!(wrapped.lines().all(fits), "{wrapped}");
        assert_eq!(wrapped.split_whitespace().count(), 31);
        assert_eq!(wrap(""), "");
    }

    #[test]
    fn the_first_line_with_something_wrong_is_linked_to() {
        let end = |lines: &[&str]| {
            let numbered =
                lines.iter().zip(7..).map(|(line, number)| (Some(number), line.as_bytes().to_vec()));
            JobEnd { lines: numbered.collect() }
        };
        assert_eq!(failing_line(&end(&["ok", "thread 'a' panicked at b", "error: c"])), Some(8));
        assert_eq!(failing_line(&end(&["one", "two"])), Some(8));
        assert_eq!(failing_line(&end(&[])), None);
    }

    #[test]
    fn the_ticker_counts_jobs_and_fits() {
        let running = |id: &str, start| JobRecord {
            started_at: Some(Timestamp::from_millis(start)),
            ..job(id, None, None, "")
        };
        let jobs = [
            job("fmt", Some((0, 1)), Some(Outcome::Passed), ""),
            running("test", 0),
            running("docs", 29_000),
            job("ship", None, None, ""),
        ];
        let now = Timestamp::from_millis(41_999);
        assert_eq!(ticker((&jobs, false), now), "1/4 · test 41 s · docs 12 s");
        assert_eq!(ticker((&jobs[3..], true), now), "0/1 · queued");
        assert_eq!(ticker((&[], true), now), "0/0 · queued");
        assert_eq!(ticker((&jobs[1..2], false), Timestamp::from_millis(3_700_000)), "0/1 · test 1 h 01 m");
        let many: Vec<_> = (10..50).map(|n| running(&format!("job-number-{n}"), 0)).collect();
        let text = ticker((&many, false), now);
        assert!(text.chars().count() <= WIDTH && text.ends_with(" · +38"), "{text}");
    }
}
