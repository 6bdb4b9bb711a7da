//! The run VM: one Lua state that reads a pipeline, then runs its jobs as coroutines on one thread.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Lua, Table, Value};

use super::api::{self, Shared};
use super::host::JobHost;
use super::job_call::{JobArguments, JobEnd, JobFailure, JobInput, JobInputs, read_end};
use super::pulse::{Pulsed, VmPulse};
use super::registration::{Registration, Registry};
use super::sandbox::{self, Modules, Prelude, STUCK, VmError, VmLimits};
use super::script_error::{Caught, Place, ScriptError, caught, caught_error};
use super::walk::{WalkError, Walker};

/// Why a pipeline could not be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EvaluationError {
    /// Its script raised an error, or is not Lua.
    #[error("{0}")]
    Script(ScriptError),
    /// It did not come to its end in time.
    #[error("reading the pipeline took longer than {} s{}", limit.as_secs_f32(), still_at(last_place.as_ref()))]
    TimedOut {
        /// The time it had.
        limit: std::time::Duration,
        /// Where it was last seen.
        last_place: Option<Place>,
    },
    /// It hit the memory limit.
    #[error("reading the pipeline took more memory than it may")]
    OutOfMemory,
}

fn still_at(place: Option<&Place>) -> String {
    place.map(|place| format!(" and was at {place}")).unwrap_or_default()
}

/// A Lua state with the API of quire, for one run.
///
/// All futures of one VM belong on one thread at a time: they take turns. Dropping one stops its job, at once
/// when it waits for the host, otherwise at its next turn; the VM stays usable.
#[derive(Clone)]
pub struct Vm {
    inner: Arc<Inner>,
}

struct Inner {
    /// Outputs and functions are handles into the state, so that they go before it.
    outputs: Mutex<HashMap<String, Value>>,
    prelude: Prelude,
    walker: Walker,
    registry: Arc<Mutex<Registry>>,
    pulse: Arc<VmPulse>,
    limits: VmLimits,
    entry: String,
    lua: Lua,
}

impl Vm {
    /// Makes a VM for the pipeline whose entry is the module `entry`.
    ///
    /// # Errors
    /// Reports that the state could not be set up, which is not a mistake in the pipeline.
    pub fn new(
        limits: VmLimits,
        modules: Modules,
        entry: &str,
        host: Arc<dyn JobHost>,
    ) -> Result<Self, VmError> {
        Self::set_up(limits, modules, entry, host).map_err(VmError::SetUp)
    }

