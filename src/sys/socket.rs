//! Unix sockets: paths of any length, and no waiting for a stopped server.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use super::random;
use super::user::own_uid;

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
    listen_for(path, None)
}

fn listen_for(path: &Path, owner: Option<u32>) -> io::Result<UnixListener> {
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
    if owner.is_some() {
        lchown(&fresh, owner, None)?;
    }
    fs::rename(&fresh, path)?;
    Ok(listener)
}

/// Makes a socket in `folder` for the account that owns the folder, waits until a process of that account, or root, has
/// connected, and removes it.
///
/// # Errors
/// No process comes in time, or the folder cannot be written.
pub(crate) fn call(folder: &Path, patience: Duration) -> io::Result<UnixStream> {
    let owner = fs::metadata(folder)?.uid();
    let path = folder.join(format!("{}{CALL}", random::run_id()));
    let listener = listen_for(&path, Some(owner).filter(|owner| *owner != own_uid()))?;
    let called = accept_within(&listener, patience);
    let _gone = fs::remove_file(&path).is_err();
    let stream = called?;
    let caller = sockopt::socket_peercred(&stream)?.uid.as_raw();
    if caller == 0 || caller == owner { Ok(stream) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

fn accept_within(listener: &UnixListener, patience: Duration) -> io::Result<UnixStream> {
    let limit =
        Timespec { tv_sec: patience.as_secs().cast_signed(), tv_nsec: patience.subsec_nanos().into() };
    match poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&limit))? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => listener.accept().map(|(stream, _)| stream),
    }
}

/// How the names of such sockets end.
pub(crate) const CALL: &str = ".call";

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
    fn a_call_is_answered_by_who_connects_to_it_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let calls = folder.path().to_owned();
        let called = std::thread::spawn(move || call(&calls, Duration::from_secs(60)));
        let path = std::iter::repeat_with(|| {
            fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path()).collect()
        })
        .find_map(|paths: Vec<PathBuf>| paths.into_iter().find(|path| path.to_string_lossy().ends_with(CALL)))
        .unwrap();
        connect(&path).unwrap().write_all(b"x").unwrap();
        let mut got = String::new();
        called.join().unwrap().unwrap().read_to_string(&mut got).unwrap();
        assert_eq!((got.as_str(), fs::read_dir(folder.path()).unwrap().count()), ("x", 0));
        assert!(call(folder.path(), Duration::from_millis(20)).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
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
