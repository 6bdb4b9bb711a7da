//! What people and tools make of a value: each form is promised to be found.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::Random;

/// A name, and what writes a value so. What is written may be wrapped or framed by choices of the generator.
pub(super) type Encoding = (&'static str, fn(&[u8], &mut Random) -> Vec<u8>);

/// Every form that a value of 8 bytes or more is found in.
pub(super) const ENCODINGS: &[Encoding] = &[
    ("plain", |value, _| value.to_vec()),
    ("base64", base64),
    ("base64 wrapped", |value, random| wrapped(&base64(value, random), random)),
    ("hex", |value, _| hex(value, false, "")),
    ("HEX", |value, _| hex(value, true, "")),
    ("hex wrapped", |value, random| wrapped(&hex(value, false, ""), random)),
    ("he xx", |value, _| hex(value, false, " ")),
    ("HE:XX", |value, _| hex(value, true, ":")),
    ("\\x", |value, _| coded(value, "\\x", "")),
    ("%XX", |value, _| value.iter().map(|byte| format!("%{byte:02X}")).collect::<String>().into_bytes()),
    ("%xx", |value, _| coded(value, "%", "")),
    ("url", |value, _| by_byte(value, |byte| (!is_unreserved(byte)).then(|| format!("%{byte:02X}")))),
    ("form", |value, _| by_byte(value, form_code)),
    ("json", |value, _| json(value)),
    ("json twice", |value, _| json(&json(value))),
    ("json in ascii", |value, _| ascii_json(value)),
    ("\\u", |value, _| units(value)),
    ("python bytes", |value, _| value.escape_ascii().to_string().replace("\\\"", "\"").into_bytes()),
    ("html", |value, _| by_byte(value, html_entity)),
    ("'\\''", |value, _| String::from_utf8_lossy(value).replace('\'', "'\\''").into_bytes()),
    ("'\"'\"'", |value, _| String::from_utf8_lossy(value).replace('\'', "'\"'\"'").into_bytes()),
    ("one line", |value, _| String::from_utf8_lossy(value).replace('\n', " ").into_bytes()),
    ("CR LF", |value, _| {
        String::from_utf8_lossy(value).replace("\r\n", "\n").replace('\n', "\r\n").into_bytes()
    }),
    ("each line", |value, random| each_line(value, random)),
    ("each line in base64", |value, random| line_by_line(value, |line| base64(line, random))),
    ("each line in hex", |value, _| line_by_line(value, |line| hex(line, false, ""))),
];

/// Forms that are found because colours, invisible characters, control characters, wraps and columns are read past.
pub(super) const THROUGH_NOISE: &[Encoding] = &[
    ("wrapped", wrapped),
    ("grep --color", |value, random| inside(value, "\u{1b}[01;31m\u{1b}[K", "\u{1b}[m\u{1b}[K", random)),
    ("coloured", |value, random| between(value, &COLOURS, random)),
    ("invisible", |value, random| between(value, &INVISIBLE, random)),
    ("control", |value, random| between(value, &CONTROL, random)),
    ("base64 coloured", |value, random| between(&base64(value, random), &COLOURS, random)),
    ("od -An -tx1", |value, random| dump(value, 16, &|_, bytes| hex_with(bytes, " ", " "), random)),
    ("od -tx1", |value, random| dump(value, 16, &od_line, random)),
    ("od -c", |value, random| dump(value, 16, &od_c_line, random)),
    ("od -x", |value, random| dump(value, 16, &od_x_line, random)),
    ("xxd", |value, random| dump(value, 16, &xxd_line, random)),
    ("xxd -u", |value, random| dump(value, 16, &|at, bytes| xxd_line(at, bytes).to_uppercase(), random)),
    ("xxd -p", |value, random| dump(value, 30, &|_, bytes| hex_with(bytes, "", ""), random)),
    ("xxd -i", |value, random| dump(value, 12, &|_, bytes| hex_with(bytes, "  0x", ", 0x") + ",", random)),
    ("hexdump -C", |value, random| dump(value, 16, &hexdump_line, random)),
];

const COLOURS: [&str; 8] = [
    "\u{1b}[31m",
    "\u{1b}[0m",
    "\u{1b}[K",
    "\u{1b}[38;5;196m",
    "\u{1b}[1;4;38;2;10;20;30m",
    "\u{1b}(B",
    "\u{1b}]0;title\u{7}",
    "\u{1b}]8;;https://example.org\u{1b}\\",
];
const INVISIBLE: [&str; 7] =
    ["\u{200b}", "\u{200d}", "\u{2060}", "\u{feff}", "\u{ad}", "\u{200e}", "\u{202c}"];
const CONTROL: [&str; 5] = ["\0", "\u{1}", "\u{7f}", "\r", "\u{7}"];

/// With something else before and after, so that the groups of four begin anywhere.
fn base64(value: &[u8], random: &mut Random) -> Vec<u8> {
    let before = random.below(5);
    let after = random.below(3);
    let text = [&b"user:"[..before], value, &b"\n\n"[..after]].concat();
    let engine = random.pick(&[STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]);
    engine.encode(text).into_bytes()
}

fn hex(value: &[u8], is_upper: bool, between: &str) -> Vec<u8> {
    let text = hex_with(value, "", between);
    if is_upper { text.to_uppercase().into_bytes() } else { text.into_bytes() }
}

fn hex_with(value: &[u8], before: &str, between: &str) -> String {
    let digits: Vec<String> = value.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{before}{}", digits.join(between))
}

fn coded(value: &[u8], before: &str, after: &str) -> Vec<u8> {
    value.iter().map(|byte| format!("{before}{byte:02x}{after}")).collect::<String>().into_bytes()
}

fn by_byte(value: &[u8], code: impl Fn(u8) -> Option<String>) -> Vec<u8> {
    value.iter().flat_map(|byte| code(*byte).map_or_else(|| vec![*byte], String::into_bytes)).collect()
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn form_code(byte: u8) -> Option<String> {
    match byte {
        b' ' => Some("+".to_owned()),
        byte if byte.is_ascii_alphanumeric() || b"-._*".contains(&byte) => None,
        byte => Some(format!("%{byte:02X}")),
    }
}

fn html_entity(byte: u8) -> Option<String> {
    let entity = match byte {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        b'\'' => "&#x27;",
        _ => return None,
    };
    Some(entity.to_owned())
}

fn json(value: &[u8]) -> Vec<u8> {
    let quoted = serde_json::Value::from(String::from_utf8_lossy(value)).to_string();
    quoted.as_bytes()[1..quoted.len() - 1].to_vec()
}

fn ascii_json(value: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(json(value)).unwrap();
    let write = |c: char| if c.is_ascii() { c.to_string() } else { units_of(c) };
    text.chars().map(write).collect::<String>().into_bytes()
}

fn units(value: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(value).chars().map(units_of).collect::<String>().into_bytes()
}

fn units_of(c: char) -> String {
    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// In lines of any width, with any indentation.
fn wrapped(text: &[u8], random: &mut Random) -> Vec<u8> {
    let width = *random.pick(&[1, 7, 20, 60, 64, 76]);
    let with = *random.pick(&["\n", "\r\n", "\n    ", "\r", "\n\t"]);
    let lines: Vec<&[u8]> = text.chunks(width).collect();
    lines.join(with.as_bytes())
}

/// As `sed`, `nl` and logs show a text of many lines.
fn each_line(value: &[u8], random: &mut Random) -> Vec<u8> {
    let before = *random.pick(&["| ", "    12\t", "> ", "2026-11-29T10:00:00Z stdout F ", "+ "]);
    let text = String::from_utf8_lossy(value).into_owned();
    text.split('\n').map(|line| format!("{before}{line}\n")).collect::<String>().into_bytes()
}

/// As a loop over the lines of a text encodes it.
fn line_by_line(value: &[u8], mut encode: impl FnMut(&[u8]) -> Vec<u8>) -> Vec<u8> {
    value.split(|byte| *byte == b'\n').flat_map(|line| [encode(line), b"\n".to_vec()].concat()).collect()
}

/// A part between two codes.
fn inside(value: &[u8], begin: &str, end: &str, random: &mut Random) -> Vec<u8> {
    let text = String::from_utf8_lossy(value).into_owned();
    let places: Vec<usize> = text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
    let (first, second) = (*random.pick(&places), *random.pick(&places));
    let (first, second) = (first.min(second), first.max(second));
    format!("{}{begin}{}{end}{}", &text[..first], &text[first..second], &text[second..]).into_bytes()
}

/// With something at several places, or between all characters.
fn between(value: &[u8], noise: &[&str], random: &mut Random) -> Vec<u8> {
    let every = *random.pick(&[1, 3, 9]);
    let mut out = String::new();
    for c in String::from_utf8_lossy(value).chars() {
        if random.one_in(every) {
            out.push_str(random.pick::<&str>(noise));
        }
        out.push(c);
    }
    out.into_bytes()
}

/// A dump in lines of a width, on lines of its own; the value begins at any place of the first one.
fn dump(value: &[u8], width: usize, line: &dyn Fn(usize, &[u8]) -> String, random: &mut Random) -> Vec<u8> {
    let before = random.below(width);
    let text = [&vec![b'.'; before], value, b"\n"].concat();
    let lines = text.chunks(width).enumerate().map(|(number, bytes)| line(number * width, bytes) + "\n");
    std::iter::once("\n".to_owned()).chain(lines).collect::<String>().into_bytes()
}

fn od_line(at: usize, bytes: &[u8]) -> String {
    format!("{at:07o}{}", hex_with(bytes, " ", " "))
}

fn visible(bytes: &[u8]) -> String {
    let show = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    bytes.iter().map(show).collect()
}

fn xxd_line(at: usize, bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.chunks(2).map(|pair| hex_with(pair, "", "")).collect();
    format!("{at:08x}: {:39}  {}", pairs.join(" "), visible(bytes))
}

fn hexdump_line(at: usize, bytes: &[u8]) -> String {
    let (left, right) = bytes.split_at(bytes.len().min(8));
    let halves = format!("{}  {}", hex_with(left, "", " "), hex_with(right, "", " "));
    format!("{at:08x}  {halves:48}  |{}|", visible(bytes))
}

fn od_c_line(at: usize, bytes: &[u8]) -> String {
    let column = |byte: &u8| match byte {
        b'\n' => "  \\n".to_owned(),
        b'\r' => "  \\r".to_owned(),
        b'\t' => "  \\t".to_owned(),
        byte if byte.is_ascii_graphic() || *byte == b' ' => format!("   {}", char::from(*byte)),
        byte => format!(" {byte:03o}"),
    };
    format!("{at:07o}{}", bytes.iter().map(column).collect::<String>())
}

fn od_x_line(at: usize, bytes: &[u8]) -> String {
    let word = |pair: &[u8]| format!(" {:02x}{:02x}", pair.get(1).copied().unwrap_or_default(), pair[0]);
    format!("{at:07o}{}", bytes.chunks(2).map(word).collect::<String>())
}
