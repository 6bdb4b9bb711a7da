//! Images with the manifest of an add-on. Of an image only the manifest is read, by a container that has no rights, no network
//! and no writable files, unless the profile is `disabled`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::time::Instant;

use serde_json::{Value, json};

use super::add::SourceContext;
use super::addon;
use super::error::{E_MANIFEST, E_OCI, E_POLICY, SIGNATURE_INVALID, SourceError, TRUST_REQUIRED};
use super::manifest::{AddonManifest, MANIFEST_PATH, MAX_MANIFEST};
use super::record::{PullPolicy, SourceRecord};
use super::request::SourceRequest;
use crate::container::{Engine, LocalImage, UNAVAILABLE, ulimits};
use crate::model::Profile;
use crate::policy::{
    ContainerRequest, Decision, ImageRef, REGISTRY_NOT_ALLOWED, SignatureMode, Verdict, check_signature,
    decide,
};
use crate::sys::program::{Finished, Keep, ProgramEnd, ProgramLimits};

/// The most of the engine's error output that is read, in bytes.
const MAX_COMPLAINT: usize = 64 << 10;

/// The exit of an engine's client that could not start a container; others are those of the program in it.
const NOT_STARTED: i32 = 125;

/// Titles of what an engine could not do.
const PULL: &str = "oci pull failed";
const COMMAND: &str = "oci command failed";
const INSPECT: &str = "image inspect failed";

fn oci(title: &'static str, detail: impl std::fmt::Display) -> SourceError {
    SourceError::new(title, detail).code(E_OCI)
}

fn unwritten(error: io::Error) -> SourceError {
    SourceError { title: "cache manifest failed", ..SourceError::failed(&error) }.code(E_OCI)
}

/// An image that is being added.
struct Image<'a> {
    context: &'a SourceContext<'a>,
    engine: Engine,
    /// As it was given, which is how the engine gets it.
    text: &'a str,
    reference: ImageRef,
    pull: PullPolicy,
}

/// Completes the record of an image: pulls it when it is to be, checks its signature and reads its manifest.
///
/// # Errors
/// The image is not allowed, cannot be had, or its manifest is missing or invalid.
pub(super) fn complete(
    mut record: SourceRecord,
    request: &SourceRequest,
    context: &SourceContext<'_>,
) -> Result<SourceRecord, SourceError> {
    let text = request.reference().or(request.url()).unwrap_or_default();
    let reference =
        ImageRef::parse(text).map_err(|error| SourceError::new("invalid image reference", error))?;
    if request.trusted != Some(true) {
        let detail = "an image is only taken when the request says `\"trusted\": true`";
        return Err(SourceError::new("trust confirmation required", detail).code(TRUST_REQUIRED));
    }
    check_policy(&record, &reference, context)?;
    let engine = engine(context)?;
    let pull = record.pull_policy.unwrap_or(PullPolicy::OnAdd);
    let image = Image { context, engine, text, reference, pull };
    let mut found = image.before()?;
    let trust = image.trust(&record, found.as_ref())?;
    let manifest_text = image.extract()?;
    let manifest = AddonManifest::parse(&manifest_text)?;
    if pull == PullPolicy::OnAdd {
        let after = image.inspect()?;
        let has_moved = |seen: &LocalImage| after.as_ref().is_none_or(|after| after.id != seen.id);
        if found.as_ref().is_some_and(has_moved) {
            return Err(oci(PULL, format!("the image `{text}` has changed while it was added; try again")));
        }
        found = after;
    }
    if let Some(url) = request.url() {
        url.clone_into(&mut record.url);
    }
    describe(&mut record, (&image, found.as_ref()), &manifest, &trust);
    let pinned = if record.resolved_ref.is_empty() { text } else { &record.resolved_ref };
    addon::keep(context.data, &record.name, (&manifest_text, &manifest), pinned).map_err(unwritten)?;
    Ok(record)
}

/// Checks what policy says of the image's registry.
fn check_policy(
    record: &SourceRecord,
    image: &ImageRef,
    context: &SourceContext<'_>,
) -> Result<(), SourceError> {
    let request = ContainerRequest::new(record.name.as_str(), image.clone());
    let denied =
        decide(context.policy, &request).into_iter().find(|decision| decision.verdict == Verdict::Deny);
    match denied {
        None => Ok(()),
        Some(denied) if denied.code == REGISTRY_NOT_ALLOWED => {
            Err(refused("image registry not allowed", denied))
        }
        Some(denied) => Err(refused("policy error", denied).code(E_POLICY)),
    }
}

fn refused(title: &'static str, denied: Decision) -> SourceError {
    let error = SourceError::new(title, denied.reason).code(denied.code).status(422);
    SourceError { hint: denied.hint, ..error }
}

