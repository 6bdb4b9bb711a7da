//! What `flwd :serve` is started with: its words, and its environment.

use crate::cli::exit::{Code, Failure};
use crate::config::Bind;
use crate::model::{Profile, Quoted, suggest};
use crate::policy::StartProfiles;

/// Where it listens when nothing is said.
const DEFAULT_BIND: &str = "127.0.0.1:8080";

/// The options.
const OPTIONS: [&str; 9] = [
    "--bind",
    "--dev",
    "--log",
    "--profile",
    "--metrics",
    "--aliases-public",
    "--extension",
    "--allow-local-root",
    "--allow-git-host",
];

pub(super) const HELP: &str = "\
Usage: flwd :serve [OPTIONS]

  --bind ADDR:PORT         where to listen [default: 127.0.0.1:8080]
  --dev                    no token is needed; pages of localhost may call the API
  --log text|json          how requests are logged [default: text]
  --profile PROFILE        secure, permissive or disabled [default: secure]
  --metrics=false          without /metrics
  --aliases-public         everybody sees aliases in lists
  --extension NAME         an optional part: export (repeatable)
  --allow-local-root DIR   a folder that local sources may be in (repeatable)
  --allow-git-host HOST    a host that git sources may be on (repeatable)

Environment: FLWD_PROFILE, FLWD_POLICY_FILE, FLWD_JWT_SECRET, FLWD_ALIASES_PUBLIC, FLWD_EXTENSIONS, FLWD_VERSION, DATA_DIR
";

/// What the server is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServeFlags {
    pub(super) bind: Bind,
    /// Whether no token is needed.
    pub(super) is_dev: bool,
    /// Whether the log is JSON.
    pub(super) logs_json: bool,
    pub(super) profiles: StartProfiles,
    pub(super) has_metrics: bool,
    /// Whether everybody sees aliases.
    pub(super) shows_aliases: bool,
    /// The names of optional parts.
    pub(super) extensions: Vec<String>,
    pub(super) local_roots: Vec<String>,
    pub(super) git_hosts: Vec<String>,
    /// The version that is reported.
    pub(super) version: String,
}

/// The options as words, before they mean anything.
#[derive(Default)]
struct Words<'a>(Vec<(&'static str, &'a str)>);

impl ServeFlags {
    /// Reads the words behind `:serve`; `variable` is the environment.
    ///
    /// # Errors
    /// An option is unknown, or has a value that it cannot have.
    pub(super) fn read(words: &[&str], variable: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let words = Words::read(words)?;
        let bind = words.last("--bind").unwrap_or(DEFAULT_BIND);
        let bind = Bind::parse(bind).filter(|bind| matches!(bind, Bind::Address(_))).ok_or_else(|| {
            usage(format!("--bind: {} is not an address with a port", Quoted::new(bind)))
                .hint("write it as --bind 127.0.0.1:8080")
        })?;
        let logs_json = match words.last("--log") {
            None | Some("text") => false,
            Some("json") => true,
            Some(other) => {
                let wrong = usage(format!("--log: {} is not a format of the log", Quoted::new(other)));
                return Err(wrong.hint("it is text or json"));
            }
        };
        let profiles = StartProfiles {
            environment: variable("FLWD_PROFILE").map(|text| profile("FLWD_PROFILE", &text)).transpose()?,
            flag: words.last("--profile").map(|text| profile("--profile", text)).transpose()?,
        };
        let of_environment = variable("FLWD_ALIASES_PUBLIC").is_some_and(|text| is_on(&text));
        let extensions =
            [words.all("--extension"), variable("FLWD_EXTENSIONS").into_iter().collect()].concat();
        Ok(Self {
            bind,
            is_dev: words.switch("--dev")?.unwrap_or(false),
            logs_json,
            profiles,
            has_metrics: words.switch("--metrics")?.unwrap_or(true),
            shows_aliases: words.switch("--aliases-public")?.unwrap_or(of_environment),
            extensions: listed(&extensions),
            local_roots: words.all("--allow-local-root"),
            git_hosts: listed(&words.all("--allow-git-host")),
            version: variable("FLWD_VERSION").unwrap_or_else(|| "dev".to_owned()),
        })
    }

    /// The profile of requests that ask for none.
    pub(super) fn profile(&self) -> Profile {
        self.profiles.environment.or(self.profiles.flag).unwrap_or_default()
    }
}

