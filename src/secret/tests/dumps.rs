//! Dumps: of formatters written here, so that every column is known, and of the real programs.

#![expect(clippy::wildcard_enum_match_arm, reason = "most programs write the usual")]

use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::*;

use super::redactor;
use crate::secret::dump::MAX_BETWEEN;
use crate::secret::{MARK, Redactor};

/// A program with its options, as a line of its dump.
#[derive(Debug, Clone, Copy)]
enum Style {
    /// Bytes in a column, and in capitals or not.
    Xxd(usize, bool),
    /// Bytes in a column, the last first.
    XxdWords(usize),
    XxdBits,
    HexdumpC,
    /// With the text or without.
    OdX1(bool),
    OdX2,
    OdO2,
    OdB,
    OdU1,
    OdC,
}

const STYLES: [Style; 15] = [
    Style::Xxd(1, false),
    Style::Xxd(2, false),
    Style::Xxd(2, true),
    Style::Xxd(4, false),
    Style::Xxd(16, false),
    Style::XxdWords(4),
    Style::XxdBits,
    Style::HexdumpC,
    Style::OdX1(false),
    Style::OdX1(true),
    Style::OdX2,
    Style::OdO2,
    Style::OdB,
    Style::OdU1,
    Style::OdC,
];

/// A byte that no value here has.
const OTHER: u8 = 1;

/// A dump, with the places of the column of each byte and of the end of its line.
struct Dumped {
    text: String,
    columns: Vec<(usize, usize)>,
}

impl Dumped {
    fn new(style: Style, bytes: &[u8], width: usize) -> Self {
        let mut dumped = Self { text: String::new(), columns: Vec::new() };
        for (line, number) in bytes.chunks(width).zip(0..) {
            dumped.add(style, line, number * width);
        }
        dumped
    }

    fn add(&mut self, style: Style, line: &[u8], at: usize) {
        self.text += &match style {
            Style::Xxd(..) | Style::XxdWords(_) | Style::XxdBits => format!("{at:08x}:"),
            Style::HexdumpC => format!("{at:08x} "),
            _ => format!("{at:07o}"),
        };
        let size = match style {
            Style::Xxd(size, _) | Style::XxdWords(size) => size,
            Style::OdX2 | Style::OdO2 => 2,
            _ => 1,
        };
        let mut columns = Vec::new();
        for (column, number) in line.chunks(size).zip(0..) {
            if matches!(style, Style::HexdumpC) && number == 8 {
                self.text.push(' ');
            }
            let written = written(style, column);
            let digits = written.trim_start();
            columns.extend(column.iter().map(|_| self.text.len() + 1 + written.len() - digits.len()));
            self.text += &format!(" {written}");
        }
        let shown: String = line.iter().map(|byte| shown(*byte)).collect();
        self.text += &match style {
            Style::Xxd(..) | Style::XxdWords(_) | Style::XxdBits => format!("  {shown}"),
            Style::HexdumpC => format!("  |{shown}|"),
            Style::OdX1(true) => format!("  >{shown}<"),
            _ => String::new(),
        };
        let end = self.text.len();
        self.columns.extend(columns.into_iter().map(|column| (column, end)));
        self.text.push('\n');
    }

    /// What is left when some of the bytes are a value.
    fn without(&self, value: std::ops::Range<usize>) -> String {
        let (first, last) = (self.columns[value.start], self.columns[value.end - 1]);
        format!("{}{MARK}{}", &self.text[..first.0], &self.text[last.1..])
    }
}

fn written(style: Style, column: &[u8]) -> String {
    let hex = |byte: &u8| format!("{byte:02x}");
    let byte = column[0];
    match style {
        Style::Xxd(_, true) => column.iter().map(hex).collect::<String>().to_uppercase(),
        Style::XxdWords(_) | Style::OdX2 => column.iter().rev().map(hex).collect(),
        Style::XxdBits => format!("{byte:08b}"),
        Style::OdO2 => format!("{:06o}", u16::from_le_bytes([byte, column.get(1).copied().unwrap_or(0)])),
        Style::OdB => format!("{byte:03o}"),
        Style::OdU1 => format!("{byte:3}"),
        Style::OdC => match byte {
            b'\\' => " \\\\".to_owned(),
            b'!'..=b'~' => format!("  {}", char::from(byte)),
            _ => format!("{byte:03o}"),
        },
        _ => column.iter().map(hex).collect(),
    }
}

fn shown(byte: u8) -> char {
    if matches!(byte, b' '..=b'~') { char::from(byte) } else { '.' }
}

