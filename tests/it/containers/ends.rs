//! How containers end: limits, signals, cancelling, and what a step leaves behind.

use super::Boxes;

#[test]
pub(super) fn bombs_end_in_their_container() {
    let Some(mut boxes) = Boxes::new("{:limits {:jobs 2}}") else { return };
    // Both end by themselves: forty processes at most, and memory that a limit of 32 MiB stops.
    let run = boxes.push(
        r#"(ci:job :forks [:quire/push]
             (fn [{: container}]
               (container "localhost/busybox" "for i in $(seq 40); do sleep 600 & done; echo all of them" {:pids 20})))
           (ci:job :memory [:quire/push]
             (fn [{: container}]
               (container "localhost/busybox" "exec tail /dev/zero" {:memory "32MiB"})))
           (ci:job :tmp [:quire/push]
             (fn [{: container}]
               (container "localhost/busybox" "exec dd if=/dev/zero of=/tmp/x bs=1M count=256" {:memory "32MiB"})))
           (ci:job :unharmed [:forks :memory :tmp] {:when :always}
             (fn [{: container}] (container "localhost/busybox" "echo fine")))"#,
    );
    boxes.ends(&run, "failed");
    let forks = boxes.logs(&run, "forks");
    assert!(forks.contains("can't fork") && !forks.contains("all of them"), "{forks}");
    for job in ["memory", "tmp"] {
        let log = boxes.logs(&run, job);
        assert!(log.contains("out of memory: the container has used up its `:memory`"), "{job}: {log}");
    }
    assert_eq!(boxes.logs(&run, "unharmed"), "fine\n");
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn a_cancelled_run_takes_its_containers_along_also_those_that_ignore_signals() {
    let Some(mut boxes) = Boxes::new("{:limits {:jobs 3}}") else { return };
    let run = boxes.push(
        r#"(ci:job :polite [:quire/push]
             (fn [{: container}]
               (container "localhost/busybox" "trap 'echo told; exit 0' TERM; touch polite; while true; do sleep 0.01; done")))
           (ci:job :boxed [:quire/push] {:image "localhost/busybox"}
             (fn [{: sh}] (sh "touch boxed; sleep 600")))
           (ci:job :small [:quire/push]
             (fn [{: container}] (container "localhost/busybox" "touch small; sleep 600" {:memory "64MiB"})))"#,
    );
    for job in ["polite", "boxed", "small"] {
        boxes.appears(&run, job);
    }
    assert_eq!(super::containers(&boxes.id(&run)).len(), 3, "jobs are in containers at the same time");
    boxes.quire(&["cancel", &run]);
    boxes.ends(&run, "cancelled");
    assert!(boxes.logs(&run, "polite").contains("told\n"), "TERM comes first");
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn what_a_step_leaves_behind_ends_with_its_container() {
    let Some(mut boxes) = Boxes::new("{}") else { return };
    let run = boxes.push(
        r#"(ci:job :left [:quire/push]
             (fn [{: container : log}]
               (container "localhost/busybox" "(trap '' TERM HUP; sleep 600) & nohup setsid sleep 600 >/dev/null 2>&1 & echo done")
               (let [r (container "localhost/busybox" "kill -SEGV $$")] (log (.. "exit " r.exit " by " r.signal)))))"#,
    );
    boxes.ends(&run, "passed");
    let log = boxes.logs(&run, "left");
    assert_eq!(log, "done\nexit 139 by 11\n");
    boxes.nothing_left(&run);
}

#[test]
pub(super) fn limits_and_users_are_those_of_the_host() {
    let Some(mut boxes) = Boxes::new("{:limits {:jobs 1}}") else { return };
    let run = boxes.push(
        r#"(ci:job :users [:quire/push] {:image "localhost/busybox"}
             (fn [{: sh : container}]
               (sh "ulimit -n; id -u; echo host > made; stat -c %u made")
               (container "localhost/busybox" "id -u; id -g; stat -c %u /work; echo own > mine && stat -c %u mine; chown 7 mine 2>/dev/null || echo no" {:user "1234:77"})
               (container "localhost/busybox" "id -u; id -g; cat mine; grep -c . /proc/self/status >/dev/null && grep CapEff /proc/self/status" {:user "0"})))
           (ci:job :push [:quire/push] {:image "localhost/busybox"}
             (fn [{: jobs : log : sh}] (log (.. "git-dir " (tostring (. (jobs :quire/push) :git-dir)))) (sh "true")))"#,
    );
    boxes.ends(&run, "passed");
    let log = boxes.logs(&run, "users");
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].parse::<u64>().is_ok_and(|files| files <= 65_536), "{log}");
    assert_eq!(lines[3..7], ["1234", "77", "1234", "1234"], "{log}");
    assert_eq!(lines[7..], ["no", "0", "0", "own", "CapEff:\t0000000000000000"], "{log}");
    assert_eq!(boxes.logs(&run, "push"), "git-dir nil\n");
    boxes.nothing_left(&run);
}
