//! Who may connect over the Unix socket.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::Place;

/// The account `nobody`.
const NOBODY: u32 = 65534;

#[test]
fn the_unix_socket_refuses_other_accounts_whatever_its_mode() {
    if !rustix::process::geteuid().is_root() {
        return; // only root can be two accounts
    }
    let place = Place::new();
    let socket = place.data().join("server.sock");
    for (path, mode) in [(place.world.path(), 0o755), (&place.data(), 0o755), (&socket, 0o666)] {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let ask = |uid: u32, path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-w", "\n%{http_code} %{content_type}", "--unix-socket"]).arg(&socket);
        curl.arg(format!("http://localhost{path}"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .uid(uid)
            .gid(uid);
        String::from_utf8(curl.output().unwrap().stdout).unwrap()
    };
    assert!(ask(0, "/healthz").ends_with("200 text/plain; charset=utf-8"));
    for path in ["/healthz", "/api/v1/runs", "/nothing"] {
        let answer = ask(NOBODY, path);
        assert!(answer.ends_with("\n403 application/problem+json"), "{answer}");
        assert!(answer.contains("\"code\":\"peer.refused\""), "{answer}");
    }
}
