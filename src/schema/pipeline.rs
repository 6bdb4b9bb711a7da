//! The options of jobs, steps, containers and services.

use super::job_folder::ARGUMENT_FIELDS;
use super::option::{Field, Kind, Options};

/// The largest number of processes of a container: that of the kernel.
const MAX_PIDS: u32 = 1 << 22;

/// The options of `ci:job`.
pub static JOB: Options = Options {
    of: "a job",
    groups: &[JOB_FIELDS, SERVICES, CONTAINER_FIELDS, HOST_FIELDS],
    example: "options are a table such as `{:timeout \"5m\"}`; steps are calls of `sh` in the function of the job",
};

/// The options of `sh`.
pub static STEP: Options = Options {
    of: "`sh`",
    groups: &[STEP_FIELDS],
    example: "a command is one string or one list; options are a table such as `{:timeout \"5m\"}`",
};

/// The options of `container`.
pub static CONTAINER: Options = Options {
    of: "`container`",
    groups: &[STEP_FIELDS, SERVICES, CONTAINER_FIELDS, HOST_FIELDS],
    example: "write a table such as `{:network \"bridge\"}`",
};

/// The options of `artifact`.
pub static ARTIFACT: Options = Options {
    of: "`artifact`",
    groups: &[ARTIFACT_FIELDS],
    example: "write a table such as `{:as \"report.xml\" :keep-days 30}`",
};

/// The options of an entry of `:artifacts`.
pub static ARTIFACT_ENTRY: Options = Options {
    of: "an artifact",
    groups: &[ARTIFACT_PATH, ARTIFACT_FIELDS],
    example: "write `:artifacts [\"target/report.xml\" {:path \"dist\" :keep-days 30}]`",
};

/// What the containers of jobs, steps and services have in common.
pub static BOX: Options =
    Options { of: "a container", groups: &[CONTAINER_FIELDS, HOST_FIELDS], example: "" };

/// The options of a service.
pub static SERVICE: Options = Options {
    of: "a service",
    groups: &[SERVICE_FIELDS, CONTAINER_FIELDS, HOST_FIELDS],
    example: "write an image, or a table such as `{:image \"postgres:17\"}`",
};

/// The options of an argument of `ci.manual`.
pub(crate) static ARGUMENT: Options = Options {
    of: "an argument",
    groups: &[ARGUMENT_FIELDS],
    example: "an argument is such as `:env {:enum [\"staging\" \"prod\"]}`",
};

const JOB_FIELDS: &[Field] = &[
    Field::new(
        "timeout",
        Kind::Duration,
        "none; the run has one",
        "counts from the start of the job; a job that takes longer is stopped and ends as `timed-out`",
    ),
    Field::new(
        "when",
        Kind::Words(&["passed", "failed", "always"]),
        "`:passed`",
        "when the job runs, once all its inputs have ended: when every one passed, when at least one failed or timed out, or always",
    ),
    Field::new(
        "allow-failure",
        Kind::Flag,
        "`false`",
        "`true`: when the job fails, the run can still pass, and jobs that need it run as if it had passed; its output is `nil` then",
    ),
    Field::new(
        "interruptible",
        Kind::Flag,
        "`true`",
        "`false`: a [newer push](#a-newer-push) to the branch does not stop the job",
    ),
    Field::new(
        "image",
        Kind::Text,
        "none: steps run on the host",
        "the [image](#container) that its steps run in, or `\".quire/Dockerfile\"`",
    ),
    Field::new(
        "sandbox",
        Kind::Words(&["bwrap"]),
        "what `config.fnl` requires",
        "each step of the job runs in bubblewrap",
    ),
    Field::new(
        "network",
        Kind::FlagOrText,
        "none",
        "`true`: its sandbox has the network; with `:image` the name of a network of the engine",
    ),
    Field::new(
        "artifacts",
        Kind::Other("a path, or a list of paths and tables"),
        "none",
        "what is kept with the run when the job has ended, however it ended: see [artifacts](#artifacts)",
    ),
    Field::planned("retry", "repeat the command in the step: `(sh \"make test || make test\")`"),
    Field::planned("env", "give `:env` to each `sh`, from a table that the file binds once"),
    Field::planned(
        "needs-secrets",
        "ask for a secret with `(secret :name)`; the operator grants it to jobs in `config.fnl`",
    ),
    Field::planned("group", "let each job need the one before: they never run at the same time then"),
    Field::planned(
        "workspace",
        "give the steps of the job a folder of its own with `:cwd`, or let it need the jobs that it must not overlap with",
    ),
    Field::planned(
        "matrix",
        "declare the jobs in a loop: `(each [_ os (ipairs [\"a\" \"b\"])] (ci:job (.. \"test-\" os) …))`",
    ),
];

