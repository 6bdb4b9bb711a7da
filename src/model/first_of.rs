//! The beginning of a list, in a sentence.

/// `a, b and 3 more`: the first texts of a list, at most so many.
pub(crate) fn first_of<T: AsRef<str>>(texts: impl ExactSizeIterator<Item = T>, most: usize) -> String {
    let more = texts.len().saturating_sub(most);
    let shown: Vec<T> = texts.take(most).collect();
    let shown = shown.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_ends_with_the_number_of_the_others() {
        assert_eq!(first_of(["a", "b"].iter(), 2), "a, b");
        assert_eq!(first_of(["a", "b", "c", "d"].iter(), 2), "a, b and 2 more");
        assert_eq!(first_of([""; 0].iter(), 2), "");
    }
}
