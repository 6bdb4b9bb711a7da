//! The arguments of a run that somebody starts, checked against what its jobs declare by `ci.manual`.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::jobs::JobError;
use super::planning::Commit;
use super::problem::{Code, Problem};
use super::state::AppState;
use crate::forge;
use crate::model::CommitId;
use crate::pipeline::argument::{
    ArgError, ArgErrorKind, ArgSpec, Paths, Resolved, SHOWN_SECRET, completed, resolve,
};
use crate::run::{PlannedDecision, PlannedJob};

/// What the jobs of a run get.
pub(super) struct CheckedArguments {
    /// Those that were given, in their types, without secrets. Defaults are added when the run starts, for each job its own.
    pub(super) args: BTreeMap<String, Value>,
    /// The secrets that were given.
    pub(super) secrets: BTreeMap<String, SecretString>,
}

impl Commit {
    /// Checks the arguments of the jobs that are started.
    ///
    /// # Errors
    /// Gives every mistake.
    pub(super) async fn check_arguments(
        &self,
        app: &AppState,
        jobs: Vec<PlannedJob>,
        given: Map<String, Value>,
    ) -> Result<CheckedArguments, Problem> {
        let (git_dir, commit) = (self.git_dir.clone(), self.update.new);
        let checked = app.read(move || {
            check(&jobs, given, &CommitPaths { git: forge::Repo::open(&git_dir).ok(), commit })
        });
        let unreadable = || Problem::new(Code::RepoUnusable, "the repository could not be read");
        Ok(checked.await.ok_or_else(unreadable)?.map_err(JobError::Arguments)?)
    }

    /// The same jobs with the arguments that they would get. What was not given is not missed when nothing was.
    ///
    /// # Errors
    /// Gives every mistake.
    pub(super) async fn plan_arguments(
        &self,
        app: &AppState,
        mut jobs: Vec<PlannedJob>,
        given: Map<String, Value>,
    ) -> Result<Vec<PlannedJob>, Problem> {
        let mut checked = jobs.clone();
        if given.is_empty() {
            let specs = checked.iter_mut().filter_map(|job| job.arguments.as_mut()).flatten();
            specs.for_each(|spec| spec.is_required = false);
        }
        let CheckedArguments { args, .. } = self.check_arguments(app, checked, given).await?;
        for job in jobs.iter_mut().filter(|job| job.decision != PlannedDecision::Skip) {
            job.args = job.arguments.as_deref().map(|specs| shown(specs, &args));
        }
        Ok(jobs)
    }
}

/// The values of a job to show: a secret as `[secret]`.
fn shown(specs: &[ArgSpec], args: &BTreeMap<String, Value>) -> Map<String, Value> {
    let mut values = completed(specs, args);
    values.retain(|_, value| !value.is_null());
    let secrets = specs.iter().filter(|spec| spec.is_secret);
    values.extend(secrets.map(|spec| (spec.name.clone(), SHOWN_SECRET.into())));
    values
}

/// Paths among arguments are those of files of the commit.
struct CommitPaths {
    git: Option<forge::Repo>,
    commit: CommitId,
}

impl Paths for CommitPaths {
    fn is_file(&self, path: &str) -> bool {
        self.git.as_ref().is_some_and(|git| git.has_file(self.commit, path))
    }

    fn is_folder(&self, path: &str) -> bool {
        self.git.as_ref().is_some_and(|git| git.has_folder(self.commit, path))
    }
}

/// Checks what was given against what the started jobs declare. A job that declares nothing takes any JSON but secrets of others.
fn check(
    jobs: &[PlannedJob],
    mut given: Map<String, Value>,
    paths: &impl Paths,
) -> Result<CheckedArguments, Vec<ArgError>> {
    let asked: Vec<&PlannedJob> = jobs.iter().filter(|job| job.is_started_by_hand()).collect();
    let declaring: Vec<&[ArgSpec]> = asked.iter().filter_map(|job| job.arguments.as_deref()).collect();
    let takes_any = declaring.len() < asked.len();
    let is_declared = |specs: &[ArgSpec], name: &str| specs.iter().any(|spec| spec.name == name);
    let is_known = |name: &str| takes_any || declaring.iter().any(|specs| is_declared(specs, name));
    let mut wrong = contradictions(&declaring);
    let (mut args, mut secrets) = (BTreeMap::new(), BTreeMap::new());
    for specs in &declaring {
        let own = given.iter().filter(|(name, _)| is_declared(specs, name) || !is_known(name));
        let own: Map<String, Value> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
        match resolve(specs, own, paths) {
            Ok(Resolved { values, secrets: more }) => {
                let values = values.into_iter().filter(|(name, _)| given.contains_key(name));
                for (name, value) in values {
                    args.entry(name).or_insert(value);
                }
                secrets.extend(more.into_iter().map(|(name, value)| (name, value.into())));
            }
            Err(more) => {
                for error in more {
                    if !wrong.contains(&error) {
                        wrong.push(error);
                    }
                }
            }
        }
    }
    given.retain(|name, _| !declaring.iter().any(|specs| is_declared(specs, name)));
    args.extend(given);
    if wrong.is_empty() { Ok(CheckedArguments { args, secrets }) } else { Err(wrong) }
}

