//! Code that does not end by itself, and jobs that are stopped.

use std::time::{Duration, Instant};

use quire::script::{EvaluationError, JobEnd, JobFailure, VmLimits};
use tokio::time::timeout;

use super::fake_host::{Bench, evaluate, limits};

/// Far over the limits of the tests, far under a test's patience.
const SOON: Duration = Duration::from_secs(20);

async fn stopped_by_its_end(body: &str) -> Duration {
    let bench = Bench::read(&format!(
        "ci.job('t', {{'quire/push'}}, function(j) {body} end)
         ci.job('other', {{'quire/push'}}, function(j) sh('out x') end)"
    ))
    .await;
    let start = Instant::now();
    let end = timeout(Duration::from_millis(100), bench.run("t")).await;
    assert!(end.is_err(), "{body}: {end:?}");
    let took = start.elapsed();
    assert_eq!(bench.run("other").await, JobEnd::Passed, "{body}");
    took
}

#[tokio::test]
async fn a_dropped_future_ends_every_loop_and_leaves_the_vm_usable() {
    for body in [
        "while true do end",
        "local function loop() while true do end end while true do pcall(loop) end",
        "local function loop() while true do end end while true do xpcall(loop, loop) end",
        "local t = setmetatable({}, {__index = function() while true do end end}) local x = t.x",
        "for _ in function() return 1 end do end",
        "local function f() return f() end f()",
        "while true do pcall(error) end",
        "local c <close> = setmetatable({}, {__close = function() while true do end end}) while true do end",
    ] {
        let took = stopped_by_its_end(body).await;
        assert!(took < SOON, "{body}: {took:?}");
    }
}

#[tokio::test]
async fn a_loop_that_cannot_be_suspended_ends_with_an_error_after_the_grace() {
    for body in [
        "table.sort({1, 2, 3}, function() while true do end end)",
        "table.sort({1, 2, 3}, function() while true do pcall(function() while true do end end) end end)",
        "string.gsub('x', '.', function() while true do end end)",
        "while true do pcall(table.sort, {1, 2, 3}, function() while true do end end) end",
        "print(setmetatable({}, {__tostring = function() while true do end end}))",
        "while true do xpcall(table.sort, function() end, {1, 2}, function() while true do end end) end",
        "error(setmetatable({}, {__tostring = function() while true do end end}))",
    ] {
        let bench = Bench::read(&format!(
            "ci.job('t', {{'quire/push'}}, function(j)\n {body} end)
             ci.job('other', {{'quire/push'}}, function(j) for i = 1, 1e5 do end sh('out x') end)"
        ))
        .await;
        let end = timeout(SOON, bench.run("t")).await.expect(body);
        let JobEnd::Failed(JobFailure::Script(error)) = end else { panic!("{body}: {end:?}") };
        assert!(error.message.contains("ran too long"), "{body}: {error:?}");
        assert_eq!(error.line, Some(2), "{body}");
        assert_eq!(bench.run("other").await, JobEnd::Passed, "{body}");
    }
}

#[tokio::test]
async fn reading_a_pipeline_has_a_time_limit() {
    for text in
        ["\nwhile true do end", "\nlocal function f() while true do end end while true do pcall(f) end"]
    {
        let short = VmLimits { evaluation: Duration::from_millis(400), ..limits() };
        let end = Bench::with(short, text).vm.evaluate().await.unwrap_err();
        let EvaluationError::TimedOut { last_place, .. } = &end else { panic!("{end:?}") };
        assert_eq!(last_place.as_ref().unwrap().line, 2);
        assert_eq!(end.to_string(), "reading the pipeline took longer than 0.4 s and was at .quire/ci.fnl:2");
    }
    let end = evaluate("\ntable.sort({1, 2}, function() while true do end end)").await.unwrap_err();
    assert!(end.to_string().starts_with(".quire/ci.fnl:2: a callback of table.sort"), "{end}");
}

#[tokio::test]
async fn a_dropped_job_drops_the_hosts_work_and_asks_for_no_more() {
    let bench = Bench::read(
        "ci.job('t', {'quire/push'}, function(j) while true do pcall(sh, 'forever') end end)
         ci.job('other', {'quire/push'}, function(j) sh('out x') end)",
    )
    .await;
    let end = timeout(Duration::from_millis(50), bench.run("t")).await;
    assert!(end.is_err());
    assert_eq!((bench.host.count(), *bench.host.dropped.lock().unwrap()), (1, 1));
    assert_eq!(bench.run("other").await, JobEnd::Passed);
    assert!(bench.vm.outputs_json("t").is_none());
}

#[tokio::test]
async fn a_busy_job_does_not_keep_others_from_their_turn() {
    let bench = Bench::read(
        "ci.job('busy', {'quire/push'}, function(j) while not done do end return 1 end)
         ci.job('t', {'quire/push'}, function(j) sh('out x') done = true end)",
    )
    .await;
    let both = async { tokio::join!(bench.run("busy"), bench.run("t")) };
    assert_eq!(timeout(SOON, both).await.unwrap(), (JobEnd::Passed, JobEnd::Passed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watchdog_sees_a_poll_that_does_not_end() {
    let bench = Bench::job("string.find(string.rep('a', 60), string.rep('a-', 5) .. 'b') return 1").await;
    let pulse = bench.vm.pulse();
    assert!(pulse.beat().is_none());
    let seen = tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        while start.elapsed() < SOON {
            if let Some(beat) = pulse.beat()
                && beat.elapsed > Duration::from_millis(20)
            {
                return Some(beat);
            }
            std::thread::yield_now();
        }
        None
    });
    bench.run("t").await;
    let beat = seen.await.unwrap().unwrap();
    assert_eq!(beat.job.as_deref(), Some("t"));
    assert!(bench.vm.pulse().beat().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watchdog_can_end_code_that_cannot_be_suspended_before_the_grace() {
    let bench = Bench::job("table.sort({1, 2}, function() while true do end end)").await;
    let pulse = bench.vm.pulse();
    let interrupted = tokio::task::spawn_blocking(move || {
        loop {
            if let Some(beat) = pulse.beat() {
                pulse.interrupt(beat.generation);
                return;
            }
            std::thread::yield_now();
        }
    });
    let start = Instant::now();
    let end = bench.run("t").await;
    interrupted.await.unwrap();
    assert!(matches!(end, JobEnd::Failed(JobFailure::Script(_))), "{end:?}");
    assert!(start.elapsed() < SOON && limits().callback_grace < SOON);
}
