//! What the runner of a run is given.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;

use crate::app::{AppState, job_run_record};
use crate::config::{Asker, Settings, WatchDecl};
use crate::event::{EventRecord, OnlyJobs, RerunScope, RunVars};
use crate::forge::is_link_to_runs;
use crate::journal::{PolicyRecord, RunRecord};
use crate::model::{Reason, RunName, chain, codes};
use crate::policy::{PolicyPlace, PolicySpec, decide_environment, denial, is_allowed, policy_of_run};
use crate::run::{Assignment, EarlierRun, Grant, Order, Place, RunLimits, StepRules};
use crate::secret::{SecretRequest, SecretSources};
use crate::store::{self, RunRow};
use crate::watch::find_watch;

/// The row of a run that is to start: its repository may have been renamed while it waited.
///
/// # Errors
/// The database cannot be read.
pub(super) async fn with_present_name(app: &AppState, row: RunRow) -> Result<RunRow, String> {
    let data = &app.data;
    let is_there = row.is_of_jobs() || row.is_watched() || data.repo(&row.repo).is_dir();
    if is_there && !is_link_to_runs(data.path(), &row.repo) {
        return Ok(row);
    }
    let id = row.id;
    let found = app.store.call(move |connection| store::find_run(connection, &RunName::Id(id))).await;
    // A server that stops starts nothing.
    let found = found.unwrap_or(Ok(None)).map_err(|error| chain(&error))?;
    Ok(found.unwrap_or(row))
}

/// The watch that a run is of, if it is of one.
async fn watch_of(app: &AppState, row: &RunRow, settings: &Arc<Settings>) -> Option<WatchDecl> {
    if !row.is_watched() {
        return None;
    }
    let (settings, name) = (Arc::clone(settings), row.repo.clone());
    let found = app.store.call(move |connection| find_watch(connection, &settings, &name)).await;
    // The runs of a watch that was removed are as those of any other repository.
    found.ok()?.ok()?
}

/// What the runner of a run is given: the order, and its place in this data folder.
pub(super) async fn assignment(
    app: &AppState,
    row: &RunRow,
    has_slot: bool,
    settings: &Arc<Settings>,
) -> Assignment {
    let (data, watch) = (&app.data, watch_of(app, row, settings).await);
    let mut order = order(app, row, settings);
    order.earlier = earlier(app, row).await;
    order.interruptible = watch.as_ref().is_none_or(|watch| watch.runs.interruptible);
    let folders = (data.git_dir(&row.repo, row.is_watched()), data.run(&row.repo, row.number));
    let job = if row.is_of_jobs() { Some(job_of(app, row, &mut order).await) } else { None };
    let mut place = Place::new(&order, (data, app.instance), folders, settings, &app.environment);
    if let Some(secrets) = job {
        place.secrets = SecretSources::of_literals(secrets);
        if order.work.as_ref().is_some_and(|work| work.inherits_environment) {
            place.environment = app.environment.to_vec();
        }
    } else if !row.event.secret_arguments().is_empty() {
        place.secrets = place.secrets.with_arguments(app.job_secrets.of(row.id));
    }
    let kept = watch.filter(|watch| watch.runs.keeps_workspace);
    place.kept = kept.map(|watch| (data.kept_workspace(&watch.name), watch.url.to_string()));
    Assignment::new(order, place, Grant { has_slot, superseded_by: row.superseded_by })
}

/// Completes the order of a run of a job folder, and gives its secret arguments.
async fn job_of(app: &AppState, row: &RunRow, order: &mut Order) -> BTreeMap<String, SecretString> {
    let secrets = app.job_secrets.of(row.id);
    let work = match job_run_record(app, row.id).await {
        Ok(Some(record)) => record.work,
        Ok(None) => {
            order.denied = Some(Reason::new(codes::NOT_STARTED, "the database does not say what it runs"));
            return secrets;
        }
        Err(problem) => {
            order.denied = Some(Reason::new(codes::NOT_STARTED, problem.to_string()));
            return secrets;
        }
    };
    let own = |name: &String| SecretRequest { name: name.clone(), missing: Vec::new(), jobs: Vec::new() };
    order.secrets = work.secrets.iter().map(own).collect();
    if work.asks_for_environment() && order.denied.is_none() {
        let place =
            PolicyPlace { operator: app.settings.get().policy.clone(), data_dir: app.data.path().to_owned() };
        let decisions = decide_environment(&order.policy.clone().at(place), &row.repo.to_string());
        order.denied = (!is_allowed(&decisions)).then(|| denial(&decisions));
        order.decisions.extend(decisions.into_iter().map(PolicyRecord::from));
    }
    // Scripts of a job folder run one at a time, also those that do not need each other.
    order.limits.jobs = 1;
    order.work = Some(work);
    secrets
}

/// The run that a run repeats in part.
async fn earlier(app: &AppState, row: &RunRow) -> Option<EarlierRun> {
    let rerun = row.event.as_rerun().filter(|rerun| *rerun.what() != RerunScope::All)?;
    let (number, run_dir) = (rerun.of(), app.data.run(&row.repo, rerun.of()));
    let read = app.read(move || match RunRecord::try_read(&run_dir) {
        Ok(record) => EarlierRun::new(number, &record.jobs),
        Err(error) => EarlierRun::lost(number, chain(&error)),
    });
    Some(read.await.unwrap_or_else(|| EarlierRun::lost(number, "its record could not be read".to_owned())))
}

fn order(app: &AppState, row: &RunRow, settings: &Settings) -> Order {
    let (policy, denied) = policy_of_run(&settings.policy, app.data.path(), app.profiles, &row.options);
    let ref_name = row.event.subject.as_ref().map(|update| &update.ref_name);
    let asker = Asker { repo: Some(&row.repo), ref_name, event: row.event.trigger() };
    // What is wrong with the others was reported to whoever started the run.
    let (vars, _) = RunVars::of_options(&row.options);
    Order {
        id: row.id.to_string(),
        attempt: 1,
        repo: row.repo.to_string(),
        number: row.number,
        event: EventRecord::from(&row.event),
        earlier: None,
        only: OnlyJobs::of_options(&row.options).map(OnlyJobs::names),
        vars: vars.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        secrets: settings.secrets.iter().map(|secret| SecretRequest::new(secret, asker)).collect(),
        limits: RunLimits::of(&settings.limits),
        policy: PolicySpec::from(&policy),
        denied: denied.clone().map(|denied| denial(&[denied])),
        decisions: denied.filter(|_| row.is_of_jobs()).map(PolicyRecord::from).into_iter().collect(),
        steps: StepRules::of(settings),
        interruptible: true,
        work: None,
    }
}
