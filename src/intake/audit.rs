//! What the audit records of ref updates: an entry for each push, and one for refs that moved without a push.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::settle::RecordedUpdate;
use crate::event::PushCertificate;
use crate::model::AuditAction;
use crate::store::{AuditEntry, RepoRow};

/// The most refs of a push that are named.
const MAX_NAMED: usize = 20;

/// Records what has happened to a hosted repository, in the transaction that settles it.
pub(super) fn record(
    connection: &Connection,
    repo: &RepoRow,
    recorded: &[RecordedUpdate],
) -> rusqlite::Result<()> {
    let mut pushes: BTreeMap<Option<&str>, Vec<&RecordedUpdate>> = BTreeMap::new();
    for update in recorded.iter().filter(|_| !repo.is_watched()) {
        pushes.entry(update.push.as_deref()).or_default().push(update);
    }
    for (push, updates) in pushes {
        let action = if push.is_some() { AuditAction::PushAccepted } else { AuditAction::RefsMoved };
        let pusher = updates.iter().find_map(|update| update.pusher.as_deref());
        let named: Vec<Value> = updates.iter().take(MAX_NAMED).map(|update| shown(update)).collect();
        let mut entry = AuditEntry::by_user(pusher, action).on(&repo.name).with("refs", named);
        let certificate = updates.iter().find_map(|update| update.certificate.as_ref());
        if let Some(certificate) = certificate {
            entry = entry.with("signed", signed(certificate));
        }
        if updates.len() > MAX_NAMED {
            entry = entry.with("more_refs", updates.len() - MAX_NAMED);
        }
        entry.insert(connection)?;
    }
    Ok(())
}

fn signed(certificate: &PushCertificate) -> Value {
    json!({
        "signer": certificate.signer,
        "key": certificate.key,
        "verified": certificate.is_verified(),
        "problem": certificate.problem(),
    })
}

fn shown(update: &RecordedUpdate) -> Value {
    json!({
        "ref": update.ref_name.to_string(),
        "old": update.old.to_string(),
        "new": update.new.to_string(),
        "decision": update.run.as_ref().unwrap_or(&update.decision),
    })
}
