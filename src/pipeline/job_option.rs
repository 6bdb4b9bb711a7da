//! What a job may say about itself in Fennel and Lua.

use super::graph::{JobOptions, When};
use crate::model::{Diagnostic, parse_size};
use crate::policy::{Cpus, ImageRef};
use crate::schema::pipeline::BOX;
use crate::schema::{Fields, Node};
use crate::script::{ArtifactCall, ContainerOptions};

/// The file that `:image` may name instead of an image.
const DOCKERFILE: &str = ".quire/Dockerfile";

impl JobOptions {
    /// Reads the options of a job, and checks those that make no sense without each other.
    pub(super) fn read(fields: &Fields<'_>) -> Self {
        let options = Self {
            timeout: fields.duration("timeout"),
            when: match fields.word("when") {
                Some("always") => When::Always,
                Some("failed") => When::Failed,
                Some(_) | None => When::Passed,
            },
            allow_failure: fields.flag("allow-failure").unwrap_or(false),
            interruptible: fields.flag("interruptible"),
            image: fields.read("image", image),
            sandbox: fields.word("sandbox").is_some(),
            network: fields.flag("network"),
            container: ContainerOptions::read(fields),
            arguments: None,
            artifacts: ArtifactCall::read_list(fields),
        };
        options.check_together(fields);
        check_amounts(fields);
        options
    }

    fn check_together(&self, fields: &Fields<'_>) {
        let has_image = fields.get("image").is_some();
        if has_image && (self.sandbox || self.network.is_some()) {
            let wrong = if self.sandbox { "sandbox" } else { "network" };
            let message =
                "`:sandbox` and `:network true` are for steps on the host, and this job has an `:image`";
            let help = "a container is a sandbox; its `:network` is a name, such as \"bridge\"";
            fields.refuse_option(wrong, message, help);
        }
        let of_container =
            |name: &&str| BOX.find(name).is_some() && !(*name == "network" && self.network.is_some());
        let mut names = fields.pairs().iter().filter_map(|(key, _)| key.as_str().ok());
        if let (false, Some(name)) = (has_image, names.find(of_container)) {
            let message = format!("`:{name}` is an option of containers, and this job has no `:image`");
            let help = "add `:image`, or give it to `(container image cmd {…})`";
            fields.refuse_option(name, message, help);
        }
    }
}

/// The name of an image, or the file that it is built from.
fn image(node: &Node) -> Result<String, Diagnostic> {
    let name = node.as_str()?;
    if name != DOCKERFILE {
        let help = "write it as `alpine:3.22` or `ghcr.io/owner/name:1`";
        ImageRef::parse(name).map_err(|wrong| node.error(wrong.to_string()).help(help))?;
    }
    Ok(name.to_owned())
}

/// Checks what can be read of memory and processors before anything runs.
fn check_amounts(fields: &Fields<'_>) {
    let given = |name| fields.get(name).and_then(|node| Some((node, node.as_text().ok()?)));
    if let Some((node, text)) = given("memory") {
        fields.value("memory", parse_size(&text).map_err(|wrong| node.error(wrong.to_string())));
    }
    if let Some((node, text)) = given("cpus") {
        fields.value("cpus", Cpus::parse(&text).map_err(|wrong| node.error(wrong.to_string())));
    }
}
