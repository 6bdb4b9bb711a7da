//! A host whose answers are in the commands: `exit 3`, `out text`, `forever`, `barrier`, `refuse`, `break`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quire::model::Reason;
use quire::script::{
    ArtifactCall, Chunk, Command, ContainerCall, EvaluationError, HostError, HostFuture, JobEnd, JobFailure,
    JobHost, JobInput, Modules, Registration, SavedArtifact, ScriptError, ShCall, StepResult, Vm, VmLimits,
};
use quire::sys::kept_output::KeptOutput;
use tokio::sync::Barrier;

/// What `fennel/quire/ci.fnl` compiles to.
const CI: &str = "local p = require('quire.primitives')\n\
                  return {job = p.job, cron = p.planned('cron'), matrix = p.planned('matrix')}";

pub(super) struct FakeHost {
    pub(super) calls: Mutex<Vec<(String, ShCall)>>,
    pub(super) lines: Mutex<Vec<(Option<String>, String)>>,
    pub(super) files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    pub(super) dropped: Arc<Mutex<u32>>,
    barrier: Arc<Barrier>,
}

struct Pending(Arc<Mutex<u32>>);

impl Drop for Pending {
    fn drop(&mut self) {
        *self.0.lock().unwrap() += 1;
    }
}

fn number(text: &str) -> i32 {
    text.split_whitespace().nth(1).unwrap().parse().unwrap()
}

impl FakeHost {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::default(),
            lines: Mutex::default(),
            files: Arc::default(),
            dropped: Arc::default(),
            barrier: Arc::new(Barrier::new(2)),
        })
    }

    pub(super) fn call(&self, place: usize) -> ShCall {
        self.calls.lock().unwrap()[place].1.clone()
    }

    pub(super) fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }
}

pub(super) fn result(title: &str, step: u32, exit: i32) -> StepResult {
    let mut stdout = KeptOutput::from(title.strip_prefix("out ").unwrap_or_default().as_bytes().to_vec());
    // As much as a title says.
    if let Some(count) = title.split_once("large ").and_then(|(_, count)| count.parse().ok()) {
        stdout.push(&vec![b'x'; count]);
    }
    StepResult {
        exit,
        signal: (exit > 128).then(|| exit - 128),
        stdout,
        stderr: KeptOutput::default(),
        duration: Duration::from_millis(1500),
        truncated: title == "truncated",
        timed_out: title.contains("late"),
        step,
        title: title.to_owned(),
    }
}

impl JobHost for FakeHost {
    fn container(&self, job: &str, call: ContainerCall) -> HostFuture<StepResult> {
        if call.image == "denied" {
            return Box::pin(async { Err(HostError::Denied(Box::new(denial()))) });
        }
        self.sh(job, call.step)
    }

    fn sh(&self, job: &str, call: ShCall) -> HostFuture<StepResult> {
        let mut calls = self.calls.lock().unwrap();
        calls.push((job.to_owned(), call.clone()));
        let step = u32::try_from(calls.iter().filter(|(name, _)| name == job).count()).unwrap();
        drop(calls);
        let title = match &call.command {
            Command::Shell(text) => String::from_utf8_lossy(text).into_owned(),
            Command::Argv(argv) => String::from_utf8_lossy(&argv.join(&b' ')).into_owned(),
        };
        let (barrier, dropped) = (Arc::clone(&self.barrier), Arc::clone(&self.dropped));
        Box::pin(async move {
            let exit = match title.split_whitespace().next().unwrap() {
                "exit" => number(&title),
                "refuse" => return Err(HostError::Refused("the host refuses this".into())),
                "break" => return Err(HostError::Broken("the host is broken".into())),
                "barrier" => {
                    barrier.wait().await;
                    0
                }
                "forever" => {
                    let _pending = Pending(dropped);
                    std::future::pending::<i32>().await
                }
                _ => 0,
            };
            Ok(result(&title, step, exit))
        })
    }

    fn secret(&self, _: &str, name: &str) -> Result<Vec<u8>, HostError> {
        match name {
            "token" => Ok(b"s3cret".to_vec()),
            _ => Err(HostError::Refused(format!("secret `{name}` is not declared; there is `token`"))),
        }
    }

