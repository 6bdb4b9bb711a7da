//! `quire user` and `quire key` on a server elsewhere. The file of a key is one of this machine.

use serde_json::json;

use super::client::Remote;
use crate::app::{KeyView, UserView};
use crate::cli::exit::{Code, Ended, print_either};
use crate::cli::key::{KeyCommand, line, print_keys, read_file};
use crate::cli::user::{UserCommand, print_added, print_removed, print_users};
use crate::model::percent_encoded;
use crate::view::one_line;

pub(super) fn user(remote: &Remote, command: UserCommand) -> Ended {
    match command {
        UserCommand::Add { name, json } => {
            let added: UserView = remote.post("/users", &json!({ "name": name }))?;
            print_added(&one_line(&added.name), json);
        }
        UserCommand::List { json } => print_users(&remote.get::<Vec<UserView>>("/users")?, json),
        UserCommand::Rm { name, json } => {
            let path = format!("/users/{}", percent_encoded(&name));
            remote.send("DELETE", &path, None, "application/json")?;
            print_removed(&one_line(&name), json);
        }
    }
    Ok(Code::Done)
}

pub(super) fn key(remote: &Remote, command: KeyCommand) -> Ended {
    match command {
        KeyCommand::Add { user, file, repos, read, json } => {
            let body = json!({ "user": user, "key": read_file(&file)?, "repos": repos, "read": read });
            let added: KeyView = remote.post("/keys", &body)?;
            print_either(json, || json!(added), &line(&added));
        }
        KeyCommand::List { json } => print_keys(&remote.get::<Vec<KeyView>>("/keys")?, json),
        KeyCommand::Rm { key, json } => {
            remote.send("DELETE", &format!("/keys/{}", percent_encoded(&key)), None, "application/json")?;
            let text = format!("the key {} is removed\n", one_line(&key));
            print_either(json, || json!({ "key": key }), &text);
        }
    }
    Ok(Code::Done)
}
