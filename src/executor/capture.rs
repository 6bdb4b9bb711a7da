//! The begin of an output, for the script.

use crate::sys::kept_output::KeptOutput;

/// Keeps the begin of an output, up to a limit.
#[derive(Debug)]
pub(super) struct Capture {
    limit: usize,
    kept: KeptOutput,
    truncated: bool,
}

impl Capture {
    /// Keeps at most this many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, kept: KeptOutput::default(), truncated: false }
    }

    /// Takes what still fits.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = self.limit - self.kept.len();
        if room > 0 {
            self.kept.push(bytes.get(..room).unwrap_or(bytes));
        }
        self.truncated |= bytes.len() > room;
    }

    /// Gives out what was kept, and whether there was more.
    pub(super) fn take(self) -> (KeptOutput, bool) {
        (self.kept, self.truncated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_limit_nothing_is_missing_and_one_above_it_is() {
        for (chunks, truncated) in [(&[&b"abc"[..], b"de"][..], false), (&[b"abc", b"def"], true)] {
            let mut capture = Capture::new(5);
            chunks.iter().for_each(|chunk| capture.push(chunk));
            let (kept, is_cut) = capture.take();
            assert_eq!((&*kept.read().unwrap(), is_cut), (&b"abcde"[..], truncated));
        }
    }
}
