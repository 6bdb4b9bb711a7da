//! Which runs `quire runs` lists.

use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::exit::{Code, Failure};
use crate::app::RunFilter;
use crate::model::{
    Outcome, Progress, Quoted, RefName, RepoName, Timestamp, parse_duration, percent_encoded, suggest,
};

/// The filters of `quire runs`.
#[derive(Debug, Args)]
pub(super) struct RunFilterArgs {
    /// Only those of this repository
    #[arg(value_name = "REPO", conflicts_with = "named")]
    repo: Option<String>,
    /// The same
    #[arg(long = "repo", id = "named", value_name = "NAME", hide = true)]
    named: Option<String>,
    /// Only those of this branch or tag
    #[arg(long = "ref", value_name = "REF")]
    ref_name: Option<String>,
    /// Only those that ended so, or are queued or running
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
    /// Only those since then: 2h, 7d, 2026-11-30, or a time of RFC 3339
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
}

impl RunFilterArgs {
    /// The name of the repository, as it was given.
    pub(super) fn repo(&self) -> Option<&str> {
        self.repo.as_deref().or(self.named.as_deref())
    }

    /// The name of the ref, as it was given.
    pub(super) fn ref_name(&self) -> Option<&str> {
        self.ref_name.as_deref()
    }

    /// The query of what is followed: a repository, or everything.
    pub(super) fn to_follow(&self) -> Result<String, Failure> {
        if self.is_narrow() {
            return Err(Failure::new(Code::Usage, "--follow takes a repository, and no other filter"));
        }
        let repo = self.repo().map(RepoName::parse).transpose();
        let repo = repo.map_err(|error| Failure::new(Code::Usage, error))?;
        Ok(repo.map(|repo| format!("?repo={}", percent_encoded(repo.as_str()))).unwrap_or_default())
    }

    /// Whether other runs than those of the repository are left out.
    pub(super) fn is_narrow(&self) -> bool {
        self.ref_name.is_some() || self.outcome.is_some() || self.since.is_some()
    }

    /// The request; times are relative to `now`, dates are of this time zone.
    pub(super) fn request(&self, now: Timestamp, zone: &TimeZone) -> Result<RunFilter, Failure> {
        let repo = self.repo().map(RepoName::parse).transpose();
        let outcome = self.outcome.as_deref().map(outcome).transpose()?;
        let (outcome, state) = outcome.unwrap_or((None, None));
        Ok(RunFilter {
            repo: repo.map_err(|error| Failure::new(Code::Usage, error))?,
            ref_names: self.ref_name.as_deref().map(ref_names).transpose()?.unwrap_or_default(),
            outcome,
            state,
            since: self.since.as_deref().map(|text| since(text, now, zone)).transpose()?,
            limit: self.limit,
            ..RunFilter::default()
        })
    }
}

/// The refs that a name can mean.
fn ref_names(text: &str) -> Result<Vec<RefName>, Failure> {
    let full = match text.strip_prefix("refs/") {
        Some(_) => vec![text.to_owned()],
        None => vec![format!("refs/heads/{text}"), format!("refs/tags/{text}")],
    };
    let names = full.iter().map(|name| RefName::parse(name.as_bytes())).collect::<Result<_, _>>();
    names.map_err(|_| {
        Failure::new(Code::Usage, format!("{} is not the name of a branch or tag", Quoted::new(text)))
            .hint("write `main`, `v1.0` or `refs/heads/main`")
    })
}

/// An outcome, or the state of a run that has none.
fn outcome(word: &str) -> Result<(Option<Outcome>, Option<Progress>), Failure> {
    let states = [Progress::Queued, Progress::Running];
    let state = states.into_iter().find(|state| state.as_str() == word);
    let outcome = Outcome::parse(word);
    if outcome.is_some() || state.is_some() {
        return Ok((outcome, state));
    }
    let words: Vec<&str> =
        Outcome::ALL.iter().map(|outcome| outcome.as_str()).chain(states.map(Progress::as_str)).collect();
    let hint = match suggest(word, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it is one of {}", words.join(", ")),
    };
    Err(Failure::new(Code::Usage, format!("{} is not an outcome", Quoted::new(word))).hint(hint))
}

/// A time of RFC 3339, or the beginning of a day in this time zone.
pub(super) fn read_time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let day = || {
        let midnight = text.parse::<Date>().ok()?.to_zoned(zone.clone()).ok()?;
        Some(Timestamp::from_millis(midnight.timestamp().as_millisecond()))
    };
    Timestamp::parse(text).or_else(day)
}

/// A time that is given as such, as a date, or as how long ago it was.
pub(super) fn since(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, Failure> {
    let ago = || {
        let millis = i64::try_from(parse_duration(text).ok()?.as_millis()).ok()?;
        Some(Timestamp::from_millis(now.as_millis().saturating_sub(millis)))
    };
    read_time(text, zone).or_else(ago).ok_or_else(|| {
        Failure::new(Code::Usage, format!("{} is not a time", Quoted::new(text)))
            .hint("write `2h`, `7d`, `2026-11-30` or `2026-11-30T12:00:00Z`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_and_mistakes_have_hints() {
        let now = Timestamp::parse("2026-11-30T12:00:00Z").unwrap();
        let at = |text: &str| since(text, now, &TimeZone::UTC).map(|time| time.to_string());
        assert_eq!(at("2h").unwrap(), "2026-11-30T10:00:00.000Z");
        assert_eq!(at("7d").unwrap(), "2026-11-23T12:00:00.000Z");
        assert_eq!(at("2026-11-01").unwrap(), "2026-11-01T00:00:00.000Z");
        assert_eq!(at("2026-11-01T01:00:00+01:00").unwrap(), "2026-11-01T00:00:00.000Z");
        for wrong in ["yesterday", "", "-2h", "2026-13-01", "99999999999999999999d"] {
            assert!(at(wrong).unwrap_err().text.contains("hint: write `2h`"), "{wrong}");
        }
        assert_eq!(outcome("timed-out").unwrap(), (Some(Outcome::TimedOut), None));
        assert_eq!(outcome("running").unwrap(), (None, Some(Progress::Running)));
        assert!(outcome("faild").unwrap_err().text.contains("did you mean `failed`?"));
        assert!(outcome("green").unwrap_err().text.contains("it is one of passed, "));
        let shown = |text| ref_names(text).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(shown("main"), ["refs/heads/main", "refs/tags/main"]);
        assert_eq!(shown("refs/pull/1"), ["refs/pull/1"]);
    }
}
