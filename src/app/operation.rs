//! An operation that a command can have the server perform.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use super::state::AppState;

/// An operation with its request. `POST` to its route on the socket performs it in the server; without a server, the
/// command performs it itself.
pub trait Operation: Serialize + DeserializeOwned + Send + 'static {
    /// What comes of it.
    type Answer: Serialize + DeserializeOwned + Send;

    /// Its route.
    const ROUTE: &'static str;

    /// How long a command waits for the answer.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Does it.
    fn perform(self, app: &AppState) -> impl Future<Output = Result<Self::Answer, Problem>> + Send;
}
