//! Escapes: what JSON, URLs, shells and HTML write for the few bytes that mean something to them.
//!
//! A value without such bytes is its own escape. An escape is never shorter than the value.

use crate::model::escape_controls;

/// Every escaped form of a value, some of them equal.
pub(super) fn all(value: &[u8]) -> Vec<Vec<u8>> {
    // Nobody escapes these; most tokens have no others.
    if value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte)) {
        return Vec::new();
    }
    let mut forms = percent(value);
    forms.extend(shell(value));
    forms.extend(html(value));
    forms.extend(python(value));
    forms.push(value.escape_ascii().collect());
    if let Ok(text) = str::from_utf8(value) {
        forms.extend(json(text).into_iter().map(String::into_bytes));
        forms.push(escape_controls(text).into_bytes());
    }
    forms
}

fn escaped(value: &[u8], escape: impl Fn(u8) -> Option<String>) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for byte in value {
        match escape(*byte) {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => out.push(*byte),
        }
    }
    out
}

/// As serde_json writes it, with `\/`, as Go and .NET do (what means something to HTML by number), and again inside
/// another JSON string; each also without bytes above 127.
fn json(text: &str) -> Vec<String> {
    let plain = json_string(text);
    let slash = plain.replace('/', "\\/");
    let go = plain.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let dotnet = json_dotnet(&plain);
    let twice = json_string(&plain);
    let mut forms = vec![json_string(&json_ascii(&plain, |unit| format!("\\u{unit:04x}")))];
    for form in [plain, slash, go, dotnet, twice] {
        forms.push(json_ascii(&form, |unit| format!("\\u{unit:04x}")));
        forms.push(json_ascii(&form, |unit| format!("\\u{unit:04X}")));
        forms.push(form);
    }
    forms
}

/// The inside of the JSON string.
fn json_string(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(&quoted).to_owned()
}

fn json_dotnet(json: &str) -> String {
    let quotes = json.replace("\\\"", "\\u0022");
    ["&", "'", "+", "<", ">", "`"].iter().fold(quotes, |text, special| {
        let code = special.bytes().next().unwrap_or_default();
        text.replace(special, &format!("\\u{code:04X}"))
    })
}

fn json_ascii(text: &str, escape: impl Fn(u16) -> String) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| escape(*unit)));
        }
    }
    out
}

/// What Python's `repr` writes for bytes and `ascii` for a text, in either kind of quotes.
fn python(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for apostrophe in ["\\'", "'"] {
        let write = |byte: u8| match byte {
            b'\'' => Some(apostrophe.to_owned()),
            b'\n' => Some("\\n".to_owned()),
            b'\r' => Some("\\r".to_owned()),
            b'\t' => Some("\\t".to_owned()),
            b'\\' => Some("\\\\".to_owned()),
            b' '..=b'~' => None,
            _ => Some(format!("\\x{byte:02x}")),
        };
        forms.push(escaped(value, write));
        if let Ok(text) = str::from_utf8(value) {
            let points = text.chars().map(|c| match u32::from(c) {
                point @ 0..0x100 => escaped(&[point as u8], write),
                point @ 0x100..0x1_0000 => format!("\\u{point:04x}").into_bytes(),
                point => format!("\\U{point:08x}").into_bytes(),
            });
            forms.push(points.flatten().collect());
        }
    }
    forms
}

/// What writers of URLs leave as it is besides letters and digits: RFC 3986, Python's `quote`, `encodeURIComponent`,
/// `encodeURI`, HTML forms.
const URL_KEEPS: [&[u8]; 5] = [b"-._~", b"-._~/", b"-._~!*'()", b"-._~!*'();/?:@&=+$,#", b"-._*"];

fn percent(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for keeps in URL_KEEPS {
        for space in ["%20", "+"] {
            for code in [|byte: u8| format!("%{byte:02X}"), |byte: u8| format!("%{byte:02x}")] {
                forms.push(escaped(value, |byte| match byte {
                    b' ' => Some(space.to_owned()),
                    kept if kept.is_ascii_alphanumeric() || keeps.contains(&kept) => None,
                    _ => Some(code(byte)),
                }));
            }
        }
    }
    forms
}

/// What `printf %q` puts a backslash before.
const SHELL_SPECIAL: &[u8] = b" \t!\"$&'()*,;<>?[\\]^`{|}";

/// `printf %q`, inside single quotes (the shells' way and Python's), inside double quotes (also Perl's), inside `$'…'`.
fn shell(value: &[u8]) -> Vec<Vec<u8>> {
    let backslash = |special: &'static [u8]| {
        move |byte| special.contains(&byte).then(|| format!("\\{}", char::from(byte)))
    };
    let quote = |with: &'static str| move |byte| (byte == b'\'').then(|| with.to_owned());
    vec![
        escaped(value, backslash(SHELL_SPECIAL)),
        escaped(value, backslash(b"$`\"\\")),
        escaped(value, backslash(b"$`\"\\!")),
        escaped(value, quote("'\\''")),
        escaped(value, quote("'\"'\"'")),
        escaped(value, perl),
        escaped(value, |byte| ansi_c(byte, 0xff)),
        escaped(value, |byte| ansi_c(byte, 0x7f)),
    ]
}

/// One byte inside double quotes as Perl's `Data::Dumper` writes it.
fn perl(byte: u8) -> Option<String> {
    match byte {
        b'\\' | b'"' | b'$' | b'@' => Some(format!("\\{}", char::from(byte))),
        0x1b => Some("\\e".to_owned()),
        0x0b => Some("\\13".to_owned()),
        b'\'' => None,
        _ => ansi_c(byte, 0x7f),
    }
}

/// One byte inside `$'…'`; those above `raw_to` are octal.
fn ansi_c(byte: u8, raw_to: u8) -> Option<String> {
    match byte {
        b'\\' | b'\'' => Some(format!("\\{}", char::from(byte))),
        0x07 => Some("\\a".to_owned()),
        0x08 => Some("\\b".to_owned()),
        b'\t' => Some("\\t".to_owned()),
        b'\n' => Some("\\n".to_owned()),
        0x0b => Some("\\v".to_owned()),
        0x0c => Some("\\f".to_owned()),
        b'\r' => Some("\\r".to_owned()),
        0x1b => Some("\\E".to_owned()),
        0..0x20 | 0x7f => Some(format!("\\{byte:03o}")),
        _ if byte > raw_to => Some(format!("\\{byte:03o}")),
        _ => None,
    }
}

fn html(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for quote in ["\"", "&quot;", "&#34;", "&#x22;"] {
        for apostrophe in ["'", "&#39;", "&#039;", "&#x27;", "&apos;"] {
            forms.push(escaped(value, |byte| {
                let entity = match byte {
                    b'&' => "&amp;",
                    b'<' => "&lt;",
                    b'>' => "&gt;",
                    b'"' => quote,
                    b'\'' => apostrophe,
                    _ => return None,
                };
                Some(entity.to_owned())
            }));
        }
    }
    forms
}