fn engine(context: &SourceContext<'_>) -> Result<Engine, SourceError> {
    let variables: BTreeMap<OsString, OsString> =
        context.environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Engine::find(&variables).and_then(Engine::ready).map_err(|error| {
        SourceError::new("container runtime unavailable", error).code(UNAVAILABLE).status(422)
    })
}

/// What is known of an image's signature.
struct Trust {
    mode: SignatureMode,
    decision: Option<Decision>,
}

impl Image<'_> {
    /// What is known of the image before a container of it starts. When its signature matters, it is pulled for that.
    fn before(&self) -> Result<Option<LocalImage>, SourceError> {
        match self.pull {
            PullPolicy::OnAdd if self.is_signature_wanted() => {
                self.counted(|| self.call(&["pull", self.text], self.context.time.pull, PULL))?;
                self.inspect()
            }
            PullPolicy::OnAdd => Ok(None),
            PullPolicy::OnRun | PullPolicy::Never => Ok(self.inspect().unwrap_or_default()),
        }
    }

    fn is_signature_wanted(&self) -> bool {
        self.context.policy.signature_mode() != SignatureMode::Disabled
    }

    /// Counts what pulls the image.
    fn counted<T>(&self, pull: impl FnOnce() -> Result<T, SourceError>) -> Result<T, SourceError> {
        let begun = Instant::now();
        let pulled = pull()?;
        self.context.containers.pulled(begun.elapsed());
        Ok(pulled)
    }

    fn inspect(&self) -> Result<Option<LocalImage>, SourceError> {
        self.engine.local_image(self.text).map_err(|error| oci(INSPECT, error))
    }

    /// Looks for the signature, when policy or the request asks for one.
    fn trust(&self, record: &SourceRecord, found: Option<&LocalImage>) -> Result<Trust, SourceError> {
        let mode = self.context.policy.signature_mode();
        let digest = found.and_then(|image| image.digest.as_deref());
        let pinned = self.reference.pinned(digest);
        let subject = record.name.as_str();
        let decision = check_signature(self.context.policy, subject, &pinned, self.context.environment);
        if let Some(denied) = decision.clone().filter(|decision| decision.verdict == Verdict::Deny) {
            return Err(refused("image signature required", denied));
        }
        let trust = Trust { mode, decision };
        if record.verify_signatures && !trust.is_verified() {
            let (title, detail) = match &trust.decision {
                Some(decision) => ("signature verification failed", decision.reason.clone()),
                None => ("signature verification required", "the policy verifies no signatures".to_owned()),
            };
            return Err(SourceError::new(title, detail).code(SIGNATURE_INVALID).status(422));
        }
        Ok(trust)
    }

    /// Reads the manifest. Its engine pulls the image first, when it is to be pulled.
    fn extract(&self) -> Result<Vec<u8>, SourceError> {
        let is_pulled = self.pull == PullPolicy::OnAdd;
        let limits = ulimits();
        let mut args = vec!["run", "--rm"];
        args.push(if is_pulled { "--pull=always" } else { "--pull=never" });
        args.extend(["--cap-drop=ALL", "--security-opt=no-new-privileges"]);
        match self.context.policy.profile {
            Profile::Secure | Profile::Permissive => args.extend(["--network", "none", "--read-only"]),
            Profile::Disabled => args.extend(["--network", "bridge"]),
        }
        let time = self.context.time;
        let time = if is_pulled { time.pull.saturating_add(time.manifest) } else { time.manifest };
        let title = if is_pulled { PULL } else { COMMAND };
        let program = ["--entrypoint", "cat", self.text, MANIFEST_PATH];
        let mut read = || match self.call(&[args.as_slice(), &program].concat(), time, title) {
            // The engine asks for higher limits than this process may give: only then it is given lower ones.
            Err(error) if error.detail.contains("rlimit") => {
                args.extend(limits.iter().map(String::as_str));
                self.call(&[args.as_slice(), &program].concat(), time, title)
            }
            read => read,
        };
        // The engine pulls and reads in one call; what was pulled before is counted already.
        if is_pulled && !self.is_signature_wanted() { self.counted(read) } else { read() }
    }

    /// Calls the engine and gives what it wrote to its standard output.
    fn call(
        &self,
        args: &[&str],
        time: std::time::Duration,
        title: &'static str,
    ) -> Result<Vec<u8>, SourceError> {
        let runtime = self.engine.runtime.map(|runtime| ["--runtime", runtime]);
        let all: Vec<&str> = runtime.iter().flatten().copied().chain(args.iter().copied()).collect();
        let limits = ProgramLimits {
            stdout: Keep::AtMost(MAX_MANIFEST),
            stderr: Keep::Head(MAX_COMPLAINT),
            cancel: Some(self.context.cancel),
            ..ProgramLimits::new(time, 0)
        };
        let finished = self.engine.run(&all, &limits).map_err(|error| oci(title, error))?;
        match finished.end {
            ProgramEnd::Exited(exit) if exit.code() == 0 => return Ok(finished.stdout),
            ProgramEnd::Exited(exit) => return Err(self.failure(exit.code(), &finished, title)),
            ProgramEnd::TimedOut | ProgramEnd::TooMuchOutput | ProgramEnd::Cancelled => self.end_container(),
        }
        let engine = self.engine.kind.as_str();
        Err(match finished.end {
            ProgramEnd::TooMuchOutput => {
                let detail = format!("the manifest has more than {} KiB", MAX_MANIFEST >> 10);
                SourceError::new("addon manifest invalid", detail).code(E_MANIFEST)
            }
            ProgramEnd::TimedOut => oci(title, format!("{engine} timed out after {} s", time.as_secs())),
            ProgramEnd::Exited(_) | ProgramEnd::Cancelled => oci(title, "the server is stopping"),
        })
    }

    fn failure(&self, exit: i32, finished: &Finished, title: &'static str) -> SourceError {
        let said = self.engine.refused("could not read the manifest of the image", &finished.stderr);
        let lower = finished.stderr_text().to_lowercase();
        let is_missing = ["no such file", "not found"].iter().any(|sign| lower.contains(sign));
        match exit {
            NOT_STARTED => oci(title, said),
            _ if is_missing => {
                let detail = format!("the image `{}` has no {MANIFEST_PATH}: {said}", self.text);
                SourceError::new("addon manifest missing", detail).code(E_MANIFEST)
            }
            _ => oci(COMMAND, said),
        }
    }

    /// Ends a container whose client was killed: those of this image that read a manifest.
    fn end_container(&self) {
        let filter = format!("ancestor={}", self.text);
        let listed = ["ps", "--no-trunc", "--filter", &filter, "--format", "{{.ID}} {{.Command}}"];
        let Ok(listed) = self.engine.call(&listed, "could not list containers") else { return };
        let text = String::from_utf8_lossy(&listed);
        let ids = text
            .lines()
            .filter(|line| line.contains(MANIFEST_PATH))
            .filter_map(|line| line.split(' ').next());
        for id in ids {
            let removed = self.engine.call(&["rm", "--force", id], "could not remove a container");
            if let Err(error) = removed {
                tracing::warn!(%error, "a container that read a manifest could not be removed");
            }
        }
    }
}

