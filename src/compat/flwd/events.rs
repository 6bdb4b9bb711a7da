//! The events of a run in that program's words. They are made of the events of the contract one by one, so that whoever reads
//! them again, and after whatever restart, finds the same ones under the same numbers.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::facts::{Common, RunFacts, members};
use crate::model::Outcome;
use crate::policy::PolicyPoint;
use crate::view::{RunEvent, RunView};

/// How many numbers each event of the contract has for what is made of it. One with lines has at most a thousand.
const NUMBERS: u64 = 1024;

/// Makes the events of one run.
#[derive(Debug)]
pub(crate) struct Translator {
    facts: RunFacts,
    common: Arc<Common>,
    /// The names of steps: of a job, by their numbers.
    steps: HashMap<(String, u32), String>,
    /// What went wrong last.
    error: Option<String>,
}

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FlwdEvent {
    /// Its number in the run.
    pub(crate) id: u64,
    /// When it happened, in RFC 3339.
    pub(crate) timestamp: String,
    pub(crate) kind: &'static str,
    pub(crate) run_id: String,
    pub(crate) step: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) message: Option<String>,
    /// What else it says.
    pub(crate) data: Map<String, Value>,
    /// What every event of the run says beside that.
    common: Arc<Common>,
}

/// An event of the contract, as far as something is made of it.
#[derive(Debug, Deserialize)]
struct Contract {
    time: String,
    #[serde(flatten)]
    body: Body,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind")]
enum Body {
    #[serde(rename = "run.started")]
    RunStarted {},
    #[serde(rename = "run.finished")]
    RunFinished { outcome: String, reason: Option<Why> },
    #[serde(rename = "pipeline.broken")]
    Broken { diagnostics: Vec<Mistake> },
    #[serde(rename = "job.finished")]
    JobFinished { reason: Option<Why> },
    #[serde(rename = "step.started")]
    StepStarted { job: String, step: u32, title: String },
    #[serde(rename = "step.finished")]
    StepFinished { job: String, step: u32, outcome: String, exit: Option<i32>, signal: Option<i32> },
    #[serde(rename = "log")]
    Log { job: Option<String>, step: u32, stream: String, lines: Vec<Line> },
    #[serde(rename = "policy.decision")]
    Decision { decision: Decided },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Why {
    text: String,
}

#[derive(Debug, Deserialize)]
struct Mistake {
    message: String,
}

#[derive(Debug, Deserialize)]
struct Line {
    time: String,
    text: String,
}

#[derive(Debug, Deserialize)]
struct Decided {
    /// Older journals do not say.
    point: Option<PolicyPoint>,
    verdict: String,
    code: String,
    reason: String,
}

impl Decided {
    /// Whether it allows what every container has.
    fn opens_nothing(&self) -> bool {
        self.verdict == "allow" && !self.point.is_some_and(PolicyPoint::is_override)
    }
}

/// The number of the event of the contract that an event was made of.
pub(crate) fn origin_of(id: u64) -> u64 {
    id / NUMBERS
}

/// The status of a run that ended so.
pub(crate) fn ended_status(outcome: &str) -> &'static str {
    match Outcome::parse(outcome) {
        Some(Outcome::Passed | Outcome::Skipped) => "completed",
        Some(Outcome::Cancelled | Outcome::Superseded) => "canceled",
        Some(Outcome::Failed | Outcome::TimedOut | Outcome::Denied | Outcome::Interrupted) | None => "failed",
    }
}

impl Translator {
    /// Of a run from its first event on.
    pub(crate) fn new(facts: RunFacts) -> Self {
        let common = Arc::new(facts.common());
        Self { facts, common, steps: HashMap::new(), error: None }
    }

    /// Of a run whose first events are not read: this is what they said.
    pub(crate) fn knowing(facts: RunFacts, view: &RunView) -> Self {
        let mut translator = Self::new(facts);
        for job in &view.record.jobs {
            for step in &job.steps {
                let (number, title) = (step.start.number, step.start.title.to_string());
                if let Some(end) = step.end.as_ref().filter(|end| end.outcome == Outcome::Failed) {
                    let error = step_error(end.outcome.as_str(), Some(end.exit), end.signal);
                    translator.error = Some(format!("{title}: {error}"));
                }
                translator.steps.insert((job.id.clone(), number), title);
            }
        }
        translator
    }

    /// What is made of an event: nothing, or one event, or one for each line.
    pub(crate) fn translate(&mut self, event: &RunEvent) -> Vec<FlwdEvent> {
        let Ok(Contract { time, body }) = serde_json::from_slice(event.line()) else { return Vec::new() };
        let mut made = self.events_of(&time, body);
        for (id, event) in (event.seq.saturating_mul(NUMBERS)..).zip(&mut made) {
            event.id = id;
        }
        made
    }

