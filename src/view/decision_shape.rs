//! A decision of policy as JSON.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::journal::PolicyRecord;

/// A decision about one point of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyDecision)]
pub(crate) struct DecisionShape {
    /// What the container is for: the job, or a service of it.
    pub(crate) subject: String,
    /// `allow`, `warn` or `deny`.
    pub(crate) verdict: String,
    /// The stable word.
    pub(crate) code: String,
    /// The reason.
    pub(crate) reason: String,
    /// What would allow it.
    pub(crate) hint: Option<String>,
}

impl DecisionShape {
    pub(super) fn of(decision: &PolicyRecord) -> Self {
        Self {
            subject: decision.subject.to_string(),
            verdict: decision.verdict.clone(),
            code: decision.code.clone(),
            reason: decision.reason.to_string(),
            hint: decision.hint.as_ref().map(ToString::to_string),
        }
    }
}
