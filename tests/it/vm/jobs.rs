//! Jobs as coroutines: their context, their inputs, their outputs, and that they run at the same time.

use quire::schema::PRIMITIVES;
use quire::script::{JobEnd, JobFailure, JobInput};
use serde_json::json;

use super::fake_host::{Bench, end_of, evaluate, script_error};

#[tokio::test]
async fn primitives_are_reached_by_the_parameter_and_by_name() {
    let bench =
        Bench::job("local sh = j.sh sh('out 1') _G.sh('out 2') return _G['base64-decode']('aGk=')").await;
    assert_eq!(bench.run("t").await, JobEnd::Passed);
    assert_eq!(bench.host.count(), 2);
    assert_eq!(bench.vm.outputs_json("t").unwrap().unwrap(), json!("hi"));
}

#[tokio::test]
async fn the_event_and_the_outputs_of_jobs_are_inputs() {
    let bench = Bench::read(
        "ci.job('a', {'quire/push'}, function(j)
           local push = j.inputs['quire/push']
           assert(push == jobs('quire/push') and push.sha == 'abc' and push['previous-sha'] == nil)
           assert(#push['files-changed'] == 2)
           return {f = 'as is', list = {}}
         end)
         ci.job('b', {'a', 'c'}, function(j)
           assert(jobs('c') == nil and j.inputs.c == nil)
           j.inputs.a = nil
           return jobs('a').f
         end)",
    )
    .await;
    assert_eq!(bench.run("a").await, JobEnd::Passed);
    let inputs = vec![("a".into(), JobInput::Job), ("c".into(), JobInput::Job)];
    assert_eq!(bench.vm.run_job("b", inputs).await, JobEnd::Passed);
    assert_eq!(bench.vm.outputs_json("b").unwrap().unwrap(), json!("as is"));
    assert!(bench.vm.outputs_json("c").is_none());
}

#[tokio::test]
async fn a_job_that_returns_what_no_other_can_get_fails_and_has_no_output() {
    for (body, problem) in [
        ("return {a = {f = print}}", "`a.f` is a function, which JSON cannot hold"),
        ("return print", "the value is a function, which JSON cannot hold"),
        ("return j", "is a function, which JSON cannot hold"),
        ("local t = {} t.a = {t} return t", "`a[1]` contains itself"),
        ("return {rate = 0/0}", "`rate` is NaN, which is not a number in JSON"),
        ("return 1/0", "the value is inf, which is not a number in JSON"),
        ("return {[true] = 1}", "the value has the key true"),
    ] {
        let bench = Bench::job(body).await;
        let JobEnd::Failed(failure) = bench.run("t").await else { panic!("{body}") };
        let text = failure.to_string();
        assert!(text.starts_with("the job returned a value that other jobs cannot get: "), "{text}");
        assert!(text.contains(problem), "{text}");
        assert!(bench.vm.outputs_json("t").is_none(), "{body}");
    }
    for body in ["return '\\255'", "local t = {} for _ = 1, 200 do t = {t} end return t"] {
        assert_eq!(end_of(body).await, JobEnd::Passed, "{body}");
    }
}

#[tokio::test]
async fn an_input_that_is_not_there_is_an_error_with_a_suggestion() {
    let error = script_error("\nlocal x = jobs('quire/psuh')").await;
    assert_eq!(error.message, "`quire/psuh` is no input of `t`; did you mean `:quire/push`?");
    assert_eq!((error.file.as_deref(), error.line), (Some(".quire/ci.fnl"), Some(2)));
    assert!(script_error("local x = jobs()").await.message.contains("got nothing"));
    let bench = Bench::read(
        "ci.job('build', {'quire/push'}, function() end)
         ci.job('ship', {'build'}, function(j) return j.inputs['quire/push'].sha end)
         ci.job('also', {'build'}, function(j) return j.inputs.ship.x end)",
    )
    .await;
    for (job, message) in [
        ("ship", "`quire/push` is no input of `ship`: write `[:build :quire/push]`"),
        ("also", "`ship` is no input of `also`: write `[:build :ship]`"),
    ] {
        let end = bench.vm.run_job(job, vec![("build".into(), JobInput::Job)]).await;
        let JobEnd::Failed(JobFailure::Script(error)) = end else { panic!("{end:?}") };
        assert_eq!(error.message, message);
    }
}

