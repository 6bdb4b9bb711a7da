//! The tasks of the server and their owner.
//!
//! A server with a task missing looks healthy and does not do its work: without the queue no run starts, without the
//! watcher no ref is seen. So a task that panics, or one that ends although it must last, ends the whole server with an
//! error. A supervisor starts it again, and what was under way is recovered from disk.

use std::any::Any;
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::task::{Id, JoinError, JoinSet};

/// Why the server cannot continue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TaskFailure {
    /// A task panicked.
    #[error("{task} has failed: {problem}")]
    Panicked {
        task: &'static str,
        /// The message of the panic.
        problem: String,
    },
    /// A task ended that must last as long as the server.
    #[error("{0} has ended")]
    Ended(&'static str),
}

/// The owner of the server's tasks. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks(Arc<Mutex<Owned>>);

#[derive(Debug, Default)]
struct Owned {
    running: JoinSet<Life>,
    names: HashMap<Id, &'static str>,
}

/// How long a task is meant to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    AsLongAsTheServer,
    UntilItsWorkIsDone,
}

impl Tasks {
    /// Starts a task that must not end before the server does.
    pub(crate) fn spawn_lasting(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.start(name, Life::AsLongAsTheServer, task);
    }

    /// Starts a task that ends when its work is done.
    pub(crate) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.start(name, Life::UntilItsWorkIsDone, task);
    }

    fn start(&self, name: &'static str, life: Life, task: impl Future<Output = ()> + Send + 'static) {
        let mut owned = self.owned();
        let id = owned.running.spawn(async move {
            task.await;
            life
        });
        owned.names.insert(id.id(), name);
    }

    /// Waits until the server cannot continue; for ever while all of its tasks are well.
    pub(crate) async fn failure(&self) -> TaskFailure {
        poll_fn(|context| self.poll_failure(context)).await
    }

    fn poll_failure(&self, context: &mut Context<'_>) -> Poll<TaskFailure> {
        let mut owned = self.owned();
        loop {
            match owned.running.poll_join_next_with_id(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(TaskFailure::Ended("the last task of the server")),
                Poll::Ready(Some(ended)) => {
                    if let Some(failure) = owned.failure_of(ended) {
                        return Poll::Ready(failure);
                    }
                }
            }
        }
    }

    fn owned(&self) -> MutexGuard<'_, Owned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owned {
    /// What the end of a task means for the server.
    fn failure_of(&mut self, ended: Result<(Id, Life), JoinError>) -> Option<TaskFailure> {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let task = self.names.remove(&id).unwrap_or("a task");
        match ended {
            Ok((_, Life::UntilItsWorkIsDone)) => None,
            Ok((_, Life::AsLongAsTheServer)) => Some(TaskFailure::Ended(task)),
            Err(error) => {
                let problem = match error.try_into_panic() {
                    Ok(panic) => message(panic.as_ref()),
                    Err(error) => error.to_string(),
                };
                Some(TaskFailure::Panicked { task, problem })
            }
        }
    }
}

/// The message that a panic carries.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_named_with_its_message() {
        let tasks = Tasks::default();
        tasks.spawn_lasting("the queue", std::future::pending());
        tasks.spawn("a push", async { panic!("out of {}", "range") });
        let panicked = TaskFailure::Panicked { task: "a push", problem: "out of range".to_owned() };
        assert_eq!(tasks.failure().await, panicked);
    }

    #[tokio::test]
    async fn only_a_lasting_task_must_not_end() {
        let tasks = Tasks::default();
        tasks.spawn("a push", async {});
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn_lasting("the queue", async move { drop(ended.await) });
        let mut failure = std::pin::pin!(tasks.failure());
        tokio::select! {
            biased;
            failure = &mut failure => panic!("{failure}"),
            () = tokio::task::yield_now() => {}
        }
        drop(end);
        assert_eq!(failure.await, TaskFailure::Ended("the queue"));
    }

    #[tokio::test]
    async fn a_task_that_starts_while_the_owner_waits_is_owned_too() {
        let tasks = Tasks::default();
        tasks.spawn_lasting("the queue", std::future::pending());
        let starter = tasks.clone();
        tasks.spawn("a start", async move {
            tokio::task::yield_now().await;
            starter.spawn_lasting("late", async {});
        });
        assert_eq!(tasks.failure().await, TaskFailure::Ended("late"));
    }
}
