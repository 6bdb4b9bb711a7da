//! Hostile scripts: each ends with a name and a place, and takes nothing with it.

use std::fs;

use serde_json::Value;

use super::corpus::{BODIES, BOMBS, FILES, NESTS, SLOW_FILES};
use super::forge::Forge;
use super::leaks::Leaks;
use super::{Attack, Count, Harm, Random};

/// Jobs of one pipeline.
const JOBS: usize = 24;

/// Pushes of one short round; a long one may push a bomb besides.
const FILE_PUSHES: usize = 4;

/// Rounds that one server goes through.
const ROUNDS_PER_SERVER: usize = 10;

const TOKEN: &str = "ghp_Zq7Xv2Lr9Tb4Wm6Kd8Ys";

const CONFIG: &str = r#"{:secrets {:tok {:file "$T/tok"}}
 :limits {:run-timeout "8s" :step-timeout "4s" :vm-memory "64MiB" :log-bytes "64KiB"}}"#;

/// What every pipeline begins with.
pub(super) const HEAD: &str = "(local ci (require :quire.ci))\n";

#[test]
fn a_hostile_script_has_a_named_end() {
    let mut attack = Attack::new("scripts", 1);
    let mut current: Option<(Scripts, usize)> = None;
    while let Some(mut random) = attack.next_round() {
        let is_long = attack.is_long();
        let (scripts, rounds) = current.get_or_insert_with(|| (Scripts::start(), 0));
        *rounds += 1;
        scripts.push_jobs(&mut random, &mut attack);
        for _ in 0..FILE_PUSHES {
            let file = (*random.pick(FILES)).to_owned();
            scripts.push(&file, &mut attack);
        }
        scripts.push(&nested(&mut random), &mut attack);
        if is_long {
            let bomb = job(0, random.pick::<&str>(BOMBS));
            scripts.push(&format!("{HEAD}{bomb}"), &mut attack);
            if random.one_in(3) {
                scripts.push(random.pick::<&str>(SLOW_FILES), &mut attack);
            }
        }
        scripts.look_after(&mut attack);
        if *rounds == ROUNDS_PER_SERVER {
            current = None;
        }
    }
    attack.finish();
}

/// One job.
pub(super) fn job(number: usize, body: &str) -> String {
    format!("(ci:job :j{number} [:quire/push] (fn [] {body}))\n")
}

/// A form that is as deep as a file can be.
fn nested(random: &mut Random) -> String {
    let (open, close) = random.pick(NESTS);
    let depth = *random.pick(&[50, 190, 300, 2_000, 30_000]);
    let close = if random.one_in(2) { close.repeat(depth) } else { String::new() };
    format!("{HEAD}{} 1 {close}\n", open.repeat(depth))
}

/// A server that runs hostile scripts.
struct Scripts {
    forge: Forge,
    runs: usize,
}

impl Scripts {
    fn start() -> Self {
        let forge = Forge::new(CONFIG);
        fs::write(forge.path("tok"), TOKEN).unwrap();
        Self { forge, runs: 0 }
    }

    /// Many small attacks in one run; none may end another.
    fn push_jobs(&mut self, random: &mut Random, attack: &mut Attack) {
        let bodies: Vec<&str> = (0..JOBS).map(|_| *random.pick(BODIES)).collect();
        let jobs = bodies.iter().enumerate().map(|(number, body)| job(number, body));
        let run = self.push(&format!("{HEAD}{}", jobs.collect::<String>()), attack);
        let jobs = run["jobs"].as_array().map_or(0, Vec::len);
        assert_eq!(jobs, bodies.len(), "a body does not compile\n{bodies:#?}\n{run}");
        for (job, body) in run["jobs"].as_array().into_iter().flatten().zip(bodies) {
            attack.count(Count::Inputs, 1);
            if let Some(problem) = problem_of(job) {
                attack.harm(Harm::Wrong, &format!("{body}\n  {problem}"));
            }
        }
    }

    /// Pushes one pipeline and looks at how it ended.
    fn push(&mut self, file: &str, attack: &mut Attack) -> Value {
        self.forge.commit(&[(".quire/ci.fnl", file)]);
        let said = self.forge.push("-o ci.wait");
        self.runs += 1;
        let run = self.forge.wait(self.runs);
        attack.count(Count::Pushes, 1);
        attack.count(Count::Runs, 1);
        attack.note_memory(self.forge.world.server_pid());
        let shown =
            self.forge.try_shell(&format!("quire show 'app#{0}'; quire logs 'app#{0}'", self.runs)).output;
        let input: String = file.chars().take(400).collect();
        if let Some(problem) = problem_of(&run) {
            attack.harm(Harm::Wrong, &format!("{input}\n  {problem}\n  {shown}"));
        }
        let is_broken = run["jobs"].as_array().is_none_or(Vec::is_empty) && run["outcome"] == "failed";
        if is_broken && !said.contains(".quire/ci.fnl") {
            attack.harm(Harm::Wrong, &format!("no place is named for\n{input}\n{said}"));
        }
        for text in [&said, &shown] {
            if let Some(leak) = Leaks::of([TOKEN.as_bytes()]).find(text.as_bytes()) {
                attack.harm(Harm::Leak, &format!("{input}\n  {leak}"));
            }
        }
        run
    }

    /// Nothing is left of any run, and nothing has panicked.
    fn look_after(&self, attack: &mut Attack) {
        let is_clean = self.forge.world.eventually(|_| steps_in(&self.forge).is_empty());
        if !is_clean {
            attack.harm(Harm::Hang, &format!("processes are left: {:?}", steps_in(&self.forge)));
        }
        let log = self.forge.world.serve_log();
        if log.contains("panicked") || log.contains("overflowed its stack") {
            attack.harm(Harm::Crash, &log);
        }
    }
}

/// What is wrong with how a run or a job ended.
fn problem_of(ended: &Value) -> Option<String> {
    const OUTCOMES: [&str; 7] =
        ["passed", "failed", "timed-out", "cancelled", "superseded", "denied", "skipped"];
    let outcome = ended["outcome"].as_str().unwrap_or("none");
    // A run's reason may have members, a job's is a text.
    let reason = ended["reason"].as_str().or_else(|| ended["reason"]["text"].as_str()).unwrap_or_default();
    if !OUTCOMES.contains(&outcome) {
        return Some(format!("ended {outcome}: {reason}"));
    }
    if outcome != "passed" && reason.is_empty() {
        return Some(format!("ended {outcome} without a reason"));
    }
    if reason.contains("panicked") || reason.contains("[string \"") || reason.contains("table: 0x") {
        return Some(format!("the reason is no sentence: {reason}"));
    }
    None
}

/// The processes of steps of this world.
fn steps_in(forge: &Forge) -> Vec<String> {
    let folder = forge.path("data").display().to_string();
    let is_step = |environment: &[u8]| {
        let text = String::from_utf8_lossy(environment);
        text.split('\0').any(|variable| variable.starts_with("QUIRE_RUN=")) && text.contains(&folder)
    };
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let steps =
        entries.filter(|entry| fs::read(entry.path().join("environ")).is_ok_and(|text| is_step(&text)));
    steps.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
