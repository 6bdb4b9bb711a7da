//! The process of a runner, from its start to the run that it is given. It outlives the server that started it.

use std::io::{ErrorKind, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use super::assignment::{Assignment, MAX_ASSIGNMENT};
use super::control::{RunnerInbox, report_not_started};
use super::lease::{Lease as _, RunLock};
use super::runner::{RunnerError, lead};
use super::speculation::{Prepared, Speculation};
use crate::model::chain;
use crate::script::compile_prelude;
use crate::sys::fork_sibling::{Copied, fork_sibling};
use crate::sys::handover;
use crate::sys::lock::LockFile;
use crate::sys::own_pages;
use crate::sys::process::{self, Pid};
use crate::sys::spawn;

/// Waits for a run on the socket that is standard input, and leads it to its end. When the socket is closed instead,
/// there is nothing to do.
///
/// Until then it is a template: when a socket comes, it copies itself, and the copy waits for its run on that socket. When
/// nothing comes with a message, nothing is to be done for now, and it gives its pages back. So it has one thread until it has a run, and nothing of any run.
///
/// # Errors
/// When the run could not be led; its journal has no end then, and the server settles it.
pub fn run_from_socket(socket: OwnedFd) -> Result<(), RunnerError> {
    compile_prelude();
    give_back_pages();
    let (mut waiting, mut is_copy) = (UnixStream::from(socket), false);
    loop {
        let Some((length, mut descriptors)) = handover::receive(&waiting).map_err(RunnerError::Spec)? else {
            return Ok(());
        };
        if length > 0 {
            let run = move || run_sent(waiting, length, descriptors);
            // What the copy has of the original's thread is not its own; see `fork_sibling`.
            return if is_copy { on_new_thread(run) } else { run() };
        }
        let Some(own) = descriptors.pop() else {
            give_back_pages();
            continue;
        };
        match fork_sibling() {
            Ok(Copied::Copy) => {
                let _leader_already = rustix::process::setsid().is_err();
                (waiting, is_copy) = (UnixStream::from(own), true);
            }
            Ok(Copied::Original(pid)) => answer(&waiting, Pid::as_raw(Some(pid)))?,
            Err(error) => {
                tracing::warn!(%error, "the template of runners cannot be copied");
                answer(&waiting, 0)?;
            }
        }
    }
}

/// Whoever waits may wait for long.
fn give_back_pages() {
    // That pages cannot be given back is no reason not to wait.
    let _kept = own_pages::give_back().is_err();
}

/// Says which number the copy has; 0 when there is none.
fn answer(mut server: &UnixStream, pid: i32) -> Result<(), RunnerError> {
    server.write_all(&pid.to_be_bytes()).map_err(RunnerError::Spec)
}

fn on_new_thread(run: impl FnOnce() -> Result<(), RunnerError> + Send + 'static) -> Result<(), RunnerError> {
    let started = std::thread::Builder::new().spawn(run).map_err(RunnerError::Spec)?;
    started.join().unwrap_or_else(|_| Err(RunnerError::Broken("the thread of the run is gone".to_owned())))
}

/// Leads the run whose assignment of `length` bytes comes over the socket. What comes without descriptors may become a run:
/// its assignment follows, unless the socket is closed.
fn run_sent(server: UnixStream, length: u64, descriptors: Vec<OwnedFd>) -> Result<(), RunnerError> {
    let bytes = read(&server, length)?;
    if !descriptors.is_empty() {
        return run_given(server, &bytes, descriptors, None);
    }
    let what = Speculation::decode(&bytes).map_err(|error| RunnerError::NoSpec(error.to_string()))?;
    let prepared = Prepared::start(what);
    let received = match handover::receive(&server) {
        // Whoever ended had not read everything.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
        received => received.map_err(RunnerError::Spec)?,
    };
    match received {
        Some((length, descriptors)) => {
            let bytes = read(&server, length)?;
            run_given(server, &bytes, descriptors, Some(prepared))
        }
        None => {
            prepared.abandon();
            Ok(())
        }
    }
}

/// Reads a message of `length` bytes.
fn read(server: &UnixStream, length: u64) -> Result<Vec<u8>, RunnerError> {
    if length > MAX_ASSIGNMENT {
        return Err(RunnerError::NoSpec(format!("{length} bytes")));
    }
    let mut bytes = Vec::new();
    server.take(length).read_to_end(&mut bytes).map_err(RunnerError::Spec)?;
    Ok(bytes)
}

fn run_given(
    server: UnixStream,
    assignment: &[u8],
    descriptors: Vec<OwnedFd>,
    prepared: Option<Prepared>,
) -> Result<(), RunnerError> {
    let given = Assignment::decode(assignment).map_err(|error| RunnerError::NoSpec(error.to_string()))?;
    let prepared = prepared.and_then(|prepared| prepared.for_run(&given));
    hide_memory();
    let mut descriptors = descriptors.into_iter();
    let (Some(lock), Some(control)) = (descriptors.next(), descriptors.next()) else {
        return Err(RunnerError::NoSpec("without descriptors".to_owned()));
    };
    // Held until the process is gone: by this lock the server knows that the run has a runner.
    let mut lock = LockFile::from_fd(lock).map_err(RunnerError::Spec)?;
    let inbox = server.try_clone().map(|server| (UnixListener::from(control), server));
    let led = inbox.and_then(|inbox| lock.write_own_pid().map(|()| inbox));
    let lost = RunLock::of(&given.place.run_dir).lost(&lock);
    let led = led.map_err(RunnerError::Spec).and_then(|(socket, server)| {
        lead(&given, RunnerInbox { socket, server: Some(server) }, (lost, prepared))
    });
    if let Err(error @ (RunnerError::Spec(_) | RunnerError::Broken(_))) = &led {
        report_not_started(&server, &given.place.run_dir, &chain(error));
    }
    drop(lock);
    led
}

/// Closes the runner's memory, which holds secrets, to other processes of the same user (prctl(2): `PR_SET_DUMPABLE`).
fn hide_memory() {
    // What is listed of an inherited descriptor can be read by its own user until then.
    spawn::keep_inherited();
    if let Err(error) = process::hide_memory() {
        tracing::warn!(%error, "other processes of this user can read the runner's memory");
    }
}