    fn events_of(&mut self, time: &str, body: Body) -> Vec<FlwdEvent> {
        match body {
            Body::RunStarted {} => {
                self.facts.started_at = time.to_owned();
                self.common = Arc::new(self.facts.common());
                vec![self.event("run.start", time, members([("status", json!("running"))]))]
            }
            Body::Broken { diagnostics } => {
                let texts: Vec<String> = diagnostics.into_iter().map(|mistake| mistake.message).collect();
                self.error = Some(texts.join("; "));
                Vec::new()
            }
            Body::JobFinished { reason } => {
                self.error = reason.map(|reason| reason.text).or(self.error.take());
                Vec::new()
            }
            Body::StepStarted { job, step, title } => {
                self.steps.insert((job, step), title.clone());
                vec![FlwdEvent { step: Some(title), ..self.event("step.start", time, Map::new()) }]
            }
            Body::StepFinished { job, step, outcome, exit, signal } => {
                let is_over = ended_status(&outcome) == "completed";
                let error = (!is_over).then(|| step_error(&outcome, exit, signal));
                let step = self.step(&job, step);
                if let Some(error) = &error {
                    self.error = Some(format!("{}: {error}", step.as_deref().unwrap_or(&job)));
                }
                let data = members([
                    ("exit_code", json!(exit.unwrap_or(-1))),
                    ("status", json!(if is_over { "completed" } else { "failed" })),
                    ("error", json!(error)),
                ]);
                vec![FlwdEvent { step, ..self.event("step.finish", time, data) }]
            }
            Body::Log { job, step, stream, lines } => {
                let step = job.and_then(|job| self.step(&job, step));
                let line = |line: Line| FlwdEvent {
                    step: step.clone(),
                    channel: Some(stream.clone()),
                    message: Some(line.text),
                    ..self.event("step.log", &line.time, Map::new())
                };
                lines.into_iter().map(line).collect()
            }
            // That program reports what opens a container, and what is denied.
            Body::Decision { decision } if decision.opens_nothing() => Vec::new(),
            Body::Decision { decision } => vec![self.decision(time, &decision)],
            Body::RunFinished { outcome, reason } => self.end(time, &outcome, reason),
            Body::Other => Vec::new(),
        }
    }

    fn end(&self, time: &str, outcome: &str, reason: Option<Why>) -> Vec<FlwdEvent> {
        let status = ended_status(outcome);
        let mut made = Vec::new();
        let reason = reason.map(|reason| reason.text);
        if status == "canceled" {
            let reason = reason.clone().unwrap_or_else(|| "canceled by request".to_owned());
            let data = members([("status", json!(status)), ("reason", json!(reason))]);
            made.push(self.event("run.canceled", time, data));
        }
        let error = reason.or_else(|| self.error.clone()).filter(|_| status == "failed");
        let data =
            members([("status", json!(status)), ("finished_at", json!(time)), ("error", json!(error))]);
        made.push(self.event("run.finish", time, data));
        made
    }

    fn decision(&self, time: &str, Decided { point, verdict, code, reason }: &Decided) -> FlwdEvent {
        let data = members([
            ("security_profile", json!(self.facts.profile)),
            ("subject", json!(point.map_or("container", PolicyPoint::subject))),
            ("decision", json!(if verdict == "deny" { "denied" } else { "allowed" })),
            ("code", json!(code)),
            ("reason", json!(reason)),
        ]);
        self.event("policy.decision", time, data)
    }

    fn step(&self, job: &str, number: u32) -> Option<String> {
        self.steps.get(&(job.to_owned(), number)).cloned()
    }

    fn event(&self, kind: &'static str, time: &str, data: Map<String, Value>) -> FlwdEvent {
        FlwdEvent {
            id: 0,
            timestamp: time.to_owned(),
            kind,
            run_id: self.facts.run_id.clone(),
            step: None,
            channel: None,
            message: None,
            data,
            common: Arc::clone(&self.common),
        }
    }
}

/// What happened to a step that did not succeed.
fn step_error(outcome: &str, exit: Option<i32>, signal: Option<i32>) -> String {
    match (signal, exit) {
        (Some(9), _) => "signal: killed".to_owned(),
        (Some(15), _) => "signal: terminated".to_owned(),
        (Some(signal), _) => format!("signal: {signal}"),
        (None, Some(exit)) if exit != 0 => format!("exit status {exit}"),
        (None, _) => outcome.to_owned(),
    }
}

impl FlwdEvent {
    /// The event as the command line prints it: a line of JSON.
    pub(crate) fn line(&self) -> String {
        let mut line = Map::new();
        line.insert("sequence".to_owned(), self.id.into());
        line.insert("timestamp".to_owned(), self.timestamp.as_str().into());
        line.insert("type".to_owned(), self.kind.into());
        line.insert("run_id".to_owned(), self.run_id.as_str().into());
        self.put_output(&mut line);
        let mut data = self.data.clone();
        if self.kind == "run.start" {
            data = Map::from_iter([("job_id".to_owned(), Value::from(self.common.job_id.as_str()))]);
        }
        if !data.is_empty() {
            line.insert("data".to_owned(), Value::Object(data));
        }
        format!("{}\n", Value::Object(line))
    }

    /// The data of the event in a stream.
    pub(crate) fn stream_data(&self) -> String {
        let mut own = Map::new();
        own.insert("timestamp".to_owned(), self.timestamp.as_str().into());
        self.put_output(&mut own);
        own.extend(self.data.clone());
        let own = Value::Object(own).to_string();
        format!("{},{}", self.common.members, own.strip_prefix('{').unwrap_or(&own))
    }

    /// The event as a part of a `text/event-stream`, under this number.
    pub(crate) fn sse(&self, id: u64) -> String {
        format!("id: {id}\nevent: {}\ndata: {}\n\n", self.kind, self.stream_data())
    }

    /// The event as a line of an export.
    pub(crate) fn export_line(&self) -> String {
        let (time, kind) = (Value::from(self.timestamp.as_str()), Value::from(self.kind));
        let data = self.stream_data();
        format!("{{\"sequence\":{},\"timestamp\":{time},\"event\":{kind},\"data\":{data}}}\n", self.id)
    }

    fn put_output(&self, into: &mut Map<String, Value>) {
        for (name, value) in [("step", &self.step), ("channel", &self.channel), ("message", &self.message)] {
            if let Some(value) = value {
                into.insert(name.to_owned(), value.as_str().into());
            }
        }
    }
}
