//! Which files a path or a pattern names: one file, all files of a folder, or those that a pattern matches.
//!
//! A file that is there by the whole text is meant before a pattern is. In folders, and by patterns, hidden files and what is
//! not a regular file are left out; what is named by itself is an error instead. No link is followed.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, statat};

use super::artifact_name::{ArtifactName, MAX_ARTIFACT_NAME};
use super::pattern::Pattern;
use super::{ArtifactError, MAX_ARTIFACTS};
use crate::model::{Quoted, chain};
use crate::sys::folder::{Folder, Kind};
use crate::sys::tree::{Place, Visit, walk};

/// The most names that are looked at for one call.
const MAX_VISITED: usize = 500_000;

/// The longest path that is given, in bytes.
const MAX_GIVEN: usize = 1_000;

/// How many names of what was left out are shown.
const SHOWN: usize = 3;

/// A file to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selected {
    /// Its path in the workspace.
    pub(crate) path: String,
    pub(crate) name: ArtifactName,
}

/// The files of one call, in the order of their names.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    pub(crate) files: Vec<Selected>,
    /// What was left out, in words.
    pub(crate) left_out: Vec<String>,
}

/// Finds the files that a path or a pattern names below a folder. `save_as` is the name of one file, or the folder that
/// several get. It ends early when `is_stopped` says so.
pub(crate) fn select(
    root: &Folder,
    given: &str,
    save_as: Option<&str>,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Selection, ArtifactError> {
    let path = normal(given)?;
    let save_as =
        save_as.map(|name| ArtifactName::parse(name).map_err(ArtifactError::Refused)).transpose()?;
    let shown = Quoted::new(given);
    let kind = match path.as_str() {
        "" => Some(Kind::Folder),
        path => root.kind(path).or_else(|error| {
            if error.kind() == io::ErrorKind::NotADirectory {
                return Ok(None);
            }
            Err(ArtifactError::Refused(format!("{shown} cannot be kept: {}", chain(&error))))
        })?,
    };
    match kind {
        Some(Kind::File) => {
            let name = match save_as {
                Some(name) => name,
                None => ArtifactName::parse(&path).map_err(ArtifactError::Refused)?,
            };
            Ok(Selection { files: vec![Selected { path, name }], left_out: Vec::new() })
        }
        Some(Kind::Link) => Err(ArtifactError::refused(format!(
            "{shown} is a symbolic link, and none is followed; name its target"
        ))),
        Some(Kind::Other) => {
            Err(ArtifactError::refused(format!("{shown} is not a file: it is a FIFO, a socket or a device")))
        }
        Some(Kind::Folder) => {
            let found = below(root, (&path, None), save_as.as_ref(), is_stopped)?;
            if found.files.is_empty() {
                return Err(ArtifactError::Missing(format!(
                    "the folder {shown} has no files to keep{}",
                    found.tail()
                )));
            }
            Ok(found)
        }
        None if Pattern::is_one(&path) => {
            let (base, pattern) = (Pattern::base(&path).to_owned(), Pattern::new(&path));
            let is_there = base.is_empty() || matches!(root.kind(&base), Ok(Some(Kind::Folder)));
            let found = match is_there {
                true => below(root, (&base, Some(&pattern)), save_as.as_ref(), is_stopped)?,
                false => Selection::default(),
            };
            if found.files.is_empty() {
                return Err(ArtifactError::Missing(format!("no file matches {shown}{}", found.tail())));
            }
            Ok(found)
        }
        None => Err(ArtifactError::Missing(format!("the file {shown} does not exist in the workspace"))),
    }
}

impl Selection {
    fn tail(&self) -> String {
        self.left_out.iter().map(|text| format!("; {text}")).collect()
    }
}

/// A path without `.`, doubled and last `/`; the workspace itself is empty.
fn normal(given: &str) -> Result<String, ArtifactError> {
    let shown = Quoted::new(given);
    let wrong = |what: &str| Err(ArtifactError::Refused(format!("{shown} cannot be kept: {what}")));
    if given.is_empty() {
        return wrong("the path is empty");
    }
    if given.len() > MAX_GIVEN {
        return wrong(&format!("the path has more than {MAX_GIVEN} bytes"));
    }
    if given.contains('\0') {
        return wrong("the path has a NUL byte");
    }
    if given.starts_with('/') {
        return wrong("a path is relative to the workspace, and does not begin with `/`");
    }
    let parts: Vec<&str> = given.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return wrong("the path leads out of the workspace, or says `..`");
    }
    Ok(parts.join("/"))
}

