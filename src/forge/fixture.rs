//! A real repository for tests, driven by real git.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::model::{CommitId, RefName};
use crate::sys::git_command::GitCommand;

/// A data folder with one bare repository, and commits that no ref points to yet.
pub(super) struct Fixture {
    pub(super) dir: tempfile::TempDir,
    pub(super) repo: PathBuf,
    pub(super) commits: Vec<CommitId>,
    /// The git that is used; the newer one in `PATH`, unless a test asks for another.
    pub(super) git: String,
}

impl Fixture {
    /// A repository as `new` creates it, with a line of so many commits.
    pub(super) fn with_commits(count: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("repo.git");
        GitCommand::new().args(["init", "-q", "--bare", "-b", "main"]).arg(&repo).run().unwrap();
        let settings = [
            ("core.logAllRefUpdates", "always"),
            ("gc.reflogExpire", "never"),
            ("gc.reflogExpireUnreachable", "never"),
            ("receive.autogc", "false"),
            ("receive.denyDeleteCurrent", "ignore"),
        ];
        let mut fixture = Self { dir, repo, commits: Vec::new(), git: "git".into() };
        for (key, value) in settings {
            fixture.run(&["config", key, value]);
        }
        fixture.make_commits(count);
        fixture
    }

    /// Makes commits, each the parent of the next, with distinct trees.
    fn make_commits(&mut self, count: usize) {
        let repo = git2::Repository::open_bare(&self.repo).unwrap();
        let time = git2::Time::new(1_700_000_000, 0);
        let author = git2::Signature::new("Jo", "jo@home", &time).unwrap();
        for number in 0..count {
            let blob = repo.blob(format!("{number}\n").as_bytes()).unwrap();
            let mut tree = repo.treebuilder(None).unwrap();
            tree.insert("file", blob, 0o100_644).unwrap();
            let tree = repo.find_tree(tree.write().unwrap()).unwrap();
            let parent = self.commits.last().map(|id| git2::Oid::from_bytes(id.as_bytes()).unwrap());
            let parent = parent.map(|id| repo.find_commit(id).unwrap());
            let parents: Vec<_> = parent.iter().collect();
            let message = format!("commit {number}");
            let id = repo.commit(None, &author, &author, &message, &tree, &parents).unwrap();
            self.commits.push(CommitId::parse(&id.to_string()).unwrap());
        }
    }

    /// A git command on the repository, by a committer.
    pub(super) fn call(&self) -> GitCommand {
        named(GitCommand::in_repo(&self.repo).program(&self.git))
    }

    /// Runs git on the repository.
    pub(super) fn run<A: AsRef<OsStr>>(&self, args: &[A]) -> Vec<u8> {
        self.call().args(args.iter()).run().unwrap()
    }

    /// The log of a ref.
    pub(super) fn log(&self, name: &RefName) -> PathBuf {
        use std::os::unix::ffi::OsStrExt as _;
        self.repo.join("logs").join(OsStr::from_bytes(name.as_bytes()))
    }
}

/// Sets the committer of a git command.
pub(super) fn named(call: GitCommand) -> GitCommand {
    call.env("GIT_COMMITTER_NAME", "Jo")
        .env("GIT_COMMITTER_EMAIL", "jo@home")
        .env("GIT_ALLOW_PROTOCOL", "file")
        .env("GIT_AUTHOR_NAME", "Jo")
        .env("GIT_AUTHOR_EMAIL", "jo@home")
}

/// A ref's name.
pub(super) fn ref_name(text: impl AsRef<[u8]>) -> RefName {
    RefName::parse(text.as_ref()).unwrap()
}

/// A git command outside of any repository.
pub(super) fn git_at(folder: &Path) -> GitCommand {
    named(GitCommand::new().arg("-C").arg(folder))
}
