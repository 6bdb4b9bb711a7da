//! The settings as they are valid now, of `config.fnl` and of a list of watches next to it: a bad edit keeps the last good
//! ones, and says so.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinError;

use super::protected_text::protected_text;
use super::read::{ConfigError, read, text_of};
use super::settings::Settings;
use super::watch_list::{is_same, read_list_file, read_watch_list};
use crate::model::{Diagnostic, RepoName, chain, render_all};

/// What distinguishes one state of the file from another: inode, size, time of change. Nothing when it is not there.
type Stamp = Option<(u64, u64, i64, i64)>;

/// `config.fnl`, read again when it has changed.
#[derive(Debug)]
pub struct CurrentSettings {
    path: PathBuf,
    additions: Additions,
    last: Mutex<Last>,
}

/// What counts as if it stood in `config.fnl`.
#[derive(Debug, Clone, Default)]
pub struct Additions {
    /// A list of watches.
    pub(crate) list: Option<PathBuf>,
    /// Names of `:pass-env`.
    pub(crate) pass_env: Vec<String>,
    /// The bundle, instead of that of `:policy`.
    pub(crate) bundle: Option<PathBuf>,
}

/// What was read last.
#[derive(Debug)]
struct Last {
    /// Nothing before they were read.
    stamps: Option<[Stamp; 2]>,
    /// Whether the settings are those of a file.
    is_written: bool,
    /// The last good settings.
    settings: Arc<Settings>,
    /// What is wrong with the files since.
    trouble: Option<String>,
    /// The rules about protected refs as the last good file has them.
    protected: Option<Vec<u8>>,
    /// Whether the files, which cannot be used, have others.
    changes_protected: bool,
}

impl CurrentSettings {
    /// Reads `config.fnl` for the first time.
    ///
    /// # Errors
    /// When it cannot be used: there are no last good settings yet.
    #[cfg(test)]
    pub(crate) fn load(path: PathBuf) -> Result<Self, ConfigError> {
        Self::load_with(path, Additions::default())
    }

    /// The same with additions.
    ///
    /// # Errors
    /// When one of the two files cannot be used.
    pub(crate) fn load_with(path: PathBuf, additions: Additions) -> Result<Self, ConfigError> {
        let last = Mutex::new(load(&path, &additions)?);
        Ok(Self { path, additions, last })
    }

    /// `config.fnl` before it was read.
    pub(crate) fn unread(path: PathBuf) -> Self {
        let last = Last {
            stamps: None,
            is_written: false,
            settings: Arc::default(),
            trouble: None,
            protected: None,
            changes_protected: false,
        };
        Self { path, additions: Additions::default(), last: Mutex::new(last) }
    }

