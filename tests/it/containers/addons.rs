//! Add-ons: images with a manifest, from a registry on loopback.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::super::stories::world::World;
use super::engine;
use super::pull::Registry;

pub(crate) const MANIFEST: &str = "apiVersion: flwd.addon/v1
kind: AddOn
metadata: {name: Addon, id: test.addon, version: 1.0.0}
requires: {}
jobs:
  - {id: build, summary: Builds, command: 'echo built $ARG_TARGET', argspec: {args: [{name: target, type: string, default: all}]}}
";

/// A registry on loopback in a world, and images that are made on the spot.
pub(crate) struct Images {
    registry: Registry,
    world: PathBuf,
}

/// A server that may pull from the registry.
struct Addons {
    world: World,
    images: Images,
}

impl Images {
    /// The registry of a world, which engines use that have its `registries.conf`.
    pub(crate) fn start(world: &Path) -> Self {
        let registry = Registry::start(world);
        let conf = format!("[[registry]]\nlocation = \"127.0.0.1:{}\"\ninsecure = true\n", registry.port);
        fs::write(world.join("registries.conf"), conf).unwrap();
        Self { registry, world: world.to_owned() }
    }

    /// The port of the registry.
    pub(crate) fn port(&self) -> u16 {
        self.registry.port
    }

    /// Makes an image of busybox with these files, and pushes it; its name.
    pub(crate) fn push(&self, name: &str, files: &[(&str, &str)]) -> String {
        let made = engine::call(&["create", engine::IMAGE, "true"]);
        let container = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let root = self.world.join(format!("root-{name}"));
        for (path, text) in files {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::File::create(&file).unwrap().write_all(text.as_bytes()).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&file, mode).unwrap();
        }
        fs::create_dir_all(&root).unwrap();
        let copied = engine::call(&["cp", &format!("{}/.", root.display()), &format!("{container}:/")]);
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let image = format!("localhost/quire-addon-{name}:{}", self.registry.port);
        let label = format!("--change=LABEL port={}", self.registry.port);
        assert!(engine::call(&["commit", &label, &container, &image]).status.success());
        engine::call(&["rm", &container]);
        let target = format!("127.0.0.1:{}/{name}:1", self.registry.port);
        self.registry.push(&image, &target);
        assert!(engine::call(&["rmi", &image]).status.success());
        target
    }
}

impl Addons {
    fn new(policy: &str) -> Option<Self> {
        engine::can_run_containers().then(|| {
            let mut world = World::new();
            let images = Images::start(world.path());
            fs::write(world.path().join("data/config.fnl"), "{:policy {:bundle \"policy.yaml\"}}").unwrap();
            fs::write(world.path().join("data/policy.yaml"), policy).unwrap();
            world.serve(&["CONTAINERS_REGISTRIES_CONF=$T/registries.conf"]).unwrap();
            Self { world, images }
        })
    }

    fn push(&self, name: &str, files: &[(&str, &str)]) -> String {
        self.images.push(name, files)
    }

    fn add(&self, args: &[&str]) -> (i32, String) {
        let ended =
            self.world.run(self.world.command("quire").args(["source", "add", "--type", "oci"]).args(args));
        (ended.exit, ended.output)
    }

    /// A source that was added.
    fn added(&self, args: &[&str]) -> Value {
        let (exit, output) = self.add(&[args, &["--json"]].concat());
        assert_eq!(exit, 0, "{output}");
        serde_json::from_str(&output).unwrap()
    }
}

#[test]
fn the_manifest_of_an_image_is_read_and_its_digest_pinned() {
    let Some(addons) = Addons::new("{}") else { return };
    let image = addons.push("addon", &[("flwd-addon/manifest.yaml", MANIFEST)]);
    // Not on this machine yet.
    let (exit, output) = addons.add(&["--ref", &image, "--trusted", "--pull-policy", "on-run"]);
    assert!(exit == 1 && output.contains("oci command failed"), "{output}");
    let source = addons.added(&["--ref", &image, "--trusted"]);
    let digest = source["digest"].as_str().unwrap();
    assert!(digest.starts_with("sha256:"), "{source}");
    assert_eq!(source["resolved_ref"], format!("{}@{digest}", image.trim_end_matches(":1")));
    assert_eq!((&source["pull_policy"], &source["name"]), (&"on-add".into(), &"addon".into()));
    assert_eq!(source["metadata"]["manifest"]["jobs"], serde_json::json!(["build"]));
    assert_eq!(source["metadata"]["image_trust"]["signature_verified"], false);
    let kept = addons.world.path().join("data/oci/addon/manifest.yaml");
    assert_eq!(fs::read_to_string(&kept).unwrap(), MANIFEST);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&kept).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // Its job runs, in a container of the image that was pinned.
    let ran =
        addons.world.run(addons.world.command("quire").args(["run", "addon/build", "--target", "some"]));
    assert!(ran.exit == 0 && ran.output.contains("built some"), "{}", ran.output);
    // It is on this machine now.
    for policy in ["on-run", "never"] {
        let source = addons.added(&["--ref", &image, "--trusted", "--pull-policy", policy]);
        assert_eq!((&source["pull_policy"], &source["digest"]), (&policy.into(), &digest.into()));
    }
    let (exit, _) = addons.add(&["--ref", &format!("{image}x"), "--trusted"]);
    assert_eq!(exit, 1);
    let gone = addons.world.run(addons.world.command("quire").args(["source", "rm", "addon"]));
    assert_eq!(gone.exit, 0, "{}", gone.output);
    assert!(!kept.parent().unwrap().exists());
}

