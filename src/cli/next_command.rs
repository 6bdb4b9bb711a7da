//! How the pusher calls quire after a push: over the same ssh connection's machine and account, on the same data folder.

use std::net::IpAddr;
use std::path::Path;

use crate::config::DataDir;
use crate::model::shell_word;

/// What the hook's environment says. Under sshd it is what the next command over ssh gets, too.
#[derive(Debug, Default)]
pub(super) struct Caller<'a> {
    /// `SSH_CONNECTION`: the address and port of the client, then those of the server (ssh(1)).
    pub(super) ssh_connection: Option<&'a str>,
    pub(super) account: Option<&'a str>,
    /// The data folder that quire would choose there.
    pub(super) default: Option<&'a DataDir>,
    /// The absolute path of the program, unless it is found by its name.
    pub(super) program: Option<&'a Path>,
}

/// The words before a subcommand: `quire`, or `ssh git@192.0.2.1 quire --data /srv/quire`.
pub(super) fn next_command(caller: &Caller<'_>, data: &DataDir) -> String {
    let program = caller.program.map_or_else(|| "quire".to_owned(), word);
    let folder = match caller.default {
        Some(default) if default == data => String::new(),
        _ => format!(" --data {}", word(data.path())),
    };
    let command = program + &folder;
    match caller.ssh_connection.and_then(server) {
        Some((address, port)) => {
            let port = if port == 22 { String::new() } else { format!("-p {port} ") };
            let account = caller.account.map(|account| format!("{}@", shell_word(account)));
            // The shell at the other end reads it once more.
            let command = if command.contains('\'') { shell_word(&command) } else { command };
            format!("ssh {port}{}{address} {command}", account.unwrap_or_default())
        }
        None => command,
    }
}

fn word(path: &Path) -> String {
    shell_word(&path.to_string_lossy())
}

/// The server's address and port of a connection.
fn server(connection: &str) -> Option<(IpAddr, u16)> {
    let parts: Vec<&str> = connection.split(' ').collect();
    let [_, _, address, port] = parts.as_slice() else { return None };
    Some((address.parse().ok()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_command_reaches_the_same_data_folder() {
        let (data, other) = (DataDir::new("/srv/my quire"), DataDir::new("/srv/quire"));
        let connection = "192.0.2.7 51000 192.0.2.1 22";
        let caller = |ssh: &'static str| Caller {
            ssh_connection: Some(ssh).filter(|ssh| !ssh.is_empty()),
            account: Some("git"),
            default: Some(&other),
            program: None,
        };
        assert_eq!(next_command(&caller(""), &other), "quire");
        assert_eq!(next_command(&caller(""), &data), "quire --data '/srv/my quire'");
        assert_eq!(next_command(&caller(connection), &other), "ssh git@192.0.2.1 quire");
        assert_eq!(
            next_command(&caller(connection), &data),
            r"ssh git@192.0.2.1 'quire --data '\''/srv/my quire'\'''"
        );
        assert_eq!(
            next_command(&caller("::1 5 2001:db8::1 2222"), &other),
            "ssh -p 2222 git@2001:db8::1 quire"
        );
        for wrong in ["x", "a b c d", "1.2.3.4 1 5.6.7.8 port", "1 2 $(x) 22"] {
            assert_eq!(next_command(&caller(wrong), &other), "quire", "{wrong}");
        }
        let lost = Caller { program: Some(Path::new("/opt/quire")), ..Caller::default() };
        assert_eq!(next_command(&lost, &other), "/opt/quire --data /srv/quire");
    }
}