    fn set_up(limits: VmLimits, modules: Modules, entry: &str, host: Arc<dyn JobHost>) -> mlua::Result<Self> {
        let lua = sandbox::new_state(&modules, entry)?;
        let walker = Walker::new(&lua)?;
        let registry = Arc::new(Mutex::new(Registry::default()));
        let pulse = Arc::new(VmPulse::new());
        let shared = Shared {
            host,
            walker: walker.clone(),
            registry: Arc::clone(&registry),
            modules,
            pulse: Arc::clone(&pulse),
        };
        let raw = api::install(&lua, &Arc::new(shared))?;
        let prelude = sandbox::load_prelude(&lua, &raw, &walker)?;
        sandbox::limit(&lua, limits, &pulse)?;
        let inner = Inner {
            outputs: Mutex::new(HashMap::new()),
            prelude,
            walker,
            registry,
            pulse,
            limits,
            entry: entry.to_owned(),
            lua,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What a watchdog may look at from another thread.
    pub fn pulse(&self) -> Arc<VmPulse> {
        Arc::clone(&self.inner.pulse)
    }

    /// Reads the pipeline: runs its entry module, and gives back what it declared, in order.
    ///
    /// Needs a tokio runtime with time. When it is dropped, the pipeline is half read.
    ///
    /// # Errors
    /// Says how the script ended instead.
    pub async fn evaluate(&self) -> Result<Vec<Registration>, EvaluationError> {
        let inner = Arc::clone(&self.inner);
        inner.pulse.forget_place();
        let call = inner.prelude.evaluate.call_async::<(String, Value)>(inner.entry.as_str());
        let pulsed = Pulsed::new(&inner.pulse, 0, call);
        let limit = inner.limits.evaluation;
        let last_place = || inner.pulse.last_place();
        let Ok((ended, stopped)) = tokio::time::timeout(limit, pulsed).await else {
            return Err(EvaluationError::TimedOut { limit, last_place: last_place() });
        };
        if stopped {
            return Err(EvaluationError::Script(ScriptError::new(STUCK, last_place())));
        }
        let caught = match ended {
            Ok((verdict, _)) if verdict == "passed" => {
                let registry = inner.registry.lock().unwrap_or_else(PoisonError::into_inner);
                return Ok(registry.registrations.clone());
            }
            Ok((_, value)) => caught(&value),
            Err(error) => caught_error(&error),
        };
        Err(match caught {
            Caught::Script(error) => EvaluationError::Script(error),
            Caught::OutOfMemory => EvaluationError::OutOfMemory,
        })
    }

    /// What a pipeline that could not be read to its end had declared before.
    pub(crate) fn declared_so_far(&self) -> Vec<Registration> {
        self.inner.registry.lock().unwrap_or_else(PoisonError::into_inner).registrations.clone()
    }

    /// Runs the function of a job, from the pipeline that was read. Several may run at the same time.
    ///
    /// When the future is dropped, the job has stopped where it was, and has no outputs.
    pub fn run_job(
        &self,
        job: &str,
        inputs: JobInputs,
    ) -> impl Future<Output = JobEnd> + Send + 'static + use<> {
        let inner = Arc::clone(&self.inner);
        let job = job.to_owned();
        let number = inner.pulse.number(&job);
        let pulse = Arc::clone(&inner.pulse);
        if let Some(place) = inner.place_of(&job) {
            pulse.note_of(number, place);
        }
        let call = {
            let (inner, job) = (Arc::clone(&inner), job.clone());
            async move { inner.call(&job, &inputs).await }
        };
        async move {
            let (end, stopped) = Pulsed::new(&pulse, number, call).await;
            if stopped {
                return JobEnd::Failed(JobFailure::Script(ScriptError::new(STUCK, pulse.last_place())));
            }
            inner.end(&job, end)
        }
    }

    /// The outputs of a job that passed, as JSON.
    pub fn outputs_json(&self, job: &str) -> Option<Result<serde_json::Value, WalkError>> {
        let outputs = self.inner.outputs.lock().unwrap_or_else(PoisonError::into_inner).get(job).cloned()?;
        Some(self.inner.walker.output(&outputs))
    }

    /// The memory that the VM uses now, in bytes.
    #[cfg(test)]
    pub(crate) fn used_memory(&self) -> usize {
        self.inner.lua.used_memory()
    }

    #[cfg(test)]
    fn api(&self) -> Table {
        self.inner.prelude.api.clone()
    }
}

/// What the prelude's `run` gives: the kind of end, its value, and how a step's failure came to count.
type Verdict = (String, Value, Option<String>);

impl Inner {
    async fn call(&self, job: &str, inputs: &JobInputs) -> mlua::Result<Option<Verdict>> {
        let run = self.registry.lock().unwrap_or_else(PoisonError::into_inner).run_of(job);
        let Some(run) = run else { return Ok(None) };
        let (names, outputs) = self.inputs(job, inputs)?;
        let (values, declared) = self.arguments(inputs)?.unzip();
        self.prelude.run.call_async((job, run, names, outputs, values, declared)).await.map(Some)
    }

    /// The names of the inputs, as a list, and what they gave, as a table. A source that the job names and that did not fire is
    /// an input that gave nothing.
    fn inputs(&self, job: &str, inputs: &JobInputs) -> mlua::Result<(Table, Table)> {
        let silent = self.registry.lock().unwrap_or_else(PoisonError::into_inner).sources_of(job);
        let silent = silent.into_iter().filter(|source| inputs.iter().all(|(name, _)| name != source));
        let is_input = |(name, input): &(String, JobInput)| {
            (!matches!(input, JobInput::Arguments(_))).then(|| name.clone())
        };
        let all = inputs.iter().filter_map(is_input).chain(silent);
        let names = self.lua.create_sequence_from(all)?;
        let outputs = self.lua.create_table()?;
        for (name, input) in inputs {
            let value = match input {
                JobInput::Job => {
                    let kept = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.get(name).cloned().unwrap_or(Value::Nil)
                }
                JobInput::Json(json) => self.walker.lua(&self.lua, json)?,
                JobInput::Arguments(_) => continue,
            };
            outputs.raw_set(name.as_str(), value)?;
        }
        Ok((names, outputs))
    }

