//! The order in which the output of a running job and the ends of jobs are shown, which is one that could have happened.
//!
//! Lines come from logs and ends from the journal, which are read one after the other: a line of a job may be read before
//! the end of the job that it needed. Such a line waits until the journal says that its job has begun.

use std::collections::HashSet;

use super::follow::LogLine;
use crate::journal::JobRecord;
use crate::model::Timestamp;

/// An item to show.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OutputItem<'a> {
    /// A line of output.
    Line(LogLine),
    /// The end of a job.
    End(&'a JobRecord),
}

/// The most lines that wait for the beginning of their job; more are shown without it.
const MAX_WAITING: usize = 10_000;

/// Which ends were shown, and the lines that wait.
#[derive(Debug, Default)]
pub(crate) struct OutputOrder {
    ended: HashSet<String>,
    waiting: Vec<LogLine>,
}

impl OutputOrder {
    /// Takes new lines, and returns what can be shown now: ends in the order of their times, each
    /// after all lines of its job and before all lines of jobs that began later. Ends of one millisecond may come in any
    /// order.
    pub(crate) fn next<'a>(&mut self, lines: Vec<LogLine>, jobs: &'a [JobRecord]) -> Vec<OutputItem<'a>> {
        self.waiting.extend(lines);
        let mut ended: Vec<&JobRecord> = jobs
            .iter()
            .filter(|job| job.finished_at.is_some() && job.outcome.is_some() && !self.ended.contains(&job.id))
            .collect();
        ended.sort_by_key(|one| one.finished_at);
        let mut items = Vec::new();
        for job in ended {
            // Lines from before the end, of jobs that had begun by then.
            let (before, after) = std::mem::take(&mut self.waiting).into_iter().partition(|line| {
                let begun = begun_at(line, jobs);
                line.job.as_ref() == Some(&job.id) || begun.is_some_and(|at| Some(at) < job.finished_at)
            });
            self.waiting = after;
            items.extend(Vec::into_iter(before).map(OutputItem::Line));
            items.push(OutputItem::End(job));
            self.ended.insert(job.id.clone());
        }
        let (known, unknown) =
            std::mem::take(&mut self.waiting).into_iter().partition(|line| begun_at(line, jobs).is_some());
        self.waiting = unknown;
        items.extend(Vec::into_iter(known).map(OutputItem::Line));
        if self.waiting.len() > MAX_WAITING {
            items.extend(self.rest().into_iter().map(OutputItem::Line));
        }
        items
    }

    /// The lines that still wait when the run has ended.
    pub(crate) fn rest(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.waiting)
    }
}

/// When the job of a line began, as far as is known; the beginning of time for output without a job.
fn begun_at(line: &LogLine, jobs: &[JobRecord]) -> Option<Timestamp> {
    let Some(name) = &line.job else { return Some(Timestamp::from_millis(i64::MIN)) };
    jobs.iter().find(|job| job.id == *name)?.started_at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Stream;
    use crate::model::Outcome;

    fn job(id: &str, started_at: Option<&str>, finished_at: Option<&str>) -> JobRecord {
        // One digit each.
        let time = |text: &str| text.parse().map(Timestamp::from_millis).unwrap();
        JobRecord {
            started_at: started_at.map(time),
            finished_at: finished_at.map(time),
            outcome: finished_at.map(|_| Outcome::Passed),
            ..JobRecord::new(id.to_owned(), Vec::new())
        }
    }

    fn line(job: &str) -> LogLine {
        let time = Timestamp::from_millis(0);
        let job = (job != "-").then(|| job.to_owned());
        LogLine {
            time,
            job,
            step: 1,
            service: None,
            n: 1,
            stream: Stream::Stdout,
            bytes: Vec::new(),
            is_cut: false,
        }
    }

    fn next(order: &mut OutputOrder, lines: &[&str], jobs: &[JobRecord]) -> String {
        let items = order.next(lines.iter().map(|name| line(name)).collect(), jobs);
        let words: Vec<String> = items
            .into_iter()
            .map(|items| match items {
                OutputItem::Line(line) => line.job.unwrap_or_else(|| "-".to_owned()),
                OutputItem::End(job) => job.id.to_uppercase(),
            })
            .collect();
        words.join(" ")
    }

    #[test]
    fn a_line_waits_for_what_came_before_its_job() {
        let mut order = OutputOrder::default();
        let begun = [job("a", Some("1"), None), job("b", None, None)];
        assert_eq!(next(&mut order, &["-", "a", "b"], &begun), "- a");
        let ended = [job("a", Some("1"), Some("2")), job("b", Some("2"), None)];
        assert_eq!(next(&mut order, &["b"], &ended), "A b b");
        assert_eq!(next(&mut order, &[], &ended), "", "nothing is shown twice");
        assert!(order.rest().is_empty());
    }

    #[test]
    fn an_end_is_behind_the_lines_of_its_job() {
        let ended =
            [job("b", Some("2"), Some("3")), job("a", Some("1"), Some("2")), job("c", None, Some("3"))];
        assert_eq!(next(&mut OutputOrder::default(), &["a", "b", "a", "b"], &ended), "a a A b b B C");
    }

    #[test]
    fn lines_of_unknown_jobs_are_the_rest() {
        let mut order = OutputOrder::default();
        assert_eq!(next(&mut order, &["x"], &[]), "");
        assert_eq!(order.rest(), [line("x")]);
    }
}
