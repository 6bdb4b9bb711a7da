//! Sources by the numbers of their promises: a folder, and a repository behind a real git server with TLS.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::service::{Answer, Service};
use crate::stories::world::Ended;
use crate::watch::http::{Door, GitHttp};

const CONFIG: &str = "interpreter: bash\nargspec: {args: [{name: name, type: string, default: nobody}]}\n";

fn job(folder: &Path, id: &str, script: &str) {
    fs::create_dir_all(folder.join("config.d")).unwrap();
    fs::write(folder.join("config.d/config.yaml"), format!("job: {{id: {id}}}\n{CONFIG}")).unwrap();
    fs::write(folder.join("000_main"), format!("{script}\n")).unwrap();
}

/// The project, a folder `extra-scripts` beside it, and a repository `repos/tools` with one commit.
fn project() -> Service {
    let service = Service::project();
    let top = service.world.path();
    job(&top.join("extra-scripts/hello"), "hello", "echo \"hello from extras, $name\"");
    job(&top.join("repos/tools/scripts/gitjob"), "gitjob", "echo \"first commit, $name\"");
    shell(&service, "git init -q repos/tools && cd repos/tools && git add -A && git commit -qm one");
    service
}

fn shell(service: &Service, script: &str) -> Ended {
    let ended = service.world.run(service.world.command("sh").args(["-ec", script]));
    assert_eq!(ended.exit, 0, "{script}\n{}", ended.output);
    ended
}

