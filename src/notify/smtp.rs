//! Sends mail. TLS is required, unless the operator lists the server's address.

use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor};
use secrecy::SecretSlice;

use super::http_post::{CONNECT_TIMEOUT, NotSent, later, resolve};
use super::message::Message;
use super::text::{mail_body, mail_subject};
use crate::config::MailDecl;
use crate::model::{Timestamp, chain};
use crate::secret::lend;

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Sends a message as mail. The id of the mail is that of the message, so that a duplicate can be recognised.
pub(super) async fn send_mail(
    mail: &MailDecl,
    password: Option<&SecretSlice<u8>>,
    (message, id): (&Message, &str),
    allow: &[String],
) -> Result<(), NotSent> {
    let place = resolve(&mail.host, mail.port, allow).await?;
    let address =
        place.addresses.first().copied().ok_or_else(|| later("the mail server's name has no address"))?;
    let (host, is_tls, is_listed) = (mail.host.clone(), mail.is_tls, place.is_listed);
    // The root certificates of this system are read from files.
    let tls = tokio::task::spawn_blocking(move || tls(&host, is_tls, is_listed));
    let tls = tls.await.map_err(|error| later(error.to_string()))??;
    let transport = transport(mail, password, address, tls)?;
    match transport.send(compose(mail, message, id)?).await {
        Ok(_) => Ok(()),
        Err(error) => Err(judge(&error)),
    }
}

fn tls(host: &str, is_tls: bool, is_listed: bool) -> Result<Tls, NotSent> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let parameters = TlsParameters::builder(bare.to_owned()).build_rustls();
    let parameters = parameters.map_err(|error| later(format!("TLS cannot be used: {}", chain(&error))))?;
    Ok(match (is_tls, is_listed) {
        (true, _) => Tls::Wrapper(parameters),
        (false, false) => Tls::Required(parameters),
        (false, true) => Tls::Opportunistic(parameters),
    })
}

/// A connection to the server: to the address that was checked, under the name in its certificate.
fn transport(
    mail: &MailDecl,
    password: Option<&SecretSlice<u8>>,
    address: SocketAddr,
    tls: Tls,
) -> Result<Transport, NotSent> {
    let mut builder = Transport::builder_dangerous(address.ip().to_string())
        .port(address.port())
        .timeout(Some(CONNECT_TIMEOUT))
        .tls(tls);
    if let (Some((user, _)), Some(password)) = (&mail.login, password) {
        let text = lend(password, |bytes| String::from_utf8(bytes.to_vec()));
        let text =
            text.map_err(|_| NotSent::Never("the password for the mail server is not UTF-8".to_owned()))?;
        builder = builder.credentials(Credentials::new(user.clone(), text));
    }
    Ok(builder.build())
}

fn compose(mail: &MailDecl, message: &Message, id: &str) -> Result<Mail, NotSent> {
    let wrong =
        |error: &dyn std::error::Error| NotSent::Never(format!("cannot compose the mail: {}", chain(error)));
    let mailbox = |text: &String| text.parse::<Address>().map(|address| Mailbox::new(None, address));
    let from = mailbox(&mail.from).map_err(|error| wrong(&error))?;
    let to: Result<Vec<Mailbox>, _> = mail.to.iter().map(mailbox).collect();
    let to: Mailboxes = to.map_err(|error| wrong(&error))?.into_iter().collect();
    let at = Timestamp::parse(&message.at).map_or(0, Timestamp::as_millis);
    let date = UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or_default());
    let composed = Mail::builder()
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .date(date)
        .from(from)
        .mailbox(header::To::from(to))
        .subject(mail_subject(message))
        .header(ContentType::TEXT_PLAIN)
        .body(mail_body(message));
    let mut composed = composed.map_err(|error| wrong(&error))?;
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    composed.headers_mut().insert_raw(HeaderValue::new(automatic, "auto-generated".to_owned()));
    Ok(composed)
}

/// The meaning of an error. Of the server's reply only the code is shown.
fn judge(error: &lettre::transport::smtp::Error) -> NotSent {
    match error.status() {
        Some(code) if error.is_permanent() => NotSent::Never(format!("the mail server answered {code}")),
        Some(code) => later(format!("the mail server answered {code}")),
        None if error.is_timeout() => later("the mail server timed out"),
        None => later(format!("cannot use the mail server: {}", innermost(error))),
    }
}

/// The innermost error: those around it repeat its text.
fn innermost(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::text::hostile;

    #[test]
    fn a_mail_has_a_stable_id_and_no_other_recipients() {
        let mail = MailDecl {
            is_tls: false,
            host: "x".to_owned(),
            port: 25,
            from: "ci@example.org".to_owned(),
            to: vec!["a@example.org".to_owned(), "b@example.org".to_owned()],
            login: None,
        };
        let mut message = hostile();
        message.context = Some("a\r\nBcc: x@evil.example\r\n\r\n.\r\n".to_owned());
        let one = compose(&mail, &message, "0123").unwrap();
        assert_eq!(one.envelope().to().len(), 2);
        let text = String::from_utf8(one.formatted()).unwrap();
        assert!(text.contains("Message-ID: <0123@example.org>\r\n"), "{text}");
        assert!(text.contains("Date: Sat, 21 Nov 2026 03:00:00 +0000\r\n"), "{text}");
        assert!(text.contains("Auto-Submitted: auto-generated\r\n"));
        assert!(!text.split("\r\n\r\n").next().unwrap().contains("\r\nBcc:"));
    }
}
