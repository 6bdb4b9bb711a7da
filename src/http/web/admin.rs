//! The pages of the operator, below `/-/admin`: tables of what the operations of `app` say, for callers with the scope `admin`.

use askama::Template;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use tokio::sync::Semaphore;

use super::ask::{html, lead_to, query_value};
use super::change::Form;
use super::frame::{Frame, Link};
use super::mark::size;
use super::no_page;
use crate::app::{
    AppState, AuditFilter, Caller, Code, Delivery, Examined, Level, LookNow, NotificationShape,
    Operation as _, Problem, RetryNotification, RevokeToken, WatchShape, cache_bytes, doctor, expect_watch,
    list_audit, list_tokens, list_watches, page_of_notifications, storage_state, unfinished_counts,
};
use crate::http::page::Page;
use crate::http::problem::Refused;
use crate::model::{AuditAction, Scope};
use crate::view::{AuditShape, one_line, reason_line};

/// The pages: the word in the address, and the title.
const PAGES: [(&str, &str); 6] = [
    ("", "Server"),
    ("watches", "Watches"),
    ("outbox", "Outbox"),
    ("tokens", "Tokens"),
    ("audit", "Audit"),
    ("doctor", "Doctor"),
];

/// One look at everything at a time: it starts programs.
static DOCTOR: Semaphore = Semaphore::const_new(1);

#[derive(Template)]
#[template(path = "admin.html")]
struct AdminPage {
    frame: Frame,
    table: Table,
}

/// What a page shows.
#[derive(Default)]
struct Table {
    heading: String,
    /// What is wrong with the server.
    troubles: Vec<String>,
    columns: Vec<&'static str>,
    rows: Vec<Row>,
    next: Option<String>,
    /// A command for what the page does not do.
    command: Option<String>,
}

/// A row: texts, and what can be done.
#[derive(Default)]
struct Row {
    cells: Vec<String>,
    /// The class of the first cell.
    class: &'static str,
    action: Option<Action>,
}

/// A button: where its form is sent, the field and its value, and the words on it.
struct Action {
    path: &'static str,
    field: &'static str,
    value: String,
    text: &'static str,
}

impl Row {
    fn of<const N: usize>(cells: [String; N]) -> Self {
        Self { cells: cells.into(), ..Self::default() }
    }
}

/// The word behind `/-/admin` of an address.
pub(super) fn word(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/-/admin")?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix('/').filter(|word| !word.is_empty()) }
}

/// `GET /-/admin/{word}`
pub(super) async fn page(
    (app, caller): (&AppState, &Caller),
    parts: &Parts,
    word: &str,
) -> Result<Response, Refused> {
    caller.require(Scope::Admin)?;
    let (_, title) = PAGES.into_iter().find(|(known, _)| *known == word).ok_or_else(no_page)?;
    let mut table = match word {
        "watches" => watches(app).await?,
        "outbox" => outbox(app, parts).await?,
        "tokens" => tokens(app).await?,
        "audit" => audit(app, parts).await?,
        "doctor" => examined(app).await?,
        _ => server(app).await?,
    };
    title.clone_into(&mut table.heading);
    let tab = |(known, text): (&str, &str)| {
        let href = if known.is_empty() { "/-/admin".to_owned() } else { format!("/-/admin/{known}") };
        Link { is_current: known == word, ..Link::new(text, href) }
    };
    let frame = Frame {
        crumbs: vec![Link::new("admin", "/-/admin")],
        tabs: PAGES.map(tab).to_vec(),
        tabs_label: "Admin",
        is_hidden: true,
        ..Frame::new(caller, title)
    };
    html((app, parts), StatusCode::OK, AdminPage { frame, table }).await
}

