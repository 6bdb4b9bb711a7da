//! Slack: blocks with mrkdwn. A block takes 3000 characters.

use serde_json::{Value, json};

use super::{cut, fenced, last_that_fit};
use crate::notify::message::Message;

/// The longest text of a block; escapes count.
const MAX_BLOCK: usize = 3000;

/// The longest of the short texts, before they are escaped.
const MAX_TEXT: usize = 180;

/// The body of the request.
pub(in crate::notify) fn slack(message: &Message) -> Value {
    let title = cut(&message.title(), MAX_TEXT);
    let mut head = format!("*{}*", unformatted(&title));
    for text in [&message.context, &message.reason].into_iter().flatten() {
        head.push('\n');
        head.push_str(&unformatted(&cut(text, MAX_TEXT)));
    }
    if let Some(url) = &message.url {
        head.push_str(&format!("\n<{}>", escape(url).replace('|', "%7C")));
    }
    let mut blocks = vec![section(&head)];
    let lines: Vec<String> = message.lines.iter().map(|line| escape(line)).collect();
    let fitting = last_that_fit(&lines, MAX_BLOCK, |lines| fenced(lines).chars().count());
    if !fitting.is_empty() {
        blocks.push(section(&fenced(fitting)));
    }
    json!({ "text": escape(&title), "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

/// Slack's three escapes: without `<`, nothing is a mention or a link.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text without formatting: the marks become letters that look like them.
fn unformatted(text: &str) -> String {
    let alike = |c| match c {
        '*' => '\u{2217}',
        '_' => '\u{ff3f}',
        '~' => '\u{223c}',
        '`' => '\u{2019}',
        c => c,
    };
    escape(&text.chars().map(alike).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::text::tests::{hostile, large};

    #[test]
    fn nothing_is_a_mention_or_a_link() {
        let body = slack(&hostile());
        let head = body["blocks"][0]["text"]["text"].as_str().unwrap();
        assert!(head.starts_with("*site#3 failed*\n&lt;!channel&gt;@everyone"), "{head}");
        assert!(head.ends_with("\n<https://git.example.org/site/run/3>"), "{head}");
        assert_eq!(head.matches('<').count(), 1);
        let lines = body["blocks"][1]["text"]["text"].as_str().unwrap();
        assert_eq!(lines.matches("```").count(), 2, "{lines}");
        assert!(lines.contains("&lt;b&gt;&amp;amp;&lt;/b&gt;"));
    }

    #[test]
    fn every_block_fits() {
        for block in slack(&large())["blocks"].as_array().unwrap() {
            assert!(block["text"]["text"].as_str().unwrap().chars().count() <= MAX_BLOCK);
        }
    }
}
