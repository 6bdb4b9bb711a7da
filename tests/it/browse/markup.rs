//! A strict reader of HTML and XML: what it does not understand is a fault of the page.

/// An element as it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Begin(Element),
    End(String),
    Text(String),
}

/// Elements of HTML that have no end.
const VOID: [&str; 7] = ["meta", "link", "input", "br", "hr", "img", "?xml"];

/// Attributes of pages and feeds. Nothing else has an attribute.
const ATTRIBUTES: &[&str] = &[
    "lang",
    "charset",
    "name",
    "content",
    "rel",
    "href",
    "type",
    "id",
    "title",
    "src",
    "class",
    "aria-label",
    "aria-hidden",
    "aria-current",
    "aria-labelledby",
    "role",
    "tabindex",
    "scope",
    "datetime",
    "method",
    "action",
    "for",
    "value",
    "maxlength",
    "size",
    "placeholder",
    "hidden",
    "open",
    "alt",
    "checked",
    "disabled",
    "start",
    "align",
    "data-page",
    "data-job",
    "data-ref",
    "data-old",
    "data-new",
    "xmlns",
    "version",
    "encoding",
    "activity",
    "lastBuildStatus",
    "lastBuildLabel",
    "lastBuildTime",
    "webUrl",
    "width",
    "height",
    "fill",
    "x",
    "y",
    "font-family",
    "font-size",
    "text-anchor",
    "data-copy",
    "data-pending",
    "viewBox",
    "d",
];

/// Elements of pages and feeds.
const ELEMENTS: &[&str] = &[
    "!doctype",
    "?xml",
    "html",
    "head",
    "meta",
    "title",
    "link",
    "script",
    "body",
    "a",
    "header",
    "nav",
    "span",
    "main",
    "footer",
    "button",
    "kbd",
    "div",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "p",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "pre",
    "code",
    "section",
    "aside",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "i",
    "form",
    "label",
    "input",
    "time",
    "mark",
    "details",
    "summary",
    "em",
    "strong",
    "del",
    "blockquote",
    "br",
    "hr",
    "img",
    "sup",
    "feed",
    "entry",
    "id",
    "updated",
    "author",
    "name",
    "content",
    "Projects",
    "Project",
    "svg",
    "rect",
    "path",
    "g",
    "text",
];

/// Reads a document, and checks that every element is closed, that every name is one of ours, that no address leads to a script,
/// and that no text has a character that moves or turns what follows.
pub(super) fn read(document: &str) -> Vec<Part> {
    let (mut parts, mut open, mut rest) = (Vec::new(), Vec::new(), document);
    while let Some(at) = rest.find('<') {
        let (before, after) = rest.split_at(at);
        push_text(&mut parts, before);
        let end = after.find('>').unwrap_or_else(|| panic!("a tag without end: {}", head(after)));
        let tag = &after[1..end];
        rest = &after[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{}", head(after));
            parts.push(Part::End(name.to_owned()));
            continue;
        }
        let is_closed = tag.ends_with('/') || tag.starts_with('?');
        let element = element(tag.trim_end_matches(['/', '?']));
        if !is_closed && !VOID.contains(&element.name.as_str()) && element.name != "!doctype" {
            open.push(element.name.clone());
        }
        parts.push(Part::Begin(element));
    }
    push_text(&mut parts, rest);
    assert_eq!(open, Vec::<String>::new(), "not closed");
    parts
}

fn head(text: &str) -> String {
    text.chars().take(200).collect()
}

fn element(tag: &str) -> Element {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    assert!(ELEMENTS.contains(&name), "an element {name:?} in <{}>", head(tag));
    let mut attributes = Vec::new();
    while !rest.trim().is_empty() {
        rest = rest.trim_start();
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let value = match after.strip_prefix("=\"") {
            Some(quoted) => {
                let (value, after) = quoted.split_once('"').unwrap_or_else(|| panic!("{}", head(tag)));
                rest = after;
                decoded(value)
            }
            None => {
                rest = after;
                String::new()
            }
        };
        let is_known = ATTRIBUTES.contains(&name) || tag.starts_with("!doctype");
        assert!(is_known, "an attribute {name:?} in <{}>", head(tag));
        if matches!(name, "href" | "src" | "action") {
            let is_ours = value.starts_with('/') && !value.starts_with("//") || value.starts_with('#');
            let is_web = ["http://", "https://", "mailto:"].iter().any(|scheme| value.starts_with(scheme));
            assert!(is_ours || is_web && name == "href", "{name}={value:?}");
            assert!(!value.contains(|c: char| c.is_control() || c == ' '), "{value:?}");
        }
        attributes.push((name.to_owned(), value));
    }
    Element { name: name.to_owned(), attributes }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    let text = decoded(text);
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
}

/// A text behind its entities.
fn decoded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (entity, after) = after.split_once(';').unwrap_or_else(|| panic!("& in {}", head(text)));
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "nbsp" => '\u{a0}',
            number => {
                let number = number.strip_prefix('#').unwrap_or_else(|| panic!("&{entity};"));
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(code.unwrap()).unwrap()
            }
        });
        rest = after;
    }
    out.push_str(rest);
    let moves = |c: &char| {
        c.is_control() && !"\n\t".contains(*c)
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!out.contains(|c: char| moves(&c)), "{out:?}");
    out
}

/// The elements of a document with the names of their attributes: what a text must not change.
pub(super) fn skeleton(document: &str) -> Vec<String> {
    let shape = |part: Part| match part {
        Part::Begin(element) if element.name != "i" => {
            // Whether a page had to wait for something depends on the machine.
            let names =
                element.attributes.into_iter().map(|(name, _)| name).filter(|name| name != "data-pending");
            let names: Vec<String> = names.collect();
            Some(format!("<{} {}>", element.name, names.join(" ")))
        }
        Part::End(name) if name != "i" => Some(format!("</{name}>")),
        Part::Begin(_) | Part::End(_) | Part::Text(_) => None,
    };
    read(document).into_iter().filter_map(shape).collect()
}

/// The texts of a document, joined.
pub(super) fn all_text(document: &str) -> String {
    let texts = read(document).into_iter().filter_map(|part| match part {
        Part::Text(text) => Some(text),
        Part::Begin(_) | Part::End(_) => None,
    });
    texts.collect()
}
