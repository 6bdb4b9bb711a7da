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
fn a_step_that_is_stopped_reports_how_it_ended() {
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

/// Tries everything by which root's uid steers the machine without a capability, from inside. Files are opened for writing and
/// get the value that they have, so that a sandbox that is open changes nothing.
const STEER: &str = r#"
import ctypes, os
KEYCTL = 219 if os.uname().machine == "aarch64" else 250
def attempt(path):
    try:
        with open(path, "rb") as there:
            value = there.read(4096)
    except OSError:
        value = b""
    try:
        with open(path, "r+b", buffering=0) as there:
            print("OPEN", path)
    except OSError:
        pass
for top, folders, files in os.walk("/proc"):
    if top == "/proc":
        folders[:] = [name for name in folders if not name.isdigit() and name not in ("self", "thread-self")]
    for name in files:
        path = os.path.join(top, name)
        if not os.path.islink(path) and os.stat(path).st_rdev == 0:
            attempt(path)
for top in ("/sys", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/fuse", "/dev/kvm", "/run/docker.sock"):
    if os.path.exists(top):
        print("THERE", top)
for name in ("kcore", "kmsg", "kpageflags", "vmallocinfo"):
    try:
        with open("/proc/" + name, "rb") as there:
            if there.read(16):
                print("READ", name)
    except OSError:
        pass
status = open("/proc/self/status").read()
for line in status.splitlines():
    if line.startswith("Cap") and int(line.split()[1], 16):
        print("CAPABILITY", line)
    if line.startswith("NoNewPrivs") and line.split()[1] != "1":
        print("PRIVILEGES", line)
print("PROCESSES", [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) > 1 and int(pid) != os.getpid()])
libc = ctypes.CDLL(None, use_errno=True)
found = libc.syscall(KEYCTL, 10, ctypes.c_long(-3), b"user", b"quire-test-of-keyrings", 0)  # KEYCTL_SEARCH
print("KEY" if found >= 0 else "no key")
print("TRACED" if libc.ptrace(16, 1, 0, 0) == 0 else "not traced")
for flags, name in ((0x10000000, "user"), (0x10020000, "user and mounts")):
    child = os.fork()
    if child == 0:
        if libc.unshare(flags) == 0:
            for target in (b"/proc/sys", b"/proc"):
                if libc.umount2(target, 0) == 0 or libc.mount(None, target, None, 32 | 4096, None) == 0:
                    print("UNCOVERED", target, flush=True)
            os.makedirs("/tmp/new", exist_ok=True)
            for kind in (b"proc", b"sysfs"):
                if libc.mount(b"x", b"/tmp/new", kind, 0, None) == 0:
                    print("MOUNTED", kind, flush=True)
            attempt("/proc/sys/kernel/core_pattern")
        os._exit(0)
    os.waitpid(child, 0)
"#;

#[test]
fn the_uid_of_root_steers_nothing_of_the_machine_from_a_sandbox() {
    let pattern = std::fs::read("/proc/sys/kernel/core_pattern").unwrap();
    // In the session's keyring, which processes inherit; for a minute.
    let key = "import ctypes; k = ctypes.CDLL(None).syscall; n = 217 if __import__('os').uname().machine == 'aarch64' else 248
i = k(n, b'user', b'quire-test-of-keyrings', b'x', 1, ctypes.c_long(-3)); k(n + 2, 15, i, 60)";
    assert!(Command::new("python3").args(["-c", key]).status().unwrap().success());
    block_on(async {
        let bench = Bench::new(Containment::Cgroup, Orphans::OfSteps);
        let (end, log) = bench.run(&boxed(&bench, bench.spec(argv(&["python3", "-c", STEER])))).await;
        let said = String::from_utf8_lossy(&end.stdout.read().unwrap()).into_owned();
        assert_eq!(end.exit, 0, "{said}{}", String::from_utf8_lossy(&log.stderr));
        assert_eq!(said, "PROCESSES []\nno key\nnot traced\n");
        let text = "cat /proc/sys/kernel/core_pattern >/tmp/v; cat /tmp/v >/proc/sys/kernel/core_pattern";
        let (end, log) = bench.run(&boxed(&bench, bench.sh(text))).await;
        assert_ne!(end.exit, 0);
        assert!(String::from_utf8_lossy(&log.stderr).contains("Read-only file system"), "{log:?}");
    });
    assert_eq!(std::fs::read("/proc/sys/kernel/core_pattern").unwrap(), pattern);
}

#[test]
fn what_bubblewrap_refuses_is_not_an_exit_of_the_step() {
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
