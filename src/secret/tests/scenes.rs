//! Named cases: the ones that other systems leaked, and the sizes at the limits.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{name, redactor};
use crate::secret::fold::MAX_GAP;
use crate::secret::needle::{MAX_ESCAPED, Needles};
use crate::secret::{MARK, Redactor};

#[test]
fn values_at_the_limits() {
    let values: [&[u8]; 6] = [b"", b"a", b"abc", b"wxyz", b"1234567", b"    "];
    let redactor = redactor(&values);
    assert_eq!(redactor.unmasked(), [name(0), name(1), name(2)]);
    assert_eq!(redactor.text("a abc wxyz! 1234567. 123456."), "a abc <redacted>! <redacted>. 123456.");
    assert_eq!(redactor.text("x    y"), "x<redacted>y");
    assert_eq!(redactor.text("d3h5eg== 7778797a"), "<redacted> <redacted>");
    assert_eq!(redactor.text("wx\nyz"), "wx\nyz", "a short value does not go over a line break");
}

#[test]
fn no_secret_changes_nothing_and_holds_nothing() {
    let mut stream = Redactor::none().stream();
    assert_eq!(stream.push(b"\xff\x00 any").as_bytes(), b"\xff\x00 any");
    assert_eq!(stream.pending(), 0);
    assert!(stream.finish().as_bytes().is_empty());
    assert_eq!(Redactor::none().text("é"), "é");
}

#[test]
fn a_secret_that_begins_another_leaves_no_tail() {
    let redactor = redactor(&[b"token-1", b"token-1-and-more", b"n-1-a"]);
    assert_eq!(redactor.text("token-1-and-more token-1 token-1-and"), "<redacted> <redacted> <redacted>");
    let mut stream = redactor.stream();
    for byte in b"token-1-and-more" {
        let out = stream.push(&[*byte]);
        assert!(out.as_bytes().is_empty() || out.as_bytes() == MARK.as_bytes());
    }
    assert_eq!(stream.found().len(), 3);
}

const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0w\nawIBAQQgV-more/of+it=\n-----END PRIVATE KEY-----";

#[test]
fn a_many_line_value_in_every_layout() {
    let redactor = redactor(&[PEM.as_bytes()]);
    for with in ["\n", "\r\n", " ", "\\n", "\\r\\n", "\n    ", "\n\t"] {
        assert_eq!(redactor.text(&format!("[{}]", PEM.replace('\n', with))), "[<redacted>]", "{with:?}");
    }
    assert_eq!(redactor.text("| awIBAQQgV-more/of+it= |"), "| <redacted> |", "one line alone");
    assert_eq!(redactor.text("| awIBAQQgV-more\\/of+it= |"), "| <redacted> |", "one line in JSON");
    assert_eq!(
        redactor.text(&STANDARD.encode(format!("x-access-token:{PEM}\n"))),
        "eC1hY2Nlc3MtdG9rZW46<redacted>o="
    );
}

#[test]
fn lines_of_a_value_that_are_encoded_one_by_one_are_found() {
    let redactor = redactor(&[PEM.as_bytes()]);
    for line in PEM.lines() {
        let padded = STANDARD.encode(format!("user:{line}\n"));
        assert_eq!(redactor.text(&format!("[{}]", STANDARD.encode(line))), "[<redacted>]");
        assert!(redactor.text(&padded).contains("<redacted>"), "{padded}");
        let hex: String = line.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(redactor.text(&format!("[{hex}]")), "[<redacted>]");
    }
}

#[test]
fn what_quire_and_lua_quote_of_a_value_is_found() {
    let redactor = redactor(&[b"a\x1b%Q7\"'\\\nfG3\r", b"pass%0-123456kword"]);
    let quoted = crate::model::Quoted::new("x a\u{1b}%Q7\"'\\\nfG3\r y").to_string();
    assert_eq!(redactor.text(&quoted), "`x <redacted> y`");
    let of_date = "(invalid conversion specifier '%0-123456kword')";
    assert_eq!(redactor.text(of_date), "(invalid conversion specifier '<redacted>')");
    assert_eq!(
        redactor.text("invalid conversion '%0-123456k' to 'format'"),
        "invalid conversion '<redacted>' to 'format'"
    );
    // `os.date("%" .. value)`, in which `%p` is a part of the day.
    assert_eq!(redactor.text("PMass%0-123456kword."), "PM<redacted>.");
}

