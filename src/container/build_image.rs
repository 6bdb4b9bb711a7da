//! The pipeline's own image: built of `.quire/Dockerfile` as it is in the commit, and kept by its content.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};

use super::client_call::Getting;
use super::command_line::ulimits;
use super::containers::{Containers, failed_build, refused, run_blocking};
use super::dockerfile::{self, Recipe};
use super::engine::{Engine, EngineKind};
use crate::executor::NotRun;
use crate::model::{Reason, hex};
use crate::policy::{ContainerRequest, IMAGE_INVALID, ImageRef, Limits};
use crate::script::{HostError, Pull, SourceFile};

/// How a pipeline names its own image.
pub(super) const DOCKERFILE: &str = ".quire/Dockerfile";

/// The name of pipelines' own images on this machine; the tag is the content.
const REPOSITORY: &str = "localhost/quire-pipeline";

/// What building a layer may do that a step may not: what installing packages needs.
const BUILD_CAPS: [&str; 6] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETFCAP", "SETGID", "SETUID"];

/// The files that an image is built of.
#[derive(Debug, Clone, Default)]
pub struct ImageSource(Vec<SourceFile>);

impl ImageSource {
    /// The other files below `.quire`, in addition to the pipeline's own; none without a Dockerfile.
    pub(crate) fn new(files: Vec<SourceFile>) -> Self {
        let has_dockerfile = files.iter().any(|file| file.path == DOCKERFILE);
        Self(if has_dockerfile { files } else { Vec::new() })
    }

    fn recipe(&self) -> Result<Recipe, HostError> {
        let file = self.0.iter().find(|file| file.path == DOCKERFILE);
        let file = file.ok_or_else(|| HostError::Refused(format!("this commit has no {DOCKERFILE}")))?;
        let text = std::str::from_utf8(&file.text).map_err(|_| "it is not UTF-8 text".to_owned());
        let recipe = text.and_then(dockerfile::read);
        recipe.map_err(|problem| HostError::Refused(format!("{DOCKERFILE}: {problem}")))
    }

    /// The image that is built of these files.
    ///
    /// # Errors
    /// The Dockerfile is missing.
    pub(super) fn image(&self) -> Result<ImageRef, HostError> {
        self.recipe()?;
        let mut digest = Context::new(&SHA256);
        for file in &self.0 {
            for part in [file.path.as_bytes(), &file.text] {
                digest.update(&(part.len() as u64).to_le_bytes());
                digest.update(part);
            }
        }
        let tag = hex(digest.finish().as_ref().get(..16).unwrap_or_default());
        ImageRef::parse(&format!("{REPOSITORY}:{tag}")).map_err(|error| HostError::Refused(error.to_string()))
    }

    /// Whether an image is a pipeline's own.
    pub(super) fn is_own(image: &ImageRef) -> bool {
        format!("{}/{}", image.registry(), image.repository()) == REPOSITORY
    }

    /// Writes the files into a new folder. Blocking.
    fn write(&self, folder: &Path) -> io::Result<()> {
        for file in &self.0 {
            let path = folder.join(file.path.strip_prefix(".quire/").unwrap_or(&file.path));
            if let Some(parent) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            }
            fs::write(&path, &file.text)?;
            // The modes of the commit are not known here; a script says itself what it is.
            let mode = if file.text.starts_with(b"#!") { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    }
}

impl Containers {
    /// Decides about a container of the pipeline's own image: about every image that it is built of.
    ///
    /// # Errors
    /// One of them is denied, or cannot be used.
    pub(super) fn decide_own(&self, job: &str, request: &ContainerRequest) -> Result<(), HostError> {
        let images = self.source.recipe()?.images;
        if images.is_empty() {
            return self.decide_as_it_is(job, request);
        }
        for image in images {
            let image = super::called_step::image_of(self, job, &request.subject, &image)?;
            self.decide_as_it_is(job, &ContainerRequest { image, ..request.clone() })?;
        }
        Ok(())
    }

    /// Keeps what the jobs declare: the hint of a denial allows it, too.
    pub(crate) fn declare<'a>(&self, requests: impl Iterator<Item = &'a ContainerRequest>) {
        let mut declared = Vec::new();
        for request in requests {
            let own = ImageSource::is_own(&request.image).then(|| self.source.recipe().ok()).flatten();
            let images = own.map(|recipe| recipe.images).filter(|images| !images.is_empty());
            let images =
                images.map(|images| images.iter().filter_map(|image| ImageRef::parse(image).ok()).collect());
            for image in images.unwrap_or_else(|| vec![request.image.clone()]) {
                declared.push(ContainerRequest { image, ..request.clone() });
            }
        }
        let _only_once = self.declared.set(declared).is_err();
    }

