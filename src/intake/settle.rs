//! Settles the refs of a repository: observes them, records the updates that are new, and creates
//! their runs, all in one transaction.
//!
//! It is called for every reason (a hook reported, a folder changed, receive-pack is gone, the server
//! started) and always does the same, so that no order of these loses an update or records one twice. Blocks: called on
//! the database's writer.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction};

use super::audit;
use super::decide::Decision;
use super::objects::{Decided, Objects};
use super::pushed_with::{PushedWith, keep_left_commits, pushed_with};
use super::rivals::find_rivals;
use super::seen_row::{self, SeenRowError};
use crate::config::{DataDir, Limits};
use crate::event::{Event, EventKind, PushCertificate, RefUpdate};
use crate::forge::{
    self, Claim, Keys, KeysChange, LineKey, LogStart, LookError, Looked, Refs, RepoError, Report, Seen,
};
use crate::model::{CommitId, Outcome, Reason, RefKind, RefName, RunId, Timestamp, chain, codes};
use crate::secret::Redactor;
use crate::store::{self, Intent, NewRun, NewUpdate, RepoRow, StoreError};

/// What settling needs.
pub(crate) struct Settling<'a> {
    pub(crate) data: &'a DataDir,
    pub(crate) repo: &'a RepoRow,
    /// The current limits.
    pub(crate) limits: &'a Limits,
    /// Finds the values of secrets in what is kept of a commit.
    pub(crate) secrets: &'a Redactor,
    /// The pushes whose receive-pack may still move refs and report.
    pub(crate) open_pushes: &'a HashSet<String>,
    /// Whether a branch that is new here is only recorded.
    pub(crate) records_first: bool,
    /// The current time.
    pub(crate) now: Timestamp,
    /// Creates the id of a run.
    pub(crate) new_id: &'a mut dyn FnMut() -> RunId,
}

impl Settling<'_> {
    /// The folder of the repository.
    pub(super) fn git_dir(&self) -> PathBuf {
        self.data.git_dir(&self.repo.name, self.repo.is_watched())
    }
}

/// The result of settling.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Updates that were recorded.
    pub(crate) recorded: Vec<RecordedUpdate>,
    /// The default branch, if it has followed the first push.
    pub(crate) default_branch: Option<RefName>,
    /// Runs that were queued.
    pub(crate) queued: Vec<RunId>,
    /// New runs that have ended with this: skipped, or without a pipeline that can be used.
    pub(crate) ended: Vec<RunId>,
    /// Unfinished runs that a newer one supersedes, with its number.
    pub(crate) superseded: Vec<(RunId, u64)>,
    /// Refs that kept moving or could not be read; they are observed again at the next change.
    pub(crate) unread: Vec<UnreadRef>,
    /// Refs with an update that several pushes have announced; nothing was recorded for them.
    pub(crate) undecided: Vec<UndecidedRef>,
}

/// An update that was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedUpdate {
    pub(crate) ref_name: RefName,
    /// The old value.
    pub(crate) old: CommitId,
    /// The new value.
    pub(crate) new: CommitId,
    /// The push that announced it, if one did.
    pub(crate) push: Option<String>,
    /// The pusher, if known.
    pub(crate) pusher: Option<String>,
    /// The certificate of the push, if it was signed.
    pub(crate) certificate: Option<PushCertificate>,
    /// The decision: `run`, or why no run was started.
    pub(crate) decision: String,
    /// The run, with its state, if there is one.
    pub(crate) run: Option<String>,
}

/// A ref with an update that belongs to one of several pushes. Git has refused the others; which these are is known when
/// one of them has reported or all of them are over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UndecidedRef {
    pub(crate) name: RefName,
    /// The pushes that are not over.
    pub(crate) open: HashSet<String>,
}

/// A ref that could not be observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnreadRef {
    pub(crate) name: RefName,
    /// Why.
    pub(crate) problem: String,
}

/// Why nothing was settled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettleError {
    /// The database failed.
    #[error("could not record the updates of `{repo}`")]
    Store {
        repo: String,
        /// The error of the database.
        source: StoreError,
    },
    /// The repository could not be read.
    #[error("could not read the refs of `{repo}`")]
    Look { repo: String, source: LookError },
    /// The baseline of an adopted repository could not be read.
    #[error("could not read the baseline of `{repo}`")]
    Baseline { repo: String, source: RepoError },
}

/// Which refs to observe.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// All refs that exist and all that were recorded.
    All,
    /// These, and those that an open push has announced.
    Refs(&'a BTreeSet<RefName>),
    /// These, which a hook of this push has reported.
    Reported { push: &'a str, updates: &'a [RefUpdate] },
}

