//! Decides what a container may: one record for each point that is asked for, all denials at once. No I/O.

use super::bundle::Ceilings;
use super::cpus::Cpus;
use super::decision::{
    ALLOWED, BUNDLE_INVALID, CEILING_EXCEEDED, DENIED, Decision, OPENED, PolicyPoint, REGISTRY_NOT_ALLOWED,
    REQUEST_INVALID, Verdict,
};
use super::hint::{Hint, RequiredPolicy};
use super::policy::{BundleState, Policy};
use super::request::{ContainerRequest, NO_NETWORK};
use crate::config::PolicySettings;
use crate::model::{Profile, Quoted, capability, container_user, format_size, network_name};

/// The processes of a container that neither asks for a number nor has a ceiling.
pub const DEFAULT_PIDS: u32 = 512;

/// What would give the host away, and what the profile `disabled` lets through. All other names are denied everywhere.
const OPENABLE: [&str; 9] = [
    "pid=host",
    "ipc=host",
    "uts=host",
    "user=host",
    "userns=host",
    "cgroupns=host",
    "devices",
    "seccomp=unconfined",
    "apparmor=unconfined",
];

/// What is passed to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Processors; all when nothing.
    pub(crate) cpus: Option<Cpus>,
    /// Bytes of memory; all when nothing.
    pub(crate) memory: Option<u64>,
    /// Processes.
    pub(crate) pids: u32,
}

/// What is passed to the engine: what was asked for, otherwise the ceiling, otherwise the default.
pub fn limits(policy: &Policy, request: &ContainerRequest) -> Limits {
    let ceilings = policy.ceilings();
    Limits {
        cpus: request.cpus.or(ceilings.cpu),
        memory: request.memory.or(ceilings.memory),
        pids: request.pids.or(ceilings.pids).unwrap_or(DEFAULT_PIDS),
    }
}

/// Decides every point of a request. The container may start when none is denied. Signatures are `signature`'s.
pub fn decide(policy: &Policy, request: &ContainerRequest) -> Vec<Decision> {
    decide_among(policy, &[], request)
}

/// The same, with hints that also allow what is denied to `others`, as far as it could be allowed.
pub fn decide_among(
    policy: &Policy,
    others: &[ContainerRequest],
    request: &ContainerRequest,
) -> Vec<Decision> {
    let mut required = RequiredPolicy::of(policy);
    for other in others {
        required = judge(policy, other, required).required;
    }
    judge(policy, request, required).decided()
}

/// Decides whether scripts on the host may have the whole environment of quire, which they ask for.
pub fn decide_environment(policy: &Policy, subject: &str) -> Vec<Decision> {
    let mut judge = Judge::new(policy, subject, RequiredPolicy::of(policy));
    judge.point = PolicyPoint::Environment;
    let is_open = policy.operator.env_inheritance || policy.overrides().env_inheritance;
    judge.opening("inheriting the environment of quire", is_open, |settings| settings.env_inheritance = true);
    judge.decided()
}

fn judge<'a>(policy: &'a Policy, request: &'a ContainerRequest, required: RequiredPolicy) -> Judge<'a> {
    let mut judge = Judge::new(policy, &request.subject, required);
    if let BundleState::Broken(wrong) = &policy.bundle {
        for mistake in wrong {
            judge.deny(BUNDLE_INVALID, mistake.text.clone(), mistake.hint.clone().map(Hint::Alone));
        }
        return judge;
    }
    judge.image(request);
    judge.network(&request.network);
    judge.amounts(request);
    judge.point = PolicyPoint::Mount;
    for mount in &request.mounts {
        judge.mount(mount);
    }
    if let Some(user) = &request.user {
        judge.user(user);
    }
    judge.switches(request);
    judge.point = PolicyPoint::Capabilities;
    for cap in &request.caps {
        judge.cap(cap);
    }
    for name in &request.privileged {
        judge.privileged(name);
    }
    judge
}

/// Whether nothing is denied.
pub fn is_allowed(decisions: &[Decision]) -> bool {
    decisions.iter().all(|decision| decision.verdict != Verdict::Deny)
}