    /// The values of the declared arguments, and their names.
    fn arguments(&self, inputs: &JobInputs) -> mlua::Result<Option<(Value, Table)>> {
        let found = inputs.iter().find_map(|(_, input)| match input {
            JobInput::Arguments(arguments) => Some(arguments),
            JobInput::Job | JobInput::Json(_) => None,
        });
        let Some(JobArguments { values, declared }) = found else { return Ok(None) };
        let values = self.walker.lua(&self.lua, &serde_json::Value::Object(values.clone()))?;
        let declared = declared.iter().map(|(name, is_given)| (name.as_str(), *is_given));
        Ok(Some((values, self.lua.create_table_from(declared)?)))
    }

    fn end(&self, job: &str, ended: mlua::Result<Option<Verdict>>) -> JobEnd {
        let verdict = match ended {
            Ok(Some(verdict)) => verdict,
            Ok(None) => {
                return JobEnd::Failed(JobFailure::Host(format!("the pipeline has no job `{job}` to run")));
            }
            Err(error) => return JobEnd::from(caught_error(&error)),
        };
        match read_end(verdict) {
            Ok((end, outputs)) => {
                if let Some(problem) = outputs.as_ref().and_then(|outputs| self.walker.unfit(outputs)) {
                    let what = format!("a value that other jobs cannot get: {problem}");
                    return JobEnd::Failed(JobFailure::Returned { what });
                }
                if let Some(outputs) = outputs {
                    self.outputs
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(job.to_owned(), outputs);
                }
                self.without_place(job, end)
            }
            Err(error) => JobEnd::from(caught_error(&error)),
        }
    }

    /// An error in tail position left no frame: it is given the line that its job's function begins on.
    fn without_place(&self, job: &str, mut end: JobEnd) -> JobEnd {
        if let JobEnd::Failed(JobFailure::Script(error)) = &mut end
            && error.line.is_none()
        {
            (error.file, error.line) = self.place_of(job).map(|place| (place.file, place.line)).unzip();
        }
        end
    }

    /// The line that the function of a job begins on.
    fn place_of(&self, job: &str) -> Option<Place> {
        let info = self.registry.lock().unwrap_or_else(PoisonError::into_inner).run_of(job)?.info();
        let file = info.source.as_deref()?.strip_prefix('@')?.to_owned();
        Some(Place { file, line: u32::try_from(info.line_defined?).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::schema::PRIMITIVES;
    use crate::script::{
        ArtifactCall, ContainerCall, HostError, HostFuture, SavedArtifact, ShCall, StepResult, globals,
    };

    struct NoHost;

    impl JobHost for NoHost {
        fn sh(&self, _: &str, _: ShCall) -> HostFuture<StepResult> {
            Box::pin(async { Err(HostError::Broken("no host".into())) })
        }
        fn container(&self, _: &str, _: ContainerCall) -> HostFuture<StepResult> {
            unreachable!("no job runs")
        }

        fn secret(&self, _: &str, _: &str) -> Result<Vec<u8>, HostError> {
            Err(HostError::Broken("no host".into()))
        }
        fn log(&self, _: Option<&str>, _: &[u8]) {}
        fn read_file(&self, _: &str, _: &str) -> HostFuture<Vec<u8>> {
            Box::pin(async { Err(HostError::Broken("no host".into())) })
        }
        fn write_file(&self, _: &str, _: &str, _: Vec<u8>) -> HostFuture<()> {
            Box::pin(async { Err(HostError::Broken("no host".into())) })
        }
        fn artifact(&self, _: &str, _: ArtifactCall) -> HostFuture<Vec<SavedArtifact>> {
            unreachable!("no job runs")
        }
    }

    #[test]
    fn the_names_in_scope_are_those_that_the_compiler_gets() {
        let vm = Vm::new(VmLimits::default(), Modules::new(), "ci", Arc::new(NoHost)).unwrap();
        let own = |name: &String| !name.starts_with("__fnl_global__");
        let names: BTreeSet<String> =
            vm.api().pairs::<String, Value>().map(|pair| pair.unwrap().0).filter(own).collect();
        let listed: BTreeSet<String> = globals().map(str::to_owned).collect();
        assert_eq!(names, listed);
        assert_eq!(listed.len(), globals().count());
        assert!(PRIMITIVES.iter().all(|primitive| listed.contains(primitive.name)));
        assert!(vm.used_memory() < 200 << 10, "{}", vm.used_memory());
    }
}