/// The lines that a run of the job prints.
fn printed(service: &Service, request: &Value) -> String {
    let events = service.events(&service.run(&request.to_string()));
    let lines = events.iter().filter_map(|event| event.data["message"].as_str());
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn n38_n39_n40_n41_n42_the_examples_with_a_folder_work_line_by_line() {
    let mut service = project();
    service.serve(&["--dev", "--allow-local-root", "../extra-scripts"]).unwrap();
    let curl = |script: &str| {
        let head = "curl -s -H 'Content-Type: application/json' -H 'Authorization: Bearer dev-token'";
        let script = script.replace("curl -s", head).replace("http://127.0.0.1:8080", &service.url());
        shell(&service, &script).output
    };
    let added = r#"curl -s -X POST http://127.0.0.1:8080/sources -d '{"type":"local","name":"extras","ref":"../extra-scripts"}' | jq -c '[.name, .type, .ref]'"#;
    assert_eq!(curl(added), "[\"extras\",\"local\",\"../extra-scripts\"]\n");
    assert_eq!(curl("curl -s http://127.0.0.1:8080/sources | jq -c 'map(.name)'"), "[\"extras\"]\n");
    assert_eq!(curl("curl -s http://127.0.0.1:8080/sources/extras | jq -r .type"), "local\n");
    let listed = r#"curl -s http://127.0.0.1:8080/jobs | jq -c '.[] | select(.id == "hello" or .id == "demo") | [.id, .source]'"#;
    assert_eq!(curl(listed), "[\"demo\",null]\n[\"hello\",{\"name\":\"extras\",\"type\":\"local\"}]\n");
    let planned = r#"curl -s -X POST http://127.0.0.1:8080/plans -d '{"job_id":"hello","source":{"name":"extras"}}' | jq -c '.provenance.source | [.name, .type, .ref]'"#;
    assert_eq!(curl(planned), "[\"extras\",\"local\",\"../extra-scripts\"]\n");
    let started = r#"curl -s -X POST http://127.0.0.1:8080/runs -d '{"job_id":"hello","args":{"name":"Alice"},"source":{"name":"extras"}}' | jq -r .id"#;
    let run = json!({"id": curl(started).trim()});
    let events = service.events(&run);
    assert!(events.iter().any(|event| event.data["message"] == "hello from extras, Alice"), "{events:?}");
    let real = service.world.path().join("extra-scripts").canonicalize().unwrap();
    let source =
        &service.get(&format!("/runs/{}", run["id"].as_str().unwrap())).json()["provenance"]["source"];
    assert_eq!((&source["name"], &source["resolved_ref"]), (&json!("extras"), &json!(real)));
    assert_eq!(&events[0].data["provenance"]["source"], source);
    // Without its source the job is not there; with another one neither.
    assert_eq!(service.post("/runs", r#"{"job_id":"hello"}"#).problem().1, "job not found");
    let other = r#"{"job_id":"hello","source":{"name":"none"}}"#;
    assert_eq!(service.post("/plans", other).problem().1, "source not found");
    assert_eq!(printed(&service, &json!({"job_id": "extras/hello"})), "hello from extras, nobody\n");
    assert_eq!(
        curl("curl -s -o /dev/null -w '%{http_code}' -X DELETE http://127.0.0.1:8080/sources/extras"),
        "204"
    );
}

#[test]
fn n43_n44_n68_a_repository_over_https_is_pinned_to_its_commit_and_moves_when_it_is_added_again() {
    let mut service = project();
    let top = service.world.path().to_owned();
    certificates(&service);
    let git =
        GitHttp::start_tls(&top.join("repos"), Door::Open, (&top.join("host.pem"), &top.join("host.key")));
    let listed = format!("--allow-git-host=127.0.0.1:{}", git.address.port());
    let authority = format!("GIT_SSL_CAINFO={}", top.join("ca.pem").display());
    service.serve(&["--dev", &listed, &authority]).unwrap();
    let url = format!("https://{}/tools", git.address);
    let add = |reference: &str| {
        let source = json!({"type": "git", "name": "tools", "url": url, "ref": reference});
        service.post("/sources", &source.to_string())
    };
    let head = || shell(&service, "git -C repos/tools rev-parse HEAD").output.trim().to_owned();
    let added = add("main");
    assert_eq!((added.status, &added.json()["resolved_commit"]), (201, &json!(head())), "{added:?}");
    let checkout = added.json()["metadata"]["checkout_path"].as_str().unwrap().to_owned();
    assert!(Path::new(&checkout).starts_with(top.join("data")), "{checkout}");
    assert!(Path::new(&checkout).join("scripts/gitjob/000_main").is_file());
    let jobs = service.get("/jobs").json();
    let listed = jobs.as_array().unwrap().iter().find(|job| job["source"]["name"] == "tools").unwrap();
    assert_eq!((&listed["id"], &listed["source"]["type"]), (&json!("gitjob"), &json!("git")));
    for request in [
        json!({"job_id": "tools/gitjob", "args": {"name": "Kim"}}),
        json!({"job_id": "gitjob", "args": {"name": "Kim"}, "source": {"name": "tools"}}),
    ] {
        let plan = service.post("/plans", &request.to_string()).json();
        let source = &plan["provenance"]["source"];
        assert_eq!((&source["resolved_commit"], &source["url"]), (&json!(head()), &json!(url)));
        assert_eq!(source["metadata"]["checkout_path"], json!(checkout));
        assert_eq!(printed(&service, &request), "first commit, Kim\n");
    }
    let first = head();
    shell(
        &service,
        "cd repos/tools && git tag v1 && echo 'echo \"second commit, $name\"' >scripts/gitjob/000_main && git commit -qam two",
    );
    let again = add("main");
    assert_eq!((again.status, &again.json()["resolved_commit"]), (200, &json!(head())));
    assert_eq!(printed(&service, &json!({"job_id": "tools/gitjob"})), "second commit, nobody\n");
    for reference in ["v1", first.as_str(), "refs/tags/v1"] {
        assert_eq!(add(reference).json()["resolved_commit"], json!(first), "{reference}");
    }

    let kept = two_at_once(&service, &add, [&first, &head()]);
    nothing_else_is_added(&mut service, (&git, &url), &kept);
}

/// What is not on the list, has a strange certificate, or asks for a password, adds nothing and changes nothing.
fn nothing_else_is_added(service: &mut Service, (git, url): (&GitHttp, &str), kept: &Value) {
    let top = service.world.path().to_owned();
    let refused = |url: &str| {
        let source = json!({"type": "git", "name": "tools", "url": url, "ref": "main"});
        service.post("/sources", &source.to_string()).problem()
    };
    for url in [
        "https://127.0.0.1:1/tools",
        "https://localhost/tools",
        "https://git.example.invalid/x.git",
        &format!("file://{}", top.join("repos/tools").display()),
        &top.join("repos/tools").display().to_string(),
        "../repos/tools",
    ] {
        assert_eq!(refused(url).2, "source.not.allowed", "{url}");
    }
    git.set(Door::Token("other".to_owned()));
    assert_eq!((refused(url).0, refused(url).1.as_str()), (400, "git checkout failed"));
    assert_eq!(service.get("/sources/tools").json(), *kept);
    service.world.end_server("TERM");
    service.serve(&["--dev", &format!("--allow-git-host=127.0.0.1:{}", git.address.port())]).unwrap();
    git.set(Door::Open);
    let strange = add_to(service, url);
    assert!(strange.contains("certificate"), "an authority that nobody trusts: {strange}");
    assert_eq!(service.get("/sources/tools").json(), *kept);
}

/// Adds a source several times at once: one after the other, and what stays is one of them, whole.
fn two_at_once(
    service: &Service,
    add: &(impl Fn(&str) -> Answer + Sync),
    [first, second]: [&str; 2],
) -> Value {
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let added = ["main", "v1", "main", "v1"].map(|reference| scope.spawn(move || add(reference).status));
        added.into_iter().map(|added| added.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200, 200, 200, 200]);
    let kept = service.get("/sources/tools").json();
    let expected = if kept["ref"] == "v1" { first } else { second };
    assert_eq!(kept["resolved_commit"], json!(expected), "{kept}");
    let output = if kept["ref"] == "v1" { "first commit, nobody\n" } else { "second commit, nobody\n" };
    assert_eq!(printed(service, &json!({"job_id": "tools/gitjob"})), output);
    kept
}

fn add_to(service: &Service, url: &str) -> String {
    let source = json!({"type": "git", "name": "tools", "url": url, "ref": "main"});
    service.post("/sources", &source.to_string()).body
}

/// An authority of this test, and a certificate of it for 127.0.0.1.
fn certificates(service: &Service) {
    shell(
        service,
        "new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
         openssl req -x509 $new -keyout ca.key -out ca.pem -subj /CN=authority -days 2 2>/dev/null
         openssl req $new -keyout host.key -out host.csr -subj /CN=host 2>/dev/null
         echo subjectAltName=IP:127.0.0.1 >names
         openssl x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -days 2 -out host.pem 2>/dev/null",
    );
}

#[test]
fn n45_the_smoke_script_passes_with_a_folder_and_with_a_repository() {
    let mut service = project();
    service.serve(&["--dev", "--allow-local-root", "../repos"]).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/flwd/smoke-sources.sh");
    let smoke = |more: &[(&str, &str)]| {
        let mut command = service.world.command("sh");
        let ended =
            service.world.run(command.arg(script).env("BASE_URL", service.url()).envs(more.iter().copied()));
        assert_eq!(ended.exit, 0, "{}", ended.output);
        serde_json::from_str::<Value>(&ended.output).unwrap()
    };
    assert_eq!(smoke(&[])["name"], "demo-local");
    let url = format!("file://{}", service.world.path().join("repos/tools").display());
    let of_git =
        [("SOURCE_TYPE", "git"), ("SOURCE_NAME", "tools"), ("SOURCE_URL", &url), ("JOB_ID", "gitjob")];
    let source = smoke(&of_git);
    assert_eq!((&source["type"], source["resolved_commit"].as_str().unwrap().len()), (&json!("git"), 40));
}

#[test]
fn hostile_refs_addresses_names_and_links_add_nothing() {
    let mut service = project();
    let top = service.world.path().to_owned();
    shell(
        &service,
        "mkdir -p secret/jobs && ln -s ../secret extra-scripts/out && ln -s ../extra-scripts repos/in",
    );
    service
        .serve(&["--dev", "--allow-local-root", "../extra-scripts", "--allow-local-root", "../repos"])
        .unwrap();
    let refused = |source: Value| {
        let (status, title, code) = service.post("/sources", &source.to_string()).problem();
        assert_eq!(status, 400, "{source}");
        if code.is_empty() { title } else { code }
    };
    let local = |reference: &str| refused(json!({"type": "local", "name": "x", "ref": reference}));
    let secret = top.join("secret/jobs").display().to_string();
    for reference in [
        "../secret",
        "../extra-scripts/out",
        "../extra-scripts/out/jobs",
        "../repos/../secret",
        &secret,
        "/",
        "/etc",
        "~",
        "../..",
    ] {
        let said = local(reference);
        assert!(
            said == "source.not.allowed" || (reference == "~" && said == "invalid ref"),
            "{reference}: {said}"
        );
    }
    assert_eq!(local("demo\0x"), "invalid ref");
    let git = |url: &str, reference: &str| {
        refused(json!({"type": "git", "name": "x", "url": url, "ref": reference}))
    };
    let tools = format!("file://{}", top.join("repos/tools").display());
    for reference in [
        "--upload-pack=touch pwned",
        "-x",
        "--",
        "main:refs/heads/x",
        "+main",
        "main..x",
        "refs/../../x",
        "@{upstream}",
        "HEAD~1",
        "main x",
        "main\nx",
        "*",
        "refs/heads/*",
        &"a".repeat(5000),
    ] {
        assert_eq!(git(&tools, reference), "git checkout failed", "{reference}");
    }
    for url in [
        "--upload-pack=touch pwned",
        "ext::sh -c touch% pwned",
        "fd::17",
        "-oProxyCommand=touch pwned@host:x",
        "ssh://-oProxyCommand=touch%20pwned/x",
        "https://u:p@127.0.0.1/x",
        "file://host/etc",
        "http://127.0.0.1:0/x",
        "\u{202e}https://x",
    ] {
        let said = git(url, "main");
        assert!(said == "invalid git url" || said == "source.not.allowed", "{url}: {said}");
    }
    for url in [format!("file://{}/%2e%2e/secret", top.join("repos").display()), secret.clone()] {
        assert_eq!(git(&url, "main"), "source.not.allowed", "{url}");
    }
    for name in ["..", "a/b", "a\\b", ".", "a\nb", &"n".repeat(101)] {
        assert_eq!(refused(json!({"type": "local", "name": name, "ref": "demo"})), "invalid name", "{name}");
    }
    assert_eq!(service.get("/sources").json(), json!([]));
    assert!(!shell(&service, "find . -name 'pwned*'").output.contains("pwned"));
}

#[test]
fn links_and_borrowed_objects_lead_to_nothing_that_is_not_allowed() {
    let mut service = project();
    let top = service.world.path().to_owned();
    shell(&service, "mkdir secret");
    service
        .serve(&["--dev", "--allow-local-root", "../extra-scripts", "--allow-local-root", "../repos"])
        .unwrap();
    let git = |url: &str| {
        let source = json!({"type": "git", "name": "x", "url": url, "ref": "main"});
        service.post("/sources", &source.to_string()).problem().2
    };
    // A repository that borrows objects, or has its own folder, elsewhere.
    shell(&service, "git init -q repos/thief && echo \"$T/secret/objects\" >repos/thief/.git/objects/info/alternates && mkdir secret/objects
                     mkdir repos/pointer && echo \"gitdir: $T/secret\" >repos/pointer/.git");
    for name in ["thief", "pointer"] {
        assert_eq!(
            git(&format!("file://{}/{name}", top.join("repos").display())),
            "source.not.allowed",
            "{name}"
        );
    }
    // What is a folder when it is added, and a link later, has no jobs.
    let added = json!({"type": "local", "name": "extras", "ref": "../extra-scripts/hello"});
    assert_eq!(service.post("/sources", &added.to_string()).status, 201);
    shell(&service, "mv extra-scripts/hello secret/hello && ln -s ../secret/hello extra-scripts/hello");
    assert!(!service.get("/jobs").body.contains("extras"));
    let run = r#"{"job_id":"hello","source":{"name":"extras"}}"#;
    assert_eq!(service.post("/runs", run).problem().1, "source not materialized");
}