#[test]
fn a_key_inside_a_json_secret_is_found_when_it_is_taken_out() {
    let document = serde_json::json!({"type": "x", "private_key": PEM}).to_string();
    let redactor = redactor(&[document.as_bytes()]);
    assert_eq!(redactor.text("| awIBAQQgV-more/of+it= |"), "| <redacted> |");
    assert_eq!(redactor.text(&format!("{document}.")), "<redacted>.");
}

#[test]
fn lines_that_say_nothing_are_no_needles() {
    let redactor = redactor(&[b"{\n  \"key\": \"abcdefgh\"\n  }\n}\n--------\n"]);
    assert_eq!(redactor.text("{ } -------- \"key\":\n}\n"), "{ } -------- \"key\":\n}\n");
    assert_eq!(redactor.text("{\n\"key\": \"abcdefgh\"\n}."), "{\n<redacted>\n}.");
    let compact = redactor.text("{\"key\": \"abcdefgh\"}.");
    assert_eq!(compact, "{<redacted>}.");
}

#[test]
fn trimmed_as_a_shell_does() {
    let redactor = redactor(&[b"  hunter2hunter2\r\n\n"]);
    assert_eq!(redactor.text("<hunter2hunter2>"), "<<redacted>>");
    assert_eq!(redactor.text(&STANDARD.encode("hunter2hunter2")), MARK);
    assert_eq!(redactor.text("\n  hunter2hunter2\r\n\n."), "\n<redacted>.");
}

#[test]
fn an_indented_value_after_a_line_break_is_found() {
    assert_eq!(redactor(&[b" indented-value"]).text("\n indented-value\n"), "\n<redacted>\n");
    assert_eq!(redactor(&[b"\n\n\n\n\n\n\n\n"]).text("a\n\n\n\n\n\n\n\nb"), "a<redacted>b");
}

#[test]
fn as_shells_write_it() {
    let redactor = redactor(&[b"it's $5 & \"more\"!"]);
    for form in [
        r#"it\'s\ \$5\ \&\ \"more\"\!"#,
        r#"it'\''s $5 & "more"!"#,
        r#"it'"'"'s $5 & "more"!"#,
        r#"it's \$5 & \"more\"!"#,
        r#"it\'s $5 & "more"!"#,
        r"it%27s%20%245%20%26%20%22more%22%21",
        r"it's%20%245%20%26%20%22more%22!",
        r"it%27s+%245+%26+%22more%22%21",
        r#"it's $5 \u0026 \"more\"!"#,
        r"it\u0027s $5 \u0026 \u0022more\u0022!",
    ] {
        assert_eq!(redactor.text(&format!("({form})")), "(<redacted>)", "{form}");
    }
}

#[test]
fn as_python_and_node_write_it() {
    let redactor = redactor(&["p@ss wörd/'z\\n\u{1f600}".as_bytes()]);
    for form in [
        r"p@ss w\xf6rd/\'z\\n\U0001f600",
        r"p@ss w\xc3\xb6rd/'z\\n\xf0\x9f\x98\x80",
        r"p@ss w\\u00f6rd/'z\\\\n\\ud83d\\ude00",
        "70 40 73 73 20 77 c3 b6 72 64 2f 27 7a 5c 6e f0 9f 98 80",
        "70:40:73:73:20:77:C3:B6:72:64:2F:27:7A:5C:6E:F0:9F:98:80",
    ] {
        assert_eq!(redactor.text(&format!("({form})")), "(<redacted>)", "{form}");
    }
}

