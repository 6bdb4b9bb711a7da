//! Users and their ssh keys: added, listed, removed.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::key_connections::end_connections;
use super::operation::Operation;
use super::problem::{Code, Problem};
use super::state::AppState;
use super::tokens::repositories;
use crate::model::{AuditAction, KeyLimit, May, Person, PublicKey, Quoted, UserName, suggest};
use crate::store::{self, AuditEntry, KeyRow, UserRow};
use crate::sys::clock;

/// The shortest beginning of a fingerprint that names a key.
const MIN_FINGERPRINT: usize = 6;

/// A user is added.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddUser {
    pub(crate) name: String,
    /// Who adds the user.
    pub(crate) by: String,
}

/// A user is removed, with all keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveUser {
    pub(crate) name: String,
    /// Who removes the user.
    pub(crate) by: String,
}

/// A key is added.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddKey {
    pub(crate) user: String,
    /// The text of a `.pub` file.
    pub(crate) key: String,
    /// The repositories that it opens; those of its user when empty.
    pub(crate) repos: Vec<String>,
    /// Whether it only reads.
    pub(crate) read: bool,
    /// Who adds it.
    pub(crate) by: String,
}

/// A key is removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveKey {
    /// Its number, or the beginning of its fingerprint.
    pub(crate) key: String,
    /// Who removes it.
    pub(crate) by: String,
}

/// A user as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView {
    /// The name.
    pub(crate) name: String,
    /// How many keys the user has.
    pub(crate) keys: usize,
    /// Who added the user.
    pub(crate) created_by: String,
    /// When.
    pub(crate) created_at: String,
}

/// A key as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Key)]
pub(crate) struct KeyView {
    /// Its number.
    pub(crate) id: i64,
    /// The user that has it.
    pub(crate) user: String,
    /// Its fingerprint, `SHA256:…`.
    pub(crate) fingerprint: String,
    /// What its file says behind the key.
    pub(crate) comment: String,
    /// The names of the repositories that it opens; nothing for those of its user.
    pub(crate) repos: Option<Vec<String>>,
    /// The most that it may; nothing for the rights of its user.
    pub(crate) may: Option<String>,
    /// Who added it.
    pub(crate) created_by: String,
    /// When.
    pub(crate) created_at: String,
}

impl UserView {
    fn of(user: UserRow, keys: usize) -> Self {
        Self {
            name: user.name.to_string(),
            keys,
            created_by: user.created_by,
            created_at: user.created_at.to_string(),
        }
    }
}

impl Operation for AddUser {
    type Answer = UserView;

    const ROUTE: &'static str = "/users";

    async fn perform(self, app: &AppState) -> Result<UserView, Problem> {
        let name = parse_user(&self.name)?;
        let row = UserRow { name, created_by: self.by, created_at: clock::now() };
        let insert = move |connection: &mut Connection| -> Result<UserView, Problem> {
            let transaction = connection.transaction()?;
            if !store::insert_user(&transaction, &row)? {
                let text = format!("the user `{}` already exists", row.name);
                return Err(Problem::new(Code::UserExists, text).hint("quire user list lists them"));
            }
            AuditEntry::new(&row.created_by, AuditAction::UserAdd).on(&row.name).insert(&transaction)?;
            transaction.commit()?;
            Ok(UserView::of(row, 0))
        };
        app.writer()?.call(insert).await?
    }
}

impl Operation for RemoveUser {
    type Answer = ();

    const ROUTE: &'static str = "/users/remove";

    async fn perform(self, app: &AppState) -> Result<(), Problem> {
        let name = parse_user(&self.name)?;
        let delete = move |connection: &mut Connection| -> Result<Vec<i64>, Problem> {
            let transaction = connection.transaction()?;
            let keys = store::all_keys(&transaction)?.into_iter().filter(|key| key.user == name);
            let keys = keys.map(|key| key.id).collect();
            if !store::delete_user(&transaction, &name)? {
                return Err(no_user(&transaction, &name)?);
            }
            AuditEntry::new(&self.by, AuditAction::UserRemove).on(&name).insert(&transaction)?;
            transaction.commit()?;
            Ok(keys)
        };
        end_connections(app, app.writer()?.call(delete).await??).await;
        Ok(())
    }
}

impl Operation for AddKey {
    type Answer = KeyView;

    const ROUTE: &'static str = "/keys";

    async fn perform(self, app: &AppState) -> Result<KeyView, Problem> {
        let user = parse_user(&self.user)?;
        let key =
            PublicKey::parse(&self.key).map_err(|error| Problem::caused_by(Code::KeyInvalid, &error))?;
        let repos = repositories(app, &self.repos).await?;
        let repos = (!repos.is_empty()).then(|| repos.into_keys().collect::<Vec<_>>());
        let may = if self.read { May::Read } else { May::Write };
        let row = KeyRow {
            id: 0,
            user,
            fingerprint: key.fingerprint(),
            line: key.line(),
            comment: key.comment().to_owned(),
            limit: (repos.is_some() || self.read).then_some(KeyLimit { repos, may }),
            created_by: self.by,
            created_at: clock::now(),
        };
        let insert = move |connection: &mut Connection| -> Result<KeyView, Problem> {
            let transaction = connection.transaction()?;
            if !store::has_user(&transaction, &row.user)? {
                return Err(no_user(&transaction, &row.user)?);
            }
            let Some(id) = store::insert_key(&transaction, &row)? else {
                let other = store::find_key_by_fingerprint(&transaction, &row.fingerprint)?;
                let whose = other.map(|key| format!(" of `{}`", key.user)).unwrap_or_default();
                let text = format!("{} is a key{whose} already", row.fingerprint);
                return Err(Problem::new(Code::KeyExists, text).hint("quire key list lists them"));
            };
            let view = view(&transaction, KeyRow { id, ..row })?;
            AuditEntry::new(&view.created_by, AuditAction::KeyAdd)
                .on(&view.user)
                .with("key", view.fingerprint.as_str())
                .with("repos", view.repos.clone())
                .with("may", view.may.clone())
                .insert(&transaction)?;
            transaction.commit()?;
            Ok(view)
        };
        app.writer()?.call(insert).await?
    }
}

