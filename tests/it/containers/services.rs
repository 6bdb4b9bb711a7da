//! Services beside jobs: their logs, their health, their end.

use super::{Boxes, containers};

#[test]
fn a_service_has_a_log_and_goes_with_the_job_also_with_a_cancelled_one() {
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
fn a_service_that_dies_or_is_not_there_fails_the_job_and_says_so() {
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
    assert!(shown.contains("service.not.ready: `db` has ended with exit 3 before it was ready"), "{shown}");
    assert!(shown.contains("the image `localhost/no-such-thing` is not on this machine"), "{shown}");
    assert!(shown.contains("service.not.ready: `b` has ended with exit 1 before it was ready"), "{shown}");
    assert!(boxes.logs(&run, "dies").contains("no disk"));
    boxes.nothing_left(&run);
}

#[test]
fn a_job_that_waits_for_a_service_that_never_gets_ready_can_be_cancelled() {
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
        log.contains("warning: the service `db` has ended with exit 3; its log is that of step 2"),
        "{log}"
    );
    boxes.nothing_left(&run);
}