#[test]
fn defect_11_a_hostile_image_adds_nothing_and_leaves_nothing() {
    let Some(addons) = Addons::new("{}") else { return };
    let large = "#".repeat(10 << 20);
    let wrong = "apiVersion: v0\nkind: X\n";
    for (name, files, said) in [
        ("none", vec![("other", "")], "addon manifest missing"),
        ("wrong", vec![("flwd-addon/manifest.yaml", wrong)], "addon manifest invalid: 1:1: `metadata`"),
        ("large", vec![("flwd-addon/manifest.yaml", &large)], "the manifest has more than 256 KiB"),
        (
            "flood",
            vec![("bin/cat", "#!/bin/sh\nwhile :; do echo flood; done\n")],
            "the manifest has more than 256 KiB",
        ),
        ("fails", vec![("bin/cat", "#!/bin/sh\necho broken >&2; exit 3\n")], "oci command failed"),
        (
            "warns",
            vec![("bin/cat", "#!/bin/sh\necho 'not yaml: [' >&2; echo 'kind: X'\n")],
            "expected `AddOn`, got `X`",
        ),
    ] {
        let image = addons.push(name, &files);
        let (exit, output) = addons.add(&["--ref", &image, "--trusted"]);
        assert!(exit == 1 && output.contains(said), "{name}: {output}");
    }
    let listed = addons.world.run(addons.world.command("quire").args(["source", "list"]));
    assert!(listed.output.starts_with("no sources"), "{}", listed.output);
    let kept = fs::read_dir(addons.world.path().join("data/oci"));
    assert!(kept.is_err() || kept.unwrap().next().is_none());
    let filter = format!("label=port={}", addons.images.port());
    let left = engine::call(&["ps", "--all", "--quiet", "--filter", &filter]);
    assert!(left.stdout.is_empty(), "{}", String::from_utf8_lossy(&left.stdout));
}

#[test]
fn policy_decides_about_the_registry_and_the_signature_first() {
    let Some(addons) = Addons::new("verify_signatures: required\nallowed_registries: [ghcr.io]\n") else {
        return;
    };
    let image = addons.push("addon", &[("flwd-addon/manifest.yaml", MANIFEST)]);
    let (exit, output) = addons.add(&["--ref", &image, "--trusted"]);
    assert!(exit == 1 && output.contains("image.registry.not.allowed"), "{output}");
    let policy =
        format!("verify_signatures: required\nallowed_registries: ['127.0.0.1:{}']\n", addons.images.port());
    fs::write(addons.world.path().join("data/policy.yaml"), policy).unwrap();
    let (exit, output) = addons.add(&["--ref", &image, "--trusted"]);
    assert!(exit == 1 && output.contains("image.signature.required"), "{output}");
    fs::write(addons.world.path().join("data/policy.yaml"), "{}").unwrap();
    let (exit, output) = addons.add(&["--ref", &image, "--trusted", "--verify-signatures"]);
    assert!(exit == 1 && output.contains("source-signature-invalid"), "{output}");
    let (exit, output) = addons.add(&["--ref", "--privileged", "--trusted"]);
    assert!(exit == 2 && output.contains("invalid image reference"), "{output}");
}

/// What the engine is called with, by a client that writes its arguments down and starts the real one.
#[test]
fn n54_the_manifest_is_read_by_exactly_these_arguments() {
    let Some(addons) = Addons::new("{}") else { return };
    let image = addons.push("addon", &[("flwd-addon/manifest.yaml", MANIFEST)]);
    let real = Command::new("sh").args(["-c", "command -v podman"]).stdin(Stdio::null()).output().unwrap();
    let real = String::from_utf8(real.stdout).unwrap().trim().to_owned();
    if real.is_empty() {
        return;
    }
    let client = addons.world.path().join("client");
    fs::create_dir(&client).unwrap();
    let script = format!("#!/bin/sh\necho \"$*\" >>{}/called\nexec {real} \"$@\"\n", client.display());
    fs::write(client.join("podman"), script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(client.join("podman"), mode).unwrap();
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", client.display());
    // Without a server, the command itself starts the engine.
    for (profile, pull, flags) in [
        ("secure", "on-add", "--network none --read-only"),
        ("permissive", "on-run", "--network none --read-only"),
        ("disabled", "on-add", "--network bridge"),
    ] {
        let data = addons.world.path().join(format!("data-{profile}"));
        fs::create_dir(&data).unwrap();
        fs::write(data.join("config.fnl"), format!("{{:policy {{:profile :{profile}}}}}")).unwrap();
        let mut add = addons.world.command(addons.world.path().join("bin/quire").to_str().unwrap());
        add.env("PATH", &path)
            .env("QUIRE_DATA", &data)
            .env("CONTAINERS_REGISTRIES_CONF", addons.world.path().join("registries.conf"));
        let ended = addons.world.run(add.args([
            "source",
            "add",
            "--type",
            "oci",
            "--trusted",
            "--ref",
            &image,
            "--pull-policy",
            pull,
        ]));
        assert_eq!(ended.exit, 0, "{profile}: {}", ended.output);
        let called = fs::read_to_string(client.join("called")).unwrap();
        let always = if pull == "on-add" { "always" } else { "never" };
        let expected = format!(
            "run --rm --pull={always} --cap-drop=ALL --security-opt=no-new-privileges {flags} --entrypoint cat {image} /flwd-addon/manifest.yaml"
        );
        assert!(called.lines().any(|line| line.ends_with(&expected)), "{expected}\n{called}");
        assert!(!called.lines().any(|line| line.starts_with("pull")), "the image is pulled once: {called}");
        fs::remove_file(client.join("called")).unwrap();
    }
}
