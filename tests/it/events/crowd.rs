//! Many readers of one run, and readers that do not read.

use std::io::{BufRead as _, BufReader};

use super::{Forge, printed};

/// Writes a line with its time, ten times.
const CLOCK: &str = "sleep 0.5; for i in 1 2 3 4 5 6 7 8 9 10; do echo sent $(date +%s.%6N); sleep 0.1; done";

#[test]
fn a_thousand_readers_of_one_run_have_the_same_events() {
    let forge = Forge::new();
    forge.push_step(
        &format!("until [ -e $GO ]; do sleep 0.05; done; {CLOCK}").replace("$GO", &forge.go()),
        "",
    );
    let mut readers = [0; 2].map(|_| forge.reader(&["crowd", "foo#1", "500"]));
    let outputs = readers.each_mut().map(|reader| {
        let mut output = BufReader::new(reader.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "connected\n");
        output
    });
    std::fs::write(forge.go(), "").unwrap();
    for (reader, output) in readers.into_iter().zip(outputs) {
        let line = output.lines().next().transpose().unwrap();
        printed(reader);
        let line = line.unwrap_or_default();
        let (count, late) = line.split_once(' ').unwrap();
        assert_eq!(count, "500");
        // The bound is for a machine that does much else; dev/bench has the figures.
        assert!(late.parse::<f64>().unwrap() < 5.0, "{late} s");
    }
}

#[test]
fn readers_that_do_not_read_cost_bounded_memory_and_no_time_of_the_run() {
    let forge = Forge::new();
    let step = format!(
        "until [ -e {} ]; do sleep 0.05; done; yes 0123456789abcdef0123456789abcdef | head -c 20000000",
        forge.go()
    );
    forge.push_step(&step, "");
    let mut deaf = forge.reader(&["deaf", "foo#1", "50"]);
    let mut output = BufReader::new(deaf.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    let before = forge.peak_memory();
    std::fs::write(forge.go(), "").unwrap();
    assert_eq!(forge.outcome(1), "passed");
    let whole = printed(forge.reader(&["follow", "foo#1", "lines", "1000000"]));
    assert!(whole.len() > 20_000_000);
    let grown = forge.peak_memory() - before;
    assert!(grown < 120 << 10, "{grown} KiB");
    drop(deaf.stdin.take());
    deaf.wait().unwrap();
}

impl Forge {
    /// The file that a step waits for.
    fn go(&self) -> String {
        self.world.path().join("go").to_str().unwrap().to_owned()
    }

    /// The most memory that the server has had, in KiB.
    pub(super) fn peak_memory(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.world.server_pid())).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Waits until the first run has its slot.
    pub(super) fn until_started(&self) {
        let journal = self.world.path().join("data/runs/foo.git/1/journal.ndjson");
        let has_started =
            |_: &_| std::fs::read_to_string(&journal).is_ok_and(|facts| facts.contains("step-started"));
        assert!(self.world.eventually(has_started), "{}", self.world.serve_log());
    }
}
