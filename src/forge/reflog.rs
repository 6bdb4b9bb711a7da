//! Parses a ref's log, byte by byte: `<old> <new> <name> <email> <seconds> <zone>[TAB<message>]LF`.
//!
//! Damage is expected. After a power cut a line is often all NULs; after a full disk a fragment stays and the
//! next line is glued to it. A line therefore begins at its *last* `<id> <id> ` from which the rest
//! parses as git writes it. Bytes after the last line feed are not a line yet.

use ring::digest::{Context, Digest, SHA256};

use crate::model::CommitId;

/// Who moved a ref and when, as recorded by git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineInfo {
    /// Seconds since 1970, from the committer date.
    pub(crate) time: i64,
    /// The time zone, `+0100`.
    pub(crate) zone: [u8; 5],
    /// The committer's name; any bytes.
    pub(crate) name: Vec<u8>,
    /// The committer's e-mail; any bytes.
    pub(crate) email: Vec<u8>,
}

/// One parsed line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The old value.
    pub(crate) old: CommitId,
    /// The new value.
    pub(crate) new: CommitId,
    /// Who and when.
    pub(crate) info: LineInfo,
    /// Whether the log up to here was moved from another ref by a rename.
    pub(crate) moved_here: bool,
}

/// Identifies a line even after git has rewritten the file: a digest of both ids, the time, the
/// zone and the identity. Not of the message, because git adds a TAB to lines without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LineKey([u8; 16]);

/// Where a line is in its file, and its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Offset of its first byte.
    pub(crate) start: u64,
    /// Offset after its line feed.
    pub(crate) end: u64,
    /// Digest of its bytes.
    pub(crate) digest: [u8; 16],
}

/// One line of a log, valid or damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it is.
    pub(crate) mark: Mark,
    /// Its content; `None` when it is damaged.
    pub(crate) line: Option<Line>,
}