const ARTIFACT_PATH: &[Field] =
    &[Field::new("path", Kind::Text, "", "a file, a folder or a pattern in the workspace")];

/// The longest that an artifact is kept by itself, in days.
const MAX_KEEP_DAYS: u32 = 3_650;

const ARTIFACT_FIELDS: &[Field] = &[
    Field::new(
        "as",
        Kind::Text,
        "its path in the workspace",
        "the name of the artifact; of a folder or a pattern, the folder that the names begin with",
    ),
    Field::new(
        "keep-days",
        Kind::Count { least: 1, most: MAX_KEEP_DAYS },
        "as long as the run",
        "after so many days the file is removed",
    ),
    Field::new(
        "report",
        Kind::Words(&["junit"]),
        "`.xml` files that are reports",
        "the file is a test report in JUnit's XML, whatever its name",
    ),
    Field::new(
        "allow-secrets",
        Kind::Flag,
        "`false`",
        "`true`: a file that holds the value of a secret is kept as it is",
    ),
];

const STEP_FIELDS: &[Field] = &[
    Field::new("env", Kind::Variables, "", "variables, put over the clean environment"),
    Field::new("cwd", Kind::Text, "the workspace", "the folder to run in, relative to the workspace"),
    Field::new("input", Kind::Text, "empty", "its standard input"),
    Field::new(
        "timeout",
        Kind::Duration,
        "`:step-timeout` of `config.fnl`, 30 minutes",
        "the longest it may take",
    ),
    Field::new("name", Kind::Text, "the first line of the command", "a title for people"),
    Field::new("check", Kind::Flag, "", "see [the failure rule](#the-failure-rule)"),
];

const CONTAINER_FIELDS: &[Field] = &[
    Field::new(
        "secrets",
        Kind::Texts,
        "none",
        "declared secrets: each is a file `/run/secrets/<name>`, in memory, for the container's user alone",
    ),
    Field::new(
        "user",
        Kind::TextOrNumber,
        "the account of quire",
        "`1000` or `\"1000:1000\"`, or a name that the image knows. Each user finds the workspace as its own, \
         see [users](#users-of-containers)",
    ),
    Field::new("network", Kind::Text, "none", "a network of the engine"),
    Field::new(
        "memory",
        Kind::TextOrNumber,
        "what the policy says",
        "a size such as `\"512MiB\"`; a container that uses it up is killed, and its log says so, or that it is likely where \
         the kernel does not report it",
    ),
    Field::new(
        "cpus",
        Kind::TextOrNumber,
        "what the policy says",
        "a number of processors: `1.5`, `\"500m\"`",
    ),
    Field::new("pids", Kind::Count { least: 1, most: MAX_PIDS }, "512", "the most processes"),
    Field::new("mounts", Kind::Texts, "none", "folders of the host: `[\"/srv/cache:/cache:ro\"]`"),
    Field::new(
        "pull",
        Kind::Words(&["missing", "always", "never"]),
        "`:missing`",
        "when the image is pulled",
    ),
    Field::new("caps", Kind::Texts, "none", "capabilities to keep: `[\"CHOWN\"]`"),
    Field::new(
        "rootfs-writable",
        Kind::Flag,
        "`false`",
        "`true`: the image's files can be written to, and are forgotten at the end",
    ),
    Field::new(
        "env-inheritance",
        Kind::Flag,
        "`false`",
        "`true`: it gets the variables that `:pass-env` of `config.fnl` names, as steps on the host do; `:env` is put over them",
    ),
];

const SERVICES: &[Field] = &[Field::new(
    "services",
    Kind::Other("a table such as `{:db {:image \"postgres:17\"}}`"),
    "none",
    "containers that run next to it, see [services](#services)",
)];

const SERVICE_FIELDS: &[Field] = &[
    Field::new("image", Kind::Text, "", "its image"),
    Field::new("cmd", Kind::Other("a string or a list of arguments"), "what the image runs", "what it runs"),
    Field::new(
        "health",
        Kind::Other("a string or a list of arguments"),
        "none: it is ready when it runs",
        "a command that exits with 0 when it is ready",
    ),
    Field::new("env", Kind::Variables, "", "variables"),
    Field::refused(
        "services",
        "a service has no services of its own",
        "declare it among the services of the job",
    ),
];

/// What says more about a container than a name may: requests that policy refuses or grants.
const HOST_FIELDS: &[Field] = &[
    Field::privileged("privileged"),
    Field::privileged("devices"),
    Field::privileged("pid"),
    Field::privileged("ipc"),
    Field::privileged("uts"),
    Field::privileged("userns"),
    Field::privileged("security-opt"),
    Field::privileged("extra-args"),
];
