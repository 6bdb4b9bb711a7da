//! How a command has something done: by the server, or by itself when no server has the data folder.

use serde_json::from_slice;

use super::actor::own_actor;
use super::exit::print_error;
use super::place::environment;
use crate::app::{AppState, Code, Local, Operation, Problem, ProblemFrame, request_server};
use crate::config::DataDir;
use crate::sys::http_client::Answer;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 64 << 20;

/// The status of a server that has no place for a request now.
const BUSY: u16 = 503;

/// Has the server perform an operation. Without a server, it is performed here.
pub(crate) fn perform<O: Operation>(data: &DataDir, operation: O) -> Result<O::Answer, Problem> {
    match ask(data, &operation) {
        Some(answer) => answer,
        None => here(data, async move |app| operation.perform(app).await),
    }
}

/// Has the server perform an operation; nothing when no server answers.
pub(crate) fn ask<O: Operation>(data: &DataDir, operation: &O) -> Option<Result<O::Answer, Problem>> {
    let body = match serde_json::to_vec(operation) {
        Ok(body) => body,
        Err(error) => return Some(Err(Problem::failed(&error))),
    };
    let answer = request_server(data, ("POST", O::ROUTE, &body), O::PATIENCE).and_then(read);
    answer.ok().map(|(status, answer)| match status {
        200 => from_slice(&answer).map_err(|error| Problem::failed(&error)),
        _ => Err(problem(status, &answer)),
    })
}

/// Performs operations in this process, without asking a server.
pub(crate) fn here<T>(
    data: &DataDir,
    work: impl AsyncFnOnce(&AppState) -> Result<T, Problem>,
) -> Result<T, Problem> {
    Local::open(data, environment())?.acting_as(&own_actor()).perform(work, warn)
}

/// The same, with another environment than this process has.
pub(crate) fn here_with<T>(
    data: &DataDir,
    environment: Vec<(String, String)>,
    work: impl AsyncFnOnce(&AppState) -> Result<T, Problem>,
) -> Result<T, Problem> {
    Local::open(data, environment)?.acting_as(&own_actor()).perform(work, warn)
}

/// Performs operations on the folder alone, without its database.
pub(crate) fn in_folder<T>(
    data: &DataDir,
    work: impl AsyncFnOnce(&AppState) -> Result<T, Problem>,
) -> Result<T, Problem> {
    Local::open_folder(data, environment())?.acting_as(&own_actor()).perform(work, warn)
}

fn warn(text: &str) {
    print_error(&format!("warning: {text}\n"));
}

fn read(answer: Answer) -> std::io::Result<(u16, Vec<u8>)> {
    Ok((answer.status, answer.read(MAX_ANSWER)?))
}

/// The problem that an answer is.
fn problem(status: u16, answer: &[u8]) -> Problem {
    match from_slice::<ProblemFrame>(answer) {
        Ok(frame) => frame.into_problem(),
        Err(_) if status == BUSY => {
            Problem::new(Code::ServerBusy, "the server is busy").hint("try again later")
        }
        Err(_) => Problem::new(Code::ServerFailed, format!("the server answered with the status {status}"))
            .hint("restart the server: it may be another version of quire"),
    }
}
