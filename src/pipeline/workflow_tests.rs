//! Workflow files: what they become, and what is wrong with them.

use proptest::prelude::*;

use super::*;
use crate::model::render_all;

fn file(text: &[u8]) -> SourceFile {
    SourceFile { path: "workflow/main.toml".to_owned(), text: text.to_vec() }
}

fn bundle(text: &str) -> Bundle {
    load(&file(text.as_bytes())).unwrap_or_else(|wrong| panic!("{text}\n{}", render_all(&wrong)))
}

/// `job(…)` lines of the entry, without their places.
fn jobs(text: &str) -> Vec<String> {
    let lua = bundle(text).entry.lua;
    let calls = lua.strip_prefix(JOB).unwrap().lines();
    calls.map(|line| line.split(", \"\\1@").next().unwrap().to_owned()).collect()
}

fn messages(list: &[Diagnostic]) -> Vec<String> {
    list.iter()
        .map(|one| format!("{} {}", one.place().replace("workflow/main.toml:", ""), one.message))
        .collect()
}

/// Place and message of every mistake; each has a hint.
fn mistakes(text: &[u8]) -> Vec<String> {
    let wrong = load(&file(text)).expect_err("a mistake");
    for mistake in &wrong {
        let is_about_bytes = mistake.message.starts_with("the file ");
        assert!(mistake.help.is_some() || is_about_bytes, "{mistake:?}");
    }
    messages(&wrong)
}

#[test]
fn tables_are_jobs_in_the_order_of_their_numbers() {
    let text = "[10]\nrun = 'c'\n[9]\nrun = 'b'\n[0]\nrun = \"make -j 4\"\n";
    assert_eq!(
        jobs(text),
        [
            "job(\"0\", \"quire/push\", { \"make\", \"-j\", \"4\" }",
            "job(\"9\", \"0\", { \"b\" }",
            "job(\"10\", \"9\", { \"c\" }",
        ]
    );
    assert_eq!(messages(&bundle(text).warnings), ["3:2 tables 1 to 8 are missing"]);
    assert_eq!(jobs("[007]\nrun = 'a'\n"), ["job(\"7\", \"quire/push\", { \"a\" }"]);
    assert_eq!(jobs("0 = { run = 'a' }\n1.run = 'b'").len(), 2);
    assert_eq!(jobs("[18446744073709551615]\nrun = 'a'").len(), 1);
}

#[test]
fn a_step_has_the_place_of_its_run() {
    let lua = bundle("\n[0]\nrun = 'a'\n\n[1]\nrun = '''\nb\nc'''\n").entry.lua;
    assert!(lua.contains("\"\\1@3:7:3:10|2:2:2:3;2:2:2:3[2:2:2:3]\", {})"), "{lua}");
    assert!(lua.contains("\"\\1@6:7:8:5|5:2:5:3;5:2:5:3[5:2:5:3]\", {})"), "{lua}");
}

#[test]
fn a_file_says_whether_a_newer_push_stops_its_jobs() {
    let text = "interruptible = true\n[0]\nrun = 'a'\n[1]\nrun = 'b'\ninterruptible = false\n";
    let lua = bundle(text).entry.lua;
    assert!(lua.contains("{ \"a\" }") && lua.contains("{ interruptible = true })"), "{lua}");
    assert!(lua.contains("{ interruptible = false })"), "{lua}");
    for (text, expected) in [
        ("interruptible = true\n", "the workflow has no table"),
        ("interruptible = 'no'\n[0]\nrun = 'a'\n", "expected `true` or `false`, got a string"),
        ("[0]\nrun = 'a'\ninteruptible = true\n", "unknown option `interuptible` of a table of a workflow"),
    ] {
        let wrong = load(&file(text.as_bytes())).unwrap_err();
        assert_eq!(wrong.first().unwrap().message, expected, "{text}");
    }
}

#[test]
fn skipped_numbers_and_shell_syntax_are_warned_of() {
    for (text, expected) in [
        ("[0]\nrun = 'a'\n[1]\nrun = 'b'", &[][..]),
        ("[1]\nrun = 'a'", &["1:2 table 0 is missing"]),
        (
            "[0]\nrun = 'a'\n[2]\nrun = 'b'\n[6]\nrun = 'c'",
            &["3:2 table 1 is missing", "5:2 tables 3 to 5 are missing"],
        ),
        ("[0]\nrun = 'make && make test'", &["2:13 no shell reads this: `&&` is only a part of a word"]),
        ("[0]\nrun = \"echo \\\"$HOME\\\"\"", &["2:7 no shell reads this: `$` is only a part of a word"]),
        (
            "[0]\nrun = \"\"\"\nmake\nmake test\n\"\"\"",
            &["3:5 no shell reads this: all lines are one command of `make`"],
        ),
        ("[0]\nrun = \"\"\"\nmake \\\n  test\n\"\"\"", &[]),
        ("[0]\nrun = \"sh -c 'make && make test > $OUT'\"", &[]),
        ("[0]\nrun = 'bash -lc \"echo $HOME\"'", &[]),
        (
            "[0]\nrun = 'bash -lc \"echo x\" > out'",
            &["2:26 no shell reads this: `>` is only a part of a word"],
        ),
        (
            "[0]\nrun = 'cd sub'",
            &["2:7 `cd` is for a shell: as a program it does nothing for other commands"],
        ),
        ("[0]\nrun = 'FOO=1 make'", &["2:7 no shell reads this: `FOO=1` is taken for the program"]),
        ("[0]\nrun = 'grep \\s x'", &["2:13 this backslash is left out, as a shell leaves it out"]),
    ] {
        assert_eq!(messages(&bundle(text).warnings), expected, "{text}");
    }
}

