//! The signals of a process that is about to become a program: all as they are by default.

/// The last signal of Linux (signal(7)).
const LAST: i32 = 64;

/// Blocks all signals of this thread; what was blocked before.
#[expect(unsafe_code, reason = "a mask of signals is made by the C library")]
pub(super) fn block_all() -> libc::sigset_t {
    // SAFETY: both sets are of this function.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        before
    }
}

/// Blocks what was blocked before.
#[expect(unsafe_code, reason = "a mask of signals is set by the C library")]
pub(super) fn restore(before: &libc::sigset_t) {
    // SAFETY: the set is one that `block_all` gave.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut());
    }
}

/// Ends the process with exit status 0 when it is asked to end: by a closed terminal, Ctrl-C or a supervisor. For a process that has
/// nothing left to lose.
#[expect(unsafe_code, reason = "a handler of a signal is set by the C library")]
pub(crate) fn exit_well_on_signals() {
    extern "C" fn exit(_: libc::c_int) {
        // SAFETY: async-signal-safe (signal-safety(7)), and does not return.
        unsafe { libc::_exit(0) }
    }
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler makes one call, which may be made in a handler.
        unsafe {
            libc::signal(signal, exit as extern "C" fn(libc::c_int) as libc::sighandler_t);
        }
    }
}

/// Ignores no signal and blocks none, whatever quire was started with: a shell that starts it with
/// nohup(1) or in the background makes it ignore some, and programs keep what is ignored. For between fork and exec: makes
/// system calls only.
#[expect(unsafe_code, reason = "between fork and exec only system calls are allowed")]
pub(super) fn reset() {
    // SAFETY: system calls on memory of this process alone; signals that cannot be set are refused.
    unsafe {
        for signal in 1..=LAST {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}
