//! Services beside jobs: their logs, their health, their end.

use super::{Boxes, containers};

#[test]
pub(super) fn a_service_has_a_log_and_goes_with_the_job_also_with_a_cancelled_one() {
    let Some(mut boxes) = Boxes::new("{:limits {:jobs 1}}") else { return };
    let run = boxes.push(
        r#"(ci:job :first [:quire/push]
             {:image "localhost/busybox" :services {:db {:image "localhost/busybox" :cmd "echo I serve; exec sleep 600" :health "true"}}}
             (fn [{: sh}] (sh "grep -c db /etc/hosts")))
           (ci:job :second [:first]
             {:image "localhost/busybox" :services {:db {:image "localhost/busybox" :cmd ["sleep" "600"]}}}
             (fn [{: sh}] (sh "touch began; sleep 600")))"#,
    );
    boxes.appears(&run, "began");
    let id = boxes.id(&run);
    assert_eq!(containers(&id).len(), 2, "the first job's service is gone with it");
    boxes.quire(&["cancel", &run]);
    let shown = boxes.ends(&run, "cancelled");
    assert!(shown.contains("service db"), "{shown}");
    let log = boxes.logs(&run, "first");
    assert!(log.contains("I serve\n") && log.contains("1\n"), "{log}");
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn a_service_that_dies_or_is_not_there_fails_the_job_and_says_so() {
    let Some(mut boxes) = Boxes::new("{:limits {:jobs 2}}") else { return };
    let run = boxes.push(
        r#"(ci:job :dies [:quire/push]
             {:image "localhost/busybox" :services {:db {:image "localhost/busybox" :cmd "echo no disk >&2; exit 3" :health "false"}}}
             (fn [{: sh}] (sh "true")))
           (ci:job :absent [:quire/push]
             {:image "localhost/busybox" :services {:db {:image "localhost/no-such-thing" :pull :never}}}
             (fn [{: sh}] (sh "true")))
           (ci:job :second-dies [:quire/push]
             {:image "localhost/busybox" :services {:a {:image "localhost/busybox" :cmd ["sleep" "600"]}
                                                    :b {:image "localhost/busybox" :cmd ["false"] :health "false"}}}
             (fn [{: sh}] (sh "true")))"#,
    );
    let shown = boxes.ends(&run, "failed");
    let died = "service.not.ready: `db` has ended with exit 3 before it was ready";
    assert!(shown.contains(died) && shown.contains("its last lines: no disk"), "{shown}");
    assert!(shown.contains("the image `localhost/no-such-thing` is not on this machine"), "{shown}");
    assert!(shown.contains("service.not.ready: `b` has ended with exit 1 before it was ready"), "{shown}");
    assert!(boxes.logs(&run, "dies").contains("no disk"));
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn a_job_that_waits_for_a_service_that_never_gets_ready_can_be_cancelled() {
    let Some(mut boxes) = Boxes::new("{}") else { return };
    let run = boxes.push(
        r#"(ci:job :waits [:quire/push]
             {:image "localhost/busybox" :timeout 600
              :services {:db {:image "localhost/busybox" :cmd "echo up; sleep 600" :health "false"}}}
             (fn [{: sh}] (sh "true")))"#,
    );
    let is_up = |_: &_| boxes.logs(&run, "waits").contains("up");
    assert!(boxes.world.eventually(is_up));
    boxes.quire(&["cancel", &run]);
    boxes.ends(&run, "cancelled");
    boxes.nothing_left(&run);
}

#[test]
fn a_command_of_health_that_hangs_is_asked_again() {
    let Some(mut boxes) = Boxes::new("{}") else { return };
    let run = boxes.push(
        r#"(ci:job :waits [:quire/push]
             {:image "localhost/busybox"
              :services {:db {:image "localhost/busybox" :cmd ["sleep" "600"]
                              :health "test -e /tmp/asked || { touch /tmp/asked; sleep 600; }"}}}
             (fn [{: sh}] (sh "touch began; until test -e go; do sleep 0.1; done")))"#,
    );
    boxes.appears(&run, "began");
    let mark = format!("QUIRE_HEALTH=quire-{}", boxes.id(&run));
    let hanging = super::processes(|process| super::contains(&process.join("environ"), &mark));
    assert_eq!(hanging, Vec::<String>::new(), "it was ended");
    std::fs::write(boxes.work(&run).join("go"), "").unwrap();
    boxes.ends(&run, "passed");
    boxes.nothing_left(&run);
}