    /// Builds the pipeline's own image; what the engine says about it is in the step's log.
    pub(super) async fn build(
        &self,
        engine: &Engine,
        request: &ContainerRequest,
        getting: &mut Getting<'_>,
    ) -> Result<(), NotRun> {
        let failed = |error: io::Error| HostError::Refused(failed_build(&error.to_string()));
        let recipe = self.source.recipe()?;
        let mut names = Vec::with_capacity(recipe.images.len());
        for base in &recipe.images {
            names.push(self.base(engine, request, base, getting).await?);
        }
        let text = recipe.render(&names);
        let parent = self.recorder.run_dir().to_owned();
        let source = self.source.clone();
        let written = tokio::task::spawn_blocking(move || {
            let folder = tempfile::Builder::new().prefix("image-").tempdir_in(parent)?;
            let context = folder.path().join("context");
            DirBuilder::new().mode(0o700).create(&context)?;
            source.write(&context)?;
            fs::write(folder.path().join("Dockerfile"), text).map(|()| folder)
        });
        let folder = written.await.map_err(|error| HostError::Broken(error.to_string()))?.map_err(failed)?;
        let limits = self.limits(engine, request)?;
        let args = build_args(engine, request, limits, folder.path());
        getting.run(engine, args, failed_build).await
    }

    /// What the engine knows an image by that another is built of: its id, so that nothing else is used than what was
    /// decided about. Instructions that wait in it for being built upon would be run unread.
    async fn base(
        &self,
        engine: &Engine,
        request: &ContainerRequest,
        base: &str,
        getting: &mut Getting<'_>,
    ) -> Result<String, NotRun> {
        let image = ImageRef::parse(base)
            .map_err(|error| HostError::Denied(Box::new(Reason::new(IMAGE_INVALID, error.to_string()))))?;
        let asked = ContainerRequest { image, ..request.clone() };
        let found = Box::pin(self.find_image(&asked, Pull::Missing, getting)).await?;
        let (asking, id) = (engine.clone(), found.id.clone());
        if run_blocking(move || asking.has_triggers(&id)).await.map_err(refused)? {
            let problem = format!("`{base}` has ONBUILD instructions, which are not supported");
            return Err(HostError::Refused(failed_build(&problem)).into());
        }
        Ok(found.id.strip_prefix("sha256:").unwrap_or(&found.id).to_owned())
    }
}

fn build_args(
    engine: &Engine,
    request: &ContainerRequest,
    limits: Option<Limits>,
    folder: &Path,
) -> Vec<Vec<u8>> {
    let file = folder.join("Dockerfile");
    let mut args: Vec<String> = Vec::new();
    if let Some(runtime) = engine.runtime {
        args.extend(["--runtime".to_owned(), runtime.to_owned()]);
    }
    args.extend(["build", "--force-rm"].map(str::to_owned));
    args.push(format!("--network={}", request.network));
    args.push(format!("--tag={}", request.image));
    args.extend(ulimits());
    if engine.kind == EngineKind::Podman {
        args.extend(["--pull=never", "--cap-drop=all"].map(str::to_owned));
        args.extend(BUILD_CAPS.map(|cap| format!("--cap-add={cap}")));
    }
    if let Some(memory) = limits.and_then(|limits| limits.memory) {
        args.extend([format!("--memory={memory}"), format!("--memory-swap={memory}")]);
    }
    if let Some(cpus) = limits.and_then(|limits| limits.cpus) {
        args.extend([
            "--cpu-period=100000".to_owned(),
            format!("--cpu-quota={}", u64::from(cpus.milli()) * 100),
        ]);
    }
    let path = |path: PathBuf| std::os::unix::ffi::OsStringExt::into_vec(path.into_os_string());
    let mut args: Vec<Vec<u8>> = args.into_iter().map(String::into_bytes).collect();
    args.push([b"--file=".to_vec(), path(file)].concat());
    args.push(path(folder.join("context")));
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(files: &[(&str, &str)]) -> ImageSource {
        let file = |(path, text): &(&str, &str)| SourceFile {
            path: (*path).to_owned(),
            text: text.as_bytes().to_vec(),
        };
        ImageSource::new(files.iter().map(file).collect())
    }

    #[test]
    fn the_image_is_named_by_what_it_is_built_of() {
        let image = |files: &[(&str, &str)]| source(files).image().map(|image| image.to_string());
        let one = image(&[(DOCKERFILE, "FROM x"), (".quire/a", "1")]).unwrap();
        assert_eq!(one, image(&[(DOCKERFILE, "FROM x"), (".quire/a", "1")]).unwrap());
        assert_ne!(one, image(&[(DOCKERFILE, "FROM x"), (".quire/a", "2")]).unwrap());
        assert_ne!(one, image(&[(DOCKERFILE, "FROM x"), (".quire/b", "1")]).unwrap());
        assert!(ImageSource::is_own(&ImageRef::parse(&one).unwrap()));
        assert!(!ImageSource::is_own(&ImageRef::parse("localhost/quire-pipeline-x").unwrap()));
        let missing = image(&[(".quire/a", "1")]).unwrap_err().to_string();
        assert_eq!(missing, "this commit has no .quire/Dockerfile");
    }

    #[test]
    fn the_context_is_the_folder_of_the_pipeline() {
        let folder = tempfile::tempdir().unwrap();
        let files = [(DOCKERFILE, "FROM x"), (".quire/bin/run", "#!/bin/sh\n"), (".quire/data", "1")];
        source(&files).write(folder.path()).unwrap();
        let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("Dockerfile"), mode("bin/run"), mode("data")), (0o644, 0o755, 0o644));
    }
}
