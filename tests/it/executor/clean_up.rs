//! What is left of a step when it is over: nothing.

use super::*;
use quire::executor::{sweep_children, sweep_run};
use quire::sys::{children, process::own_pid};
use std::fs;
use std::process::{Child, Stdio};

/// Ignores every signal that can be ignored, prints its number, and stays.
const STUBBORN: &str =
    "trap '' TERM HUP INT; echo $$ > pid.tmp; mv pid.tmp pid; while :; do sleep 1000; done";

/// Forks and exits, in a new session each time; after five seconds at the latest, lest a failing test harm others.
const STORM: &str = "perl -MPOSIX=setsid -e '$SIG{$_} = \"IGNORE\" for qw(TERM HUP INT); my $end = time + 5;
    for (1..8) { next if fork; while (time < $end) { my $p = fork; exit 0 if $p; setsid } exit 0 } exit 0'";

/// A process that has nothing to do with any run.
struct Canary(Child);

impl Canary {
    fn new() -> Self {
        Self(Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap())
    }

    fn assert_alive(&mut self) {
        assert_eq!(self.0.try_wait().unwrap(), None);
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn a_daemon_that_ignores_signals_is_gone_and_named() {
    let mut canary = Canary::new();
    for containment in BOTH {
        let bench = Bench::new(containment, Orphans::Unknown);
        let ready = bench.fifo("ready");
        fs::write(bench.path("stubborn"), format!("{STUBBORN} 2>&1")).unwrap();
        let script = "(setsid sh -c 'sh stubborn & echo > ready' >/dev/null 2>&1 &) ; read x < ready
            until test -e pid; do :; done; echo done";
        let (end, text) = bench.run(&bench.sh(script)).await;
        assert_eq!((end.exit, &text.stdout[..]), (0, &b"done\n"[..]), "{containment:?}");
        assert!(process::look(pid_in(&bench.path("pid"))).is_none());
        assert!(end.leftovers.contains(&"sh".to_owned()) && end.survivors.is_empty(), "{:?}", end.leftovers);
        bench.assert_clean();
        drop(ready);
    }
    canary.assert_alive();
}

#[tokio::test]
async fn a_background_child_that_holds_the_output_does_not_hang_the_step() {
    for containment in BOTH {
        let bench = Bench::new(containment, Orphans::Unknown);
        let (end, text) = bench.run(&bench.sh("sleep 1000 & echo done")).await;
        assert_eq!((end.exit, text.stdout), (0, b"done\n".to_vec()));
        assert_eq!(end.leftovers.len(), 1);
        assert!(end.duration < Duration::from_secs(10));
        let (end, text) = bench.run(&bench.sh("yes & yes >&2 & exit 3")).await;
        assert_eq!((end.exit, end.leftovers.len()), (3, 2));
        assert!(text.stdout.starts_with(b"y\ny\n"));
        bench.assert_clean();
    }
}

#[tokio::test]
async fn time_is_over_also_for_a_step_that_ignores_it() {
    for containment in BOTH {
        let bench = Bench::new(containment, Orphans::Unknown);
        let mut spec = bench.sh(STUBBORN);
        spec.timeout = Some(Duration::from_millis(200));
        let (end, _) = bench.run(&spec).await;
        assert_eq!((end.exit, end.signal, end.timed_out, end.stopped), (137, Some(9), true, false));
        assert!(end.duration >= Duration::from_millis(500) && end.duration < Duration::from_secs(10));
        assert_eq!(end.leftovers, [""; 0]);
        spec.program = argv(&["sleep", "1000"]);
        spec.grace = Duration::from_secs(60);
        let (end, _) = bench.run(&spec).await;
        assert_eq!((end.exit, end.timed_out), (143, true));
        assert!(end.duration < Duration::from_secs(10));
        bench.assert_clean();
    }
}

#[tokio::test]
async fn a_stopped_step_may_say_good_bye() {
    for containment in BOTH {
        let bench = Bench::new(containment, Orphans::Unknown);
        let ready = bench.fifo("ready");
        let mut spec = bench.sh("trap 'echo bye; exit 3' TERM; exec 3<>never; echo > ready; read x <&3");
        bench.fifo("never");
        spec.grace = Duration::from_secs(60);
        let (stop, stopped) = watch::channel(false);
        let stopping = async {
            tokio::task::spawn_blocking(move || fs::read(ready).unwrap()).await.unwrap();
            stop.send(true).unwrap();
        };
        let ((end, text), ()) = tokio::join!(bench.run_until(&spec, stopped, 1 << 20), stopping);
        let end = end.unwrap();
        assert_eq!((end.exit, end.stopped, end.timed_out), (3, true, false));
        assert_eq!(text.stdout, b"bye\n");
        bench.assert_clean();
    }
}

#[tokio::test]
async fn a_step_stopped_before_it_began_ends_and_one_that_cannot_be_stopped_continues() {
    let bench = Bench::new(Containment::Cgroup, Orphans::Unknown);
    let (end, _) = bench.run_until(&bench.sh("sleep 1000"), watch::channel(true).1, 1 << 20).await;
    let end = end.unwrap();
    assert!(end.stopped && end.exit != 0);
    let (end, _) = bench.run_until(&bench.sh("echo x"), watch::channel(false).1, 1 << 20).await;
    assert_eq!(end.unwrap().exit, 0);
}

#[tokio::test]
async fn a_step_that_nobody_waits_for_any_more_is_killed() {
    for containment in BOTH {
        let bench = Bench::new(containment, Orphans::Unknown);
        let ready = bench.fifo("ready");
        let spec = bench.sh("trap '' TERM; sleep 1000 & echo $$ > pid; echo > ready; wait; sleep 1000");
        let (_stop, never) = watch::channel(false);
        tokio::select! {
            _ = bench.run_until(&spec, never, 1 << 20) => panic!("it ended"),
            _ = tokio::task::spawn_blocking(move || fs::read(ready).unwrap()) => {}
        }
        assert!(process::look(pid_in(&bench.path("pid"))).is_none());
        bench.assert_clean();
    }
}

#[test]
fn a_fork_storm_has_no_survivors() {
    in_own_process("executor::clean_up::a_fork_storm_has_no_survivors", || {
        block_on(async {
            for containment in BOTH {
                let bench = Bench::new(containment, Orphans::OfSteps);
                for round in 0..20 {
                    let (end, _) = bench.run(&bench.sh(STORM)).await;
                    assert_eq!((end.exit, &end.survivors), (0, &Vec::new()), "{containment:?} {round}");
                    // The storm would blow for five seconds.
                    assert!(
                        end.duration < Duration::from_secs(4),
                        "{containment:?} {round} {:?}",
                        end.duration
                    );
                    bench.assert_clean();
                }
            }
            assert_eq!(process::children(own_pid()), []);
        });
    });
}

#[test]
fn a_process_without_parents_session_and_environment_does_not_escape() {
    in_own_process(
        "executor::clean_up::a_process_without_parents_session_and_environment_does_not_escape",
        || {
            let (_, mut innocent) = children::start(|| {
                let child = Command::new("sleep").arg("1000").spawn()?;
                Ok((Pid::from_child(&child), child))
            })
            .unwrap();
            block_on(async {
                for containment in BOTH {
                    let bench = Bench::new(containment, Orphans::OfSteps);
                    fs::write(bench.path("stubborn"), format!("cd {}; {STUBBORN}", bench.path("").display()))
                        .unwrap();
                    let script =
                        "(setsid env -i setsid sh stubborn >/dev/null 2>&1 &); until test -e pid; do :; done";
                    let (end, _) = bench.run(&bench.sh(script)).await;
                    assert_eq!((end.exit, end.survivors.len()), (0, 0));
                    assert!(process::look(pid_in(&bench.path("pid"))).is_none(), "{containment:?}");
                }
            });
            assert_eq!(process::children(own_pid()), [Pid::from_child(&innocent)]);
            assert_eq!(innocent.try_wait().unwrap(), None);
            innocent.kill().unwrap();
            innocent.wait().unwrap();
        },
    );
}

#[test]
fn the_end_of_one_step_does_not_touch_another() {
    in_own_process("executor::clean_up::the_end_of_one_step_does_not_touch_another", || {
        block_on(async {
            for containment in BOTH {
                let bench = Bench::new(containment, Orphans::OfSteps);
                let (ready, go) = (bench.fifo("ready"), bench.fifo("go"));
                let script = "(setsid env -i /bin/sleep 1000 >/dev/null 2>&1 & echo $! > daemon)
                    echo > ready; read x < go; kill -0 $(cat daemon)";
                let (long, mut short) = (bench.sh(script), bench.sh("sleep 1000 & exit 7"));
                short.name = "other/1".to_owned();
                let other = async {
                    tokio::task::spawn_blocking(move || fs::read(ready).unwrap()).await.unwrap();
                    let (end, _) = bench.run(&short).await;
                    assert_eq!((end.exit, &end.leftovers[..]), (7, &["sleep".to_owned()][..]));
                    tokio::task::spawn_blocking(move || fs::write(go, "\n").unwrap()).await.unwrap();
                };
                let ((end, _), ()) = tokio::join!(bench.run(&long), other);
                assert_eq!((end.exit, end.leftovers), (0, vec!["sleep".to_owned()]), "{containment:?}");
                bench.assert_clean();
            }
        });
        assert_eq!(process::children(own_pid()), []);
    });
}

#[test]
fn a_dead_child_of_another_steps_daemon_is_that_ones() {
    in_own_process("executor::clean_up::a_dead_child_of_another_steps_daemon_is_that_ones", || {
        block_on(async {
            for containment in BOTH {
                let bench = Bench::new(containment, Orphans::OfSteps);
                let (ready, go) = (bench.fifo("ready"), bench.fifo("go"));
                // It never waits for its child.
                let script = "(setsid sh -c 'true & exec sleep 1000' >/dev/null 2>&1 & echo $! > daemon)
                    until set -- $(cat /proc/$(cat daemon)/task/*/children) && grep -q Z /proc/$1/stat; do :; done
                    echo > ready; read x < go; kill -0 $(cat daemon)";
                let (long, mut short) = (bench.sh(script), bench.sh("exit 7"));
                short.name = "other/1".to_owned();
                let other = async {
                    tokio::task::spawn_blocking(move || fs::read(ready).unwrap()).await.unwrap();
                    let (end, _) = bench.run(&short).await;
                    assert_eq!((end.exit, end.leftovers.len(), end.survivors), (7, 0, Vec::new()));
                    tokio::task::spawn_blocking(move || fs::write(go, "\n").unwrap()).await.unwrap();
                };
                let ((end, _), ()) = tokio::join!(bench.run(&long), other);
                assert_eq!((end.exit, end.leftovers), (0, vec!["sleep".to_owned()]), "{containment:?}");
                bench.assert_clean();
            }
        });
        assert_eq!(process::children(own_pid()), []);
    });
}

#[test]
fn the_end_of_a_host_is_the_end_of_what_nothing_ties_to_a_step() {
    in_own_process("executor::clean_up::the_end_of_a_host_is_the_end_of_what_nothing_ties_to_a_step", || {
        let bench = Bench::new(Containment::Descent, Orphans::OfSteps);
        assert!(
            Command::new("sh").args(["-c", "setsid env -i /bin/sleep 1000 &"]).status().unwrap().success()
        );
        assert_eq!(process::children(own_pid()).len(), 1);
        drop(bench);
        assert_eq!(process::children(own_pid()), []);
    });
}

#[test]
fn what_is_left_of_a_dead_runner_is_found_by_its_mark() {
    let mut canary = Canary::new();
    let folder = tempfile::tempdir().unwrap();
    let mark = fresh_mark();
    let copy = RunMark { instance: InstanceId::new(8), ..mark };
    // The runner is a shell that dies; its daemon belongs to nobody here.
    let script = format!("(setsid sh -c \"{}\" >/dev/null 2>&1 &)", STUBBORN.replace('$', "\\$"));
    let mut runner = Command::new("sh");
    runner.args(["-c", &format!("{script}; until test -e pid; do :; done; kill -KILL $$")]);
    runner.env("QUIRE_INSTANCE", mark.instance.to_string()).env("QUIRE_RUN", mark.run.to_string());
    runner.current_dir(folder.path());
    assert!(!runner.status().unwrap().success());
    let daemon = pid_in(&folder.path().join("pid"));
    assert!(process::look(daemon).is_some());
    for other in [fresh_mark(), copy] {
        assert_eq!(sweep_run(&other).ended, [""; 0]);
    }
    assert!(process::look(daemon).is_some());
    let swept = sweep_run(&mark);
    assert!(swept.ended.contains(&"sh".to_owned()) && swept.survivors.is_empty(), "{swept:?}");
    assert!(process::look(daemon).is_none_or(|process| process.zombie));
    canary.assert_alive();
}

#[test]
fn a_server_ends_what_a_runner_left_to_it() {
    in_own_process("executor::clean_up::a_server_ends_what_a_runner_left_to_it", || {
        process::become_subreaper().unwrap();
        let kept = Command::new("sleep").arg("1000").spawn().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("stubborn"), STUBBORN).unwrap();
        let script = "(setsid env -i setsid sh stubborn &); until test -e pid; do :; done; kill -KILL $$";
        let mut runner = Command::new("sh");
        assert!(!runner.args(["-c", script]).current_dir(folder.path()).status().unwrap().success());
        let swept = sweep_children(&[Pid::from_child(&kept)]);
        assert!(swept.ended.contains(&"sh".to_owned()) && swept.survivors.is_empty(), "{swept:?}");
        assert_eq!(process::children(own_pid()), [Pid::from_child(&kept)]);
        let mut canary = Canary(kept);
        canary.assert_alive();
    });
}