/// Collects decisions.
pub(super) struct Judge<'a> {
    pub(super) policy: &'a Policy,
    subject: &'a str,
    /// What the next decisions are about.
    point: PolicyPoint,
    decisions: Vec<(Decision, Option<Hint>)>,
    required: RequiredPolicy,
}

impl<'a> Judge<'a> {
    fn new(policy: &'a Policy, subject: &'a str, required: RequiredPolicy) -> Self {
        Self { policy, subject, point: PolicyPoint::Container, decisions: Vec::new(), required }
    }

    /// The decisions, each with its hint, which allows all that was denied.
    fn decided(self) -> Vec<Decision> {
        let Self { policy, decisions, required, .. } = self;
        let file = policy.bundle_name();
        let written = decisions.into_iter().map(|(decision, hint)| {
            let hint = hint.map(|hint| required.line(hint, policy.source, &file));
            Decision { hint, ..decision }
        });
        written.collect()
    }

    fn note(&mut self, verdict: Verdict, code: &'static str, reason: String, hint: Option<Hint>) {
        let (subject, point) = (self.subject.to_owned(), self.point);
        self.decisions.push((Decision { subject, point, verdict, code, reason, hint: None }, hint));
    }

    pub(super) fn allow(&mut self, reason: String) {
        self.note(Verdict::Allow, ALLOWED, reason, None);
    }

    pub(super) fn deny(&mut self, code: &'static str, reason: String, hint: Option<Hint>) {
        self.note(Verdict::Deny, code, reason, hint);
    }

    pub(super) fn invalid(&mut self, reason: String) {
        self.deny(REQUEST_INVALID, reason, None);
    }

    /// Decides about what a table may open: `disabled` lets it through with a warning.
    pub(super) fn opening(&mut self, what: &str, is_open: bool, open: impl FnOnce(&mut PolicySettings)) {
        if is_open {
            return self.allow(format!("{what} is allowed"));
        }
        match self.policy.profile {
            Profile::Disabled => {
                self.warn(OPENED, format!("{what} is not allowed, and the profile is disabled"));
            }
            profile @ (Profile::Secure | Profile::Permissive) => {
                self.required.open(open);
                let reason = format!("{what} is not allowed in the profile {profile}");
                self.deny(DENIED, reason, Some(Hint::Openings));
            }
        }
    }

    fn warn(&mut self, code: &'static str, reason: String) {
        self.note(Verdict::Warn, code, reason, None);
    }

    /// Decides about what only the profile `disabled` has.
    pub(super) fn only_disabled(&mut self, what: &str) {
        match self.policy.profile {
            Profile::Disabled => {
                self.warn(OPENED, format!("{what} gives access to the host, and the profile is disabled"));
            }
            profile @ (Profile::Secure | Profile::Permissive) => {
                let reason =
                    format!("{what} gives access to the host, which the profile {profile} does not allow");
                self.deny(DENIED, reason, Some(Hint::Disabled));
            }
        }
    }

    /// Decides about what a rule of the bundle forbids: `disabled` lets it through with a warning.
    fn rule(&mut self, code: &'static str, reason: String, hint: Hint) {
        match self.policy.profile {
            Profile::Disabled => self.warn(code, format!("{reason}, and the profile is disabled")),
            Profile::Secure | Profile::Permissive => self.deny(code, reason, Some(hint)),
        }
    }

    fn image(&mut self, request: &ContainerRequest) {
        self.point = PolicyPoint::Image;
        let (image, registry) = (&request.image, request.image.registry());
        let bundle = self.policy.rules().filter(|bundle| !bundle.allowed_registries.is_empty());
        match bundle {
            Some(bundle)
                if !bundle.allowed_registries.iter().any(|one| one.eq_ignore_ascii_case(registry)) =>
            {
                let file = self.policy.bundle_name();
                let reason = format!("the image `{image}` comes from {registry}, which {file} does not list");
                self.required.registry(registry);
                self.rule(REGISTRY_NOT_ALLOWED, reason, Hint::Registries);
            }
            Some(_) | None => self.allow(format!("the image `{image}` comes from {registry}")),
        }
    }

