//! The logs of jobs over HTTP.

use super::Forge;

/// Two steps with colours, a prompt, and a long line.
const STEPS: &str = r#"(ci:job :t [:quire/push] (fn []
  (sh "for i in 1 2 3; do echo line-$i; done; printf '\\033[31mred\\033[0m\\n'; head -c 100000 /dev/zero | tr '\\0' x; echo")
  (sh "echo second >&2")))"#;

#[test]
fn a_log_is_given_in_formats_ranges_and_compressed() {
    let forge = Forge::new();
    forge.push(STEPS, "-o ci.wait");
    let url = forge.url(1, "jobs/t/log");
    let text = forge.curl(&[&url]);
    let long = "x".repeat(100_000);
    assert_eq!(text, format!("line-1\nline-2\nline-3\nred\n{long}\nsecond\n"));
    assert!(forge.curl(&[&format!("{url}?format=ansi")]).contains("\u{1b}[31mred"));
    let lines = forge.curl(&[&format!("{url}?format=ndjson&step=2")]);
    assert!(lines.starts_with(r#"{"step":2,"attempt":1,"stream":"stderr","n":1,"time":""#), "{lines}");
    assert!(lines.ends_with("\"text\":\"second\"}\n"), "{lines}");
    let stamped = forge.curl(&[&format!("{url}?timestamps=1&step=1")]);
    assert!(
        stamped.starts_with("20") && stamped.contains("Z line-1\n") && !stamped.contains("second"),
        "{stamped}"
    );
    let packed = forge.shell(&format!("curl -sS -H 'Accept-Encoding: br, gzip' '{url}' | gzip -dc"));
    assert_eq!(packed, text);
    let size = text.len();
    for (range, expected) in [
        ("5-14", Some((5, 15))),
        ("-10", Some((size - 10, size))),
        ("20-", Some((20, size))),
        ("3-999999999", Some((3, size))),
        (&format!("{size}-"), None),
    ] {
        let answer = forge.curl(&["-i", "--compressed", "-H", &format!("Range: bytes={range}"), &url]);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        match expected {
            Some((begin, end)) => {
                assert!(head.starts_with("HTTP/1.1 206"), "{head}");
                assert!(head.contains(&format!("content-range: bytes {begin}-{}/{size}", end - 1)), "{head}");
                assert_eq!(body, &text[begin..end], "{range}");
            }
            None => assert!(
                head.starts_with("HTTP/1.1 416") && head.contains(&format!("content-range: bytes */{size}")),
                "{head}"
            ),
        }
    }
    let head = forge.curl(&["-i", "-r", "0-0", &url]);
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    assert!(forge.curl(&["-i", "-H", &format!("If-None-Match: {tag}"), &url]).starts_with("HTTP/1.1 304"));
    assert!(forge.curl(&["-i", "-H", "If-Range: \"x\"", "-r", "0-0", &url]).starts_with("HTTP/1.1 200"));
    for (query, status) in [
        ("?format=exe", "400"),
        ("?step=-1", "400"),
        ("?timestamps=yes", "400"),
        ("?follow=2", "400"),
        ("?x=1", "400"),
        ("?step=9", "404"),
        ("?attempt=9", "404"),
    ] {
        let answer = forge.curl(&["-i", &format!("{url}{query}")]);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{query}: {answer}");
    }
}

#[test]
fn a_log_is_followed_from_its_first_line_until_the_job_ends() {
    let mut forge = Forge::new();
    let go = forge.world.path().join("go");
    forge.push(
        &format!("(ci:job :t [:quire/push] (fn [] (sh \"echo begun; until [ -e {0} ]; do sleep 0.05; done; echo ended\")))
                  (ci:job :later [:t] (fn [] (sh \"sleep 60\")))", go.display()),
        "",
    );
    let url = forge.url(1, "jobs/t/log?follow=1");
    forge.world.background(&format!("curl -sSN --compressed --max-time 30 '{url}' >$T/log; touch $T/over"));
    let path = forge.world.path().to_owned();
    let log = || std::fs::read_to_string(path.join("log")).unwrap_or_default();
    assert!(forge.world.eventually(|_| log() == "begun\n"), "{}", log());
    assert!(!path.join("over").exists());
    std::fs::write(&go, "").unwrap();
    assert!(forge.world.eventually(|world| world.path().join("over").exists()), "the next job still runs");
    assert_eq!(log(), "begun\nended\n");
}

#[test]
fn a_large_log_is_sent_with_flat_memory() {
    let forge = Forge::new();
    forge.push_step("true", "-o ci.wait");
    let log = forge.world.path().join("data/runs/foo.git/1/log/t/1.log");
    let line = format!("2026-11-20T23:59:59.007Z stdout F {}\n", "y".repeat(1_000));
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::write(&log, line.repeat(60_000)).unwrap();
    let before = forge.peak_memory();
    let url = forge.url(1, "jobs/t/log");
    for options in ["", "--compressed"] {
        let counted = forge.shell(&format!("curl -sS {options} '{url}' | wc -c"));
        assert_eq!(counted.trim(), (60_000 * 1_001).to_string());
    }
    let grown = forge.peak_memory() - before;
    assert!(grown < 40 << 10, "{grown} KiB");
}

#[test]
fn ranges_of_a_large_log_are_formatted_from_a_near_place() {
    let forge = Forge::new();
    forge.push_step("true", "-o ci.wait");
    let log = forge.world.path().join("data/runs/foo.git/1/log/t/1.log");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    let line = |n: usize| format!("2026-11-20T23:59:59.007Z stdout F {n:08} {}\n", "y".repeat(991));
    std::fs::write(&log, (0..20_000).map(line).collect::<String>()).unwrap();
    let url = forge.url(1, "jobs/t/log");
    let whole = forge.curl(&[&url]);
    assert_eq!(whole.len(), 20_000 * 1_001);
    let ranges = [
        (0, 1),
        (4 << 20, 100),
        ((4 << 20) - 1, 2),
        (9_999_999, 3_000),
        (19_000_000, 2_000),
        (whole.len() - 1, 1),
    ];
    for _again in 0..2 {
        for (begin, length) in ranges {
            let part = forge.curl(&["-r", &format!("{begin}-{}", begin + length - 1), &url]);
            assert!(part == whole[begin..begin + length], "{begin} {length}");
        }
        assert!(forge.curl(&["-r", "-1500", &url]) == whole[whole.len() - 1500..]);
    }
    // Other formats and steps have places of their own.
    let json = forge.curl(&[&format!("{url}?format=ndjson")]);
    assert!(forge.curl(&["-r", "-200", &format!("{url}?format=ndjson")]) == json[json.len() - 200..]);
    assert!(forge.curl(&["-r", "-1500", &url]) == whole[whole.len() - 1500..]);
}
