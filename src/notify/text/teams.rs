//! Teams: an adaptive card of at most 28 KB, all of whose text is plain.

use serde_json::{Value, json};

use super::{cut, last_that_fit};
use crate::notify::message::Message;

/// The largest request, in bytes.
const MAX_BODY: usize = 28_000;

/// The longest of the short texts.
const MAX_TEXT: usize = 500;

/// The body of the request.
pub(in crate::notify) fn teams(message: &Message) -> Value {
    let fitting = last_that_fit(&message.lines, MAX_BODY, |lines| card(message, lines).to_string().len());
    card(message, fitting)
}

fn card(message: &Message, lines: &[String]) -> Value {
    let mut body = vec![plain(&message.title(), json!({ "weight": "Bolder", "size": "Medium" }))];
    for text in [&message.context, &message.reason].into_iter().flatten() {
        body.push(plain(text, json!({})));
    }
    body.extend(lines.iter().map(|line| plain(line, json!({ "fontType": "Monospace", "size": "Small" }))));
    let action = |url: &String| json!({ "type": "Action.OpenUrl", "title": "Open the run", "url": url });
    let actions: Vec<Value> = message.url.iter().map(action).collect();
    let content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": actions,
    });
    let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": content });
    json!({ "type": "message", "attachments": [attachment] })
}

/// A text run: unlike a text block, it does not interpret markdown. Without an entity, nobody is mentioned.
fn plain(text: &str, style: Value) -> Value {
    let mut run = json!({ "type": "TextRun", "text": cut(text, MAX_TEXT).replace("<at>", "<\u{200b}at>") });
    if let (Some(run), Value::Object(style)) = (run.as_object_mut(), style) {
        run.extend(style);
    }
    json!({ "type": "RichTextBlock", "inlines": [run] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::text::tests::{hostile, large};

    #[test]
    fn all_text_is_plain() {
        let body = teams(&hostile());
        let card = &body["attachments"][0]["content"];
        let blocks = card["body"].as_array().unwrap();
        assert!(blocks.iter().all(|block| block["type"] == "RichTextBlock"));
        assert_eq!(blocks[0]["inlines"][0]["text"], "site#3 failed");
        assert_eq!(card["actions"][0]["url"], "https://git.example.org/site/run/3");
        assert!(card.get("msteams").is_none());
    }

    #[test]
    fn the_card_fits() {
        let body = teams(&large());
        assert!(body.to_string().len() <= MAX_BODY);
        assert!(body["attachments"][0]["content"]["body"].as_array().unwrap().len() > 5);
    }
}