#[test]
fn a_service_that_ends_at_once_is_named_when_a_step_fails() {
    let Some(mut boxes) = Boxes::new("{}") else { return };
    let run = boxes.push(
        r#"(ci:job :alone [:quire/push]
             {:image "localhost/busybox"
              :services {:db {:image "localhost/busybox" :cmd "nc -l -p 7000; echo no disk >&2; exit 3"}}}
             (fn [{: sh}] (sh "until nc db 7000 </dev/null; do sleep 0.1; done; exit 7")))"#,
    );
    boxes.ends(&run, "failed");
    let log = boxes.logs(&run, "alone");
    assert!(
        log.contains("warning: the service `db` has ended with exit 3; its log is that of step 2; its last lines: no disk"),
        "{log}"
    );
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn why_a_service_is_not_ready_is_in_the_reason() {
    let Some(mut boxes) = Boxes::new("{}") else { return };
    let run = boxes.push(
        r#"(ci:job :waits [:quire/push]
             {:image "localhost/busybox"
              :services {:db {:image "localhost/busybox" :cmd "echo one; echo starting up >&2; exec sleep 600"
                              :health "echo no response >&2; exit 2"}}}
             (fn [{: sh}] (sh "true" {:timeout 4})))"#,
    );
    let shown = boxes.ends(&run, "failed");
    let reason = "service.not.ready: `db` was not ready within 4 s; `:health` exited with 2: no response; its last lines: ";
    let line = shown.lines().find(|line| line.contains(reason)).unwrap_or_else(|| panic!("{shown}"));
    assert!(line.contains("one") && line.contains("starting up"), "{line}");
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn a_service_that_crashed_in_a_passed_job_is_reported_with_its_own_exit() {
    let Some(mut boxes) = Boxes::new("{}") else { return };
    let run = boxes.push(
        r#"(ci:job :passes [:quire/push]
             {:image "localhost/busybox"
              :services {:db {:image "localhost/busybox" :cmd "echo oops; nc -l -p 7000; exit 3"}
                         :fine {:image "localhost/busybox" :cmd "exec sleep 600"}}}
             (fn [{: sh}] (sh "until nc db 7000 </dev/null; do sleep 0.1; done; sleep 0.3")))"#,
    );
    boxes.ends(&run, "passed");
    let log = boxes.logs(&run, "passes");
    let warning =
        "warning: the service `db` has ended with exit 3; its log is that of step 2; its last lines: oops";
    assert!(log.contains(warning), "{log}");
    assert!(!log.contains("`fine`") && !log.contains("container not running"), "{log}");
    let value = boxes.show(&run);
    let steps = value["jobs"][0]["steps"].as_array().unwrap();
    let ends: Vec<_> = steps
        .iter()
        .map(|step| (step["outcome"].as_str().unwrap(), step["exit"].as_i64().unwrap()))
        .collect();
    assert_eq!(ends, [("failed", 3), ("passed", 143), ("passed", 0)], "{value}");
    let all = boxes.quire(&["logs", &run]).output;
    assert!(all.contains("passes/db │ oops\n"), "{all}");
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn services_end_at_once_also_when_they_have_not_begun_or_share_a_network() {
    let Some(mut boxes) = Boxes::new("{}") else { return };
    let run = boxes.push(
        r#"(ci:job :short [:quire/push]
             {:image "localhost/busybox"
              :services {:a {:image "localhost/busybox" :cmd ["sleep" "600"]}
                         :b {:image "localhost/busybox" :cmd ["sleep" "600"]}
                         :c {:image "localhost/busybox" :cmd "trap 'exit 0' TERM; while :; do sleep 0.1; done"}}}
             (fn [{: sh}] (sh "true")))"#,
    );
    boxes.ends(&run, "passed");
    let value = boxes.show(&run);
    let steps = value["jobs"][0]["steps"].as_array().unwrap().iter();
    let exits: Vec<_> = steps.map(|step| step["exit"].as_i64().unwrap()).collect();
    // TERM can come before the shell of the third has set its trap.
    let is_by_term = |exit: &i64| [143, 0].contains(exit);
    assert!(exits.len() == 4 && exits.iter().all(is_by_term), "none is killed after a grace: {value}");
    boxes.nothing_left(&run);
}
