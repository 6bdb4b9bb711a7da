//! The user that this process runs as.

use std::fs;

/// The login name of the user with this process's real user id, from `/etc/passwd` (passwd(5)).
pub fn login_name() -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    name_in(&passwd, rustix::process::getuid().as_raw())
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

    #[test]
    fn names_are_found_by_id() {
        let passwd = "root:x:0:0::/root:/bin/sh\nbroken\ngit:x:998:998::/srv:/bin/sh\n";
        assert_eq!(name_in(passwd, 998).as_deref(), Some("git"));
        assert_eq!(name_in(passwd, 7), None);
    }
}
