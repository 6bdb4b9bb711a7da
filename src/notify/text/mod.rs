//! A message in the format of each kind of target. Text of repositories is escaped for it, and mentions nobody.

mod discord;
mod mail;
mod plain;
mod slack;
mod teams;
mod webhook;

pub(super) use discord::discord;
pub(super) use mail::{mail_body, mail_subject};
pub(super) use plain::plain;
pub(super) use slack::slack;
pub(super) use teams::teams;
pub(super) use webhook::{sign, webhook};

/// An invisible character that breaks a mention or a fence.
const ZERO_WIDTH: char = '\u{200b}';

/// Lines in a fence, with everything that would close it broken up.
fn fenced(lines: &[String]) -> String {
    let text = lines.join("\n").replace("```", &format!("`{ZERO_WIDTH}`{ZERO_WIDTH}`"));
    format!("```\n{text}\n```")
}

/// As many of the last lines as fit by `measure`; the earlier lines are left out first.
fn last_that_fit(lines: &[String], limit: usize, measure: impl Fn(&[String]) -> usize) -> &[String] {
    let starts = 0..=lines.len();
    starts.filter_map(|from| lines.get(from..)).find(|rest| measure(rest) <= limit).unwrap_or_default()
}

/// A text of at most `limit` characters.
fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        text.to_owned()
    } else {
        text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
    }
}

#[cfg(test)]
pub(super) use tests::hostile;

#[cfg(test)]
mod tests {
    use crate::notify::message::Message;

    /// A message with everything in it that an attacker might put there.
    pub(in crate::notify) fn hostile() -> Message {
        Message {
            v: 1,
            event: "failed".to_owned(),
            subject: "site#3".to_owned(),
            repo: "site".to_owned(),
            verdict: "failed".to_owned(),
            context: Some("<!channel>@everyone*x* at 9f31c2a by [a](https://evil.example)".to_owned()),
            reason: Some("`</at> & <@U123> @here _x_ ~y~ ||z||".to_owned()),
            lines: vec!["test │ ```".to_owned(), "test │ <b>&amp;</b> @everyone".to_owned()],
            url: Some("https://git.example.org/site/run/3".to_owned()),
            at: "2026-11-21T03:00:00.000Z".to_owned(),
            run: None,
        }
    }

    /// The same message with more lines than any service accepts.
    pub(in crate::notify) fn large() -> Message {
        Message {
            context: Some("é".repeat(5000)),
            reason: Some("&".repeat(5000)),
            lines: (0..20).map(|line| format!("{line} {}", "<\"".repeat(2000))).collect(),
            ..hostile()
        }
    }
}
