//! Steps in bubblewrap, with real processes: the rules about ends hold there as outside.

use super::*;
use quire::executor::{Confinement, Sandbox, find_bwrap};
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Instant;

/// The same step in a sandbox. Its binary is the one that the tests are about.
fn boxed(bench: &Bench, mut spec: StepSpec) -> StepSpec {
    let bwrap = find_bwrap(None).expect("bubblewrap is installed by dev/setup");
    let sandbox = Sandbox {
        bwrap,
        helper: env!("CARGO_BIN_EXE_quire").into(),
        workspace: bench.folder.path().to_owned(),
        ..Sandbox::default()
    };
    spec.confinement = Some(Arc::new(Confinement { transition: None, sandbox: Some(sandbox) }));
    spec
}

#[test]
fn a_program_that_ignores_signals_is_killed_with_its_sandbox() {
    for containment in BOTH {
        in_own_process(
            "executor::sandbox::a_program_that_ignores_signals_is_killed_with_its_sandbox",
            || {
                block_on(async {
                    let bench = Bench::new(containment, Orphans::OfSteps);
                    let mut spec =
                        boxed(&bench, bench.sh("trap '' TERM; echo ready; while :; do sleep 600; done"));
                    spec.timeout = Some(Duration::from_secs(1));
                    let started = Instant::now();
                    let (end, log) = bench.run(&spec).await;
                    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
                    assert!(end.timed_out);
                    assert_eq!(
                        (end.exit, end.signal),
                        (137, Some(9)),
                        "{:?}",
                        String::from_utf8_lossy(&log.stderr)
                    );
                    assert!(end.survivors.is_empty());
                    bench.assert_clean();
                });
            },
        );
    }
}

#[test]
fn a_child_that_leaves_everything_but_its_sandbox_is_found() {
    block_on(async {
        for containment in BOTH {
            let bench = Bench::new(containment, Orphans::OfSteps);
            let text = "setsid env -i sh -c 'trap \"\" TERM; sleep 600 & wait' & echo started; exit 4";
            let (end, _) = bench.run(&boxed(&bench, bench.sh(text))).await;
            assert_eq!((end.exit, end.signal, end.timed_out), (4, None, false));
            assert!(
                end.leftovers.iter().all(|name| name != "bwrap" && name != "quire"),
                "{:?}",
                end.leftovers
            );
            bench.assert_clean();
        }
    });
}

#[test]
fn a_step_that_is_told_to_end_says_how_it_ended() {
    block_on(async {
        let bench = Bench::new(Containment::Cgroup, Orphans::OfSteps);
        for (text, exit, signal) in
            [("sleep 600", 143, Some(15)), ("trap 'exit 9' TERM; touch ready; sleep 600 & wait", 9, None)]
        {
            let mut spec = boxed(&bench, bench.sh(text));
            spec.timeout = Some(Duration::from_secs(1));
            let (end, _) = bench.run(&spec).await;
            assert_eq!((end.exit, end.signal, end.timed_out), (exit, signal, true), "{text}");
        }
    });
}

#[test]
fn what_bubblewrap_refuses_is_no_exit_of_the_step() {
    block_on(async {
        let bench = Bench::new(Containment::Cgroup, Orphans::OfSteps);
        symlink("/nowhere", bench.path("dangling")).unwrap();
        let mut spec = boxed(&bench, bench.sh("touch ran; exit 0"));
        let mut confinement = Confinement::clone(spec.confinement.as_ref().unwrap());
        confinement.sandbox.as_mut().unwrap().readable = vec![bench.path("dangling")];
        spec.confinement = Some(Arc::new(confinement));
        let (_stop, never) = watch::channel(false);
        let (end, _) = bench.run_until(&spec, never, 1 << 20).await;
        assert!(matches!(end, Err(StepError::Sandbox { ref problem }) if problem.contains("dangling")));
        assert!(!bench.path("ran").exists());
        bench.assert_clean();
    });
}

#[test]
#[ignore = "prints times, claims nothing"]
fn cost_of_a_sandbox() {
    const ROUNDS: usize = 100;
    block_on(async {
        let bench = Bench::new(Containment::Cgroup, Orphans::OfSteps);
        let bwrap = find_bwrap(None).unwrap();
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            let started = Instant::now();
            let bare =
                ["--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"];
            assert!(Command::new(&bwrap).args(bare).status().unwrap().success());
            times[0].push(started.elapsed());
            for (place, spec) in
                [bench.spec(argv(&["true"])), boxed(&bench, bench.spec(argv(&["true"])))].iter().enumerate()
            {
                let started = Instant::now();
                assert_eq!(bench.run(spec).await.0.exit, 0);
                times[place + 1].push(started.elapsed());
            }
        }
        for (name, mut times) in ["bwrap", "step", "step in bwrap"].into_iter().zip(times) {
            times.sort();
            println!("{name}: median {:?}, p95 {:?}", times[ROUNDS / 2], times[ROUNDS * 95 / 100]);
        }
    });
}