impl<'a> Words<'a> {
    fn read(words: &[&'a str]) -> Result<Self, Failure> {
        let mut read = Self::default();
        let mut left = words.iter();
        while let Some(word) = left.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (*word, None),
            };
            let known = OPTIONS.iter().find(|known| **known == name).ok_or_else(|| unknown(name))?;
            let value = match value {
                Some(value) => value,
                None if is_switch(known) => "true",
                None => left.next().ok_or_else(|| usage(format!("{known} needs a value")))?,
            };
            read.0.push((known, value));
        }
        Ok(read)
    }

    fn last(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn all(&self, name: &str) -> Vec<String> {
        let named = self.0.iter().filter(|(known, _)| *known == name);
        named.map(|(_, value)| (*value).to_owned()).collect()
    }

    fn switch(&self, name: &str) -> Result<Option<bool>, Failure> {
        let Some(value) = self.last(name) else { return Ok(None) };
        match value.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => Ok(Some(true)),
            "false" | "f" | "0" => Ok(Some(false)),
            _ => Err(usage(format!("{name}: {} is neither true nor false", Quoted::new(value)))),
        }
    }
}

fn is_switch(option: &str) -> bool {
    matches!(option, "--dev" | "--metrics" | "--aliases-public")
}

/// `1`, `true`, `yes`, `on`.
fn is_on(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")
}

/// The entries of lists with commas.
fn listed(lists: &[String]) -> Vec<String> {
    let entries = lists.iter().flat_map(|list| list.split(',')).map(str::trim);
    entries.filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

fn profile(origin: &str, text: &str) -> Result<Profile, Failure> {
    Profile::parse(text).map_err(|error| usage(format!("invalid security profile: {origin}: {error}")))
}

fn unknown(name: &str) -> Failure {
    let failure = usage(format!("unknown option {}", Quoted::new(name)));
    match suggest(name, OPTIONS) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("flwd :serve --help lists the options"),
    }
}

fn usage(text: String) -> Failure {
    Failure::new(Code::Failed, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], variables: &[(&str, &str)]) -> Result<ServeFlags, String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        ServeFlags::read(words, variable).map_err(|failure| failure.text)
    }

    #[test]
    fn options_are_read_in_both_forms_and_the_last_one_counts() {
        let flags = read(&[], &[]).unwrap();
        assert!(!flags.is_dev && flags.has_metrics && !flags.shows_aliases && !flags.logs_json);
        assert_eq!((flags.bind, flags.version.as_str()), (Bind::parse("127.0.0.1:8080").unwrap(), "dev"));
        let words = [
            "--bind=0.0.0.0:1",
            "--bind",
            "localhost:2",
            "--dev",
            "--log=json",
            "--metrics=false",
            "--extension",
            "export",
            "--extension=a,b",
            "--allow-local-root",
            "../x",
            "--allow-local-root=y",
            "--allow-git-host",
            "git.example.org:8443",
        ];
        let flags = read(&words, &[("FLWD_EXTENSIONS", "c, d")]).unwrap();
        assert_eq!(flags.bind, Bind::parse("127.0.0.1:2").unwrap());
        assert!(flags.is_dev && flags.logs_json && !flags.has_metrics);
        assert_eq!(flags.extensions, ["export", "a", "b", "c", "d"]);
        assert_eq!(flags.local_roots, ["../x", "y"]);
        assert_eq!(flags.git_hosts, ["git.example.org:8443"]);
    }

    #[test]
    fn the_environment_comes_before_a_profile_and_behind_a_switch() {
        let with = |words: &[&str], profile| read(words, &[("FLWD_PROFILE", profile)]).unwrap().profile();
        assert_eq!(with(&["--profile", "disabled"], "permissive"), Profile::Permissive);
        assert_eq!(read(&["--profile=disabled"], &[]).unwrap().profile(), Profile::Disabled);
        assert_eq!(read(&[], &[]).unwrap().profile(), Profile::Secure);
        let public =
            |words: &[&str], value| read(words, &[("FLWD_ALIASES_PUBLIC", value)]).unwrap().shows_aliases;
        assert!(["1", "true", "YES", "on"].iter().all(|value| public(&[], value)));
        assert!(!public(&[], "off") && !public(&["--aliases-public=false"], "true"));
    }

    #[test]
    fn what_cannot_be_meant_is_an_error() {
        for (words, said) in [
            (&["--bind", "8080"][..], "is not an address"),
            (&["--bind", "none"], "is not an address"),
            (&["--bind"], "--bind needs a value"),
            (&["--log", "xml"], "text or json"),
            (&["--profile", "lax"], "invalid security profile"),
            (&["--dev=perhaps"], "neither true nor false"),
            (&["--metric=false"], "did you mean `--metrics`?"),
            (&["extra"], "unknown option"),
        ] {
            let wrong = read(words, &[]).unwrap_err();
            assert!(wrong.contains(said), "{words:?}: {wrong}");
        }
        assert!(read(&[], &[("FLWD_PROFILE", "lax")]).unwrap_err().contains("FLWD_PROFILE"));
    }
}
