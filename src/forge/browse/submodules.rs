//! Where the submodules of a commit are from.

use super::blob::{BlobText, read_blob};
use super::tree_path::TreePath;
use crate::forge::open::Repo;
use crate::model::CommitId;

/// The most submodules that are read.
const MAX_SUBMODULES: usize = 1_000;

/// The paths and addresses of the submodules that `.gitmodules` of a commit names; none when it cannot be read. An address is
/// what somebody has pushed: it is a link only when it is a page of the web.
pub(crate) fn submodules(repo: &Repo, commit: CommitId) -> Vec<(TreePath, String)> {
    let Some(path) = TreePath::parse(b".gitmodules") else { return Vec::new() };
    // A commit without the file has submodules without addresses.
    let Ok(file) = read_blob(repo, commit, &path) else { return Vec::new() };
    match file.content {
        BlobText::Text(text) => parse_modules(&String::from_utf8_lossy(&text)),
        BlobText::Binary | BlobText::TooLarge => Vec::new(),
    }
}

/// Reads the sections of a `.gitmodules`: one `path` and one `url` each.
fn parse_modules(text: &str) -> Vec<(TreePath, String)> {
    let mut found = Vec::new();
    for section in text.split("[submodule").skip(1).take(MAX_SUBMODULES) {
        let value = |name: &str| {
            let of_line = |line: &str| {
                let (key, value) = line.split_once('=')?;
                (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
            };
            section.lines().find_map(of_line)
        };
        let path = value("path").and_then(|path| TreePath::parse(path.as_bytes()));
        found.extend(path.zip(value("url")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_has_a_path_and_an_address() {
        let text = "[submodule \"a\"]\n\tpath = lib/a\n\turl = https://example.org/a\n[submodule \"b\"]\nurl=javascript:x\n\
                    path=\"b\"\n[submodule \"c\"]\n path = ../c\n url = x\n[submodule";
        let found = parse_modules(text);
        let found: Vec<_> = found.iter().map(|(path, url)| (path.to_string(), url.as_str())).collect();
        assert_eq!(found, [("lib/a".to_owned(), "https://example.org/a"), ("b".to_owned(), "javascript:x")]);
    }
}
