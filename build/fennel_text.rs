//! Which text is an acceptable Fennel compiler. Used by `build.rs`; its tests run with the crate's.

/// The sha256 of the `fennel.lua` of release 1.6.1, compared with one built from the tagged source.
pub(crate) const PINNED_SHA256: &str = "c3d45602041e7d8ef8a212563573df040c48a85c648a29fb4597ebed4bc38ec2";

/// The oldest release whose compiler interface quire knows.
pub(crate) const OLDEST: (u32, u32, u32) = (1, 5, 0);

/// Refuses a text that is not the pinned release.
pub(crate) fn check_pinned(sha256: &str) -> Result<(), String> {
    if sha256 == PINNED_SHA256 {
        return Ok(());
    }
    Err(format!(
        "the fennel.lua in the crate iocaine-label has the sha256 {sha256}, but {PINNED_SHA256} (Fennel 1.6.1) \
         is expected; keep the crate at =3.5.1, or set QUIRE_FENNEL_LUA to a fennel.lua of your own"
    ))
}

/// The version that a `fennel.lua` says it is, from its line `local version = "X.Y.Z"`.
pub(crate) fn version_of(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let rest = line.trim_start().strip_prefix("local version = \"")?;
        rest.split_once('"').map(|(version, _)| version)
    })
}

/// The version of a `fennel.lua` given by path, when it is new enough.
pub(crate) fn check_override(path: &str, text: &str) -> Result<String, String> {
    let version = version_of(text).ok_or_else(|| {
        format!(
            "QUIRE_FENNEL_LUA={path}: it has no line `local version = \"X.Y.Z\"`, so it is not fennel.lua"
        )
    })?;
    let mut numbers = version.split(['.', '-']).map(|part| part.parse::<u32>().ok());
    let mut next = || numbers.next().flatten();
    let parsed = match (next(), next(), next()) {
        (Some(major), Some(minor), Some(patch)) => (major, minor, patch),
        _ => return Err(format!("QUIRE_FENNEL_LUA={path}: its version `{version}` is not X.Y.Z")),
    };
    if parsed < OLDEST {
        let (major, minor, patch) = OLDEST;
        return Err(format!(
            "QUIRE_FENNEL_LUA={path}: it is Fennel {version}, and {major}.{minor}.{patch} or newer is needed"
        ));
    }
    Ok(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "local x = 1\n  local version = \"1.6.1\"\n";

    #[test]
    fn the_version_is_read_from_the_text() {
        assert_eq!(version_of(TEXT), Some("1.6.1"));
        assert_eq!(version_of("version = 1"), None);
        assert_eq!(check_override("f", TEXT).as_deref(), Ok("1.6.1"));
        assert_eq!(check_override("f", "local version = \"1.7.0-dev\"").as_deref(), Ok("1.7.0-dev"));
    }

    #[test]
    fn a_text_that_is_not_the_compiler_or_too_old_is_refused_by_path() {
        for (text, expected) in [
            ("print(1)", "not fennel.lua"),
            ("local version = \"1.4.2\"", "1.5.0 or newer"),
            ("local version = \"new\"", "not X.Y.Z"),
            ("local version = \"1.6\"", "not X.Y.Z"),
            ("", "not fennel.lua"),
        ] {
            let problem = check_override("/p/fennel.lua", text).unwrap_err();
            assert!(problem.contains("/p/fennel.lua") && problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn another_file_in_the_crate_is_refused_with_both_sums() {
        assert!(check_pinned(PINNED_SHA256).is_ok());
        let problem = check_pinned("00").unwrap_err();
        assert!(problem.contains("00,") && problem.contains("QUIRE_FENNEL_LUA"), "{problem}");
    }
}
