//! `config.yaml`: every key, and every way to be wrong.

use std::fs;
use std::time::Duration;

use super::{discover, errors, job};
use crate::pipeline::folder::config::JobConfig;
use crate::pipeline::folder::*;
use crate::policy::Cpus;

fn read(config: &str) -> FolderJob {
    let folder = tempfile::tempdir().unwrap();
    job(folder.path(), "j", config);
    let found = discover(folder.path()).unwrap();
    found.find("j").unwrap_or_else(|| panic!("{config}: {:?}", found.errors)).clone()
}

fn problems(config: &str) -> Vec<String> {
    read(config).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_key_is_read() {
    let job = read(
        "version: 1\ninterpreter: python3  -u\nexecutor: PROC\nenv: {A: b, N: 1.50, M: -3, T: true, E: \"\"}\nenv_inheritance: true\n\
         timeout: 90\nerror_handling: {policy: retry, retries: 2, retry_backoff: 1m}\n\
         container: {image: alpine, resources: {cpu: 500m, memory: 64MiB}, network: bridge, rootfs_writable: true,\n  \
           capabilities: [NET_RAW], extra_args: [--x], entrypoint: [/bin/sh, -c]}\naliases: []\n",
    );
    assert!(job.problems.is_empty(), "{:?}", job.problems);
    let config = &job.config;
    assert_eq!(config.interpreter, Some(Interpreter::Program(vec!["python3".into(), "-u".into()])));
    assert_eq!(config.interpreter.as_ref().unwrap().to_string(), "python3 -u");
    assert_eq!((config.executor, config.env_inheritance), (Some(Executor::Process), true));
    let env: Vec<(&str, &str)> =
        config.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(env, [("A", "b"), ("E", ""), ("M", "-3"), ("N", "1.50"), ("T", "true")]);
    assert_eq!(config.timeout, Some(Duration::from_secs(90)));
    assert_eq!(config.errors, ErrorPolicy::Retry { retries: 2, backoff: Duration::from_secs(60) });
    let expected = ContainerConfig {
        image: Some("alpine".into()),
        cpus: Cpus::from_milli(500),
        memory: Some(64 << 20),
        network: Some("bridge".into()),
        rootfs_writable: true,
        capabilities: vec!["NET_RAW".into()],
        extra_args: vec!["--x".into()],
        entrypoint: vec!["/bin/sh".into(), "-c".into()],
    };
    assert_eq!(config.container, expected);
    let container = read("interpreter: container:registry:5000/a:1\n").config;
    assert_eq!((container.image(), container.is_container()), (Some("registry:5000/a:1"), true));
    assert_eq!(read("timeout: 5m\n").config.timeout, Some(Duration::from_secs(300)));
    assert_eq!(read("timeout: 0\n").config.timeout, None);
    assert_eq!(read("error_handling: {policy: continue}\n").config.errors, ErrorPolicy::Continue);
    // A key without a value says nothing.
    let empty = read("job:\ninterpreter:\nenv:\ncontainer:\nargspec: {args: }\nsteps:\n");
    assert_eq!((&**empty.config, empty.problems.len()), (&JobConfig::default(), 0));
}

#[test]
fn unknown_keys_are_reported_and_the_job_can_run() {
    let text = "interpretor: bash\ncontainer: {netwrok: none}\nargspec: {args: [{name: a, requird: true}]}\nwhatever: {}\n";
    let job = read(text);
    let shown: Vec<String> = job.problems.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 4, "{shown:?}");
    assert_eq!(shown[0], "1:1: unknown option `interpretor` of `config.yaml`; did you mean `interpreter`?");
    assert_eq!(shown[1], "2:13: unknown option `netwrok` of `container`; did you mean `network`?");
    assert!(shown[2].contains("`requird` of an argument; did you mean `required`?"), "{shown:?}");
    assert!(job.usable().is_ok());
}

#[test]
fn wrong_values_are_all_found_with_their_places_and_the_job_cannot_run() {
    let text = "interpreter: [bash]\nexecutor: contaner\ntimeout: soon\nenv: {A: [1], \"B=\": 1}\nenv_inheritance: 3\n\
                error_handling: {policy: retyr, retries: -1}\ncontainer: {resources: {cpu: lots}, network: {}}\ncomposition: stages\n";
    let job = read(text);
    let shown: Vec<String> = job.problems.iter().map(ToString::to_string).collect();
    for (place, part) in [
        "1:14: expected a string, got a list",
        "2:11: unknown executor `contaner`; did you mean `container`?",
        "3:10: `soon` is not a duration",
        "4:10: expected a string or a number, got a list",
        "4:15: `B=` cannot be the name of a variable",
        "5:18: expected `true` or `false`, got the number 3",
        "6:26: expected `abort`, `continue` or `retry`, got `retyr`; did you mean `retry`?",
        "6:42: expected a whole number from 0 to 100, got the number -1",
        "7:30: `lots` is not a number of processors",
        "7:46: expected a string, got a mapping",
        "8:14: expected `steps` or `scripts`, got `stages`",
    ]
    .iter()
    .enumerate()
    {
        assert!(shown[place].starts_with(part), "{part}: {shown:#?}");
    }
    assert_eq!(shown.len(), 11, "{shown:#?}");
    assert!(job.usable().is_err());
}

