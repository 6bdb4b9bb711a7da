//! What `sh`, `read-file` and `write-file` ask of the host, and what they refuse.

use std::time::Duration;

use quire::script::{Command, JobEnd};

use super::fake_host::{Bench, end_of, script_error};

#[tokio::test]
async fn a_call_reaches_the_host_as_it_was_meant() {
    let bench = Bench::job(
        "sh('make')
         sh({'make', '-j', 4, '\\255'}, {env = {B = 'x', A = 1}, cwd = 'sub', input = '\\0', timeout = '5m',
            name = 'build', check = false})
         sh('make', {timeout = 1.5}, '\\1@77:1:0-0')
         sh('make', '\\1@78:1:0-0')",
    )
    .await;
    assert_eq!(bench.run("t").await, JobEnd::Passed);
    let plain = bench.host.call(0);
    assert_eq!(plain.command, Command::Shell(b"make".to_vec()));
    assert_eq!((plain.env, plain.cwd, plain.input, plain.timeout), (vec![], None, None, None));
    assert_eq!((plain.name, plain.check, plain.line), (None, None, Some(1)));
    let full = bench.host.call(1);
    let argv = [b"make".as_slice(), b"-j", b"4", b"\xff"].map(<[u8]>::to_vec).to_vec();
    assert_eq!(full.command, Command::Argv(argv));
    assert_eq!(full.env, [("A".into(), b"1".to_vec()), ("B".into(), b"x".to_vec())]);
    assert_eq!((full.cwd.as_deref(), full.input.as_deref()), (Some("sub"), Some(b"\0".as_slice())));
    assert_eq!((full.timeout, full.name.as_deref()), (Some(Duration::from_secs(300)), Some("build")));
    assert_eq!((full.check, full.line), (Some(false), Some(2)));
    let seconds = bench.host.call(2);
    assert_eq!((seconds.timeout, seconds.line), (Some(Duration::from_millis(1500)), Some(77)));
    assert_eq!(bench.host.call(3).line, Some(78));
}

