//! The environment of a step: a clean one, and nothing by accident.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;

use crate::model::Quoted;
use crate::sys::user;

/// What a step sees of the environment that quire itself was started with.
pub const INHERITED: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR"];

/// What quire sets for every step.
const OWN: [&str; 3] = ["CI", "GIT_TERMINAL_PROMPT", "GIT_CEILING_DIRECTORIES"];

/// What says which commit a run is about.
const ABOUT: [&str; 5] = ["QUIRE_REPO", "QUIRE_COMMIT", "QUIRE_BRANCH", "QUIRE_TAG", "QUIRE_REF"];

/// The complete environment of a step. Its `Debug` shows names only, because values may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    entries: BTreeMap<OsString, OsString>,
    /// The names of those that whoever started the run has given.
    given: BTreeSet<OsString>,
}

/// Why something cannot stand in an environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// The name is empty, or holds `=` or a NUL byte.
    #[error("{0} cannot be the name of an environment variable")]
    Name(Quoted),
    /// The value holds a NUL byte.
    #[error("the value of the environment variable {0} holds a NUL byte")]
    Value(Quoted),
}

impl Environment {
    /// The clean environment: `PATH HOME USER LANG TZ TMPDIR` and the names in `pass`, as they are in `from`, and
    /// `CI=true` and `GIT_TERMINAL_PROMPT=0`.
    pub(crate) fn clean(from: &BTreeMap<OsString, OsString>, pass: &[OsString]) -> Self {
        let names = INHERITED.iter().map(OsStr::new).chain(pass.iter().map(OsString::as_os_str));
        let mut entries: BTreeMap<_, _> =
            names.filter_map(|name| from.get_key_value(name)).map(|(n, v)| (n.clone(), v.clone())).collect();
        entries.insert("CI".into(), "true".into());
        entries.insert("GIT_TERMINAL_PROMPT".into(), "0".into());
        Self { entries, given: BTreeSet::new() }
    }

    /// The same environment, with the home of quire's account where quire was started without one. Blocking.
    #[must_use]
    pub(crate) fn at_home(mut self) -> Self {
        if self.get("HOME").is_none_or(OsStr::is_empty)
            && let Some(home) = user::home()
        {
            self.entries.insert("HOME".into(), home.into());
        }
        self
    }

    /// Sets a variable, in place of one that had the name.
    ///
    /// # Errors
    /// The system has no place for such a name or value.
    pub fn set(
        &mut self,
        name: impl Into<OsString>,
        value: impl Into<OsString>,
    ) -> Result<(), EnvironmentError> {
        let (name, value) = (name.into(), value.into());
        let shown = || Quoted::new(&name.to_string_lossy());
        let bytes = name.as_encoded_bytes();
        if bytes.is_empty() || bytes.contains(&b'=') || bytes.contains(&0) {
            return Err(EnvironmentError::Name(shown()));
        }
        if value.as_encoded_bytes().contains(&0) {
            return Err(EnvironmentError::Value(shown()));
        }
        self.entries.insert(name, value);
        Ok(())
    }

