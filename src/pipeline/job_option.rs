//! What a job may say about itself in Fennel and Lua, option by option.

use super::graph::{JobOptions, When};
use crate::model::{parse_duration, suggest};
use crate::script::{CONTAINER_OPTIONS, ContainerOptions, OptionValue};

/// The options of `ci:job`, beside those of its container.
const OPTIONS: [&str; 6] = ["timeout", "when", "allow-failure", "interruptible", "image", "sandbox"];

/// Options of `ci:job` that a later version will have.
const PLANNED_OPTIONS: [&str; 6] = ["retry", "env", "needs-secrets", "group", "workspace", "matrix"];

/// What is wrong, and what to do instead.
pub(super) type Refusal = (String, Option<String>);

/// Reads one option of a job into `options`.
pub(super) fn read_option(name: &str, value: &OptionValue, options: &mut JobOptions) -> Result<(), Refusal> {
    let wants = |what: &str| (format!("`:{name}` of a job wants {what}"), None);
    match (name, value) {
        ("timeout", OptionValue::Text(text)) => {
            let timeout = parse_duration(text).map_err(|error| (error.to_string(), None))?;
            let timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
            options.timeout = Some(timeout.ok_or_else(|| wants("a duration such as \"5m\", or seconds"))?);
        }
        ("timeout", OptionValue::Number(seconds)) => {
            let timeout =
                std::time::Duration::try_from_secs_f64(*seconds).ok().filter(|timeout| !timeout.is_zero());
            options.timeout = Some(timeout.ok_or_else(|| wants("a duration such as \"5m\", or seconds"))?);
        }
        ("timeout", _) => return Err(wants("a duration such as \"5m\", or seconds")),
        ("when", OptionValue::Text(when)) => {
            options.when = match when.as_str() {
                "always" => When::Always,
                "failed" => When::Failed,
                "passed" => When::Passed,
                _ => return Err(wants("`:always`, `:failed` or `:passed`")),
            };
        }
        ("when", _) => return Err(wants("`:always`, `:failed` or `:passed`")),
        ("allow-failure", OptionValue::Flag(flag)) => options.allow_failure = *flag,
        ("interruptible", OptionValue::Flag(flag)) => options.interruptible = *flag,
        ("sandbox", OptionValue::Text(kind)) if kind == "bwrap" => options.sandbox = true,
        ("sandbox", _) => return Err(wants("`:bwrap`, the one sandbox that there is")),
        ("network", OptionValue::Flag(flag)) => options.network = Some(*flag),
        ("allow-failure" | "interruptible", _) => return Err(wants("`true` or `false`")),
        ("image", OptionValue::Text(image)) => options.image = Some(image.clone()),
        ("image", _) => return Err(wants("the name of an image, or \".quire/Dockerfile\"")),
        _ if ContainerOptions::knows(name) => {
            options.container.set(name, value).map_err(|problem| (problem, None))?;
        }
        _ => return Err(unknown_option(name)),
    }
    Ok(())
}

fn unknown_option(name: &str) -> Refusal {
    if PLANNED_OPTIONS.contains(&name) {
        return (format!("the job option `:{name}` is not in this version of quire"), None);
    }
    let known = OPTIONS.into_iter().chain(CONTAINER_OPTIONS);
    let help = match suggest(name, known.clone()) {
        Some(near) => format!("did you mean `:{near}`?"),
        None => format!("options of a job are :{}", known.collect::<Vec<_>>().join(" :")),
    };
    (format!("a job has no option `:{name}`"), Some(help))
}

/// Checks options that make no sense without each other.
pub(super) fn check_together(options: &JobOptions) -> Result<(), Refusal> {
    if options.image.is_some() && (options.sandbox || options.network.is_some()) {
        let message =
            "`:sandbox` and `:network true` are for steps on the host, and this job has an `:image`"
                .to_owned();
        let help = "a container is a sandbox; its `:network` is a name, such as \"bridge\"".to_owned();
        return Err((message, Some(help)));
    }
    let services = options.container.services.clone();
    let only_services = ContainerOptions { services, ..ContainerOptions::default() };
    if options.image.is_none() && options.container != only_services {
        let message = "the options of a container are for a job with `:image`".to_owned();
        let help = "add `:image`, or give them to `(container image cmd {…})`".to_owned();
        return Err((message, Some(help)));
    }
    Ok(())
}
