//! Texts without what looks like a credential of quire: for logs, which hold what others have sent.

use std::borrow::Cow;

/// How a credential begins, also in an address.
const STARTS: [&str; 9] = ["qt_", "qs_", "ql_", "qt%5F", "qs%5F", "ql%5F", "qt%5f", "qs%5f", "ql%5f"];

/// The shortest rest that is taken for one, in bytes: a part of a credential is none that helps anybody.
const MIN_REST: usize = 16;

/// The text, in which `qt_<redacted>` stands for each credential.
pub(crate) fn without_credentials(text: &str) -> Cow<'_, str> {
    let mut shown: Option<String> = None;
    let mut rest = text;
    while let Some((before, start, length)) = first_credential(rest) {
        let shown = shown.get_or_insert_default();
        shown.push_str(before);
        shown.push_str(start);
        shown.push_str("<redacted>");
        rest = rest.get(before.len() + start.len() + length..).unwrap_or_default();
    }
    match shown {
        Some(shown) => Cow::Owned(shown + rest),
        None => Cow::Borrowed(text),
    }
}

/// What is before the first credential, how it begins, and the length of its rest.
fn first_credential(text: &str) -> Option<(&str, &'static str, usize)> {
    let mut from = 0;
    while let Some(found) = text.get(from..)?.find('q') {
        let at = from + found;
        let here = text.get(at..)?;
        if let Some(start) = STARTS.into_iter().find(|start| here.starts_with(start)) {
            let is_of_it = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'%');
            let length = here.bytes().skip(start.len()).take_while(is_of_it).count();
            if length >= MIN_REST {
                return Some((text.get(..at)?, start, length));
            }
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{Credential, CredentialKind};

    #[test]
    fn no_credential_is_left_wherever_it_stands() {
        for kind in [CredentialKind::Token, CredentialKind::Session, CredentialKind::LoginLink] {
            let credential = Credential::new(kind).unwrap();
            let (text, random) = (credential.reveal(), &credential.reveal()[3..]);
            let encoded = text.replace('_', "%5F");
            for line in [
                text.to_owned(),
                format!("a {text} b {text}"),
                format!("/login?t={encoded}&x"),
                format!("qt_{text}"),
                format!("ü{text}ü"),
            ] {
                let shown = without_credentials(&line);
                assert!(!shown.contains(random) && shown.contains("<redacted>"), "{line}: {shown}");
            }
        }
        for plain in ["", "q", "qt_", "push to qt_tools by ql", "qt_short", "é qt_é"] {
            assert_eq!(without_credentials(plain), plain);
        }
    }
}
