//! Looks for parts of secrets in bytes, by decoding the bytes: it knows nothing of how the redactor encodes values.

use std::collections::HashSet;

/// A part of this many bytes is a leak. A shorter value leaks as a whole, and only as it is.
const WINDOW: usize = 8;

/// What is shown around a leak.
const AROUND: usize = 160;

/// Parts of secrets that must not be found.
pub(super) struct Leaks {
    windows: HashSet<[u8; WINDOW]>,
    /// Which first two bytes a window can have.
    firsts: Vec<bool>,
    shorts: Vec<Vec<u8>>,
}

impl Leaks {
    pub(super) fn of<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut leaks = Self { windows: HashSet::new(), firsts: vec![false; 1 << 16], shorts: Vec::new() };
        for value in values {
            let lines: Vec<&[u8]> = value.split(|byte| *byte == b'\n').collect();
            if lines.len() == 1 && value.len() < WINDOW {
                leaks.shorts.push(value.to_vec());
                continue;
            }
            // The armour of a key is no secret, and no line is promised to be found that has fewer bytes.
            for line in lines.iter().map(|line| line.trim_ascii()).filter(|line| !line.starts_with(b"-----"))
            {
                for window in line.windows(WINDOW) {
                    leaks.firsts[first_two(window)] = true;
                    leaks.windows.insert(window.try_into().unwrap());
                }
            }
        }
        leaks
    }

    /// The first leak in bytes: by which way of reading, and what stands around it.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<String> {
        self.find_all(bytes).into_iter().next()
    }

    /// The leaks in bytes; of those that stand together, the first.
    pub(super) fn find_all(&self, bytes: &[u8]) -> Vec<String> {
        let dumped = undumped(bytes);
        let views: [(&str, Vec<u8>); 12] = [
            ("as it is", bytes.to_vec()),
            ("without escapes and breaks", plain(bytes)),
            ("unescaped", unescaped(bytes)),
            ("unescaped twice", unescaped(&unescaped(bytes))),
            ("base64 0", base64(bytes, 0)),
            ("base64 1", base64(bytes, 1)),
            ("base64 2", base64(bytes, 2)),
            ("base64 3", base64(bytes, 3)),
            ("hexadecimal", [hexadecimal(bytes, 0), hexadecimal(bytes, 1)].concat()),
            ("a dump", hexadecimal(&dumped, 0)),
            ("a dump of words", swapped(&dumped)),
            ("columns", without_space(&unescaped(&dumped))),
        ];
        let shorts = self.shorts.iter().filter_map(|short| place_of(bytes, short));
        let mut leaks: Vec<String> = shorts.map(|at| described("as it is", bytes, at)).collect();
        for (name, view) in &views {
            let mut from = 0;
            while let Some(at) = self.in_view(&view[from..]) {
                leaks.push(described(name, view, from + at));
                from = (from + at + AROUND).min(view.len());
            }
        }
        leaks
    }

    fn in_view(&self, view: &[u8]) -> Option<usize> {
        let is_one = |window: &[u8]| self.firsts[first_two(window)] && self.windows.contains(window);
        view.windows(WINDOW).position(is_one)
    }
}

fn first_two(window: &[u8]) -> usize {
    usize::from(window[0]) << 8 | usize::from(window[1])
}

/// Where a short value stands. Its first byte after a backslash is the letter of an escape (`\tv` is a tab and a `v`), no
/// part of the value.
fn place_of(bytes: &[u8], value: &[u8]) -> Option<usize> {
    let is_letter = b"abefnrtuvx0".contains(&value[0]);
    let is_escaped =
        |at: usize| is_letter && bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    bytes.windows(value.len()).enumerate().position(|(at, window)| window == value && !is_escaped(at))
}

fn described(name: &str, view: &[u8], at: usize) -> String {
    let (before, after) = (&view[at.saturating_sub(AROUND)..at], &view[at..(at + AROUND).min(view.len())]);
    format!("read {name}: …{}<HERE>{}…", before.escape_ascii(), after.escape_ascii())
}

/// The text without colour codes, control characters, zero-width characters, and the indentation after a break.
fn plain(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut is_indent = false;
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            if rest.next_if_eq(&'[').is_some() {
                while rest.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            } else if rest.next_if_eq(&']').is_some() {
                while rest.next().is_some_and(|c| c != '\u{7}' && c != '\\') {}
            } else {
                rest.next();
            }
            continue;
        }
        is_indent = c == '\n' || c == '\r' || (is_indent && (c == ' ' || c == '\t'));
        let is_invisible =
            matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}');
        if !is_indent && !is_invisible && !c.is_control() {
            out.push(c);
        }
    }
    out.into_bytes()
}

