//! The output of a run, from its files, also while it grows.

use super::problem::{Code, Problem};
use super::run_changes::{Decider, RunChanges};
use super::runs::{expect_readable, show_run};
use super::state::AppState;
use crate::journal::RunRecord;
use crate::model::Progress;
use crate::store::{RunRow, WriterGone};
use crate::view::{LogFollower, LogLine};

/// Which output.
#[derive(Debug, Clone)]
pub struct ReadLogs {
    /// Only that of this job.
    pub(crate) job: Option<String>,
    /// Whether what comes until the run has ended is read as well.
    pub(crate) follow: bool,
}

/// The output of a run, a batch of lines at a time.
pub struct RunLogs {
    row: RunRow,
    attempt: u32,
    follower: LogFollower,
    /// What is known of the run, while it has not ended.
    record: Option<RunRecord>,
    /// When what comes is read as well.
    changes: Option<RunChanges>,
    /// Who decided about the run when it was read.
    decider: Option<Decider>,
    /// Whether everything was read that is there.
    is_drained: bool,
    is_over: bool,
}

/// Opens the output of a run.
///
/// # Errors
/// When its record cannot be read, or it has no such job.
pub async fn read_logs(app: &AppState, row: RunRow, request: ReadLogs) -> Result<RunLogs, Problem> {
    let view = app.view(row.clone()).await;
    expect_readable(&view)?;
    let (record, name) = (&view.record, format!("{}#{}", row.repo, row.number));
    let run_dir = app.data.run(&row.repo, row.number);
    if row.started_at.is_some() && !record.is_opened {
        let text = format!("the record of {name} is missing: no journal in {}", run_dir.display());
        let hint = "quire doctor checks the data folder";
        return Err(Problem::new(Code::RunUnreadable, text).hint(hint));
    }
    if let Some(job) = &request.job
        && !record.jobs.iter().any(|known| known.id == *job)
    {
        let names: Vec<&str> = record.jobs.iter().map(|job| job.id.as_str()).collect();
        let hint = if names.is_empty() {
            "it has no jobs yet".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        };
        return Err(Problem::new(Code::JobNotFound, format!("{name} has no job `{job}`")).hint(hint));
    }
    let has_ended = row.state == Progress::Finished;
    let changes = if request.follow && !has_ended { Some(RunChanges::of(app, &row)?) } else { None };
    let mut follower = LogFollower::new(&run_dir, request.job);
    follower.name_services(&view.record);
    let attempt = view.record.attempt.max(1);
    let (is_drained, record) = (changes.is_some(), (!has_ended).then_some(view.record));
    Ok(RunLogs { row, attempt, follower, record, changes, decider: None, is_drained, is_over: false })
}

impl RunLogs {
    /// The attempt of the run that the lines are of, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The next lines; nothing at the end.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub(crate) async fn next(&mut self, app: &AppState) -> Result<Option<Vec<LogLine>>, Problem> {
        if self.is_over {
            return Ok(None);
        }
        if self.is_drained {
            self.wait(app).await?;
        }
        let mut follower = std::mem::take(&mut self.follower);
        let record = self.record.clone();
        let read = app.read(move || {
            let lines = match &record {
                Some(record) => follower.read(record),
                None => follower.finish(),
            };
            (follower, lines)
        });
        let (follower, lines) = read.await.ok_or_else(|| Problem::from(WriterGone))?;
        self.is_drained = !follower.has_more();
        self.is_over = self.is_drained && (self.changes.is_none() || self.record.is_none());
        self.follower = follower;
        lines.map(Some).map_err(|error| Problem::failed(&error))
    }

    /// Waits until there may be more, and reads what is known of the run.
    async fn wait(&mut self, app: &AppState) -> Result<(), Problem> {
        let Some(changes) = &self.changes else { return Ok(()) };
        if let Some(decider) = self.decider.take() {
            changes.next(&decider).await?;
        }
        // Watched first, then read.
        self.decider = Some(changes.watch(app, &self.row, self.follower.folders())?);
        let view = show_run(app, &self.row.id.to_string()).await?;
        expect_readable(&view)?;
        self.follower.name_services(&view.record);
        self.record = (!view.has_ended()).then_some(view.record);
        Ok(())
    }
}
