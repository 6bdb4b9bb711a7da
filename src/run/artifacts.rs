//! The artifacts of a run, as its jobs ask for them: found in the workspace, copied, and only then written down.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::artifact::{
    ArtifactError, ArtifactStore, Copied, MAX_ARTIFACTS, MAX_REPORT, Rules, Selected, TestReport, select,
};
use crate::executor::Workspace;
use crate::journal::{ArtifactRecord, Fact, Recorder, TestRecord};
use crate::model::{Outcome, Quoted, Reason, chain, codes, format_size};
use crate::script::{ArtifactCall, SavedArtifact};
use crate::sys::clock;
use crate::sys::folder::Folder;

/// How long files of a job are kept after it was stopped: whoever has stopped it waits.
pub(super) const AFTER_STOP: Duration = Duration::from_secs(10);

/// The most failed tests of a run whose messages are kept.
const MAX_FAILING: usize = 100;

const DAY_MS: i64 = 86_400_000;

/// The artifacts of one run.
pub(crate) struct RunArtifacts {
    recorder: Recorder,
    workspace: Workspace,
    /// The most bytes of all of them.
    most: u64,
    known: Mutex<Known>,
}

/// What was kept, and what is being kept.
#[derive(Default)]
struct Known {
    /// The names, by what those share that differ in case only.
    names: HashMap<String, String>,
    /// The folders of names, in the same form.
    folders: HashSet<String>,
    bytes: u64,
    digests: HashSet<String>,
    failing: usize,
    /// Whether files may be there that no name has.
    has_leftovers: bool,
}

/// Why nothing was kept.
pub(super) enum SaveError {
    /// The files are not as they have to be.
    Artifact(ArtifactError),
    /// The run cannot be written down.
    Broken(String),
}

impl From<ArtifactError> for SaveError {
    fn from(error: ArtifactError) -> Self {
        Self::Artifact(error)
    }
}

