//! Watches over http: with and without a token, sent elsewhere, and left without an answer.

use std::time::{Duration, Instant};

use base64::Engine as _;

use super::host::{Host, until};
use super::http::{Door, GitHttp};

fn config(http: &GitHttp, rest: &str) -> String {
    format!(
        "{{:watch {{\"there\" {{:url \"http://{}/there.git\" :branch \"main\" :allow-private true {rest}}}}}
          :secrets {{:forge_token \"tok-0123456789\"}}}}",
        http.address
    )
}

#[test]
fn a_branch_is_fetched_over_http_with_a_token_that_is_shown_nowhere() {
    let mut host = Host::new("{}");
    let pair = base64::engine::general_purpose::STANDARD.encode("x-access-token:tok-0123456789");
    let http = GitHttp::start(&host.path(""), Door::Token(pair.clone()));
    host.commits("main", 3);
    host.configure(&config(&http, ""));
    host.start();
    let (code, text) = host.quire(&["watch", "now"]);
    assert!(code == 1 && text.contains("denied"), "{text}");
    host.configure(&config(&http, ":token \"forge_token\""));
    let (code, text) = host.quire(&["watch", "now", "there"]);
    assert_eq!(code, 0, "{text}");
    host.passed("there#1");
    assert_eq!(host.runs()[0]["sha"], host.tip("main").as_str());
    // A second one that is refused, with the right header on its way.
    http.set(Door::Token("other".to_owned()));
    let (_, text) = host.quire(&["watch", "now", "there"]);
    assert!(text.contains("denied"), "{text}");
    for secret in ["tok-0123456789", &pair] {
        assert_eq!(host.files_with(secret), Vec::<std::path::PathBuf>::new());
        assert!(!host.server_log().contains(secret) && !text.contains(secret));
    }
    http.set(Door::Open);
    host.commits("main", 1);
    assert_eq!(host.quire(&["watch", "now"]).0, 0);
    host.passed("there#2");
}

#[test]
fn remotes_are_reached_through_the_proxy_of_the_environment() {
    let mut host = Host::new("{}");
    let proxy = GitHttp::start(&host.path(""), Door::Open);
    let direct = GitHttp::start(&host.path(""), Door::Open);
    host.commits("main", 1);
    // A name that only the proxy knows, one that needs a tunnel, and one that needs no proxy.
    host.configure(&format!(
        "{{:watch {{\"there\" {{:url \"http://git.invalid/there.git\" :branch \"main\" :allow-private true}}
                   \"tls\" {{:url \"https://git.invalid/there.git\" :branch \"main\" :allow-private true}}
                   \"near\" {{:url \"http://{}/there.git\" :branch \"main\" :allow-private true}}}}}}",
        direct.address
    ));
    let address = format!("http://{}", proxy.address);
    host.start_with(&[("http_proxy", &address), ("https_proxy", &address), ("no_proxy", "127.0.0.1")]);
    let (code, text) = host.quire(&["watch", "now", "there"]);
    assert_eq!(code, 0, "{text}");
    host.passed("there#1");
    let (code, text) = host.quire(&["watch", "now", "tls"]);
    assert_eq!(code, 1, "{text}");
    let (code, text) = host.quire(&["watch", "now", "near"]);
    assert_eq!(code, 0, "{text}");
    assert!(direct.requests() > 0);
    let through_proxy = proxy.targets();
    let has = |start: &str| through_proxy.iter().any(|target| target.starts_with(start));
    assert!(has("http://git.invalid/there.git/") && has("git.invalid:443"), "{through_proxy:?}");
    assert!(!has(&format!("http://{}", direct.address)), "{through_proxy:?}");
}

#[test]
fn a_credential_helper_is_asked_where_the_operator_has_named_it() {
    let mut host = Host::new("{}");
    let pair = base64::engine::general_purpose::STANDARD.encode("ada:pw-0123456789");
    let http = GitHttp::start(&host.path(""), Door::Token(pair));
    host.commits("main", 1);
    let known = host.path("known");
    std::fs::write(&known, format!("http://ada:pw-0123456789@{}\n", http.address)).unwrap();
    // One that the account has for itself is not asked.
    std::fs::write(
        host.path("home/.gitconfig"),
        format!("[credential]\nhelper = store --file {}\n", known.display()),
    )
    .unwrap();
    host.configure(&config(&http, ""));
    host.start();
    let (code, text) = host.quire(&["watch", "now"]);
    assert!(code == 1 && text.contains("denied"), "{text}");
    host.configure(&config(&http, &format!(":credential-helper \"store --file {}\"", known.display())));
    let (code, text) = host.quire(&["watch", "now"]);
    assert_eq!(code, 0, "{text}");
    host.passed("there#1");
    assert!(!host.server_log().contains("pw-0123456789"));
}

#[test]
fn a_remote_that_sends_elsewhere_is_not_followed() {
    let mut host = Host::new("{}");
    host.commits("main", 1);
    let target = GitHttp::start(&host.path(""), Door::Open);
    let http = GitHttp::start(&host.path(""), Door::Elsewhere(format!("http://{}", target.address)));
    host.configure(&config(&http, ""));
    host.start();
    let (code, text) = host.quire(&["watch", "now"]);
    assert!(code == 1 && text.contains("302"), "{text}");
    assert_eq!((target.requests(), host.runs().len()), (0, 0));
}

#[test]
fn a_remote_that_never_answers_keeps_nobody_waiting() {
    let mut host = Host::new("{}");
    host.commits("main", 1);
    let http = GitHttp::start(&host.path(""), Door::Silent);
    host.configure(&config(&http, ""));
    host.start();
    until("the remote is asked", || (http.requests() > 0).then_some(()));
    // Another watch continues at the same time.
    let local = host.path("there.git").display().to_string();
    assert_eq!(host.quire(&["watch", "add", &local, "main", "--name", "beside"]).0, 0);
    assert_eq!(host.quire(&["watch", "now", "beside"]).0, 0);
    // One that hangs is removed at once.
    let url = format!("http://{}/there.git", http.address);
    assert_eq!(host.quire(&["watch", "add", &url, "main", "--name", "hangs", "--allow-private"]).0, 0);
    until("it is asked as well", || (http.requests() > 1).then_some(()));
    let started = Instant::now();
    assert_eq!(host.quire(&["watch", "rm", "hangs"]).0, 0);
    assert!(started.elapsed() < Duration::from_secs(10));
    // One whose address changes is not waited for, either: who asked for it hears of the new one.
    let mut waits = host.quire_beside(&["watch", "now", "there"]);
    let open = GitHttp::start(&host.path(""), Door::Open);
    host.configure(&config(&open, ""));
    assert_eq!(host.quire(&["watch", "now", "beside"]).0, 0);
    assert!(waits.wait().unwrap().success());
    assert!(open.requests() > 0);
    let asked = http.requests();
    host.configure(&config(&http, ""));
    assert_eq!(host.quire(&["watch", "now", "beside"]).0, 0);
    until("it is asked again", || (http.requests() > asked).then_some(()));
    // What a killed server leaves is ended by the next one.
    let left = host.speaking();
    assert!(!left.is_empty());
    host.kill_server();
    host.start();
    let is_gone = || !host.speaking().iter().any(|pid| left.contains(pid));
    until("what was left has ended", || is_gone().then_some(()));
}

#[test]
fn ten_remotes_that_never_answer_do_not_hold_up_ten_that_do() {
    let mut host = Host::new("{}");
    host.commits("main", 1);
    let (silent, open) =
        (GitHttp::start(&host.path(""), Door::Silent), GitHttp::start(&host.path(""), Door::Open));
    let watch = |name: &str, http: &GitHttp, number: usize| {
        let url = format!("http://{}/there.git", http.address);
        format!("\"{name}{number}\" {{:url \"{url}\" :branch \"main\" :allow-private true}}")
    };
    let watches: Vec<String> =
        (0..10).flat_map(|number| [watch("silent", &silent, number), watch("open", &open, number)]).collect();
    host.configure(&format!("{{:watch {{{}}}}}", watches.join(" ")));
    host.start();
    until("all that answer are followed, before the first of the others is given up", || {
        let watches = host.json(&["watch", "list"]);
        let count = |name: &str, state: &str| {
            let is_it = |watch: &&serde_json::Value| {
                watch["name"].as_str().unwrap().starts_with(name) && watch["state"] == state
            };
            watches.iter().filter(is_it).count()
        };
        assert_eq!(count("silent", "new"), 10);
        (count("open", "following") == 10).then_some(())
    });
}