/// Calls, and what is wrong with each.
const WRONG: &[(&str, &str)] = &[
    ("sh()", "`sh`: expected a string or a list of arguments, got nothing"),
    ("sh(3)", "`sh`: expected a string or a list of arguments, got the number 3"),
    ("sh('')", "`sh`: the command is empty"),
    ("sh({})", "`sh`: the list of arguments has no program"),
    ("sh({''})", "`sh`: the list of arguments has no program"),
    ("sh({'a', {}})", "`sh`: expected a string or a number, got a table"),
    ("sh('a\\0b')", "`sh`: a command must not have a NUL byte"),
    ("sh({'a', 'b\\0'})", "`sh`: a command must not have a NUL byte"),
    (
        "sh('a', 3)",
        "the options of `sh`: expected a table, got the number 3; a command is one string or one list; options are a table such as `{:timeout \"5m\"}`",
    ),
    ("sh('a', {tiemout = 3})", "unknown option `:tiemout` of `sh`; did you mean `:timeout`?"),
    (
        "sh('a', {xyzzy = 3})",
        "unknown option `:xyzzy` of `sh`; options are :env :cwd :input :timeout :name :check",
    ),
    (
        "sh('a', {'x'})",
        "the options of `sh`: expected a table, got a list; a command is one string or one list; options are a table such as `{:timeout \"5m\"}`",
    ),
    ("sh('a', {[20] = 'x'})", "expected the name of an option, got the number 20"),
    ("sh('a', {env = 3})", "`:env` of `sh`: expected a table, got the number 3"),
    ("sh('a', {env = {A = {}}})", "`:env` of `sh`: `A`: expected a string or a number, got a table"),
    ("sh('a', {env = {['A=B'] = 'x'}})", "`:env` of `sh`: `A=B` cannot be the name of a variable"),
    ("sh('a', {env = {A = '\\0'}})", "`:env` of `sh`: `A`: the value must not have a NUL byte"),
    ("sh('a', {cwd = 3})", "`:cwd` of `sh`: expected a string, got the number 3; put it in quotes: `\"3\"`"),
    ("sh('a', {input = {}})", "`:input` of `sh`: expected a string, got a table"),
    ("sh('a', {check = 'no'})", "`:check` of `sh`: expected `true` or `false`, got a string"),
    (
        "sh('a', {timeout = {}})",
        "`:timeout` of `sh`: expected a duration such as \"5m\" or a number of seconds, got a table",
    ),
    ("sh('a', {timeout = 0})", "`:timeout` of `sh`: a duration must be more than 0 and at most 100 years"),
    ("sh('a', {timeout = 0/0})", "`:timeout` of `sh`: a duration must be more than 0 and at most 100 years"),
    (
        "sh('a', {timeout = 1e300})",
        "`:timeout` of `sh`: a duration must be more than 0 and at most 100 years",
    ),
    ("sh('a', {timeout = '0s'})", "`:timeout` of `sh`: a duration must be more than 0 and at most 100 years"),
    (
        "sh('a', {timeout = 'soon'})",
        "`:timeout` of `sh`: `soon` is not a duration: write it as \"90s\", \"5m\" or \"1h30m\"",
    ),
    ("secret(3)", "`secret`: expected a name, got the number 3"),
    ("j['read-file']()", "`read-file`: expected the path of a file, got nothing"),
    ("j['read-file']('')", "`read-file`: the path is empty"),
    ("j['write-file']('a\\0', 'b')", "`write-file`: the path must not have a NUL byte"),
    ("j['write-file']('a')", "`write-file`: expected a string to write, got nothing"),
    ("artifact(3)", "`artifact`: expected the path of a file, a folder or a pattern, got the number 3"),
    (
        "artifact('a', {['keep-days'] = 0})",
        "`:keep-days` of `artifact`: expected a whole number from 1 to 3650, got the number 0",
    ),
    ("artifact('a', {as = {}})", "`:as` of `artifact`: expected a string, got a table"),
    ("artifact('missing')", "the file `missing` does not exist"),
];

#[tokio::test]
async fn wrong_calls_are_refused_before_the_host_sees_them() {
    for (call, message) in WRONG {
        let bench = Bench::job(&format!("local ok, e = pcall(function() {call} end) log(e) {call}")).await;
        assert!(matches!(bench.run("t").await, JobEnd::Failed(_)), "{call}");
        assert_eq!(bench.host.lines(), [*message], "{call}");
        assert_eq!(bench.host.count(), 0);
        assert_eq!(
            script_error(&format!("\n{call}")).await.to_string(),
            format!(".quire/ci.fnl:2: {message}")
        );
    }
}

#[tokio::test]
async fn files_are_read_and_written() {
    let bench = Bench::job(
        "assert(j['write-file']('a', '\\0\\255') == true) return _G['read-file']('a') == '\\0\\255'",
    )
    .await;
    assert_eq!(bench.run("t").await, JobEnd::Passed);
    assert_eq!(bench.vm.outputs_json("t").unwrap().unwrap(), serde_json::json!(true));
    let error = script_error("\n local x = _G['read-file']('b')").await;
    assert_eq!((error.message.as_str(), error.line), ("could not read b: not found", Some(2)));
}

#[tokio::test]
async fn an_artifact_gives_a_list_of_what_was_kept() {
    let bench = Bench::job(
        "local kept = artifact('a/b', {as = 'c'}) return {#kept, kept[1].name, kept[1].size, kept[1].sha256}",
    )
    .await;
    assert_eq!(bench.run("t").await, JobEnd::Passed);
    assert_eq!(bench.vm.outputs_json("t").unwrap().unwrap(), serde_json::json!([1, "c", 3, "abc"]));
}

#[tokio::test]
async fn secrets_are_plain_strings_for_the_script() {
    assert_eq!(end_of("return secret('token') == 's3cret' or error('x')").await, JobEnd::Passed);
}