impl RunArtifacts {
    /// Touches nothing until something is kept.
    pub(super) fn new(recorder: &Recorder, workspace: &Workspace, most: u64) -> Self {
        Self { recorder: recorder.clone(), workspace: workspace.clone(), most, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a call names: all of it or nothing. Blocking.
    pub(super) fn save(
        &self,
        job: &str,
        call: &ArtifactCall,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<SavedArtifact>, SaveError> {
        let unreadable =
            |error: io::Error| ArtifactError::refused(format!("the workspace: {}", chain(&error)));
        let root = Folder::open(self.workspace.path()).map_err(unreadable)?;
        let selection = select(&root, &call.path, call.save_as.as_deref(), is_stopped)?;
        for note in &selection.left_out {
            self.say(job, &format!("artifact {}: {note}", Quoted::new(&call.path)));
        }
        self.reserve(&selection.files)?;
        let mut taken = 0;
        let copied = self.copy(&root, (call, &selection.files), &mut taken, is_stopped);
        let copied = match copied {
            Ok(copied) => copied,
            Err(error) => {
                self.release(&selection.files, taken);
                return Err(error.into());
            }
        };
        let expires_ms =
            call.keep_days.map(|days| clock::now().as_millis().saturating_add(DAY_MS * i64::from(days)));
        let mut saved = Vec::new();
        for (file, copied) in selection.files.iter().zip(copied) {
            let name = file.name.as_str().to_owned();
            let tests = self.tests_of(job, call, (&name, &copied));
            let artifact = ArtifactRecord {
                path: name.clone(),
                size_bytes: copied.size,
                sha256: copied.sha256.clone(),
                expires_ms,
                tests,
            };
            let fact = Fact::ArtifactSaved { job: job.to_owned(), artifact: Box::new(artifact) };
            self.recorder.write(fact).map_err(|error| SaveError::Broken(chain(&error)))?;
            self.known().digests.insert(copied.sha256.clone());
            saved.push(SavedArtifact { name, size: copied.size, sha256: copied.sha256 });
        }
        Ok(saved)
    }

    /// Keeps what a job that has ended declares, and says how it ended with that: files that are missing are a warning, and
    /// those that cannot be kept fail a job that has passed. Blocking.
    pub(super) fn collect(
        &self,
        job: &str,
        calls: &[ArtifactCall],
        (is_stopped, ended): (&dyn Fn() -> bool, (Outcome, Option<Reason>)),
    ) -> Result<(Outcome, Option<Reason>), String> {
        let stopped_at = Cell::new(None);
        let is_late = || {
            if stopped_at.get().is_none() && is_stopped() {
                stopped_at.set(Some(Instant::now()));
            }
            stopped_at.get().is_some_and(|at| at.elapsed() > AFTER_STOP)
        };
        let mut ended = ended;
        for call in calls {
            match self.save(job, call, &is_late) {
                Ok(_) => {}
                Err(SaveError::Broken(problem)) => return Err(problem),
                Err(SaveError::Artifact(error @ ArtifactError::Missing(_))) => {
                    self.say(job, &format!("warning: :artifacts: {error}"));
                }
                Err(SaveError::Artifact(error)) => {
                    let text = format!(":artifacts: {error}");
                    self.say(job, &format!("error: {text}"));
                    if ended.0 == Outcome::Passed {
                        ended = (Outcome::Failed, Some(Reason::new(codes::ARTIFACT, text)));
                    }
                }
            }
        }
        Ok(ended)
    }

    /// Removes what was copied and never written down. Blocking.
    pub(super) fn finish(&self) {
        let known = self.known();
        if known.has_leftovers {
            let keep = known.digests.iter().map(String::as_str).collect();
            if let Err(error) = ArtifactStore::of(self.recorder.run_dir()).sweep(&keep) {
                tracing::warn!(%error, "files of artifacts may be left");
            }
        }
    }

    fn say(&self, job: &str, text: &str) {
        self.recorder.print(Some(job), text.as_bytes());
    }

    /// Takes the names of files, so that no other call gets them.
    fn reserve(&self, files: &[Selected]) -> Result<(), ArtifactError> {
        let mut known = self.known();
        if known.names.len() + files.len() > MAX_ARTIFACTS {
            let text = format!(
                "a run has at most {MAX_ARTIFACTS} artifacts: pack many files into one, such as \
                                `(sh \"tar -czf site.tar.gz site\")`"
            );
            return Err(ArtifactError::Refused(text));
        }
        for (place, file) in files.iter().enumerate() {
            if let Err(refused) = self.reserve_one(&mut known, file) {
                known.forget(files.get(..place).unwrap_or_default());
                return Err(refused);
            }
        }
        Ok(())
    }

    fn reserve_one(&self, known: &mut Known, file: &Selected) -> Result<(), ArtifactError> {
        let (name, key) = (file.name.as_str(), file.name.key());
        if self.recorder.redact(name).as_ref() != name {
            return Err(ArtifactError::refused(
                "the name of an artifact holds the value of a secret; choose one with `:as`",
            ));
        }
        let shown = Quoted::new(name);
        if let Some(other) = known.names.get(&key) {
            let text = match other == name {
                true => format!("the run has an artifact {shown} already; choose another name with `:as`"),
                false => format!(
                    "the run has an artifact {}, and {shown} differs in case only; choose another name with `:as`",
                    Quoted::new(other)
                ),
            };
            return Err(ArtifactError::Refused(text));
        }
        let is_taken =
            known.folders.contains(&key) || ancestors(&key).any(|folder| known.names.contains_key(folder));
        if is_taken {
            let text = format!(
                "{shown} is both a folder and a file among the artifacts; choose another name with `:as`"
            );
            return Err(ArtifactError::Refused(text));
        }
        known.folders.extend(ancestors(&key).map(str::to_owned));
        known.names.insert(key, name.to_owned());
        Ok(())
    }

    fn release(&self, files: &[Selected], taken: u64) {
        let mut known = self.known();
        known.forget(files);
        known.bytes -= taken;
        known.has_leftovers = true;
    }

    /// Copies files, each within what is left of the run's bytes; `taken` counts what they have used.
    fn copy(
        &self,
        root: &Folder,
        (call, files): (&ArtifactCall, &[Selected]),
        taken: &mut u64,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<Copied>, ArtifactError> {
        let store = ArtifactStore::of(self.recorder.run_dir());
        let failed =
            |error: io::Error| ArtifactError::refused(format!("artifacts cannot be kept: {}", chain(&error)));
        let into = store.make().map_err(failed)?;
        let mut copied = Vec::new();
        for file in files {
            let source = self.open(root, &file.path)?;
            let length = source.metadata().map_err(failed)?.len();
            self.take(length, &file.path)?;
            *taken += length;
            let secrets = (!call.allow_secrets).then(|| self.recorder.secret_finder()).flatten();
            let mut rules = Rules { most: (length, "that are left"), secrets, is_stopped };
            let one = store.copy(&into, (source, &file.path), &mut rules)?;
            // What was written is what counts.
            *taken = *taken - length + one.size;
            let mut known = self.known();
            known.bytes = known.bytes - length + one.size;
            copied.push(one);
        }
        ArtifactStore::settle(&into).map_err(failed)?;
        Ok(copied)
    }

    /// Opens a file of the workspace. No link is followed on the way to it.
    fn open(&self, root: &Folder, path: &str) -> Result<File, ArtifactError> {
        let shown = Quoted::new(path);
        let opened = root.open_file(Path::new(path)).and_then(|file| {
            self.workspace.refuse_foreign(&file.metadata()?)?;
            Ok(file)
        });
        opened.map_err(|error| ArtifactError::Refused(format!("{shown} cannot be kept: {}", chain(&error))))
    }

    /// Takes so many bytes of those that the run may keep.
    fn take(&self, length: u64, path: &str) -> Result<(), ArtifactError> {
        let mut known = self.known();
        let left = self.most.saturating_sub(known.bytes);
        if length > left {
            let text = format!(
                "{} has {length} bytes, and {left} are left of the {} for the artifacts of a run (:limits :artifact-bytes of \
                 config.fnl)",
                Quoted::new(path),
                format_size(self.most)
            );
            return Err(ArtifactError::Refused(text));
        }
        known.bytes += length;
        Ok(())
    }

    /// What a file says, when it is a test report.
    fn tests_of(
        &self,
        job: &str,
        call: &ArtifactCall,
        (name, copied): (&str, &Copied),
    ) -> Option<TestRecord<String>> {
        if !call.is_report && !name.to_lowercase().ends_with(".xml") {
            return None;
        }
        let read = || -> Result<TestReport, String> {
            if copied.size > MAX_REPORT {
                return Err(format!("it has more than {}", format_size(MAX_REPORT)));
            }
            let file = ArtifactStore::of(self.recorder.run_dir()).open(&copied.sha256);
            let mut bytes = Vec::new();
            let read = file.and_then(|file| file.take(MAX_REPORT).read_to_end(&mut bytes));
            read.map_err(|error| chain(&error))?;
            TestReport::parse(&bytes).map_err(|error| error.to_string())
        };
        match read() {
            Ok(report) => {
                let mut known = self.known();
                let tests = TestRecord::of(report, MAX_FAILING.saturating_sub(known.failing));
                known.failing += tests.failing.len();
                Some(tests)
            }
            Err(problem) => {
                if call.is_report {
                    self.say(
                        job,
                        &format!("warning: {} is not read as a test report: {problem}", Quoted::new(name)),
                    );
                }
                None
            }
        }
    }
}

impl Known {
    fn forget(&mut self, files: &[Selected]) {
        for file in files {
            self.names.remove(&file.name.key());
        }
        self.folders = self.names.keys().flat_map(|key| ancestors(key)).map(str::to_owned).collect();
    }
}

/// The folders that a path is in.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter_map(|(end, _)| path.get(..end))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::journal::RunRecord;
    use crate::model::{SecretName, Timestamp};
    use crate::secret::Redactor;

    struct Scene {
        folder: tempfile::TempDir,
        artifacts: RunArtifacts,
    }

    impl Scene {
        fn new(most: u64, secret: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (run, work) = (folder.path().join("run"), folder.path().join("work"));
            fs::create_dir(&run).unwrap();
            fs::create_dir(&work).unwrap();
            let redactor =
                Redactor::new(vec![(SecretName::parse("token").unwrap(), secret.as_bytes().to_vec().into())]);
            let recorder = Recorder::open(&run, redactor, 1 << 20).unwrap();
            let artifacts = RunArtifacts::new(&recorder, &Workspace::new(work), most);
            Self { folder, artifacts }
        }

        fn write(&self, path: &str, text: &[u8]) {
            let path = self.folder.path().join("work").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn save(&self, path: &str, change: impl Fn(&mut ArtifactCall)) -> Result<usize, String> {
            let mut call = ArtifactCall { path: path.to_owned(), ..ArtifactCall::default() };
            change(&mut call);
            match self.artifacts.save("j", &call, &|| false) {
                Ok(saved) => Ok(saved.len()),
                Err(SaveError::Artifact(error)) => Err(error.to_string()),
                Err(SaveError::Broken(error)) => panic!("{error}"),
            }
        }

        fn listed(&self) -> Vec<ArtifactRecord> {
            let record = RunRecord::try_read(&self.folder.path().join("run")).unwrap();
            record.artifacts.into_iter().map(|(_, artifact)| artifact).collect()
        }

        fn files(&self) -> usize {
            fs::read_dir(self.folder.path().join("run/artifacts")).map_or(0, Iterator::count)
        }
    }

    #[test]
    fn a_call_keeps_all_files_or_none() {
        let scene = Scene::new(1_000, "s3cr3t-value");
        for file in ["d/a", "d/b", "d/c"] {
            scene.write(file, file.as_bytes());
        }
        assert_eq!(scene.save("d", |_| ()), Ok(3));
        scene.write("e/1", b"fine");
        scene.write("e/2", b"a s3cr3t-value here");
        let refused = scene.save("e", |_| ()).unwrap_err();
        assert!(refused.contains("`token`") && refused.contains(":allow-secrets"), "{refused}");
        assert_eq!((scene.listed().len(), scene.files()), (3, 4), "what was copied before is not listed");
        scene.artifacts.finish();
        assert_eq!(scene.files(), 3);
        assert_eq!(scene.save("e", |call| call.allow_secrets = true), Ok(2));
        scene.write("big", &[b'x'; 990]);
        assert!(scene.save("big", |_| ()).unwrap_err().contains(":artifact-bytes"));
        assert_eq!(scene.listed().len(), 5);
    }

    #[test]
    fn a_name_is_taken_once_whatever_its_case() {
        let scene = Scene::new(1_000, "s3cr3t-value");
        for file in ["a/b", "x", "s3cr3t-value"] {
            scene.write(file, b"1");
        }
        let named = |name: &'static str| scene.save("x", move |call| call.save_as = Some(name.to_owned()));
        assert_eq!(scene.save("a/b", |_| ()), Ok(1));
        for (name, part) in [("a/b", "already"), ("A/b", "case only"), ("a", "folder"), ("A/B/c", "folder")] {
            assert!(named(name).unwrap_err().contains(part), "{name}");
        }
        let refused = scene.save("s3cr3t-value", |_| ()).unwrap_err();
        assert!(refused.contains("secret") && !refused.contains("s3cr3t"), "{refused}");
        assert_eq!(named("a/c"), Ok(1));
        // What was refused has left no name behind.
        assert_eq!(scene.save("x", |_| ()), Ok(1));
    }

    #[test]
    fn the_tests_of_a_report_are_written_down_without_secrets() {
        let scene = Scene::new(1 << 20, "s3cr3t-value");
        scene.write(
            "r.xml",
            b"<testsuite name='s'><testcase name='t'><failure>got s3cr3t-value</failure></testcase><testcase/></testsuite>",
        );
        scene.write("pom.xml", b"<project/>");
        assert!(scene.save("r.xml", |_| ()).is_err());
        assert_eq!(scene.save("r.xml", |call| (call.allow_secrets, call.keep_days) = (true, Some(2))), Ok(1));
        assert_eq!(scene.save("pom.xml", |call| call.is_report = true), Ok(1));
        let listed = scene.listed();
        let tests = listed[0].tests.as_ref().unwrap();
        assert_eq!((tests.passed, tests.failed, &*tests.failing[0].message), (1, 1, "got <redacted>"));
        assert!(listed[0].has_expired(Timestamp::from_millis(clock::now().as_millis() + 3 * DAY_MS)));
        assert!(!listed[0].has_expired(clock::now()) && listed[1].tests.is_none());
        let log = fs::read_to_string(scene.folder.path().join("run/log/j/script.log")).unwrap();
        assert!(log.contains("`pom.xml` is not read as a test report"), "{log}");
    }

    #[test]
    fn a_job_that_passed_fails_when_its_artifacts_cannot_be_kept() {
        let scene = Scene::new(10, "s3cr3t-value");
        scene.write("big", &[b'x'; 11]);
        let calls = |path: &str| [ArtifactCall { path: path.to_owned(), ..ArtifactCall::default() }];
        let ended = |outcome, path: &str| {
            scene.artifacts.collect("j", &calls(path), (&|| false, (outcome, None))).unwrap().0
        };
        assert_eq!(ended(Outcome::Passed, "missing"), Outcome::Passed);
        assert_eq!(ended(Outcome::Passed, "big"), Outcome::Failed);
        assert_eq!(ended(Outcome::TimedOut, "big"), Outcome::TimedOut);
    }
}
