//! References to images, in the grammar of the OCI distribution specification.
//!
//! Nothing is added to what is written: `alpine` stays `alpine`. What passes here never begins with `-` and holds no
//! character that a shell or an engine's argument gives a meaning to.

use std::fmt;

use crate::model::{Quoted, is_hex};

/// The longest name (host and path), in bytes.
pub(super) const MAX_NAME: usize = 255;

/// The longest tag, in bytes.
pub(super) const MAX_TAG: usize = 128;

/// The longest reference: name, tag, and the longest digest.
pub const MAX_REFERENCE: usize = MAX_NAME + 1 + MAX_TAG + 1 + 7 + 128;

/// The registry of names that have no host.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// A reference to an image: `alpine`, `localhost:5000/tools/go:1.25`, `ghcr.io/o/x@sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageRef {
    host: Option<String>,
    path: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Why a text is not a reference to an image. It is quoted whole: redaction does not find a part of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// There is nothing.
    #[error("the name of an image is empty")]
    Empty,
    /// It is too long.
    #[error("the name of an image has {0} bytes, and at most {MAX_REFERENCE} are allowed")]
    TooLong(usize),
    /// Host and path are too long.
    #[error("the part of an image before its tag has {0} bytes, and at most {MAX_NAME} are allowed")]
    NameTooLong(usize),
    /// It holds a character that no reference has.
    #[error("`{}` is not in the name of an image", .0.escape_default())]
    Character(char),
    /// Its host is invalid.
    #[error("{0} is not the name of an image: before the first `/` is a host, perhaps with a port")]
    Host(Quoted),
    /// A part of its path is invalid.
    #[error(
        "{0} is not the name of an image: between `/` are lower-case letters and digits, joined by `.`, `_`, `__` or `-`"
    )]
    Path(Quoted),
    /// Its tag is invalid.
    #[error("{0} is not the name of an image: its tag is up to 128 letters, digits, `_`, `.` and `-`")]
    Tag(Quoted),
    /// Its digest is invalid.
    #[error(
        "{0} is not the name of an image: its digest is `sha256:` and 64 hexadecimal digits in lower case"
    )]
    Digest(Quoted),
    /// It could be the id of an image of the engine, which has no registry.
    #[error("{0} is the id of an image; name it by its repository")]
    Id(Quoted),
}

impl ImageRef {
    /// Reads a reference.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        if text.is_empty() {
            return Err(ImageError::Empty);
        }
        if text.len() > MAX_REFERENCE {
            return Err(ImageError::TooLong(text.len()));
        }
        if let Some(odd) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "._-/:@[]".contains(*c))) {
            return Err(ImageError::Character(odd));
        }
        let quoted = || Quoted::new(text);
        let (rest, digest) = match text.split_once('@') {
            Some((_, digest)) if !is_digest(digest) => return Err(ImageError::Digest(quoted())),
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (text, None),
        };
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let tag_at = rest.get(last..).and_then(|part| part.find(':')).map(|colon| last + colon);
        let (name, tag) = match tag_at.and_then(|at| rest.split_at_checked(at)) {
            Some((name, tag)) => (name, Some(tag.strip_prefix(':').unwrap_or(tag))),
            None => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ImageError::Tag(quoted()));
        }
        if name.len() > MAX_NAME {
            return Err(ImageError::NameTooLong(name.len()));
        }
        let (host, path) = match name.split_once('/') {
            Some((first, _)) if is_host(first) && !is_host_name(first) => {
                return Err(ImageError::Host(quoted()));
            }
            Some((first, path)) if is_host(first) => (Some(first.to_owned()), path),
            Some(_) | None => (None, name),
        };
        if !path.split('/').all(is_component) {
            return Err(ImageError::Path(quoted()));
        }
        if host.is_none() && is_id(path) {
            return Err(ImageError::Id(quoted()));
        }
        Ok(Self { host, path: path.to_owned(), tag: tag.map(str::to_owned), digest })
    }

    /// The registry, with its port: `docker.io` for a name without a host.
    pub(crate) fn registry(&self) -> &str {
        self.host.as_deref().unwrap_or(DEFAULT_REGISTRY)
    }

    /// The path in the registry, as it is written.
    pub(crate) fn repository(&self) -> &str {
        &self.path
    }

    /// The tag, if one is written.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest with its algorithm, if one is written.
    pub(crate) fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The same name with this digest and without a tag. What is not a digest changes nothing.
    #[must_use]
    pub(crate) fn with_digest(&self, digest: &str) -> Self {
        if !is_digest(digest) {
            return self.clone();
        }
        Self { digest: Some(digest.to_owned()), tag: None, ..self.clone() }
    }

    /// The image that was found under this name: the name in full with the digest, if there is one.
    #[must_use]
    pub(crate) fn pinned(&self, digest: Option<&str>) -> Self {
        digest.map_or_else(|| self.clone(), |digest| self.qualified().with_digest(digest))
    }

    /// The name in full, so that no engine's list of short names decides where it comes from:
    /// `docker.io/library/alpine:3.20`.
    #[must_use]
    pub(crate) fn qualified(&self) -> Self {
        let is_official = self.registry() == DEFAULT_REGISTRY && !self.path.contains('/');
        let path = if is_official { format!("library/{}", self.path) } else { self.path.clone() };
        Self { host: Some(self.registry().to_owned()), path, ..self.clone() }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}/")?;
        }
        f.write_str(&self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Whether a text is a registry: a host, perhaps with a port.
pub fn is_registry(text: &str) -> bool {
    text.len() <= MAX_NAME && is_host(text) && is_host_name(text)
}

/// Whether the first part of a name is a host and not a part of the path.
fn is_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn is_host_name(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((inside, rest)) = rest.split_once(']') else { return false };
            if inside.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            (None, rest.strip_prefix(':').or(if rest.is_empty() { None } else { Some(rest) }))
        }
        None => match text.split_once(':') {
            Some((name, port)) => (Some(name), Some(port)),
            None => (Some(text), None),
        },
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    name.is_none_or(|name| name.split('.').all(is_label)) && port.is_none_or(is_port)
}

