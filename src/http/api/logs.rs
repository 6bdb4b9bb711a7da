//! The output of a job: in three formats, in ranges, compressed, and as it comes.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::{
    AppState, Caller, Code, JobLog, LogIndex, LogKey, Problem, ReadJobLog, RunRow, open_job_log,
};
use crate::http::byte_range::ByteRange;
use crate::http::etag::is_known;
use crate::http::gzip::{Coding, accepts_gzip};
use crate::http::input::{Path, Query, word};
use crate::http::problem::{Problems, Refused, answer};
use crate::http::stream::{BodyParts, streamed, streamed_to};
use crate::model::Scope;
use crate::view::{FormatWord, LogFormat, LogFormatter};

/// Changes when the same log gives other bytes.
const VERSION: u32 = 1;

/// Which output, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct LogQuery {
    /// Only that of this step; 0 for what the script prints
    step: Option<u32>,
    /// Only that of this attempt of the run
    attempt: Option<u32>,
    /// text without escape sequences, ansi with its colours, or ndjson
    #[param(inline, value_type = Option<FormatWord>, default = "text")]
    format: Option<String>,
    /// 1: each line begins with its time
    #[param(minimum = 0, maximum = 1, default = 0)]
    timestamps: Option<u8>,
    /// 1: what comes until the job ends is sent as it comes
    #[param(minimum = 0, maximum = 1, default = 0)]
    follow: Option<u8>,
}

impl LogQuery {
    /// The query of a page: text, or with its colours, and with times.
    pub(in crate::http) fn of_page((has_colours, has_times): (bool, bool), follow: bool) -> Self {
        let format = if has_colours { LogFormat::Ansi } else { LogFormat::Text };
        Self {
            step: None,
            attempt: None,
            format: Some(format.as_str().to_owned()),
            timestamps: Some(u8::from(has_times)),
            follow: Some(u8::from(follow)),
        }
    }

    /// The format, whether lines begin with their time, and whether the log is followed.
    fn how(&self) -> Result<(LogFormat, bool, bool), Problem> {
        let format =
            self.format.as_deref().map(|text| word(("format", text), &LogFormat::ALL, LogFormat::as_str));
        let format = format.transpose()?.unwrap_or(LogFormat::Text);
        Ok((format, switch("timestamps", self.timestamps)?, switch("follow", self.follow)?))
    }
}

/// The output of a job. `Range`, `ETag` and `If-None-Match` are for jobs that have ended.
#[utoipa::path(get, path = "/runs/{run}/jobs/{job}/log", operation_id = "getLog",
    params(("run" = String, Path, description = "The run's id, or REPO#NUMBER"), ("job" = String, Path, description = "The id of the job"), LogQuery),
    security((), ("token" = ["logs:read"])),
    responses((status = 200, description = "The output", content((String = "text/plain"), (String = "application/x-ndjson"))),
              (status = 206, description = "A part of it", content((String = "text/plain"), (String = "application/x-ndjson"))),
              (status = 304, description = "It is the one that the client has"), Problems))]
pub(super) async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path((run, job)): Path<(String, String)>,
    Query(query): Query<LogQuery>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let row = caller.run_to_read(&app, Scope::LogsRead, &run).await?;
    query.answer((app, caller), (row, job), &headers).await
}

