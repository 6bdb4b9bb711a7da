//! `quire token`: who may use the server over HTTP, and for what.

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

use super::access::Access;
use super::actor::own_actor;
use super::ask::{here, perform as ask};
use super::exit::{Code, Ended, Failure, print, print_error, print_json};
use super::place::note_if_empty;
use super::run_filter::read_time;
use crate::app::{CreateToken, CreatedToken, RevokeToken, TokenView, list_tokens};
use crate::config::DataDir;
use crate::model::{Quoted, Timestamp, parse_duration};
use crate::sys::clock;

/// The longest time until a token expires, in milliseconds: a hundred years.
const MAX_LIFE_MS: i64 = 100 * 366 * 86_400_000;

/// What `quire token` does.
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token; it is printed as the last line, and shown only now
    New(NewArgs),
    /// List tokens
    List {
        /// As a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Make a token useless
    Revoke {
        /// The name of the token
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// What it is called in lists: the program or person that has it
    name: String,
    /// What it may do: repos:read, repos:write, runs:read, runs:write, logs:read, secrets:read, sources:read,
    /// sources:write or admin; several times, or with commas
    #[arg(long = "scope", alias = "scopes", required = true, value_delimiter = ',', value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Only for this repository; several times, or with commas
    #[arg(long = "repo", alias = "repos", value_delimiter = ',', value_name = "NAME")]
    repos: Vec<String>,
    /// When it expires: 12h, 90d, 2027-01-31, a time of RFC 3339, or never
    #[arg(long, default_value = "never", value_name = "WHEN")]
    expires: String,
}

impl TokenCommand {
    /// What the command does to the data folder.
    pub(super) fn access(&self) -> Access {
        match self {
            Self::List { .. } => Access::ReadRuns,
            Self::New(_) | Self::Revoke { .. } => Access::Write,
        }
    }
}

/// `quire token`.
pub(super) fn perform(data: &DataDir, command: TokenCommand) -> Ended {
    match command {
        TokenCommand::New(args) => print_created(&ask(data, args.request()?)?),
        TokenCommand::List { json } => {
            print_tokens(&here(data, async |app| list_tokens(app).await)?, json);
        }
        TokenCommand::Revoke { name } => {
            ask(data, RevokeToken { name: name.clone(), by: own_actor() })?;
            print(&format!("the token {name} is revoked\n"));
        }
    }
    Ok(Code::Done)
}

impl NewArgs {
    /// The token that is to be made.
    pub(super) fn request(self) -> Result<CreateToken, Failure> {
        let expires_at = expiry(&self.expires, clock::now(), &TimeZone::system())?;
        let Self { name, scopes, repos, .. } = self;
        let expires_at = expires_at.map(|time| time.to_string());
        Ok(CreateToken { name, scopes, repos, expires_at, by: own_actor() })
    }
}

/// Prints a new token, as the last line.
pub(super) fn print_created(CreatedToken { token, view }: &CreatedToken) {
    print_error(&format!(
        "{} for {}, expires {}; the token is not shown again:\n",
        view.name,
        given(view),
        view.expires_at.as_deref().unwrap_or("never")
    ));
    print(&format!("{token}\n"));
}

/// When a token expires; nothing for never. Times are relative to `now`, dates begin in this time zone.
fn expiry(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Option<Timestamp>, Failure> {
    if text == "never" {
        return Ok(None);
    }
    let after = || {
        let millis = i64::try_from(parse_duration(text).ok()?.as_millis()).ok()?;
        Some(Timestamp::from_millis(now.as_millis().checked_add(millis)?))
    };
    let wrong = |problem: &str| {
        Failure::new(Code::Usage, format!("--expires {}: {problem}", Quoted::new(text)))
            .hint("write `12h`, `90d`, `2027-01-31`, `2027-01-31T12:00:00Z` or `never`")
    };
    let time = read_time(text, zone).or_else(after).ok_or_else(|| wrong("not a duration or a time"))?;
    if time <= now {
        return Err(wrong("this is not in the future"));
    }
    if time.as_millis() - now.as_millis() > MAX_LIFE_MS {
        return Err(wrong("this is more than 100 years"));
    }
    Ok(Some(time))
}

/// Prints tokens, from here or elsewhere.
pub(super) fn print_tokens(tokens: &[TokenView], as_json: bool) {
    if as_json {
        print_json(&serde_json::json!(tokens));
    } else {
        note_if_empty(tokens.is_empty(), "no tokens yet; quire token new NAME --scope SCOPE");
        print(&tokens.iter().map(lines).collect::<String>());
    }
}

/// What a token gives, in words.
fn given(token: &TokenView) -> String {
    let repos = match &token.repos {
        None => "all repositories".to_owned(),
        Some(names) => names.join(", "),
    };
    format!("{} on {repos}", token.scopes.join(", "))
}

/// Two lines of a list.
fn lines(token: &TokenView) -> String {
    let expiry = match &token.expires_at {
        Some(time) if token.expired => format!("expired {time}"),
        Some(time) => format!("expires {time}"),
        None => "expires never".to_owned(),
    };
    let used = token.last_used_at.as_deref().unwrap_or("never");
    format!(
        "{}: {}\n    created {} by {}, {expiry}, last used {used}\n",
        token.name,
        given(token),
        token.created_at,
        token.created_by
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_expires_after_a_time_on_a_day_or_never() {
        let now = Timestamp::parse("2026-11-30T12:00:00Z").unwrap();
        let at = |text: &str| expiry(text, now, &TimeZone::UTC).map(|time| time.map(|time| time.to_string()));
        assert_eq!(at("90d").unwrap().as_deref(), Some("2027-02-28T12:00:00.000Z"));
        assert_eq!(at("1h30m").unwrap().as_deref(), Some("2026-11-30T13:30:00.000Z"));
        assert_eq!(at("2027-01-31").unwrap().as_deref(), Some("2027-01-31T00:00:00.000Z"));
        assert_eq!(at("2027-01-31T01:00:00+01:00").unwrap().as_deref(), Some("2027-01-31T00:00:00.000Z"));
        assert_eq!(at("never").unwrap(), None);
        for wrong in
            ["", "0s", "-1d", "soon", "90", "2026-11-30", "2027-02-30", "99999999999999999999d", "40000d"]
        {
            assert!(at(wrong).unwrap_err().text.contains("hint: write `12h`"), "{wrong}");
        }
    }
}
