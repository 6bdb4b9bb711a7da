//! Looks for the signature of an image: in files next to `config.fnl`, with a key and without the network, or with `cosign`.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::Value;

use super::bundle::SignatureMode;
use super::decision::Decision;
use super::image::ImageRef;
use super::policy::Policy;
use super::signature::{Proof, decide_signature};
use crate::sys::program::{Finished, Program, ProgramEnd, ProgramLimits};
use crate::sys::search_path::find_program;

/// How long `cosign` may take.
const COSIGN_DEADLINE: Duration = Duration::from_secs(120);

/// The most that `cosign` may say, and the longest file of a key or signature, in bytes.
const MAX_FILE: usize = 256 << 10;

/// What a public key of ECDSA P-256 begins with in DER; the point follows, uncompressed.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The type that a payload of cosign has.
const PAYLOAD_TYPE: &str = "cosign container image signature";

/// Looks for a signature when the bundle requires one, and decides. Blocking: reads files, or waits for `cosign`, which has the
/// environment `env`. The image needs its digest.
pub(crate) fn check_signature(
    policy: &Policy,
    subject: &str,
    image: &ImageRef,
    env: &[(String, String)],
) -> Option<Decision> {
    match policy.signature_mode() {
        SignatureMode::Disabled => None,
        SignatureMode::Required | SignatureMode::Permissive => {
            decide_signature(policy, subject, image, &verify(policy, image, env))
        }
    }
}

/// Looks for a signature of an image. Blocking.
pub(crate) fn verify(policy: &Policy, image: &ImageRef, env: &[(String, String)]) -> Proof {
    let Some(digest) = image.digest() else {
        return unsigned(
            "a signature is for a digest, and the digest of the image is not known; write the image with its `@sha256:…`",
        );
    };
    let settings = &policy.operator.signatures;
    let key = settings.key.as_ref().map(|key| policy.data_dir.join(key));
    match (&key, &settings.files) {
        (Some(key), Some(files)) => verify_files(key, &policy.data_dir.join(files), image, digest),
        (_, _) => verify_with_cosign(policy, key.as_deref(), image, env),
    }
}

fn unsigned(reason: impl Into<String>) -> Proof {
    Proof::Unsigned { reason: reason.into() }
}

/// Verifies the signature in two files: `sha256-<hex>.payload`, and `sha256-<hex>.sig`, as `cosign sign` writes them.
fn verify_files(key: &Path, files: &Path, image: &ImageRef, digest: &str) -> Proof {
    let shown = key.display();
    let point = match read_limited(key).map(|pem| parse_key(&pem)) {
        Ok(Some(point)) => point,
        Ok(None) => {
            return Proof::NoVerifier { reason: format!("{shown} is not an ECDSA P-256 public key in PEM") };
        }
        Err(error) => {
            return Proof::NoVerifier { reason: format!("the key {shown} cannot be read: {error}") };
        }
    };
    let name = digest.replace(':', "-");
    let read = |end: &str| {
        let path = files.join(format!("{name}.{end}"));
        read_limited(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
    };
    let (payload, signature) = match (read("payload"), read("sig")) {
        (Ok(payload), Ok(signature)) => (payload, signature),
        (Err(reason), _) | (_, Err(reason)) => return Proof::Unsigned { reason },
    };
    match check_payload(&point, &payload, &signature, image) {
        Ok(()) => Proof::Signed { by: format!("{shown} in {}", files.display()) },
        Err(reason) => unsigned(reason),
    }
}

fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_FILE {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {MAX_FILE} bytes"),
        ));
    }
    Ok(bytes)
}

/// The point of a public key in PEM.
fn parse_key(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?.trim();
    let body = text.strip_prefix("-----BEGIN PUBLIC KEY-----")?.strip_suffix("-----END PUBLIC KEY-----")?;
    let der = STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()?;
    let point = der.strip_prefix(&P256_PREFIX)?;
    (point.len() == 65 && point.first() == Some(&4)).then(|| point.to_vec())
}

/// Whether a signature holds for a payload, and the payload for the image.
fn check_payload(point: &[u8], payload: &[u8], signature: &[u8], image: &ImageRef) -> Result<(), String> {
    let text = signature.trim_ascii();
    let signature = STANDARD.decode(text).map_err(|_| "the signature is not valid base64".to_owned())?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
        .verify(payload, &signature)
        .map_err(|_| "the signature does not match this key and payload".to_owned())?;
    let payload: Value =
        serde_json::from_slice(payload).map_err(|_| "the payload is not valid JSON".to_owned())?;
    check_claim(&payload, image)
}

