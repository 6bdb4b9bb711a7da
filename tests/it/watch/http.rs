//! A git-http server on loopback, also with TLS: `git http-backend` behind a door that may want a token, send elsewhere, or
//! say nothing.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What the door does.
#[derive(Debug, Clone)]
pub(crate) enum Door {
    /// Lets everybody in.
    Open,
    /// Requires this user and password, in base64.
    Token(String),
    /// Sends to another address.
    Elsewhere(String),
    /// Takes the request and never answers.
    Silent,
}

/// The server. Its threads end with the test's process; each connection is one request.
pub(crate) struct GitHttp {
    pub(crate) address: SocketAddr,
    door: Arc<Mutex<Door>>,
    requests: Arc<AtomicUsize>,
    /// What was asked for, as it was written: a proxy is asked for whole addresses.
    targets: Arc<Mutex<Vec<String>>>,
}

impl GitHttp {
    pub(crate) fn start(root: &Path, door: Door) -> Self {
        Self::with(root, door, None)
    }

    /// With TLS, by a certificate and its key in PEM files.
    pub(crate) fn start_tls(root: &Path, door: Door, (certificate, key): (&Path, &Path)) -> Self {
        let certificates = vec![CertificateDer::from_pem_file(certificate).unwrap()];
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap();
        Self::with(root, door, Some(Arc::new(tls)))
    }

    fn with(root: &Path, door: Door, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (door, requests) = (Arc::new(Mutex::new(door)), Arc::new(AtomicUsize::new(0)));
        let (root, shared, counted) = (root.to_owned(), Arc::clone(&door), Arc::clone(&requests));
        let targets = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&targets);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                let (root, door, tls) = (root.clone(), shared.lock().unwrap().clone(), tls.clone());
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || match tls {
                    None => answer(stream, &root, (&door, &seen)),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).ok()?;
                        answer(StreamOwned::new(connection, stream), &root, (&door, &seen))
                    }
                });
            }
        });
        Self { address, door, requests, targets }
    }

    /// Changes what the door does from now on.
    pub(crate) fn set(&self, door: Door) {
        *self.door.lock().unwrap() = door;
    }

    /// What was asked for seen.
    pub(super) fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn answer(stream: impl Read + Write, root: &Path, (door, seen): (&Door, &Mutex<Vec<String>>)) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    seen.lock().unwrap().push(target.clone());
    let target = target
        .strip_prefix("http://")
        .and_then(|rest| rest.find('/').map(|at| rest[at..].to_owned()))
        .unwrap_or(target);
    let mut headers: HashMap<String, String> = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let refused: &[u8] = b"HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    match door {
        Door::Silent => {
            // Until the other side has enough.
            let _closed = reader.read(&mut [0]);
            return None;
        }
        Door::Elsewhere(address) => {
            let head = format!(
                "HTTP/1.1 302 x\r\nLocation: {address}{target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            return reader.get_mut().write_all(head.as_bytes()).ok();
        }
        Door::Token(expected) if headers.get("authorization") != Some(&format!("Basic {expected}")) => {
            // What a hostile remote would do with what it was given.
            return reader.get_mut().write_all(refused).ok();
        }
        Door::Token(_) | Door::Open => {}
    }
    let said = backend(root, (&method, &target), &headers, &body)?;
    let end = said.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&said[..end]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let kept: String =
        head.lines().filter(|line| !line.starts_with("Status: ")).map(|line| format!("{line}\r\n")).collect();
    let rest = &said[end + 4..];
    let head =
        format!("HTTP/1.1 {status}\r\n{kept}Content-Length: {}\r\nConnection: close\r\n\r\n", rest.len());
    let stream = reader.get_mut();
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(rest)).and_then(|()| stream.flush()).ok()
}

fn backend(
    root: &Path,
    (method, target): (&str, &str),
    headers: &HashMap<String, String>,
    body: &[u8],
) -> Option<Vec<u8>> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let mut git = Command::new("git");
    git.arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var_os("PATH")?)
        .env("HOME", PathBuf::from("/nonexistent"))
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = git.spawn().ok()?;
    child.stdin.take()?.write_all(body).ok()?;
    Some(child.wait_with_output().ok()?.stdout)
}
