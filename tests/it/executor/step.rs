//! What a step sees, says and answers.

use super::*;
use quire::log::{LogError, Sink, Stream};
use quire::sys::kept_output::KeptOutput;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn bench() -> Bench {
    Bench::new(Containment::Cgroup, Orphans::Unknown)
}

#[tokio::test]
async fn the_bytes_in_the_log_are_the_bytes_that_came_out() {
    let bench = bench();
    let blob: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
    fs::write(bench.path("blob"), &blob).unwrap();
    let (end, text) = bench.run(&bench.sh("cat blob; cat blob blob >&2")).await;
    assert_eq!((end.exit, end.signal, end.truncated), (0, None, false));
    assert!(*end.stdout.read().unwrap() == blob && text.stdout == blob);
    assert!(*end.stderr.read().unwrap() == blob.repeat(2) && text.stderr == blob.repeat(2));
    assert_eq!((text.notes.len(), text.damaged), (0, 0));
}

#[tokio::test]
async fn exit_codes_and_signals_are_reported_as_they_are() {
    let bench = bench();
    for code in [0, 1, 2, 125, 126, 127, 128, 137, 255] {
        let (end, _) = bench.run(&bench.sh(&format!("exit {code}"))).await;
        assert_eq!((end.exit, end.signal), (code, None));
    }
    for (name, number) in [("KILL", 9), ("TERM", 15), ("SEGV", 11), ("HUP", 1)] {
        let (end, _) = bench.run(&bench.sh(&format!("ulimit -c 0; kill -{name} $$"))).await;
        assert_eq!((end.exit, end.signal), (128 + number, Some(number)), "{name}");
        assert!(!end.timed_out && !end.stopped && end.missing.is_none());
    }
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_an_exit_code_and_a_line_in_the_log() {
    let bench = bench();
    for (name, content, mode) in [("plain", "x", 0o644), ("orphan", "#!/nowhere/sh\n", 0o755)] {
        fs::write(bench.path(name), content).unwrap();
        fs::set_permissions(bench.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let long = "x".repeat(4 << 20);
    for (args, exit, message) in [
        (&["no-such-program", "x"][..], 127, "program `no-such-program` not found in PATH"),
        (&["./nothing"], 127, "program `./nothing` not found"),
        (&["./plain"], 126, "program `./plain` is not executable"),
        (&["/"], 126, "program `/` is a folder"),
        (&["./orphan"], 127, "the interpreter that program `./orphan` names was not found"),
        (&["echo", "a\0b"], 126, "an argument of program `echo` holds a NUL byte"),
        (
            &["echo", &long],
            126,
            "the arguments and the environment of program `echo` are too long for the system",
        ),
        (&[], 127, "the command is empty"),
    ] {
        let (end, text) = bench.run(&bench.spec(argv(args))).await;
        assert_eq!((end.exit, end.missing.as_deref()), (exit, Some(message)));
        assert_eq!(text.stderr, format!("{message}\n").into_bytes());
        assert_eq!(*end.stderr.read().unwrap(), *text.stderr);
    }
    bench.assert_clean();
}

#[tokio::test]
async fn arguments_arrive_as_they_are() {
    let bench = bench();
    let args = ["a b", "c\nd", "e'f\"g`h`", "", "$HOME * ~ \\n", "-n", "é"];
    let (end, _) = bench.run(&bench.spec(argv(&[&["printf", "%s\\0"], &args[..]].concat()))).await;
    assert_eq!(*end.stdout.read().unwrap(), *args.map(|arg| format!("{arg}\0")).concat().as_bytes());
}

#[tokio::test]
async fn the_environment_is_the_given_one_and_the_mark() {
    let bench = bench();
    let mut spec = bench.spec(argv(&["env"]));
    spec.env.set("ODD", "a=b c\nd").unwrap();
    let (end, _) = bench.run(&spec).await;
    let mut expected = vec![
        "ODD=a=b c\nd".to_owned(),
        "PATH=/usr/local/bin:/usr/bin:/bin".to_owned(),
        "QUIRE_INSTANCE=0000000000000007".to_owned(),
        format!("QUIRE_RUN={}", bench.mark.run),
        "QUIRE_STEP=build/1".to_owned(),
    ];
    let text = String::from_utf8(end.stdout.read().unwrap().into_owned()).unwrap();
    let mut lines: Vec<_> = text.replace("c\nd", "c~d").lines().map(|line| line.replace('~', "\n")).collect();
    lines.sort();
    expected.sort();
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_step_leads_a_session_without_a_terminal() {
    let bench = bench();
    let script = "test -t 0 -o -t 1 -o -t 2 && echo terminal
        (exec 3</dev/tty) 2>/dev/null && echo tty
        readlink /proc/self/fd/0
        set -- $(cut -d' ' -f5-7 /proc/$$/stat); test $1 = $$ -a $2 = $$ -a $3 = 0 && echo leader";
    let (end, _) = bench.run(&bench.sh(script)).await;
    assert_eq!(String::from_utf8_lossy(&end.stdout.read().unwrap()), "/dev/null\nleader\n");
    // The last one is that of the listing itself.
    let (end, _) = bench.run(&bench.spec(argv(&["ls", "/proc/self/fd"]))).await;
    assert_eq!(String::from_utf8_lossy(&end.stdout.read().unwrap()), "0\n1\n2\n3\n");
}

#[tokio::test]
async fn a_step_is_in_its_own_cgroup_where_there_is_one() {
    let bench = bench();
    let (end, _) = bench.run(&bench.spec(argv(&["cat", "/proc/self/cgroup"]))).await;
    let own = format!("quire-{}/step-0", bench.mark);
    assert_eq!(String::from_utf8_lossy(&end.stdout.read().unwrap()).contains(&own), bench.host.has_cgroup());
    let descent = Bench::new(Containment::Descent, Orphans::Unknown);
    assert!(!descent.host.has_cgroup());
    let (end, _) = descent.run(&descent.spec(argv(&["cat", "/proc/self/cgroup"]))).await;
    assert!(!String::from_utf8_lossy(&end.stdout.read().unwrap()).contains("quire-"));
}

#[tokio::test]
async fn input_is_read_or_not() {
    let bench = bench();
    let input: Vec<u8> = (0..4 << 20).map(|n: u32| (n % 251) as u8).collect();
    let mut spec = bench.spec(argv(&["cat"]));
    spec.input = Some(input.clone());
    let (end, _) = bench.run(&spec).await;
    assert!(*end.stdout.read().unwrap() == input);
    spec.program = argv(&["true"]);
    assert_eq!(bench.run(&spec).await.0.exit, 0);
    spec.program = argv(&["cat"]);
    spec.input = Some(Vec::new());
    assert!(bench.run(&spec).await.0.stdout.is_empty());
}

#[tokio::test]
async fn output_above_the_limits_is_counted_and_marked() {
    let bench = bench();
    let (_stop, never) = watch::channel(false);
    let (end, text) = bench.run_until(&bench.sh("head -c 20971520 /dev/zero"), never, 4 << 20).await;
    let end = end.unwrap();
    assert_eq!((end.stdout.len(), end.truncated, end.exit), (CAPTURE, true, 0));
    let left_out = (20 << 20) - text.stdout.len();
    assert!(text.stdout.len() > 3 << 20 && text.stdout.len() < 4 << 20);
    assert_eq!(text.notes, format!("[{left_out} bytes of output left out]\n").into_bytes());
    let (end, _) = bench.run(&bench.sh("head -c 16777216 /dev/zero")).await;
    assert_eq!((end.stdout.len(), end.truncated), (CAPTURE, false));
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let bench = bench();
    let (_stop, never) = watch::channel(false);
    fs::write(bench.path("file"), "").unwrap();
    for name in ["gone", "file"] {
        let mut spec = bench.sh("true");
        spec.cwd = bench.path(name);
        let error = bench.run_until(&spec, never.clone(), 1 << 20).await.0.err().unwrap();
        assert_eq!(error.to_string(), format!("the step cannot run in the folder {}", spec.cwd.display()));
    }
}

/// Reports when the step was silent.
struct Watched(Vec<u8>, watch::Sender<Vec<u8>>);

impl Sink for Watched {
    fn write(&mut self, _: Stream, bytes: &[u8]) -> Result<(), LogError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn cut_value(&self, _: &KeptOutput) -> usize {
        0
    }

    fn quiet(&mut self) -> Result<(), LogError> {
        self.1.send_replace(self.0.clone());
        Ok(())
    }
}

#[tokio::test]
async fn a_prompt_shows_while_the_step_waits() {
    let bench = bench();
    let answer = bench.fifo("answer");
    let (sender, mut shown) = watch::channel(Vec::new());
    let mut log = Watched(Vec::new(), sender);
    let (_stop, never) = watch::channel(false);
    let spec = bench.sh("printf 'name? '; read name < answer; echo \"hello $name\"");
    let answering = async {
        shown.wait_for(|text| text == b"name? ").await.unwrap();
        tokio::task::spawn_blocking(move || fs::write(answer, "you\n").unwrap()).await.unwrap();
    };
    let (end, ()) = tokio::join!(bench.host.run_step(&spec, &mut log, never), answering);
    assert_eq!(*end.unwrap().stdout.read().unwrap(), *b"name? hello you\n");
}

/// A disk that is full.
struct Full;

impl Sink for Full {
    fn write(&mut self, _: Stream, _: &[u8]) -> Result<(), LogError> {
        let source = std::io::ErrorKind::StorageFull.into();
        Err(LogError::Write { path: "/full".into(), source })
    }

    fn cut_value(&self, _: &KeptOutput) -> usize {
        0
    }

    fn quiet(&mut self) -> Result<(), LogError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_step_whose_log_cannot_be_written_is_killed_and_never_green() {
    let bench = bench();
    let (_stop, never) = watch::channel(false);
    let spec = bench.sh("trap '' TERM; echo x; while :; do sleep 1000; done");
    let end = bench.host.run_step(&spec, &mut Full, never).await;
    assert!(matches!(end, Err(StepError::Log { .. })));
    bench.assert_clean();
}
