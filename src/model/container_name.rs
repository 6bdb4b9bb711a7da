//! Names that a pipeline may use for parts of a container: networks, capabilities, users.
//!
//! All of them become arguments of an engine. No accepted name begins with `-` or contains a separator.

use super::Quoted;

/// The longest name of a network or a user, in bytes.
pub(crate) const MAX_CONTAINER_NAME: usize = 64;

/// All capabilities: capabilities(7) of Linux 6, and `ALL`.
const CAPABILITIES: &[&str] = &[
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// Why a text is not a valid name of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} is not the name of a {thing}")]
pub(crate) struct ContainerNameError {
    thing: &'static str,
    text: Quoted,
}

fn wrong(thing: &'static str, text: &str) -> ContainerNameError {
    ContainerNameError { thing, text: Quoted::new(text) }
}

fn is_word(text: &str, also: &[u8]) -> bool {
    text.len() <= MAX_CONTAINER_NAME
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric() || first == b'_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte))
}

/// The name of a network of the engine, unchanged. `container:…` and `ns:…` are refused: they are namespaces of other containers.
///
/// # Errors
/// The name is invalid.
pub(crate) fn network_name(text: &str) -> Result<String, ContainerNameError> {
    if is_word(text, b"_.-") { Ok(text.to_owned()) } else { Err(wrong("network", text)) }
}

/// The name of a capability, in capitals and without `CAP_`; only of existing ones, because another text in
/// capitals could be a secret that redaction does not recognise.
///
/// # Errors
/// The name is invalid.
pub(crate) fn capability(text: &str) -> Result<String, ContainerNameError> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if CAPABILITIES.contains(&name) { Ok(name.to_owned()) } else { Err(wrong("capability", text)) }
}

/// A user of an image, and perhaps a group: `app`, `1000`, `1000:1000`.
///
/// # Errors
/// The name is invalid.
pub(crate) fn container_user(text: &str) -> Result<String, ContainerNameError> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() <= 2 && parts.iter().all(|part| is_word(part, b"_.-")) {
        Ok(text.to_owned())
    } else {
        Err(wrong("user", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_names_are_accepted() {
        for text in ["none", "host", "bridge", "my-net_2.x", "slirp4netns"] {
            assert_eq!(network_name(text).as_deref(), Ok(text));
        }
        for text in ["NET_BIND_SERVICE", "net_bind_service", "CAP_NET_BIND_SERVICE"] {
            assert_eq!(capability(text).as_deref(), Ok("NET_BIND_SERVICE"));
        }
        for text in ["root", "0", "1000:1000", "app", "_apt"] {
            assert_eq!(container_user(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn names_that_could_be_something_else_are_refused() {
        let long = "a".repeat(MAX_CONTAINER_NAME + 1);
        let all = ["", "-x", "--privileged", "a b", "a,b", "a=b", "é", "a\n", "a/b", "a;b", "$a", &long];
        for text in all {
            assert!(network_name(text).is_err(), "{text:?}");
            assert!(capability(text).is_err(), "{text:?}");
            assert!(container_user(text).is_err(), "{text:?}");
        }
        for text in ["NET_BIND", "CAP_", "CAP_CAP_CHOWN", "akia2mkbtwkkim9y"] {
            assert_eq!(
                capability(text).unwrap_err().to_string(),
                format!("`{text}` is not the name of a capability")
            );
        }
        for text in ["container:abc", "ns:/proc/1/ns/net"] {
            assert!(network_name(text).is_err(), "{text:?}");
        }
        for text in [":", "1:", ":1", "1:2:3", "+0"] {
            assert!(container_user(text).is_err(), "{text:?}");
        }
        assert!(network_name(&long[1..]).is_ok());
        let shown = network_name("\u{1b}[31m").unwrap_err().to_string();
        assert_eq!(shown, "`\\u{1b}[31m` is not the name of a network");
    }
}
