//! A README as HTML. Markdown is rendered without raw HTML, and what comes out is reduced to a list of harmless tags: no scripts,
//! no styles, no pictures from elsewhere. Links within the repository lead to its pages.

use std::borrow::Cow;
use std::collections::HashSet;

use ammonia::{Builder, UrlRelative};
use comrak::arena_tree::NodeEdge;
use comrak::nodes::NodeValue;
use comrak::{Arena, Options, format_html, parse_document};

use super::place::{Place, href};
use crate::forge::browse::TreePath;
use crate::http::web::html::{Html, escaped};
use crate::model::{percent_decoded_bytes, percent_encoded_path};
use crate::view::plain;

/// The largest README that is rendered, in bytes; a larger one is shown as text.
const MAX_RENDERED: usize = 256 << 10;

/// The most of a README that is shown as text, in bytes.
const MAX_TEXT: usize = 512 << 10;

/// The deepest nesting that is rendered: what is deeper is shown as text.
const MAX_NESTING: usize = 64;

/// What headings begin their ids with: no id of a README is one of the page.
const PREFIX: &str = "readme-";

/// The names of a README, the first that a folder has is shown.
const NAMES: [&str; 7] =
    ["readme.md", "readme.markdown", "readme", "readme.txt", "readme.rst", "readme.org", "readme.adoc"];

/// The boxes of task lists as they are rendered, and the signs for them.
const TASKS: [(&str, &str); 2] = [
    ("<input type=\"checkbox\" checked=\"\" disabled=\"\" />", "☑"),
    ("<input type=\"checkbox\" disabled=\"\" />", "☐"),
];

/// Schemes of links that lead away from this server.
const SCHEMES: [&str; 3] = ["http://", "https://", "mailto:"];

/// The name of the README among the names of the files of a folder.
pub(super) fn find<'a>(names: impl Iterator<Item = &'a [u8]> + Clone) -> Option<&'a [u8]> {
    let named = |name: &str| names.clone().find(|own| own.eq_ignore_ascii_case(name.as_bytes()));
    NAMES.into_iter().find_map(named)
}

/// A README at its place.
pub(super) fn render(place: &Place, name: &[u8], content: &[u8]) -> Html {
    let text = String::from_utf8_lossy(content);
    let is_markdown =
        [b".md".as_slice(), b".markdown"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
    let rendered =
        (is_markdown && text.len() <= MAX_RENDERED).then(|| markdown(place, &plain(&text))).flatten();
    if let Some(html) = rendered {
        return Html(html);
    }
    let end = (0..=MAX_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    let shown = text.get(..end.unwrap_or_default()).unwrap_or_default();
    let cut = if shown.len() < text.len() { "\n… the rest is in the file" } else { "" };
    Html(format!("<pre tabindex=\"0\">{}{cut}</pre>", escaped(&plain(shown))))
}

/// The HTML of Markdown; nothing when its parts are nested deeper than anybody reads.
#[expect(clippy::wildcard_enum_match_arm, reason = "only headings, links and pictures are changed")]
fn markdown(place: &Place, text: &str) -> Option<String> {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.header_id_prefix = Some(PREFIX.to_owned());
    let arena = Arena::new();
    let root = parse_document(&arena, text, &options);
    let mut depth = 0_usize;
    for edge in root.traverse() {
        let NodeEdge::Start(node) = edge else {
            depth -= 1;
            continue;
        };
        depth += 1;
        if depth > MAX_NESTING {
            return None;
        }
        match &mut node.data.borrow_mut().value {
            // The page has a heading of its own.
            NodeValue::Heading(heading) => heading.level = (heading.level + 1).min(6),
            NodeValue::Link(link) => link.url = link_address(place, &link.url, "blob"),
            NodeValue::Image(image) => image.url = link_address(place, &image.url, "raw"),
            _ => {}
        }
    }
    let mut html = String::new();
    // Memory takes all of it.
    let _infallible = format_html(root, &options, &mut html).is_ok();
    Some(clean(&without_anchors(&with_boxes(&html))))
}

/// Where a link of a README leads from its page.
fn link_address(place: &Place, url: &str, page: &str) -> String {
    let is_away = SCHEMES
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|own| own.eq_ignore_ascii_case(scheme)));
    if is_away {
        return url.to_owned();
    }
    if let Some(heading) = url.strip_prefix('#') {
        return format!("#{PREFIX}{}", percent_encoded_path(&percent_decoded_bytes(heading)));
    }
    let (path, fragment) = url.split_once('#').map_or((url, ""), |(path, fragment)| (path, fragment));
    let path = percent_decoded_bytes(path.split('?').next().unwrap_or_default());
    let Some(path) = within(&place.path, &path) else { return String::new() };
    let fragment = percent_encoded_path(&percent_decoded_bytes(fragment));
    let mark = if fragment.is_empty() { "" } else { "#" };
    format!("{}{mark}{fragment}", href((place.name(), page), &place.revision.name, &path))
}

