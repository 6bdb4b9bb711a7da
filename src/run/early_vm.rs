//! A pipeline that was evaluated before anybody knew whether there is a run. Its VM becomes that of the run.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::evaluate::Loaded;
use super::vm_thread::Evaluated;
use crate::journal::DiagnosticFact;
use crate::pipeline::JobGraph;
use crate::script::{
    ArtifactCall, ContainerCall, HostError, HostFuture, JobHost, SavedArtifact, ShCall, StepResult, Vm,
};

/// What a pipeline may print while it is read, in bytes with line feeds; one that prints more is read by its run.
const MAX_PRINTED: usize = 64 * 1024;

/// A pipeline that is compiled, and the VM that has evaluated it, if one has.
pub type ReadyPipeline = (Loaded, Option<EarlyVm>);

/// A VM that has evaluated its pipeline, and whose jobs have no host yet.
pub struct EarlyVm {
    vm: Vm,
    host: Arc<LateHost>,
    printed: Vec<Vec<u8>>,
    graph: JobGraph,
    warnings: Vec<DiagnosticFact<String>>,
}

impl EarlyVm {
    /// Evaluates a pipeline in a VM with this much memory, in bytes. Nothing when something is wrong with it: the run
    /// reads it again, and shows what. Blocking.
    pub(super) fn evaluate(loaded: &Loaded, memory: usize) -> Option<Self> {
        let host = Arc::new(LateHost::default());
        let vm = loaded.vm(memory, Arc::clone(&host) as Arc<dyn JobHost>).ok()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().ok()?;
        let (graph, warnings) = runtime.block_on(loaded.evaluate(&vm)).ok()?;
        let printed = host.printed()?;
        Some(Self { vm, host, printed, graph, warnings })
    }

    /// Gives it the host of its run, and shows what was printed.
    pub(super) fn with_host(self, host: Arc<dyn JobHost>) -> (Vm, Evaluated) {
        for line in &self.printed {
            host.log(None, line);
        }
        // It is given once.
        let _had_one = self.host.real.set(host).is_err();
        (self.vm, Ok((self.graph, self.warnings)))
    }
}

/// The host of a run that may come. While a pipeline is read, it can only print.
#[derive(Default)]
struct LateHost {
    real: OnceLock<Arc<dyn JobHost>>,
    printed: Mutex<Printed>,
}

#[derive(Default)]
struct Printed {
    lines: Vec<Vec<u8>>,
    bytes: usize,
}

impl LateHost {
    /// Takes what was printed; nothing when it was too much to be kept.
    fn printed(&self) -> Option<Vec<Vec<u8>>> {
        let printed = std::mem::take(&mut *self.printed.lock().unwrap_or_else(PoisonError::into_inner));
        (printed.bytes <= MAX_PRINTED).then_some(printed.lines)
    }

    fn real(&self) -> Result<&dyn JobHost, HostError> {
        let real = self.real.get().map(AsRef::as_ref);
        real.ok_or_else(|| HostError::Broken("no job runs yet".to_owned()))
    }

    fn ask<T: Send + 'static>(&self, ask: impl FnOnce(&dyn JobHost) -> HostFuture<T>) -> HostFuture<T> {
        self.real().map_or_else(|error| Box::pin(async { Err(error) }) as HostFuture<T>, ask)
    }
}

impl JobHost for LateHost {
    fn sh(&self, job: &str, call: ShCall) -> HostFuture<StepResult> {
        self.ask(|host| host.sh(job, call))
    }

    fn container(&self, job: &str, call: ContainerCall) -> HostFuture<StepResult> {
        self.ask(|host| host.container(job, call))
    }

    fn secret(&self, job: &str, name: &str) -> Result<Vec<u8>, HostError> {
        self.real()?.secret(job, name)
    }

    fn log(&self, job: Option<&str>, line: &[u8]) {
        if let Some(real) = self.real.get() {
            return real.log(job, line);
        }
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        printed.bytes = printed.bytes.saturating_add(line.len() + 1);
        if printed.bytes <= MAX_PRINTED {
            printed.lines.push(line.to_owned());
        }
    }

