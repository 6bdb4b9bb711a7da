//! What a job may say about itself in Fennel and Lua.

use super::graph::{JobOptions, When};
use crate::schema::Fields;
use crate::script::ContainerOptions;

impl JobOptions {
    /// Reads the options of a job, and checks those that make no sense without each other.
    pub(super) fn read(fields: &Fields<'_>) -> JobOptions {
        let options = JobOptions {
            timeout: fields.duration("timeout"),
            when: match fields.word("when") {
                Some("always") => When::Always,
                Some("failed") => When::Failed,
                Some(_) | None => When::Passed,
            },
            allow_failure: fields.flag("allow-failure").unwrap_or(false),
            interruptible: fields.flag("interruptible").unwrap_or(true),
            image: fields.text("image"),
            sandbox: fields.word("sandbox").is_some(),
            network: fields.flag("network"),
            container: ContainerOptions::read(fields),
        };
        options.check_together(fields);
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
        let services = self.container.services.clone();
        let only_services = ContainerOptions { services, ..ContainerOptions::default() };
        if !has_image && self.container != only_services {
            let message = "the options of a container are for a job with `:image`";
            fields.refuse(message, "add `:image`, or give them to `(container image cmd {…})`");
        }
    }
}