/// `POST /-/admin/{word}`
pub(super) async fn change(
    (app, caller): (&AppState, &Caller),
    word: &str,
    form: &Form,
) -> Result<Response, Refused> {
    caller.require(Scope::Admin)?;
    let acting = app.acting_as(caller);
    let field = |name: &str| form.get(name).map(str::to_owned).ok_or_else(no_page);
    match word {
        "outbox" => drop(RetryNotification { id: field("id")? }.perform(&acting).await?),
        "tokens" => {
            let by = caller.actor().to_owned();
            RevokeToken { name: field("name")?, by }.perform(&acting).await?;
        }
        "watches" => {
            let name = field("name")?;
            expect_watch(app, &name).await?;
            // A look may take an hour; the watch says what came of it.
            tokio::spawn(async move {
                if let Err(problem) = (LookNow { name: Some(name) }).perform(&acting).await {
                    tracing::debug!(%problem, "a look that was asked for");
                }
            });
        }
        _ => return Err(no_page()),
    }
    Ok(lead_to(StatusCode::SEE_OTHER, &format!("/-/admin/{word}")))
}

async fn server(app: &AppState) -> Result<Table, Problem> {
    let (queued, running) = unfinished_counts(app).await?;
    let storage = storage_state(app).await?;
    let row = |name: &str, value: String| Row::of([name.to_owned(), value]);
    let limits = app.settings.get();
    Ok(Table {
        troubles: app.troubles().await,
        columns: vec!["What", "Now"],
        rows: vec![
            row("Waiting runs", queued.to_string()),
            row("Runners, one for each running run", running.to_string()),
            row("Free on the disk of the data folder", size(storage.free_bytes)),
            row("Database", format!("{}, version {}", size(storage.database_bytes), storage.schema_version)),
            row("Caches", size(cache_bytes(app).await?)),
            row("Data folder", app.data.path().display().to_string()),
            row("Address", app.url.clone().unwrap_or_else(|| "–".to_owned())),
            row("Default visibility", app.visibility.as_str().to_owned()),
            row("Trusted proxies", limits.http.trusted_proxies.len().to_string()),
        ],
        command: Some("quire doctor --reset-caches".to_owned()),
        ..Table::default()
    })
}

async fn watches(app: &AppState) -> Result<Table, Problem> {
    let row = |watch: WatchShape| {
        let class = if watch.error.is_some() { "bad" } else { "" };
        let action =
            Action { path: "/-/admin/watches", field: "name", value: watch.name.clone(), text: "Look now" };
        let tip = watch.tip.map(|tip| tip.chars().take(7).collect()).unwrap_or_default();
        let state = watch.error.as_deref().map_or(watch.state, reason_line);
        let cells = [watch.name, one_line(&watch.url), one_line(&watch.branch), tip, state];
        Row { class, action: Some(action), ..Row::of(cells) }
    };
    let found = list_watches(app).await?;
    Ok(Table {
        columns: vec!["Name", "Address", "Branch", "Commit", "State", "Action"],
        rows: found.iter().map(WatchShape::of).map(row).collect(),
        command: Some("quire watch add URL".to_owned()),
        ..Table::default()
    })
}

async fn outbox(app: &AppState, parts: &Parts) -> Result<Table, Problem> {
    let page = Page::new(&app.instance, &parts.uri, (None, cursor(parts).as_deref()))?;
    let state = query_value(parts.uri.query().unwrap_or_default(), "state");
    let state = state.and_then(|word| Delivery::ALL.into_iter().find(|state| state.as_str() == word));
    let (rows, next) = page_of_notifications(app, state, (page.before, page.limit)).await?;
    let row = |message: NotificationShape| {
        let is_sent = message.state == "sent";
        let action = Action { path: "/-/admin/outbox", field: "id", value: message.id, text: "Send again" };
        let problem = message.problem.as_deref().map(reason_line).unwrap_or_default();
        let cells = [
            message.created_at,
            one_line(&message.target),
            message.event,
            one_line(&message.subject),
            format!("{} ({})", message.state, message.attempts),
            problem,
        ];
        let class = if message.state == "given-up" { "bad" } else { "" };
        Row { class, action: (!is_sent).then_some(action), ..Row::of(cells) }
    };
    Ok(Table {
        columns: vec!["Made", "Target", "Event", "Subject", "State (attempts)", "Problem", "Action"],
        rows: rows.into_iter().map(NotificationShape::of).map(row).collect(),
        next: next.map(|next| page.next_address(&parts.uri, next)),
        ..Table::default()
    })
}