    fn read_file(&self, job: &str, path: &str) -> HostFuture<Vec<u8>> {
        self.ask(|host| host.read_file(job, path))
    }

    fn write_file(&self, job: &str, path: &str, bytes: Vec<u8>) -> HostFuture<()> {
        self.ask(|host| host.write_file(job, path, bytes))
    }

    fn artifact(&self, job: &str, call: ArtifactCall) -> HostFuture<Vec<SavedArtifact>> {
        self.ask(|host| host.artifact(job, call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::sort_files;
    use crate::script::{JobEnd, JobInputs, VmPulse};

    /// Keeps lines, and knows the one secret `token`.
    #[derive(Default)]
    struct Host(Mutex<Vec<(Option<String>, String)>>);

    impl JobHost for Host {
        fn sh(&self, _: &str, _: ShCall) -> HostFuture<StepResult> {
            unreachable!("no step is run")
        }
        fn container(&self, _: &str, _: ContainerCall) -> HostFuture<StepResult> {
            unreachable!("no step is run")
        }
        fn secret(&self, _: &str, name: &str) -> Result<Vec<u8>, HostError> {
            assert_eq!(name, "token");
            Ok(b"s3cret".to_vec())
        }
        fn log(&self, job: Option<&str>, line: &[u8]) {
            let line = String::from_utf8_lossy(line).into_owned();
            self.0.lock().unwrap().push((job.map(str::to_owned), line));
        }
        fn read_file(&self, _: &str, _: &str) -> HostFuture<Vec<u8>> {
            unreachable!("no file is read")
        }
        fn write_file(&self, _: &str, _: &str, _: Vec<u8>) -> HostFuture<()> {
            unreachable!("no file is written")
        }
        fn artifact(&self, _: &str, _: ArtifactCall) -> HostFuture<Vec<SavedArtifact>> {
            unreachable!("no file is kept")
        }
    }

    fn early(text: &str) -> Option<EarlyVm> {
        let files = sort_files([(b".quire/ci.fnl".to_vec(), text.as_bytes().to_vec())]);
        let loaded = Loaded::new(&files, None, &Arc::new(VmPulse::new())).unwrap();
        EarlyVm::evaluate(&loaded, 64 << 20)
    }

    #[test]
    fn what_was_printed_before_is_shown_once_and_jobs_have_the_host_of_their_run() {
        let early = early(
            "(local ci (require :quire.ci))\n(print :one)\n(print :two)
             (ci:job :a [:quire/push] (fn [{: secret}] (print (# (secret :token)))))",
        );
        let host = Arc::new(Host::default());
        let (vm, evaluated) = early.unwrap().with_host(Arc::clone(&host) as Arc<dyn JobHost>);
        assert_eq!(evaluated.unwrap().0.jobs().len(), 1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        assert_eq!(runtime.block_on(vm.run_job("a", JobInputs::new())), JobEnd::Passed);
        let line = |job: Option<&str>, line: &str| (job.map(str::to_owned), line.to_owned());
        assert_eq!(*host.0.lock().unwrap(), [line(None, "one"), line(None, "two"), line(Some("a"), "6")]);
    }

    #[test]
    fn what_is_wrong_or_prints_too_much_is_read_again_by_the_run() {
        let with = |more: &str, needs: &str| {
            early(&format!(
                "(local ci (require :quire.ci))\n{more}\n(ci:job :a [{needs}] (fn [{{: sh}}] (sh \"true\")))"
            ))
        };
        let many = |count| with(&format!("(for [_ 1 {count}] (print (string.rep :x 1023)))"), ":quire/push");
        assert!(many(MAX_PRINTED / 1024).is_some());
        assert!(many(MAX_PRINTED / 1024 + 1).is_none());
        assert!(with("(error :no)", ":quire/push").is_none());
        assert!(with("", ":b").is_none());
        let all = "(local all [])\n(while true (table.insert all (string.rep :x 65536)))";
        assert!(with(all, ":quire/push").is_none());
    }
}
