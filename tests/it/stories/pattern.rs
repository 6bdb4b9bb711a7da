//! What differs from run to run becomes a word; what is left must be what the story says.
//!
//! `TIME` a time of RFC 3339 or one to the minute, `DUR` a duration with the spaces before it, `SHA` an object id or the seven digits of one,
//! `ID` an id of a run, `$T` the story's folder, `USER` who runs the tests, `PORT` after `127.0.0.1:`. Spaces at the end of a line go: git adds some.

/// Replaces what differs from run to run.
pub(crate) fn redact(text: &str, folder: &str, user: &str) -> Vec<String> {
    let text = text.replace(folder, "$T");
    let text = text.replace(&format!("by {user}"), "by USER").replace(&format!("\"{user}\""), "\"USER\"");
    // The title above users is as wide as their names.
    let text = text.replace(&format!("  {:<1$}  subject", "by", user.len()), "  by  subject");
    let lines = text.lines().filter(|line| !line.contains(WATCHING));
    let row = |line: String| {
        if line.contains("  TIME  ") { line.replace(&format!("  {user}  "), "  USER  ") } else { line }
    };
    lines.map(|line| row(redact_line(line)).trim_end().to_owned()).collect()
}

/// A line of a push that only comes while the run continues, and so depends on how fast that is.
const WATCHING: &str = "hint: Ctrl-C stops watching, not the run";

fn redact_line(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let after_word = out.chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let found = (!after_word).then(|| find(rest)).flatten();
        if let Some((length, word)) = found {
            if word == "DUR" {
                let kept = out.trim_end_matches(' ').len();
                if out.len() - kept > 1 {
                    out.truncate(kept);
                    out.push_str("  ");
                }
            }
            out.push_str(word);
            rest = &rest[length..];
        } else if let Some(address) = rest.strip_prefix("127.0.0.1:").filter(|rest| starts_with_digit(rest)) {
            out.push_str("127.0.0.1:PORT");
            rest = address.trim_start_matches(|c: char| c.is_ascii_digit());
        } else {
            let c = rest.chars().next().unwrap();
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// What stands at the beginning of `rest` and differs from run to run: its length, and the word for it.
fn find(rest: &str) -> Option<(usize, &'static str)> {
    let shapes: [(&[&str], &str); 4] = [
        (
            &[
                "dddd-dd-ddTdd:dd:dd.dddZ",
                "dddd-dd-ddTdd:dd:ddZ",
                "dddd-dd-ddTdd:dd:dd.ddddddZ",
                "dddd-dd-dd dd:dd",
            ],
            "TIME",
        ),
        (&["xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"], "ID"),
        (&["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "xxxxxxx"], "SHA"),
        (&[], "DUR"),
    ];
    for (patterns, word) in shapes {
        for shape in patterns {
            if fits(rest, shape) {
                return Some((shape.len(), word));
            }
        }
    }
    duration(rest).map(|length| (length, "DUR"))
}

fn fits(rest: &str, shape: &str) -> bool {
    let bytes = rest.as_bytes();
    let same = shape.bytes().enumerate().all(|(index, kind)| {
        bytes.get(index).is_some_and(|byte| match kind {
            b'd' => byte.is_ascii_digit(),
            b'x' => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
            other => *byte == other,
        })
    });
    let ends = !bytes.get(shape.len()).is_some_and(u8::is_ascii_alphanumeric);
    // Seven digits of an object id, and no word that is made of the same letters.
    let is_word =
        ["defaced", "effaced", "acceded"].iter().any(|word| shape.len() == 7 && rest.starts_with(word));
    same && ends && !is_word
}

/// The length of a duration as quire writes it: `1.2 s`, `1 m 20 s`, `1 h 20 m`.
fn duration(rest: &str) -> Option<usize> {
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let whole = digits(rest);
    if whole == 0 {
        return None;
    }
    for (middle, end) in [(".", " s"), (" m ", " s"), (" h ", " m")] {
        let Some(after) = rest[whole..].strip_prefix(middle) else { continue };
        let part = digits(after);
        if part > 0 && after[part..].starts_with(end) {
            return Some(whole + middle.len() + part + end.len());
        }
    }
    None
}

/// Whether lines are what is expected; `…` stands for any lines, or for any text in a line.
pub(super) fn matches(expected: &[String], actual: &[String]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((first, rest)) if first.trim() == "…" => {
            (0..=actual.len()).any(|skipped| matches(rest, &actual[skipped..]))
        }
        Some((first, rest)) => actual
            .split_first()
            .is_some_and(|(line, others)| line_matches(first, line) && matches(rest, others)),
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    let expected = expected.trim_end();
    let Some((before, after)) = expected.split_once('…') else { return expected == line };
    let Some(rest) = line.strip_prefix(before) else { return false };
    let ends = rest.char_indices().map(|(index, _)| index).chain([rest.len()]);
    ends.into_iter().any(|index| line_matches(after, &rest[index..]))
}

#[test]
fn what_differs_from_run_to_run_is_replaced() {
    let line = |text: &str| redact(text, "/tmp/x", "tom").join("\n");
    assert_eq!(line("main at 9f31c2a, 1.0 s"), "main at SHA, DUR");
    assert_eq!(line("passed   build   1 m 02 s  ok"), "passed   build  DUR  ok");
    assert_eq!(line("push by tom"), "push by USER");
    assert_eq!(line("at 2026-11-21T01:02:03.004Z"), "at TIME");
    assert_eq!(line("0.004 s  2026-11-21 01:02  main"), "DUR  TIME  main");
    assert_eq!(line("http://127.0.0.1:4711/foo/run/1"), "http://127.0.0.1:PORT/foo/run/1");
    assert_eq!(line("main at cdbfdef"), "main at SHA");
    assert_eq!(line("/tmp/x/data defaced 200 jobs \"5m\""), "$T/data defaced 200 jobs \"5m\"");
}

#[test]
fn an_ellipsis_stands_for_anything() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&lines("a\n…\nb…d"), &lines("a\nx\ny\nbcd")));
    assert!(matches(&lines("…"), &[]));
    assert!(!matches(&lines("a\n…\nb"), &lines("a\nc")));
}