async fn tokens(app: &AppState) -> Result<Table, Problem> {
    let found = list_tokens(app).await?;
    let row = |token: crate::app::TokenView| {
        let action =
            Action { path: "/-/admin/tokens", field: "name", value: token.name.clone(), text: "Revoke" };
        let cells = [
            token.name,
            token.scopes.join(" "),
            token.repos.map_or_else(|| "all".to_owned(), |repos| repos.join(" ")),
            token.created_by,
            token.created_at,
            token.expires_at.unwrap_or_else(|| "never".to_owned()),
            token.last_used_at.unwrap_or_else(|| "never".to_owned()),
        ];
        Row { class: if token.expired { "off" } else { "" }, action: Some(action), ..Row::of(cells) }
    };
    Ok(Table {
        columns: vec!["Name", "Scopes", "Repositories", "By", "Made", "Expires", "Last used", "Action"],
        rows: found.into_iter().map(row).collect(),
        command: Some("quire token new NAME --scope SCOPE".to_owned()),
        ..Table::default()
    })
}

async fn audit(app: &AppState, parts: &Parts) -> Result<Table, Problem> {
    let page = Page::new(&app.instance, &parts.uri, (None, cursor(parts).as_deref()))?;
    let query = |name: &str| query_value(parts.uri.query().unwrap_or_default(), name);
    let action = query("action")
        .and_then(|word| AuditAction::ALL.iter().copied().find(|action| action.as_str() == word));
    let filter = AuditFilter {
        since: None,
        actor: query("actor"),
        action,
        before: page.before,
        limit: page.limit + 1,
    };
    let mut rows = list_audit(app, filter).await?;
    let has_more = rows.len() > page.limit;
    rows.truncate(page.limit);
    let next = rows.last().map(|row| row.id).filter(|_| has_more);
    let row = |entry: AuditShape| {
        let detail = serde_json::Value::Object(entry.detail).to_string();
        let detail = if detail == "{}" { String::new() } else { reason_line(&detail) };
        let subject = entry.subject.as_deref().map(one_line).unwrap_or_default();
        Row::of([entry.time, one_line(&entry.actor), one_line(&entry.action), subject, detail])
    };
    Ok(Table {
        columns: vec!["Time", "Who", "What", "On", "More"],
        rows: rows.into_iter().map(AuditShape::new).map(row).collect(),
        next: next.map(|next| page.next_address(&parts.uri, next)),
        command: Some("quire audit".to_owned()),
        ..Table::default()
    })
}

async fn examined(app: &AppState) -> Result<Table, Problem> {
    let busy =
        || Problem::new(Code::ServerBusy, "somebody else looks at everything now").hint("try again later");
    let _place = DOCTOR.try_acquire().map_err(|_| busy())?;
    let (data, environment) = (app.data.clone(), app.environment.clone());
    let looked = app.block(move || {
        let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_str());
        Ok(doctor(Examined { data: &data, path }))
    });
    let row = |(family, check): (&'static str, crate::app::Check)| {
        let class = match check.level {
            Level::Ok => "ok",
            Level::Warning => "run",
            Level::Problem => "bad",
        };
        let more = [check.why, check.hint.map(|hint| format!("hint: {hint}"))];
        let more: Vec<String> = more.into_iter().flatten().collect();
        let cells = [
            check.level.as_str().to_owned(),
            family.to_owned(),
            reason_line(&check.what),
            reason_line(&more.join("; ")),
        ];
        Row { class, ..Row::of(cells) }
    };
    Ok(Table {
        columns: vec!["Level", "Part", "Found", "More"],
        rows: looked.await?.into_iter().map(row).collect(),
        command: Some("quire doctor".to_owned()),
        ..Table::default()
    })
}

fn cursor(parts: &Parts) -> Option<String> {
    query_value(parts.uri.query().unwrap_or_default(), "cursor")
}
