//! Killing a process at one of its system calls, with strace(1).

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Fails loudly where there is no strace: a kill test that is skipped promises what nobody has tried.
pub(crate) fn require_strace() {
    let found = Command::new("strace").arg("--version").output();
    let works = found.is_ok_and(|output| output.status.success());
    assert!(works, "the kill tests need strace(1) and may not be skipped: run dev/setup, which installs it");
}

/// Whether all system calls are tried, instead of a choice that fits into the default run.
pub(super) fn is_full() -> bool {
    std::env::var_os("QUIRE_SWEEP").is_some_and(|value| value == "full")
}

/// One system call of a program: its name and which of this name it is. Strace counts each name by itself.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) text: String,
    name: String,
    ordinal: usize,
}

/// The line of a script that becomes `program` and is killed when it enters the call that `$KILL_AT` names; without it,
/// its calls are listed in `$TRACE`. `-D` keeps the process what it is: the child of whoever started it.
pub(super) fn exec_line(program: &str) -> String {
    format!(
        "[ -n \"$KILL_AT\" ] && exec strace -D -o \"$TRACE\" -e trace=\"${{KILL_AT%%:*}}\" -e inject=\"$KILL_AT\" -- {program}\n\
         [ -n \"$TRACE\" ] && exec strace -D -o \"$TRACE\" -e trace=all -- {program}\n\
         exec {program}"
    )
}

impl Call {
    /// What `$KILL_AT` is for this call.
    pub(super) fn kill_at(&self) -> String {
        format!("{}:signal=KILL:when={}", self.name, self.ordinal)
    }
}

/// How the traced process ended: whether it was killed.
pub(super) fn was_killed(trace: &Path) -> bool {
    whole(trace).lines().last().is_some_and(|line| line.starts_with("+++ killed"))
}

fn whole(trace: &Path) -> String {
    super::wait::until("the trace is whole", || {
        fs::read_to_string(trace)
            .ok()
            .filter(|text| text.lines().last().is_some_and(|line| line.starts_with("+++")))
    })
}

/// The system calls in a trace, in order.
pub(super) fn calls(trace: &Path) -> Vec<Call> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let text = whole(trace);
    let calls = text.lines().filter(|line| !line.starts_with("+++") && !line.starts_with("---"));
    let call = |line: &str| {
        let name = line.split('(').next().unwrap().to_owned();
        let ordinal = counts.entry(name.clone()).or_default();
        *ordinal += 1;
        Call { text: line.to_owned(), ordinal: *ordinal, name }
    };
    calls.map(call).collect()
}
