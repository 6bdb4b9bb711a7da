//! Where a repository is cloned from.

use crate::app::BrowsedRepo;
use crate::http::web::ask::Ask;
use crate::model::RepoName;

/// The addresses of a repository: over ssh when `:command` says how that is reached, over HTTP, and its folder for a command on
/// the same machine.
pub(super) fn clone_addresses(ask: &Ask, repo: &BrowsedRepo) -> Vec<String> {
    let name = &repo.row.name;
    let command = ask.app.settings.get().command.clone();
    let ssh = command.filter(|_| !repo.row.is_watched()).and_then(|command| over_ssh(&command, name));
    let http = ask.app.url.as_ref().map(|url| format!("{}/{name}.git", url.trim_end_matches('/')));
    let path = ask.caller.is_local().then(|| repo.git_dir.display().to_string());
    ssh.into_iter().chain(http).chain(path).collect()
}

/// The address that belongs to a command such as `ssh -p 2222 git@git.example.org quire`; nothing for any other.
fn over_ssh(command: &str, repo: &RepoName) -> Option<String> {
    let mut words = command.split_ascii_whitespace().filter(|word| *word != "-T");
    if words.next() != Some("ssh") {
        return None;
    }
    let mut port = None;
    let mut host = words.next()?;
    if let Some(rest) = host.strip_prefix("-p") {
        let number = if rest.is_empty() { words.next()? } else { rest };
        port = Some(number.parse::<u16>().ok()?);
        host = words.next()?;
    }
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    if host.starts_with('-') || !host.chars().all(is_host) {
        return None;
    }
    Some(match port {
        None => format!("{host}:{repo}.git"),
        Some(port) => format!("ssh://{host}:{port}/{repo}.git"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_over_ssh_is_that_of_the_command() {
        let repo = RepoName::parse("group/site").unwrap();
        let of = |command: &str| over_ssh(command, &repo).unwrap_or_default();
        assert_eq!(of("ssh git@git.example.org quire"), "git@git.example.org:group/site.git");
        assert_eq!(of("ssh -T git.example.org quire"), "git.example.org:group/site.git");
        for command in ["ssh -p 2222 git@h quire", "ssh -p2222 git@h quire"] {
            assert_eq!(of(command), "ssh://git@h:2222/group/site.git");
        }
        for command in [
            "quire",
            "ssh",
            "ssh -p x git@h quire",
            "ssh -i key git@h quire",
            "ssh 'a b' quire",
            "sudo quire",
        ] {
            assert_eq!(of(command), "", "{command}");
        }
    }
}
