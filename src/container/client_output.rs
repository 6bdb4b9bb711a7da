//! What podman's client writes about itself between the lines of a step: left out, or in words that help.

use super::engine::{Engine, EngineKind};
use crate::log::{LogError, Sink, Stream};
use crate::sys::kept_output::KeptOutput;

/// How runc complains through podman's client, which asked it to end what had ended.
const NOT_RUNNING: &[u8] = b" level=error msg=\"container not running\"";

/// How podman's init reports that it could not start the program.
const NOT_STARTED: &str = "failed to exec pid1: ";

/// A step's log, without what the client writes about itself.
pub(super) struct ClientOutput<'a> {
    log: &'a mut dyn Sink,
    /// The program that is to be named; nothing for an engine that writes nothing like this.
    program: Option<String>,
    is_line_start: bool,
}

impl<'a> ClientOutput<'a> {
    pub(super) fn new(log: &'a mut dyn Sink, engine: &Engine, command: &[Vec<u8>]) -> Self {
        let name =
            || command.first().map_or_else(|| "the image".into(), |name| String::from_utf8_lossy(name));
        let program = (engine.kind == EngineKind::Podman).then(|| name().into_owned());
        Self { log, program, is_line_start: true }
    }

    /// What was kept of a stream, as a step's script gets it.
    pub(super) fn cleaned(&self, kept: KeptOutput) -> KeptOutput {
        if self.program.is_none() {
            return kept;
        }
        let mut cleaned = KeptOutput::default();
        cleaned.push(&self.clean(&kept.read().unwrap_or_default()));
        cleaned
    }

    fn clean(&self, text: &[u8]) -> Vec<u8> {
        text.split_inclusive(|byte| *byte == b'\n').flat_map(|line| self.line(line)).collect()
    }

    fn line(&self, line: &[u8]) -> Vec<u8> {
        let Some(program) = &self.program else { return line.to_vec() };
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        if text.starts_with(b"time=\"") && text.ends_with(NOT_RUNNING) {
            return Vec::new();
        }
        match not_started(text) {
            Some(why) => format!("`{program}` could not be started in the container: {why}\n").into_bytes(),
            None => line.to_vec(),
        }
    }
}

/// Why podman's init could not start the program, when that is what a line says.
pub(super) fn not_started(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    let (who, why) = line.split_once(NOT_STARTED)?;
    who.starts_with("ERROR (catatonit:").then_some(why)
}

impl Sink for ClientOutput<'_> {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), LogError> {
        if stream != Stream::Stderr || self.program.is_none() {
            return self.log.write(stream, bytes);
        }
        // The rest of a line that has begun is the step's.
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        let (rest, lines) = bytes.split_at(if self.is_line_start { 0 } else { end });
        let cleaned = [rest, &self.clean(lines)].concat();
        self.is_line_start = bytes.last().map_or(self.is_line_start, |last| *last == b'\n');
        if cleaned.is_empty() { Ok(()) } else { self.log.write(stream, &cleaned) }
    }

    fn quiet(&mut self) -> Result<(), LogError> {
        self.log.quiet()
    }

    fn report(&mut self) -> bool {
        self.log.report()
    }

    fn cut_value(&self, kept: &KeptOutput) -> usize {
        self.log.cut_value(kept)
    }
}
