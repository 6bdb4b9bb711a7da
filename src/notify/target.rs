//! Targets: those of `config.fnl`, and the two that environment variables define.

use secrecy::SecretString;

use super::dotenv::{DOTENV, Dotenv, load_dotenv};
use crate::config::{
    DataDir, NotifyEvent, NotifyRule, NotifySettings, SecretSource, TargetAddress, TargetDecl,
};
use crate::model::render_all;

/// A destination of messages.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its kind and address.
    pub(crate) address: TargetAddress,
    /// The addresses that may be connected to although they are not public.
    pub(crate) allow: Vec<String>,
}

/// The variables that define targets.
pub(crate) const TARGET_VARIABLES: [&str; 3] =
    ["DISCORD_WEBHOOK_URL", "SLACK_WEBHOOK_URL", "CUSTOM_WEBHOOK_URL"];

/// The names of these targets: no name in `config.fnl` contains a `/`.
const NAMES: [&str; 3] = ["env/discord", "env/slack", "env/custom"];

/// The events that such a target gets: of every run, and of the remotes of watches.
const EVENTS: [NotifyEvent; 5] = [
    NotifyEvent::Failed,
    NotifyEvent::Fixed,
    NotifyEvent::Passed,
    NotifyEvent::Cancelled,
    NotifyEvent::Watch,
];

/// The targets that variables of the environment, or otherwise of `.env`, define, and what is wrong with them. Blocks.
pub(crate) fn variables(data: &DataDir, environment: &[(String, String)]) -> (Vec<TargetDecl>, Vec<String>) {
    let mut problems = Vec::new();
    let path = data.path().join(DOTENV);
    let (of_file, wrong) = load_dotenv(&path, &TARGET_VARIABLES).unwrap_or_else(|error| {
        problems.push(format!("error: could not read `{}`: {error}\n", path.display()));
        Dotenv::default()
    });
    if !wrong.is_empty() {
        problems.push(render_all(&wrong));
    }
    let mut targets = Vec::new();
    for (variable, name) in TARGET_VARIABLES.into_iter().zip(NAMES) {
        let pairs = environment.iter().chain(&of_file);
        let value =
            pairs.filter(|(known, value)| known == variable && !value.is_empty()).map(|(_, value)| value);
        let Some(value) = value.into_iter().next() else { continue };
        if !value.starts_with("https://") && !value.starts_with("http://") {
            let hint = "hint: it must begin with `https://`";
            problems.push(format!("error: the variable `{variable}` is not a web address\n{hint}\n"));
            continue;
        }
        let source = SecretSource::Literal(SecretString::from(value.clone()));
        let address = match variable {
            "SLACK_WEBHOOK_URL" => TargetAddress::Slack(source),
            "CUSTOM_WEBHOOK_URL" => TargetAddress::Plain(source),
            _ => TargetAddress::Discord(source),
        };
        targets.push(TargetDecl { name: name.to_owned(), address, repos: Vec::new() });
    }
    (targets, problems)
}

/// The rules of the targets that variables define.
pub(super) fn rules_of_variables(targets: &[TargetDecl]) -> Vec<NotifyRule> {
    let rule = |target: &TargetDecl| NotifyRule {
        to: target.name.clone(),
        on: EVENTS.to_vec(),
        repos: Vec::new(),
        refs: Vec::new(),
        jobs: Vec::new(),
    };
    targets.iter().map(rule).collect()
}

/// The target of this name.
pub(crate) fn find_target(
    settings: &NotifySettings,
    of_variables: &[TargetDecl],
    name: &str,
) -> Option<Target> {
    let found = settings.targets.iter().chain(of_variables).find(|target| target.name == name)?;
    Some(Target { address: found.address.clone(), allow: settings.allow.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_takes_precedence_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert!(variables(&data, &[]).0.is_empty());
        std::fs::write(folder.path().join(DOTENV), "SLACK_WEBHOOK_URL=https://file\noops\n").unwrap();
        let (targets, problems) = variables(&data, &[pair("DISCORD_WEBHOOK_URL", "https://env")]);
        let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        assert_eq!(names, ["env/discord", "env/slack"]);
        assert_eq!(problems.len(), 1);
        let (targets, problems) = variables(&data, &[pair("SLACK_WEBHOOK_URL", "hooks.example/T0")]);
        assert!(targets.is_empty());
        assert!(!problems.concat().contains("T0") && problems.concat().contains("SLACK_WEBHOOK_URL"));
    }
}