#[test]
fn every_mistake_of_a_file_is_reported_with_its_place() {
    let text = "run = 'make'
[build]
run = 'make'
[0]
rum = 'make'
timeout = 5
[1]
run = ['make', 'test']
[2]
run = ' '
[3]
run = \"echo 'it\"
[03]
run = 'make'
[[4]]
run = 'make'
[5]
run = \"'' x\"
[6]
run = 'a\\'
[99999999999999999999]
run = 'a'
[7.x]
run = 'a'
[8]
run = \"a \\u0000\"
[-1]
[\"a\\nb\"]
";
    assert_eq!(
        mistakes(text.as_bytes()),
        [
            "1:1 `run` is not a table",
            "2:2 the table `build` is not numbered",
            "5:1 unknown option `rum` of a table of a workflow",
            "6:1 unknown option `timeout` of a table of a workflow",
            "8:7 expected a string, got a list",
            "10:7 `run` is empty",
            "12:13 this quote is not closed",
            "13:2 there are two tables with the number `3`",
            "15:3 `4` is not a table",
            "17:2 table 4 is missing",
            "18:7 the program is empty",
            "20:9 nothing follows the backslash",
            "21:2 the number `99999999999999999999` is too large",
            "23:4 unknown option `x` of a table of a workflow",
            "26:7 the string must not have a NUL byte",
            "27:2 the table `-1` is not numbered",
            "28:2 the table `a\\nb` is not numbered",
        ]
    );
}

#[test]
fn invalid_toml_is_reported_with_the_mistakes_elsewhere() {
    for (text, expected) in [
        (
            "[0]\nrun = make\n[1]\nrun = 5",
            &["2:7 the value is not in quotes", "4:7 expected a string, got the number 5"][..],
        ),
        ("[0]\nrun = 'a'\n[0]\nrun = 'b'\nrun = 'c'", &["3:2 there are two tables with the number `0`"]),
        (
            "[0]\nrun = 'a'\nrun = 'b'\n[1]\nrun = 5\n[1]\n",
            &[
                "3:1 `run` is there twice",
                "5:7 expected a string, got the number 5",
                "6:2 there are two tables with the number `1`",
            ],
        ),
        ("[0\nrun = 'a'", &["1:3 unclosed table, expected `]`"]),
        ("[0]\nrun = 'a", &["2:7 this string is not closed"]),
        ("[0]\nrun 'a'\n", &["2:5 key with no value, expected `=`"]),
    ] {
        assert_eq!(mistakes(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn special_files() {
    for (text, expected) in [
        (&b""[..], "workflow/main.toml the workflow has no table"),
        (b"# later\n", "workflow/main.toml the workflow has no table"),
        (b"[0]\nrun = '\xe9'\n", "2:8 the file is not UTF-8 text"),
        (b"\xff\xfe[\x000\x00", "workflow/main.toml the file is UTF-16 text"),
    ] {
        assert_eq!(mistakes(text), [expected]);
    }
    let long = vec![b'#'; crate::script::source_text::MAX_SOURCE + 1];
    assert!(mistakes(&long)[0].contains("at most 1048576 are read"));
    assert_eq!(jobs("\u{feff}[0]\r\nrun = 'a'\r\n").len(), 1);
    let many = |count: usize| (0..count).map(|number| format!("[{number}]\nrun='a'\n")).collect::<String>();
    assert_eq!(jobs(&many(crate::script::MAX_JOBS)).len(), crate::script::MAX_JOBS);
    let over = mistakes(many(crate::script::MAX_JOBS + 1).as_bytes());
    assert_eq!(over, ["workflow/main.toml 10001 tables are more than the 10000 jobs of a pipeline"]);
    let empty: String = (0..60).map(|number| format!("[{number}]\n")).collect();
    let empty = mistakes(empty.as_bytes());
    assert_eq!((empty.len(), empty[50].as_str()), (51, "workflow/main.toml there are 10 more mistakes"));
}

#[test]
fn every_example_of_the_manual_is_a_workflow() {
    let page = include_str!("../../docs/workflows.md");
    let examples: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        assert_eq!(messages(&bundle(example).warnings), [] as [&str; 0], "{example}");
    }
    assert_eq!(
        jobs(page.split("```toml\n").nth(2).unwrap().split("```").next().unwrap())[0],
        "job(\"0\", \"quire/push\", { \"sh\", \"-c\", \"make test \\062 report.txt \\038\\038 tail -n 3 report.txt\" }"
    );
}

#[test]
fn literals_hold_any_bytes() {
    assert_eq!(literal("a-b c"), "\"a-b c\"");
    assert_eq!(literal("\"]]\\\n\0é"), "\"\\034\\093\\093\\092\\010\\000\\195\\169\"");
}

proptest! {
    #[test]
    fn lua_reads_the_words_that_were_written(words in proptest::collection::vec("\\PC{0,12}|[ -~\n\t]{0,12}", 1..5)) {
        let literals: Vec<String> = words.iter().map(|word| literal(word)).collect();
        let read: Vec<String> = mlua::Lua::new().load(format!("return {{ {} }}", literals.join(", "))).eval().unwrap();
        prop_assert_eq!(read, words);
    }

    #[test]
    fn no_text_is_too_much(text in "\\PC*|(\\[[0-9a]{1,2}\\]\n(run|x) ?= ?['\"\\[]?[a-z '\"\\\\]{0,9}['\"\\]]?\n){0,4}") {
        let _either = load(&file(text.as_bytes()));
    }
}
