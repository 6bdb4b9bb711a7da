//! What an operator sees of a server: metrics, readiness, and its log.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{Place, status};
use crate::engine::skip;

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Ends a program that a test has started.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn prometheus_scrapes_metrics_that_promtool_accepts() {
    if !has("promtool") {
        return skip("no prometheus");
    }
    let place = Place::new();
    place.push();
    let folder = place.world.path().join("prometheus");
    std::fs::create_dir(&folder).unwrap();
    let metrics = place.get("/metrics");
    let (head, text) = metrics.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    for line in [
        "quire_runs_total{outcome=\"passed\"} 1",
        "quire_pushes_total{result=\"accepted\"} 1",
        "quire_ready 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    for counted in ["quire_step_seconds", "quire_hook_pre_receive_seconds", "quire_database_commit_seconds"] {
        assert!(!text.contains(&format!("{counted}_count 0\n")), "{counted} in\n{text}");
    }
    assert!(!text.contains("foo"), "no label is a name that people choose:\n{text}");
    std::fs::write(folder.join("metrics.txt"), text).unwrap();
    place.shell("promtool check metrics <prometheus/metrics.txt");
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: quire, static_configs: [{{targets: ['{}']}}]}}]\n",
        place.address()
    );
    std::fs::write(folder.join("prometheus.yml"), config).unwrap();
    // Free for a moment; nobody else asks for it.
    let own = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let child = Command::new("prometheus")
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
        .arg(format!("--web.listen-address={own}"))
        .current_dir(&folder)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    let _prometheus = Ended(child.unwrap());
    let query = format!("curl -s 'http://{own}/api/v1/query?query=quire_runs_total' || true");
    let is_scraped = place.world.eventually(|_| place.shell(&query).contains("\"outcome\":\"passed\""));
    assert!(is_scraped, "{}", std::fs::read_to_string(folder.join("log")).unwrap());
}

#[test]
fn metrics_are_for_this_machine_and_for_administrators() {
    let place = Place::new();
    let host = place.address();
    let ask = |headers: &str| {
        let request = format!("GET /metrics HTTP/1.1\r\nhost: {host}\r\n{headers}connection: close\r\n\r\n");
        place.ask(request.as_bytes())
    };
    assert_eq!(status(&ask("")), "200");
    for through_a_proxy in
        ["x-forwarded-for: 192.0.2.1\r\n", "forwarded: for=192.0.2.1\r\n", "via: 1.1 proxy\r\n"]
    {
        assert_eq!(status(&ask(through_a_proxy)), "401", "{through_a_proxy}");
    }
    let socket = "curl -s --unix-socket data/server.sock http://localhost/metrics";
    assert!(place.shell(socket).contains("quire_build_info"));
}

#[test]
fn the_alerts_of_the_host_page_are_rules() {
    if !has("promtool") {
        return skip("no prometheus");
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/host.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```yaml\ngroups:\n").unwrap();
    let (rules, _) = rest.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yml"), format!("groups:\n{rules}")).unwrap();
    let checked =
        Command::new("promtool").args(["check", "rules", "rules.yml"]).current_dir(folder.path()).output();
    let checked = checked.unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.contains("3 rules found"), "{said}");
}

/// The parts of the text that must be nowhere: the random part of a credential.
fn random_part(credential: &str) -> &str {
    credential.trim().rsplit('\n').next().unwrap().split_once('_').unwrap().1
}

#[test]
fn no_line_of_a_busy_server_has_a_secret_and_each_is_json() {
    let place = Place::serving(&["--log", "json"]);
    let config = "{:secrets {:key \"hunter2-in-config\"}}";
    std::fs::write(place.data().join("config.fnl"), config).unwrap();
    let token =
        place.shell("quire token new ci --scope admin").trim().rsplit('\n').next().unwrap().to_owned();
    let host = place.address();
    let encoded = token.replace('_', "%5F");
    let requests = [
        format!("GET /api/v1/audit HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n"),
        format!("GET /api/v1/audit HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}x\r\n"),
        format!("POST /api/v1/repos?token={token} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n"),
        format!("DELETE /api/v1/repos/{token} HTTP/1.1\r\nhost: {host}\r\n"),
        format!("DELETE /api/v1/repos/{encoded} HTTP/1.1\r\nhost: {host}\r\nx-request-id: {token}\r\n"),
        format!(
            "POST /login HTTP/1.1\r\nhost: {host}\r\ncookie: quire_session={token}\r\ncontent-length: 0\r\n"
        ),
        format!("GET / HTTP/1.1\r\nhost: {token}.example\r\n"),
        format!("GET http://{token}@localhost/ HTTP/1.1\r\nhost: {host}\r\n"),
        format!("POST /{token} HTTP/1.1\r\nhost: {host}\r\nhost: {token}\r\n"),
    ];
    for request in &requests {
        place.ask(format!("{request}connection: close\r\n\r\n").as_bytes());
    }
    let push = format!("git push -q -o ci.var=KEY=hunter2-in-push -o ci.wait origin HEAD:{token} 2>&1");
    place.shell(&format!("cd foo && {push} && ! git push -q origin HEAD:refs/replace/{token} 2>/dev/null"));
    let request = format!("DELETE /api/v1/repos/none HTTP/1.1\r\nhost: {host}\r\nx-request-id: proxy-1\r\n");
    let answer = place.ask(format!("{request}connection: close\r\n\r\n").as_bytes());
    assert!(answer.contains("x-request-id: proxy-1\r\n"), "{answer}");
    let log = place.world.serve_log();
    for secret in [random_part(&token), "hunter2"] {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        assert!(
            line["time"].is_string() && line["level"].is_string() && line["message"].is_string(),
            "{line}"
        );
    }
    let of_proxy = lines.iter().find(|line| line["request_id"] == "proxy-1").expect(&log);
    assert_eq!(of_proxy["message"], "request", "{of_proxy}");
    assert_eq!((&of_proxy["method"], &of_proxy["path"]), (&"DELETE".into(), &"/api/v1/repos/none".into()));
    assert!(lines.iter().any(|line| line["message"].as_str().unwrap().starts_with("push to foo")), "{log}");
}
