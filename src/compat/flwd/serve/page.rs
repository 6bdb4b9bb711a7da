//! Pages of lists: `page` and `per_page`.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::problem::FlwdProblem;

/// The most items of a page, and how many there are when nothing is said.
const MAX_PER_PAGE: usize = 200;
const DEFAULT_PER_PAGE: usize = 50;

/// The last page that is looked up.
const MAX_PAGE: usize = 1 << 32;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FlwdPage {
    /// How many items come before it.
    pub(super) skip: usize,
    /// How many it has at most.
    pub(super) limit: usize,
}

impl FlwdPage {
    fn of_query(query: &str) -> Result<Self, FlwdProblem> {
        let number = |name: &str, default: usize, most: usize| {
            let mut given = query.split('&').filter_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            let Some(text) = given.next() else { return Ok(default) };
            let number = text.parse().ok().filter(|number| (1..=most).contains(number));
            number.filter(|_| given.next().is_none()).ok_or_else(|| {
                FlwdProblem::invalid_pagination(format!("{name} must be a number from 1 to {most}"))
            })
        };
        let limit = number("per_page", DEFAULT_PER_PAGE, MAX_PER_PAGE)?;
        let page = number("page", 1, MAX_PAGE)?;
        Ok(Self { skip: (page - 1).saturating_mul(limit), limit })
    }

    /// The items of the page.
    pub(super) fn of<T>(self, items: Vec<T>) -> Vec<T> {
        items.into_iter().skip(self.skip).take(self.limit).collect()
    }
}

impl<S: Sync> FromRequestParts<S> for FlwdPage {
    type Rejection = FlwdProblem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, FlwdProblem> {
        Self::of_query(parts.uri.query().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_from_one_and_bounded() {
        let page = |query| FlwdPage::of_query(query).map(|page| (page.skip, page.limit)).ok();
        assert_eq!(page(""), Some((0, 50)));
        assert_eq!(page("page=3&per_page=200"), Some((400, 200)));
        assert_eq!(page("x=1&page=1"), Some((0, 50)));
        for query in [
            "page=0",
            "per_page=0",
            "per_page=201",
            "page=-1",
            "page=x",
            "page=",
            "page=1&page=2",
            "page=1.0",
            "page=99999999999999999999",
        ] {
            assert_eq!(page(query), None, "{query}");
        }
        assert_eq!(FlwdPage { skip: 1, limit: 2 }.of(vec![1, 2, 3, 4]), [2, 3]);
        assert!(FlwdPage { skip: 9, limit: 2 }.of(vec![1]).is_empty());
    }
}
