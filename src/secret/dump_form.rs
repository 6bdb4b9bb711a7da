//! How a column of a dump writes bytes.

/// What the columns of a line of a dump are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Hexadecimal, one or more bytes in a column: `xxd`, `hexdump -C`, `od -tx1`.
    Bytes,
    /// Hexadecimal words, the last byte first: `hexdump`, `od -x`, `od -tx4`, `xxd -e`.
    Words,
    /// `od -b`, `hexdump -b`.
    Octal,
    /// `od` without options.
    OctalWords,
    /// `od -tu1`.
    Decimal,
    /// `xxd -b`.
    Binary,
    /// Characters and their escapes, in columns of a fixed width: `od -c`, `od -a`, `hexdump -c`.
    Characters,
}

/// The width of a column of characters.
const CELL: usize = 4;

/// The columns of `od` that an address takes, where a second line for the same bytes has none.
const ADDRESS: usize = 7;

impl Form {
    pub(super) const ALL: [Self; 7] = [
        Self::Bytes,
        Self::Words,
        Self::Octal,
        Self::OctalWords,
        Self::Decimal,
        Self::Binary,
        Self::Characters,
    ];

    /// Appends the bytes of a column, before which there are so many spaces; false when it is not such a column.
    pub(super) fn decode(self, column: &[u8], spaces: usize, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Bytes => decode_hex(column, out),
            Self::Words => {
                let is_hex = decode_hex(column, out);
                out.reverse();
                is_hex
            }
            Self::Octal => column.len() == 3 && decode_number(column, 8, 1, out),
            Self::OctalWords => column.len() == 6 && decode_number(column, 8, 2, out),
            Self::Decimal => column.len() <= 3 && decode_number(column, 10, 1, out),
            Self::Binary => column.len() == 8 && decode_number(column, 2, 1, out),
            Self::Characters => decode_cells(column, spaces, out),
        }
    }

    /// How many space characters the spaces at the end of a line are.
    pub(super) fn trailing(self, spaces: usize) -> usize {
        if self == Self::Characters && spaces.is_multiple_of(CELL) { spaces / CELL } else { 0 }
    }

    /// Whether bytes may begin a column of any form; so did those without the last.
    pub(super) fn may_begin(column: &[u8]) -> bool {
        matches!(column, [_] | [b'\\', _] | b"sp" | b"nl") || is_hex(column)
    }
}

/// Whether bytes are hexadecimal digits. What is between the first two and the last was checked before.
pub(super) fn is_hex(column: &[u8]) -> bool {
    let (start, end) = (column.iter().take(2), column.last());
    start.chain(end).all(u8::is_ascii_hexdigit)
}

fn decode_hex(column: &[u8], out: &mut Vec<u8>) -> bool {
    let (pairs, rest) = column.as_chunks::<2>();
    pairs.iter().all(|pair| decode_number(pair, 16, 1, out)) && rest.is_empty()
}

/// Appends a number of so many bytes, the lowest first.
fn decode_number(digits: &[u8], base: u32, bytes: usize, out: &mut Vec<u8>) -> bool {
    let number = digits
        .iter()
        .try_fold(0_u32, |number, digit| Some(number * base + char::from(*digit).to_digit(base)?));
    let Some(number) = number.filter(|number| number >> (8 * bytes) == 0) else { return false };
    out.extend(number.to_le_bytes().into_iter().take(bytes));
    true
}

/// A column of characters ends a multiple of its width after the one before; between are space characters.
fn decode_cells(column: &[u8], spaces: usize, out: &mut Vec<u8>) -> bool {
    let Some(character) = character(column) else { return false };
    let width = match spaces + column.len() {
        width if width.is_multiple_of(CELL) => width,
        width if spaces > ADDRESS && (width - ADDRESS).is_multiple_of(CELL) => width - ADDRESS,
        _ => return false,
    };
    out.extend(std::iter::repeat_n(b' ', (width / CELL).saturating_sub(1)));
    out.push(character);
    true
}

fn character(column: &[u8]) -> Option<u8> {
    match column {
        b"sp" => Some(b' '),
        b"nl" | b"\\n" => Some(b'\n'),
        b"\\0" => Some(0),
        b"\\a" => Some(0x07),
        b"\\b" => Some(0x08),
        b"\\t" => Some(b'\t'),
        b"\\v" => Some(0x0b),
        b"\\f" => Some(0x0c),
        b"\\r" => Some(b'\r'),
        b"\\\\" => Some(b'\\'),
        [byte] => Some(*byte),
        [_, _, _] => {
            let mut bytes = Vec::new();
            decode_number(column, 8, 1, &mut bytes).then(|| bytes.pop())?
        }
        _ => None,
    }
}
