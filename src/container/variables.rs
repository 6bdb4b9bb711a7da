//! How variables reach a container: by their names, through the environment of the engine's client.
//!
//! A value is then in no argument list. The client itself reads that environment, too: what could change what the
//! client does goes through a file in memory instead.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use super::engine::ENGINE_VARIABLES;

/// How the names begin that engines, their runtimes or the C library read.
const READ_BY_ENGINES: [&str; 22] = [
    "LD_",
    "GO",
    "XDG_",
    "CONTAINER",
    "DOCKER",
    "PODMAN",
    "BUILDAH",
    "STORAGE_",
    "REGISTR",
    "NOTIFY_",
    "LISTEN_",
    "DBUS_",
    "SSL_",
    "GLIBC_",
    "MALLOC_",
    "GCONV_",
    "CNI_",
    "NETAVARK",
    "AARDVARK",
    "SYSTEMD_",
    "TMP",
    "_",
];

/// How long a line of the file gets at most; clients read none that is longer.
const MAX_LINE: usize = 64 << 10;

/// The variables of a container, by the way that they take.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Variables {
    /// For the client's environment; the container gets them by name.
    pub(crate) by_name: Vec<(String, OsString)>,
    /// For a file that the client reads.
    pub(crate) in_file: Vec<(String, Vec<u8>)>,
}

/// Why a variable cannot be given to a container.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VariableError {
    /// An engine would take the name for more than a name.
    #[error("`:env`: {0:?} is not a valid name for a variable of a container")]
    Name(String),
    /// The engine would obey it, and cannot be given it in another way.
    #[error(
        "`:env`: the engine itself reads `{0}`, and this value has several lines; write it on one line, or pass it as `:secrets`"
    )]
    Lines(String),
    /// The engine would obey it, and its file cannot hold it.
    #[error(
        "`:env`: the engine itself reads `{0}`, and this value is not UTF-8 or is too long; pass it as `:secrets`"
    )]
    NoLine(String),
}

impl Variables {
    /// Sorts variables by the way that each can take.
    ///
    /// # Errors
    /// One can take neither.
    pub(crate) fn sort(all: &[(String, Vec<u8>)]) -> Result<Self, VariableError> {
        let mut sorted = Self::default();
        for (name, value) in all {
            if name.is_empty()
                || name.contains(|c: char| c.is_control() || c.is_whitespace() || "=*#".contains(c))
            {
                return Err(VariableError::Name(name.clone()));
            }
            if !is_read_by_engines(name) {
                sorted.by_name.push((name.clone(), OsString::from_vec(value.clone())));
            } else if value.contains(&b'\n') || value.contains(&b'\r') {
                return Err(VariableError::Lines(name.clone()));
            } else if std::str::from_utf8(value).is_err() || name.len() + 1 + value.len() >= MAX_LINE {
                // Docker would print the value when it refuses it, podman change it.
                return Err(VariableError::NoLine(name.clone()));
            } else {
                sorted.in_file.push((name.clone(), value.clone()));
            }
        }
        Ok(sorted)
    }

    /// The file that the client reads, when there has to be one: a variable a line.
    pub(crate) fn file(&self) -> Option<Vec<u8>> {
        let line = |(name, value): &(String, Vec<u8>)| [name.as_bytes(), b"=", value, b"\n"].concat();
        (!self.in_file.is_empty()).then(|| self.in_file.iter().flat_map(line).collect())
    }
}

fn is_read_by_engines(name: &str) -> bool {
    // What holds white space or a leading `#` would be read as something else from an argument.
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-');
    let upper = name.to_ascii_uppercase();
    !is_plain
        || ENGINE_VARIABLES.contains(&name)
        || upper.ends_with("_PROXY")
        || ["LOCPATH", "HOSTALIASES", "LOCALDOMAIN", "RES_OPTIONS", "NLSPATH", "TZDIR"].contains(&name)
        || READ_BY_ENGINES.iter().any(|prefix| upper.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(name: &str, value: &str) -> Result<Variables, VariableError> {
        Variables::sort(&[(name.to_owned(), value.as_bytes().to_vec())])
    }

    #[test]
    fn what_the_client_would_obey_does_not_reach_its_environment() {
        for name in
            ["LD_PRELOAD", "PATH", "HOME", "GODEBUG", "CONTAINERS_CONF", "http_proxy", "DOCKER_HOST", "_X"]
        {
            let sorted = sort(name, "v").unwrap();
            assert!(sorted.by_name.is_empty(), "{name}");
            assert_eq!(sorted.file().unwrap(), format!("{name}=v\n").into_bytes());
        }
        for name in ["TOKEN", "CI", "MY.VAR", "a-b", "RUSTFLAGS"] {
            let sorted = sort(name, "two\nlines").unwrap();
            assert_eq!((sorted.by_name.len(), sorted.file()), (1, None), "{name}");
        }
        assert_eq!(sort("LD_PRELOAD", "a\nB=c"), Err(VariableError::Lines("LD_PRELOAD".to_owned())));
        for name in ["", "LD_Y\nHTTPS_PR*\nX", "HTTPS_PR*", "#x", "a=b", "a b"] {
            assert_eq!(sort(name, "v"), Err(VariableError::Name(name.to_owned())));
        }
        assert_eq!(sort("PATH", "a\rb"), Err(VariableError::Lines("PATH".to_owned())));
        let no_line = Err(VariableError::NoLine("PATH".to_owned()));
        assert_eq!(Variables::sort(&[("PATH".to_owned(), b"a\xff".to_vec())]), no_line);
        let long = "x".repeat(MAX_LINE - "PATH=".len());
        assert_eq!(sort("PATH", &long), no_line);
        assert!(sort("PATH", &long[1..]).is_ok());
    }
}
