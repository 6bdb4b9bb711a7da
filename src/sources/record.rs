//! What is known of a source.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::addon;
use super::manifest::{self, AddonManifest};
use crate::config::DataDir;
use crate::sys::folder::{Folder, Kind};

/// What is known of a source, as it is kept and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Source)]
pub(crate) struct SourceRecord {
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub(crate) kind: SourceKind,
    /// The folder, the branch, tag or commit, or the image, as it was given.
    #[serde(rename = "ref", default, skip_serializing_if = "String::is_empty")]
    pub(crate) reference: String,
    /// What `ref` meant when it was added: a path, a commit, or an image with its digest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) resolved_ref: String,
    /// The commit of a repository.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) resolved_commit: String,
    /// The address, as it was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) url: String,
    /// What the request says about trust.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub(crate) trust: Map<String, Value>,
    /// Other names of its jobs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) aliases: Vec<SourceAlias>,
    /// Where it is, and what was found in it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub(crate) metadata: Map<String, Value>,
    /// The digest of an image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) digest: String,
    /// When an image is pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pull_policy: Option<PullPolicy>,
    /// Whether the request requires a verified signature.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) verify_signatures: bool,
    /// Where its jobs come from.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub(crate) provenance: Map<String, Value>,
    /// Whether its aliases are shown.
    #[serde(default)]
    pub(crate) expose: Expose,
    /// Where its job folders are.
    #[serde(skip)]
    pub(super) root: Option<PathBuf>,
    /// The manifest of an image.
    #[serde(skip)]
    pub(super) addon: Option<Arc<AddonManifest>>,
}

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SourceKind {
    /// A folder of this machine.
    Local,
    /// A git repository.
    Git,
    /// An image with the manifest of an add-on.
    Oci,
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PullPolicy {
    /// When the source is added.
    OnAdd,
    /// When a job of it runs and the image is not there.
    OnRun,
    /// Never.
    Never,
}

/// What others see of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Expose {
    /// Its aliases are not shown.
    None,
    /// They are.
    #[default]
    Read,
    /// The same.
    ReadWrite,
}

/// Another name of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SourceAlias {
    /// The job.
    pub(crate) from: String,
    /// The other name.
    pub(crate) to: String,
    /// What it is for.
    #[serde(default)]
    pub(crate) description: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl SourceKind {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Git => "git",
            Self::Oci => "oci",
        }
    }
}

impl PullPolicy {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::OnAdd => "on-add",
            Self::OnRun => "on-run",
            Self::Never => "never",
        }
    }
}

impl SourceRecord {
    /// A record that says nothing but its name and kind.
    pub(super) fn new(name: String, kind: SourceKind) -> Self {
        Self {
            name,
            kind,
            reference: String::new(),
            resolved_ref: String::new(),
            resolved_commit: String::new(),
            url: String::new(),
            trust: Map::new(),
            aliases: Vec::new(),
            metadata: Map::new(),
            digest: String::new(),
            pull_policy: None,
            verify_signatures: false,
            provenance: Map::new(),
            expose: Expose::default(),
            root: None,
            addon: None,
        }
    }

    /// The record that is kept as this JSON, with what is on the disk for it. Blocks.
    ///
    /// # Errors
    /// The JSON is not that of a record.
    pub(crate) fn load(json: &str, data: &DataDir) -> serde_json::Result<Self> {
        let mut record: Self = serde_json::from_str(json)?;
        record.locate(data);
        Ok(record)
    }

    /// Finds what is on the disk for it. The data folder may have been moved since it was added.
    pub(super) fn locate(&mut self, data: &DataDir) {
        match self.kind {
            SourceKind::Local => {
                self.root = Some(PathBuf::from(&self.resolved_ref)).filter(|path| is_same_folder(path));
            }
            SourceKind::Git => {
                let checkout = data.source(&self.name).join(&self.resolved_commit);
                self.set("checkout_path", &checkout.to_string_lossy());
                self.root = job_root(&checkout);
            }
            SourceKind::Oci => {
                let path = data.addon(&self.name).join(manifest::FILE);
                self.set("manifest_path", &path.to_string_lossy());
                let kept = addon::read(&data.addon(&self.name));
                (self.addon, self.root) = match kept {
                    Some((addon, root)) => (Some(Arc::new(addon)), Some(root)),
                    None => (None, None),
                };
            }
        }
    }

    /// Where its job folders are; nothing when they are gone. Those of an image are made from its manifest.
    pub(crate) fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// The add-on of an image; nothing when its manifest is gone.
    pub(crate) fn addon(&self) -> Option<&AddonManifest> {
        self.addon.as_deref()
    }

    /// The ids that a job may have in this source when it is asked for by `id`: as it is, without the name of the source, and `.`
    /// when the root is the folder of the job itself.
    pub(crate) fn ids_here<'a>(&self, id: &'a str) -> Vec<&'a str> {
        let own = id.strip_prefix(self.name.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let mut ids: Vec<&str> = [Some(id), own].into_iter().flatten().collect();
        let folder = self.root().and_then(Path::file_name).and_then(|name| name.to_str());
        if ids.iter().any(|id| folder.is_some_and(|folder| folder.eq_ignore_ascii_case(id))) {
            ids.push(".");
        }
        ids
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.metadata.insert(name.to_owned(), value.into());
    }
}

/// Whether a path is still the folder that it was when links were followed.
fn is_same_folder(path: &Path) -> bool {
    path.is_dir() && fs::canonicalize(path).is_ok_and(|real| real == path)
}

/// Where the job folders of a checkout are: in `scripts`, when it is a folder and not a link, otherwise everywhere.
fn job_root(checkout: &Path) -> Option<PathBuf> {
    let folder = Folder::open_no_link(checkout).ok()?;
    let has_scripts = folder.kind("scripts").is_ok_and(|kind| kind == Some(Kind::Folder));
    Some(if has_scripts { checkout.join("scripts") } else { checkout.to_owned() })
}