#[test]
fn what_is_not_plain_yaml_is_one_clear_error_and_hides_no_other_job() {
    let bomb = (1..40).map(|n| format!("k{n}: &a{n} [*a{m}, *a{m}]\n", m = n - 1)).collect::<String>();
    for (text, expected) in [
        ("a: &a [1]\nb: *a\n".into(), "2:4: parse yaml: aliases are not read here"),
        (format!("k0: &a0 [x]\n{bomb}"), "2:10: parse yaml: aliases are not read here"),
        (
            "interpreter: bash\ninterpreter: sh\n".into(),
            "2:1: parse yaml: the key `interpreter` is here already",
        ),
        (
            "job:\n\tid: x\n".into(),
            "2:1: parse yaml: invalid YAML: a tab is no indentation; indent with spaces",
        ),
        ("a: [1, 2\n".into(), "parse yaml: invalid YAML"),
        ("{}\n---\n{}\n".into(), "another one"),
        ("a: !!python/object:os.system x\n".into(), "tags are not read here"),
        (format!("a: {}\n", "[".repeat(100)), "nested more than"),
        (format!("a: {}\n", "[".repeat(5000)), "recursion limit exceeded"),
        ("x".repeat(10 << 20), "larger than 65536 bytes"),
        ("a: b\n".repeat(13_000), "2:1: parse yaml: the key `a` is here already"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        job(folder.path(), "good", "");
        job(folder.path(), "bad", &text);
        let began = std::time::Instant::now();
        let found = discover(folder.path()).unwrap();
        assert!(began.elapsed() < Duration::from_secs(5), "{expected}: {:?}", began.elapsed());
        assert_eq!(found.jobs.len(), 1, "{expected}");
        let errors = errors(&found);
        assert!(errors.len() == 1 && errors[0].contains(expected), "{expected}: {errors:?}");
        assert!(found.unreadable(&["BAD"]).is_some() && found.unreadable(&["good"]).is_none());
    }
    let folder = tempfile::tempdir().unwrap();
    job(folder.path(), "bad", "");
    fs::write(folder.path().join("bad/config.d/config.yaml"), b"\x7fELF\0\xff\xfe").unwrap();
    assert!(errors(&discover(folder.path()).unwrap())[0].ends_with("the file is not UTF-8 text"));
    for text in ["- a\n", "just text\n"] {
        assert_eq!(problems(text).len(), 1, "{text}");
    }
}

#[test]
fn steps_come_after_those_that_they_need() {
    let job = read(
        "composition: steps\nexecutor: container\ncontainer: {image: a, network: bridge, resources: {memory: 1g}}\nsteps:\n\
         - {id: last, script: last.sh, needs: [first, second]}\n- {id: second, name: Two, script: ./second.sh, needs: [first],\n    \
           executor: proc, container: {image: b, network: none}}\n- {script: third.sh}\n- {id: first, script: first.sh}\n",
    );
    assert!(job.problems.is_empty(), "{:?}", job.problems);
    let steps: Vec<&str> = job.config.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(steps, ["step-002", "first", "second", "last"]);
    let second = &job.config.steps[2];
    assert_eq!((second.name.as_str(), second.executor), ("Two", Some(Executor::Process)));
    // Its container is that of the job, with what it says differently.
    let container = &second.container;
    assert_eq!(
        (container.image.as_deref(), container.network.as_deref(), container.memory),
        (Some("b"), Some("none"), Some(1 << 30))
    );
    assert_eq!(job.config.steps[1].container, job.config.container);
    assert_eq!(
        problems("steps: [{script: a}]\n"),
        ["1:1: `steps` without `composition: steps` are not run; add it"]
    );
}

#[test]
fn every_mistake_of_steps_is_found() {
    let steps = |steps: &str| problems(&format!("composition: steps\nsteps:\n{steps}"));
    assert_eq!(
        steps(
            "- {id: a, script: a, needs: [c]}\n- {id: b, script: b, needs: [a]}\n- {id: c, script: c, needs: [b]}\n- {id: d, script: d, needs: [d]}\n"
        ),
        [
            "3:3: dependency cycle: a → c → b → a; remove one of these needs",
            "6:3: dependency cycle: d → d; remove one of these needs",
        ]
    );
    assert_eq!(
        steps(
            "- {id: build, script: a}\n- {id: build, script: b}\n- {id: test, script: t, needs: [biuld, x]}\n- {id: e}\n- {script: ../x}\n- {id: a b, script: x}\n"
        ),
        [
            "4:3: the step `build` is here already; the id of a step is unique in its job",
            "5:32: the step `test` needs `biuld`, which is no step of the job; did you mean `build`?",
            "5:32: the step `test` needs `x`, which is no step of the job; steps are build test",
            "6:3: `script` of the step `e` is missing; a step is such as `{id: build, script: build.sh}`",
            "7:12: the script `../x` is not in the folder of the job; write its path relative to that folder, without `..`",
            "8:8: `a b` is not a valid id of a step; use 1 to 64 letters, digits, `_`, `-` or `.`, starting with a letter, a digit or `_`",
        ]
    );
    assert_eq!(
        problems("composition: steps\n"),
        ["1:1: `composition: steps` without `steps`; write the steps, or leave it out"]
    );
    for script in ["/bin/sh", "a/../../b", ""] {
        assert!(
            steps(&format!("- {{script: \"{script}\"}}\n"))[0].contains("is not in the folder of the job"),
            "{script}"
        );
    }
    let many: String =
        (0..500).map(|n| format!("- {{id: s{n}, script: s, needs: [s{}]}}\n", n + 1)).collect();
    assert!(steps(&format!("{many}- {{id: s500, script: s}}\n"))[0].contains("more than 500 steps"));
    assert!(steps(&many)[0].contains("needs `s500`"));
}
