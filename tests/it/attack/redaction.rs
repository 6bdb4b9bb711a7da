//! Redaction from outside: pipelines that show a value in every way, and every place that text leaves.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::forge::Forge;
use super::leaks::Leaks;
use super::{Attack, Count, Harm, Random, values, ways};

/// Jobs of one pipeline.
const JOBS: usize = 90;

/// Pushes to one server, which keeps what it has seen.
const PUSHES_PER_SERVER: usize = 6;

/// Secrets of one pipeline.
const SECRETS: usize = 3;

const CONFIG: &str = r#"{:http {:public-url "https://git.example.org"}
 :secrets {:s0 {:file "$T/secrets/s0"} :s1 {:file "$T/secrets/s1"} :s2 {:file "$T/secrets/s2"}}
 :notify {:targets {:ops {:webhook "http://127.0.0.1:$PORT/ops"} :team {:slack "http://127.0.0.1:$PORT/slack"}}
          :rules [{:to :ops :on [:failed :fixed :passed]} {:to :team :on [:failed :fixed :passed]}]
          :allow ["127.0.0.1:$PORT"]}}"#;

#[test]
fn no_part_of_a_value_leaves_by_any_way() {
    let mut attack = Attack::new("redaction", 1);
    let mut server: Option<(Server, usize)> = None;
    while let Some(mut random) = attack.next_round() {
        let (current, pushes) = server.get_or_insert_with(|| (Server::start(), 0));
        *pushes += 1;
        current.attack(*pushes, &mut random, &mut attack);
        if *pushes == PUSHES_PER_SERVER {
            server = None;
        }
    }
    attack.finish();
}

/// What a pipeline of one round does.
struct Round {
    values: Vec<Vec<u8>>,
    bodies: Vec<String>,
}

/// A forge whose webhooks are received.
struct Server {
    forge: Forge,
}

impl Server {
    fn start() -> Self {
        let forge = Forge::new(CONFIG);
        fs::create_dir(forge.path("secrets")).unwrap();
        Self { forge }
    }

    /// Pushes one pipeline and looks everywhere.
    fn attack(&mut self, number: usize, random: &mut Random, attack: &mut Attack) {
        let round = Round::new(random);
        for (place, value) in round.values.iter().enumerate() {
            fs::write(self.forge.path(&format!("secrets/s{place}")), value).unwrap();
        }
        self.forge.commit(&[(
            ".quire/ci.fnl",
            &round.pipeline(&fs::read_to_string(self.forge.path("port")).unwrap()),
        )]);
        let watcher = Watcher::start();
        let said = self.forge.push("-o ci.log");
        let run = self.forge.wait(number);
        let arguments = watcher.stop();
        attack.count(Count::Pushes, 1);
        attack.count(Count::Runs, 1);
        attack.count(Count::Inputs, round.bodies.len() as u64);
        attack.note_memory(self.forge.world.server_pid());
        assert_eq!(run["jobs"].as_array().unwrap().len(), round.bodies.len(), "{run}");
        self.wait_for_notifications(number);
        let mut places = self.places(number);
        places.push(("the push".to_owned(), said.into_bytes()));
        places.push(("arguments of processes".to_owned(), arguments));
        let leaks = Leaks::of(round.values.iter().map(Vec::as_slice));
        let mut blamed = BTreeSet::new();
        for (place, bytes) in places {
            for leak in leaks.find_all(&bytes) {
                let job = round.job_before(&format!("{place} {leak}"));
                if blamed.insert(job.map_or_else(|| place.clone(), |job| job.to_string())) {
                    attack.harm(Harm::Leak, &round.described(job, &place, &leak));
                }
            }
        }
    }

    fn wait_for_notifications(&self, number: usize) {
        let is_told = || {
            let reported = fs::read_to_string(self.forge.path("requests")).unwrap_or_default();
            reported.matches(&format!("/app/run/{number}")).count() >= 2
        };
        assert!(
            self.forge.world.eventually(|_| is_told()),
            "no notification\n{}",
            self.forge.world.serve_log()
        );
    }

