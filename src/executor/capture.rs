//! The begin of an output, for the script.

/// Keeps the begin of an output, up to a limit.
#[derive(Debug)]
pub(super) struct Capture {
    limit: usize,
    bytes: Vec<u8>,
    truncated: bool,
}

impl Capture {
    /// Keeps at most this many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, bytes: Vec::new(), truncated: false }
    }

    /// Takes what still fits.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = self.limit - self.bytes.len();
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.truncated |= bytes.len() > room;
    }

    /// Gives out what was kept, and whether there was more.
    pub(super) fn take(self) -> (Vec<u8>, bool) {
        (self.bytes, self.truncated)
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
            assert_eq!(capture.take(), (b"abcde".to_vec(), truncated));
        }
    }
}
