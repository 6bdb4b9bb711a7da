//! The options of `config.fnl`, of a repository's own `.quire/config.fnl`, and of a policy bundle.

use super::option::{Field, Kind, Options};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A whole number of things that run, wait or are kept.
const COUNT: Kind = Kind::Count { least: 1, most: 10_000 };

const fn options(of: &'static str, groups: &'static [&'static [Field]]) -> Options {
    Options { of, groups, example: "" }
}

const fn table(name: &'static str, doc: &'static str) -> Field {
    Field::new(name, Kind::Other("a table"), "", doc)
}

const fn list(name: &'static str, what: &'static str, default: &'static str, doc: &'static str) -> Field {
    Field::new(name, Kind::Other(what), default, doc)
}

/// `config.fnl`.
pub static CONFIG: Options = Options {
    example: "the file is one table: `{:http {…} :secrets {…}}`",
    ..options("`config.fnl`", &[CONFIG_FIELDS])
};
/// `:http`.
pub static HTTP: Options = Options {
    example: "a table is written `{:bind \"127.0.0.1:7878\"}`",
    ..options("`:http`", &[HTTP_FIELDS])
};
/// A rule of `:access`.
pub static ACCESS_RULE: Options = Options {
    example: "a rule is a table: `{:user \"kim\" :repos [\"site\"] :may :write}`",
    ..options("a rule of `:access`", &[ACCESS_FIELDS])
};
/// A rule of `:protected`.
pub static PROTECTED_RULE: Options = Options {
    example: "a rule is a table: `{:repos [\"app\"] :refs [\"refs/heads/main\"]}`",
    ..options("a rule of `:protected`", &[PROTECTED_FIELDS])
};
/// A secret that is a table.
pub static SECRET: Options = options("a secret", &[SECRET_FIELDS]);
/// `:limits`.
pub static LIMITS: Options = Options {
    example: "a table is written `{:runs 2 :run-timeout \"1h\"}`",
    ..options("`:limits`", &[LIMIT_FIELDS])
};
/// `:policy`.
pub static POLICY: Options = Options {
    example: "a table is written `{:profile :permissive}`",
    ..options("`:policy`", &[POLICY_FIELDS])
};
/// `:signatures` of `:policy`.
pub static SIGNATURES: Options = options("`:signatures`", &[SIGNATURE_FIELDS]);
/// `:steps`.
pub static STEPS: Options =
    Options { example: "a table is written `{:user \"ci\"}`", ..options("`:steps`", &[STEPS_FIELDS]) };
/// A watch.
pub static WATCH: Options = Options {
    example: "a watch is a table: `{:url \"https://…\" :branch \"main\"}`",
    ..options("a watch", &[WATCH_FIELDS])
};
/// `:workspace` of a watch.
pub(crate) static WORKSPACE: Options = options("`:workspace`", &[WORKSPACE_FIELDS]);
/// `:audit`.
pub static AUDIT: Options = Options {
    example: "a table is written `{:file \"/var/log/quire/audit.jsonl\"}`",
    ..options("`:audit`", &[AUDIT_FIELDS])
};
/// `:notify` of `config.fnl`.
pub static NOTIFY: Options = Options {
    example: "a table is written `{:targets {…} :rules […]}`",
    ..options("`:notify`", &[NOTIFY_FIELDS])
};
/// A target of `:notify`.
pub static TARGET: Options = Options {
    of: "a target",
    groups: &[TARGET_FIELDS],
    example: "a target is such as {:slack {:secret \"slack_webhook\"}}; docs/notifications.md shows each kind",
};
/// An address that is a secret.
pub(crate) static SECRET_ADDRESS: Options = options("an address", &[SECRET_ADDRESS_FIELDS]);
/// A rule of `:notify`.
pub static RULE: Options = options("a rule", &[RULE_FIELDS, RULE_REPO_FIELDS]);
/// `.quire/config.fnl` of a repository.
pub static REPO_CONFIG: Options = options("`.quire/config.fnl`", &[REPO_CONFIG_FIELDS]);
/// A rule of a repository's own.
pub(crate) static REPO_RULE: Options = options("a rule", &[RULE_FIELDS]);
/// A policy bundle.
pub static BUNDLE: Options = options("a bundle", &[BUNDLE_FIELDS]);
/// `ceilings` of a bundle.
pub static CEILINGS: Options = options("`ceilings`", &[CEILING_FIELDS]);
/// `overrides` of a bundle.
pub static OVERRIDES: Options = options("`overrides`", &[OVERRIDE_FIELDS]);
/// A table of a list of watches.
pub(crate) static LISTED_WATCH: Options = options("a table", &[LISTED_WATCH_FIELDS]);

const CONFIG_FIELDS: &[Field] = &[
    table("http", "where the server answers"),
    table("secrets", "secrets by name: each a string, or a table"),
    Field::new(
        "command",
        Kind::Text,
        "`quire`, over ssh when the push came so",
        "how pushers call quire, in what a push prints: `\"ssh git@git.example.org quire\"`",
    ),
    list("pass-env", "a list of names", "none", "variables of the server's environment that steps see"),
    list(
        "access",
        "a list of rules",
        "none",
        "who may do what with which repository, see [access.md](access.md)",
    ),
    list(
        "protected",
        "a list of rules",
        "none",
        "refs that nobody rewrites or deletes, see [access.md](access.md)",
    ),
    table("limits", "what runs must not exceed"),
    table("policy", "what containers may, see [policy.md](policy.md)"),
    table("steps", "how steps on the host are isolated"),
    table("watch", "branches of repositories elsewhere, by name, see [watch.md](watch.md)"),
    table("notify", "who is notified of what, see [notifications.md](notifications.md)"),
    table("audit", "where the audit is written to, in addition to the database"),
    Field::planned("retention", "leave it out; `quire repo rm` removes a repository with its runs"),
    Field::refused(
        "mirror",
        "`:mirror` is not a setting: mirroring is a job",
        "write a `:mirror` job in .quire/ci.fnl instead; CI-FENNEL.md shows it in ten lines",
    ),
    Field::refused(
        "github",
        "`:github` is not a setting: mirroring is a job",
        "write a `:mirror` job in .quire/ci.fnl instead; CI-FENNEL.md shows it in ten lines",
    ),
];

const HTTP_FIELDS: &[Field] = &[
    Field::new(
        "bind",
        Kind::Text,
        "`\"127.0.0.1:7878\"`",
        "the address and port of the pages, or `\"none\"`",
    ),
    Field::new("public-url", Kind::Text, "the address of `:bind`", "the address that people reach it at"),
    Field::new(
        "visibility",
        Kind::Words(&["public", "unlisted", "private"]),
        "`:public` when `:bind` is a loopback address, otherwise `:private`",
        "who may see the repositories and logs that say nothing else; behind a proxy, set it",
    ),
    list(
        "cors-origins",
        "a list of origins",
        "none",
        "other sites whose pages may call the API from a browser, with tokens: `[\"https://pages.example.org\"]`",
    ),
    list(
        "trusted-proxies",
        "a list of addresses and networks",
        "none",
        "the proxies whose `Remote-User` is believed; such a user has the scopes `repos:read`, `runs:read`, `logs:read` and `sources:read`",
    ),
    list("admins", "a list of names", "none", "the users of these proxies who have every scope"),
];

const REPO_PATTERNS: &str = "a list of names, `\"group/*\"` or `\"*\"`";

const ACCESS_FIELDS: &[Field] = &[
    Field::new(
        "user",
        Kind::Text,
        "",
        "whom the rule is about: by an ssh key, or by a proxy that names the user",
    ),
    Field::new("key-of", Kind::Text, "", "the same, only by an ssh key"),
    list("repos", REPO_PATTERNS, "", "the repositories"),
    Field::new(
        "may",
        Kind::Words(&["read", "write", "admin"]),
        "",
        "clone and see runs; also push and start runs; also rename, describe, make and remove",
    ),
];

const PROTECTED_FIELDS: &[Field] = &[
    list("repos", REPO_PATTERNS, "", "the repositories"),
    list(
        "refs",
        "a list of full names, or `\"refs/heads/release/*\"`",
        "",
        "the refs: no force, no deletion",
    ),
    list(
        "required-jobs",
        "a list of job ids",
        "none",
        "jobs that must have passed in a finished run of the new commit on another ref",
    ),
];

const SECRET_FIELDS: &[Field] = &[
    Field::new(
        "file",
        Kind::Text,
        "",
        "the absolute path of the file that holds the value; one line feed at its end is left out",
    ),
    list(
        "repos",
        "a list of names",
        "all hosted ones",
        "the repositories that may have it; a watched one must be named",
    ),
    list("refs", "a list of full names", "all", "the refs whose runs may have it: `[\"refs/heads/main\"]`"),
    list("events", "a list of `:push`, `:watch` and `:manual`", "all", "what may have started the run"),
    list("jobs", "a list of job ids", "all", "the jobs that may have it"),
];

const LIMIT_FIELDS: &[Field] = &[
    Field::new("runs", COUNT, "2", "runs at the same time"),
    Field::new("jobs", COUNT, "4", "jobs of a run at the same time"),
    Field::new("runs-per-push", COUNT, "10", "branches and tags of one push that start runs"),
    Field::new(
        "runs-per-minute",
        Kind::Count { least: 0, most: 10_000 },
        "60",
        "runs of one branch or tag within a minute; 0 is no limit",
    ),
    Field::new("run-timeout", Kind::Duration, "`\"1h\"`", "the longest a run may take"),
    Field::new("step-timeout", Kind::Duration, "`\"30m\"`", "the longest a step without `:timeout` may take"),
    Field::new("log-bytes", Kind::Size { least: 64 * KIB }, "`\"64MiB\"`", "the log of a step"),
    Field::new("artifact-bytes", Kind::Size { least: 1 }, "`\"2GiB\"`", "all artifacts of a run"),
    Field::new(
        "vm-memory",
        Kind::Size { least: 4 * MIB },
        "`\"256MiB\"`",
        "the memory of all scripts of a run",
    ),
];

const POLICY_FIELDS: &[Field] = &[
    Field::new("profile", Kind::Words(&["secure", "permissive", "disabled"]), "`:secure`", "the profile"),
    list("requests", "a list of profiles", "none", "laxer profiles that a push may ask for"),
    Field::new("bundle", Kind::Text, "none", "the bundle, relative to the folder of `config.fnl`"),
    list("network", "a list of names", "none", "networks of the engine that containers may join"),
    list(
        "mounts",
        "a list of folders",
        "none",
        "folders of the host that containers may read, with what is below",
    ),
    list(
        "writable-mounts",
        "a list of folders",
        "none",
        "folders that they may also write, only as they are named",
    ),
    list("caps", "a list of capabilities", "none", "capabilities that they may keep"),
    Field::new("rootfs-writable", Kind::Flag, "`false`", "whether they may write to the image's own files"),
    Field::new(
        "env-inheritance",
        Kind::Flag,
        "`false`",
        "whether they may have the variables of `:pass-env`",
    ),
    table("signatures", "how signatures of images are verified"),
];

const SIGNATURE_FIELDS: &[Field] = &[
    Field::new("key", Kind::Text, "none", "a public key in PEM, relative to the folder of `config.fnl`"),
    Field::new(
        "files",
        Kind::Text,
        "none",
        "a folder of signatures, verified with `:key` and without the network",
    ),
    Field::new("identity", Kind::Text, "none", "the identity that must have signed; needs `:issuer`"),
    Field::new("issuer", Kind::Text, "none", "the issuer of `:identity`"),
];

const STEPS_FIELDS: &[Field] = &[
    Field::new("user", Kind::Text, "the user of the server", "the user of the processes of steps"),
    Field::new(
        "no-new-privs",
        Kind::Flag,
        "`true`",
        "`false`: a step of another user may gain rights by setuid programs",
    ),
    Field::new("sandbox", Kind::Words(&["bwrap"]), "none", "every step on the host runs in bubblewrap"),
    Field::new("network", Kind::Flag, "`false`", "whether a job may have the network in its sandbox"),
    list(
        "read",
        "a list of absolute paths",
        "none",
        "what sandboxes show in addition to the folders of the system",
    ),
];

const WATCH_FIELDS: &[Field] = &[
    Field::new("url", Kind::Text, "", "where the repository is: https, http, ssh or an absolute path"),
    Field::new("branch", Kind::Text, "", "the branch that is watched"),
    Field::new("every", Kind::Duration, "`\"1m\"`", "the time between two polls, from 1 s to 7 d"),
    Field::new("token", Kind::Text, "none", "the name of the secret that is shown to an https remote"),
    Field::new(
        "allow-private",
        Kind::Flag,
        "`false`",
        "whether its machine may have an address that is not public",
    ),
    Field::new(
        "ssh-key",
        Kind::Text,
        "that of ssh",
        "the absolute path of the private key for an ssh remote",
    ),
    Field::new(
        "credential-helper",
        Kind::Text,
        "none",
        "the command that git asks for credentials over http, as its `credential.helper`",
    ),
    Field::new("first-run", Kind::Flag, "`true`", "whether the first sight of the branch runs"),
    Field::new(
        "interruptible",
        Kind::Flag,
        "`true`",
        "whether a newer commit stops jobs that do not say; otherwise it waits",
    ),
    table("workspace", "the working folder of its runs"),
];

const WORKSPACE_FIELDS: &[Field] = &[Field::new(
    "keep",
    Kind::Flag,
    "`false`",
    "whether it stays for the next run, with a repository in it",
)];

const AUDIT_FIELDS: &[Field] = &[Field::new(
    "file",
    Kind::Text,
    "none",
    "the absolute path of a file that gets a line of JSON for each entry",
)];

const NOTIFY_FIELDS: &[Field] = &[
    table("targets", "where messages can go, by name"),
    list("rules", "a list of rules", "none", "what goes to which target"),
    list("allow", "a list of `\"host:port\"`", "none", "private addresses that targets may have"),
    Field::new(
        "stuck-after",
        Kind::Duration,
        "`\"2h\"`",
        "how long a run may be queued, or run, before it counts as stuck",
    ),
];

const SECRET_OR_ADDRESS: Kind = Kind::Other("an address, or `{:secret \"name\"}`");

const TARGET_FIELDS: &[Field] = &[
    Field::new("slack", SECRET_OR_ADDRESS, "", "an incoming webhook of Slack"),
    Field::new("discord", SECRET_OR_ADDRESS, "", "a webhook of Discord"),
    Field::new("teams", SECRET_OR_ADDRESS, "", "a webhook of Teams"),
    Field::new("webhook", SECRET_OR_ADDRESS, "", "any program: JSON over HTTP"),
    Field::new("smtp", Kind::Text, "", "a mail server: `\"smtp://mail.example.org:587\"` or `\"smtps://…\"`"),
    list("repos", "a list of names", "none", "the repositories whose own rules may name the target"),
    Field::new("hmac", Kind::Text, "none", "the secret that signs the messages of a webhook"),
    Field::new("from", Kind::Text, "", "who sends a mail"),
    list("to", "a list of addresses", "", "who gets a mail"),
    Field::new("user", Kind::Text, "none", "the login at the mail server"),
    Field::new("password", Kind::Text, "none", "the secret that holds its password"),
];

const SECRET_ADDRESS_FIELDS: &[Field] =
    &[Field::new("secret", Kind::Text, "", "the name of the secret that holds the address")];

const RULE_FIELDS: &[Field] = &[
    Field::new("to", Kind::Text, "", "the name of a target"),
    list(
        "on",
        "a list of `:failed`, `:fixed`, `:passed`, `:cancelled`, `:stuck`, `:watch`",
        "`[:failed :fixed :watch]`",
        "the events",
    ),
    list("refs", "a list of full names", "all", "the refs"),
    list("jobs", "a list of job ids", "all", "the jobs"),
];

const RULE_REPO_FIELDS: &[Field] = &[list("repos", "a list of names", "all", "the repositories")];

const REPO_CONFIG_FIELDS: &[Field] = &[list(
    "notify",
    "a list of rules",
    "none",
    "rules of the repository's own, see [notifications.md](notifications.md)",
)];

const BUNDLE_FIELDS: &[Field] = &[
    Field::new(
        "verify_signatures",
        Kind::Words(&["required", "permissive", "disabled"]),
        "`disabled`",
        "whether images need signatures",
    ),
    list("allowed_registries", "a list of hosts", "all", "the registries that images may come from"),
    table("ceilings", "what a container may ask for at most, and gets when it asks for nothing"),
    table("overrides", "what the profile `permissive` opens"),
    list("requests", "a list of profiles", "none", "laxer profiles that a run may ask for"),
    list("allowed_local_roots", "a list of folders", "none", "folders that sources of jobs may be in"),
    list(
        "allowed_git_hosts",
        "a list of hosts",
        "none",
        "machines that sources of jobs may be fetched from: `HOST` or `HOST:PORT`",
    ),
];

const CEILING_FIELDS: &[Field] = &[
    Field::new("cpu", Kind::TextOrNumber, "none", "processors: `1.5`, `500m`"),
    Field::new("memory", Kind::Size { least: 1 }, "none", "memory"),
    Field::new("pids", Kind::Count { least: 1, most: 1 << 22 }, "512", "processes"),
];

const OVERRIDE_FIELDS: &[Field] = &[
    list("network", "a list of names", "none", "networks of the engine"),
    list("caps", "a list of capabilities", "none", "capabilities"),
    Field::new("rootfs_writable", Kind::Flag, "`false`", "writing to the image's own files"),
    Field::new("env_inheritance", Kind::Flag, "`false`", "the variables of `:pass-env`"),
];

const LISTED_WATCH_FIELDS: &[Field] = &[
    Field::new("path", Kind::Text, "", "where the repository is"),
    Field::new("target_branch", Kind::Text, "`master`", "the branch that is watched"),
    Field::new("ssh_key_path", Kind::Text, "that of ssh", "the private key for an ssh remote"),
];
