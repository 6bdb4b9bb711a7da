//! A watch as it is answered, over HTTP and by commands.

use serde::Serialize;
use utoipa::ToSchema;

use super::watches::WatchView;

/// A watched branch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Watch)]
pub(crate) struct WatchShape {
    /// Its name: runs are those of a repository of this name.
    pub(crate) name: String,
    /// The address of the repository.
    pub(crate) url: String,
    /// The branch.
    pub(crate) branch: String,
    /// How often it is looked at.
    pub(crate) every_s: f64,
    /// `new`, `following`, or what is wrong.
    pub(crate) state: String,
    /// The commit that it was at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tip: Option<String>,
    /// The error of the last look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl WatchShape {
    /// What is known of a watch.
    pub(crate) fn of(view: &WatchView) -> Self {
        let status = view.status.as_ref();
        Self {
            name: view.watch.name.to_string(),
            url: view.watch.url.to_string(),
            branch: view.watch.branch.to_string(),
            every_s: view.watch.every.as_secs_f64(),
            state: view.state().to_owned(),
            tip: status.and_then(|status| status.tip).map(|tip| tip.to_string()),
            error: status.and_then(|status| status.error.clone()),
        }
    }
}
