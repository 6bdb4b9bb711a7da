//! The door to redaction: made once from all values of a run, then asked for a stream per output.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretSlice};

use crate::model::SecretName;
use crate::secret::RedactStream;
use crate::secret::RedactedText;
use crate::secret::automaton::Automaton;
use crate::secret::beginnings::Beginnings;
use crate::secret::needle::{MIN_VALUE, Needles};
use crate::secret::window::Windows;
use crate::sys::kept_output::KeptOutput;

/// What stands where a secret was.
pub const MARK: &str = "<redacted>";

/// Bytes with every known secret removed. Only a [`Redactor`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted(Vec<u8>);

impl Redacted {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Finds the values of secrets in output. Cheap to clone.
#[derive(Clone)]
pub struct Redactor(Arc<Known>);

/// What is sought.
pub(super) struct Known {
    pub(super) names: Vec<SecretName>,
    /// Many-line and short needles.
    pub(super) verbatim: Automaton,
    /// Needles sought in the text without its line breaks.
    pub(super) folded: Automaton,
    /// What needles of both kinds begin with.
    pub(super) beginnings: Beginnings,
    /// Parts of values, sought in dumps.
    pub(super) windows: Windows,
    unmasked: Vec<SecretName>,
}

impl Redactor {
    /// Prepares all forms of all values; a secret may have more than one.
    pub fn new(secrets: Vec<(SecretName, SecretSlice<u8>)>) -> Self {
        let mut needles = Needles::default();
        let (mut names, mut unmasked) = (Vec::new(), Vec::new());
        for (name, value) in secrets {
            let value = value.expose_secret();
            if value.len() < MIN_VALUE {
                unmasked.push(name);
            } else {
                needles.add(value, names.len());
                names.push(name);
            }
        }
        let (verbatim, folded) = (Automaton::new(&needles.verbatim), Automaton::new(&needles.folded));
        let beginnings = Beginnings::new(&needles.verbatim, &needles.folded);
        let windows = Windows::new(needles.dumped.iter().map(|(value, owner)| (&**value, *owner)));
        Self(Arc::new(Known { names, verbatim, folded, beginnings, windows, unmasked }))
    }

    /// A redactor that knows no secret.
    pub fn none() -> Self {
        Self::new(Vec::new())
    }

    /// The secrets whose value is too short to be masked, of which the caller warns.
    pub(crate) fn unmasked(&self) -> &[SecretName] {
        &self.0.unmasked
    }

    /// Redacts bytes that are complete.
    pub fn bytes(&self, bytes: &[u8]) -> Redacted {
        let mut stream = self.stream();
        let Redacted(mut out) = stream.push(bytes);
        out.extend(stream.finish().0);
        Redacted(out)
    }

    /// Redacts a text that is complete. A value that is not UTF-8 may leave a damaged character next to its mark.
    pub(crate) fn text(&self, text: &str) -> RedactedText {
        let bytes = self.bytes(text.as_bytes()).0;
        let lossy = |err: std::string::FromUtf8Error| String::from_utf8_lossy(err.as_bytes()).into_owned();
        RedactedText::new(String::from_utf8(bytes).unwrap_or_else(lossy))
    }

    /// How many bytes at the end of output that was cut there begin a value, if that has 4 bytes or more there: what it was
    /// is not known to who gets it. All of them when the output cannot be read.
    pub(crate) fn cut_value(&self, kept: &KeptOutput) -> usize {
        let mut stream = self.stream();
        match kept.parts(|part| stream.pass_on(part, &mut |_| {})) {
            Ok(()) => stream.cut_value() as usize,
            Err(_) => kept.len(),
        }
    }

    /// A stream for one output, which has its own memory of what was cut off.
    pub fn stream(&self) -> RedactStream {
        RedactStream::new(Arc::clone(&self.0))
    }

    /// Finds values in an output whose redacted form is of no use; nothing when none are known.
    pub(crate) fn finder(&self) -> Option<RedactStream> {
        (!self.0.names.is_empty()).then(|| self.stream())
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needles = self.0.verbatim.len() + self.0.folded.len();
        f.debug_struct("Redactor").field("needles", &needles).finish_non_exhaustive()
    }
}
