//! A title and a message in JSON: what `phantom_ci` posts to `CUSTOM_WEBHOOK_URL`.

use serde_json::{Value, json};

use crate::notify::message::Message;

/// The body of the request: the title is the name of the repository, the message is plain text.
pub(in crate::notify) fn plain(message: &Message) -> Value {
    let mut text = message.title();
    let details = [&message.context, &message.reason, &message.url].into_iter().flatten();
    for line in details.chain(&message.lines) {
        text.push('\n');
        text.push_str(line);
    }
    json!({ "title": message.repo, "message": text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::text::tests::hostile;

    #[test]
    fn the_message_has_everything_in_plain_text() {
        let body = plain(&hostile());
        assert_eq!(body["title"], "site");
        let text = body["message"].as_str().unwrap();
        assert!(text.starts_with("site#3 failed\n<!channel>"), "{text}");
        assert!(text.ends_with("test │ <b>&amp;</b> @everyone"), "{text}");
    }
}