/// Observes the refs in scope and records what is new.
///
/// # Errors
/// The database or the repository could not be used; then nothing is recorded.
pub(crate) fn settle(
    connection: &mut Connection,
    settling: &mut Settling<'_>,
    scope: Scope<'_>,
) -> Result<Settled, SettleError> {
    let repo = settling.repo.name.to_string();
    let stored = |source: rusqlite::Error| SettleError::Store { repo: repo.clone(), source: source.into() };
    let git_dir = settling.git_dir();
    let mut refs = Refs::of(&git_dir);
    let default_branch = follow_first_push(&git_dir, settling.repo, scope);
    let transaction = connection.transaction().map_err(stored)?;
    take_baseline(&transaction, settling)?;
    let names = names(&transaction, settling, &mut refs, scope)?;
    let mut settled = Settled { default_branch, ..Settled::default() };
    let mut objects = Objects::new(&git_dir);
    for name in names {
        let report = match scope {
            Scope::All | Scope::Refs(_) => None,
            Scope::Reported { push, updates } => {
                updates.iter().find(|update| update.ref_name == name).map(|update| (push, update))
            }
        };
        let one = RefSettling { transaction: &transaction, name: &name, report };
        match one.settle(settling, &mut refs, &mut objects, &mut settled) {
            Ok(()) => {}
            Err(RefError::Undecided(open)) => settled.undecided.push(UndecidedRef { name, open }),
            Err(RefError::Look(problem)) => {
                settled.unread.push(UnreadRef { name: name.clone(), problem: chain(&problem) });
            }
            Err(RefError::Seen(problem)) => {
                settled.unread.push(UnreadRef { name: name.clone(), problem: chain(&problem) });
            }
            Err(RefError::Store(source)) => return Err(stored(source)),
        }
    }
    if let Scope::Reported { push, updates } = scope {
        drop_unreported(&transaction, push, updates).map_err(stored)?;
    }
    audit::record(&transaction, settling.repo, &settled.recorded).map_err(stored)?;
    transaction.commit().map_err(stored)?;
    Ok(settled)
}

/// Has an unborn `HEAD` follow the first branches that arrive: before the consequences of their updates are decided.
fn follow_first_push(git_dir: &Path, repo: &RepoRow, scope: Scope<'_>) -> Option<RefName> {
    let pushed: Vec<RefName> = match scope {
        Scope::All | Scope::Refs(_) => Vec::new(),
        Scope::Reported { updates, .. } => updates.iter().map(|update| update.ref_name.clone()).collect(),
    };
    let followed = forge::follow_first_push(git_dir, &pushed).unwrap_or_else(|error| {
        tracing::warn!(problem = chain(&error), "the default branch of {} could not be set", repo.name);
        None
    });
    followed.inspect(|branch| tracing::info!("the default branch of {} is now {}", repo.name, branch.short()))
}

/// Drops updates that a push announced and did not report: git reports all that has happened at once, and refused the rest.
fn drop_unreported(transaction: &Transaction<'_>, push: &str, updates: &[RefUpdate]) -> rusqlite::Result<()> {
    for (id, name) in store::open_intents_of(transaction, push)? {
        if !updates.iter().any(|update| update.ref_name == name) {
            store::settle_intent(transaction, id, false)?;
        }
    }
    Ok(())
}

/// Takes over the baseline of an adopted repository, once.
fn take_baseline(transaction: &Transaction<'_>, settling: &Settling<'_>) -> Result<(), SettleError> {
    let (id, name) = (settling.repo.id.as_str(), settling.repo.name.to_string());
    let take = || -> rusqlite::Result<Result<(), RepoError>> {
        if store::is_based(transaction, id)? {
            return Ok(Ok(()));
        }
        let held = match forge::read_baseline(&settling.git_dir()) {
            Ok(held) => held,
            Err(error) => return Ok(Err(error)),
        };
        for (ref_name, (seen, keys)) in held {
            save(transaction, id, &ref_name, &seen)?;
            let keys: Vec<[u8; 16]> = keys.list().map(|key| *key.as_bytes()).collect();
            store::add_line_keys(transaction, id, &ref_name, &keys)?;
        }
        store::mark_based(transaction, id).map(Ok)
    };
    match take() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) => Err(SettleError::Baseline { repo: name, source }),
        Err(source) => Err(SettleError::Store { repo: name, source: source.into() }),
    }
}

