//! `quire runs --follow`: a line about each run that is queued, starts or ends, as a server says it.

use std::io::{BufRead, Read, Write};
use std::time::Duration;

use serde_json::json;

use super::exit::{Code, Ended, Failure, stdout_screen};
use crate::app::{ProblemFrame, request_server};
use crate::config::DataDir;
use crate::view::RunShape;

/// The route of what happens.
pub(super) const ROUTE: &str = "/api/v1/events";

/// The longest silence: a comment comes every 15 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest line, in bytes.
const MAX_LINE: u64 = 16 << 20;

/// Prints what happens to runs of this data folder, until the server ends or nobody reads.
pub(super) fn here(data: &DataDir, query: &str, as_json: bool) -> Ended {
    let target = format!("{ROUTE}{query}");
    let answer = request_server(data, ("GET", &target, b""), PATIENCE).map_err(|_| {
        Failure::new(Code::Broken, "no server answers, and runs are followed by asking it")
            .hint("quire serve")
    })?;
    if answer.status != 200 {
        let body = answer.read(1 << 20).unwrap_or_default();
        let frame = serde_json::from_slice::<ProblemFrame>(&body).map_err(|error| Failure::broken(&error))?;
        return Err(frame.into_problem().into());
    }
    print(answer.body, as_json)
}

/// Prints the runs of an event stream.
pub(super) fn print(mut stream: impl BufRead, as_json: bool) -> Ended {
    let (mut line, mut kind) = (String::new(), String::new());
    loop {
        line.clear();
        let read = stream.by_ref().take(MAX_LINE).read_line(&mut line);
        if read.map_err(|error| Failure::new(Code::Broken, format!("the server is gone: {error}")))? == 0 {
            return Err(Failure::new(Code::Broken, "the server has ended"));
        }
        let line = line.trim_end();
        if let Some(word) = line.strip_prefix("event:") {
            word.trim().clone_into(&mut kind);
        }
        let Some(run) =
            line.strip_prefix("data:").and_then(|data| serde_json::from_str::<RunShape>(data).ok())
        else {
            continue;
        };
        let shown = if as_json {
            format!("{}\n", json!({ "kind": kind, "run": run }))
        } else {
            describe(&kind, &run)
        };
        let mut out = std::io::stdout().lock();
        if out.write_all(shown.as_bytes()).and_then(|()| out.flush()).is_err() {
            return Ok(Code::Done);
        }
    }
}

/// `foo#3 failed in 0.4 s  main at 9f31c2a`
fn describe(kind: &str, run: &RunShape) -> String {
    let word = match kind {
        "run.queued" => "queued".to_owned(),
        "run.started" => "started".to_owned(),
        _ => {
            let took = run.took_text().map(|took| format!(" in {took}")).unwrap_or_default();
            format!("{}{took}", stdout_screen().outcome(run.word(), run.outcome()))
        }
    };
    let at = run.sha.as_ref().map(|_| format!("  {} at {}", run.ref_text(), run.commit_text()));
    format!("{} {word}{}\n", run.name(), at.unwrap_or_default())
}
