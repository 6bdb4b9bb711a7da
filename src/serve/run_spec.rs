//! What the runner of a run is given.

use std::path::PathBuf;

use crate::app::AppState;
use crate::config::{Asker, Settings};
use crate::container::ENGINE_VARIABLES;
use crate::event::EventRecord;
use crate::forge::is_link_to_runs;
use crate::model::RunName;
use crate::policy::{PolicySpec, StartProfiles, denial, policy_of_run};
use crate::run::{RunLimits, RunSpec, StepRules};
use crate::secret::SecretGrant;
use crate::store::{self, RunRow};

/// The row of a run that is to start: its repository may have been renamed while it waited.
pub(super) async fn with_present_name(app: &AppState, row: RunRow) -> RunRow {
    let data = &app.data;
    let is_there = data.repo(&row.repo).is_dir() || row.is_watched();
    if is_there && !is_link_to_runs(data.path(), &row.repo) {
        return row;
    }
    let id = row.id;
    let found = app.store.call(move |connection| store::find_run(connection, &RunName::Id(id))).await;
    found.ok().and_then(Result::ok).flatten().unwrap_or(row)
}

/// What the runner of a run is given.
pub(super) fn run_spec(
    app: &AppState,
    profiles: StartProfiles,
    row: &RunRow,
    has_slot: bool,
    settings: &Settings,
) -> RunSpec {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let data = &app.data;
    let (policy, denied) = policy_of_run(&settings.policy, data.path(), profiles, &row.options);
    let of_engine = |(name, _): &&(String, String)| ENGINE_VARIABLES.contains(&name.as_str());
    RunSpec {
        v: RunSpec::VERSION,
        id: row.id.to_string(),
        instance: app.instance.to_string(),
        repo: row.repo.to_string(),
        number: row.number,
        git_dir: text(if row.is_watched() { data.watched_repo(&row.repo) } else { data.repo(&row.repo) }),
        run_dir: text(data.run(&row.repo, row.number)),
        cache_dir: text(data.cache().join("fennel")),
        event: EventRecord::from(&row.event),
        has_slot,
        superseded_by: row.superseded_by,
        environment: environment(app, settings),
        secrets: grants(row, settings),
        limits: RunLimits::of(&settings.limits),
        policy: PolicySpec::from(&policy),
        denied: denied.map(|denied| denial(&[denied])),
        engine_environment: app.environment.iter().filter(of_engine).cloned().collect(),
        steps: StepRules::of(settings, data),
    }
}

/// The variables of the server's environment that steps see.
fn environment(app: &AppState, settings: &Settings) -> Vec<(String, String)> {
    const ALWAYS: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR"];
    let passes = |name: &str| ALWAYS.contains(&name) || settings.pass_env.iter().any(|passed| passed == name);
    app.environment.iter().filter(|(name, _)| passes(name)).cloned().collect()
}

/// The declared secrets, with the sources of those that the run may have.
fn grants(row: &RunRow, settings: &Settings) -> Vec<SecretGrant> {
    let ref_name = row.event.subject.as_ref().map(|update| &update.ref_name);
    let asker = Asker { repo: Some(&row.repo), ref_name, event: row.event.trigger() };
    settings.secrets.iter().map(|secret| SecretGrant::new(secret, asker)).collect()
}