#[tokio::test]
async fn a_field_that_a_table_of_quire_never_has_is_an_error_and_an_absent_one_is_nil() {
    for (body, message) in [
        ("return j.shell", "the table of a job has no field `shell`; did you mean `sh`?"),
        (
            "return j.inputs['quire/push'].brnach",
            "`:quire/push` has no field `brnach`; did you mean `branch`?",
        ),
        ("return jobs('quire/push').commit", "`:quire/push` has no field `commit`; did you mean `sha`?"),
        ("return sh('out x').code", "the result of a step has no field `code`; did you mean `exit`?"),
        (
            "return sh('exit 3', {check = false}).rc",
            "the result of a step has no field `rc`; did you mean `exit`?",
        ),
        ("return sh('out x', {tiemout = 3})", "unknown option `:tiemout` of `sh`; did you mean `:timeout`?"),
    ] {
        let error = script_error(&format!("\n local x = (function() {body} end)() return x")).await;
        assert_eq!((error.message.as_str(), error.line), (message, Some(2)), "{body}");
    }
    for body in [
        "local p = j.inputs['quire/push'] assert(p.tag == nil and p['previous-sha'] == nil and p[1] == nil)",
        "local r = sh('out x') assert(r.signal == nil and r['timed-out'] == nil and #r == 0)",
        "local r = sh('exit 3', {check = false}) assert(r.truncated == nil)",
        "j.own = 1 j.inputs.own = 2 assert(j.own == 1 and j.inputs.own == 2)",
        "local r = sh('out x') r.note = 1 assert(r.note == 1 and not pcall(setmetatable, r, {}))",
    ] {
        assert!(matches!(end_of(body).await, JobEnd::Passed | JobEnd::Skipped), "{body}");
    }
}

#[tokio::test]
async fn jobs_that_do_not_wait_for_each_other_run_at_the_same_time() {
    let bench = Bench::read(
        "for _, name in ipairs {'a', 'b'} do
           ci.job(name, {'quire/push'}, function() sh('barrier') log(name) sh('exit 3') end)
         end",
    )
    .await;
    // Each waits in the host for the other.
    let (a, b) = tokio::join!(bench.run("a"), bench.run("b"));
    for end in [a, b] {
        assert!(matches!(end, JobEnd::Failed(JobFailure::Step(_))), "{end:?}");
    }
    let mut lines = bench.host.lines.lock().unwrap().clone();
    lines.sort();
    let line = |name: &str| (Some(name.to_owned()), name.to_owned());
    assert_eq!(lines, [line("a"), line("b")]);
}

#[tokio::test]
async fn primitives_belong_to_running_jobs_and_pure_ones_to_everybody() {
    for name in ["sh", "secret", "jobs", "log", "read-file", "write-file"] {
        let error = evaluate(&format!("local x = 1\nlocal y = _G['{name}']('x')")).await.unwrap_err();
        assert_eq!(error.to_string(), format!(".quire/ci.fnl:2: `{name}` works only inside a running job"));
    }
    let pure = "assert(hash('') == 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
        assert(base64('hi') == 'aGk=' and _G['json-encode']({1}) == '[1]') print('x')";
    assert_eq!(evaluate(pure).await.unwrap(), []);
}

#[tokio::test]
async fn planned_primitives_say_so() {
    for primitive in PRIMITIVES {
        let (name, Some(instead)) = (primitive.name, primitive.call.workaround()) else { continue };
        let expected = format!("`{name}` is not in this version of quire: {instead}");
        assert_eq!(script_error(&format!("local x = {name}('x')")).await.message, expected);
        assert_eq!(script_error(&format!("local x = j.{name}('x')")).await.message, expected);
        assert!(evaluate(&format!("{name}()")).await.unwrap_err().to_string().ends_with(&expected));
    }
}