    /// Every place where text of a run is.
    fn places(&self, number: usize) -> Vec<(String, Vec<u8>)> {
        let run = format!("'app#{number}'");
        let commands = [
            "quire runs".to_owned(),
            "quire runs --json".to_owned(),
            format!("quire show {run}"),
            format!("quire show {run} --json"),
            format!("quire logs {run}"),
            format!("quire logs {run} --json"),
            "quire notify list".to_owned(),
            "quire notify list --json".to_owned(),
            "quire doctor".to_owned(),
        ];
        let mut places: Vec<(String, Vec<u8>)> = commands
            .into_iter()
            .map(|command| {
                let output = self.forge.try_shell(&command).output;
                (command, output.into_bytes())
            })
            .collect();
        let page = format!("/app/run/{number}");
        places.push((page.clone(), self.forge.get(&page)));
        let mut files = Vec::new();
        files_below(&self.forge.path(""), &mut files);
        for path in files {
            // What the operator wrote is no place that text leaves to.
            if !path.starts_with(self.forge.path("secrets")) {
                places.push((path.display().to_string(), fs::read(&path).unwrap_or_default()));
            }
        }
        places
    }
}

impl Round {
    fn new(random: &mut Random) -> Self {
        let values: Vec<Vec<u8>> = (0..SECRETS)
            .map(|_| {
                let mut value = values::any(random);
                value.retain(|byte| *byte != 0);
                value
            })
            .collect();
        let mut numbers: Vec<usize> = (0..ways::count()).collect();
        random.shuffle(&mut numbers);
        numbers.truncate(JOBS * 3 / 4);
        numbers.resize(JOBS, usize::MAX);
        let bodies = numbers
            .into_iter()
            .map(|number| {
                let secret = random.below(SECRETS);
                let is_single_line = !values[secret].contains(&b'\n');
                format!("(let [v (secret :s{secret})] {})", ways::body(number, random, is_single_line))
            })
            .collect();
        Self { values, bodies }
    }

    fn pipeline(&self, port: &str) -> String {
        let mut text = format!("(local ci (require :quire.ci))\n(local url \"http://127.0.0.1:{port}/x\")\n");
        for (number, body) in self.bodies.iter().enumerate() {
            text.push_str(&format!("(ci:job :c{number}c [:quire/push] (fn [] {body}))\n"));
        }
        text
    }

    /// The job that is named last before a leak.
    fn job_before(&self, leak: &str) -> Option<usize> {
        let before = leak.split("<HERE>").next().unwrap_or_default();
        let place = |number: usize| before.rfind(&format!("c{number}c")).map(|at| (at, number));
        (0..self.bodies.len()).filter_map(place).max().map(|(_, number)| number)
    }

    fn described(&self, job: Option<usize>, place: &str, leak: &str) -> String {
        let body = job.map_or("", |number| &self.bodies[number]);
        let values: Vec<String> = self.values.iter().map(|value| value.escape_ascii().to_string()).collect();
        format!("{body}\n  in {place}, {leak}\n  values: {}", values.join(" | "))
    }
}

fn files_below(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files_below(&entry.path(), into);
        } else if kind.is_file() {
            into.push(entry.path());
        }
    }
}

/// Reads the arguments of all processes that are quire.
struct Watcher {
    stops: Arc<AtomicBool>,
    thread: JoinHandle<BTreeSet<Vec<u8>>>,
}

impl Watcher {
    fn start() -> Self {
        let stops = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stops);
        let thread = std::thread::spawn(move || {
            let binary = fs::canonicalize(env!("CARGO_BIN_EXE_quire")).unwrap();
            let mut seen = BTreeSet::new();
            while !is_over.load(Ordering::SeqCst) {
                let processes =
                    fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| entry.path());
                for process in processes {
                    if fs::read_link(process.join("exe")).is_ok_and(|exe| exe == binary) {
                        seen.extend(fs::read(process.join("cmdline")));
                        seen.extend(fs::read(process.join("comm")));
                    }
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            seen
        });
        Self { stops, thread }
    }

    fn stop(self) -> Vec<u8> {
        self.stops.store(true, Ordering::SeqCst);
        let seen: Vec<Vec<u8>> = self.thread.join().unwrap().into_iter().collect();
        seen.join(&b'\n')
    }
}
