//! What the server says about itself, on standard error: as text, or as a line of JSON for each event. Nothing that looks
//! like a credential is in it, whoever has logged it.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use super::exit::{Code, Failure};
use super::place::variable;
use crate::http::current_request_id;
use crate::model::Quoted;
use crate::secret::without_credentials;
use crate::sys::clock;
use crate::sys::late_stderr;

/// How events are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For programs, on standard output, as Go's `slog` writes it.
    Slog,
}

impl LogFormat {
    /// The format of a word.
    pub(super) fn parse(word: &str) -> Result<Self, Failure> {
        match word {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(Failure::new(Code::Usage, format!("{} is not a format of the log", Quoted::new(word)))
                .hint("write --log text or --log json")),
        }
    }
}

/// Sends what the program says about itself to standard error; `QUIRE_LOG` is the level: error, warn, info, debug.
pub(super) fn log_to_stderr(format: LogFormat) {
    let level = variable("QUIRE_LOG").and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let ansi = io::stderr().is_terminal() && variable("NO_COLOR").is_none();
    let made = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(Redacted { to_stdout: format == LogFormat::Slog })
        .with_ansi(ansi)
        .with_target(false)
        // Standard error may be a file on a full disk, and saying so there would end the thread.
        .log_internal_errors(false);
    let made = match format {
        LogFormat::Text => made.try_init(),
        LogFormat::Json => made.event_format(JsonLine::QUIRE).try_init(),
        LogFormat::Slog => made.event_format(JsonLine::SLOG).try_init(),
    };
    let _already = made.is_err();
}

/// Standard error, or standard output, without credentials. Each event is one write.
#[derive(Clone, Copy)]
struct Redacted {
    to_stdout: bool,
}

impl<'a> MakeWriter<'a> for Redacted {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

impl Write for Redacted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let text = without_credentials(&text);
        match self.to_stdout {
            true => io::stdout().write_all(text.as_bytes())?,
            false => {
                late_stderr::make();
                io::stderr().write_all(text.as_bytes())?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.to_stdout { io::stdout().flush() } else { io::stderr().flush() }
    }
}

/// `{"time":…,"level":"info","message":…}`, the fields of the event, and the id of the request that was being answered.
struct JsonLine {
    /// The name of the message.
    message: &'static str,
    level: fn(&Level) -> String,
}

impl JsonLine {
    const QUIRE: Self = Self { message: MESSAGE, level: |level| level.to_string().to_ascii_lowercase() };
    const SLOG: Self = Self { message: "msg", level: ToString::to_string };
}

/// What tracing calls the message of an event.
const MESSAGE: &str = "message";

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields { members: Map::new(), message: self.message };
        fields.set("time", clock::now().to_string());
        fields.set("level", (self.level)(event.metadata().level()));
        event.record(&mut fields);
        if let Some(id) = current_request_id() {
            fields.set("request_id", id);
        }
        writeln!(writer, "{}", Value::Object(fields.members))
    }
}

/// The fields of an event as members of an object.
struct Fields {
    members: Map<String, Value>,
    /// The name of the message.
    message: &'static str,
}

impl Fields {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        let name = if name == MESSAGE { self.message } else { name };
        self.members.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), format!("{value:?}"));
    }
}