impl LogQuery {
    /// The output of a job of a run that the caller may read.
    pub(in crate::http) async fn answer(
        &self,
        (app, caller): (AppState, Caller),
        (row, job): (RunRow, String),
        headers: &HeaderMap,
    ) -> Result<Response, Refused> {
        let (format, timestamps, follow) = self.how()?;
        let request = ReadJobLog { job, step: self.step, attempt: self.attempt, follow };
        let log = open_job_log(&app, row.clone(), request.clone()).await?;
        let formatter = LogFormatter::new(format, timestamps, log.attempt());
        let version = log.version(&app).await;
        let mut output =
            Output { app: app.clone(), log, formatter: formatter.clone(), flush: follow, offset: 0 };
        let Some((at, bytes)) = version else {
            let coding = if accepts_gzip(headers) { Coding::Gzip } else { Coding::None };
            let body = streamed_to((app, caller), move |parts| output.send(parts, coding, None));
            return Ok((coding.headers(), [(header::CONTENT_TYPE, media_type(format))], body).into_response());
        };
        let tag = format!("{at:x}-{bytes:x}-{VERSION}");
        let range = ByteRange::of(headers, &format!("\"{tag}\""));
        let coding = if accepts_gzip(headers) && range.is_none() { Coding::Gzip } else { Coding::None };
        let tag = format!("\"{tag}{}\"", coding.suffix());
        if is_known(headers, &tag) {
            return Ok((StatusCode::NOT_MODIFIED, coding.headers(), [(header::ETAG, tag)]).into_response());
        }
        let known = [
            (header::ETAG, tag.clone()),
            (header::CONTENT_TYPE, media_type(format).to_owned()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
        ];
        let Some(range) = range else {
            let body = streamed(move |parts| output.send(parts, coding, None));
            return Ok((coding.headers(), known, body).into_response());
        };
        let key = LogKey {
            run: row.id,
            output: (request.job.clone(), request.step, request.attempt),
            tag: format!("{tag}-{}-{timestamps}", format.as_str()),
        };
        let index = app.log_indexes.of(key);
        let index = index
            .get_or_try_init(async || {
                let log = open_job_log(&app, row, request).await?;
                Output { app: app.clone(), log, formatter, flush: false, offset: 0 }.index().await
            })
            .await?;
        let total = index.total();
        let Some((begin, end)) = range.within(total) else {
            let refused =
                answer(&Problem::new(Code::RangeUnsatisfiable, format!("the log has {total} bytes")));
            return Ok(([(header::CONTENT_RANGE, format!("bytes */{total}"))], refused).into_response());
        };
        let part = [
            (header::CONTENT_RANGE, format!("bytes {begin}-{}/{total}", end - 1)),
            (header::CONTENT_LENGTH, (end - begin).to_string()),
        ];
        if let Some((offset, place, formatter)) = index.before(begin) {
            output.log.seek(place);
            (output.offset, output.formatter) = (offset, formatter);
        }
        let body = streamed(move |parts| output.send(parts, coding, Some((begin, end))));
        Ok((StatusCode::PARTIAL_CONTENT, coding.headers(), known, part, body).into_response())
    }
}

/// A parameter that is 0 or 1.
fn switch(name: &str, value: Option<u8>) -> Result<bool, Problem> {
    match value {
        None | Some(0) => Ok(false),
        Some(1) => Ok(true),
        Some(_) => Err(Problem::new(Code::RequestInvalid, format!("in the query: {name}: it is 0 or 1"))),
    }
}

fn media_type(format: LogFormat) -> &'static str {
    match format {
        LogFormat::Text | LogFormat::Ansi => "text/plain; charset=utf-8",
        LogFormat::Ndjson => "application/x-ndjson",
    }
}

/// The output of a job on its way.
struct Output {
    app: AppState,
    log: JobLog,
    formatter: LogFormatter,
    /// Whether what comes is sent at once.
    flush: bool,
    /// Where in the formatted log what comes next is.
    offset: u64,
}

impl Output {
    /// Formats the next lines; nothing at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        let Some(lines) = self.log.next(&self.app).await? else { return Ok(None) };
        let mut formatter = self.formatter.clone();
        let formatted = self.app.block(move || {
            let mut bytes = Vec::new();
            lines.iter().for_each(|line| formatter.push(line, &mut bytes));
            Ok((formatter, bytes))
        });
        let (formatter, bytes) = formatted.await?;
        self.formatter = formatter;
        Ok(Some(bytes))
    }

    /// How many bytes there are, and from where on they can be formatted.
    async fn index(mut self) -> Result<LogIndex, Problem> {
        let mut index = LogIndex::default();
        while let Some(bytes) = self.next().await? {
            index.add(bytes.len() as u64, || (self.log.place(), self.formatter.clone()));
        }
        Ok(index)
    }

    /// Sends all of it, or the bytes from the first to before the last.
    async fn send(mut self, parts: BodyParts, coding: Coding, window: Option<(u64, u64)>) {
        let mut encoder = coding.encoder();
        let mut offset = self.offset;
        loop {
            let next = tokio::select! {
                () = parts.closed() => return,
                next = self.next() => next,
            };
            let bytes = match next {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(problem) => return parts.fail(&problem).await,
            };
            let length = bytes.len() as u64;
            let bytes = cut(bytes, offset, window);
            offset += length;
            let flush = self.flush;
            let Ok((kept, coded)) = self.app.block(move || Ok(encoder.push(bytes, flush))).await else {
                return;
            };
            encoder = kept;
            if !coded.is_empty() && !parts.send(Bytes::from(coded)).await {
                return;
            }
            if window.is_some_and(|(_, end)| offset >= end) {
                return;
            }
        }
        let end = encoder.finish();
        if !end.is_empty() {
            let _is_there = parts.send(Bytes::from(end)).await;
        }
    }
}

/// What of these bytes, which begin at an offset, is within a window.
fn cut(mut bytes: Vec<u8>, offset: u64, window: Option<(u64, u64)>) -> Vec<u8> {
    let Some((begin, end)) = window else { return bytes };
    let within = |at: u64| usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
    let (begin, end) = (within(begin), within(end));
    bytes.truncate(end);
    bytes.drain(..begin.min(bytes.len()));
    bytes
}
