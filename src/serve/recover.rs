//! What becomes of unfinished runs when the server starts: re-attached, settled, or queued again. Nothing here waits: who
//! cannot be found now is looked for again later, and holds up no other run.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::DataDir;
use crate::journal::RunRecord;
use crate::model::Progress;
use crate::store::RunRow;
use crate::sys::lock;
use crate::sys::pidfd::PidFd;
use crate::sys::process;

/// What was found of an unfinished run.
pub(super) enum Recovered {
    /// Its runner lives.
    Attached { process: PidFd, has_slot: bool, run_dir: PathBuf },
    /// Its runner is gone, and its jobs had begun or it has an end.
    Gone { run_dir: PathBuf },
    /// It has not begun.
    Queued,
    /// Its lock is held, and the process that leads it cannot be found.
    Held,
}

/// Looks at the folder of an unfinished run. A run is settled only from index and journal together. Blocking.
///
/// # Errors
/// The file cannot be read.
pub(super) fn look(data: &DataDir, row: &RunRow) -> io::Result<Recovered> {
    let run_dir = data.run(&row.repo, row.number);
    let path = run_dir.join("lock");
    if lock::is_held(&path)? {
        // A runner that has just been given its run writes its id in a moment: its lock is held all the while.
        let Some(process) = holder(&path)? else { return Ok(Recovered::Held) };
        let has_slot = RunRecord::may_have_begun(&run_dir).map_err(io::Error::other)?;
        return Ok(Recovered::Attached { process, has_slot, run_dir });
    }
    // A step may have destroyed the journal; the index saw the run begin.
    let has_begun =
        row.state == Progress::Running || RunRecord::may_have_begun(&run_dir).map_err(io::Error::other)?;
    Ok(if has_begun { Recovered::Gone { run_dir } } else { Recovered::Queued })
}

/// The live runner that holds the lock of a run, as far as its file says. What is written there can be any process: only
/// one that is a runner is taken for it.
fn holder(lock: &Path) -> io::Result<Option<PidFd>> {
    let Some(pid) = lock::holder_pid(lock)? else { return Ok(None) };
    let Some(process) = PidFd::open(pid)? else { return Ok(None) };
    let is_runner = process::has_command(pid, &RUNNER) && !process.is_dead();
    Ok((is_runner && lock::is_held(lock)?).then_some(process))
}

/// How the command line of a runner reads.
const RUNNER: [&[u8]; 2] = [b"quire", b"runner"];
