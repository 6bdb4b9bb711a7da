//! Unix sockets: paths of any length, and no waiting for a stopped server.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// The longest path that fits into a socket address (unix(7): 108 bytes with the closing NUL).
const MAX_PATH: usize = 107;

/// A path to the same file that fits into a socket address; it holds as long as the returned folder is open.
fn short(path: &Path) -> io::Result<(PathBuf, Option<File>)> {
    if path.as_os_str().len() <= MAX_PATH {
        return Ok((path.to_owned(), None));
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let folder = File::open(folder)?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok((short, Some(folder)))
}

/// Connects to the socket at `path`. Does not wait: a listener whose queue is full counts as missing.
///
/// # Errors
/// No process listens, or the queue is full.
pub(crate) fn connect(path: &Path) -> io::Result<UnixStream> {
    let (path, _folder) = short(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(&path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Listens at `path` with mode 0600. An existing socket is replaced. The socket has its name only when it can be connected to.
///
/// # Errors
/// The folder cannot be written, or something other than a socket has the name.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::FileTypeExt;
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    for path in [path, fresh.as_path()] {
        match fs::symlink_metadata(path) {
            Ok(there) if there.file_type().is_socket() => fs::remove_file(path)?,
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let (short, _folder) = short(&fresh)?;
    // Created with the mode that the umask leaves, and narrowed before anything is accepted.
    let listener = UnixListener::bind(&short)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
    fs::rename(&fresh, path)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_long_path_works_and_a_stale_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a".repeat(100)).join("b".repeat(100));
        fs::create_dir_all(&deep).unwrap();
        for path in [folder.path().join("s"), deep.join("s")] {
            assert!(connect(&path).is_err());
            drop(listen(&path).unwrap());
            assert!(connect(&path).is_err());
            let listener = listen(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            connect(&path).unwrap().write_all(b"x").unwrap();
            let mut got = String::new();
            listener.accept().unwrap().0.read_to_string(&mut got).unwrap();
            assert_eq!(got, "x");
        }
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(listen(&folder.path().join("file")).is_err());
    }

    #[test]
    fn a_full_queue_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let _listener = listen(&path).unwrap();
        let mut held = Vec::new();
        let refused = (0..100_000).find_map(|_| connect(&path).map(|stream| held.push(stream)).err());
        assert!(refused.is_some());
    }
}