impl LineKey {
    /// The key with these bytes.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes of the key.
    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Line {
    /// The key of this line.
    pub(crate) fn key(&self) -> LineKey {
        let mut hasher = Context::new(&SHA256);
        hasher.update(self.old.as_bytes());
        hasher.update(self.new.as_bytes());
        hasher.update(&self.info.time.to_le_bytes());
        hasher.update(&self.info.zone);
        hasher.update(&self.info.name);
        hasher.update(b"<");
        hasher.update(&self.info.email);
        LineKey(shorten(hasher.finish()))
    }
}

/// The first half of a digest.
fn shorten(digest: Digest) -> [u8; 16] {
    let mut short = [0; 16];
    short.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    short
}

/// A short digest of bytes of a log.
pub(super) fn digest(bytes: &[u8]) -> [u8; 16] {
    shorten(ring::digest::digest(&SHA256, bytes))
}

/// Parses all complete lines of a part of a log that begins at this offset of its file.
pub(crate) fn parse_log(bytes: &[u8], offset: u64) -> Vec<Entry> {
    let mut at = offset;
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter_map(|raw| {
            let text = raw.strip_suffix(b"\n")?;
            let start = at;
            at += raw.len() as u64;
            Some(Entry { mark: Mark { start, end: at, digest: digest(raw) }, line: parse_line(text) })
        })
        .collect()
}

/// Parses one line, without its line feed.
pub(crate) fn parse_line(text: &[u8]) -> Option<Line> {
    // Two ids and two spaces are 82 bytes; the last position from which the rest parses wins.
    let last = text.len().checked_sub(82)?;
    (0..=last).rev().find_map(|start| parse_at(text.get(start..)?))
}

/// Parses a line that begins here, if one does.
fn parse_at(text: &[u8]) -> Option<Line> {
    // The cheap test first: nearly every position fails here.
    if text.get(40) != Some(&b' ') || text.get(81) != Some(&b' ') {
        return None;
    }
    let old = parse_id(text.get(..40)?)?;
    let new = parse_id(text.get(41..81)?)?;
    let rest = text.get(82..)?;
    let (name, rest) = split_at_byte(rest, b'<')?;
    let (email, rest) = split_at_byte(rest, b'>')?;
    let rest = rest.strip_prefix(b" ")?;
    let (stamp, message) = split_at_byte(rest, b'\t').unwrap_or((rest, b""));
    let (time, zone) = split_at_byte(stamp, b' ')?;
    let time = std::str::from_utf8(time).ok()?.parse().ok()?;
    let zone: [u8; 5] = zone.try_into().ok()?;
    let zone_fits = matches!(zone, [b'+' | b'-', digits @ ..] if digits.iter().all(u8::is_ascii_digit));
    if !zone_fits || email.contains(&b'<') || name.contains(&0) || email.contains(&0) {
        return None;
    }
    let name = name.strip_suffix(b" ").unwrap_or(name).to_vec();
    let renamed = message.starts_with(b"Branch: renamed ") || message.starts_with(b"Branch: copied ");
    let info = LineInfo { time, zone, name, email: email.to_vec() };
    Some(Line { old, new, info, moved_here: renamed && old == new })
}

fn parse_id(text: &[u8]) -> Option<CommitId> {
    CommitId::parse(std::str::from_utf8(text).ok()?).ok()
}

/// What is before and after the first such byte.
fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|other| *other == byte)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const C: &str = "cccccccccccccccccccccccccccccccccccccccc";

    fn ids(line: &Line) -> (String, String) {
        (line.old.to_string(), line.new.to_string())
    }

    #[test]
    fn a_line_with_and_without_a_message() {
        let plain = parse_line(format!("{A} {B} Jo Doe <jo@x> 1795220344 -0130").as_bytes()).unwrap();
        let tab = parse_line(format!("{A} {B} Jo Doe <jo@x> 1795220344 -0130\t").as_bytes()).unwrap();
        let text = parse_line(format!("{A} {B} Jo Doe <jo@x> 1795220344 -0130\tpush").as_bytes()).unwrap();
        assert_eq!(plain.info.name, b"Jo Doe");
        assert_eq!((plain.info.time, &plain.info.zone), (1_795_220_344, b"-0130"));
        assert_eq!(plain.key(), tab.key());
        assert_eq!(plain.key(), text.key());
        assert_ne!(
            plain.key(),
            parse_line(format!("{A} {B} Jo <jo@x> 1795220344 -0130").as_bytes()).unwrap().key()
        );
    }

    #[test]
    fn empty_names_and_bytes_that_are_not_utf_8() {
        let line = parse_line(format!("{A} {B} <> 0 +0000\tpush").as_bytes()).unwrap();
        assert_eq!((line.info.name.len(), line.info.email.len()), (0, 0));
        let raw = [format!("{A} {B} ").as_bytes(), b"J\xff <\xfe@x> -5 +0000\tp\xff"].concat();
        assert_eq!(parse_line(&raw).unwrap().info.name, b"J\xff");
    }

    #[test]
    fn glued_fragments_and_nuls_do_not_hide_the_line() {
        let whole = format!("{B} {C} Jo <jo@x> 7 +0000\tpush");
        let other = format!("{A} {B} Jo <jo@x> 6 +0000\tpush");
        for cut in 0..other.len() {
            let glued = format!("{}{whole}", &other[..cut]);
            assert_eq!(ids(&parse_line(glued.as_bytes()).unwrap()), (B.into(), C.into()), "cut at {cut}");
        }
        let nuls = [vec![0; 114], whole.into_bytes()].concat();
        assert_eq!(ids(&parse_line(&nuls).unwrap()), (B.into(), C.into()));
    }

    #[test]
    fn invalid_lines_are_rejected() {
        for text in [
            String::new(),
            "\0".repeat(114),
            format!("{A} {B}"),
            format!("{A} {B} Jo <jo@x> 7"),
            format!("{A} {B} Jo <jo@x> x +0000"),
            format!("{A} {B} Jo <jo@x> 7 0000"),
            format!("{A} {} Jo <jo@x> 7 +0000", "g".repeat(40)),
        ] {
            assert_eq!(parse_line(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn ids_in_a_message_are_no_line() {
        let text = format!("{A} {B} Jo <jo@x> 7 +0000\tsee {B} {C} for more");
        assert_eq!(ids(&parse_line(text.as_bytes()).unwrap()), (A.into(), B.into()));
    }

    #[test]
    fn a_renamed_log_says_so() {
        let renamed = format!("{A} {A} Jo <jo@x> 7 +0000\tBranch: renamed refs/heads/a to refs/heads/b");
        assert!(parse_line(renamed.as_bytes()).unwrap().moved_here);
        let moved = format!("{A} {B} Jo <jo@x> 7 +0000\tBranch: renamed refs/heads/a to refs/heads/b");
        assert!(!parse_line(moved.as_bytes()).unwrap().moved_here);
    }

    #[test]
    fn only_whole_lines_are_entries() {
        let first = format!("{A} {B} Jo <jo@x> 7 +0000\tpush\n");
        let text = format!("{first}damaged\n{B} {C} Jo <jo@x> 8 +0000");
        let entries = parse_log(text.as_bytes(), 100);
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].mark.start, entries[0].mark.end), (100, 100 + first.len() as u64));
        assert_eq!((entries[1].mark.end, &entries[1].line), (108 + first.len() as u64, &None));
        assert_eq!(entries[0].mark.digest, digest(first.as_bytes()));
    }
}
