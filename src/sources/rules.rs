//! The operator's lists: which folders and which machines sources may come from.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::error::SourceError;
use crate::model::{Quoted, RemoteUrl};
use crate::policy::Bundle;

/// The operator's lists. Relative paths are relative to the working directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceRules {
    /// The working directory.
    pub(crate) cwd: PathBuf,
    /// Where the job folders of the default root are.
    pub(crate) scripts: PathBuf,
    /// Folders, in addition to `scripts`.
    pub(crate) local_roots: Vec<PathBuf>,
    /// Machines: `HOST`, or `HOST:PORT`.
    pub(crate) git_hosts: Vec<String>,
}

impl Default for SourceRules {
    fn default() -> Self {
        Self::at(Path::new("."))
    }
}

impl SourceRules {
    /// The rules of who says nothing, in a working directory: its `scripts` alone.
    pub(crate) fn at(cwd: &Path) -> Self {
        Self {
            cwd: cwd.to_owned(),
            scripts: cwd.join("scripts"),
            local_roots: Vec::new(),
            git_hosts: Vec::new(),
        }
    }

    /// The same rules with what a bundle allows.
    #[must_use]
    pub(crate) fn with(mut self, bundle: Option<&Bundle>) -> Self {
        if let Some(bundle) = bundle {
            self.local_roots.extend(bundle.allowed_local_roots.iter().map(PathBuf::from));
            self.git_hosts.extend(bundle.allowed_git_hosts.iter().cloned());
        }
        self
    }

    /// The allowed folders that exist, without links.
    fn roots(&self) -> Vec<PathBuf> {
        let listed = self.local_roots.iter().map(|root| self.cwd.join(root));
        let all = [self.scripts.clone()].into_iter().chain(listed);
        all.filter_map(|root| fs::canonicalize(root).ok()).collect()
    }

    /// Whether a path without links is in an allowed folder.
    pub(super) fn contains(&self, real: &Path) -> bool {
        self.roots().iter().any(|root| real.starts_with(root))
    }

    /// The folder that a path means, without links: relative to `scripts`, the working directory, or another allowed folder.
    ///
    /// # Errors
    /// It is not in an allowed folder, or there is no such folder in one.
    pub(super) fn folder(&self, path: &str) -> Result<PathBuf, SourceError> {
        let roots = self.roots();
        let is_inside = |path: &Path| roots.iter().any(|root| path.starts_with(root));
        let shown = Quoted::new(path);
        if path.contains('\0') {
            return Err(SourceError::new("invalid ref", format!("{shown} is not a path")));
        }
        let bases = [&self.scripts, &self.cwd].into_iter().chain(&roots);
        let candidates: Vec<PathBuf> = bases.map(|base| base.join(path)).collect();
        let real: Vec<PathBuf> =
            candidates.iter().filter_map(|candidate| fs::canonicalize(candidate).ok()).collect();
        if let Some(real) = real.iter().find(|real| is_inside(real)) {
            return match (real.is_dir(), real.to_str()) {
                (true, Some(_)) => Ok(real.clone()),
                (false, _) => Err(SourceError::new("invalid ref", format!("{shown} is not a folder"))),
                (true, None) => {
                    Err(SourceError::new("invalid ref", format!("the path of {shown} is not UTF-8")))
                }
            };
        }
        // Whether anything exists elsewhere is nobody's business.
        let cwd = fs::canonicalize(&self.cwd).unwrap_or_default();
        let would_be_inside = |candidate: &PathBuf| is_inside(&plain(&cwd.join(candidate)));
        if real.is_empty() && candidates.iter().any(would_be_inside) {
            return Err(SourceError::new("invalid ref", format!("there is no folder {shown}")));
        }
        let hint = "--allow-local-root DIR, or allowed_local_roots in the policy bundle, allows a folder";
        Err(SourceError::not_allowed(format!("{shown} is not in an allowed folder")).hint(hint))
    }

    /// Checks that a repository may be fetched from its machine.
    ///
    /// # Errors
    /// The machine is not on the list.
    pub(super) fn check_host(&self, url: &RemoteUrl) -> Result<(), SourceError> {
        if self.git_hosts.iter().any(|listed| is_host(listed, url)) {
            return Ok(());
        }
        let detail = format!("`{}` is not an allowed host", host_name(url.host()));
        let hint = "--allow-git-host HOST[:PORT], or allowed_git_hosts in the policy bundle, allows a host";
        Err(SourceError::not_allowed(detail).hint(hint))
    }
}