/// The text without backslashes, entities and percent codes.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let taken = match first {
            b'\\' => backslash(after),
            b'%' => code(after, 2, 16),
            b'&' => entity(after),
            _ => None,
        };
        match taken {
            Some((character, length)) => {
                let mut buffer = [0; 4];
                match u8::try_from(u32::from(character)) {
                    Ok(byte) => out.push(byte),
                    Err(_) => out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes()),
                }
                rest = &after[length..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// The character after a backslash, and how many bytes say it.
fn backslash(after: &[u8]) -> Option<(char, usize)> {
    let by_code = match after.first()? {
        b'x' => code(&after[1..], 2, 16).map(|(c, length)| (c, length + 1)),
        b'u' => code(&after[1..], 4, 16).map(|(c, length)| (c, length + 1)),
        b'U' => code(&after[1..], 8, 16).map(|(c, length)| (c, length + 1)),
        b'0'..=b'7' => code(after, 3, 8),
        _ => None,
    };
    by_code.or_else(|| match after.first()? {
        b'n' | b'r' | b't' => None,
        other => Some((char::from(*other), 1)),
    })
}

fn code(after: &[u8], digits: usize, base: u32) -> Option<(char, usize)> {
    let text = str::from_utf8(after.get(..digits)?).ok()?;
    let number = u32::from_str_radix(text, base).ok()?;
    char::from_u32(number).map(|c| (c, digits))
}

fn entity(after: &[u8]) -> Option<(char, usize)> {
    let end = after.iter().take(10).position(|byte| *byte == b';')?;
    let name = str::from_utf8(&after[..end]).ok()?;
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let hexadecimal = number.strip_prefix(['x', 'X']);
            let point =
                hexadecimal.map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
            char::from_u32(point?)?
        }
    };
    Some((character, end + 1))
}

/// What the text means as base64 when its groups begin at `offset`; breaks, and what indents a line, are no part of it.
fn base64(bytes: &[u8], offset: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * 3 / 4);
    let (mut group, mut count, mut to_skip) = (0_u32, 0, offset);
    let mut is_indent = false;
    for byte in bytes {
        is_indent = matches!(byte, b'\n' | b'\r') || (is_indent && matches!(byte, b' ' | b'\t'));
        let Some(bits) = sextet(*byte) else {
            if !is_indent {
                // Another text begins.
                (count, to_skip) = (0, offset);
                out.push(0);
            }
            continue;
        };
        if to_skip > 0 {
            to_skip -= 1;
            continue;
        }
        group = group << 6 | bits;
        count += 1;
        if count == 4 {
            out.extend_from_slice(&group.to_be_bytes()[1..]);
            (group, count) = (0, 0);
        }
    }
    out
}

fn sextet(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

/// What the text means as pairs of hexadecimal digits, with anything short between the pairs.
fn hexadecimal(bytes: &[u8], phase: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 2);
    let (mut high, mut to_skip, mut between) = (None, phase, 0);
    for byte in bytes {
        let digit = char::from(*byte).to_digit(16);
        match digit {
            Some(_) if to_skip > 0 => to_skip -= 1,
            Some(digit) => {
                between = 0;
                high = match high {
                    None => Some(digit),
                    Some(high) => {
                        out.push(u8::try_from(high << 4 | digit).unwrap());
                        None
                    }
                };
            }
            None if matches!(byte, b' ' | b':' | b'\n' | b'\r' | b'\t' | b'-' | b',') => {
                between += 1;
                if high.is_some() || between > 8 {
                    (high, to_skip) = (None, phase);
                    out.push(0);
                }
            }
            None => {
                (high, to_skip) = (None, phase);
                out.push(0);
            }
        }
    }
    out
}

/// The bytes of dumps, without addresses before them and characters after them.
fn undumped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split(|byte| *byte == b'\n') {
        let address = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let line = if matches!(address, 6..=8) { &line[address..] } else { line };
        let line = line.strip_prefix(b":").unwrap_or(line);
        let mut end = line.windows(3).position(|three| three == b"  |").unwrap_or(line.len());
        if line.len() > 41 && matches!(address, 6..=8) && line[39..].windows(2).any(|two| two == b"  ") {
            end = end.min(41);
        }
        out.extend_from_slice(&line[..end]);
        out.push(b'\n');
    }
    out
}

/// Hexadecimal words of two bytes, of which the second comes first.
fn swapped(bytes: &[u8]) -> Vec<u8> {
    let mut out = hexadecimal(bytes, 0);
    out.retain(|byte| *byte != 0);
    out.chunks_mut(2).for_each(<[_]>::reverse);
    out
}

fn without_space(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
}
