//! `quire watch import Repo.toml`: adds the watches of a list, all of them or none.

use std::collections::HashSet;
use std::path::Path;

use super::exit::{Code, Ended, Failure, print};
use super::ops::alone;
use super::place::database;
use super::watch::{PATIENCE, ask, failure, settings, taken};
use crate::config::{
    ConfigError, DataDir, ListedWatch, MAX_WATCHES, WatchDecl, is_same, read_list_file, read_watch_list,
};
use crate::forge;
use crate::http::WatchFrame;
use crate::model::{Diagnostic, chain};
use crate::sys::clock;
use crate::watch::{WatchError, add_watch, all_watches};

/// Adds what is new in the list, when nothing in it is wrong.
pub(super) fn import(data: &DataDir, path: &Path) -> Ended {
    let file = path.display().to_string();
    let text = read_list_file(path).map_err(|error| match error {
        ConfigError::Wrong(wrong) => Failure::mistakes(&wrong),
        ConfigError::Read { .. } => Failure::broken(&error),
    })?;
    let Some(text) = text else {
        return Err(Failure::not_found(format!("there is no file {file}"))
            .hint("it has a table for each repository: [name], with path and target_branch"));
    };
    let listed = read_watch_list(&file, &text).map_err(|wrong| Failure::mistakes(&wrong))?;
    let known = known(data)?;
    let mut wrong = Vec::new();
    let (mut new, mut there) = (Vec::new(), HashSet::new());
    for ListedWatch { watch, place } in &listed {
        let mistake = match known.iter().find(|known| is_same(&known.name, &watch.name)) {
            Some(same) if same.url == watch.url && same.branch == watch.branch => {
                there.insert(watch.name.clone());
                None
            }
            Some(other) => {
                Some(format!("there is a watch {} already: {} of {}", other.name, other.branch, other.url))
            }
            None => {
                new.push(watch);
                forge::check_not_hosted(data.path(), &watch.name).err().map(|error| chain(&error))
            }
        };
        let help = "give the table another name";
        wrong.extend(mistake.map(|message| Diagnostic::error(&file, message).at(*place, &text).help(help)));
    }
    if known.len() + new.len() > MAX_WATCHES {
        wrong.push(Diagnostic::error(&file, WatchError::TooMany.to_string()));
    }
    if !wrong.is_empty() {
        return Err(Failure::mistakes(&wrong));
    }
    add_all(data, &new)?;
    for ListedWatch { watch, .. } in &listed {
        let word = if there.contains(&watch.name) { "was there" } else { "added" };
        print(&format!("{word:<10} {}: {} of {}\n", watch.name, watch.branch, watch.url));
        if let Some(warning) = watch.warning() {
            eprintln!("warning: {warning}");
        }
    }
    print(&format!("{} added, {} there before\n", new.len(), there.len()));
    Ok(Code::Done)
}

fn known(data: &DataDir) -> Result<Vec<WatchDecl>, Failure> {
    let settings = settings(data)?;
    if !data.database().exists() {
        return Ok(settings.watches);
    }
    let all = all_watches(&database(data)?, &settings).map_err(|error| Failure::broken(&error))?;
    Ok(all.into_iter().map(|(watch, _)| watch).collect())
}

/// Adds watches: by the server when it is there, else in one transaction.
fn add_all(data: &DataDir, watches: &[&WatchDecl]) -> Result<(), Failure> {
    for (index, watch) in watches.iter().enumerate() {
        let frame = serde_json::to_value(WatchFrame::new(watch)).map_err(|error| Failure::broken(&error))?;
        match ask(data, "/watches", &frame, PATIENCE)? {
            Some(answer) => drop(taken(answer).map_err(|failure| after(failure, index))?),
            None if index == 0 => return add_alone(data, watches),
            None => return Err(after(Failure::new(Code::Broken, "the server has gone"), index)),
        }
    }
    Ok(())
}

/// What is true when somebody else was faster than this command.
fn after(failure: Failure, added: usize) -> Failure {
    failure.hint(format!("{added} of the list were added before; quire watch list lists them"))
}

fn add_alone(data: &DataDir, watches: &[&WatchDecl]) -> Result<(), Failure> {
    let settings = settings(data)?;
    let (mut connection, _lock) = alone(data)?;
    let transaction = connection.transaction().map_err(|error| Failure::broken(&error))?;
    for watch in watches {
        add_watch(&transaction, data, &settings, (watch, clock::now())).map_err(|error| failure(&error))?;
    }
    transaction.commit().map_err(|error| Failure::broken(&error))
}
