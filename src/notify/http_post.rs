//! Sends one request over HTTP/1.1. The address is checked after the name was resolved, and exactly this address is connected to;
//! redirects are not followed; only the head of a response is read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::is_listed;
use super::backoff::retry_after;
use crate::model::not_public;
use crate::sys::clock;
use crate::sys::tls::client_config;

/// The longest that resolving a name, and then connecting, may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest head of a response, in bytes.
const MAX_HEAD: usize = 64 << 10;

/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 3;

/// Why a message did not arrive. No text in it comes from the target or contains its address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSent {
    /// It may arrive later.
    #[error("{problem}")]
    Later {
        /// What is wrong.
        problem: String,
        /// How long the target asks to wait before the next attempt.
        asked: Option<Duration>,
    },
    /// It will not, unless somebody changes something.
    #[error("{0}")]
    Never(String),
}

/// A failed attempt that can be repeated.
pub(super) fn later(problem: impl Into<String>) -> NotSent {
    NotSent::Later { problem: problem.into(), asked: None }
}

/// A request.
pub(super) struct Post<'a> {
    pub(super) url: &'a str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// The addresses of a name that may be connected to.
pub(super) struct Place {
    pub(super) addresses: Vec<SocketAddr>,
    /// Whether the operator has listed it: then TLS is not required.
    pub(super) is_listed: bool,
}

/// Resolves a name and keeps the addresses that may be connected to.
pub(super) async fn resolve(host: &str, port: u16, allow: &[String]) -> Result<Place, NotSent> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = timeout(CONNECT_TIMEOUT, tokio::net::lookup_host((bare, port))).await;
    let found: Vec<SocketAddr> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(_)) | Err(_) => return Err(later("the target's host name cannot be resolved")),
    };
    let listed: Vec<SocketAddr> = found
        .iter()
        .copied()
        .filter(|address| is_listed(allow, host, *address))
        .take(MAX_ADDRESSES)
        .collect();
    if !listed.is_empty() {
        return Ok(Place { addresses: listed, is_listed: true });
    }
    let public = found.iter().copied().filter(|address| not_public(address.ip()).is_none());
    let public: Vec<SocketAddr> = public.take(MAX_ADDRESSES).collect();
    if public.is_empty() {
        let problem = "the target's address is private, local or of a cloud's metadata service; list it in `:allow` of `:notify` to permit it";
        return Err(NotSent::Never(problem.to_owned()));
    }
    Ok(Place { addresses: public, is_listed: false })
}

/// The host and the port of an address, as `:allow` lists them.
pub(super) fn host_and_port(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    Some(format!("{}:{port}", uri.host()?.to_ascii_lowercase()))
}

/// Sends a request; succeeds when the response does.
pub(super) async fn post(post: Post<'_>, allow: &[String]) -> Result<(), NotSent> {
    let wrong = || NotSent::Never("the target's address is not a web address".to_owned());
    let uri: Uri = post.url.parse().map_err(|_| wrong())?;
    let host = uri.host().ok_or_else(wrong)?;
    let is_tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        Some(_) | None => return Err(wrong()),
    };
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let place = resolve(host, port, allow).await?;
    if !is_tls && !place.is_listed {
        let problem = "`http://` is only allowed for addresses in `:allow` of `:notify`; use `https://`";
        return Err(NotSent::Never(problem.to_owned()));
    }
    let request = request(&uri, post)?;
    let stream = connect(&place.addresses).await?;
    if !is_tls {
        return exchange(stream, request).await;
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(bare.to_owned()).map_err(|_| wrong())?;
    let stream = TlsConnector::from(tls().await?).connect(name, stream).await;
    exchange(stream.map_err(|error| later(format!("TLS failed: {error}")))?, request).await
}

/// Connects to the first address that accepts.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, NotSent> {
    let mut problem = later("the target's host name has no address");
    for address in addresses {
        problem = match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => later(format!("cannot connect to the target: {}", error.kind())),
            Err(_) => later("connecting to the target timed out"),
        };
    }
    Err(problem)
}

fn request(uri: &Uri, post: Post<'_>) -> Result<Request<Full<Bytes>>, NotSent> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::post(target)
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("quire/", env!("CARGO_PKG_VERSION")))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close");
    for (name, value) in post.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from(post.body)));
    request.map_err(|_| NotSent::Never("the target's address is not a web address".to_owned()))
}

/// Sends the request and reads the head of the response; then the connection is dropped.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(), NotSent>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let broken = |_| later("the target closed the connection or does not use HTTP");
    let handshake = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(broken)?;
    let (mut connection, mut answer) =
        (std::pin::pin!(connection), std::pin::pin!(sender.send_request(request)));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ended = &mut connection => answer.await,
    };
    let answer = answer.map_err(broken)?;
    let asked = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    judge(answer.status().as_u16(), asked.and_then(|text| retry_after(text, clock::now())))
}

/// The meaning of a response.
fn judge(status: u16, asked: Option<Duration>) -> Result<(), NotSent> {
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(NotSent::Never(format!("the target answered {status}: redirects are not followed"))),
        408 | 425 | 429 => Err(NotSent::Later { problem: format!("the target answered {status}"), asked }),
        400..=499 => Err(NotSent::Never(format!("the target answered {status}"))),
        _ => Err(NotSent::Later { problem: format!("the target answered {status}"), asked }),
    }
}

/// The TLS configuration.
async fn tls() -> Result<Arc<ClientConfig>, NotSent> {
    let config = tokio::task::spawn_blocking(client_config).await;
    config.map_err(|error| later(error.to_string()))?.map_err(later)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_decides_whether_to_try_again() {
        let asked = Some(Duration::from_secs(7));
        let again = |status| match judge(status, asked) {
            Err(NotSent::Later { asked, .. }) => Some(asked.is_some()),
            Ok(()) | Err(NotSent::Never(_)) => None,
        };
        assert_eq!(judge(204, None), Ok(()));
        for status in [408, 425, 429, 500, 503, 599, 100] {
            assert_eq!(again(status), Some(true), "{status}");
        }
        for status in [301, 307, 400, 401, 404, 410] {
            assert_eq!(again(status), None, "{status}");
        }
    }

    #[tokio::test]
    async fn private_addresses_are_refused_before_anything_is_sent() {
        let post_to = async |url: &str, allow: &[String]| {
            post(Post { url, headers: Vec::new(), body: Vec::new() }, allow).await.unwrap_err().to_string()
        };
        for url in [
            "http://127.0.0.1:1/",
            "https://[::1]:1/",
            "https://localhost:1/",
            "http://169.254.169.254/",
            "http://2130706433/",
        ] {
            let problem = post_to(url, &[]).await;
            assert!(problem.contains("private"), "{url}: {problem}");
        }
        let listed = ["127.0.0.1:1".to_owned()];
        assert!(post_to("http://localhost:1/", &listed).await.contains("cannot connect"));
        assert!(post_to("http://127.0.0.1:2/", &listed).await.contains("private"));
        assert!(post_to("ftp://127.0.0.1:1/", &listed).await.contains("not a web address"));
        assert!(post_to("http://1.1.1.1/", &[]).await.contains("`http://` is only"));
    }
}