/// All files below a folder, or those that a pattern matches.
fn below(
    root: &Folder,
    (base, pattern): (&str, Option<&Pattern>),
    save_as: Option<&ArtifactName>,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Selection, ArtifactError> {
    let shown = Quoted::new(if base.is_empty() { "." } else { base });
    let failed =
        |error: io::Error| ArtifactError::Refused(format!("{shown} cannot be read: {}", chain(&error)));
    let folder = root.sub(if base.is_empty() { "." } else { base }).map_err(failed)?;
    let mut finder = Finder {
        base,
        pattern,
        save_as,
        is_stopped,
        visited: 0,
        files: Vec::new(),
        wrong: None,
        hidden: LeftOut::default(),
        others: LeftOut::default(),
    };
    let walked = walk(folder.as_fd(), &mut finder);
    if let Some(wrong) = finder.wrong {
        return Err(wrong);
    }
    walked.map_err(failed)?;
    let mut files = finder.files;
    files.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
    let notes = [
        finder.hidden.in_words("hidden", "name them to keep them"),
        finder.others.in_words("not a regular file, or cannot be read", "links are not followed"),
    ];
    Ok(Selection { files, left_out: notes.into_iter().flatten().collect() })
}

/// What is left out, for one reason.
#[derive(Default)]
struct LeftOut {
    count: usize,
    first: Vec<String>,
}

impl LeftOut {
    fn add(&mut self, path: &Path) {
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push(Quoted::new(&path.to_string_lossy()).to_string());
        }
    }

    fn in_words(self, why: &str, hint: &str) -> Option<String> {
        let more =
            if self.count > SHOWN { format!(" and {} more", self.count - SHOWN) } else { String::new() };
        let (names, are) = (self.first.join(", "), if self.count == 1 { "is" } else { "are" });
        (self.count > 0).then(|| format!("left out: {names}{more} {are} {why} ({hint})"))
    }
}

struct Finder<'a> {
    base: &'a str,
    pattern: Option<&'a Pattern>,
    save_as: Option<&'a ArtifactName>,
    is_stopped: &'a dyn Fn() -> bool,
    visited: usize,
    files: Vec<Selected>,
    /// Why the walk has ended.
    wrong: Option<ArtifactError>,
    hidden: LeftOut,
    others: LeftOut,
}

impl Finder<'_> {
    fn end(&mut self, wrong: ArtifactError) -> io::Error {
        self.wrong = Some(wrong);
        io::Error::other("the walk has ended")
    }

    fn count(&mut self) -> io::Result<()> {
        self.visited += 1;
        if self.visited > MAX_VISITED {
            let shown = Quoted::new(self.base);
            let text = format!("below {shown} are more than {MAX_VISITED} files; name a smaller folder");
            return Err(self.end(ArtifactError::Refused(text)));
        }
        if (self.is_stopped)() {
            return Err(self.end(ArtifactError::Stopped));
        }
        Ok(())
    }

    fn take(&mut self, below: &Path) -> io::Result<()> {
        let Some(rest) = below.to_str() else {
            let shown = Quoted::new(&below.to_string_lossy());
            let text = format!("the name of {shown} is not UTF-8; rename the file, or name those to keep");
            return Err(self.end(ArtifactError::Refused(text)));
        };
        let path = if self.base.is_empty() { rest.to_owned() } else { format!("{}/{rest}", self.base) };
        let name = match self.save_as {
            Some(folder) => format!("{folder}/{rest}"),
            None => path.clone(),
        };
        // A walk shortens what is longer.
        if path.len() > MAX_ARTIFACT_NAME {
            let text = format!("{} is too long: more than {MAX_ARTIFACT_NAME} bytes", Quoted::new(&path));
            return Err(self.end(ArtifactError::Refused(text)));
        }
        let name = ArtifactName::parse(&name).map_err(|wrong| self.end(ArtifactError::Refused(wrong)))?;
        if self.files.len() >= MAX_ARTIFACTS {
            let text = format!(
                "more than {MAX_ARTIFACTS} files: pack them into one, such as `(sh \"tar -czf site.tar.gz site\")`"
            );
            return Err(self.end(ArtifactError::Refused(text)));
        }
        self.files.push(Selected { path, name });
        Ok(())
    }
}

