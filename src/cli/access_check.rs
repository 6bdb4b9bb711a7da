//! `quire access check`: what the operator's rules say of somebody, a repository and a ref.

use clap::Subcommand;
use serde_json::json;

use super::ask::here;
use super::exit::{Code, Ended, Failure, print, print_json};
use crate::app::{self, explain_access, named_caller};
use crate::config::{self, Bind, DataDir};
use crate::model::{May, ProtectedRule, RefName, RepoName, rules_for};
use crate::view::one_line;

/// What `quire access` does.
#[derive(Debug, Subcommand)]
pub(super) enum AccessCommand {
    /// Say what a user may do with a repository, and why; exits 1 when the user may not read it, or not push to the ref
    Check {
        /// The user, as an ssh key or a proxy names it
        user: String,
        /// name or group/name
        repo: String,
        /// A ref by its full name, or a branch
        #[arg(value_name = "REF")]
        ref_name: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// `quire access`.
pub(super) fn perform(data: &DataDir, command: AccessCommand) -> Ended {
    let AccessCommand::Check { user, repo, ref_name, json: as_json } = command;
    let name = RepoName::parse(&repo).map_err(|error| Failure::new(Code::Usage, error))?;
    let ref_name = ref_name.map(|text| full_name(&text)).transpose()?;
    let settings = config::load(&data.config()).map_err(app::Problem::from)?;
    let bound = match settings.bind {
        Bind::Address(address) => Some(address),
        Bind::Nothing => None,
    };
    let visibility = settings.http.visibility(bound);
    let (asked, named) = (name.clone(), user.clone());
    let explained = here(data, async |app| {
        let app = app::AppState { visibility, ..app.clone() };
        explain_access(&app, &named_caller(&app, &named).await?, &asked).await
    })?;
    let rules: Vec<&ProtectedRule> = match &ref_name {
        Some(ref_name) => rules_for(&settings.protected, &name, ref_name).collect(),
        None => Vec::new(),
    };
    let may = explained.may.and_then(May::parse);
    if as_json {
        let jobs: Vec<&str> = required(&rules);
        print_json(&json!({
            "user": user, "repo": name.to_string(), "ref": ref_name.as_ref().map(ToString::to_string),
            "may": explained.may, "because": explained.because,
            "protected": !rules.is_empty(), "required_jobs": jobs,
        }));
    } else {
        let right = explained.may.unwrap_or("neither read nor write");
        print(&format!("{} may {right} `{name}`: {}\n", one_line(&user), explained.because));
        if let Some(ref_name) = &ref_name {
            print(&protection_line(ref_name, &rules));
        }
    }
    let needed = if ref_name.is_some() { May::Write } else { May::Read };
    Ok(if may >= Some(needed) { Code::Done } else { Code::Failed })
}

fn full_name(text: &str) -> Result<RefName, Failure> {
    let full = if text.starts_with("refs/") { text.to_owned() } else { format!("refs/heads/{text}") };
    RefName::parse(full.as_bytes()).map_err(|error| Failure::new(Code::Usage, error))
}

fn required<'a>(rules: &[&'a ProtectedRule]) -> Vec<&'a str> {
    rules.iter().flat_map(|rule| rule.required_jobs.iter()).map(crate::model::JobId::as_str).collect()
}

/// What protects a ref from everybody.
fn protection_line(ref_name: &RefName, rules: &[&ProtectedRule]) -> String {
    let name = one_line(&ref_name.to_string());
    if rules.is_empty() {
        return format!("{name} is not protected\n");
    }
    let jobs = required(rules);
    let jobs = if jobs.is_empty() { String::new() } else { format!("; required jobs: {}", jobs.join(", ")) };
    format!("{name} is protected from everybody: no force, no deletion{jobs}\n")
}
