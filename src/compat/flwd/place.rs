//! Where the data folder of `flwd` is.

use std::path::{Path, PathBuf};

use crate::cli::exit::Failure;
use crate::cli::place::{make_data_dir, variable};
use crate::config::DataDir;

/// The data folder, made when it is not there: `DATA_DIR`, else `flowd` in the folder for data of programs, else `flowd` here.
pub(super) fn data_dir() -> Result<DataDir, Failure> {
    let path = data_path(variable);
    let absolute = std::path::absolute(&path).unwrap_or(path);
    make_data_dir(DataDir::new(absolute), "choose another folder with `$DATA_DIR`")
}

pub(super) fn data_path(variable: impl Fn(&str) -> Option<String>) -> PathBuf {
    let below = |name: &str, path: &str| {
        let folder = variable(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
        folder.map(|folder| folder.join(path))
    };
    let chosen = variable("DATA_DIR").map(PathBuf::from);
    let chosen = chosen.or_else(|| below("XDG_DATA_HOME", "flowd"));
    chosen.or_else(|| below("HOME", ".local/share/flowd")).unwrap_or_else(|| Path::new("flowd").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_folder_is_where_the_environment_says() {
        let path = |variables: &[(&str, &str)]| {
            let of = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            data_path(of).display().to_string()
        };
        let (home, xdg) = (("HOME", "/home/ada"), ("XDG_DATA_HOME", "/data"));
        assert_eq!(path(&[("DATA_DIR", "own"), home, xdg]), "own");
        assert_eq!(path(&[home, xdg]), "/data/flowd");
        assert_eq!(path(&[home, ("XDG_DATA_HOME", "relative")]), "/home/ada/.local/share/flowd");
        assert_eq!(path(&[]), "flowd");
    }
}
