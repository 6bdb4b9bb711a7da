//! The data folder and what is where in it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::model::RepoName;

/// The data folder. Only names places; makes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir(PathBuf);

/// What the environment says about where the data folder is.
#[derive(Debug, Clone, Default)]
pub struct DataDirHints {
    /// `--data`.
    pub(crate) flag: Option<PathBuf>,
    /// `QUIRE_DATA`.
    pub(crate) variable: Option<OsString>,
    /// Whether `/var/quire` is there.
    pub(crate) system_exists: bool,
    /// `XDG_DATA_HOME`.
    pub(crate) xdg_data_home: Option<OsString>,
    /// `HOME`.
    pub(crate) home: Option<OsString>,
}

impl DataDir {
    /// The folder at this absolute path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// `--data`, otherwise `QUIRE_DATA`, otherwise `/var/quire` when it exists, otherwise the XDG data folder; `None` when
    /// nothing says where it is. A relative path is relative to `current`.
    pub(crate) fn choose(hints: &DataDirHints, current: &Path) -> Option<Self> {
        let filled =
            |value: &Option<OsString>| value.clone().filter(|value| !value.is_empty()).map(PathBuf::from);
        let chosen = hints
            .flag
            .clone()
            .or_else(|| filled(&hints.variable))
            .or_else(|| hints.system_exists.then(|| PathBuf::from("/var/quire")))
            .or_else(|| {
                filled(&hints.xdg_data_home).filter(|path| path.is_absolute()).map(|path| path.join("quire"))
            })
            .or_else(|| filled(&hints.home).map(|home| home.join(".local/share/quire")))?;
        Some(Self(current.join(chosen)))
    }

    /// The data folder that a repository lies in: the nearest folder above it that has `repos/` on the way down and
    /// `hooks/` next to it. How hooks find it, which must not trust the pusher's environment.
    pub(crate) fn of_repository(git_dir: &Path) -> Option<Self> {
        git_dir
            .ancestors()
            .filter(|folder| folder.file_name().is_some_and(|name| name == "repos"))
            .filter_map(Path::parent)
            .find(|data| data.join("hooks/pre-receive").symlink_metadata().is_ok())
            .map(Self::new)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `config.fnl`.
    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("config.fnl")
    }

    /// The folder of all repositories.
    pub(crate) fn repos(&self) -> PathBuf {
        self.0.join("repos")
    }

    /// A repository.
    pub(crate) fn repo(&self, name: &RepoName) -> PathBuf {
        self.repos().join(name.folder())
    }

    /// The folder of all copies of watched repositories.
    pub(crate) fn watched(&self) -> PathBuf {
        self.0.join("watched")
    }

    /// The copy of a watched repository.
    pub(crate) fn watched_repo(&self, name: &RepoName) -> PathBuf {
        self.watched().join(name.folder())
    }

    /// The repository of this name: a hosted one, or the copy of one that is watched.
    pub(crate) fn git_dir(&self, name: &RepoName, is_watched: bool) -> PathBuf {
        if is_watched { self.watched_repo(name) } else { self.repo(name) }
    }

    /// The working folder of a watch, where it stays for the next run. Its last part is the name, which a compose file takes for that of its project.
    pub(crate) fn kept_workspace(&self, name: &RepoName) -> PathBuf {
        self.0.join("kept").join(name.as_str().replace('/', "+"))
    }

    /// The options of ssh for watched repositories, when the file exists.
    pub(crate) fn ssh_config(&self) -> PathBuf {
        self.0.join("ssh_config")
    }

    /// The name of the repository at this path, if it lies where repositories lie.
    pub(crate) fn repo_name(&self, git_dir: &Path) -> Option<RepoName> {
        let relative = git_dir.strip_prefix(self.repos()).ok()?.to_str()?;
        RepoName::parse(relative).ok().filter(|name| name.folder().as_os_str() == relative)
    }

    /// Where the repository lies by now that lay at this path when the data folder was elsewhere; nothing when this data
    /// folder has none of its name.
    pub(crate) fn moved_repository(&self, git_dir: &Path) -> Option<PathBuf> {
        let mut above: Vec<&Path> = git_dir.ancestors().filter(|folder| folder.ends_with("repos")).collect();
        // The outermost first: what is below it can be a group of that name.
        above.reverse();
        let below = above.into_iter().filter_map(|repos| git_dir.strip_prefix(repos).ok());
        below
            .map(|relative| self.repos().join(relative))
            .find(|path| self.repo_name(path).is_some() && path.is_dir())
    }

