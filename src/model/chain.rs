//! Errors for one line, as people read them.

/// An error with its causes on one line, as `what: why: why`.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    without_codes(causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")))
}

/// The text without the numbers of the system's errors, whose words it has: ` (os error 2)`.
pub(crate) fn without_codes(text: String) -> String {
    let mut parts = text.split(OS_ERROR);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let after = part.trim_start_matches(|c: char| c.is_ascii_digit());
        match after.strip_prefix(')').filter(|_| after.len() < part.len()) {
            Some(rest) => plain.push_str(rest),
            None => plain.extend([OS_ERROR, part]),
        }
    }
    plain
}

/// How the standard library begins the number of an error.
const OS_ERROR: &str = " (os error ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_system_errors_are_left_out() {
        let missing = std::io::Error::from_raw_os_error(2);
        assert_eq!(chain(&missing), "No such file or directory");
        for (text, plain) in [
            ("a: No (os error 2): b (os error 13)", "a: No: b"),
            ("a (os error x) b", "a (os error x) b"),
            ("a (os error ) b", "a (os error ) b"),
            ("a (os error 2", "a (os error 2"),
        ] {
            assert_eq!(without_codes(text.to_owned()), plain);
        }
    }
}
