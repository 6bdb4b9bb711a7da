//! Waiting for the end of a run, with a server or without one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::operation::Operation;
use super::problem::{Code, Problem};
use super::run_changes::RunChanges;
use super::runs::{find_run, show_run};
use super::state::AppState;
use crate::model::Progress;
use crate::store::RunRow;

/// The longest wait.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Somebody waits for the end of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitForRun {
    /// Its name or id.
    pub(crate) run: String,
}

/// The run has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EndedRun {
    /// Its id.
    pub(crate) ended: String,
}

impl Operation for WaitForRun {
    type Answer = EndedRun;

    const ROUTE: &'static str = "/runs/wait";
    const PATIENCE: Duration = MAX_WAIT;

    async fn perform(self, app: &AppState) -> Result<EndedRun, Problem> {
        let row = find_run(app, &self.run).await?;
        let ended = EndedRun { ended: row.id.to_string() };
        if row.state == Progress::Finished {
            return Ok(ended);
        }
        if app.local.is_some() {
            without_server(app, row).await?;
        } else if let Some(mut live) = app.live.follow(row.id) {
            // The channel closes when the end of the run is in the database.
            while live.changed().await.is_ok() {}
        }
        Ok(ended)
    }
}

/// Waits for a run of which no server can be asked, by what changes in the data folder.
async fn without_server(app: &AppState, row: RunRow) -> Result<(), Problem> {
    let changes = RunChanges::of(app, &row)?;
    loop {
        let decider = changes.watch(app, &row, Vec::new())?;
        if show_run(app, &row.id.to_string()).await?.has_ended() {
            return Ok(());
        }
        if !decider.is_there {
            let text = format!("no server is running, and {}#{} has not ended", row.repo, row.number);
            return Err(Problem::new(Code::ServerSilent, text)
                .hint("start `quire serve`, which starts queued runs and settles interrupted ones"));
        }
        changes.next(&decider).await?;
    }
}