/// The arguments that are a secret of one job and not of another: the value would be shown.
fn contradictions(declaring: &[&[ArgSpec]]) -> Vec<ArgError> {
    let all = || declaring.iter().copied().flatten();
    let mut names: Vec<&String> = all().filter(|spec| spec.is_secret).map(|spec| &spec.name).collect();
    names.sort();
    names.dedup();
    names.retain(|name| all().any(|spec| spec.name == **name && !spec.is_secret));
    let message = "is a secret of one job and not of another: start one of them";
    names
        .into_iter()
        .map(|name| ArgError { arg: name.clone(), kind: ArgErrorKind::Rule, message: message.to_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct NoPaths;

    impl Paths for NoPaths {
        fn is_file(&self, _: &str) -> bool {
            false
        }

        fn is_folder(&self, _: &str) -> bool {
            false
        }
    }

    /// A started job on `:quire/manual`.
    fn job(id: &str, arguments: Value) -> PlannedJob {
        let job = json!({"id": id, "needs": ["quire/manual"], "decision": "run", "reason": "", "when": "passed",
            "allow_failure": false, "secrets": [], "arguments": arguments});
        serde_json::from_value(job).unwrap()
    }

    fn checked(jobs: &[PlannedJob], given: Value) -> Result<(Value, Vec<String>), Vec<String>> {
        let Value::Object(given) = given else { panic!() };
        match check(jobs, given, &NoPaths) {
            Ok(CheckedArguments { args, secrets }) => Ok((json!(args), secrets.into_keys().collect())),
            Err(wrong) => {
                Err(wrong.into_iter().map(|wrong| format!("{}: {}", wrong.arg, wrong.message)).collect())
            }
        }
    }

    #[test]
    fn each_job_takes_what_it_declares_and_secrets_are_apart() {
        let deploy = job(
            "deploy",
            json!([{"name": "env", "type": "string", "default": "a"}, {"name": "token", "type": "string", "secret": true}]),
        );
        let scale = job(
            "scale",
            json!([{"name": "count", "type": "integer"}, {"name": "env", "type": "string", "default": "b"}]),
        );
        let (any, skipped) =
            (job("any", Value::Null), PlannedJob { decision: PlannedDecision::Skip, ..deploy.clone() });
        let given = json!({"count": 3.0, "token": "xyz"});
        let both = [deploy.clone(), scale.clone()];
        // A default is not given: it is another one for each job.
        assert_eq!(checked(&both, given), Ok((json!({"count": 3}), vec!["token".to_owned()])));
        let more = json!({"env": "c", "else": [1], "token": "xyz"});
        assert_eq!(checked(&both, more.clone()), Err(vec!["else: unknown argument: else".to_owned()]));
        let with_any = [deploy, any.clone()];
        assert_eq!(
            checked(&with_any, more.clone()),
            Ok((json!({"env": "c", "else": [1]}), vec!["token".to_owned()]))
        );
        // Nothing of this is declared by a job that is started.
        assert_eq!(checked(&[skipped, any], more.clone()), Ok((more, Vec::new())));
    }

    #[test]
    fn every_mistake_is_found_once() {
        let spec =
            json!([{"name": "env", "type": "string", "required": true}, {"name": "file", "type": "file"}]);
        let jobs = [job("a", spec.clone()), job("b", spec)];
        let wrong = checked(&jobs, json!({"file": "/etc/passwd", "evn": 1})).unwrap_err();
        assert_eq!(
            wrong,
            [
                "evn: unknown argument: evn; did you mean `env`?",
                "env: a value is required",
                "file: `/etc/passwd` is not a file"
            ]
        );
        assert_eq!(
            checked(&[job("none", json!([]))], json!({"x": 1})).unwrap_err(),
            ["x: unknown argument: x"]
        );
        let token = |is_secret: bool| json!([{"name": "token", "type": "string", "secret": is_secret}]);
        let jobs = [job("a", token(true)), job("b", token(false))];
        let wrong = checked(&jobs, json!({"token": "xyz"})).unwrap_err();
        assert_eq!(wrong, ["token: is a secret of one job and not of another: start one of them"]);
    }
}