    /// The settings as they are valid now; those of a file that was not read before have to be good. Blocking.
    ///
    /// # Errors
    /// When the file cannot be used and never could.
    pub(crate) fn read(&self) -> Result<Arc<Settings>, ConfigError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.stamps.is_none() {
            *last = load(&self.path, &self.additions)?;
        }
        drop(last);
        Ok(self.get())
    }

    /// The last settings, when the file has not changed since: one look at its entry, and nothing is read.
    pub(crate) fn unchanged(&self) -> Option<Arc<Settings>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (Some(stamps(&self.path, self.additions.list.as_deref())) == last.stamps)
            .then(|| Arc::clone(&last.settings))
    }

    /// The settings as they are valid now, on an async runtime: files that have changed are read on a blocking thread.
    ///
    /// # Errors
    /// The runtime ends, or reading has panicked.
    pub(crate) async fn get_async(self: &Arc<Self>) -> Result<Arc<Settings>, JoinError> {
        match self.unchanged() {
            Some(settings) => Ok(settings),
            None => {
                let current = Arc::clone(self);
                tokio::task::spawn_blocking(move || current.get()).await
            }
        }
    }

    /// What is wrong with the files as they are now, so that older settings are in force: one line for whoever is not the
    /// operator. It has the place of the first mistake and not its text, which may hold what stands in the file. Blocking.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.get();
        self.last.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone()
    }

    /// Why it is not known which refs are protected: the files cannot be used, and their rules are not those of the last good ones.
    /// As of the last time that they were read.
    pub(crate) fn unknown_protection(&self) -> Option<String> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.trouble.clone().filter(|_| last.changes_protected)
    }

    /// Reads the files again, also when they look unchanged; what is wrong with them, in one line. Blocking.
    ///
    /// # Errors
    /// When they cannot be used: older settings stay in force.
    pub(crate) fn reload(&self) -> Result<(), String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).stamps = None;
        self.trouble().map_or(Ok(()), Err)
    }

    /// The settings as they are valid now. Blocking.
    pub(crate) fn get(&self) -> Arc<Settings> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = Some(stamps(&self.path, self.additions.list.as_deref()));
        if stamps != last.stamps {
            last.stamps = stamps;
            (last.trouble, last.changes_protected) = (None, false);
            let text = text_of(&self.path);
            let protected = text.as_ref().ok().and_then(|text| protected_of(text.as_deref()));
            // An editor empties a file before it fills it, or takes it away before it writes another: that moment must
            // not take all secrets away.
            let is_blank = text.as_ref().is_ok_and(|text| match text {
                None => last.is_written,
                Some(text) => text.iter().all(u8::is_ascii_whitespace),
            });
            let is_there = matches!(text, Ok(Some(_)));
            let settings = text.and_then(|text| read_all(text.as_deref(), &self.additions));
            match settings {
                Ok(_) if is_blank => {
                    tracing::warn!(
                        "config.fnl is empty or gone, the last good one stays valid; {{}} would mean no settings"
                    );
                    last.trouble = Some("config.fnl is empty or gone".to_owned());
                }
                Ok(settings) => {
                    tracing::info!("the settings have changed");
                    (last.settings, last.is_written, last.protected) =
                        (Arc::new(settings), is_there, protected);
                }
                Err(ConfigError::Wrong(wrong)) => {
                    let problems = render_all(&wrong);
                    last.trouble = Some(format!("{} cannot be used", first_place(&wrong)));
                    last.changes_protected = protected.is_some() && protected != last.protected;
                    tracing::error!(
                        "{} cannot be used, the last good one stays valid:\n{problems}",
                        self.shown()
                    );
                }
                Err(error) => {
                    let problem = chain(&error);
                    last.trouble = Some(format!("{} cannot be read", self.shown()));
                    tracing::error!(
                        problem,
                        "{} cannot be read, the last good one stays valid",
                        self.shown()
                    );
                }
            }
        }
        Arc::clone(&last.settings)
    }

    /// The files for a message.
    fn shown(&self) -> String {
        let list = self.additions.list.as_ref().and_then(|list| list.file_name());
        list.map_or("config.fnl".to_owned(), |list| format!("config.fnl or {}", list.display()))
    }
}

/// Reads the files for the first time.
fn load(path: &std::path::Path, additions: &Additions) -> Result<Last, ConfigError> {
    let stamps = Some(stamps(path, additions.list.as_deref()));
    let text = text_of(path)?;
    let settings = Arc::new(read_all(text.as_deref(), additions)?);
    let protected = protected_of(text.as_deref());
    let is_written = text.is_some();
    Ok(Last { stamps, is_written, settings, trouble: None, protected, changes_protected: false })
}

fn protected_of(text: Option<&[u8]>) -> Option<Vec<u8>> {
    text.and_then(protected_text).map(<[u8]>::to_vec)
}

/// Reads the text of `config.fnl`, when there is one, and adds what counts as if it stood there.
fn read_all(text: Option<&[u8]>, additions: &Additions) -> Result<Settings, ConfigError> {
    let mut settings =
        text.map_or_else(|| Ok(Settings::default()), |text| read(text).map_err(ConfigError::Wrong))?;
    settings.pass_env.extend(additions.pass_env.iter().cloned());
    settings.policy.bundle = additions.bundle.clone().or(settings.policy.bundle);
    let Some(list) = &additions.list else { return Ok(settings) };
    let Some(text) = read_list_file(list)? else { return Ok(settings) };
    let file = list.display().to_string();
    let listed = read_watch_list(&file, &text).map_err(ConfigError::Wrong)?;
    let is_declared = |name: &RepoName| settings.watches.iter().any(|watch| is_same(&watch.name, name));
    let twice: Vec<Diagnostic> = listed
        .iter()
        .filter(|listed| is_declared(&listed.watch.name))
        .map(|listed| {
            let message = format!("the watch `{}` stands in config.fnl as well", listed.watch.name);
            Diagnostic::error(&file, message).at(listed.place, &text).help("remove one of the two")
        })
        .collect();
    if !twice.is_empty() {
        return Err(ConfigError::Wrong(twice));
    }
    settings.watches.extend(listed.into_iter().map(|listed| listed.watch));
    Ok(settings)
}