/// The path that a relative one means in a folder; none for what leaves the repository or has a scheme.
fn within(folder: &TreePath, relative: &[u8]) -> Option<TreePath> {
    let (mut path, relative) = match relative.strip_prefix(b"/") {
        Some(from_root) => (TreePath::default(), from_root),
        None => (folder.clone(), relative),
    };
    let first = relative.split(|byte| *byte == b'/').next().unwrap_or_default();
    if first.contains(&b':') {
        return None;
    }
    for part in relative.split(|byte| *byte == b'/') {
        path = match part {
            b"" | b"." => path,
            b".." => path.split()?.0,
            part => path.join(part),
        };
    }
    TreePath::parse(path.as_bytes())
}

/// Writes the boxes of task lists as signs: a field that cannot be changed has no name for who does not see it.
fn with_boxes(html: &str) -> String {
    TASKS.iter().fold(html.to_owned(), |html, (field, sign)| html.replace(field, sign))
}

/// Removes the links without a text that headings end with; their ids are enough.
fn without_anchors(html: &str) -> String {
    let mut parts = html.split("<a href=\"#");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once("\" class=\"anchor\"></a>") {
            Some((link, behind)) if !link.contains('>') => out.push_str(behind),
            Some(_) | None => {
                out.push_str("<a href=\"#");
                out.push_str(part);
            }
        }
    }
    out
}

/// What is left of HTML when everything is removed that could act.
fn clean(html: &str) -> String {
    let tags = [
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "img",
        "li",
        "ol",
        "p",
        "pre",
        "section",
        "strong",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ];
    let mut builder = Builder::empty();
    for heading in ["h2", "h3", "h4", "h5", "h6"] {
        builder.add_tag_attributes(heading, &["id"]);
    }
    builder
        .tags(HashSet::from(tags))
        .add_tag_attributes("a", &["href", "title"])
        .add_tag_attributes("img", &["src", "alt", "title"])
        .add_tag_attributes("ol", &["start"])
        .add_tag_attributes("li", &["id"])
        .add_tag_attribute_values("td", "align", &["left", "center", "right"])
        .add_tag_attribute_values("th", "align", &["left", "center", "right"])
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::PassThrough)
        .link_rel(Some("nofollow noopener noreferrer"))
        .attribute_filter(|element, attribute, value| match (element, attribute) {
            // Pictures are files of a repository of this server.
            ("img", "src") => {
                (value.starts_with('/') && !value.starts_with("//")).then_some(Cow::Borrowed(value))
            }
            ("a", "href") => (!value.is_empty() && !value.starts_with("//")).then_some(Cow::Borrowed(value)),
            (_, "id") => {
                (value.starts_with(PREFIX) || value.starts_with("fn")).then_some(Cow::Borrowed(value))
            }
            _ => Some(Cow::Borrowed(value)),
        });
    builder.clean(html).to_string()
}
