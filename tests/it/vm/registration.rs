//! What `ci.job` keeps, right and wrong.

use quire::schema::{Node, Value};
use quire::script::{InputRef, MAX_JOBS, Problem, Registration};

use super::fake_host::{Bench, evaluate, script_error};

async fn jobs(text: &str) -> Vec<Registration> {
    evaluate(&format!("local ci = require('quire.ci')\n{text}")).await.unwrap()
}

fn name(name: &str) -> InputRef {
    InputRef::Name(name.into())
}

#[tokio::test]
async fn both_calling_forms_declare_the_same() {
    for call in [
        "ci:job('test', {'quire/push', 'build'}, function() end)",
        "ci.job('test', {'quire/push', 'build'}, function() end)",
        "ci.job('test', {'quire/push', 'build'}, nil, function() end)",
    ] {
        let declared = jobs(call).await;
        assert_eq!(declared[0].options.value, Value::Table(vec![]));
        let expected = Registration {
            id: Some("test".into()),
            inputs: vec![name("quire/push"), name("build")],
            options: declared[0].options.clone(),
            has_run: true,
            spans: None,
            line: Some(2),
            file: Some(".quire/ci.fnl".into()),
            problems: vec![],
        };
        assert_eq!(declared, [expected], "{call}");
    }
}

#[tokio::test]
async fn options_and_spans_are_kept_as_they_are() {
    let declared = jobs(
        "local id = ci:job('a', {'b'}, {timeout = '5m', retry = {times = 3}, ['allow-failure'] = true, tiemout = 1.5,
           matrix = ci.matrix({})}, function() end, '\\1@3:0:10-20')
         assert(id == 'a')",
    )
    .await;
    assert_eq!(declared[0].spans.as_deref(), Some("\u{1}@3:0:10-20"));
    let options = declared[0].options.as_table().unwrap();
    let names: Vec<&str> = options.iter().map(|(key, _)| key.as_str().unwrap()).collect();
    assert_eq!(names, ["allow-failure", "matrix", "retry", "tiemout", "timeout"]);
    let of = |name: &str| -> &Node { declared[0].options.get(name).unwrap() };
    assert_eq!(of("matrix").value.kind(), "what `ci.matrix` made");
    assert_eq!(of("retry").get("times").unwrap().as_integer(1, 9).unwrap(), 3);
    assert_eq!((of("tiemout").as_text().unwrap().as_str(), of("timeout").as_str().unwrap()), ("1.5", "5m"));
    assert_eq!(declared[0].problems, []);
}

fn at(what: &str, argument: usize) -> Problem {
    Problem { what: what.into(), argument: Some(argument), item: None }
}

fn item(what: &str, item: usize) -> Problem {
    Problem { what: what.into(), argument: Some(1), item: Some(item) }
}

fn whole(what: &str) -> Problem {
    Problem { what: what.into(), argument: None, item: None }
}

#[tokio::test]
async fn mistakes_of_id_and_inputs_are_kept() {
    for (arguments, problems) in [
        ("'a', {'b'}", vec![]),
        ("3, {'b'}", vec![at("a job's id is a string, got the number 3", 0)]),
        ("'\\255', {'b'}", vec![at("a job's id is a string, got a string that is not UTF-8", 0)]),
        (
            "'a', 'quire/push'",
            vec![at("a job's inputs are a list of names, such as [:quire/push], got a string", 1)],
        ),
        ("'a', {}", vec![at("a job needs at least one input, such as :quire/push", 1)]),
        ("'a', {x = 1}", vec![at("a job's inputs are a list of names, got a table with keys", 1)]),
        ("'a', {'b', x = 1}", vec![at("a job's inputs are a list of names, got a table with keys", 1)]),
        ("'a', ci.cron('x')", vec![at("a job's inputs are a list: write [(ci.cron …)]", 1)]),
        (
            "'a', {'b', 4, ci.cron('0 3 * * *'), {}}",
            vec![
                item("an input is the id of a job or a source, got the number 4", 1),
                item("an input is the id of a job or a source, got a table", 3),
            ],
        ),
    ] {
        let declared = jobs(&format!("ci.job({arguments}, function() end)")).await;
        assert_eq!(declared[0].problems, problems, "{arguments}");
        assert!(declared[0].has_run);
    }
    let declared = jobs("ci.job('a', {'b', 4, ci.cron('x')}, function() end)").await;
    assert_eq!(declared[0].inputs, [name("b"), InputRef::Unreadable, InputRef::Planned("cron".into())]);
}

#[tokio::test]
async fn mistakes_of_options_and_function_are_kept() {
    for (arguments, has_run, problem) in [
        ("", false, whole("a job needs a function to run")),
        (", {}", false, whole("a job needs a function to run, got nothing")),
        (", {}, 3", false, at("a job needs a function to run, got the number 3", 3)),
        (
            ", 'run', '\\1@9'",
            false,
            at("a job's third argument is its options or its function, got a string", 2),
        ),
        (", function() end, {timeout = 1}", true, at("a job's options come before its function", 3)),
        (
            ", {}, function() end, 1, 2",
            true,
            whole("`ci.job` takes an id, inputs, options and a function, got 6 arguments"),
        ),
    ] {
        let declared = jobs(&format!("ci.job('a', {{'b'}}{arguments})")).await;
        assert_eq!(declared[0].problems, [problem], "{arguments}");
        assert_eq!(declared[0].has_run, has_run, "{arguments}");
    }
}

#[tokio::test]
async fn a_call_without_arguments_has_every_problem_at_once_and_does_not_raise() {
    let declared = jobs("ci.job()\nci:job()\nci.job('next', {'quire/push'}, function() end)").await;
    for (place, line) in [(0, 2), (1, 3)] {
        assert_eq!(declared[place].problems.len(), 3);
        assert_eq!((declared[place].id.as_ref(), declared[place].line), (None, Some(line)));
    }
    assert_eq!((declared.len(), declared[2].problems.len()), (3, 0));
}

#[tokio::test]
async fn ten_thousand_jobs_are_the_limit() {
    let read = async |count: usize| {
        let jobs = format!("for i = 1, {count} do ci.job('j' .. i, {{'quire/push'}}, function() end) end");
        let text = format!("local ci = require('quire.ci') {jobs}");
        Bench::new(&text).vm.evaluate().await
    };
    assert_eq!(read(MAX_JOBS).await.unwrap().len(), MAX_JOBS);
    let error = read(MAX_JOBS + 1).await.unwrap_err().to_string();
    assert_eq!(error, ".quire/ci.fnl:1: a pipeline has at most 10000 jobs");
}

#[tokio::test]
async fn a_job_cannot_declare_jobs() {
    let error = script_error("\n require('quire.ci').job('x', {'t'}, function() end)").await;
    assert_eq!(error.message, "`ci.job` works only while the pipeline is read, not inside a job");
    assert_eq!(error.line, Some(2));
}