impl Trust {
    fn is_verified(&self) -> bool {
        self.decision.as_ref().is_some_and(|decision| decision.verdict == Verdict::Allow)
    }

    fn shown(&self) -> Value {
        let mut shown =
            json!({ "verify_mode": self.mode.as_str(), "signature_verified": self.is_verified() });
        if let (Some(decision), Some(members)) = (&self.decision, shown.as_object_mut()) {
            members.insert("signature_reason".to_owned(), decision.reason.as_str().into());
        }
        shown
    }
}

/// Writes what was found into the record.
fn describe(
    record: &mut SourceRecord,
    (image, found): (&Image<'_>, Option<&LocalImage>),
    manifest: &AddonManifest,
    trust: &Trust,
) {
    let jobs: Vec<&str> = manifest.jobs.iter().map(|job| job.id.as_str()).collect();
    let shown = json!({
        "trusted": true,
        "pull_policy": image.pull.as_str(),
        "manifest": { "name": manifest.name, "id": manifest.id, "version": manifest.version, "jobs": jobs },
        "image_trust": trust.shown(),
    });
    record.metadata = shown.as_object().cloned().unwrap_or_default();
    if let Some(found) = found {
        record.set("image_id", &found.id);
        if !found.created.is_empty() {
            record.set("created", &found.created);
        }
        record.metadata.insert("size_bytes".to_owned(), found.size.into());
        if !found.labels.is_empty() {
            record.metadata.insert("labels".to_owned(), json!(found.labels));
        }
    }
    if let Some(digest) = found.and_then(|found| found.digest.as_deref()) {
        digest.clone_into(&mut record.digest);
        record.set("digest", digest);
        record.resolved_ref = image.reference.with_digest(digest).to_string();
    }
    let mut provenance = serde_json::Map::new();
    for (name, value) in [("type", record.kind.as_str()), ("ref", image.text), ("digest", &record.digest)] {
        if !value.is_empty() {
            provenance.insert(name.to_owned(), value.into());
        }
    }
    record.provenance = provenance;
}
