//! `quire audit`: who did what.

use clap::Args;
use jiff::tz::TimeZone;

use super::ask::here;
use super::exit::{Code, Ended, Failure, print, print_json};
use super::place::note_if_empty;
use super::run_filter::since;
use crate::app::{AuditFilter, list_audit};
use crate::config::DataDir;
use crate::model::{AuditAction, Quoted, Timestamp, percent_encoded, suggest};
use crate::sys::clock;
use crate::view::{AuditShape, audit_line};

/// What of the audit is listed.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// Only since then: 2h, 7d, 2026-11-30, or a time of RFC 3339
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only what this one did: user:NAME, token:NAME or uid:NUMBER
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Only this: run.cancel, push.refused, …
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
    /// As a JSON array
    #[arg(long)]
    pub(super) json: bool,
}

impl AuditArgs {
    /// The path of the request to a server elsewhere, and how many entries are asked for.
    pub(super) fn path(&self) -> Result<(String, usize), Failure> {
        let AuditFilter { since, actor, action, limit, .. } =
            self.request(clock::now(), &TimeZone::system())?;
        let since = since.map(|since| since.to_string());
        let action = action.map(|action| action.as_str().to_owned());
        let mut path = format!("/audit?limit={}", limit.clamp(1, 200));
        for (name, value) in [("since", since), ("actor", actor), ("action", action)] {
            path.extend(value.map(|value| format!("&{name}={}", percent_encoded(&value))));
        }
        Ok((path, limit))
    }

    /// The request; times are relative to `now`, dates are of this time zone.
    fn request(&self, now: Timestamp, zone: &TimeZone) -> Result<AuditFilter, Failure> {
        Ok(AuditFilter {
            since: self.since.as_deref().map(|text| since(text, now, zone)).transpose()?,
            actor: self.actor.clone(),
            action: self.action.as_deref().map(action).transpose()?,
            before: None,
            limit: self.limit,
        })
    }
}

fn action(word: &str) -> Result<AuditAction, Failure> {
    AuditAction::parse(word).ok_or_else(|| {
        let mut words = AuditAction::ALL.iter().map(|action| action.as_str());
        let hint = match suggest(word, words.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of {}", words.by_ref().collect::<Vec<_>>().join(", ")),
        };
        Failure::new(Code::Usage, format!("{} is not an action", Quoted::new(word))).hint(hint)
    })
}

/// `quire audit`.
pub(super) fn list(data: &DataDir, args: &AuditArgs) -> Ended {
    let request = args.request(clock::now(), &TimeZone::system())?;
    let rows = here(data, async |app| list_audit(app, request).await)?;
    let entries: Vec<AuditShape> = rows.into_iter().map(AuditShape::new).collect();
    print_entries(&entries, args.json);
    Ok(Code::Done)
}

/// Prints entries, from here or elsewhere.
pub(super) fn print_entries(entries: &[AuditShape], as_json: bool) {
    if as_json {
        print_json(&serde_json::json!(entries));
    } else {
        note_if_empty(entries.is_empty(), "no such entries");
        print(&entries.iter().map(audit_line).collect::<String>());
    }
}
