//! What a step costs over a bare process; `cargo nextest run --run-ignored only cost --no-capture` prints it.

use super::*;
use std::time::Instant;

const ROUNDS: usize = 300;

#[test]
#[ignore = "prints times, claims nothing"]
fn a_step_and_a_bare_process() {
    block_on(async {
        let cgroup = Bench::new(Containment::Cgroup, Orphans::OfSteps);
        let descent = Bench::new(Containment::Descent, Orphans::OfSteps);
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            let started = Instant::now();
            assert!(Command::new("/bin/true").status().unwrap().success());
            times[0].push(started.elapsed());
            for (bench, times) in [&cgroup, &descent].into_iter().zip(&mut times[1..]) {
                let (_stop, never) = watch::channel(false);
                let folder = Folder::open(&bench.path("")).unwrap();
                let path = PathBuf::from(format!("{}.log", times.len()));
                let started = Instant::now();
                let log = LogWriter::create(&folder, &path, LogLimit::new(64 << 20), || PassThrough);
                let mut log = log.unwrap();
                let spec = bench.spec(argv(&["true"]));
                assert_eq!(bench.host.run_step(&spec, &mut log, never).await.unwrap().exit, 0);
                log.finish().unwrap();
                times.push(started.elapsed());
            }
        }
        for (name, mut times) in ["posix_spawn", "step, cgroup", "step, descent"].into_iter().zip(times) {
            times.sort();
            println!("{name}: median {:?}, p95 {:?}", times[ROUNDS / 2], times[ROUNDS * 95 / 100]);
        }
    });
}