/// Whether a payload is a signature's and names this image: its repository and its digest.
fn check_claim(payload: &Value, image: &ImageRef) -> Result<(), String> {
    let text = |path: &str| payload.pointer(path).and_then(Value::as_str);
    if text("/critical/type") != Some(PAYLOAD_TYPE) {
        return Err("the payload does not describe an image".to_owned());
    }
    if text("/critical/image/docker-manifest-digest") != image.digest() {
        return Err("the payload is for another digest".to_owned());
    }
    let named = text("/critical/identity/docker-reference").unwrap_or_default();
    // cosign writes the older host of the same registry.
    let named = match named.strip_prefix("index.docker.io/") {
        Some(path) => format!("docker.io/{path}"),
        None => named.to_owned(),
    };
    let repository = |image: &ImageRef| {
        let full = image.qualified();
        format!("{}/{}", full.registry().to_ascii_lowercase(), full.repository())
    };
    match ImageRef::parse(&named) {
        Ok(named) if repository(&named) == repository(image) => Ok(()),
        Ok(_) | Err(_) => Err("the payload is for another repository".to_owned()),
    }
}

/// Asks `cosign`, which looks in the image's registry.
fn verify_with_cosign(
    policy: &Policy,
    key: Option<&Path>,
    image: &ImageRef,
    env: &[(String, String)],
) -> Proof {
    let (args, by) = cosign_args(policy, key, image);
    match run_cosign(&args, env) {
        Ok(said) => parse_cosign(&said, image, by),
        Err(reason) => Proof::NoVerifier { reason },
    }
}

/// Verifies a file with `cosign verify --keyless FILE`. Blocking.
///
/// # Errors
/// Why it is not verified, for people.
pub(crate) fn verify_file(file: &Path, env: &[(String, String)]) -> Result<(), String> {
    let args = ["verify".as_ref(), "--keyless".as_ref(), file.as_os_str()];
    refusal(&run_cosign(&args, env)?).map_or(Ok(()), Err)
}

fn run_cosign(args: &[impl AsRef<OsStr>], env: &[(String, String)]) -> Result<Finished, String> {
    let path = env.iter().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value.as_str());
    let program =
        find_program("cosign", OsStr::new(path)).ok_or_else(|| "cosign is not in PATH".to_owned())?;
    let cosign = Program::new(program)
        .args(args)
        .clean()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .cwd(Path::new("/"));
    let said = cosign.run(&ProgramLimits::new(COSIGN_DEADLINE, MAX_FILE));
    let said = said.map_err(|error| format!("cosign cannot be started: {error}"))?;
    match said.end {
        ProgramEnd::Exited(_) => Ok(said),
        ProgramEnd::TimedOut | ProgramEnd::TooMuchOutput | ProgramEnd::Cancelled => {
            Err(format!("cosign did not answer within {} s", COSIGN_DEADLINE.as_secs()))
        }
    }
}

/// Why cosign does not agree, if it does not.
fn refusal(said: &Finished) -> Option<String> {
    let ProgramEnd::Exited(exit) = said.end else { return Some("cosign did not answer".to_owned()) };
    if exit.code() == 0 {
        return None;
    }
    let text = String::from_utf8_lossy(&said.stderr);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no error output");
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    Some(format!("cosign exits with {}: {line}", exit.code()))
}

/// The arguments, and who signed if cosign agrees. No value can be taken for an option: an image never begins with `-`.
fn cosign_args(policy: &Policy, key: Option<&Path>, image: &ImageRef) -> (Vec<String>, String) {
    let mut args = vec!["verify".to_owned()];
    let by = match (key, &policy.operator.signatures.signer) {
        (Some(key), _) => {
            args.extend(["--key".to_owned(), key.display().to_string()]);
            key.display().to_string()
        }
        (None, Some((identity, issuer))) => {
            args.push(format!("--certificate-identity={identity}"));
            args.push(format!("--certificate-oidc-issuer={issuer}"));
            format!("{identity} (issuer: {issuer})")
        }
        (None, None) => {
            args.push("--keyless".to_owned());
            "keyless".to_owned()
        }
    };
    args.push(image.qualified().to_string());
    (args, by)
}

/// What cosign's answer means: it holds when cosign exits with 0 and says so of this image.
fn parse_cosign(said: &Finished, image: &ImageRef, by: String) -> Proof {
    if !matches!(said.end, ProgramEnd::Exited(_)) {
        return Proof::NoVerifier { reason: "cosign did not answer".to_owned() };
    }
    if let Some(reason) = refusal(said) {
        return unsigned(reason);
    }
    let payloads: Vec<Value> = serde_json::from_slice(&said.stdout).unwrap_or_default();
    match payloads.iter().map(|payload| check_claim(payload, image)).find(Result::is_ok) {
        Some(_) => Proof::Signed { by },
        None => unsigned("cosign succeeded, but printed no payload for this image"),
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