#[tokio::test]
async fn errors_have_the_users_line_and_no_position_in_their_text() {
    for (body, message, line) in [
        ("\n local s = secret('tokn')", "secret `tokn` is not declared; there is `token`", 2),
        ("\n\n error('plain')", "plain", 3),
        ("\n local x = nil + 1", "attempt to perform arithmetic on a nil value", 2),
        ("\n error({code = 3})", "error value {\"code\":3}", 2),
        ("\n error()", "an error without a message (nil)", 2),
        ("\n error(setmetatable({}, {__tostring = function() return 'mine' end}))", "mine", 2),
        ("\n error(print)", "error value of type function", 2),
        ("\n error('\\255x')", "\u{fffd}x", 2),
        ("\n error(12)", "error value 12", 2),
        ("\n local t = {} t.t = t error(t)", "error value of type table", 2),
        ("\n sh('refuse')", "the host refuses this", 2),
        ("local function f()\n error('up', 2)\n end\n\n f()", "up", 5),
        ("\n assert(false, 'said')", "said", 2),
        ("\n return secret('tokn')", "secret `tokn` is not declared; there is `token`", 1),
        ("\n return secret('tokn', '\\1@41:2:9-9')", "secret `tokn` is not declared; there is `token`", 41),
    ] {
        let error = script_error(body).await;
        assert_eq!((error.message.as_str(), error.line), (message, Some(line)), "{body}: {error:?}");
        assert_eq!(error.file.as_deref(), Some(".quire/ci.fnl"), "{body}");
    }
}

#[tokio::test]
async fn a_trace_names_the_calls_that_led_to_an_error() {
    let error = script_error("local steps = require('lib.steps')\n steps.boom()\n log('x')").await;
    assert_eq!((error.message.as_str(), error.file.as_deref()), ("from lib", Some(".quire/lib/steps.lua")));
    let trace: Vec<String> = error.trace.iter().map(ToString::to_string).collect();
    assert_eq!(trace, [".quire/lib/steps.lua:3", ".quire/ci.fnl:2"]);
    assert_eq!(error.to_string(), ".quire/lib/steps.lua:3: from lib");
}

#[tokio::test]
async fn what_quire_could_not_do_is_not_the_scripts_to_catch() {
    let end = end_of("local ok, e = pcall(sh, 'break') assert(e == 'the host is broken', e) return 1").await;
    assert_eq!(end, JobEnd::Failed(JobFailure::Host("the host is broken".into())));
    let bench = Bench::job("").await;
    assert!(matches!(bench.run("nobody").await, JobEnd::Failed(JobFailure::Host(_))));
}

#[tokio::test]
async fn lines_of_log_and_print_are_split_and_tables_are_shown() {
    let bench = Bench::job("log('a\\nb\\n') print({x = 1}, 2, nil) log() log({print})").await;
    assert_eq!(bench.run("t").await, JobEnd::Passed);
    let lines = bench.host.lines();
    assert_eq!(lines[..4], ["a", "b", "{\"x\":1}\t2\tnil", ""]);
    assert!(lines[4].starts_with("table: "), "{lines:?}");
    let outside = Bench::read("print('while reading')").await;
    assert_eq!(outside.host.lines.lock().unwrap()[..], [(None, "while reading".to_owned())]);
}

#[tokio::test]
async fn a_text_of_too_many_lines_is_refused() {
    let bench = Bench::job("log(string.rep('\\n', 100000)) log(string.rep('\\n', 100001))").await;
    let JobEnd::Failed(failure) = bench.run("t").await else { panic!() };
    assert!(failure.to_string().ends_with("more than 100000 lines cannot be logged at once"), "{failure}");
    assert_eq!(bench.host.lines().len(), 100_000);
}

#[tokio::test]
async fn jobs_that_load_one_module_at_the_same_time_get_the_same() {
    let bench = Bench::read(
        "for _, name in ipairs {'a', 'b'} do
           ci.job(name, {'quire/push'}, function()
             first = first or require('lib.slow')
             assert(require('lib.slow') == first)
             return 1
           end)
         end",
    )
    .await;
    assert_eq!(tokio::join!(bench.run("a"), bench.run("b")), (JobEnd::Passed, JobEnd::Passed));
}

#[tokio::test]
async fn modules_are_found_by_name_once() {
    let body = "assert(require('lib.steps') == require('lib.steps')) return 1";
    assert_eq!(end_of(body).await, JobEnd::Passed);
    let error = script_error("local x = require('lib.setps')").await;
    assert_eq!(error.message, "no module is called `lib.setps`; did you mean `lib.steps`?");
    let error = script_error("local x = require('quire.ci').jbo").await;
    assert_eq!(error.message, "`quire.ci` has no member `jbo`; did you mean `job`?");
    let error = evaluate("local x = require('ci')").await.unwrap_err().to_string();
    assert_eq!(error, ".quire/ci.fnl:1: module `ci` requires itself");
    let error = evaluate("local x = = 1").await.unwrap_err().to_string();
    assert_eq!(error, ".quire/ci.fnl:1: unexpected symbol near '='");
}
