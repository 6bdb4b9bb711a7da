//! Add-ons by the numbers of their promises: images of a registry on loopback, also signed ones.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::service::Service;
use crate::containers::addons::{Images, MANIFEST};
use crate::engine;

/// A server with a registry. Its bundle, in the profile `permissive`, can be written anew at any time.
fn start() -> Option<(Service, Images)> {
    engine::can_run_containers().then(|| {
        let mut service = Service::project();
        let top = service.world.path().to_owned();
        let images = Images::start(&top);
        fs::write(
            top.join("data/config.fnl"),
            "{:policy {:signatures {:key \"cosign.pub\" :files \"signatures\"}}}",
        )
        .unwrap();
        fs::write(top.join("rules.yaml"), "{}\n").unwrap();
        let bundle = format!("FLWD_POLICY_FILE={}", top.join("rules.yaml").display());
        let conf = format!("CONTAINERS_REGISTRIES_CONF={}", top.join("registries.conf").display());
        service.serve(&["--dev", "--profile", "permissive", &bundle, &conf]).unwrap();
        (service, images)
    })
}

fn source(image: &str, more: &Value) -> String {
    let mut source = json!({"type": "oci", "name": "addon", "ref": image, "trusted": true});
    source.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    source.to_string()
}

#[test]
fn n46_to_n53_an_addon_is_added_listed_planned_run_and_removed() {
    let Some((service, images)) = start() else { return };
    let image = images.push("addon", &[("flwd-addon/manifest.yaml", MANIFEST)]);
    let (url, metrics) = (service.url(), || service.get("/metrics").body);
    let counts = |line: &str| metrics().lines().any(|found| found == line);
    let sources = |words: &[&str]| service.streams(&[&[":sources"], words, &["--server", &url]].concat());

    // n47: only with a word that it is trusted.
    let untrusted = service.post("/sources", &source(&image, &json!({"trusted": false})));
    assert_eq!(
        untrusted.problem(),
        (400, "trust confirmation required".into(), "source.trust.required".into())
    );
    assert!(
        sources(&["add", "--name", "addon", "--ref", &image]).2.contains("--trusted to be set explicitly")
    );
    // n53: `on-run` pulls nothing.
    let deferred = service.post("/sources", &source(&image, &json!({"pull_policy": "on-run"})));
    assert_eq!(deferred.problem().2, "E_OCI", "{deferred:?}");
    assert!(counts("flwd_container_pulls_total 0"), "{}", metrics());

    // n50, n52: the command adds it, which pulls it once and pins it.
    let words =
        ["add", "--type", "oci", "--name", "addon", "--ref", &image, "--pull-policy", "on-add", "--trusted"];
    assert_eq!(sources(&words).1, "Source addon (oci) added\n");
    let record = service.get("/sources/addon").json();
    let digest = record["digest"].as_str().unwrap();
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{record}");
    assert_eq!(record["resolved_ref"], json!(format!("{}@{digest}", image.trim_end_matches(":1"))));
    assert_eq!(
        (&record["pull_policy"], &record["metadata"]["manifest"]["jobs"]),
        (&json!("on-add"), &json!(["build"]))
    );
    assert!(
        counts("flwd_container_pulls_total 1") && counts(r#"flwd_sources_added_total{type="oci"} 1"#),
        "{}",
        metrics()
    );
    assert!(!counts("flwd_container_pull_seconds_sum 0.0"), "{}", metrics());
    let table = sources(&["list"]).1;
    assert!(table.lines().any(|line| line.starts_with("addon") && line.contains("on-add")), "{table}");

    is_listed_and_planned(&service, (&image, digest));
    let run = service.run(r#"{"job_id":"addon/build","args":{"target":"some"}}"#);
    let events = service.events(&run);
    assert!(events.iter().any(|event| event.data["message"] == "built some"), "{events:?}");
    assert_eq!(events[0].data["provenance"]["source"]["digest"], json!(digest));
    // It is on this machine now.
    let deferred = service.post("/sources", &source(&image, &json!({"pull_policy": "on-run"})));
    assert_eq!((deferred.status, &deferred.json()["pull_policy"]), (200, &json!("on-run")), "{deferred:?}");
    assert!(counts("flwd_container_pulls_total 1"), "{}", metrics());

    // n49: removed, by the command and over HTTP.
    assert_eq!(sources(&["remove", "addon"]).1, "Source addon removed\n");
    assert_eq!(service.curl(&["-X", "DELETE"], "/sources/addon").problem().1, "source not found");
    assert_eq!(service.post("/sources", &source(&image, &json!({}))).status, 201);
    assert_eq!(service.curl(&["-X", "DELETE"], "/sources/addon").status, 204);
    assert!(!service.world.path().join("data/oci/addon").exists());
}

/// n46, n48, n51: listed, planned over HTTP and by the command.
fn is_listed_and_planned(service: &Service, (image, digest): (&str, &str)) {
    let jobs = service.get("/jobs").json();
    let listed = jobs.as_array().unwrap().iter().find(|job| job["id"] == "addon/build").unwrap();
    assert_eq!(listed["source"], json!({"name": "addon", "type": "oci"}));
    let plan = service.post("/plans", r#"{"job_id":"addon/build"}"#).json();
    let (exit, printed, error) = service.streams(&[":plan", "addon/build", "--json"]);
    assert_eq!(exit, 0, "{error}");
    for plan in [plan, serde_json::from_str(&printed).unwrap()] {
        let from = &plan["provenance"]["source"];
        assert_eq!(
            (&from["name"], &from["type"], &from["ref"], &from["digest"], &from["pull_policy"]),
            (&json!("addon"), &json!("oci"), &json!(image), &json!(digest), &json!("on-add"))
        );
        let preview = &plan["executor_preview"];
        assert_eq!(
            (&preview["resolved_digest"], &preview["pull_policy"]),
            (&json!(digest), &json!("on-add"))
        );
    }
}

/// Signs an image as `cosign sign --key` does, by openssl; the file of what is signed.
fn sign(service: &Service, repository: &str, digest: &str) -> PathBuf {
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": repository},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    let top = service.world.path();
    let name = format!("data/signatures/{}", digest.replace(':', "-"));
    fs::create_dir(top.join("data/signatures")).unwrap();
    fs::write(top.join(format!("{name}.payload")), payload.to_string()).unwrap();
    let sign = format!(
        "openssl ecparam -name prime256v1 -genkey -noout -out key.pem
         openssl ec -in key.pem -pubout -out data/cosign.pub 2>/dev/null
         openssl dgst -sha256 -sign key.pem {name}.payload | base64 -w0 >{name}.sig"
    );
    let signed = service.world.run(service.world.command("sh").args(["-ec", &sign]));
    assert_eq!(signed.exit, 0, "{}", signed.output);
    top.join(format!("{name}.payload"))
}

#[test]
fn n56_what_is_wrong_with_an_addon_has_its_code_and_a_signature_that_verifies_lets_it_in() {
    let Some((service, images)) = start() else { return };
    let top = service.world.path().to_owned();
    let image = images.push("addon", &[("flwd-addon/manifest.yaml", MANIFEST)]);
    let rules = |text: &str| fs::write(top.join("rules.yaml"), text).unwrap();
    let refused = |image: &str, more: &Value| {
        let answer = service.post("/sources", &source(image, more));
        let (status, _, code) = answer.problem();
        (status, code, answer.json()["detail"].as_str().unwrap_or_default().to_owned())
    };
    let code = |image: &str| (refused(image, &json!({})).0, refused(image, &json!({})).1);

    rules("allowed_registries: [ghcr.io]\n");
    assert_eq!(code(&image), (422, "image.registry.not.allowed".into()));
    rules("{}\n");
    assert_eq!(code(&format!("{image}x")), (400, "E_OCI".into()));
    let bombs: String =
        (1..20).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}, *a{0}]\n", n - 1)).collect();
    for (name, manifest, said) in [
        ("bomb", format!("a0: &a0 [x, x]\n{bombs}{MANIFEST}"), ""),
        ("climbs", MANIFEST.replace("id: build", "id: ../../build"), "../../build"),
    ] {
        let hostile = images.push(name, &[("flwd-addon/manifest.yaml", &manifest)]);
        let (status, code, detail) = refused(&hostile, &json!({}));
        assert_eq!((status, code.as_str()), (400, "E_ADDON_MANIFEST"), "{name}: {detail}");
        assert!(detail.contains(said), "{name}: {detail}");
    }
    let counted = "flwd_addon_manifest_invalid_total 2";
    assert!(
        service.get("/metrics").body.lines().any(|line| line == counted),
        "{}",
        service.get("/metrics").body
    );

    let added = service.post("/sources", &source(&image, &json!({}))).json();
    let digest = added["digest"].as_str().unwrap();
    rules("verify_signatures: required\n");
    assert_eq!(code(&image), (422, "image.signature.required".into()));
    rules("verify_signatures: disabled\n");
    assert_eq!(refused(&image, &json!({"verify_signatures": true})).1, "source-signature-invalid");
    let payload = sign(&service, image.trim_end_matches(":1"), digest);
    rules("verify_signatures: required\n");
    let added = service.post("/sources", &source(&image, &json!({"verify_signatures": true})));
    assert_eq!((added.status, &added.json()["verify_signatures"]), (200, &json!(true)), "{added:?}");
    let trust = &added.json()["metadata"]["image_trust"];
    assert_eq!(
        (&trust["verify_mode"], &trust["signature_verified"]),
        (&json!("required"), &json!(true)),
        "{trust}"
    );
    let run = service.run(r#"{"job_id":"addon/build"}"#);
    assert_eq!(service.events(&run).pop().unwrap().data["status"], "completed");
    // Another image of the same key is not that one.
    let other = images.push("other", &[("flwd-addon/manifest.yaml", MANIFEST), ("other", "")]);
    assert_eq!(code(&other), (422, "image.signature.required".into()));
    let changed = fs::read_to_string(&payload).unwrap().replace("null", "{}");
    fs::write(&payload, changed).unwrap();
    assert_eq!(code(&image), (422, "image.signature.required".into()));
    assert_eq!(service.post("/runs", r#"{"job_id":"addon/build"}"#).problem().2, "image.signature.required");
}
