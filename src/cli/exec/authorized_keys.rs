//! `quire exec authorized-keys %u %t %k`: what sshd asks before it accepts a key (sshd_config(5), `AuthorizedKeysCommand`).

use crate::app::offered_key;
use crate::cli::ask::here;
use crate::cli::exit::{Code, Ended, Failure, print};
use crate::config::DataDir;
use crate::model::{PublicKey, shell_word};
use crate::sys::user::{name_of, own_uid};

/// Prints the line of the key that was offered, if a user has it: what it runs, and nothing else.
pub(super) fn print_line(data: &DataDir, words: &[String]) -> Ended {
    let [account, kind, key] = words else {
        return Err(Failure::new(
            Code::Usage,
            "expected the name of the account, the kind of the key and the key",
        )
        .hint("in sshd_config: AuthorizedKeysCommand /usr/local/bin/quire exec authorized-keys %u %t %k"));
    };
    // Keys of quire open its own account and no other, whatever sshd asks for.
    if name_of(own_uid()).as_ref() != Some(account) {
        return Ok(Code::Done);
    }
    // Certificates and other kinds are no keys of quire.
    let Ok(key) = PublicKey::of_parts(kind, key, "") else { return Ok(Code::Done) };
    if let Some((id, line)) = here(data, async |app| offered_key(app, &key).await)? {
        let program = std::env::current_exe().map_err(|error| Failure::broken(&error))?;
        let word = |path: &std::path::Path| shell_word(&path.to_string_lossy());
        let command = format!("{} exec --data {} --key {id}", word(&program), word(data.path()));
        print(&format!("restrict,command=\"{}\" {line}\n", quoted(&command)));
    }
    Ok(Code::Done)
}

/// A text in the double quotes of an option (sshd(8)): only they are escaped.
fn quoted(text: &str) -> String {
    text.replace('"', "\\\"")
}
