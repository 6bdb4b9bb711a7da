//! Whole stories with real git and a real server: `tests/scripts/*.txt`, in the language of [`script`].
//!
//! `QUIRE_STORIES=bless` writes what came out into the blocks that do not fit; read what it wrote.

pub(crate) mod pattern;
mod script;
pub(crate) mod world;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use script::Line;
use world::{Ended, World};

use super::engine;

/// A test for each story. A story that is not listed fails [`every_story_holds`].
macro_rules! stories {
    ($($name:ident)*) => {
        const STORIES: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { run(stringify!($name)); })*
    };
}

stories! {
    adopt
    api_starts
    artifact_mistakes
    artifacts
    artifacts_expire
    audit
    back_and_forth
    background_child
    bad_names
    bad_syntax
    cancel
    check_and_run
    compile_mistakes
    conditions
    config_edited
    config_mistakes
    container
    container_denied
    container_dockerfile
    container_unavailable
    copied_data_folder
    copied_then_pushed
    cycle
    default_branch
    delete_branch
    deploys_do_not_overlap
    doctor
    duplicate_id
    endless
    endless_macro
    exit_codes
    failing_command_ignored
    failing_command_looked_at
    force_push
    git_above
    job_folders
    job_folders_at_once
    job_folders_served
    job_sources
    job_words
    job_names
    logs_follow
    manual
    many_refs
    moved_with_a_spool
    no_address
    no_socket
    never_served
    nothing_to_run
    notify
    notify_mail
    notify_refused
    notify_repository
    notify_retries
    notify_stuck
    notify_variables
    out_of_memory
    outputs
    parallel_jobs
    phantom_ci
    phantom_ci_moves
    phantom_ci_while_it_runs
    planned
    policy_mistakes
    protected
    only
    push_options
    push_passes
    queue
    renamed_branch
    renamed
    renamed_by_hand
    repositories
    repo_settings
    rerun
    remote
    rerun_part
    reserved_names
    run_as_json
    runner_killed
    runs_list
    runtime_error
    sandbox
    secret_scopes
    secret_sources
    secrets_cut
    secrets_masked
    secrets_refused
    server_down_and_up
    server_log
    server_stops
    service
    services_on_the_host
    sources
    several_mistakes
    signal
    signed
    skip
    steps_user
    submodules
    supersede
    tags
    three_hundred_jobs
    timeouts
    tokens
    tree_bomb
    two_hundred_steps
    two_refs
    two_servers
    uninterruptible
    own_words
    argument_rules
    typed_arguments
    typed_arguments_api
    unknown_input
    unreadable_formats
    workflow_mistakes
    workflow_toml
    watch
    watch_force_push
    watch_gone
    watch_import
    watch_kept
    watch_kept_isolated
    watch_refused
    watch_secrets
    watch_notifies
}

/// The stories of containers, with docker.
mod by_docker {
    use super::{engine, run};

    #[test]
    fn container() {
        engine::by_docker(|| run("container"));
    }

    #[test]
    fn container_denied() {
        engine::by_docker(|| run("container_denied"));
    }

    #[test]
    fn container_dockerfile() {
        engine::by_docker(|| run("container_dockerfile"));
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

#[test]
fn every_story_holds() {
    let mut there: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".txt").map(str::to_owned))
        .collect();
    there.sort();
    let mut listed: Vec<String> = STORIES.iter().map(|name| (*name).to_owned()).collect();
    listed.sort();
    assert_eq!(there, listed);
}

/// A story that is running.
struct Runner {
    world: World,
    user: String,
    transcript: String,
    blesses: bool,
    blessed: Vec<(Line, Vec<String>, i32)>,
}

/// Runs a story. Panics with all output when it fails.
fn run(name: &str) {
    let path = folder().join(format!("{name}.txt"));
    let text = fs::read_to_string(&path).unwrap();
    follow(&path, &text);
}

/// Runs the text of a story.
pub(crate) fn follow(path: &Path, text: &str) {
    if text.lines().any(|line| line == "needs containers") && !engine::can_run_containers() {
        return;
    }
    if text.lines().any(|line| line == "needs root") && !rustix::process::geteuid().is_root() {
        return engine::skip("only root can be another user");
    }
    let blesses = std::env::var("QUIRE_STORIES").is_ok_and(|value| value == "bless");
    let world = World::new();
    let user = world.run(world.command("id").arg("-un")).output.trim().to_owned();
    let mut runner = Runner { world, user, transcript: String::new(), blesses, blessed: Vec::new() };
    for line in script::parse(text) {
        let number = line.number;
        if let Err(problem) = runner.run(line) {
            let (said, log) = (&runner.transcript, runner.world.serve_log());
            panic!(
                "{}:{number}: {problem}\n\n--- the story so far\n{said}\n--- the server's log\n{log}",
                path.display()
            );
        }
    }
    // A page that is followed as a story is written by hand.
    if !runner.blessed.is_empty() && path.starts_with(folder()) {
        fs::write(path, bless(text, &runner.blessed)).unwrap();
    }
}

