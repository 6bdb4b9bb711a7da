//! Variables of a run: environment variables of its steps, given by whoever starts it. A push gives them as push options,
//! `ci.var=NAME=VALUE`, and so they are kept with the run.

use std::collections::BTreeMap;

use crate::model::Quoted;

/// How the option of a run begins that is a variable.
const OPTION: &str = "ci.var=";

/// The most variables of a run.
const MAX_VARS: usize = 100;

/// The longest name of a variable, in bytes.
const MAX_VAR_NAME: usize = 64;

/// The longest value of a variable, in bytes.
const MAX_VAR_VALUE: usize = 8 * 1024;

/// Names that say where programs are found, what they load before they begin, or which run a step belongs to. Whoever starts a
/// run chooses what its steps read, not which code they run.
const RESERVED: [&str; 24] = [
    "BASHOPTS",
    "CI",
    "CLASSPATH",
    "EDITOR",
    "ENV",
    "GCONV_PATH",
    "HOME",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "LOGNAME",
    "MAKEFLAGS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PAGER",
    "PATH",
    "PROMPT_COMMAND",
    "PS4",
    "SHELL",
    "SHELLOPTS",
    "TMPDIR",
    "USER",
    "VISUAL",
    "ZDOTDIR",
];

/// How such names begin.
const RESERVED_PREFIXES: [&str; 15] = [
    "BASH_",
    "CARGO_",
    "DOCKER_",
    "DYLD_",
    "GIT_",
    "GLIBC_",
    "LD_",
    "LUA_",
    "NPM_CONFIG_",
    "PERL",
    "PYTHON",
    "QUIRE_",
    "RUBY",
    "RUST",
    "SSH_",
];

/// The variables of a run, by name; each has a name and a value that an environment can hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RunVars(BTreeMap<String, String>);

/// Why something is no variable of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RunVarError {
    /// The name is invalid.
    #[error(
        "{0} is not a valid variable name: use 1 to {MAX_VAR_NAME} letters, digits or `_`, not starting with a digit"
    )]
    Name(Quoted),
    /// The name is reserved.
    #[error("the variable `{0}` cannot be set: it belongs to quire, or decides which code a step runs")]
    Reserved(String),
    /// The value is too long, or holds a NUL byte.
    #[error("the value of the variable `{0}` holds a NUL byte or is longer than {MAX_VAR_VALUE} bytes")]
    Value(String),
    /// There are too many.
    #[error("a run has at most {MAX_VARS} variables")]
    TooMany,
    /// An option does not have both.
    #[error("write {OPTION}NAME=VALUE")]
    Form,
}

impl RunVars {
    /// Adds a variable; one of the same name is replaced.
    ///
    /// # Errors
    /// The name or the value is invalid, or there are too many.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), RunVarError> {
        let is_name = name.len() <= MAX_VAR_NAME
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
        if !is_name {
            return Err(RunVarError::Name(Quoted::new(name)));
        }
        let upper = name.to_ascii_uppercase();
        if RESERVED.contains(&&*upper) || RESERVED_PREFIXES.iter().any(|prefix| upper.starts_with(prefix)) {
            return Err(RunVarError::Reserved(name.to_owned()));
        }
        if value.len() > MAX_VAR_VALUE || value.contains('\0') {
            return Err(RunVarError::Value(name.to_owned()));
        }
        if self.0.len() >= MAX_VARS && !self.0.contains_key(name) {
            return Err(RunVarError::TooMany);
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// The variables among the options of a run, and what is wrong with the others that look like one.
    pub(crate) fn of_options(options: &[String]) -> (Self, Vec<RunVarError>) {
        let (mut vars, mut wrong) = (Self::default(), Vec::new());
        for option in options.iter().filter_map(|option| option.strip_prefix(OPTION)) {
            let pair = option.split_once('=').ok_or(RunVarError::Form);
            wrong.extend(pair.and_then(|(name, value)| vars.set(name, value)).err());
        }
        (vars, wrong)
    }

    /// The same as options of a run.
    pub(crate) fn to_options(&self) -> Vec<String> {
        self.0.iter().map(|(name, value)| format!("{OPTION}{name}={value}")).collect()
    }

    /// Names and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_survive_as_options() {
        let mut vars = RunVars::default();
        for (name, value) in [("TO", "staging"), ("_x1", ""), ("LINES", "a=b\nc=d"), ("TO", "production")] {
            vars.set(name, value).unwrap();
        }
        let mut options = vars.to_options();
        options.push("ci.wait".to_owned());
        assert_eq!(RunVars::of_options(&options), (vars.clone(), Vec::new()));
        assert_eq!(vars.iter().next(), Some(("LINES", "a=b\nc=d")));
        assert_eq!(vars.iter().count(), 3);
    }

    #[test]
    fn what_is_not_a_variable_or_chooses_the_code_of_a_step_is_refused() {
        let set = |name: &str, value: &str| RunVars::default().set(name, value);
        for name in ["", "1A", "A-B", "A B", "A=B", "é", "a\n", &"A".repeat(MAX_VAR_NAME + 1)] {
            assert!(matches!(set(name, "x"), Err(RunVarError::Name(_))), "{name:?}");
        }
        for name in
            ["PATH", "Path", "LD_PRELOAD", "ld_library_path", "BASH_ENV", "GIT_DIR", "QUIRE_RUN", "CI"]
        {
            assert_eq!(set(name, "x"), Err(RunVarError::Reserved(name.to_owned())));
        }
        assert_eq!(set("A", "x\0"), Err(RunVarError::Value("A".to_owned())));
        assert_eq!(set("A", &"x".repeat(MAX_VAR_VALUE)), Ok(()));
        assert_eq!(set("A", &"x".repeat(MAX_VAR_VALUE + 1)), Err(RunVarError::Value("A".to_owned())));
        let mut many = RunVars::default();
        (0..MAX_VARS).for_each(|number| many.set(&format!("A{number}"), "x").unwrap());
        assert_eq!((many.set("A0", "y"), many.set("B", "y")), (Ok(()), Err(RunVarError::TooMany)));
        let options = ["ci.var=A".to_owned(), "ci.var=B=1".to_owned(), "ci.var==1".to_owned()];
        assert_eq!(RunVars::of_options(&options).1, [RunVarError::Form, RunVarError::Name(Quoted::new(""))]);
    }
}
