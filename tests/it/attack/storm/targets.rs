//! What refs are moved to: commits in a line and beside it, one without a pipeline, and annotated tags.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::Random;
use crate::stories::world::World;

/// The length of the line of commits, and of the one beside it.
const LINES: (usize, usize) = (6, 3);

/// The value of a ref that is not there.
pub(super) const ZERO: &str = "0000000000000000000000000000000000000000";

/// An object that a ref can have as its value.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) id: String,
    /// The commit that it is or leads to.
    pub(super) commit: String,
    pub(super) has_pipeline: bool,
}

/// A repository that has all targets; everybody pushes from it.
pub(super) struct Targets {
    pub(super) folder: PathBuf,
    list: Vec<Target>,
}

impl Targets {
    /// Makes the targets. Each step of their pipeline writes into the file `marks` when it begins and when it ends.
    pub(super) fn new(world: &World, marks: &Path) -> Self {
        let folder = world.path().join("targets");
        fs::create_dir_all(folder.join(".quire")).unwrap();
        let mut targets = Self { folder, list: Vec::new() };
        let git = |targets: &Self, args: &[&str]| {
            let ended = world.run(world.command("git").arg("-C").arg(&targets.folder).args(args));
            assert_eq!(ended.exit, 0, "git {args:?}: {}", ended.output);
            ended.output.trim().to_owned()
        };
        git(&targets, &["init", "-q"]);
        git(&targets, &["commit", "-q", "--allow-empty", "-m", "without a pipeline"]);
        targets.add(&git(&targets, &["rev-parse", "HEAD"]), false);
        fs::write(targets.folder.join(".quire/ci.fnl"), pipeline(marks)).unwrap();
        git(&targets, &["add", "-A"]);
        for branch in ["main", "beside"] {
            let count = if branch == "main" { LINES.0 } else { LINES.1 };
            git(&targets, &["checkout", "-q", "-B", branch]);
            for number in 0..count {
                git(&targets, &["commit", "-q", "--allow-empty", "-m", &format!("{branch} {number}")]);
                targets.add(&git(&targets, &["rev-parse", "HEAD"]), true);
            }
            // The other line leaves the first one where that begins to have a pipeline.
            git(&targets, &["checkout", "-q", &targets.list[1].id]);
        }
        for number in 0..2 {
            let (name, commit) = (format!("v{number}"), targets.list[2 + number].id.clone());
            git(&targets, &["tag", "-a", "-m", "annotated", &name, &commit]);
            let id = git(&targets, &["rev-parse", &name]);
            targets.list.push(Target { id, commit, has_pipeline: true });
        }
        targets
    }

    fn add(&mut self, id: &str, has_pipeline: bool) {
        self.list.push(Target { id: id.to_owned(), commit: id.to_owned(), has_pipeline });
    }

    /// Any of them; for a branch a commit.
    pub(super) fn any(&self, random: &mut Random, ref_name: &str) -> &Target {
        loop {
            let target = random.pick(&self.list);
            if target.id == target.commit || ref_name.starts_with("refs/tags/") {
                return target;
            }
        }
    }

    /// The target of an id.
    pub(super) fn of(&self, id: &str) -> Option<&Target> {
        self.list.iter().find(|target| target.id == id)
    }
}

/// One job of one step, which takes 0 to 80 ms. Both marks are one small write at the end of the file.
fn pipeline(marks: &Path) -> String {
    let marks = marks.display();
    format!(
        "(local ci (require :quire.ci))\n\
         (ci:job :work [:quire/push]\n  (fn [{{:inputs {{:quire/push push}}}}]\n    \
         (sh (.. \"echo begin $QUIRE_RUN \" push.sha \" >>{marks}; sleep 0.0$(($$ % 9)); echo end $QUIRE_RUN \" push.sha \" >>{marks}\"))))\n"
    )
}
