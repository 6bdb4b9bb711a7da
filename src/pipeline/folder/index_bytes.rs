//! The parts of the index of job folders: numbers, texts, flags and stamps, one after the other.

use super::index::Stamp;

/// Takes parts one after the other; nothing when they are not there.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], place: usize) -> Self {
        Self { bytes, place }
    }

    pub(super) fn place(&self) -> usize {
        self.place
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.place..).unwrap_or_default()
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let part = self.rest().get(..count)?;
        self.place += count;
        Some(part)
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.take(1)? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.number()?).ok()?;
        self.take(count)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// What may be absent.
    pub(super) fn maybe<T>(&mut self, part: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { part(self).map(Some) } else { Some(None) }
    }

    /// As many parts as a number says.
    pub(super) fn several<T>(&mut self, mut part: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.number()?).map(|_| part(self)).collect()
    }

    pub(super) fn stamp(&mut self) -> Option<Option<Stamp>> {
        self.maybe(|reader| {
            let mut number = || Some(u64::from_le_bytes(reader.take(8)?.try_into().ok()?));
            Some(Stamp([number()?, number()?, number()?, number()?]))
        })
    }
}

/// Puts parts one after the other.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    /// A count or a length. What is larger has no place in a file either: it is cut off there.
    pub(super) fn number(&mut self, number: usize) {
        self.0.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn maybe<T>(&mut self, part: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(part.is_some());
        if let Some(part) = part {
            write(self, part);
        }
    }

    pub(super) fn several<T>(&mut self, parts: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(parts.len());
        parts.iter().for_each(|part| write(self, part));
    }

    pub(super) fn stamp(&mut self, stamp: Option<Stamp>) {
        self.maybe(stamp, |writer, Stamp(parts)| {
            parts.iter().for_each(|part| writer.0.extend(part.to_le_bytes()));
        });
    }
}
