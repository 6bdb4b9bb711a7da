//! The database: what was pushed, what is queued, and an index of the runs.
//!
//! One SQLite file in WAL mode with full sync, and one writer: a thread that owns the only writing connection
//! and takes closures. What clients of a server ask for is read by a thread beside it. Rows are the truth about pushes and the queue; about runs that have begun, the journals are.

mod accounts;
mod artifact_expiries;
mod audit;
mod copied;
mod damaged;
mod idempotency;
mod job_runs;
mod open;
mod outbox;
mod pushes;
mod reader;
mod refs;
mod reindex;
mod repo_settings;
pub(crate) mod repos;
mod run_event;
mod run_index;
mod run_jobs;
mod run_list;
mod runs;
mod sessions;
mod sources;
mod tokens;
mod scrape;
mod updates;
mod wal;
mod watches;
mod writer;

pub(crate) use accounts::{
    KeyRow, UserRow, all_keys, all_users, delete_key, delete_user, find_key, find_key_by_fingerprint,
    has_keys, has_user, insert_key, insert_user,
};
pub(crate) use artifact_expiries::{runs_with_expired, set_artifact_expiry};
pub use audit::{AuditEntry, AuditFilter, AuditRow, audit_after, list_audit};
pub use copied::{runs_of_pushes, set_aside};
pub use idempotency::{KeptAnswer, KnownKey, forget_unanswered, keep_answer, take_key};
pub use job_runs::{
    copy_job_run, insert_job_run, job_run, page_of_job_runs, repo_of_jobs, unfinished_job_runs,
};
pub use open::{
    StoreError, expect_writable, open, open_empty, open_existing, open_read_only, schema_version,
};
pub(crate) use outbox::drop_notices;
pub use outbox::{
    Attempted, Delivery, NoticeKind, NoticeRow, OutboxRow, RefVerdict, insert_notice, list_messages,
    next_messages, notices, page_of_messages, post, record_attempt, retry_message, verdict_before,
};
pub use pushes::{
    Intent, NewPush, OpenPush, insert_push, open_intents, open_intents_of, open_pushes, open_refs,
    push_origin, pushed_refs, refs_of_open_intents, reopen_push, settle_intent, settle_push,
};
pub use refs::{
    RefRow, add_line_keys, clear_line_keys, forget_ref, line_keys, load_ref, recorded_refs, save_ref,
};
pub use reindex::{IndexedRun, runs_after, unindexed_runs};
pub use repo_settings::{
    RepoSettings, all_repo_settings, list_repos, recorded_settings, repo_settings, save_repo_settings,
};
pub(crate) use repos::{
    RepoRow, find_repo, forget_missing, is_based, last_numbers, mark_absent, mark_based, recorded_name,
    recorded_names, repos as all_repos, sync_repo,
};
pub(crate) use run_index::{RunChange, clear_index, index_run, reindex_run};
pub(crate) use run_jobs::{JobRow, has_passed, jobs_of, reruns_of, step_times};
pub(crate) use run_list::{RunFilter, list_runs};
pub(crate) use runs::{
    NewRun, RunRow, find_run, finish_run, has_runs_since, insert_run, mark_superseded, note_waiting,
    passed_lengths, run_before, unannounced_runs, unfinished_commits, unfinished_runs, unfinished_runs_since,
    whole_queue,
};
pub(crate) use scrape::{count_messages, count_unfinished};
pub(crate) use sessions::{
    SessionRow, delete_session, find_session, insert_login_link, insert_session, use_login_link,
};
pub(crate) use sources::{all_sources, delete_source, find_source, save_source};
pub(crate) use tokens::{
    NewToken, TokenRow, find_token, insert_token, live_tokens, revoke_token, touch_token,
};
pub(crate) use updates::{
    NewUpdate, bind_update, insert_update, last_decision, runs_of_push, updates_of_push,
};
pub(crate) use watches::{
    WatchStatus, added_watches, delete_watch, find_added_watch, forget_watch_states, insert_watch,
    save_watch_status, watch_status,
};
pub(crate) use writer::{Store, WriterGone};

#[cfg(test)]
mod outbox_tests;
#[cfg(test)]
mod run_index_tests;
#[cfg(test)]
mod statement_tests;
#[cfg(test)]
mod tests;