/// The story with other blocks.
fn bless(text: &str, blessed: &[(Line, Vec<String>, i32)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (line, output, exit) in blessed.iter().rev() {
        let (first, last) = line.block_lines;
        let indented = |line: &String| if line.is_empty() { String::new() } else { format!("    {line}") };
        let code = (*exit != line.exit).then(|| format!("exits {exit}"));
        lines.splice(first..last, output.iter().map(indented).chain(code));
    }
    lines.join("\n") + "\n"
}

impl Runner {
    fn run(&mut self, line: Line) -> Result<(), String> {
        let _infallible = writeln!(self.transcript, "{}", line.text);
        let (verb, rest) = line.text.split_once(' ').unwrap_or((&line.text, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        match (verb, words.as_slice()) {
            ("file", [path]) => self.file(path, &line),
            ("needs", ["containers" | "root"]) => Ok(()),
            ("repo", [name]) => self.repo(name),
            ("commit", [name, ..]) => {
                let message = rest[name.len()..].trim();
                self.git(name, &["add", "-A"])?;
                self.git(name, &["commit", "-q", "--allow-empty", "-m", message])
            }
            ("push", [name, args @ ..]) => {
                let mut push = self.world.command("git");
                push.env_remove("QUIRE_DATA")
                    .env_remove("T")
                    .args(["-C", name, "push", "-q", "origin"])
                    .args(args);
                let ended = self.world.run(&mut push);
                self.compare(line, &ended, false)
            }
            ("serve", args) => self.world.serve(args),
            ("stop", []) => self.end("TERM"),
            ("kill", ["-9", "serve"]) => self.end("KILL"),
            ("wait", [run, outcome]) => self.wait(run, outcome),
            ("$", _) => {
                let ended = self.shell(rest);
                self.compare(line, &ended, true)
            }
            ("eventually", ["$", ..]) => self.eventually(line),
            ("background", ["$", ..]) => {
                self.world.background(rest.trim_start_matches("$ "));
                Ok(())
            }
            _ => Err("there is no such line in a story".to_owned()),
        }
    }

    fn end(&mut self, signal: &str) -> Result<(), String> {
        self.world.end_server(signal);
        Ok(())
    }

    fn file(&self, path: &str, line: &Line) -> Result<(), String> {
        let path = self.world.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text: String = line.block.iter().flatten().map(|line| format!("{line}\n")).collect();
        // `$TOKEN` is no folder.
        let folder = format!("{}/", self.world.path().display());
        fs::write(&path, text.replace("$T/", &folder)).map_err(|error| error.to_string())
    }

    fn repo(&mut self, name: &str) -> Result<(), String> {
        let made = format!(
            "quire repo new {name} >/dev/null && git init -q {name} && mkdir {name}/.quire &&
             git -C {name} remote add origin $T/data/repos/{name}.git"
        );
        self.quiet(&made)
    }

    fn git(&mut self, name: &str, args: &[&str]) -> Result<(), String> {
        let mut git = self.world.command("git");
        let ended = self.world.run(git.args(["-C", name]).args(args));
        if ended.exit == 0 { Ok(()) } else { Err(format!("git {args:?}: {}", ended.output)) }
    }

    fn quiet(&mut self, command: &str) -> Result<(), String> {
        let ended = self.shell(command);
        if ended.exit == 0 { Ok(()) } else { Err(ended.output) }
    }

    fn shell(&self, command: &str) -> Ended {
        self.world.run(self.world.command("sh").args(["-c", command]))
    }

    fn wait(&mut self, run: &str, outcome: &str) -> Result<(), String> {
        let is_there =
            |world: &World| world.run(world.command("quire").args(["show", run, "--json"])).exit == 0;
        if !self.world.eventually(is_there) {
            return Err("there is no such run".to_owned());
        }
        let waited = self.world.run(self.world.command("quire").args(["wait", run, "--json"]));
        let value: serde_json::Value = serde_json::from_str(&waited.output).map_err(|_| waited.output)?;
        let ended = value["outcome"].as_str().unwrap_or("not ended");
        if ended == outcome {
            return Ok(());
        }
        let shown = self.shell(&format!("quire show '{run}'; quire logs '{run}'")).output;
        Err(format!("{run} is {ended}, not {outcome}\n{shown}"))
    }

    fn eventually(&mut self, line: Line) -> Result<(), String> {
        let command = line.text.trim_start_matches("eventually $ ").to_owned();
        let expected = line.block.clone().unwrap_or_default();
        let (folder, user, exit) =
            (self.world.path().to_str().unwrap().to_owned(), self.user.clone(), line.exit);
        let mut last = None;
        self.world.eventually(|world| {
            let ended = world.run(world.command("sh").args(["-c", &command]));
            let fits = ended.exit == exit
                && pattern::matches(&expected, &pattern::redact(&ended.output, &folder, &user));
            last = Some(ended);
            fits
        });
        self.compare(line, &last.unwrap(), true)
    }

    /// Compares what a command printed with the block below it.
    fn compare(&mut self, line: Line, ended: &Ended, is_strict: bool) -> Result<(), String> {
        let actual = pattern::redact(&ended.output, self.world.path().to_str().unwrap(), &self.user);
        for line in &actual {
            let _infallible = writeln!(self.transcript, "    {line}");
        }
        let fits = match &line.block {
            Some(block) => pattern::matches(block, &actual),
            None => !is_strict || actual.is_empty(),
        };
        if self.blesses && !(fits && ended.exit == line.exit) {
            self.blessed.push((line, actual, ended.exit));
            return Ok(());
        }
        if ended.exit != line.exit {
            let shown = actual.join("\n");
            return Err(format!("exit code {}, not {}\n{shown}", ended.exit, line.exit));
        }
        if fits {
            return Ok(());
        }
        let expected = line.block.unwrap_or_default().join("\n");
        Err(format!("--- expected\n{expected}\n--- came\n{}", actual.join("\n")))
    }
}
