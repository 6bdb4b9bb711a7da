//! Push options: those of quire, and the warnings about others that look like them.

use crate::event::RunVars;
use crate::model::suggest;
use crate::view::{Colours, one_line};

/// The push options that quire knows, beside `ci.profile=NAME`.
const OPTIONS: [&str; 7] = ["ci.skip", "ci.wait", "ci.log", "ci.live", "ci.color", "ci.only", "ci.var"];

/// What follows those that have a value.
const VALUES: [(&str, &str); 3] = [("ci.color", "=never"), ("ci.only", "=JOB"), ("ci.var", "=NAME=VALUE")];

/// The shortest word without `ci.` that is compared with quire's by similarity; other programs have options, too.
const MIN_SIMILAR: usize = 4;

/// Whether the output of jobs has the colours that they gave it.
const COLOURS: [&str; 2] = ["ci.color=never", "ci.color=always"];

/// What a push is to report of its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WantedReport {
    /// Whether the push waits for the runs.
    pub(super) waits: bool,
    /// Whether all output is shown.
    pub(super) shows_log: bool,
    /// Whether a ticker is shown.
    pub(super) is_live: bool,
    /// Whether output has its colours.
    pub(super) colours: Colours,
}

impl WantedReport {
    /// What push options ask for.
    pub(super) fn of(options: &[String]) -> Self {
        let has = |name: &str| options.iter().any(|option| option == name);
        let (shows_log, is_live) = (has("ci.log"), has("ci.live"));
        let colours = if has("ci.color=never") { Colours::Dropped } else { Colours::Kept };
        Self { waits: has("ci.wait") || shows_log || is_live, shows_log, is_live, colours }
    }
}

/// Warnings about push options that quire does not know and that look like its own.
pub(super) fn unknown_options(options: &[String]) -> String {
    let (_, wrong) = RunVars::of_options(options);
    let mut out: String =
        wrong.iter().map(|error| format!("warning: a push option was ignored: {error}\n")).collect();
    for option in options {
        let is_known = OPTIONS.contains(&option.as_str()) && value(option).is_empty();
        let has_value = |name: &str| option.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
        let is_known = is_known || COLOURS.contains(&option.as_str());
        if is_known || ["ci.profile", "ci.only", "ci.var"].into_iter().any(has_value) {
            continue;
        }
        let Some(hint) = hint(option) else { continue };
        let line = format!("warning: unknown push option {}; {hint}\n", one_line(option));
        if !out.contains(&line) {
            out.push_str(&line);
        }
    }
    out
}

/// What helps who gave an unknown option; `None` for one that is not meant for quire.
fn hint(option: &str) -> Option<String> {
    let name = option.split(['=', ' ']).next().unwrap_or_default().to_lowercase();
    let word = name.strip_prefix("ci").and_then(|rest| rest.strip_prefix(['.', '-', '_', ':', '/']));
    let full = format!("ci.{}", word.unwrap_or(&name));
    let near = suggest(&full, OPTIONS).filter(|near| {
        let is_similar = name.chars().count() >= MIN_SIMILAR;
        word.is_some() || is_similar || *near == full
    });
    match (near, word) {
        (Some(near), _) => Some(format!("did you mean {near}{}?", value(near))),
        (None, Some(_)) => {
            let options = OPTIONS.map(|option| format!("{option}{}", value(option)));
            Some(format!("options are {}, ci.profile=NAME", options.join(", ")))
        }
        (None, None) => None,
    }
}

/// What follows an option that has a value.
fn value(option: &str) -> &'static str {
    VALUES.iter().find(|(name, _)| *name == option).map(|(_, value)| *value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(option: &str) -> String {
        unknown_options(&[option.to_owned()])
    }

    #[test]
    fn options_that_look_like_quires_are_warned_about_once() {
        for (option, meant) in [
            ("ci.wiat", "ci.wait"),
            ("wait", "ci.wait"),
            ("log", "ci.log"),
            ("skip", "ci.skip"),
            ("wiat", "ci.wait"),
            ("WAIT", "ci.wait"),
            ("CI.WAIT", "ci.wait"),
            ("Ci.Skip", "ci.skip"),
            ("ci-skip", "ci.skip"),
            ("ci_wait", "ci.wait"),
            ("ci.wait=true", "ci.wait"),
            ("ci.wait ", "ci.wait"),
            ("ci.logs", "ci.log"),
        ] {
            assert_eq!(
                warned(option),
                format!("warning: unknown push option {option}; did you mean {meant}?\n")
            );
        }
        for option in ["ci.only", "only", "ci.olny=test", "ci-only=test"] {
            assert!(warned(option).ends_with("; did you mean ci.only=JOB?\n"), "{option}");
        }
        for option in ["ci.colour=never", "ci.color", "ci.color=no", "color=never"] {
            assert!(warned(option).ends_with("; did you mean ci.color=never?\n"), "{option}");
        }
        for option in ["ci.var", "ci.vars=A=B", "ci.val=A=B"] {
            assert!(warned(option).contains("did you mean ci.var=NAME=VALUE?"), "{option}");
        }
        assert!(warned("ci.weather").contains(
            "options are ci.skip, ci.wait, ci.log, ci.live, ci.color=never, ci.only=JOB, ci.var=NAME"
        ));
        assert!(warned("ci.var=A").contains("write ci.var=NAME=VALUE"));
        assert!(warned("ci.var=PATH=/x").contains("the variable `PATH` cannot be set"));
        assert_eq!(unknown_options(&["wait".to_owned(), "wait".to_owned()]).lines().count(), 1);
    }

    #[test]
    fn options_of_quire_and_of_other_programs_are_not_warned_about() {
        for option in [
            "ci.wait",
            "ci.skip",
            "ci.profile=x",
            "ci.only=test",
            "ci.live",
            "ci.color=never",
            "ci.color=always",
            "ci.var=TO=staging",
            "merge_request.create",
            "topic=x",
            "other",
            "a",
            "dog",
            "",
            "force",
        ] {
            assert_eq!(warned(option), "", "{option}");
        }
    }
}