    /// Sets a variable that whoever started the run has given. One that is set already stays as it is.
    ///
    /// # Errors
    /// The system has no place for such a name or value.
    pub(crate) fn give(&mut self, name: &str, value: &str) -> Result<(), EnvironmentError> {
        if self.get(name).is_none() {
            self.set(name, value)?;
            self.given.insert(name.into());
        }
        Ok(())
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.entries.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The variables that the operator passes to every step in addition to those of a clean environment. A name that is not UTF-8
    /// is not one of them: nobody could have written it into `config.fnl`.
    pub(crate) fn passed(&self) -> Vec<(String, Vec<u8>)> {
        let own = |name: &str| [&INHERITED[..], &OWN, &ABOUT].iter().any(|names| names.contains(&name));
        let names = self.entries.iter().filter_map(|(name, value)| Some((name.to_str()?, value)));
        names
            .filter(|(name, _)| !own(name) && !self.given.contains(OsStr::new(name)))
            .map(|(name, value)| (name.to_owned(), value.as_encoded_bytes().to_vec()))
            .collect()
    }

    /// The variables that say which commit the run is about, and those that whoever started it has given.
    pub(crate) fn about(&self) -> Vec<(String, String)> {
        let value = |name: &str| self.get(name).map(|value| value.to_string_lossy().into_owned());
        let given = self.given.iter().filter_map(|name| name.to_str());
        ABOUT.into_iter().chain(given).filter_map(|name| Some((name.to_owned(), value(name)?))).collect()
    }

    /// All variables, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.entries.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_inherited() {
        let from = [("PATH", "/bin"), ("SSH_AUTH_SOCK", "/s"), ("DATABASE_URL", "x"), ("TZ", "")];
        let from = from.map(|(name, value)| (name.into(), value.into())).into();
        let clean = Environment::clean(&from, &["SSH_AUTH_SOCK".into(), "MISSING".into()]);
        let entries: Vec<_> = clean.iter().map(|(name, value)| format!("{name:?}={value:?}")).collect();
        assert_eq!(
            entries.join(" "),
            r#""CI"="true" "GIT_TERMINAL_PROMPT"="0" "PATH"="/bin" "SSH_AUTH_SOCK"="/s" "TZ"="""#
        );
    }

    #[test]
    fn there_is_a_home_where_the_server_has_none() {
        let home = |from: &[(&str, &str)]| {
            let from = from.iter().map(|(name, value)| (name.into(), value.into())).collect();
            Environment::clean(&from, &[]).at_home().get("HOME").map(OsStr::to_owned)
        };
        let own = user::home().map(OsString::from);
        assert!(own.is_some(), "the account of the tests has one");
        assert_eq!(home(&[("HOME", "/own")]), Some("/own".into()));
        assert_eq!((home(&[]), home(&[("HOME", "")])), (own.clone(), own));
    }

    #[test]
    fn what_the_operator_passes_differs_from_what_every_step_has() {
        let from = [("PATH", "/bin"), ("HOME", "/root"), ("PROXY", "http://p"), ("OTHER", "x")];
        let from = from.map(|(name, value)| (name.into(), value.into())).into();
        let mut environment = Environment::clean(&from, &["PROXY".into()]);
        environment.set("GIT_CEILING_DIRECTORIES", "/").unwrap();
        assert_eq!(environment.passed(), [("PROXY".to_owned(), b"http://p".to_vec())]);
    }

    #[test]
    fn what_is_given_with_a_run_replaces_nothing_and_is_for_containers_too() {
        let from = [("PATH", "/bin"), ("PROXY", "http://p")];
        let from = from.map(|(name, value)| (name.into(), value.into())).into();
        let mut environment = Environment::clean(&from, &["PROXY".into()]);
        for name in ["PROXY", "TO"] {
            environment.give(name, "given").unwrap();
        }
        assert_eq!(environment.get("PROXY"), Some(OsStr::new("http://p")));
        assert_eq!(environment.about(), [("TO".to_owned(), "given".to_owned())]);
        assert_eq!(environment.passed(), [("PROXY".to_owned(), b"http://p".to_vec())]);
    }

    #[test]
    fn a_secret_is_set_but_not_shown() {
        let mut environment = Environment::default();
        environment.set("TOKEN", "hunter2").unwrap();
        assert_eq!(environment.get("TOKEN"), Some(OsStr::new("hunter2")));
        assert_eq!(format!("{environment:?}"), r#"{"TOKEN"}"#);
    }

    #[test]
    fn names_and_values_have_to_be_possible() {
        let mut environment = Environment::default();
        for name in ["", "A=B", "A\0"] {
            assert!(matches!(environment.set(name, "x"), Err(EnvironmentError::Name(_))), "{name:?}");
        }
        assert_eq!(environment.set("A", "x\0y"), Err(EnvironmentError::Value(Quoted::new("A"))));
        assert_eq!(environment, Environment::default());
    }
}