/// `[a-z0-9]+`, joined by `.`, `_`, `__` or any number of `-`.
fn is_component(part: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = part.bytes().next().is_some_and(is_plain) && part.bytes().last().is_some_and(is_plain);
    let separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends && separators
        .into_iter()
        .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

fn is_digest(digest: &str) -> bool {
    match digest.split_once(':') {
        Some(("sha256", digits)) => is_hex(digits.as_bytes(), 64),
        Some(("sha512", digits)) => is_hex(digits.as_bytes(), 128),
        Some(_) | None => false,
    }
}

/// Whether an engine takes a name for the id of an image that it has: `sha256:…` and 64 digits.
fn is_id(path: &str) -> bool {
    path == "sha256"
        || path == "sha512"
        || (path.len() == 64 && path.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_have_their_parts() {
        let hex = "a".repeat(64);
        let at = format!("sha256:{hex}");
        type Parts<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a str>);
        let cases: [(String, Parts<'_>); 13] = [
            ("alpine".into(), ("docker.io", "alpine", None, None)),
            ("alpine:3.20".into(), ("docker.io", "alpine", Some("3.20"), None)),
            ("library/alpine:3.20".into(), ("docker.io", "library/alpine", Some("3.20"), None)),
            ("docker.io/alpine".into(), ("docker.io", "alpine", None, None)),
            ("localhost/x".into(), ("localhost", "x", None, None)),
            ("localhost:5000/x:5000".into(), ("localhost:5000", "x", Some("5000"), None)),
            ("ghcr.io/o/x/y:V_1.2-rc".into(), ("ghcr.io", "o/x/y", Some("V_1.2-rc"), None)),
            (format!("quay.io/a__b/c--d@{at}"), ("quay.io", "a__b/c--d", None, Some(&at))),
            (format!("x:1@{at}"), ("docker.io", "x", Some("1"), Some(&at))),
            ("10.0.0.1:5000/x".into(), ("10.0.0.1:5000", "x", None, None)),
            ("[::1]:5000/x:t".into(), ("[::1]:5000", "x", Some("t"), None)),
            ("[2001:db8::1]/x".into(), ("[2001:db8::1]", "x", None, None)),
            ("host/x".into(), ("docker.io", "host/x", None, None)),
        ];
        for (text, (registry, repository, tag, digest)) in cases {
            let image = ImageRef::parse(&text).unwrap();
            assert_eq!(image.to_string(), text);
            assert_eq!((image.registry(), image.repository()), (registry, repository), "{text}");
            assert_eq!((image.tag(), image.digest()), (tag, digest), "{text}");
        }
    }

    const HOSTILE: &[&str] = &[
        "",
        " ",
        "--privileged",
        "-v/:/h",
        "-v",
        "alpine;id",
        "a b",
        "alpine\n",
        "alpine\0",
        "$(id)",
        "`id`",
        "älpine",
        "аlpine",
        "alpine|id",
        "a&b",
        "a>b",
        "a*",
        "a\\b",
        "\"a\"",
        "'a'",
        "a=b",
        "a,b",
        "a#b",
        "~a",
        "Alpine",
        "a//b",
        "/a",
        "a/",
        "a/../b",
        "../a",
        ".a",
        "a.",
        "_a",
        "a_",
        "a___b",
        "a..b",
        "a._b",
        "-/x",
        "a:",
        ":a",
        "a:b:c",
        "a:-b",
        "a:.b",
        "a@",
        "@",
        "a@sha256",
        "a@sha256:",
        "a@b@c",
        "http://a/b",
        "https://ghcr.io/x",
        "host:/x",
        "host:99999/x",
        "host:0/x",
        "host:+5/x",
        "-host.io/x",
        "host-.io/x",
        ".io/x",
        "a..b/x",
        "[::1/x",
        "[::g]/x",
        "[::1]x/x",
        "[::1]:/x",
        "localhost:5000/",
        "user@host.io/x",
    ];

    #[test]
    fn hostile_strings_are_refused() {
        let digest = |length| format!("x@sha256:{}", "a".repeat(length));
        let mut all =
            vec!["a".repeat(5000), "a".repeat(MAX_NAME + 1), format!("x:{}", "t".repeat(MAX_TAG + 1))];
        all.extend([digest(63), digest(65), digest(0), digest(128), "c".repeat(64), "x@md5:abcd".to_owned()]);
        all.push(format!("sha256:{}", "a".repeat(64)));
        all.push(format!("x@sha256:{}", "A".repeat(64)));
        for text in HOSTILE.iter().map(|text| (*text).to_owned()).chain(all) {
            let wrong = ImageRef::parse(&text);
            assert!(wrong.is_err(), "{text:?} is {wrong:?}");
            let shown = wrong.unwrap_err().to_string();
            let is_whole = shown.starts_with(&Quoted::new(&text).to_string());
            let is_one_character = shown.contains(" is not in the name of an image");
            assert!(
                is_whole || is_one_character || !shown.starts_with('`'),
                "{shown} shows a part of {text:?}"
            );
            assert!(!shown.contains(char::is_control) && shown.len() < 400, "{shown:?}");
        }
    }

    #[test]
    fn the_limits_are_met_and_one_above_is_refused() {
        let hex = "0".repeat(128);
        let longest = format!("{}:{}@sha512:{hex}", "a".repeat(MAX_NAME), "t".repeat(MAX_TAG));
        assert_eq!(longest.len(), MAX_REFERENCE);
        assert_eq!(ImageRef::parse(&longest).unwrap().to_string(), longest);
        assert_eq!(ImageRef::parse(&format!("{longest}0")), Err(ImageError::TooLong(MAX_REFERENCE + 1)));
    }

    #[test]
    fn a_digest_takes_the_place_of_a_tag() {
        let image = ImageRef::parse("alpine:3.20").unwrap();
        let digest = format!("sha256:{}", "b".repeat(64));
        assert_eq!(image.with_digest(&digest).to_string(), format!("alpine@{digest}"));
        assert_eq!(image.with_digest("sha256:b"), image);
        let pinned = format!("docker.io/library/alpine@{digest}");
        assert_eq!((image.pinned(Some(&digest)).to_string(), image.pinned(None)), (pinned, image.clone()));
        assert_eq!(image.qualified().to_string(), "docker.io/library/alpine:3.20");
        for text in ["docker.io/o/x", "ghcr.io/x", "localhost/x"] {
            assert_eq!(ImageRef::parse(text).unwrap().qualified().to_string(), text);
        }
    }

    fn check(text: &str) -> Result<(), TestCaseError> {
        let Ok(image) = ImageRef::parse(text) else { return Ok(()) };
        prop_assert_eq!(image.to_string(), text);
        prop_assert_eq!(&ImageRef::parse(&image.to_string()).unwrap(), &image);
        prop_assert!(!text.starts_with('-') && text.len() <= MAX_REFERENCE);
        let fits = |c: char| c.is_ascii_graphic() && !";$`'\"\\|&<>*?(){}!#~,=%^+".contains(c);
        prop_assert!(text.chars().all(fits), "{}", text);
        let full = image.qualified().to_string();
        if full.len() <= MAX_NAME {
            let again = ImageRef::parse(&full).unwrap();
            prop_assert_eq!(again.registry(), image.registry());
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn what_is_accepted_round_trips_and_is_harmless(text in "\\PC{0,40}") {
            check(&text)?;
        }

        #[test]
        fn what_is_nearly_a_reference_is_harmless(
            text in "([a-zA-Z0-9.-]{1,8}(:[0-9]{0,5})?/)?[a-z0-9._;$ /-]{1,12}(:[a-zA-Z0-9._-]{0,5})?(@sha256:[a-f0-9]{63,65})?"
        ) {
            check(&text)?;
        }
    }
}
