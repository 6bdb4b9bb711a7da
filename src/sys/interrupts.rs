//! The signals by which a person, a terminal or a supervisor asks a program to end.

use std::fs;
use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// A request to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// The terminal was closed: SIGHUP.
    HangUp,
    /// Ctrl-C: SIGINT.
    CtrlC,
    /// Ctrl-\: SIGQUIT.
    Quit,
    /// SIGTERM.
    Terminate,
}

impl Interrupt {
    const ALL: [Self; 4] = [Self::HangUp, Self::CtrlC, Self::Quit, Self::Terminate];

    /// Its name in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HangUp => "SIGHUP",
            Self::CtrlC => "Ctrl-C",
            Self::Quit => "SIGQUIT",
            Self::Terminate => "SIGTERM",
        }
    }

    fn signal(self) -> i32 {
        let signal = match self {
            Self::HangUp => Signal::HUP,
            Self::CtrlC => Signal::INT,
            Self::Quit => Signal::QUIT,
            Self::Terminate => Signal::TERM,
        };
        signal.as_raw()
    }
}

/// Calls `on_interrupt` for each signal that comes from now on, on a thread of its own that lasts as long as the
/// process. A signal that was ignored when the program was started, as nohup(1) does, stays ignored.
///
/// # Errors
/// The system refuses a handler.
pub(crate) fn watch_interrupts(on_interrupt: impl Fn(Interrupt) + Clone + Send + 'static) -> io::Result<()> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    {
        let _context = runtime.enter();
        for interrupt in Interrupt::ALL {
            if is_ignored(&status, interrupt.signal()) {
                continue;
            }
            let mut signals = signal(SignalKind::from_raw(interrupt.signal()))?;
            let on_interrupt = on_interrupt.clone();
            runtime.spawn(async move {
                while signals.recv().await.is_some() {
                    on_interrupt(interrupt);
                }
            });
        }
    }
    std::thread::Builder::new()
        .name("interrupts".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(())
}

/// Whether a process with this `/proc/<pid>/status` ignores a signal.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_mask() {
        let status = "Name:\tquire\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        let ignored = Interrupt::ALL.map(|interrupt| is_ignored(status, interrupt.signal()));
        assert_eq!(ignored, [true, false, false, false]);
        assert!(!is_ignored("", Interrupt::Terminate.signal()));
    }
}