/// The place of the first of some mistakes, in a file without its folder.
pub(crate) fn first_place(wrong: &[Diagnostic]) -> String {
    let first = wrong.iter().min_by_key(|wrong| (wrong.severity, wrong.file.clone(), wrong.span));
    let place = first.map(Diagnostic::place).unwrap_or_default();
    place.rsplit('/').next().unwrap_or_default().to_owned()
}

fn stamps(path: &std::path::Path, list: Option<&std::path::Path>) -> [Stamp; 2] {
    [stamp(path), list.and_then(stamp)]
}

fn stamp(path: &std::path::Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let there = std::fs::metadata(path).ok()?;
    Some((there.ino(), there.size(), there.mtime(), there.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watches_of_a_list_are_settings_too() {
        let folder = tempfile::tempdir().unwrap();
        let (path, list) = (folder.path().join("config.fnl"), folder.path().join("list.toml"));
        let additions =
            || Additions { list: Some(list.clone()), pass_env: vec!["A".to_owned()], bundle: None };
        let load = || CurrentSettings::load_with(path.clone(), additions());
        assert!(load().unwrap().get().watches.is_empty());
        std::fs::write(&list, "[site]\npath = \"/srv/site\"\n").unwrap();
        let current = load().unwrap();
        assert_eq!(current.get().watches.len(), 1);
        assert_eq!(current.get().pass_env, ["A"]);
        std::fs::write(&path, "{:watch {\"Site\" {:url \"/x\" :branch \"main\"}}}").unwrap();
        assert!(current.unchanged().is_none());
        assert_eq!(
            current.get().watches.first().map(|watch| watch.name.to_string()).as_deref(),
            Some("site")
        );
        assert!(matches!(load(), Err(ConfigError::Wrong(_))));
        std::fs::write(&list, "").unwrap();
        assert_eq!(
            current.get().watches.first().map(|watch| watch.name.to_string()).as_deref(),
            Some("Site")
        );
    }

    #[test]
    fn a_bad_edit_of_the_protected_refs_is_noticed_and_one_beside_them_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.fnl");
        let current = CurrentSettings::load(path.clone()).unwrap();
        let unknown = |text: &str| {
            std::fs::write(&path, text).unwrap();
            current.reload().ok();
            current.unknown_protection().is_some()
        };
        let rules = r#":protected [{:repos ["app"] :refs ["refs/heads/main"]}]"#;
        assert!(!unknown("{:limts {}}"));
        assert!(unknown("{:protected"));
        assert!(unknown(&format!("{{{rules} :limts {{}}}}")));
        assert!(!unknown(&format!("{{{rules}}}")));
        assert!(!unknown(&format!("{{{rules} :limts {{}}}}")), "these rules are in force");
        assert!(unknown(&format!("{{{} :limts {{}}}}", rules.replace("app", "*"))));
        assert!(!unknown("{:limts {}}") && !unknown("") && !unknown("{}"));
    }

    #[test]
    fn a_bad_edit_keeps_the_last_good_settings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.fnl");
        let current = CurrentSettings::load(path.clone()).unwrap();
        assert_eq!(current.get().limits.runs, 2);
        assert!(current.unchanged().is_some());
        std::fs::write(&path, "{:limits {:runs 7}}").unwrap();
        assert!(current.unchanged().is_none());
        assert_eq!(current.get().limits.runs, 7);
        assert_eq!(current.trouble(), None);
        std::fs::write(&path, "").unwrap();
        assert_eq!(current.trouble().as_deref(), Some("config.fnl is empty or gone"));
        assert_eq!(current.get().limits.runs, 7);
        std::fs::write(&path, "{:limits {:runs 0} :pass-env [\"x=hunter2\"]}   ").unwrap();
        assert_eq!(current.get().limits.runs, 7);
        assert_eq!(current.trouble().as_deref(), Some("config.fnl:1:17 cannot be used"));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(current.get().limits.runs, 7);
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(current.get().limits.runs, 2);
        assert_eq!(current.trouble(), None);
        std::fs::write(&path, "{").unwrap();
        assert!(CurrentSettings::load(path).is_err());
    }
}
