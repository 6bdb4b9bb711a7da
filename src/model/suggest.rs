//! "Did you mean …?" A hint that misleads is worse than none, so a candidate must be close, and begin as the word does.

/// The candidate that is most similar to a mistyped word, if one is similar enough.
pub(crate) fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = kebab(word);
    candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(&plain, &kebab(candidate))?, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The same, with a table of other words that people have for a candidate.
pub(crate) fn suggest_among<'a>(
    word: &str,
    known_as: &[(&str, &'a str)],
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = kebab(word);
    let known = known_as.iter().find(|(other, _)| *other == plain).map(|(_, meant)| *meant);
    known.or_else(|| suggest(word, candidates))
}

/// How far a word is from a candidate; nothing when it is too far to be a slip of the hand.
fn distance(word: &str, candidate: &str) -> Option<usize> {
    if word == candidate {
        return Some(0);
    }
    let shorter = word.chars().count().min(candidate.chars().count());
    let limit = match shorter {
        0..=1 => 0,
        2 => usize::from(candidate.starts_with(word)),
        3..=4 => 1,
        5..=9 => 2,
        _ => 3,
    };
    // An operator is no slip of a word.
    let is_word = |text: &str| text.contains(|c: char| c.is_alphabetic());
    let distance = strsim::damerau_levenshtein(word, candidate);
    (distance <= limit && is_word(word) && is_word(candidate) && begin_alike(word, candidate))
        .then_some(distance)
}

/// Whether two words begin with the same letter, or one of them lacks only its first, or the first two are swapped.
fn begin_alike(word: &str, candidate: &str) -> bool {
    let (mut left, mut right) = (word.chars(), candidate.chars());
    let (first, other) = (left.next(), right.next());
    first == other
        || left.as_str() == candidate
        || right.as_str() == word
        || (first == right.next() && other == left.next())
}

/// A word as Fennel writes it: `exit_code` and `exitCode` are `exit-code`.
pub(crate) fn kebab(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    let mut after_small = false;
    for c in word.chars() {
        if c.is_uppercase() && after_small {
            plain.push('-');
        }
        after_small = c.is_lowercase() || c.is_numeric();
        plain.extend(if c == '_' { '-' } else { c }.to_lowercase());
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        for (word, candidates, expected) in [
            ("tset", &["build", "test", "lint"][..], Some("test")),
            ("github_tokne", &["github_token", "slack"], Some("github_token")),
            ("tiemout", &["timeout"], Some("timeout")),
            ("imeout", &["timeout"], Some("timeout")),
            ("estt", &["test"], None),
            ("ets", &["set"], None),
            ("ad", &["add"], Some("add")),
            ("esting", &["testing"], Some("testing")),
            ("readFile", &["read-file"], Some("read-file")),
            ("allow_failure", &["allow-failure"], Some("allow-failure")),
            ("Test", &["test"], Some("test")),
            ("deploy", &["build", "test"], None),
            ("x", &["y"], None),
            ("", &["y"], None),
            ("push", &["hash"], None),
            ("==", &["<="], None),
            ("cond", &["and"], None),
            ("mirror", &["error"], None),
            ("get", &["let"], None),
            ("in", &["fn", "if"], None),
        ] {
            assert_eq!(suggest(word, candidates.iter().copied()), expected, "{word}");
        }
    }

    #[test]
    fn other_words_for_a_candidate_come_first() {
        let known = [("exit-code", "exit")];
        assert_eq!(suggest_among("exitCode", &known, ["exit", "exit-mode"]), Some("exit"));
        assert_eq!(suggest_among("exot", &known, ["exit"]), Some("exit"));
        assert_eq!(suggest_among("weather", &known, ["exit"]), None);
    }
}
