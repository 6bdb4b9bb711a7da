//! The files of `phantom_ci`: `Repo.toml` and `.env` in its configuration folder, and the data folder.

use std::io;
use std::path::{Path, PathBuf};

use super::NAME;
use crate::cli::exit::{Code, Failure, print_error};
use crate::cli::place::{environment, variable};
use crate::config::{ConfigError, DataDir, ListedWatch, read_list_file, read_watch_list};
use crate::model::render_all;
use crate::notify::{DOTENV, TARGET_VARIABLES, load_dotenv};
use crate::sys::lock;

/// Where its files are.
pub(super) struct Files {
    pub(super) config: PathBuf,
    pub(super) data: DataDir,
}

impl Files {
    /// The folders of the environment.
    pub(super) fn find() -> Result<Self, Failure> {
        let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let missing = || Failure::new(Code::Usage, "`$HOME` is not set");
        let home = || absolute("HOME").ok_or_else(missing);
        let data =
            absolute("XDG_DATA_HOME").map_or_else(|| home().map(|home| home.join(".local/share")), Ok)?;
        let config = match absolute("XDG_CONFIG_HOME") {
            Some(config) if !cfg!(target_os = "macos") => config.join(NAME),
            Some(_) | None if cfg!(target_os = "macos") => {
                home()?.join("Library/Application Support/com.helloimalemur.phantom_ci")
            }
            Some(_) | None => home()?.join(".config").join(NAME),
        };
        Ok(Self { config, data: DataDir::new(data.join(NAME)) })
    }

    /// The list of repositories.
    pub(super) fn list(&self) -> PathBuf {
        self.config.join("Repo.toml")
    }

    /// The text of the list and its entries.
    pub(super) fn listed(&self) -> Result<(String, Vec<ListedWatch>), Failure> {
        let path = self.list();
        let text = read_list_file(&path).map_err(|error| match error {
            ConfigError::Wrong(wrong) => Failure::mistakes(&wrong),
            ConfigError::Read { .. } => Failure::broken(&error),
        })?;
        let text = text.unwrap_or_default();
        let listed =
            read_watch_list(&path.display().to_string(), &text).map_err(|wrong| Failure::mistakes(&wrong))?;
        Ok((text, listed))
    }

    /// The variables of `.env` that the environment does not have; errors in its other lines are printed.
    pub(super) fn variables(&self) -> Result<Vec<(String, String)>, Failure> {
        let path = &self.config.join(DOTENV);
        let (pairs, mut wrong) = load_dotenv(path, &TARGET_VARIABLES).map_err(|error| at(path, &error))?;
        wrong.iter_mut().for_each(|wrong| wrong.file = path.display().to_string());
        print_error(&render_all(&wrong));
        let own = environment();
        Ok(pairs.into_iter().filter(|(name, _)| !own.iter().any(|(known, _)| known == name)).collect())
    }

    /// Whether a server has the data folder.
    pub(super) fn is_running(&self) -> bool {
        lock::is_held(&self.data.server_lock()).unwrap_or(false)
    }
}

pub(super) fn at(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Code::Broken, format!("{}: {error}", path.display()))
}