impl Operation for RemoveKey {
    type Answer = KeyView;

    const ROUTE: &'static str = "/keys/remove";

    async fn perform(self, app: &AppState) -> Result<KeyView, Problem> {
        let delete = move |connection: &mut Connection| -> Result<KeyView, Problem> {
            let transaction = connection.transaction()?;
            let key = named_key(store::all_keys(&transaction)?, &self.key)?;
            store::delete_key(&transaction, key.id)?;
            let view = view(&transaction, key)?;
            AuditEntry::new(&self.by, AuditAction::KeyRemove)
                .on(&view.user)
                .with("key", view.fingerprint.as_str())
                .insert(&transaction)?;
            transaction.commit()?;
            Ok(view)
        };
        let view = app.writer()?.call(delete).await??;
        end_connections(app, vec![view.id]).await;
        Ok(view)
    }
}

/// Lists the users, by name.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn list_users(app: &AppState) -> Result<Vec<UserView>, Problem> {
    let list = |connection: &mut Connection| -> Result<Vec<UserView>, Problem> {
        let keys = store::all_keys(connection)?;
        let view = |user: UserRow| {
            let keys = keys.iter().filter(|key| key.user == user.name).count();
            UserView::of(user, keys)
        };
        Ok(store::all_users(connection)?.into_iter().map(view).collect())
    };
    app.store.call(list).await?
}

/// Lists the keys, oldest first.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn list_keys(app: &AppState) -> Result<Vec<KeyView>, Problem> {
    let list = |connection: &mut Connection| -> Result<Vec<KeyView>, Problem> {
        store::all_keys(connection)?.into_iter().map(|key| view(connection, key)).collect()
    };
    app.store.call(list).await?
}

/// The number and the kind and base64 of the key that sshd asks for, if somebody has it.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn offered_key(app: &AppState, key: &PublicKey) -> Result<Option<(i64, String)>, Problem> {
    let fingerprint = key.fingerprint();
    let find = move |connection: &mut Connection| store::find_key_by_fingerprint(connection, &fingerprint);
    Ok(app.store.call(find).await??.map(|key| (key.id, key.line)))
}

/// Who has the key of this number; nobody when it was removed.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn holder_of_key(app: &AppState, id: i64) -> Result<Option<Person>, Problem> {
    let key = app.store.call(move |connection| store::find_key(connection, id)).await??;
    Ok(key.map(|key| Person { name: key.user.to_string(), by_key: true, limit: key.limit }))
}

/// Whether anybody has a key.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn has_keys(app: &AppState) -> Result<bool, Problem> {
    Ok(app.store.call(|connection| store::has_keys(connection)).await??)
}

fn parse_user(text: &str) -> Result<UserName, Problem> {
    UserName::parse(text).map_err(|error| Problem::caused_by(Code::RequestInvalid, &error))
}

fn no_user(connection: &Connection, name: &UserName) -> Result<Problem, Problem> {
    let users = store::all_users(connection)?;
    let near = suggest(name.as_str(), users.iter().map(|user| user.name.as_str()));
    let hint = near.map_or_else(
        || format!("quire user add {name}"),
        |near| format!("did you mean `{near}`? otherwise: quire user add {name}"),
    );
    Ok(Problem::new(Code::UserNotFound, format!("the user `{name}` does not exist")).hint(hint))
}

/// The key that a number or the beginning of a fingerprint names.
fn named_key(keys: Vec<KeyRow>, text: &str) -> Result<KeyRow, Problem> {
    let start = text.strip_prefix("SHA256:").unwrap_or(text);
    let id = text.parse::<i64>().ok();
    let is_named = |key: &KeyRow| {
        let fingerprint = key.fingerprint.strip_prefix("SHA256:").unwrap_or_default();
        Some(key.id) == id || (start.len() >= MIN_FINGERPRINT && fingerprint.starts_with(start))
    };
    let mut named: Vec<KeyRow> = keys.into_iter().filter(is_named).collect();
    match (named.pop(), named.is_empty()) {
        (Some(key), true) => Ok(key),
        (Some(_), false) => {
            let text = format!("several keys begin with {}", Quoted::new(text));
            Err(Problem::new(Code::KeyAmbiguous, text).hint("write more of its fingerprint, or its number"))
        }
        (None, _) => {
            let text = format!("no key has the number or the fingerprint {}", Quoted::new(text));
            Err(Problem::new(Code::KeyNotFound, text).hint("quire key list lists them"))
        }
    }
}

fn view(connection: &Connection, key: KeyRow) -> Result<KeyView, Problem> {
    // A repository that was removed for good is shown by its id.
    let name = |id: &String| -> Result<String, Problem> {
        Ok(store::recorded_name(connection, id)?.map_or_else(|| id.clone(), |name| name.to_string()))
    };
    let repos = key.limit.as_ref().and_then(|limit| limit.repos.as_ref());
    Ok(KeyView {
        id: key.id,
        user: key.user.to_string(),
        fingerprint: key.fingerprint,
        comment: key.comment,
        repos: repos.map(|repos| repos.iter().map(name).collect::<Result<_, _>>()).transpose()?,
        may: key.limit.as_ref().map(|limit| limit.may.as_str().to_owned()),
        created_by: key.created_by,
        created_at: key.created_at.to_string(),
    })
}
