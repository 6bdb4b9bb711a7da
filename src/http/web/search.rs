//! Searches the output of all jobs of a run.

use std::time::{Duration, Instant};

use askama::Template;
use axum::response::Response;
use tokio::sync::Semaphore;

use super::ask::Ask;
use super::frame::Frame;
use crate::app::{Code, Problem, ReadJobLog, RunRow, open_job_log, run_shape};
use crate::http::problem::Refused;
use crate::model::Scope;
use crate::view::output_line;

/// The longest text that is searched for, in characters.
const MAX_QUERY: usize = 200;

/// How many lines are shown, and how long they are searched for.
const MAX_FOUND: usize = 300;
const MAX_TIME: Duration = Duration::from_secs(3);

/// How many searches there are at a time.
static SEARCHES: Semaphore = Semaphore::const_new(2);

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    frame: Frame,
    path: String,
    number: u64,
    query: String,
    found: Vec<Found>,
    is_cut: bool,
}

/// A line that was found.
struct Found {
    job: String,
    line: u64,
    text: String,
}

/// `GET /{repo}/run/{n}/search?q=`
pub(super) async fn page(ask: &Ask, row: RunRow) -> Result<Response, Refused> {
    ask.caller.run_to_read(&ask.app, Scope::LogsRead, &row.id.to_string()).await?;
    let query = ask.query("q").unwrap_or_default();
    if query.chars().count() > MAX_QUERY {
        let text = format!("the text to be searched for has more than {MAX_QUERY} characters");
        return Err(Problem::new(Code::RequestInvalid, text).into());
    }
    let (path, number) = (format!("/{}", ask.address.repo), row.number);
    let mut frame = ask.frame_of_run(number, format_args!("Search in #{number}"));
    frame.is_hidden = true;
    let (found, is_cut) =
        if query.is_empty() { (Vec::new(), false) } else { search(ask, row, &query).await? };
    ask.html(SearchPage { frame, path, number, query, found, is_cut }).await
}

/// The lines that contain a text, whatever the case of its letters; whether there may be more.
async fn search(ask: &Ask, row: RunRow, query: &str) -> Result<(Vec<Found>, bool), Problem> {
    let busy = || Problem::new(Code::ServerBusy, "others search now").hint("try again in a second");
    let _place = SEARCHES.try_acquire().map_err(|_| busy())?;
    let (deadline, wanted) = (Instant::now() + MAX_TIME, query.to_lowercase());
    let mut found = Vec::new();
    for job in run_shape(&ask.app, row.clone()).await?.jobs {
        let request = ReadJobLog { job: job.id.clone(), step: None, attempt: None, follow: false };
        let Ok(mut log) = open_job_log(&ask.app, row.clone(), request).await else { continue };
        let (mut count, mut cut) = (0, None);
        while let Some(lines) = log.next(&ask.app).await? {
            for line in &lines {
                if cut != Some((line.step, line.n)) {
                    count += 1;
                }
                cut = line.is_cut.then_some((line.step, line.n));
                let text = output_line(&String::from_utf8_lossy(&line.bytes));
                if text.to_lowercase().contains(&wanted) {
                    found.push(Found { job: job.id.clone(), line: count, text });
                }
            }
            if found.len() > MAX_FOUND || Instant::now() > deadline {
                found.truncate(MAX_FOUND);
                return Ok((found, true));
            }
        }
    }
    Ok((found, false))
}
