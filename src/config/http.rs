//! `:http`: who may see and do what over TCP. Where the server answers is in `bind.rs`.

use std::net::SocketAddr;

use crate::model::{Diagnostic, Network, Visibility, WebOrigin, suggest};
use crate::schema::{Fields, Node};

/// The most entries of a list in `:http`.
const MAX_ENTRIES: usize = 100;

/// Who may see and do what over TCP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpSettings {
    /// Who may see repositories, and logs, that have no visibility of their own.
    pub(crate) visibility: Option<Visibility>,
    /// The origins of other sites whose pages may read answers.
    pub(crate) cors_origins: Vec<WebOrigin>,
    /// The proxies whose `Remote-User` counts.
    pub(crate) trusted_proxies: Vec<Network>,
    /// The users of these proxies who have every scope.
    pub(crate) admins: Vec<String>,
}

impl HttpSettings {
    /// Who may see what says nothing else, when the server listens at this address.
    pub(crate) fn visibility(&self, bound: Option<SocketAddr>) -> Visibility {
        let is_local = bound.is_none_or(|address| address.ip().to_canonical().is_loopback());
        self.visibility.unwrap_or(if is_local { Visibility::Public } else { Visibility::Private })
    }
}

/// Reads `:http`.
pub(super) fn read(fields: &Fields<'_>) -> HttpSettings {
    let settings = HttpSettings {
        visibility: fields.read("visibility", visibility),
        cors_origins: fields.list("cors-origins", |node| node.parse(WebOrigin::parse)),
        trusted_proxies: fields.list("trusted-proxies", |node| node.parse(Network::parse)),
        admins: fields.list("admins", user),
    };
    for (name, length) in [
        ("cors-origins", settings.cors_origins.len()),
        ("trusted-proxies", settings.trusted_proxies.len()),
        ("admins", settings.admins.len()),
    ] {
        if length > MAX_ENTRIES {
            fields.refuse_option(
                name,
                format!("`:{name}` has more than {MAX_ENTRIES} entries"),
                "leave some out",
            );
        }
    }
    if !settings.admins.is_empty() && fields.get("trusted-proxies").is_none() {
        let help = "name the proxy that says who asks: `:trusted-proxies [\"127.0.0.1\"]`";
        fields.refuse_option("admins", "`:admins` are users of a trusted proxy, and there is none", help);
    }
    settings
}

fn visibility(node: &Node) -> Result<Visibility, Diagnostic> {
    let word = node.as_str()?;
    let words = Visibility::ALL.map(Visibility::as_str);
    Visibility::parse(word).ok_or_else(|| {
        let near = suggest(word, words).map(|near| format!("did you mean `:{near}`?"));
        node.error(format!("`{word}` is not a visibility"))
            .help(near.unwrap_or_else(|| "write `:public`, `:unlisted` or `:private`".to_owned()))
    })
}

fn user(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_str()?;
    if is_user_name(text) {
        return Ok(text.to_owned());
    }
    Err(node.error("this is not the name of a user").help("write it as the proxy sends it in `Remote-User`"))
}

/// The longest name of a proxy's user, in bytes.
const MAX_USER_NAME: usize = 128;

/// Whether a text can be the name of a proxy's user: visible ASCII characters.
pub fn is_user_name(text: &str) -> bool {
    (1..=MAX_USER_NAME).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use crate::config::read;

    fn problems(http: &str) -> Vec<String> {
        let wrong = read(format!("{{:http {http}}}").as_bytes()).unwrap_err();
        wrong.iter().map(|wrong| wrong.message.clone()).collect()
    }

    #[test]
    fn what_is_open_over_http_is_read_with_its_mistakes() {
        let text = br#"{:http {:visibility :unlisted :cors-origins ["https://pages.example.org"]
            :trusted-proxies ["127.0.0.1" "10.0.0.0/8"] :admins ["ada"]}}"#;
        let http = read(text).unwrap().http;
        assert_eq!(http.visibility.map(super::Visibility::as_str), Some("unlisted"));
        assert_eq!((http.cors_origins.len(), http.trusted_proxies.len(), http.admins.len()), (1, 2, 1));
        assert_eq!(read(b"{:http {}}").unwrap().http, super::HttpSettings::default());
        let default =
            |address: &str| super::HttpSettings::default().visibility(address.parse().ok()).as_str();
        for (address, visibility) in [
            ("127.0.0.1:1", "public"),
            ("[::1]:1", "public"),
            ("0.0.0.0:1", "private"),
            ("192.0.2.1:1", "private"),
        ] {
            assert_eq!(default(address), visibility, "{address}");
        }
        assert_eq!(problems("{:visibility :publik}"), ["`publik` is not a visibility"]);
        assert!(problems("{:cors-origins [\"*\"]}")[0].starts_with("`*` is not an origin"));
        assert!(problems("{:trusted-proxies [\"10.1.0.0/8\"]}")[0].contains("first address"));
        assert!(problems("{:admins [\"ada\"]}")[0].contains("trusted proxy"));
        assert_eq!(
            problems("{:trusted-proxies [\"::1\"] :admins [\"a b\"]}"),
            ["this is not the name of a user"]
        );
    }
}
