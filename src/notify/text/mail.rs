//! Mail: plain text, so only characters that move a cursor are escaped.

use super::cut;
use crate::notify::message::Message;
use crate::view::one_line;

/// The longest subject, in characters.
const MAX_SUBJECT: usize = 150;

/// The subject: one line.
pub(in crate::notify) fn mail_subject(message: &Message) -> String {
    let context = message.context.as_deref().map(|text| format!(" ({text})")).unwrap_or_default();
    cut(&one_line(&format!("{}{context}", message.title())), MAX_SUBJECT)
}

/// The text.
pub(in crate::notify) fn mail_body(message: &Message) -> String {
    let mut out = format!("{}\n", message.title());
    for text in [&message.context, &message.reason, &message.url].into_iter().flatten() {
        out.push_str(&format!("{text}\n"));
    }
    if !message.lines.is_empty() {
        let lines: Vec<String> = message.lines.iter().map(|line| format!("    {line}\n")).collect();
        out.push_str(&format!("\n{}", lines.concat()));
    }
    out.push_str(&format!("\n-- \nquire, {}\n", message.at));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::text::tests::hostile;

    #[test]
    fn the_subject_is_one_line() {
        let mut message = hostile();
        message.context = Some("a\r\nBcc: x@y.example".to_owned());
        assert_eq!(mail_subject(&message), "site#3 failed (a\u{fffd}\u{fffd}Bcc: x@y.example)");
        assert!(mail_body(&hostile()).contains("\n    test │ ```\n"));
    }
}
