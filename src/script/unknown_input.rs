//! What is said of a name that is not an input of its job.

use crate::event::Source;
use crate::model::{Quoted, suggest, suggest_among};

/// The most inputs that a message lists.
const MAX_LISTED: usize = 20;

/// What people write for the event of a push.
const KNOWN_AS: [(&str, &str); 5] = [
    ("push", Source::PUSH),
    (":quire/push", Source::PUSH),
    ("quire-push", Source::PUSH),
    ("event", Source::PUSH),
    ("git", Source::PUSH),
];

/// The message and the hint about a name that is not among the inputs of a job. `jobs` are the jobs that are known.
pub(super) fn unknown_input<'a>(
    job: Option<&str>,
    name: &str,
    inputs: &[&'a str],
    jobs: impl Iterator<Item = &'a str> + Clone,
) -> (String, String) {
    let of = job.map_or_else(|| "this job".to_owned(), |job| format!("`{job}`"));
    let message = format!("{} is no input of {of}", Quoted::new(name));
    let with = |name: &str| {
        let all: Vec<String> = inputs.iter().chain([&name]).map(|input| format!(":{input}")).collect();
        format!("write `[{}]`", all.join(" "))
    };
    let mut all = jobs.chain([Source::PUSH]);
    let help = if all.clone().any(|known| known == name) && inputs.len() < MAX_LISTED {
        with(name)
    } else if let Some(meant) = suggest_among(name, &KNOWN_AS, inputs.iter().copied()) {
        match inputs.contains(&meant) {
            true => format!("did you mean `:{meant}`?"),
            false => with(meant),
        }
    } else if let Some(meant) = suggest(name, all.by_ref()).filter(|_| inputs.len() < MAX_LISTED) {
        format!("did you mean `:{meant}`? Then {}", with(meant))
    } else {
        let listed: Vec<&str> = inputs.iter().copied().take(MAX_LISTED).collect();
        let more = if inputs.len() > MAX_LISTED { " …" } else { "" };
        format!("its inputs are `:{}`{more}", listed.join("` `:"))
    };
    (message, help)
}

/// The message and the hint about a name that is not among the arguments that a job declares.
pub(super) fn unknown_argument<'a>(
    job: Option<&str>,
    name: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> (String, String) {
    let of = job.map_or_else(|| "this job".to_owned(), |job| format!("`{job}`"));
    let message = format!("{} is no argument of {of}", Quoted::new(name));
    let listed: Vec<&str> = names.clone().take(MAX_LISTED).collect();
    let help = match suggest(name, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None if listed.is_empty() => "it takes none: `(ci.manual {})`".to_owned(),
        None => format!("its arguments are `{}`", listed.join("` `")),
    };
    (message, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_inputs_that_a_name_needs_is_written_out() {
        for (name, expected) in [
            ("quire/push", "write `[:test :quire/push]`"),
            ("push", "write `[:test :quire/push]`"),
            ("build", "write `[:test :build]`"),
            ("tset", "did you mean `:test`?"),
            ("biuld", "did you mean `:build`? Then write `[:test :build]`"),
            ("quire/psuh", "did you mean `:quire/push`? Then write `[:test :quire/push]`"),
            ("weather", "its inputs are `:test`"),
        ] {
            let (message, help) =
                unknown_input(Some("mirror"), name, &["test"], ["build", "test", "mirror"].into_iter());
            assert_eq!(message, format!("`{name}` is no input of `mirror`"));
            assert_eq!(help, expected);
        }
    }
}