impl Visit for Finder<'_> {
    fn file(&mut self, at: BorrowedFd<'_>, name: &OsStr, place: &Place<'_>) -> io::Result<()> {
        self.count()?;
        let below = place.path_of(name);
        let is_hidden = below.iter().any(|part| part.as_encoded_bytes().starts_with(b"."));
        match self.pattern {
            Some(pattern) => {
                let whole = Path::new(self.base).join(&below);
                if !pattern.matches(&whole.to_string_lossy()) {
                    return Ok(());
                }
            }
            None if below.starts_with(".git") => return Ok(()),
            None if is_hidden => {
                self.hidden.add(&below);
                return Ok(());
            }
            None => {}
        }
        let found = statat(at, name, AtFlags::SYMLINK_NOFOLLOW);
        let is_file =
            found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::RegularFile);
        if is_file {
            return self.take(&below);
        }
        self.others.add(&below);
        Ok(())
    }

    fn folder(&mut self, _: BorrowedFd<'_>, _: &OsStr, _: &Place<'_>) -> io::Result<()> {
        self.count()
    }

    fn closed(
        &mut self,
        _: BorrowedFd<'_>,
        name: &OsStr,
        place: &Place<'_>,
        _: io::Error,
    ) -> io::Result<bool> {
        self.others.add(&place.path_of(name));
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{Mode, mknodat};

    use super::*;

    fn names(root: &Folder, given: &str, save_as: Option<&str>) -> Result<String, ArtifactError> {
        let found = select(root, given, save_as, &|| false)?;
        let names: Vec<String> = found
            .files
            .iter()
            .map(|file| format!("{}={}", file.path, file.name))
            .chain(found.left_out)
            .collect();
        Ok(names.join(" "))
    }

    fn tree() -> tempfile::TempDir {
        let outer = tempfile::tempdir().unwrap();
        let work = outer.path().join("work");
        fs::create_dir_all(work.join("dist/css")).unwrap();
        fs::create_dir_all(work.join(".git/objects")).unwrap();
        for file in ["r.xml", "dist/a.html", "dist/css/b.css", "dist/.nojekyll", "we*rd", ".git/config"] {
            fs::write(work.join(file), file).unwrap();
        }
        fs::write(outer.path().join("secret"), "s").unwrap();
        symlink("../../secret", work.join("dist/link")).unwrap();
        symlink("dist", work.join("out")).unwrap();
        mknodat(Folder::open(&work).unwrap(), "fifo", FileType::Fifo, Mode::RWXU, 0).unwrap();
        outer
    }

    #[test]
    fn a_file_a_folder_and_a_pattern_are_found() {
        let outer = tree();
        let root = Folder::open(&outer.path().join("work")).unwrap();
        let left = "left out: `.nojekyll` is hidden (name them to keep them) left out: `link` is not a regular file, or cannot be read (links are not followed)";
        for (given, save_as, expected) in [
            ("r.xml", None, "r.xml=r.xml".to_owned()),
            ("./r.xml", Some("report/r.xml"), "r.xml=report/r.xml".to_owned()),
            ("dist", None, format!("dist/a.html=dist/a.html dist/css/b.css=dist/css/b.css {left}")),
            ("dist/", Some("site"), format!("dist/a.html=site/a.html dist/css/b.css=site/css/b.css {left}")),
            ("**/*.css", None, "dist/css/b.css=dist/css/b.css".to_owned()),
            ("dist/**/*.css", Some("c"), "dist/css/b.css=c/css/b.css".to_owned()),
            ("dist/.nojekyll", None, "dist/.nojekyll=dist/.nojekyll".to_owned()),
            ("we*rd", None, "we*rd=we*rd".to_owned()),
            ("we?rd", None, "we*rd=we*rd".to_owned()),
            (".git/config", None, ".git/config=.git/config".to_owned()),
        ] {
            assert_eq!(names(&root, given, save_as).unwrap(), expected, "{given}");
        }
        assert!(!names(&root, ".", None).unwrap().contains(".git"));
    }

    #[test]
    fn what_is_outside_or_not_a_file_is_refused() {
        let outer = tree();
        let root = Folder::open(&outer.path().join("work")).unwrap();
        for given in [
            "../secret",
            "/etc/passwd",
            "dist/../../secret",
            "dist/link",
            "out/a.html",
            "fifo",
            "",
            "out",
            "out/*",
            "a\0",
        ] {
            assert!(matches!(names(&root, given, None), Err(ArtifactError::Refused(_))), "{given}");
        }
        for given in ["nothing", "r.xml/x", "*.pdf", "no/*.xml"] {
            assert!(matches!(names(&root, given, None), Err(ArtifactError::Missing(_))), "{given}");
        }
        for name in ["../x", "/x", "a\nb", ""] {
            assert!(matches!(names(&root, "r.xml", Some(name)), Err(ArtifactError::Refused(_))), "{name}");
        }
        assert_eq!(select(&root, "dist", None, &|| true).unwrap_err(), ArtifactError::Stopped);
    }

    #[test]
    fn hostile_names_in_a_folder_are_one_clear_error() {
        use std::os::unix::ffi::OsStrExt as _;
        let outer = tempfile::tempdir().unwrap();
        let root = Folder::open(outer.path()).unwrap();
        for name in [&b"a\nb"[..], b"a\xff", b"back\\slash", b"esc\x1b[31m"] {
            fs::create_dir(outer.path().join("d")).unwrap();
            fs::write(outer.path().join("d").join(OsStr::from_bytes(name)), "x").unwrap();
            assert!(matches!(names(&root, "d", None), Err(ArtifactError::Refused(_))), "{name:?}");
            fs::remove_dir_all(outer.path().join("d")).unwrap();
        }
        fs::create_dir(outer.path().join("many")).unwrap();
        for number in 0..=MAX_ARTIFACTS {
            fs::write(outer.path().join(format!("many/{number}")), "").unwrap();
        }
        assert!(names(&root, "many", None).unwrap_err().to_string().contains("pack them"));
        fs::remove_file(outer.path().join("many/0")).unwrap();
        assert!(names(&root, "many", None).is_ok());
    }
}
