//! The application core: the operations of quire, each once, over one [`AppState`].
//!
//! `http`, `serve`, `cli` and `compat` translate between people or programs and these functions; they decide nothing.

mod accounts;
mod arguments;
mod artifacts;
mod audit;
mod browsing;
mod caches;
mod caller;
mod doctor;
mod events;
mod exit;
mod health;
mod history_index;
mod hosted_repo;
mod idempotency;
mod isolation;
mod job_log;
mod jobs;
mod key_connections;
mod known_plans;
mod known_secrets;
mod local;
mod log_index;
mod logs;
mod notification_shape;
mod notifications;
mod operation;
mod overview;
mod planning;
mod plans;
mod problem;
mod probe;
mod repo_jobs;
mod repo_list;
mod repo_settings;
mod repo_shapes;
mod repositories;
mod requirements;
mod reruns;
mod push_log;
mod push_options;
mod push_report;
mod push_watch;
mod pushes;
mod reindex;
mod run_changes;
mod run_shapes;
mod run_feed;
mod runs;
mod served_repo;
mod scrape;
mod sign_in;
mod sources;
mod spool;
mod spool_gate;
mod starts;
mod state;
mod stopping;
mod tasks;
mod tokens;
mod touched;
mod trends;
mod unseen;
mod visitors;
mod wait;
mod watch_context;
mod watch_shape;
mod watches;

pub(crate) use crate::store::RepoRow;
pub use crate::store::{AuditEntry, KeptAnswer, RepoSettings};
pub(crate) use accounts::{
    AddKey, AddUser, KeyView, RemoveKey, RemoveUser, UserView, has_keys, list_keys, list_users, offered_key,
};
pub(crate) use artifacts::{list_artifacts, open_artifact};
pub use audit::{AuditFilter, AuditQueue, AuditRow, list_audit, record_audit};
pub(crate) use browsing::{BrowsedRepo, ExpensivePass, browse, listed_runs};
pub(crate) use caches::{CachesReset, ResetCaches, cache_bytes, clear_caches};
pub use caller::Caller;
pub use doctor::{Check, Examined, Level, doctor};
pub use events::{EventStream, FollowEvents, NewsStream, follow_events, follow_news};
pub use exit::{Exit, verdict};
pub use health::{Health, Trouble};
pub use idempotency::{Keyed, KnownKey, TakenKey, forget_unanswered, keep_answer, look_up_key, take_key};
pub use isolation::{ISOLATIONS, Isolation};
pub(crate) use job_log::read_job_end;
pub use job_log::{JobLog, ReadJobLog, open_job_log};
pub use jobs::{
    AliasProblem, Finding, JobError, JobList, JobPlace, JobPlan, JobPlanShape, JobRunRecord, JobSecrets,
    JobStarted, ListedJob, PlanJob, PlannedScript, PlannedStep, StartJob, follow_job, job_args,
    job_run_record, list_jobs, list_jobs_of_sources, page_of_job_runs, plan_job, start_job,
};
pub(crate) use key_connections::KEY_VARIABLE;
pub use local::Local;
pub(crate) use local::request_server;
pub use log_index::{LogIndex, LogIndexes, LogKey};
pub use logs::{ReadLogs, RunLogs, read_logs};
pub use notification_shape::NotificationShape;
pub use notifications::{
    Delivery, OutboxRow, RetriedNotification, RetryNotification, TargetTest, list_notifications,
    page_of_notifications, test_target,
};
pub use operation::Operation;
pub(crate) use overview::{MAX_BARS, RepoOverview, read_overview, unfinished_run_shapes};
pub use plans::{PlanRun, plan_run};
pub use probe::Probe;
pub use problem::{CODES, Code, Problem, ProblemFrame};
pub(crate) use pushes::{record_push, report_push};
pub(crate) use reindex::{index_older_runs, reindex};
pub(crate) use repo_jobs::{ListRepoJobs, RepoJob, RepoJobs};
pub(crate) use repo_list::{ListRepos, ListedRepos};
pub(crate) use repo_settings::{DescribeRepo, check_description};
pub(crate) use repo_shapes::{RepoShape, RepoUpdate, list_repo_shapes, repo_shape, update_repo};
pub(crate) use repositories::{
    AdoptRepo, adopt_repo, create_repo, list_repos, new_repo, recorded_names, remove_repo, rename_repo,
    restore_repo, set_default_branch, trash_repo,
};
pub(crate) use requirements::{check_requirements, warn_of_watches};
pub(crate) use reruns::RerunRun;
pub(crate) use run_shapes::{list_run_shapes, run_shape};
pub(crate) use runs::{
    CancelRun, NamedRun, RunFilter, RunRow, end_queued, find_run, find_run_or_latest, list_runs, show_run,
};
pub(crate) use scrape::{job_journal_bytes, scrape, storage_state, unfinished_counts};
pub(crate) use served_repo::{GitUse, ServedRepo, explain_access, served_repo};
pub(crate) use sign_in::{
    CreateLoginLink, LoginLink, MAX_SESSION_LIFE, session_caller, sign_in_with_link, sign_in_with_token,
    sign_out, token_caller, until_refused,
};
pub(crate) use sources::{
    AddSource, AddedSource, RemoveSource, SourcePlace, add_source, find_source, list_sources, remove_source,
};
pub(crate) use spool::{drain_spool, take_spool};
pub(crate) use starts::{StartRun, expect_jobs};
pub(crate) use state::{AppState, Look, Unsettled, Wake};
pub(crate) use tasks::{TaskFailure, Tasks};
pub(crate) use tokens::{CreateToken, CreatedToken, RevokeToken, TokenView, list_tokens};
pub(crate) use touched::Touched;
pub(crate) use trends::{StepTime, default_branch, step_times};

pub(crate) use visitors::{
    IdentifiedVisitor, IdentifyVisitor, VisitRepo, Visitor, named_caller, visitor_caller,
};
pub(crate) use wait::WaitForRun;
pub(crate) use watch_shape::WatchShape;
pub(crate) use watches::{
    AddWatches, Import, LookNow, NamedWatches, RemoveWatch, WatchFrame, WatchView, every_text, expect_watch,
    forget_remotes, last_decision, list_watches, plan_import, watch_status,
};
