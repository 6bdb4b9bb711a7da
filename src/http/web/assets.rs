//! The style, the script and the pictures of all pages: in the binary, compressed once, kept by browsers for good because their
//! addresses change with their contents.

use std::io::Write as _;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use ring::digest::{SHA256, digest};

use super::frame::Icon;
use crate::http::gzip::{Coding, accepts_gzip};
use crate::model::hex;

const STYLE: &str = include_str!("assets/quire.css");
const SCRIPT: &str = concat!(
    include_str!("assets/follow.js"),
    include_str!("assets/log.js"),
    include_str!("assets/keys.js"),
    include_str!("assets/times.js"),
    include_str!("assets/copy.js"),
    include_str!("assets/files.js"),
);

/// How long browsers keep what has its hash in its address, and pictures, which have not.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
const FOR_AN_HOUR: &str = "public, max-age=3600";

/// What has one address.
struct Asset {
    path: String,
    media_type: &'static str,
    cache: &'static str,
    plain: Bytes,
    compressed: Bytes,
}

struct Assets {
    style: Asset,
    script: Asset,
    icons: Vec<Asset>,
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: Asset::hashed(("quire", "css"), "text/css; charset=utf-8", STYLE),
    script: Asset::hashed(("app", "js"), "text/javascript; charset=utf-8", SCRIPT),
    icons: Icon::ALL
        .map(|icon| Asset::new(icon.path(), ("image/svg+xml", FOR_AN_HOUR), picture(icon)))
        .into(),
});

impl Asset {
    fn new(path: String, (media_type, cache): (&'static str, &'static str), text: String) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Memory takes all of it.
        let _written = encoder.write_all(text.as_bytes()).is_ok();
        let compressed = Bytes::from(encoder.finish().unwrap_or_default());
        Self { path, media_type, cache, plain: Bytes::from(text), compressed }
    }

    fn hashed((name, extension): (&str, &str), media_type: &'static str, text: &str) -> Self {
        let hash = digest(&SHA256, text.as_bytes());
        let hash = hex(hash.as_ref().get(..8).unwrap_or_default());
        Self::new(format!("/-/{name}.{hash}.{extension}"), (media_type, FOR_GOOD), text.to_owned())
    }
}

/// The address of the style.
pub(super) fn style_path() -> &'static str {
    &ASSETS.style.path
}

/// The address of the script.
pub(super) fn script_path() -> &'static str {
    &ASSETS.script.path
}

/// What has this address; nothing when nothing has it.
pub(super) fn answer(path: &str, headers: &HeaderMap) -> Option<Response> {
    let Assets { style, script, icons } = &*ASSETS;
    let asset = [style, script].into_iter().chain(icons).find(|asset| asset.path == path)?;
    let coding = if accepts_gzip(headers) { Coding::Gzip } else { Coding::None };
    let bytes = if coding == Coding::Gzip { &asset.compressed } else { &asset.plain };
    let head = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, asset.cache),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Some((coding.headers(), head, bytes.clone()).into_response())
}

/// A picture of 16 × 16: its shape says what its colour says.
fn picture(icon: Icon) -> String {
    let (colour, shape) = match icon {
        Icon::Plain => ("#57606a", "M5 3h4a3 3 0 0 1 3 3v7H8a3 3 0 0 0-3 0z"),
        Icon::Passed => ("#1a7f37", "M4 8.5 7 11.5 12 5"),
        Icon::Failed => ("#cf222e", "M5 5l6 6M11 5l-6 6"),
        Icon::Running => ("#9a6700", "M8 4.5v4l2.5 1.5"),
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><circle cx=\"8\" cy=\"8\" r=\"8\" fill=\"{colour}\"/>\
         <path d=\"{shape}\" fill=\"none\" stroke=\"#fff\" stroke-width=\"2\" stroke-linecap=\"round\" stroke-linejoin=\"round\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_are_as_small_as_the_budget_says() {
        assert!(ASSETS.style.compressed.len() <= 8 << 10, "{}", ASSETS.style.compressed.len());
        assert!(ASSETS.script.compressed.len() <= 6 << 10, "{}", ASSETS.script.compressed.len());
    }

    #[test]
    fn nothing_of_the_pages_comes_from_elsewhere() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("@import"));
            assert!(!text.contains("innerHTML") || text == SCRIPT);
        }
        assert!(!SCRIPT.contains("eval(") && !SCRIPT.contains("new Function") && !SCRIPT.contains(".style"));
    }
}
