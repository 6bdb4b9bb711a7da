//! What people write in `run` who think of a shell: it is a program and its arguments.

use std::path::Path;

use crate::model::Quoted;

/// The shells that take a text.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "ksh", "zsh", "fish"];

/// What only a shell does: as programs these are missing, or have no effect on the next command.
const BUILTINS: [&str; 22] = [
    "cd", "pushd", "popd", "export", "unset", "set", "source", ".", "alias", "eval", "exec", "exit",
    "ulimit", "umask", "trap", "shopt", "read", "local", "if", "for", "while", "function",
];

/// Whether a command runs a text by a shell, which reads itself what is in it: `bash -lc "echo $HOME"`.
pub(super) fn runs_text(words: &[String]) -> bool {
    let mut words = words.iter();
    let name = words.next().and_then(|program| Path::new(program).file_name()).and_then(|name| name.to_str());
    name.is_some_and(|name| SHELLS.contains(&name))
        && words.any(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'))
}

/// What is wrong with a first word that means something to a shell alone, and what helps.
pub(super) fn of_program(program: &str) -> Option<(String, String)> {
    if BUILTINS.contains(&program) {
        let message = format!("`{program}` is for a shell: as a program it does nothing for other commands");
        return Some((
            message,
            "run a shell that does all of it: `run = \"sh -c 'cd sub && make'\"`".to_owned(),
        ));
    }
    let (name, _) = program.split_once('=')?;
    let is_name = !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| {
        let message = format!("no shell reads this: {} is taken for the program", Quoted::new(program));
        (message, "begin with `env`: `run = \"env NAME=value make\"`".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_that_run_a_text_are_known() {
        let runs = |line: &str| runs_text(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for line in ["sh -c x", "bash -lc x", "/bin/bash -e -c x", "zsh -ec x"] {
            assert!(runs(line), "{line}");
        }
        for line in ["make -c", "sh x", "bash --rc x", "sh", "cc -c x"] {
            assert!(!runs(line), "{line}");
        }
    }

    #[test]
    fn first_words_for_a_shell_are_noticed() {
        for program in ["cd", "export", "FOO=1", "_X=a", ".", "if"] {
            assert!(of_program(program).is_some(), "{program}");
        }
        for program in ["make", "./cd", "a-b=c", "=x", "1=2", "/usr/bin/env"] {
            assert_eq!(of_program(program), None, "{program}");
        }
    }
}
