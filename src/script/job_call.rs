//! One call of a job's function: what goes in, and how it ends.

use std::collections::BTreeMap;
use std::fmt;

use mlua::{Table, Value};

use super::script_error::{Caught, Place, ScriptError, caught};
use crate::model::Reason;

/// What a job gets from its inputs, in the order of its list, and its arguments.
pub type JobInputs = Vec<(String, JobInput)>;

/// The arguments of a job that declares them.
#[derive(Debug, Clone, PartialEq)]
pub struct JobArguments {
    /// The values, without secrets; null when there is none.
    pub values: serde_json::Map<String, serde_json::Value>,
    /// The names of the declared ones, and whether it is a secret that was given.
    pub declared: BTreeMap<String, bool>,
}

/// What one input gives.
#[derive(Debug, Clone, PartialEq)]
pub enum JobInput {
    /// The outputs of a job of this VM, as its function returned them; nil when it did not pass.
    Job,
    /// The event of a source, or outputs from elsewhere.
    Json(serde_json::Value),
    /// No input, but the arguments that the job declares.
    Arguments(JobArguments),
}

/// How a job's function ended.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEnd {
    /// It returned; its outputs are kept in the VM.
    Passed,
    /// It failed.
    Failed(JobFailure),
    /// Policy refused what it asked for.
    Denied(Box<Reason>),
    /// It returned nil and had shown and done nothing.
    Skipped,
    /// The VM's memory limit was hit. That is the run's end, not this job's: the job that notices is not
    /// necessarily the one that took the memory.
    OutOfMemory,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JobFailure {
    /// Its script raised an error.
    #[error("{0}")]
    Script(ScriptError),
    /// A step failed.
    #[error("{0}")]
    Step(StepFailure),
    /// It returned what stands for a failure, or what no job can return.
    #[error("the job returned {what}")]
    Returned {
        /// What it returned, in words.
        what: String,
    },
    /// quire could not do its work.
    #[error("{0}")]
    Host(String),
}

/// A step that failed its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepFailure {
    /// Its number within the job.
    pub step: u32,
    /// Its name for people.
    pub title: String,
    /// Its exit status.
    pub exit: i32,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// Whether the clock stopped it.
    pub(crate) timed_out: bool,
    /// Where it was called, when that is known.
    pub(crate) place: Option<Place>,
    /// Why that fails the job.
    pub fault: StepFault,
    /// The error of the script that came after it, and may follow from it.
    pub(crate) then: Option<ScriptError>,
}

/// Why a failed step fails its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepFault {
    /// Its `:exit` or `:ok` was not checked.
    Ignored,
    /// It was called with `{:check true}`.
    Checked,
    /// Its result is what the job returned.
    Returned,
}

impl StepFailure {
    /// What the step did: `step 2 `make test` failed with exit status 3`.
    pub(super) fn event(&self) -> String {
        let Self { step, title, exit, .. } = self;
        if self.timed_out {
            return format!("step {step} `{title}` timed out");
        }
        match self.signal {
            Some(signal) => format!("step {step} `{title}` was ended by signal {signal} (exit {exit})"),
            None => format!("step {step} `{title}` failed with exit status {exit}"),
        }
    }

    /// Reads the table that `sh` made for the prelude.
    fn read(table: &Table, how: &str) -> mlua::Result<Self> {
        let fault = match how {
            "checked" => StepFault::Checked,
            "returned" => StepFault::Returned,
            _ => StepFault::Ignored,
        };
        Ok(Self {
            step: table.raw_get("number")?,
            title: table.raw_get("title")?,
            exit: table.raw_get("exit")?,
            signal: table.raw_get("signal")?,
            timed_out: table.raw_get("timed-out")?,
            place: read_place(table)?,
            fault,
            then: table.raw_get::<Option<Value>>("error")?.as_ref().map(caught).and_then(Caught::script),
        })
    }
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.event())?;
        match self.fault {
            StepFault::Ignored => f.write_str(", and its exit status was not checked")?,
            StepFault::Checked => {}
            StepFault::Returned => f.write_str(", and the job returned its result")?,
        }
        match &self.then {
            Some(error) => write!(f, "; then {error}"),
            None => Ok(()),
        }
    }
}

fn read_place(table: &Table) -> mlua::Result<Option<Place>> {
    let (file, line) = (table.raw_get::<Option<String>>("file")?, table.raw_get::<Option<u32>>("line")?);
    Ok(file.zip(line).map(|(file, line)| Place { file, line }))
}

/// Reads what the prelude's `run` gave back: the end, and the outputs of a job that passed.
pub(super) fn read_end(verdict: (String, Value, Option<String>)) -> mlua::Result<(JobEnd, Option<Value>)> {
    let (kind, value, how) = verdict;
    let end = match (&*kind, &value) {
        ("passed", _) => return Ok((JobEnd::Passed, Some(value))),
        ("skipped", _) => JobEnd::Skipped,
        ("step", Value::Table(step)) => {
            JobEnd::Failed(JobFailure::Step(StepFailure::read(step, how.as_deref().unwrap_or_default())?))
        }
        ("returned", Value::String(what)) => {
            JobEnd::Failed(JobFailure::Returned { what: what.to_string_lossy() })
        }
        ("denied", _) => {
            let detail = how.as_deref().unwrap_or_default();
            JobEnd::Denied(Box::new(serde_json::from_str(detail).map_err(mlua::Error::external)?))
        }
        ("broken", Value::String(problem)) => JobEnd::Failed(JobFailure::Host(problem.to_string_lossy())),
        _ => JobEnd::from(caught(&value)),
    };
    Ok((end, None))
}

impl From<Caught> for JobEnd {
    fn from(caught: Caught) -> Self {
        match caught {
            Caught::Script(error) => Self::Failed(JobFailure::Script(error)),
            Caught::OutOfMemory => Self::OutOfMemory,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_named_with_its_cause() {
        let mut step = StepFailure {
            step: 2,
            title: "make test".into(),
            exit: 3,
            signal: None,
            timed_out: false,
            place: None,
            fault: StepFault::Ignored,
            then: None,
        };
        assert_eq!(
            step.to_string(),
            "step 2 `make test` failed with exit status 3, and its exit status was not checked"
        );
        step.fault = StepFault::Returned;
        assert_eq!(
            step.to_string(),
            "step 2 `make test` failed with exit status 3, and the job returned its result"
        );
        step.fault = StepFault::Checked;
        (step.exit, step.signal) = (137, Some(9));
        assert_eq!(step.to_string(), "step 2 `make test` was ended by signal 9 (exit 137)");
        step.timed_out = true;
        assert_eq!(step.to_string(), "step 2 `make test` timed out");
        step.place = Some(Place { file: ".quire/ci.fnl".into(), line: 7 });
        assert_eq!(step.to_string(), ".quire/ci.fnl:7: step 2 `make test` timed out");
        step.fault = StepFault::Ignored;
        step.then = Some(ScriptError::new("json-decode: expected value", step.place.clone()));
        assert_eq!(
            step.to_string(),
            ".quire/ci.fnl:7: step 2 `make test` timed out, and its exit status was not checked; then .quire/ci.fnl:7: \
             json-decode: expected value"
        );
    }
}
