use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use tempfile::TempDir;

use super::*;
use crate::config::{PolicySettings, SignatureSettings};
use crate::policy::{Bundle, BundleState, Profile, ProfileSource, Verdict};
use crate::sys::process::Exit;

/// A data folder with a key, a folder of signatures and a policy that requires them.
struct Scene {
    folder: TempDir,
    pair: EcdsaKeyPair,
    policy: Policy,
}

fn digest() -> String {
    format!("sha256:{}", "7c".repeat(32))
}

fn image() -> ImageRef {
    ImageRef::parse(&format!("alpine@{}", digest())).unwrap()
}

fn payload(reference: &str, digest: &str) -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{reference}"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{PAYLOAD_TYPE}"}},"optional":null}}"#
    )
}

fn new_pair() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap()
}

fn pem(pair: &EcdsaKeyPair) -> String {
    let text = STANDARD.encode([&P256_PREFIX, pair.public_key().as_ref()].concat());
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

impl Scene {
    fn new() -> Self {
        let (folder, pair) = (tempfile::tempdir().unwrap(), new_pair());
        std::fs::create_dir(folder.path().join("signatures")).unwrap();
        std::fs::write(folder.path().join("cosign.pub"), pem(&pair)).unwrap();
        let signatures = SignatureSettings {
            key: Some("cosign.pub".into()),
            files: Some("signatures".into()),
            signer: None,
        };
        let policy = Policy {
            profile: Profile::Secure,
            source: ProfileSource::Default,
            bundle: BundleState::Good(Bundle {
                verify_signatures: SignatureMode::Required,
                ..Bundle::default()
            }),
            operator: PolicySettings { signatures, ..PolicySettings::default() },
            data_dir: folder.path().to_owned(),
            engine_places: Vec::new(),
        };
        Self { folder, pair, policy }
    }

    fn sign_with(&self, pair: &EcdsaKeyPair, payload: &str) {
        let signature = pair.sign(&SystemRandom::new(), payload.as_bytes()).unwrap();
        self.write("payload", payload.as_bytes());
        self.write("sig", format!("{}\n", STANDARD.encode(signature.as_ref())).as_bytes());
    }

    fn write(&self, end: &str, bytes: &[u8]) {
        let name = format!("signatures/{}.{end}", digest().replace(':', "-"));
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    fn look(&self) -> Proof {
        verify(&self.policy, &image(), &[])
    }

    fn refusal(&self) -> String {
        match self.look() {
            Proof::Unsigned { reason } => reason,
            other @ (Proof::Signed { .. } | Proof::NoVerifier { .. }) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_signature_in_files_is_verified_without_the_network() {
    let scene = Scene::new();
    for reference in ["index.docker.io/library/alpine", "docker.io/library/alpine", "alpine"] {
        scene.sign_with(&scene.pair, &payload(reference, &digest()));
        assert!(matches!(scene.look(), Proof::Signed { .. }), "{reference}: {:?}", scene.look());
    }
    let decision = check_signature(&scene.policy, "job", &image(), &[]).unwrap();
    assert_eq!((decision.verdict, decision.code), (Verdict::Allow, "image.signature.verified"));
}

/// Made by `openssl ecparam -name prime256v1 -genkey`, `openssl ec -pubout` and `openssl dgst -sha256 -sign`.
#[test]
fn a_signature_of_openssl_is_verified() {
    let scene = Scene::new();
    let key = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEVTmm7M+hUdAZMOqgp4eEcGR4SlFB\n\
               YQ+nLs/w4Q9xOMxIRlrLtnZHX4zwYJtIY7r3GzkqrfuZ8Ku+xqDVsBquTg==\n-----END PUBLIC KEY-----\n";
    let signature =
        "MEYCIQDwSGoWtEFEaTI4+vEOA7c7Cwdy+IdGLYNYsI7K0SEZ8wIhAIUbywa8kY2PDmelmfPYxGyFzrZK0SeO0vA0VKl7O8IV";
    std::fs::write(scene.folder.path().join("cosign.pub"), key).unwrap();
    scene.write("payload", payload("index.docker.io/library/alpine", &digest()).as_bytes());
    scene.write("sig", signature.as_bytes());
    assert!(matches!(scene.look(), Proof::Signed { .. }), "{:?}", scene.look());
}

#[test]
fn a_signature_of_something_else_does_not_count() {
    let scene = Scene::new();
    assert!(scene.refusal().contains("cannot be read"));
    let good = payload("alpine", &digest());
    scene.sign_with(&new_pair(), &good);
    assert!(scene.refusal().contains("does not match this key"));
    scene.sign_with(&scene.pair, &good);
    scene.write("payload", good.replace("null", "{}").as_bytes());
    assert!(scene.refusal().contains("does not match this key and payload"));
    scene.write("sig", b"***");
    assert!(scene.refusal().contains("not valid base64"));
    scene.write("sig", b"");
    assert!(scene.refusal().contains("does not match this key"));
    let other = format!("sha256:{}", "00".repeat(32));
    for (payload, expected) in [
        (payload("alpine", &other), "another digest"),
        (payload("alpine", ""), "another digest"),
        (payload("ghcr.io/library/alpine", &digest()), "another repository"),
        (payload("debian", &digest()), "another repository"),
        (payload("", &digest()), "another repository"),
        (good.replace("cosign container", "cosign"), "does not describe an image"),
        ("[]".to_owned(), "does not describe an image"),
        ("no".to_owned(), "not valid JSON"),
    ] {
        scene.sign_with(&scene.pair, &payload);
        assert!(scene.refusal().contains(expected), "{payload}: {}", scene.refusal());
    }
}

#[test]
fn without_a_verifier_or_a_digest_nothing_passes() {
    let mut scene = Scene::new();
    scene.sign_with(&scene.pair, &payload("alpine", &digest()));
    let tagged = verify(&scene.policy, &ImageRef::parse("alpine:3.20").unwrap(), &[]);
    assert!(matches!(tagged, Proof::Unsigned { reason } if reason.contains("digest")));
    let key = scene.folder.path().join("cosign.pub");
    let too_long = "A".repeat(MAX_FILE + 1);
    let short = pem(&scene.pair).replace('\n', "").replace("MFkw", "");
    for text in ["", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", &short, &too_long] {
        std::fs::write(&key, text).unwrap();
        assert!(matches!(scene.look(), Proof::NoVerifier { .. }), "{:?}", scene.look());
    }
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(scene.look(), Proof::NoVerifier { reason } if reason.contains("cannot be read")));
    scene.policy.operator.signatures.files = None;
    for path in ["", "/nowhere", "relative:."] {
        let env = [("PATH".to_owned(), path.to_owned())];
        let decision = check_signature(&scene.policy, "job", &image(), &env).unwrap();
        assert_eq!((decision.verdict, decision.code), (Verdict::Deny, "image.signature.required"));
        assert!(decision.reason.contains("cosign is not in PATH"), "{}", decision.reason);
    }
}

#[test]
fn cosign_is_asked_for_the_digest_and_with_no_option_of_others() {
    let mut scene = Scene::new();
    let (args, _) = cosign_args(&scene.policy, Some(Path::new("/k.pub")), &image());
    let full = format!("docker.io/library/alpine@{}", digest());
    assert_eq!(args, ["verify", "--key", "/k.pub", &full]);
    scene.policy.operator.signatures = SignatureSettings {
        signer: Some(("--me".into(), "https://i".into())),
        ..SignatureSettings::default()
    };
    let (args, by) = cosign_args(&scene.policy, None, &image());
    let identity = "--certificate-identity=--me";
    assert_eq!(args, ["verify", identity, "--certificate-oidc-issuer=https://i", &full]);
    assert_eq!(by, "--me (issuer: https://i)");
    scene.policy.operator.signatures = SignatureSettings::default();
    let (args, _) = cosign_args(&scene.policy, None, &image());
    assert_eq!(args, ["verify", "--keyless", &full]);
}

#[test]
fn what_cosign_says_counts_only_with_exit_0_and_this_digest() {
    let parse = |exit: Option<Exit>, stdout: &str, stderr: &str| {
        let end = exit.map_or(ProgramEnd::TimedOut, ProgramEnd::Exited);
        let said = Finished { end, stdout: stdout.into(), stderr: stderr.into(), file: None };
        parse_cosign(&said, &image(), "key".to_owned())
    };
    let good = format!("[{}]", payload("index.docker.io/library/alpine", &digest()));
    let signed = Proof::Signed { by: "key".to_owned() };
    assert_eq!(parse(Some(Exit::Code(0)), &good, "Verification for …"), signed);
    let refused = parse(Some(Exit::Code(1)), &good, "\nError: no \u{1b}[31msignatures found\nmain.go:74");
    assert_eq!(refused, unsigned("cosign exits with 1: Error: no [31msignatures found"));
    for text in ["", "[]", "{}", "[{}]", &good.replace("7c7c", "0000")] {
        assert!(matches!(parse(Some(Exit::Code(0)), text, ""), Proof::Unsigned { .. }), "{text}");
    }
    assert!(matches!(parse(None, &good, ""), Proof::NoVerifier { .. }));
}
