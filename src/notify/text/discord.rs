//! Discord: one text of at most 2000 characters, in which nobody is mentioned.

use serde_json::{Value, json};

use super::{ZERO_WIDTH, cut, fenced, last_that_fit};
use crate::notify::message::Message;

/// The longest text, in UTF-16 units, so that no way of counting finds it too long.
const MAX_CONTENT: usize = 2000;

/// The longest of the short texts, before they are escaped.
const MAX_TEXT: usize = 200;

/// A message whose links get no preview.
const SUPPRESS_EMBEDS: u32 = 1 << 2;

/// The body of the request.
pub(in crate::notify) fn discord(message: &Message) -> Value {
    let mut head = format!("**{}**", escape(&cut(&message.title(), MAX_TEXT)));
    for text in [&message.context, &message.reason].into_iter().flatten() {
        head.push('\n');
        head.push_str(&escape(&cut(text, MAX_TEXT)));
    }
    if let Some(url) = &message.url {
        head.push_str(&format!("\n<{}>", url.replace('>', "%3E")));
    }
    let lines: Vec<String> = message.lines.iter().map(|line| unmentioned(line)).collect();
    let whole = |lines: &[String]| match lines {
        [] => head.clone(),
        some => format!("{head}\n{}", fenced(some)),
    };
    let fitting = last_that_fit(&lines, MAX_CONTENT, |lines| whole(lines).encode_utf16().count());
    json!({ "content": whole(fitting), "allowed_mentions": { "parse": [] }, "flags": SUPPRESS_EMBEDS })
}

fn unmentioned(text: &str) -> String {
    text.replace('@', &format!("@{ZERO_WIDTH}"))
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '<' | '#' | '[' | ']' | '(' | ')' | '-') {
            out.push('\\');
        }
        out.push(c);
    }
    // An address would become a link.
    unmentioned(&out).replace("://", &format!(":{ZERO_WIDTH}//"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::text::tests::{hostile, large};

    #[test]
    fn nobody_is_mentioned_and_nothing_is_formatted() {
        let body = discord(&hostile());
        let content = body["content"].as_str().unwrap();
        assert!(
            !content.contains("@everyone") && !content.contains("@here") && !content.contains("<@U"),
            "{content}"
        );
        assert!(content.starts_with("**site\\#3 failed**\n\\<!channel\\>"), "{content}");
        assert!(content.contains("\\[a\\]\\(https:\u{200b}//evil"), "{content}");
        assert_eq!(content.matches("```").count(), 2);
        assert_eq!(body["allowed_mentions"]["parse"].as_array().map(Vec::len), Some(0));
    }

    #[test]
    fn the_text_fits() {
        let body = discord(&large());
        let content = body["content"].as_str().unwrap();
        assert!(content.encode_utf16().count() <= MAX_CONTENT && content.contains("/run/3"), "{content}");
    }
}