/// The refs in scope, without symbolic refs.
fn names(
    transaction: &Transaction<'_>,
    settling: &Settling<'_>,
    refs: &mut Refs,
    scope: Scope<'_>,
) -> Result<BTreeSet<RefName>, SettleError> {
    let repo = settling.repo.name.to_string();
    let look = |source| SettleError::Look { repo: repo.clone(), source };
    let wrong = |source: rusqlite::Error| SettleError::Store { repo: repo.clone(), source: source.into() };
    let mut names = match scope {
        Scope::Reported { updates, .. } => {
            return Ok(updates.iter().map(|update| update.ref_name.clone()).collect());
        }
        Scope::Refs(names) => names.clone(),
        Scope::All => {
            let mut names = forge::names_to_look_at(refs).map_err(look)?;
            names.extend(store::recorded_refs(transaction, &settling.repo.id).map_err(wrong)?);
            names
        }
    };
    // A ref that was created and deleted between two observations is known by its intents alone.
    names.extend(store::refs_of_open_intents(transaction, &settling.repo.id).map_err(wrong)?);
    Ok(names)
}

fn save(transaction: &Transaction<'_>, repo: &str, name: &RefName, seen: &Seen) -> rusqlite::Result<()> {
    let text =
        seen_row::encode(seen).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    store::save_ref(transaction, repo, name, &text)
}

/// Why one ref was not settled.
enum RefError {
    Look(LookError),
    Store(rusqlite::Error),
    /// Its stored state is damaged.
    Seen(SeenRowError),
    /// It is not known yet to which push an update belongs; these pushes are not over.
    Undecided(HashSet<String>),
}

impl From<rusqlite::Error> for RefError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error)
    }
}

/// One ref being settled.
struct RefSettling<'a> {
    transaction: &'a Transaction<'a>,
    name: &'a RefName,
    report: Option<(&'a str, &'a RefUpdate)>,
}

impl RefSettling<'_> {
    fn settle(
        &self,
        settling: &mut Settling<'_>,
        refs: &mut Refs,
        objects: &mut Objects<'_>,
        settled: &mut Settled,
    ) -> Result<(), RefError> {
        let (transaction, repo) = (self.transaction, settling.repo.id.clone());
        let name = &refs.resolve(self.name).map_err(RefError::Look)?;
        let row = store::load_ref(transaction, &repo, name)?;
        let seen =
            row.as_deref().map(seen_row::decode).transpose().map_err(RefError::Seen)?.unwrap_or_default();
        let look = match forge::look(refs, name, seen.cursor.as_ref()).map_err(RefError::Look)? {
            Looked::Ref(look) => look,
            Looked::Symbolic(_) => return Ok(store::forget_ref(transaction, &repo, name)?),
        };
        let intents = store::open_intents(transaction, &repo, name)?;
        let reports = self.reports(&intents, &seen);
        let known = match look.log.as_ref().map(|log| log.from) {
            Some(LogStart::Beginning) => {
                Keys::of(store::line_keys(transaction, &repo, name)?.into_iter().map(LineKey::from_bytes))
            }
            Some(LogStart::Cursor(_)) | None => Keys::default(),
        };
        let verdict = forge::compare(&seen, &known, &look, &reports);
        if verdict.seen == seen && verdict.found.is_empty() && verdict.bound.is_empty() {
            return Ok(());
        }
        let reported = self.report.map(|(push, _)| push);
        let rivals = find_rivals(&verdict, &intents, reported, settling.open_pushes);
        if !rivals.is_empty() {
            return Err(RefError::Undecided(rivals));
        }
        self.keep_keys(&repo, name, &verdict.keys)?;
        save(transaction, &repo, name, &verdict.seen)?;
        for bound in &verdict.bound {
            let intent = intents.iter().find(|intent| intent.push == bound.push);
            let pusher = intent.and_then(|intent| intent.pusher.as_deref());
            store::bind_update(transaction, &repo, name, bound.serial, (&bound.push, pusher))?;
            if let Some(intent) = intent {
                store::settle_intent(transaction, intent.id, true)?;
            }
        }
        for found in verdict.found {
            let intent = intents.iter().find(|intent| Some(&intent.push) == found.push.as_ref());
            record(transaction, settling, objects, (name, &found, intent), settled)?;
        }
        Ok(())
    }

    /// The reports of hooks about this ref: that it was about to move, or that it has moved.
    fn reports(&self, intents: &[Intent], seen: &Seen) -> Vec<Report> {
        let said = |intent: &Intent| Report {
            push: intent.push.clone(),
            old: intent.old,
            new: intent.new,
            email: None,
            since: intent.at.as_millis().div_euclid(1000),
            until: i64::MAX,
            claim: match self.report {
                Some((push, update)) if push == intent.push && update.new == intent.new => Claim::Happened,
                Some(_) | None => Claim::Intended,
            },
        };
        let mut reports: Vec<Report> = intents.iter().map(said).collect();
        // A report whose intent is settled already has been counted; one that never had an intent has not.
        if let Some((push, update)) = self.report
            && !reports.iter().any(|report| report.push == push)
            && !seen.recent.iter().any(|known| known.push.as_deref() == Some(push))
        {
            reports.push(Report {
                push: push.to_owned(),
                old: update.old,
                new: update.new,
                email: None,
                since: i64::MIN,
                until: i64::MAX,
                claim: Claim::Happened,
            });
        }
        reports
    }

    fn keep_keys(&self, repo: &str, name: &RefName, change: &KeysChange) -> rusqlite::Result<()> {
        let keys = match change {
            KeysChange::Add(keys) => keys,
            KeysChange::Replace(keys) => {
                store::clear_line_keys(self.transaction, repo, name)?;
                keys
            }
        };
        let keys: Vec<[u8; 16]> = keys.iter().map(|key| *key.as_bytes()).collect();
        store::add_line_keys(self.transaction, repo, name, &keys)
    }
}

