//! The files of a run on their way into its workspace, while the run can still be asked to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::drive::{Drive, Ended};
use super::fired::Fired;
use crate::executor::Workspace;
use crate::journal::StopReason;
use crate::model::{Outcome, Reason, codes};

/// Writes files, as long as they are wanted, and says what the event sources give.
type WriteFiles = Box<dyn FnOnce(&AtomicBool) -> Result<Fired, String> + Send>;

/// What follows when files are there.
type Then = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// Puts the files of a run into its workspace.
pub struct Fill {
    /// Writes them. It begins while the pipeline is still evaluated.
    pub files: WriteFiles,
    /// What follows once the files are there and the jobs are known.
    pub then: Then,
}

/// The files on their way.
pub(super) struct Filling {
    task: JoinHandle<Result<Fired, String>>,
    then: Then,
    is_wanted: Arc<AtomicBool>,
}

/// What came of it.
pub(super) enum Filled {
    /// The files are there; what the event sources give.
    Files(Fired),
    /// The run has ended before its first job.
    Nothing(Ended),
}

impl Filling {
    /// Starts on a blocking thread of this runtime. Whoever removes the workspace ends it.
    pub(super) fn start(fill: Fill, workspace: Workspace, on: &Handle) -> Self {
        let is_wanted = workspace.is_wanted();
        let Fill { files, then } = fill;
        let nothing = || Err("no files are wanted".to_owned());
        let task = on.spawn_blocking(move || workspace.filled_by(files).unwrap_or_else(nothing));
        Self { task, then, is_wanted }
    }

    /// Waits for the files, or until the run is asked to stop or its time is over.
    ///
    /// # Errors
    /// When something could not be written down.
    pub(super) async fn wait(mut self, led: &mut Drive) -> Result<Filled, String> {
        let mut deadline = std::pin::pin!(tokio::time::sleep(led.run_timeout));
        let mut is_late = false;
        loop {
            let stopped = tokio::select! {
                biased;
                filled = &mut self.task => {
                    let filled = filled.unwrap_or_else(|error| Err(error.to_string()));
                    return Ok(match follow(filled, self.then).await {
                        Ok(fired) => Filled::Files(fired),
                        Err(reason) => {
                            Filled::Nothing((Outcome::Failed, Some(Reason::new(codes::NOT_STARTED, reason))))
                        },
                    });
                }
                outside = led.events.1.recv() => led.before_start(outside).await?,
                () = &mut deadline, if !is_late => {
                    is_late = true;
                    led.stop(StopReason::TimedOut {}).await?
                }
            };
            if let Some(ended) = stopped {
                self.abandon().await;
                return Ok(Filled::Nothing(ended));
            }
        }
    }

    /// Waits until no file comes any more, without any use for them: then what is there can be removed.
    pub(super) async fn abandon(self) {
        // It notices at its next file.
        self.is_wanted.store(false, Ordering::Relaxed);
        let _what_is_there_is_removed = self.task.await;
    }
}

/// Does what follows once the files are there.
async fn follow(filled: Result<Fired, String>, then: Then) -> Result<Fired, String> {
    let fired = filled?;
    let followed = tokio::task::spawn_blocking(then).await;
    followed.unwrap_or_else(|error| Err(error.to_string())).map(|()| fired)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_file_comes_after_a_run_was_abandoned() {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let (begins, begun) = tokio::sync::oneshot::channel();
        let files = move |is_wanted: &AtomicBool| {
            begins.send(()).unwrap();
            while is_wanted.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            // The last file.
            over.store(true, Ordering::Relaxed);
            Ok(Fired::new())
        };
        let fill = Fill { files: Box::new(files), then: Box::new(|| Ok(())) };
        let filling = Filling::start(fill, Workspace::new("/nonexistent".into()), &Handle::current());
        begun.await.unwrap();
        filling.abandon().await;
        assert!(is_over.load(Ordering::Relaxed));
    }
}
