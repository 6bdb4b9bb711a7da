//! What stands in a text and is not seen on a screen: escape sequences of terminals, and characters without a width.

/// The longest escape sequence that is recognised, in bytes; the address of a hyperlink is in one.
pub(super) const MAX_SEQUENCE: usize = 96;

pub(super) const ESCAPE: u8 = 0x1b;

/// A sequence that has begun.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sequence {
    /// After ESC.
    Escape,
    /// After ESC and a byte that one more byte follows, as in `ESC ( B`.
    OneMore,
    /// After `ESC [`: colours and movements.
    Control,
    /// After `ESC ]` and the like: a title, a hyperlink.
    Text,
    /// After an ESC in such a text.
    TextEscape,
    /// The first bytes of a character in UTF-8.
    Character([u8; 4], usize),
}

/// What one more byte makes of a sequence.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next {
    /// It continues.
    Open(Sequence),
    /// The byte is its last.
    Complete,
    /// It was not a sequence.
    No,
}

impl Sequence {
    /// The sequence that a byte begins.
    pub(super) fn begin(byte: u8) -> Option<Self> {
        match byte {
            ESCAPE => Some(Self::Escape),
            0xc2 | 0xcd | 0xd8 | 0xe1 | 0xe2 | 0xef | 0xf3 => Some(Self::Character([byte, 0, 0, 0], 1)),
            _ => None,
        }
    }

    /// Reads one more byte.
    pub(super) fn next(self, byte: u8) -> Next {
        match (self, byte) {
            (Self::Escape, b'[') => Next::Open(Self::Control),
            (Self::Escape, b']' | b'P' | b'X' | b'^' | b'_') => Next::Open(Self::Text),
            (Self::Escape, 0x20..=0x2f) => Next::Open(Self::OneMore),
            (Self::Control, 0x20..=0x3f) => Next::Open(Self::Control),
            (Self::Text, ESCAPE) => Next::Open(Self::TextEscape),
            (Self::Escape | Self::OneMore, 0x30..=0x7e)
            | (Self::Control, 0x40..=0x7e)
            | (Self::Text, 0x07)
            | (Self::TextEscape, b'\\') => Next::Complete,
            (Self::Text, 0x20..) => Next::Open(Self::Text),
            (Self::Character(bytes, count), 0x80..=0xbf) => character(bytes, count, byte),
            _ => Next::No,
        }
    }
}

/// Whether bytes are a character without a width, or begin one.
fn character(mut bytes: [u8; 4], count: usize, byte: u8) -> Next {
    if let Some(place) = bytes.get_mut(count) {
        *place = byte;
    }
    match (bytes, count) {
        // Controls U+0080 to U+009F, and the soft hyphen.
        ([0xc2, 0x80..=0x9f | 0xad, ..], 1)
        // The joiner U+034F, the mark U+061C.
        | ([0xcd, 0x8f, ..] | [0xd8, 0x9c, ..], 1)
        // The separator U+180E.
        | ([0xe1, 0xa0, 0x8e, _], 2)
        // U+200B to U+200F, U+2028 to U+202E, U+2060 to U+206F.
        | ([0xe2, 0x80, 0x8b..=0x8f | 0xa8..=0xae, _] | [0xe2, 0x81, 0xa0..=0xaf, _], 2)
        // Variation selectors, the byte order mark.
        | ([0xef, 0xb8, 0x80..=0x8f, _] | [0xef, 0xbb, 0xbf, _], 2)
        // Tags and the other variation selectors: U+E0000 to U+E01FF.
        | ([0xf3, 0xa0, 0x80..=0x87, _], 3) => Next::Complete,
        ([0xe1, 0xa0, ..] | [0xe2, 0x80 | 0x81, ..] | [0xef, 0xb8 | 0xbb, ..] | [0xf3, 0xa0, ..], 1)
        | ([0xf3, 0xa0, 0x80..=0x87, _], 2) => Next::Open(Sequence::Character(bytes, count + 1)),
        _ => Next::No,
    }
}
