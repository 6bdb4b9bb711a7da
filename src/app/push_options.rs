//! Push options: those of quire, and the warnings about others that look like them.

use crate::event::RunVars;
use crate::model::suggest;
use crate::view::one_line;

/// The push options that quire knows, beside `ci.profile=NAME`.
const OPTIONS: [&str; 4] = ["ci.skip", "ci.wait", "ci.log", "ci.var"];

/// The shortest word without `ci.` that is compared with quire's by similarity; other programs have options, too.
const MIN_SIMILAR: usize = 4;

/// Warnings about push options that quire does not know and that look like its own.
pub(super) fn unknown_options(options: &[String]) -> String {
    let (_, wrong) = RunVars::of_options(options);
    let mut out: String =
        wrong.iter().map(|error| format!("warning: a push option was ignored: {error}\n")).collect();
    for option in options {
        let is_known = OPTIONS.contains(&option.as_str()) && option != "ci.var";
        if is_known || ["ci.profile=", "ci.var="].iter().any(|name| option.starts_with(name)) {
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
    match (full.as_str(), near, word) {
        ("ci.only", _, Some(_)) => Some("it is not in this version of quire".to_owned()),
        (_, Some("ci.var"), _) => Some("did you mean ci.var=NAME=VALUE?".to_owned()),
        (_, Some(near), _) => Some(format!("did you mean {near}?")),
        (_, None, Some(_)) => Some(format!("options are {}=NAME=VALUE, ci.profile=NAME", OPTIONS.join(", "))),
        (_, None, None) => None,
    }
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
        assert!(warned("ci.only=x").contains("not in this version"));
        for option in ["ci.var", "ci.vars=A=B", "ci.val=A=B"] {
            assert!(warned(option).contains("did you mean ci.var=NAME=VALUE?"), "{option}");
        }
        assert!(
            warned("ci.weather")
                .contains("options are ci.skip, ci.wait, ci.log, ci.var=NAME=VALUE, ci.profile")
        );
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
