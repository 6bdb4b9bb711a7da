//! "Did you mean …?"

/// The candidate that is most similar to a mistyped word, if one is similar enough.
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match word.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        assert_eq!(suggest("tset", ["build", "test", "lint"]), Some("test"));
        assert_eq!(suggest("github_tokne", ["github_token", "slack"]), Some("github_token"));
        assert_eq!(suggest("deploy", ["build", "test"]), None);
        assert_eq!(suggest("x", ["y"]), None);
        assert_eq!(suggest("", ["y"]), None);
    }
}