    fn log(&self, job: Option<&str>, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        self.lines.lock().unwrap().push((job.map(str::to_owned), line));
    }

    fn read_file(&self, _: &str, path: &str) -> HostFuture<Vec<u8>> {
        let found = self.files.lock().unwrap().get(path).cloned();
        let refused = HostError::Refused(format!("could not read {path}: not found"));
        Box::pin(async move { found.ok_or(refused) })
    }

    fn write_file(&self, _: &str, path: &str, bytes: Vec<u8>) -> HostFuture<()> {
        self.files.lock().unwrap().insert(path.to_owned(), bytes);
        Box::pin(async { Ok(()) })
    }

    fn artifact(&self, _: &str, call: ArtifactCall) -> HostFuture<Vec<SavedArtifact>> {
        let saved = match call.path.as_str() {
            "missing" => Err(HostError::Refused("the file `missing` does not exist".into())),
            path => {
                let name = call.save_as.unwrap_or_else(|| path.to_owned());
                Ok(vec![SavedArtifact { name, size: 3, sha256: "abc".into() }])
            }
        };
        Box::pin(async move { saved })
    }
}

pub(super) fn modules(text: &str) -> Modules {
    let module = |chunk: &str, text: &str| Chunk { chunk: chunk.into(), text: text.into() };
    Modules::from([
        ("ci".into(), module(".quire/ci.fnl", text)),
        ("quire.ci".into(), module("quire/ci.fnl", CI)),
        ("lib.slow".into(), module(".quire/lib/slow.lua", "for i = 1, 1e5 do end return {}")),
        (
            "lib.steps".into(),
            module(
                ".quire/lib/steps.lua",
                "local M = {}\nfunction M.boom()\n  error('from lib')\nend\nreturn M",
            ),
        ),
    ])
}

/// Limits that a test does not wait for.
pub(super) fn limits() -> VmLimits {
    VmLimits {
        memory: 96 << 20,
        evaluation: Duration::from_secs(60),
        callback_grace: Duration::from_millis(100),
    }
}

pub(super) struct Bench {
    pub(super) vm: Vm,
    pub(super) host: Arc<FakeHost>,
}

impl Bench {
    pub(super) fn new(text: &str) -> Self {
        Self::with(limits(), text)
    }

    pub(super) fn with(limits: VmLimits, text: &str) -> Self {
        let host = FakeHost::new();
        let vm = Vm::new(limits, modules(text), "ci", Arc::clone(&host) as Arc<dyn JobHost>).unwrap();
        Self { vm, host }
    }

    /// A pipeline that was read, with the API in `ci`.
    pub(super) async fn read(text: &str) -> Self {
        let bench = Self::new(&format!("local ci = require('quire.ci'); {text}"));
        bench.vm.evaluate().await.unwrap();
        bench
    }

    /// A pipeline of one job `t`, whose function is this body with the parameter `j`.
    pub(super) async fn job(body: &str) -> Self {
        Self::read(&format!("ci.job('t', {{'quire/push'}}, function(j) {body}\nend)")).await
    }

    pub(super) async fn run(&self, job: &str) -> JobEnd {
        let push = serde_json::json!({"sha": "abc", "previous-sha": null, "files-changed": ["a", "b"]});
        self.vm.run_job(job, vec![("quire/push".into(), JobInput::Json(push))]).await
    }
}

/// How a job with this body ends.
pub(super) async fn end_of(body: &str) -> JobEnd {
    Bench::job(body).await.run("t").await
}

/// The error that a job with this body ends with.
pub(super) async fn script_error(body: &str) -> ScriptError {
    let end = end_of(body).await;
    let JobEnd::Failed(JobFailure::Script(error)) = end else { panic!("{body}: {end:?}") };
    error
}

pub(super) async fn evaluate(text: &str) -> Result<Vec<Registration>, EvaluationError> {
    Bench::new(text).vm.evaluate().await
}

/// What policy says about a container of the tests.
pub(super) fn denial() -> Reason {
    Reason { hints: vec!["open it".to_owned()], ..Reason::new("policy.denied", "policy.denied: no") }
}