    /// The folder of all runs of a repository.
    pub(crate) fn runs(&self, name: &RepoName) -> PathBuf {
        self.0.join("runs").join(name.folder())
    }

    /// The folder of one run.
    pub(crate) fn run(&self, name: &RepoName, number: u64) -> PathBuf {
        self.runs(name).join(number.to_string())
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("quire.db")
    }

    /// Where hooks leave what the server did not take.
    pub(crate) fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    /// What can be made again: compiled pipelines and what was found in folders.
    pub(crate) fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    /// Compiled pipelines, below [`Self::cache`].
    pub(crate) fn compiled(&self) -> PathBuf {
        self.cache().join("fennel")
    }

    /// Checkouts of commits whose push is not accepted yet.
    pub(crate) fn ahead(&self) -> PathBuf {
        self.0.join("ahead")
    }

    /// The checkouts of a source of jobs.
    pub(crate) fn source(&self, name: &str) -> PathBuf {
        self.0.join("sources").join(name)
    }

    /// What is kept of an add-on.
    pub(crate) fn addon(&self, name: &str) -> PathBuf {
        self.0.join("oci").join(name)
    }

    /// The server's Unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("server.sock")
    }

    /// Where commands listen that have something to ask of a server without a socket.
    pub(crate) fn calls(&self) -> PathBuf {
        self.0.join("calls")
    }

    /// Where the server says at which address it answers; empty when it answers at none.
    pub(crate) fn server_url(&self) -> PathBuf {
        self.0.join("server.url")
    }

    /// The file with the number of the last entry in the file of the audit.
    pub(crate) fn audit_cursor(&self) -> PathBuf {
        self.0.join("audit.written")
    }

    /// The file that the one server holds a lock on.
    pub(crate) fn server_lock(&self) -> PathBuf {
        self.0.join("server.lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_then_the_variable_then_the_system_then_xdg() {
        let mut hints = DataDirHints {
            flag: Some("here".into()),
            variable: Some("/v".into()),
            system_exists: true,
            xdg_data_home: Some("/x".into()),
            home: Some("/h".into()),
        };
        let mut next = || {
            let chosen = DataDir::choose(&hints, Path::new("/now")).map(|data| data.path().to_owned());
            if hints.flag.take().is_none() && hints.variable.take().is_none() {
                if hints.system_exists {
                    hints.system_exists = false;
                } else if hints.xdg_data_home.take().is_none() {
                    hints.home = None;
                }
            }
            chosen
        };
        let chosen: Vec<Option<PathBuf>> = (0..6).map(|_| next()).collect();
        let expected = [
            Some("/now/here"),
            Some("/v"),
            Some("/var/quire"),
            Some("/x/quire"),
            Some("/h/.local/share/quire"),
            None,
        ];
        assert_eq!(chosen, expected.map(|path| path.map(PathBuf::from)));
    }

    #[test]
    fn a_repository_knows_its_data_folder_and_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path());
        let repo = data.repo(&RepoName::parse("g/repos").unwrap());
        assert_eq!(DataDir::of_repository(&repo), None);
        std::fs::create_dir_all(folder.path().join("hooks")).unwrap();
        std::fs::write(folder.path().join("hooks/pre-receive"), "").unwrap();
        assert_eq!(DataDir::of_repository(&repo), Some(data.clone()));
        assert_eq!(data.repo_name(&repo).unwrap().as_str(), "g/repos");
        assert_eq!(data.repo_name(&folder.path().join("repos/x")), None);
        assert_eq!(data.repo_name(&folder.path().join("repos/../x.git")), None);
    }

    #[test]
    fn a_repository_is_found_where_the_data_folder_was_moved_to() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().join("repos"));
        let repos = ["a", "repos/a"].map(|name| data.repo(&RepoName::parse(name).unwrap()));
        repos.iter().for_each(|repo| std::fs::create_dir_all(repo).unwrap());
        let [single, grouped] = repos;
        let moved = |path: &str| data.moved_repository(Path::new(path));
        assert_eq!(moved("/old/repos/a.git"), Some(single.clone()));
        assert_eq!(moved("/srv/repos/old/data/repos/a.git"), Some(single));
        assert_eq!(moved("/old/repos/repos/a.git"), Some(grouped));
        for other in ["/old/repos/b.git", "/old/repos/../a.git", "/old/repos/a", "/old/a.git", "a.git"] {
            assert_eq!(moved(other), None, "{other}");
        }
    }
}