/// Whether an entry of the list means the machine of an address. An entry without a port means all ports.
fn is_host(listed: &str, url: &RemoteUrl) -> bool {
    let (host, port) = match listed.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inside, port)) => (inside, port.strip_prefix(':')),
        // More than one colon: an address of IPv6 without a port.
        None if listed.matches(':').count() > 1 => (listed, None),
        None => listed.split_once(':').map_or((listed, None), |(host, port)| (host, Some(port))),
    };
    host_name(host).eq_ignore_ascii_case(host_name(url.host()))
        && port.is_none_or(|port| port.parse() == Ok(url.port()))
}

/// A name without the dot that ends a full one.
fn host_name(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// A path without `.` and `..`, as far as that can be said without looking.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_is_in_an_allowed_one_after_links_and_dots() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        for folder in ["project/scripts/demo", "extra/hello", "secret/jobs", "extra-not"] {
            fs::create_dir_all(top.join(folder)).unwrap();
        }
        fs::write(top.join("extra/file"), "").unwrap();
        symlink(top.join("secret"), top.join("extra/out")).unwrap();
        symlink(top.join("extra/hello"), top.join("extra/in")).unwrap();
        symlink(top.join("extra/hello"), top.join("elsewhere")).unwrap();
        let rules =
            SourceRules { local_roots: vec!["../extra".into()], ..SourceRules::at(&top.join("project")) };
        for (path, real) in [
            ("demo", "project/scripts/demo"),
            ("./demo/", "project/scripts/demo"),
            (".", "project/scripts"),
            ("scripts/demo", "project/scripts/demo"),
            ("../extra", "extra"),
            ("../extra/hello/../in", "extra/hello"),
            ("hello", "extra/hello"),
            // A link in a folder that is not listed leads into one that is.
            ("../elsewhere", "extra/hello"),
        ] {
            assert_eq!(rules.folder(path).unwrap(), top.join(real), "{path}");
        }
        let absolute = top.join("extra/hello");
        assert_eq!(rules.folder(absolute.to_str().unwrap()).unwrap(), absolute);
        for (path, title) in [
            ("..", "source not allowed"),
            ("../secret", "source not allowed"),
            ("../secret/none", "source not allowed"),
            ("../extra-not", "source not allowed"),
            ("../extra/../secret/jobs", "source not allowed"),
            ("../extra/out", "source not allowed"),
            ("../extra/out/jobs", "source not allowed"),
            ("/etc", "source not allowed"),
            ("/no/such/folder", "source not allowed"),
            ("../extra/file", "invalid ref"),
            ("../extra/none", "invalid ref"),
            ("none", "invalid ref"),
            ("project", "invalid ref"),
            ("a\0b", "invalid ref"),
        ] {
            assert_eq!(rules.folder(path).unwrap_err().title, title, "{path:?}");
        }
        let nothing = SourceRules::at(&top.join("secret"));
        assert_eq!(nothing.folder("jobs").unwrap_err().code, Some("source.not.allowed"));
    }

    #[test]
    fn a_host_is_allowed_by_name_and_port() {
        let check = |listed: &str, url: &str| {
            let rules = SourceRules { git_hosts: vec![listed.to_owned()], ..SourceRules::default() };
            rules.check_host(&RemoteUrl::parse(url).unwrap()).is_ok()
        };
        for (listed, url, is_allowed) in [
            ("git.example.org", "https://git.example.org/x", true),
            ("GIT.example.org.", "https://git.EXAMPLE.org/x", true),
            ("git.example.org", "https://git.example.org:8443/x", true),
            ("git.example.org:443", "https://git.example.org/x", true),
            ("git.example.org:443", "https://git.example.org:8443/x", false),
            ("git.example.org:443", "http://git.example.org/x", false),
            ("git.example.org:22", "git@git.example.org:x", true),
            ("example.org", "https://git.example.org/x", false),
            ("git.example.org", "https://git.example.org.evil.test/x", false),
            ("[::1]:3000", "http://[::1]:3000/x", true),
            ("[::1]", "http://[::1]:3000/x", true),
            ("::1", "http://[::1]:3000/x", true),
            ("[::1]:3000", "http://[::1]:3001/x", false),
            ("*", "https://git.example.org/x", false),
            ("", "https://git.example.org/x", false),
        ] {
            assert_eq!(check(listed, url), is_allowed, "{listed} {url}");
        }
        assert!(SourceRules::default().check_host(&RemoteUrl::parse("https://h/x").unwrap()).is_err());
    }
}