fn in_chunks<'a>(redactor: &Redactor, chunks: impl IntoIterator<Item = &'a [u8]>, pauses: bool) -> String {
    let mut stream = redactor.stream();
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend(stream.push(chunk).into_bytes());
        if pauses {
            out.extend(stream.flush_safe().into_bytes());
        }
        assert!(stream.pending() < 8 * MAX_BETWEEN as usize);
    }
    out.extend(stream.finish().into_bytes());
    assert_eq!(stream.pending(), 0);
    String::from_utf8_lossy(&out).into_owned()
}

/// A value without a row of one character, which says nothing.
fn value() -> impl Strategy<Value = String> {
    "[!-~]{8,60}".prop_filter("a row", |value| {
        !value.as_bytes().windows(8).any(|window| window.iter().all(|byte| *byte == window[0]))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_line_of_a_dump_that_has_a_value_loses_its_columns_and_its_text(
        value in value(), before in 0..40usize, after in 1..40usize, style in prop::sample::select(STYLES.to_vec()),
        width in prop::sample::select(vec![16, 16, 16, 32, 8]), sizes in vec(1..40usize, 1..8),
    ) {
        let bytes = [&vec![OTHER; before][..], value.as_bytes(), &vec![OTHER; after]].concat();
        let dumped = Dumped::new(style, &bytes, width);
        let expected = format!("before\n{}after\n", dumped.without(before..before + value.len()));
        let text = format!("before\n{}after\n", dumped.text);
        let redactor = redactor(&[value.as_bytes()]);
        prop_assert_eq!(&redactor.text(&text).into_string(), &expected);
        let text = text.as_bytes();
        for cut in (sizes[0]..text.len()).step_by(7) {
            let (before, after) = text.split_at(cut);
            prop_assert_eq!(&in_chunks(&redactor, [before, after], false), &expected);
        }
        prop_assert_eq!(&in_chunks(&redactor, text.chunks(1), false), &expected);
        let mut rest = text;
        let chunks = sizes.iter().cycle().map_while(|size| rest.split_off(..(*size).min(rest.len())).filter(|chunk| !chunk.is_empty()));
        let chunks: Vec<&[u8]> = chunks.collect();
        prop_assert_eq!(&in_chunks(&redactor, chunks.iter().copied(), false), &expected);
        for out in [in_chunks(&redactor, chunks, true), in_chunks(&redactor, text.chunks(1), true)] {
            prop_assert!(out.contains(MARK), "{}", out);
            let columns = out.replace([' ', '\n'], "");
            for window in value.as_bytes().windows(8) {
                let plain = str::from_utf8(window).unwrap();
                let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
                prop_assert!(!out.contains(plain) && !columns.contains(plain) && !columns.contains(&hex), "{}", out);
            }
        }
    }
}

/// The options with which each program is tried, and how many bytes its lines have.
const PROGRAMS: [(&str, &[&str], usize); 28] = [
    ("od", &[], 16),
    ("od", &["-tx1"], 16),
    ("od", &["-An", "-tx1z"], 16),
    ("od", &["-Ax", "-tx1z"], 16),
    ("od", &["-Ad", "-tx1z", "-w32"], 32),
    ("od", &["-x"], 16),
    ("od", &["-tx4"], 16),
    ("od", &["-tx8"], 16),
    ("od", &["-b"], 16),
    ("od", &["-tu1"], 16),
    ("od", &["-td1"], 16),
    ("od", &["-to1"], 16),
    ("od", &["-to2"], 16),
    ("od", &["-c"], 16),
    ("od", &["-An", "-c"], 16),
    ("od", &["-a"], 16),
    ("hexdump", &[], 16),
    ("hexdump", &["-C"], 16),
    ("hexdump", &["-b"], 16),
    ("hexdump", &["-c"], 16),
    ("xxd", &[], 16),
    ("xxd", &["-u"], 16),
    ("xxd", &["-g1"], 16),
    ("xxd", &["-g4", "-c32"], 32),
    ("xxd", &["-g0"], 16),
    ("xxd", &["-d"], 16),
    ("xxd", &["-e"], 16),
    ("xxd", &["-b"], 6),
];

#[test]
#[expect(clippy::disallowed_methods, reason = "the programs end by themselves")]
fn the_dumps_of_the_real_programs_show_no_line_of_a_value() {
    const VALUE: &str = "ghp_16C7e42F 292c6912E7710c\\8347Ae178B4a";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dumped");
    let redactor = redactor(&[VALUE.as_bytes()]);
    for before in 0..16 {
        std::fs::write(&file, format!("{:.>before$}{VALUE}{:.>70}\n", "", "")).unwrap();
        for (program, options, width) in PROGRAMS {
            // Only coreutils are on every machine.
            let Ok(output) = Command::new(program).args(options).arg(&file).output() else { continue };
            let dump = String::from_utf8(output.stdout).unwrap();
            let first = before / width;
            let last = (before + VALUE.len() - 1) / width;
            let lines: Vec<&str> = dump.split_inclusive('\n').collect();
            let touched = lines[first..=last].concat();
            let out = redactor.text(&dump).into_string();
            let masked = out
                .strip_prefix(&lines[..first].concat())
                .and_then(|out| out.strip_suffix(&lines[last + 1..].concat()));
            let shown = masked.and_then(|masked| masked.strip_suffix("<redacted>\n"));
            assert!(
                shown.is_some_and(|shown| touched.starts_with(shown) && !shown.contains('\n')),
                "{program} {options:?} at {before}:\n{dump}{out}"
            );
        }
    }
}

#[test]
fn a_part_of_a_dump_is_enough() {
    let redactor = redactor(&[b"ghp_16C7e42F292c6912E7710c838347Ae178B4a"]);
    let cut = "00000010: 3239 3263 3639 3132 4537 3731 3063 3833  292c6912E7710c83\n";
    assert_eq!(redactor.text(cut), "00000010: <redacted>\n");
    assert_eq!(redactor.text(&cut.replace('\n', "")), "00000010: <redacted>");
    assert_eq!(redactor.text(&format!("    {cut}")), "    00000010: <redacted>\n");
    assert_eq!(
        redactor.text("0000000 2e 2e 67 68 70 5f 31\n0000007\n"),
        "0000000 2e 2e <redacted>",
        "the beginning, at the end"
    );
    assert_eq!(redactor.text("0000000 056 147 150 160\n"), "0000000 056 147 150 160\n");
    assert_eq!(redactor.text("0000000 056 147 150 160 137\n"), "0000000 056 <redacted>");
}

#[test]
fn colours_and_repeated_lines_in_a_dump_hide_nothing() {
    let redactor = redactor(&[b"ghp_16C7e42F292c6912"]);
    let digits: Vec<String> =
        b"ghp_16C7e42F292c".iter().map(|byte| format!("\x1b[1;32m{byte:02x}\x1b[0m")).collect();
    let line = format!("00000000: {}  \x1b[1;32mghp_16C7\x1b[0me42F292c\r\n", digits.join(" "));
    assert_eq!(redactor.text(&format!("{line}end\n")), "00000000: \x1b[1;32m<redacted>\nend\n");
    let repeated = "0000000 2e 2e 2e 2e\n*\n0000100 67 68 70 5f 31 36\n*\n0000200 43 37 2e\n";
    assert_eq!(redactor.text(repeated), "0000000 2e 2e 2e 2e\n*\n0000100 <redacted>\n");
}

#[test]
fn what_only_looks_like_a_dump_stays() {
    let redactor = redactor(&[b"ghp_16C7e42F292c6912", b"aaaaaaaaaaaaaaaa"]);
    let text = "b94dd76 secret: found\n  12 34 56\n* item\n\nfeed cafe\n 100% done\n\n   a   b\n";
    assert_eq!(redactor.text(text), text);
    let mut stream = redactor.stream();
    assert!(stream.push(b"00000000: 2e2e 2e2e").as_bytes().starts_with(b"00000000: 2e2e"));
    assert_eq!(stream.flush_safe().as_bytes().len() + 15, 19, "nothing of it is held in a silence");
    assert_eq!(
        redactor.text("141 141 141 141 141 141 141 141 141\n"),
        "141 141 141 141 141 141 141 141 141\n"
    );
}

#[test]
fn an_endless_dump_is_not_held() {
    let redactor = redactor(&[b"ghp_16C7e42F292c6912"]);
    for endless in ["*\n", "0000000\n", " ", "x"] {
        let mut stream = redactor.stream();
        stream.push(b"0000000 67 68 70 5f 31 36 43\n0000007 ");
        for _ in 0..MAX_BETWEEN {
            stream.push(endless.as_bytes());
            assert!(stream.pending() < 2 * MAX_BETWEEN as usize);
        }
        assert!(stream.pending() < 16, "{endless:?}: {}", stream.pending());
    }
}