    fn network(&mut self, name: &str) {
        if name == NO_NETWORK {
            return;
        }
        self.point = PolicyPoint::Network;
        match network_name(name) {
            Err(wrong) => self.invalid(wrong.to_string()),
            Ok(name) if name == "host" => self.only_disabled("the network `host`"),
            Ok(name) => {
                let is_open = self.policy.operator.network.contains(&name)
                    || self.policy.overrides().network.contains(&name);
                let what = format!("the network `{name}`");
                self.opening(&what, is_open, |settings| settings.network.push(name));
            }
        }
    }

    fn amounts(&mut self, request: &ContainerRequest) {
        let ceilings = self.policy.ceilings();
        self.point = PolicyPoint::Cpu;
        if let Some(cpus) = request.cpus {
            let is_over = ceilings.cpu.is_some_and(|ceiling| cpus > ceiling);
            let asked = Ceilings { cpu: Some(cpus), ..Ceilings::default() };
            self.amount(is_over, format!("{cpus} processors"), asked);
        }
        self.point = PolicyPoint::Memory;
        match request.memory {
            Some(0) => self.invalid("no memory at all is not a limit".to_owned()),
            Some(memory) => {
                let is_over = ceilings.memory.is_some_and(|ceiling| memory > ceiling);
                let asked = Ceilings { memory: Some(memory), ..Ceilings::default() };
                self.amount(is_over, format!("{} of memory", format_size(memory)), asked);
            }
            None => {}
        }
        self.point = PolicyPoint::Processes;
        match request.pids {
            Some(0) => self.invalid("no processes at all is not a limit".to_owned()),
            Some(pids) => {
                let is_over = ceilings.pids.is_some_and(|ceiling| pids > ceiling);
                let asked = Ceilings { pids: Some(pids), ..Ceilings::default() };
                self.amount(is_over, format!("{pids} processes"), asked);
            }
            None => {}
        }
    }

    fn amount(&mut self, is_over: bool, what: String, asked: Ceilings) {
        if is_over {
            let file = self.policy.bundle_name();
            let reason = format!("{what} are more than the ceiling in {file}");
            self.required.raise(asked);
            self.rule(CEILING_EXCEEDED, reason, Hint::Ceilings);
        } else {
            self.allow(format!("{what} are below the ceiling"));
        }
    }

    fn user(&mut self, user: &str) {
        self.point = PolicyPoint::User;
        match container_user(user) {
            Err(wrong) => self.invalid(wrong.to_string()),
            // Root too: without capabilities it is a number, and often the workspace's owner.
            Ok(user) => self.allow(format!("the user `{user}` has no more rights than any other")),
        }
    }

    fn switches(&mut self, request: &ContainerRequest) {
        let (operator, overrides) = (&self.policy.operator, self.policy.overrides());
        self.point = PolicyPoint::RootFs;
        if request.rootfs_writable {
            let is_open = operator.rootfs_writable || overrides.rootfs_writable;
            self.opening("writing to the image's files", is_open, |settings| settings.rootfs_writable = true);
        }
        self.point = PolicyPoint::Environment;
        if request.env_inheritance {
            let is_open = operator.env_inheritance || overrides.env_inheritance;
            self.opening("inheriting the variables of `:pass-env`", is_open, |settings| {
                settings.env_inheritance = true;
            });
        }
    }

    fn cap(&mut self, cap: &str) {
        match capability(cap) {
            Err(wrong) => self.invalid(wrong.to_string()),
            Ok(cap) if cap == "ALL" => self.only_disabled("having all capabilities"),
            Ok(cap) => {
                let is_open =
                    self.policy.operator.caps.contains(&cap) || self.policy.overrides().caps.contains(&cap);
                let what = format!("the capability `{cap}`");
                self.opening(&what, is_open, |settings| settings.caps.push(cap));
            }
        }
    }

    fn privileged(&mut self, name: &str) {
        let is_network = name == "network=host";
        self.point = if is_network { PolicyPoint::Network } else { PolicyPoint::Container };
        if OPENABLE.contains(&name) || is_network {
            return self.only_disabled(&format!("`{name}`"));
        }
        let reason = format!("{} gives access to the host, which no profile allows", Quoted::new(name));
        self.deny(DENIED, reason, None);
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
