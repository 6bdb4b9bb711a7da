//! Sends one message to one target, once.

use std::time::Duration;

use secrecy::SecretSlice;
use serde_json::Value;
use tokio::time::timeout;

use super::http_post::{NotSent, Post, host_and_port, later, post};
use super::message::Message;
use super::smtp::send_mail;
use super::target::Target;
use super::text::{discord, plain, sign, slack, teams, webhook};
use crate::config::{SecretSource, TargetAddress};
use crate::model::Timestamp;
use crate::secret::{lend, read_value};
use crate::sys::clock;

/// The longest that one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// Sends a message under its id.
///
/// # Errors
/// What is wrong, without the target's address.
pub(crate) async fn deliver(target: &Target, message: &Message, id: &str) -> Result<(), NotSent> {
    let attempt = timeout(ATTEMPT_TIMEOUT, attempt(target, message, id)).await;
    attempt.unwrap_or_else(|_| Err(later(format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs()))))
}

async fn attempt(target: &Target, message: &Message, id: &str) -> Result<(), NotSent> {
    let (url, body, headers) = match &target.address {
        TargetAddress::Slack(url) => (url, slack(message), Vec::new()),
        TargetAddress::Discord(url) => (url, discord(message), Vec::new()),
        TargetAddress::Teams(url) => (url, teams(message), Vec::new()),
        TargetAddress::Plain(url) => (url, plain(message), Vec::new()),
        TargetAddress::Webhook { url, hmac } => {
            let body = webhook(message, id);
            let key = value(hmac.as_ref()).await?;
            let headers = headers(&body, (&message.event, id), key.as_ref());
            (url, body, headers)
        }
        TargetAddress::Mail(mail) => {
            let password = value(mail.login.as_ref().map(|(_, password)| password)).await?;
            return send_mail(mail, password.as_ref(), (message, id), &target.allow).await;
        }
    };
    let url = value(Some(url)).await?.unwrap_or_default();
    let url = lend(&url, |bytes| String::from_utf8_lossy(bytes).trim().to_owned());
    let mut allow = target.allow.clone();
    if let (TargetAddress::Plain(_), Some(own)) = (&target.address, host_and_port(&url)) {
        // The operator's own program: it is in a private network as a rule.
        allow.push(own);
    }
    let body = body.to_string().into_bytes();
    post(Post { url: &url, headers, body }, &allow).await
}

fn headers(
    body: &Value,
    (event, id): (&str, &str),
    key: Option<&SecretSlice<u8>>,
) -> Vec<(&'static str, String)> {
    let (body, now) = (body.to_string(), clock::now());
    let signed = match key {
        Some(key) => lend(key, |key| sign(Some(key), body.as_bytes(), now)),
        None => sign(None, body.as_bytes(), now),
    };
    let mut headers = vec![
        ("quire-event", event.to_owned()),
        ("quire-delivery", id.to_owned()),
        ("quire-timestamp", signed.timestamp),
    ];
    headers.extend(signed.signature.map(|signature| ("quire-signature", signature)));
    headers
}

/// The value of a secret, read anew: its file may have changed.
async fn value(source: Option<&SecretSource>) -> Result<Option<SecretSlice<u8>>, NotSent> {
    let Some(source) = source.cloned() else { return Ok(None) };
    let read = tokio::task::spawn_blocking(move || read_value(&source)).await;
    let read = read.map_err(|error| later(error.to_string()))?;
    read.map(Some).map_err(|error| later(format!("cannot read a secret of the target: {error}")))
}

/// The message of `quire notify test`.
pub(crate) fn test_message(at: Timestamp) -> Message {
    Message {
        v: Message::VERSION,
        event: "test".to_owned(),
        subject: "quire".to_owned(),
        repo: "quire".to_owned(),
        verdict: "can write here".to_owned(),
        context: None,
        reason: Some("this is a test message".to_owned()),
        lines: Vec::new(),
        url: None,
        at: at.to_string(),
        run: None,
    }
}
