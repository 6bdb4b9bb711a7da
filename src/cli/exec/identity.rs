//! Who has come over ssh: by what stands in sshd's settings, or by what sshd says of the key.

use std::path::Path;

use crate::app::{IdentifiedVisitor, IdentifyVisitor, Visitor, has_keys, offered_key};
use crate::cli::ask::{here, perform as ask};
use crate::cli::exit::{Code, Failure};
use crate::cli::place::variable;
use crate::config::DataDir;
use crate::model::{PublicKey, UserName};

/// The variable with the file in which sshd says how somebody has logged in (sshd_config(5), `ExposeAuthInfo`).
const AUTH_INFO: &str = "SSH_USER_AUTH";

/// Who has come over ssh.
#[derive(Debug, Clone)]
pub(in crate::cli) enum Who {
    /// Whoever may log in to the account, which has everything: there are no keys.
    Account,
    /// A user.
    User(Visitor, IdentifiedVisitor),
}

impl Who {
    /// The name of who has come, if it is somebody in particular.
    pub(in crate::cli) fn name(&self) -> Option<&str> {
        match self {
            Self::Account => None,
            Self::User(_, user) => Some(&user.name),
        }
    }

    /// How the server knows who has come.
    pub(super) fn visitor(&self) -> Option<Visitor> {
        match self {
            Self::Account => None,
            Self::User(visitor, _) => Some(visitor.clone()),
        }
    }
}

/// Finds who has come. The number of a key and a name are those of `authorized_keys`, which whoever connects cannot choose.
pub(super) fn find(data: &DataDir, key: Option<i64>, user: Option<&str>) -> Result<Who, Failure> {
    let visitor = match (key, user) {
        (Some(id), _) => Some(Visitor::Key(id)),
        (None, Some(name)) => {
            let name = UserName::parse(name).map_err(|error| Failure::new(Code::Usage, error))?;
            Some(Visitor::User(name.to_string()))
        }
        (None, None) => key_of_sshd(data)?,
    };
    let Some(visitor) = visitor else { return Ok(Who::Account) };
    let user = ask(data, IdentifyVisitor { visitor: visitor.clone() })?;
    Ok(Who::User(visitor, user))
}

/// The key that sshd has accepted, when it says which. Without keys there is the account and nobody else.
fn key_of_sshd(data: &DataDir) -> Result<Option<Visitor>, Failure> {
    if !here(data, async |app| has_keys(app).await)? {
        return Ok(None);
    }
    let info = variable(AUTH_INFO).and_then(|file| std::fs::read_to_string(Path::new(&file)).ok());
    for key in info.iter().flat_map(|info| info.lines()).filter_map(key_in) {
        if let Some((id, _)) = here(data, async |app| offered_key(app, &key).await)? {
            return Ok(Some(Visitor::Key(id)));
        }
    }
    Err(Failure::new(Code::Usage, "which key was used is not known, or it is not one of `quire key list`").hint(
        "in sshd_config, use AuthorizedKeysCommand without ForceCommand, or set ExposeAuthInfo yes beside it",
    ))
}

/// The key in a line of sshd's file: `publickey ssh-ed25519 AAAA…`.
fn key_in(line: &str) -> Option<PublicKey> {
    let mut words = line.split(' ');
    (words.next()? == "publickey").then_some(())?;
    PublicKey::of_parts(words.next()?, words.next()?, "").ok()
}
