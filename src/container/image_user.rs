//! The numbers of a container's user whose name only its image knows.

use std::str::FromStr as _;

use super::engine::{Engine, EngineError};

/// The size of a tar header and of the blocks that follow it, in bytes.
const BLOCK: usize = 512;

/// User and group.
pub(super) type Ids = (u32, u32);

/// User and group as numbers: `1000`, `1000:100`; nothing for names.
pub(super) fn numbers(user: &str) -> Option<Ids> {
    let (user, group) = user.split_once(':').unwrap_or((user, "0"));
    let id = |name: &str| if matches!(name, "" | "root") { Some(0) } else { name.parse().ok() };
    Some((id(user)?, id(group)?))
}

impl Engine {
    /// The numbers of a user, whose names are looked up in an image; nothing when it does not know them. `container` is
    /// the name for a container, with options, that is made of the image and never started. Blocking.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub(super) fn user_of(
        &self,
        image: &str,
        user: &str,
        (container, options): (&str, &[String]),
    ) -> Result<Option<Ids>, EngineError> {
        let mut args = vec!["create", "--pull=never", "--network=none", "--name", container];
        args.extend(options.iter().map(String::as_str));
        args.extend(["--", image, "true"]);
        self.call(&args, "could not look into an image")?;
        let file = |path: &str| {
            let copied = self.try_call(&["cp", &format!("{container}:{path}"), "-"]);
            copied.map(|copied| only_file(&copied.stdout).unwrap_or_default())
        };
        let read = file("/etc/passwd").and_then(|users| Ok((users, file("/etc/group")?)));
        self.remove(&[container.to_owned()])?;
        let (users, groups) = read?;
        Ok(look_up(user, &users, &groups))
    }
}

/// Finds `user` or `user:group` in the files `/etc/passwd` and `/etc/group`, as engines do.
fn look_up(user: &str, users: &str, groups: &str) -> Option<Ids> {
    let (user, group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    let field = |line: &str, place: usize| line.split(':').nth(place).and_then(|id| u32::from_str(id).ok());
    let named = |file: &str, name: &str| {
        file.lines().find(|line| line.split(':').next() == Some(name)).map(str::to_owned)
    };
    let line = named(users, user);
    let id = line.as_deref().and_then(|line| field(line, 2)).or_else(|| user.parse().ok())?;
    let own = || users.lines().find(|line| field(line, 2) == Some(id)).and_then(|line| field(line, 3));
    let group = match group {
        Some(group) => {
            named(groups, group).and_then(|line| field(&line, 2)).or_else(|| group.parse().ok())?
        }
        None => line.as_deref().and_then(|line| field(line, 3)).or_else(own).unwrap_or_default(),
    };
    Some((id, group))
}

/// The content of the first regular file in a tar archive, as text.
fn only_file(tar: &[u8]) -> Option<String> {
    let (header, rest) = tar.split_at_checked(BLOCK)?;
    let digits = std::str::from_utf8(header.get(124..135)?).ok()?;
    let size = usize::from_str_radix(digits.trim_matches(['\0', ' ']), 8).ok()?;
    let is_regular = matches!(header.get(156), Some(b'0' | 0));
    let content = rest.get(..size).filter(|_| is_regular)?;
    Some(String::from_utf8_lossy(content).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0::/root:/bin/sh\napp:x:1000:50::/app:/bin/sh\n70:x:7:7::/:/bin/sh\n";

    #[test]
    fn users_are_numbers_or_not_known() {
        assert_eq!(numbers("1000"), Some((1000, 0)));
        assert_eq!(numbers("1000:100"), Some((1000, 100)));
        assert_eq!((numbers("root"), numbers("root:root")), (Some((0, 0)), Some((0, 0))));
        assert_eq!(numbers(""), Some((0, 0)), "an image that says nothing runs as root");
        assert_eq!(numbers("postgres"), None);
        assert_eq!(numbers("1000:staff"), None);
    }

    #[test]
    fn a_name_is_what_the_files_of_the_image_say() {
        let ids = |user: &str| look_up(user, USERS, "staff:x:20:app\n");
        assert_eq!(ids("app"), Some((1000, 50)));
        assert_eq!(ids("app:staff"), Some((1000, 20)));
        assert_eq!(ids("app:7"), Some((1000, 7)));
        assert_eq!(ids("1000:staff"), Some((1000, 20)));
        assert_eq!(ids("1000"), Some((1000, 50)));
        assert_eq!(ids("70"), Some((7, 7)), "a name that is a number is a name, as engines take it");
        assert_eq!(ids("9"), Some((9, 0)));
        for unknown in ["nobody", "app:nobody", "app:"] {
            assert_eq!(ids(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn the_file_in_an_archive_is_read_whole_and_nothing_else_is_one() {
        let mut tar = vec![0; BLOCK];
        tar[124..135].copy_from_slice(b"00000000006");
        tar[156] = b'0';
        tar.extend_from_slice(b"a:x:1\n");
        assert_eq!(only_file(&tar).as_deref(), Some("a:x:1\n"));
        assert_eq!(only_file(&tar[..BLOCK + 3]), None);
        tar[156] = b'2';
        assert_eq!(only_file(&tar), None, "a link");
        assert_eq!(only_file(b""), None);
    }
}
