//! Shows on standard output what the steps of a run say, as it comes.
//!
//! For a server that somebody looks at. An active run from an earlier server is shown from its beginning.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use crate::app::AppState;
use crate::journal::{JournalReader, RunRecord};
use crate::store::{self, RunRow};
use crate::sys::inotify::Inotify;
use crate::view::{Colours, LogFollower, LogLine, RunView, SafeText, run_beginning, run_ending};

/// Shows the output of a run until it has ended. What cannot be shown is still in the logs.
pub(super) async fn echo(app: AppState, row: RunRow) {
    let Some(mut live) = app.live.follow(row.id) else { return };
    let run_dir = app.data.run(&row.repo, row.number);
    let Ok(inotify) = Inotify::new() else { return };
    let switched_off = app.environment.iter().any(|(name, value)| name == "NO_COLOR" && !value.is_empty());
    let has_colours = io::stdout().is_terminal() && !switched_off;
    let colours = if has_colours { Colours::Kept } else { Colours::Dropped };
    let mut shown = Shown {
        name: format!("{}#{}", row.repo, row.number),
        journal: JournalReader::new(&run_dir),
        record: RunRecord::default(),
        follower: LogFollower::new(&run_dir, None),
        colours,
    };
    let begin = run_beginning(&row);
    let Some(kept) = shown.with(move |_| say(begin.as_bytes())).await else { return };
    shown = kept;
    loop {
        // Watched first, then read: the folders that are not there yet come up in those that are.
        let folders: Vec<PathBuf> = shown.follower.folders().into_iter().chain([run_dir.clone()]).collect();
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            if inotify.watch(folder).is_err() {
                return;
            }
        }
        loop {
            let Some(kept) = shown.with(Shown::read_on).await else { return };
            shown = kept;
            if !shown.follower.has_more() {
                break;
            }
        }
        let has_ended = tokio::select! {
            changes = inotify.changes() => changes.is_err(),
            () = async { while live.changed().await.is_ok() {} } => true,
        };
        if has_ended {
            break;
        }
    }
    loop {
        let Some(kept) = shown.with(Shown::read_rest).await else { return };
        shown = kept;
        if !shown.follower.has_more() {
            break;
        }
    }
    let _shown = shown.with(move |shown| shown.end(&app, &row)).await.is_some();
}

/// What of a run is shown.
struct Shown {
    name: String,
    journal: JournalReader,
    record: RunRecord,
    follower: LogFollower,
    colours: Colours,
}

impl Shown {
    /// Works where it may block; nothing when nobody reads what is shown.
    async fn with(mut self, work: impl FnOnce(&mut Self) -> io::Result<()> + Send + 'static) -> Option<Self> {
        let worked = tokio::task::spawn_blocking(move || work(&mut self).map(|()| self)).await;
        worked.ok()?.ok()
    }

    fn read_on(&mut self) -> io::Result<()> {
        // Without its journal, which the run's follower reports, only the ends of unfinished lines are not known.
        self.journal.read().unwrap_or_default().into_iter().for_each(|fact| self.record.apply(fact));
        let lines = self.follower.read(&self.record)?;
        say(&self.format(&lines))
    }

    /// The next of the last lines.
    fn read_rest(&mut self) -> io::Result<()> {
        let lines = self.follower.finish()?;
        say(&self.format(&lines))
    }

    /// How the run has ended.
    fn end(&mut self, app: &AppState, row: &RunRow) -> io::Result<()> {
        // Only for show: without the database, the row is that of the beginning.
        let found = store::open_read_only(&app.data.database()).ok();
        let name = crate::model::RunName::Id(row.id);
        let row =
            found.and_then(|db| store::find_run(&db, &name).ok().flatten()).unwrap_or_else(|| row.clone());
        say(run_ending(&RunView::load(&app.data, row, None)).as_bytes())
    }

    fn format(&self, lines: &[LogLine]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in lines {
            let job = line.job.as_ref().map(|_| format!(" {}", line.origin())).unwrap_or_default();
            out.extend_from_slice(format!("{}{job} │ ", self.name).as_bytes());
            let text = SafeText::of_output(&String::from_utf8_lossy(&line.bytes), self.colours);
            out.extend_from_slice(text.as_str().as_bytes());
            out.push(b'\n');
        }
        out
    }
}

/// Writes whole lines; those of other runs stand before or behind them.
fn say(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