/// Records one update and starts what follows from it.
fn record(
    transaction: &Transaction<'_>,
    settling: &mut Settling<'_>,
    objects: &mut Objects<'_>,
    (name, found, intent): (&RefName, &forge::Found, Option<&Intent>),
    settled: &mut Settled,
) -> rusqlite::Result<()> {
    let options = intent.map(|intent| intent.options.clone()).unwrap_or_default();
    let pushed = PushedWith { options: &options, ..pushed_with(transaction, settling, (name, intent))? };
    let Decided { decision, commit, subject } = objects.decide(settling, name, found, &pushed);
    keep_left_commits(transaction, settling, objects, (name, found))?;
    let event = Event {
        kind: if settling.repo.is_watched() { EventKind::Watch } else { EventKind::Push },
        subject: Some(RefUpdate { ref_name: name.clone(), old: found.old, new: commit }),
        actor: intent.and_then(|intent| intent.pusher.clone()),
        at: intent.map_or(settling.now, |intent| intent.at),
    };
    let update = NewUpdate {
        repo: settling.repo.id.clone(),
        ref_name: name.clone(),
        serial: found.serial,
        old: found.old,
        new: found.new,
        push: found.push.clone(),
        pusher: event.pusher().map(str::to_owned),
        at: settling.now,
        decision: decision.word().to_owned(),
    };
    let mut recorded = recorded(&update, &options);
    let update = store::insert_update(transaction, &update)?;
    if let Some(intent) = intent {
        store::settle_intent(transaction, intent.id, true)?;
    }
    let ended = match decision {
        Decision::Record(_) => {
            settled.recorded.push(recorded);
            return Ok(());
        }
        Decision::Skip(reason) => Some((Outcome::Skipped, Reason::new(codes::SKIPPED, reason))),
        Decision::Fail(reason) => Some((Outcome::Failed, Reason::new(codes::PIPELINE, reason))),
        Decision::Run => None,
    };
    let end = ended.as_ref().map(|(outcome, reason)| format!("{outcome}: {}", reason.text));
    let run = NewRun {
        id: (settling.new_id)(),
        repo: settling.repo.id.clone(),
        update: Some(update),
        event,
        commit_subject: subject,
        options,
        queued_at: settling.now,
        ended,
    };
    let number = store::insert_run(transaction, &run)?;
    let is_queued = end.is_none();
    recorded.run = Some(format!("run {number} {}", end.unwrap_or_else(|| "queued".to_owned())));
    settled.recorded.push(recorded);
    if is_queued {
        settled.queued.push(run.id);
        if name.kind() == RefKind::Branch {
            let older = store::mark_superseded(transaction, &run.repo, name, number)?;
            settled.superseded.extend(older.into_iter().map(|id| (id, number)));
        }
    } else {
        settled.ended.push(run.id);
    }
    Ok(())
}

fn recorded(update: &NewUpdate, options: &[String]) -> RecordedUpdate {
    RecordedUpdate {
        ref_name: update.ref_name.clone(),
        old: update.old,
        new: update.new,
        push: update.push.clone(),
        pusher: update.pusher.clone(),
        certificate: PushCertificate::of_options(options),
        decision: update.decision.clone(),
        run: None,
    }
}
