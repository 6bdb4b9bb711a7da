//! `quire watch import Repo.toml`: adds the watches of a list, all of them or none.

use std::path::Path;

use super::ask::{here, perform};
use super::exit::{Code, Ended, Failure, print};
use super::watch::warn;
use crate::app::{AddWatches, Import, WatchFrame, plan_import};
use crate::config::{ConfigError, DataDir, ListedWatch, read_list_file, read_watch_list};
use crate::model::Diagnostic;

/// Adds what is new in the list, when nothing in it is wrong.
pub(super) fn import(data: &DataDir, path: &Path) -> Ended {
    let file = path.display().to_string();
    let text = read_list_file(path).map_err(|error| match error {
        ConfigError::Wrong(wrong) => Failure::mistakes(&wrong),
        ConfigError::Read { .. } => Failure::broken(&error),
    })?;
    let Some(text) = text else {
        return Err(Failure::not_found(format!("{file} does not exist"))
            .hint("it has a table for each repository: [name], with path and target_branch"));
    };
    let listed = read_watch_list(&file, &text).map_err(|wrong| Failure::mistakes(&wrong))?;
    let watches = listed.iter().map(|listed| listed.watch.clone()).collect();
    let (plan, too_many) = here(data, async |app| plan_import(app, watches).await)?;
    let mistake = |(listed, import): (&ListedWatch, &Import)| match import {
        Import::New | Import::There => None,
        Import::Refused(message) => {
            let mistake = Diagnostic::error(&file, message.clone()).at(listed.place, &text);
            Some(mistake.help("give the table another name"))
        }
    };
    let mut wrong: Vec<Diagnostic> = listed.iter().zip(&plan).filter_map(mistake).collect();
    wrong.extend(too_many.map(|message| Diagnostic::error(&file, message)));
    if !wrong.is_empty() {
        return Err(Failure::mistakes(&wrong));
    }
    let is_new = |(_, import): &(&ListedWatch, &Import)| **import == Import::New;
    let new = listed.iter().zip(&plan).filter(is_new).map(|(listed, _)| WatchFrame::new(&listed.watch));
    let new: Vec<WatchFrame> = new.collect();
    let added = new.len();
    if added > 0 {
        perform(data, AddWatches { watches: new })?;
    }
    for (ListedWatch { watch, .. }, import) in listed.iter().zip(&plan) {
        let word = if *import == Import::There { "was there" } else { "added" };
        print(&format!("{word:<10} {}: {} of {}\n", watch.name, watch.branch, watch.url));
        warn(watch.warning().as_slice());
    }
    if added > 0 {
        print("the current commits are only recorded; new ones run\n");
    }
    print(&format!("{added} added, {} there before\n", listed.len() - added));
    Ok(Code::Done)
}
