//! Where a step's process runs, and how it ends with everything it left behind.
//!
//! A step is a session of its own, without a terminal, with an environment that is exactly the given one, in a
//! cgroup of its own where the system has cgroup v2 and the user may make folders there. When the main process
//! has ended, timed out or was stopped, whatever the step left behind is asked to end, then killed, then reaped.
//!
//! What a step left behind is found by its cgroup, by descent (the calling process is a subreaper, so that no
//! descendant leaves it), by its session, and by its mark: `QUIRE_INSTANCE`, `QUIRE_RUN` and `QUIRE_STEP`. The mark
//! names the data folder, so that what a server of a copy of that folder looks for is never found here. Without cgroups, a
//! process that left its parents, its session *and* its environment while other steps run cannot be distinguished from
//! theirs: it is left alone until no other step runs. A process is never killed by name, and a signal goes only
//! through a descriptor that was opened before looking at who owns it.
//!
//! This module does not decide what is run, nor when; and it does not wait on the thread of the script VM: call it on a
//! runtime of its own.

mod capture;
mod confinement;
mod environment;
#[expect(clippy::module_inception, reason = "the file is named after its concept, as every other")]
mod executor;
mod host;
mod inside;
mod members;
mod on_host;
mod output;
mod ownership;
mod program;
mod step;
mod step_task;
mod stop;
mod sweep;
mod workspace;

pub use confinement::{Confinement, SYSTEM, Sandbox, find_bwrap};
pub use environment::{Environment, EnvironmentError, INHERITED};
pub use executor::{Ending, Executor, NotRun, Running, StepContext};
pub use host::{Containment, DRAIN_LIMIT, Host, LEFTOVER_GRACE, LEFTOVER_SETTLE, Orphans, asked_to_stop};
pub use inside::{WORD, lead as lead_inside};
pub use on_host::{BwrapExecutor, HostExecutor};
pub use output::SILENCE;
pub use step::{CAPTURE_LIMIT, OutOfMemory, Program, STOP_GRACE, StepEnd, StepError, StepSpec};
pub use step_task::{Step, title};
pub use stop::{SWEEP_LIMIT, Swept};
pub use sweep::{INSTANCE, RUN, sweep_children, sweep_run};
pub use workspace::Workspace;
