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

#[tokio::test]
async fn wrong_calls_are_refused_before_the_host_sees_them() {
    for (call, message) in [
        ("sh()", "sh wants a string or a list of arguments, got nothing (nil)"),
        ("sh(3)", "sh wants a string or a list of arguments, got a number"),
        ("sh('')", "the command of sh is empty"),
        ("sh({})", "the list of arguments of sh is empty"),
        ("sh({''})", "the program of sh is empty"),
        ("sh({'a', {}})", "argument 2 of sh wants a string or a number, got a table"),
        ("sh('a\\0b')", "a command of sh must not have a NUL byte"),
        ("sh({'a', 'b\\0'})", "a command of sh must not have a NUL byte"),
        ("sh('a', 3)", "the options of sh are a table, got a number"),
        ("sh('a', {tiemout = 3})", "unknown option `tiemout` of sh; did you mean `timeout`?"),
        (
            "sh('a', {xyzzy = 3})",
            "unknown option `xyzzy` of sh; it has `env` `cwd` `input` `timeout` `name` `check`",
        ),
        ("sh('a', {'x'})", "the options of sh have names, got a number as a key"),
        ("sh('a', {env = 3})", "`:env` of sh wants a table of strings, got a number"),
        ("sh('a', {env = {A = {}}})", "`:env` of sh wants a string for `A`, got a table"),
        ("sh('a', {env = {['A=B'] = 'x'}})", "`:env` of sh: `A=B` cannot be the name of a variable"),
        ("sh('a', {env = {A = '\\0'}})", "`:env` of sh: the value of `A` must not have a NUL byte"),
        ("sh('a', {cwd = 3})", "`:cwd` of sh wants a string of UTF-8, got a number"),
        ("sh('a', {input = {}})", "`:input` of sh wants a string, got a table"),
        ("sh('a', {check = 'no'})", "`:check` of sh wants true or false, got a string"),
        (
            "sh('a', {timeout = {}})",
            "`:timeout` of sh wants a time such as \"5m\" or a number of seconds, got a table",
        ),
        ("sh('a', {timeout = 0})", "`:timeout` of sh is 0 seconds, which is no time to wait"),
        ("sh('a', {timeout = 0/0})", "`:timeout` of sh is NaN seconds, which is no time to wait"),
        ("sh('a', {timeout = '0s'})", "`:timeout` of sh is no time at all"),
        (
            "sh('a', {timeout = 'soon'})",
            "`:timeout` of sh: `soon` is not a duration: write it as \"90s\", \"5m\" or \"1h30m\"",
        ),
        ("secret(3)", "secret wants a name, got a number"),
        ("j['read-file']()", "read-file wants the path of a file as a string of UTF-8, got nothing (nil)"),
        ("j['read-file']('')", "the path of read-file is empty"),
        ("j['write-file']('a\\0', 'b')", "the path of write-file must not have a NUL byte"),
        ("j['write-file']('a')", "write-file wants a string to write, got nothing (nil)"),
    ] {
        let bench = Bench::job(&format!("local ok, e = pcall(function() {call} end) log(e) {call}")).await;
        assert!(matches!(bench.run("t").await, JobEnd::Failed(_)), "{call}");
        assert_eq!(bench.host.lines(), [message], "{call}");
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
async fn secrets_are_plain_strings_for_the_script() {
    assert_eq!(end_of("return secret('token') == 's3cret' or error('x')").await, JobEnd::Passed);
}
