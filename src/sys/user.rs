//! The users of this machine, as `/etc/passwd` and `/etc/group` list them (passwd(5), group(5)).
//!
//! The files are parsed here: what the C library adds, such as LDAP, is not available in a static binary.

use std::fs;
use std::io;
use std::path::PathBuf;

/// The account of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// The login name.
    pub(crate) name: String,
    /// The user id.
    pub(crate) uid: u32,
    /// The id of the group in `/etc/passwd`.
    pub(crate) gid: u32,
    /// The ids of the groups that list the user, and `gid`.
    pub(crate) groups: Vec<u32>,
    /// The home folder; it may not exist.
    pub(crate) home: PathBuf,
}

/// The login name of the user with this process's real user id.
pub fn login_name() -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    name_in(&passwd, rustix::process::getuid().as_raw())
}

/// An account for messages: its login name in backquotes, or its uid when it has none.
pub(crate) fn shown(uid: u32) -> String {
    name_of(uid).map_or_else(|| format!("the uid {uid}"), |name| format!("`{name}`"))
}

/// The login name of an account; `None` when it has none.
pub(crate) fn name_of(uid: u32) -> Option<String> {
    name_in(&fs::read_to_string("/etc/passwd").ok()?, uid)
}

/// The home folder of the user that this process acts as; `None` when it has none.
pub(crate) fn home() -> Option<PathBuf> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let name = name_in(&passwd, own_uid())?;
    account_in(&passwd, "", &name).map(|account| account.home).filter(|home| home.is_absolute())
}

/// The user that this process acts as.
pub(crate) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Finds a user by the login name; `None` when no user has it.
///
/// # Errors
/// The lists could not be read.
pub(crate) fn find(name: &str) -> io::Result<Option<Account>> {
    let read = |path: &str| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(account_in(&read("/etc/passwd")?, &read("/etc/group")?, name))
}

fn account_in(passwd: &str, group: &str, name: &str) -> Option<Account> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, ..] = fields.as_slice() else { return None };
    let gid: u32 = gid.parse().ok()?;
    let lists =
        |line: &&str| line.split(':').nth(3).is_some_and(|users| users.split(',').any(|user| user == *name));
    let listed = group.lines().filter(lists).filter_map(|line| line.split(':').nth(2)?.parse().ok());
    let mut groups: Vec<u32> = [gid].into_iter().chain(listed).collect();
    groups.sort_unstable();
    groups.dedup();
    Some(Account { name: (*name).to_owned(), uid: uid.parse().ok()?, gid, groups, home: PathBuf::from(home) })
}

fn name_in(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nbroken\ngit:x:998:997::/srv:/bin/sh\nx:x:a:1::/:\n";

    #[test]
    fn names_are_found_by_id() {
        assert_eq!(name_in(PASSWD, 998).as_deref(), Some("git"));
        assert_eq!(name_in(PASSWD, 7), None);
    }

    #[test]
    fn an_account_has_all_groups_that_list_it() {
        let group = "git:x:997:\nkvm:x:5:ada,git\ngitlab:x:6:gitlab\nbroken\n";
        let account = account_in(PASSWD, group, "git").unwrap();
        assert_eq!((account.uid, account.gid, account.groups), (998, 997, vec![5, 997]));
        for name in ["nobody", "", "x", "broken", "gi"] {
            assert_eq!(account_in(PASSWD, group, name), None, "{name}");
        }
    }
}
