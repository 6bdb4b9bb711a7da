//! What a settings file that cannot be used says about protected refs: only whether that differs from what it said before.

/// The key of the rules.
const KEY: &[u8] = b":protected";

/// The rules of a file as they are written, from their key to the bracket that ends them; nothing when it has none. A file that
/// cannot be parsed has them, too.
pub(super) fn protected_text(file: &[u8]) -> Option<&[u8]> {
    let start = file.windows(KEY.len()).position(|window| window == KEY)?;
    let rest = file.get(start..)?;
    let (mut depth, mut is_text, mut is_escaped, mut is_comment) = (0_u32, false, false, false);
    for (place, byte) in rest.iter().enumerate() {
        match byte {
            b'\n' if is_comment => is_comment = false,
            _ if is_comment => {}
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b';' => is_comment = true,
            b'[' | b'{' | b'(' => depth += 1,
            b']' | b'}' | b')' if depth <= 1 => return rest.get(..=place),
            b']' | b'}' | b')' => depth -= 1,
            _ => {}
        }
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_found_in_any_file_and_end_where_they_end() {
        let found = |file: &str| {
            protected_text(file.as_bytes()).map(|text| String::from_utf8_lossy(text).into_owned())
        };
        assert_eq!(found("{:limits {:runs 2}}"), None);
        let rules = ":protected [{:repos [\"a]\\\"\"] ; ]\n :refs [\"refs/heads/main\"]}]";
        assert_eq!(found(&format!("{{{rules} :limits {{:runs}}")), Some(rules.to_owned()));
        assert_eq!(found(rules), Some(rules.to_owned()));
        for cut in ["{:protected", "{:protected [{:repos [\"app\"]}", "{:protected \"]"] {
            assert_eq!(found(cut), Some(cut[1..].to_owned()));
        }
    }
}
