//! A run for display: its row and its journal.

use std::path::{Path, PathBuf};

use super::end::deciding_lock;
use crate::config::DataDir;
use crate::journal::{JournalReadError, JournalReader, RunRecord};
use crate::model::{Outcome, Progress, Reason, RefKind, RefName, Timestamp, chain};
use crate::store::RunRow;

/// A run to be shown.
#[derive(Debug, Clone)]
pub(crate) struct RunView {
    pub(crate) row: RunRow,
    /// The contents of its journal; empty without one. Its end is left out until it counts ([`deciding_lock`]).
    pub(crate) record: RunRecord,
    /// Why the journal cannot be read; the record is empty then.
    pub(crate) problem: Option<String>,
    /// The address of its page, when the server has a public address.
    pub(crate) url: Option<String>,
    /// The workspace of a run that has ended, when it could not be removed.
    pub(crate) left: Option<PathBuf>,
}

/// The address of a run's page below the server's address.
pub(crate) fn run_url(base: Option<&str>, row: &RunRow) -> Option<String> {
    base.map(|base| format!("{}/{}/run/{}", base.trim_end_matches('/'), row.repo, row.number))
}

/// A run that is shown again and again while it lasts: what is new in its journal is read.
#[derive(Debug)]
pub(crate) struct FollowedRun {
    reader: JournalReader,
    record: RunRecord,
}

impl FollowedRun {
    /// A run of which nothing was read.
    pub(crate) fn new(run_dir: &Path) -> Self {
        Self { reader: JournalReader::new(run_dir), record: RunRecord::default() }
    }

    /// The run as it is now, for its present row.
    pub(crate) fn view(&mut self, data: &DataDir, row: RunRow, base: Option<&str>) -> RunView {
        let read = self.reader.read().map(|new| {
            new.into_iter().for_each(|record| self.record.apply(record));
            self.record.clone()
        });
        RunView::of_record((data, row), read, base)
    }
}

impl RunView {
    /// Reads the journal of a run. When it cannot be read, the view says so, and shows the row.
    pub(crate) fn load(data: &DataDir, row: RunRow, base: Option<&str>) -> Self {
        FollowedRun::new(&data.run(&row.repo, row.number)).view(data, row, base)
    }

    fn of_record(
        (data, row): (&DataDir, RunRow),
        read: Result<RunRecord, JournalReadError>,
        base: Option<&str>,
    ) -> Self {
        let run_dir = data.run(&row.repo, row.number);
        let problem = read.as_ref().err().map(|error| chain(error));
        let record = read.unwrap_or_default();
        let is_early = record.outcome.is_some() && deciding_lock(data, &row).is_some();
        let record = if is_early { record.without_end() } else { record };
        let url = run_url(base, &row);
        let has_ended = row.state == Progress::Finished;
        let left = Some(run_dir.join("work")).filter(|work| has_ended && work.symlink_metadata().is_ok());
        Self { row, record, problem, url, left }
    }

    /// A run whose journal was not read.
    pub(crate) fn without_record(row: RunRow, base: Option<&str>) -> Self {
        let url = run_url(base, &row);
        Self { row, record: RunRecord::default(), problem: None, url, left: None }
    }

    /// The state of the run. The journal knows of its beginning before the database does.
    pub(crate) fn progress(&self) -> Progress {
        match (self.row.state, self.record.progress()) {
            (Progress::Finished, _) | (_, Progress::Finished) => Progress::Finished,
            (Progress::Running, _) | (_, Progress::Running) => Progress::Running,
            (Progress::Queued, Progress::Queued) => Progress::Queued,
        }
    }

    /// Whether the run has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.progress() == Progress::Finished
    }

    /// How the run ended.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.row.outcome.or(self.record.outcome)
    }

    /// Why it ended that way.
    pub(crate) fn reason(&self) -> Option<&Reason> {
        self.row.reason.as_ref().or(self.record.reason.as_ref())
    }

    /// When its jobs began.
    pub(crate) fn started_at(&self) -> Option<Timestamp> {
        self.row.started_at.or(self.record.started_at)
    }

    /// When it ended.
    pub(crate) fn finished_at(&self) -> Option<Timestamp> {
        self.row.finished_at.or(self.record.finished_at)
    }

    /// The short id of the commit.
    pub(crate) fn commit_text(&self) -> String {
        self.row.event.subject.as_ref().map_or_else(|| "-".to_owned(), |update| update.new.short())
    }

    /// The subject of the run: `main at 9f31c2a`; the name of the repository when it has no ref.
    pub(crate) fn subject_text(&self) -> String {
        match &self.row.event.subject {
            Some(_) => format!("{} at {}", self.ref_text(), self.commit_text()),
            None => self.row.repo.to_string(),
        }
    }

    /// The branch or tag, shortened.
    pub(crate) fn ref_text(&self) -> String {
        self.row.event.subject.as_ref().map_or_else(|| "-".to_owned(), |update| ref_text(&update.ref_name))
    }
}

/// The branch or tag of a run and the short id of its commit; empty texts for a run without one.
pub(crate) fn run_subject(row: &RunRow) -> (String, String) {
    let subject = row.event.subject.as_ref();
    subject.map(|update| (ref_text(&update.ref_name), update.new.short())).unwrap_or_default()
}

/// A branch or tag, shortened.
pub(super) fn ref_text(name: &RefName) -> String {
    let short = super::one_line(&name.short());
    match name.kind() {
        RefKind::Tag => format!("tag {short}"),
        RefKind::Branch | RefKind::Other => short,
    }
}