#[test]
fn bytes_that_are_not_utf_8() {
    let value = b"\xff\xfe\x00\x80binary\xc3";
    let redactor = redactor(&[value]);
    assert_eq!(redactor.bytes(&[b"\xc3", &value[..], b"\xa9"].concat()).as_bytes(), b"\xc3<redacted>\xa9");
    assert_eq!(redactor.text("fffe008062696e617279c3"), MARK);
    assert_eq!(redactor.text(r"\xff\xfe\x00\x80binary\xc3"), MARK);
    assert_eq!(
        redactor.text(&String::from_utf8_lossy(value)),
        "\u{fffd}\u{fffd}\0\u{fffd}binary\u{fffd}",
        "too little"
    );
    let longer = b"\xffenough-to-tell";
    assert_eq!(super::redactor(&[longer]).text(&String::from_utf8_lossy(longer)), MARK);
    assert_eq!(super::redactor(&[b"\xa9\xa9\xa9\xa9"]).text("é"), "é");
}

#[test]
fn a_value_of_64_kib() {
    let mut seed = 1u32;
    let mut byte = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"abcdefghijklmnopqrstuvwxyz \n/&"[(seed >> 24) as usize % 30]
    };
    let value: Vec<u8> = std::iter::once(b'x').chain((1..MAX_ESCAPED).map(|_| byte())).collect();
    let redactor = redactor(&[&value]);
    assert_eq!(redactor.bytes(&[b"A", &value[..], b"B"].concat()).as_bytes(), b"A<redacted>B");
    assert_eq!(redactor.text(&STANDARD.encode(&value)), MARK);
    let mut stream = redactor.stream();
    for byte in &value {
        assert!(stream.pending() < value.len());
        assert!(matches!(stream.push(&[*byte]).as_bytes(), b"" | b"<redacted>"));
    }
    assert!(stream.finish().as_bytes().len() <= MARK.len());
}

#[test]
fn a_prompt_is_shown_in_a_silence() {
    let mut stream = redactor(&[b"password"]).stream();
    assert_eq!(stream.push(b"enter pass").as_bytes(), b"enter ");
    assert!(stream.flush_safe().as_bytes().is_empty());
    assert_eq!(stream.push(b": pas").as_bytes(), b"pass: ");
    assert_eq!(stream.flush_safe().as_bytes(), b"pas");
    assert_eq!(stream.push(b"sword").as_bytes(), MARK.as_bytes());
    assert_eq!(stream.pending(), 0);
}

#[test]
fn the_beginning_of_a_value_at_the_end_is_masked() {
    let redactor = redactor(&[b"ghp_16C7e42F292c6912", b"-----BEGIN KEY-----\nabcdefgh"]);
    assert_eq!(redactor.text("token ghp_16C7e42F292c691"), "token <redacted>");
    assert_eq!(redactor.text("token ghp_\n\n"), "token <redacted>");
    assert_eq!(redactor.text("token ghp"), "token ghp");
    assert_eq!(redactor.text("Z2hwXzE2QzdlNDJGMjky"), "<redacted>", "base64");
    assert_eq!(redactor.text("------\n-----"), "------\n-----", "a line of dashes says nothing");
    assert_eq!(redactor.text("-----BEGIN"), "<redacted>");
    let mut stream = redactor.stream();
    assert_eq!(stream.push(b"ghp").as_bytes(), b"");
    assert_eq!(stream.flush_safe().as_bytes(), b"ghp");
    assert_eq!(stream.push(b"_16C7e42F292c691").as_bytes(), b"");
    assert_eq!(stream.finish().as_bytes(), MARK.as_bytes());
}

#[test]
fn what_was_cut_loses_the_beginning_of_a_value() {
    let redactor = redactor(&[b"ghp_16C7e42F292c6912"]);
    for (cut, left) in
        [("a ghp_16C7e42F292c691", "a "), ("a ghp_16C7e42F292c6912", "a ghp_16C7e42F292c6912"), ("a", "a")]
    {
        let count = redactor.cut_value(&cut.as_bytes().to_vec().into());
        assert_eq!(&cut[..cut.len() - count], left, "{cut}");
    }
}

#[test]
fn endless_line_breaks_are_not_held() {
    let mut stream = redactor(&[b"password"]).stream();
    stream.push(b"passw");
    for _ in 0..1000 {
        stream.push(b"\n ");
        assert!(stream.pending() <= 5 + MAX_GAP);
    }
    assert_eq!(stream.pending(), 0);
}

#[test]
fn nothing_about_a_value_is_in_debug() {
    let redactor = redactor(&[b"hunter2hunter2"]);
    let mut stream = redactor.stream();
    stream.push(b"hunter2hun");
    assert!(!format!("{redactor:?} {stream:?}").contains("hunter"), "{redactor:?} {stream:?}");
    assert!(format!("{redactor:?}").starts_with("Redactor { needles: "));
}

#[test]
fn needles_do_not_multiply() {
    let mut needles = Needles::default();
    needles.add(b"ghp_16C7e42F292c6912E7710c838347Ae178B4a", 0);
    assert!(needles.verbatim.is_empty());
    assert!(needles.folded.len() < 32, "{}", needles.folded.len());
}

#[test]
fn colours_and_characters_without_a_width_hide_nothing() {
    let value = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let redactor = redactor(&[value.as_bytes()]);
    for between in [
        "\x1b[01;31m\x1b[K",
        "\x1b[38;5;196m",
        "\x1b[1;4;38;2;10;20;30m",
        "\x1b(B",
        "\x1b]0;title\x07",
        "\x1b]8;;https://example.org/a\x1b\\",
        "\u{200b}",
        "\u{200d}",
        "\u{2060}",
        "\u{feff}",
        "\u{ad}",
        "\u{202c}",
        "\u{fe0f}",
        "\u{85}",
        "\0",
        "\x07",
        "\x7f",
        "\r",
        "\n\t ",
        " ",
    ] {
        for text in [value.to_owned(), STANDARD.encode(value)] {
            let spread: Vec<String> = text.chars().map(String::from).collect();
            let text = format!("a|{}|b", spread.join(between));
            assert_eq!(redactor.text(&text), "a|<redacted>|b", "{between:?}");
            let mut stream = redactor.stream();
            let mut out: Vec<u8> = text.bytes().flat_map(|byte| stream.push(&[byte]).into_bytes()).collect();
            out.extend(stream.finish().into_bytes());
            assert_eq!(out, b"a|<redacted>|b", "{between:?} byte by byte");
        }
    }
    let bold: String = value.chars().map(|c| format!("{c}\x08{c}")).collect();
    assert!(redactor.text(&bold).ends_with("<redacted>"), "{:?}", redactor.text(&bold));
    assert!(!redactor.text(&bold).contains("16C7"));
    let underlined: String = value.chars().map(|c| format!("_\x08{c}")).collect();
    assert_eq!(redactor.text(&underlined), "_\x08<redacted>");
}

#[test]
fn what_a_backspace_brings_back_was_not_shown() {
    let redactor = redactor(&[b"a\nbcdefgh\nc"]);
    for text in ["=ab!\x08cdefghc=", "00000000: 6768 705f 3136  ghp_16\nA\x08", "abcd\x1b[mX\x08efghc"] {
        let mut stream = redactor.stream();
        let mut out: Vec<u8> = text.bytes().flat_map(|byte| stream.push(&[byte]).into_bytes()).collect();
        out.extend(stream.finish().into_bytes());
        assert_eq!(str::from_utf8(&out).unwrap(), &*redactor.text(text));
    }
    assert_eq!(redactor.text("=ab!\x08cdefghc="), "=<redacted>=");
}

#[test]
fn a_value_with_spaces_is_found_wherever_it_is_wrapped() {
    let redactor = redactor(&[b"Zsb IULiAP 3fN PCq4lC"]);
    assert_eq!(redactor.text("(Zsb IUL\n\t iAP 3f\n\tN PCq4l\n\tC)"), "(<redacted>)");
    assert_eq!(redactor.text("(Zsb\nIULiAP\n 3fN PCq4lC)"), "(<redacted>)");
}

#[test]
fn hexadecimal_of_many_lines_is_found() {
    let value = b"ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let redactor = redactor(&[value]);
    let bytes: Vec<String> = value.iter().map(|byte| format!("{byte:02x}")).collect();
    let od: Vec<String> = bytes.chunks(16).map(|line| format!(" {}", line.join(" "))).collect();
    assert_eq!(redactor.text(&format!("{}\n.", od.join("\n"))), " <redacted>\n.");
    assert_eq!(redactor.text(&format!("0x{}.", bytes.join(", 0x"))), "0x<redacted>.");
}
