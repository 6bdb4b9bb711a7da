//! Who asks: put into each request by the door it came through.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::problem::Refused;
use super::request_id::FoundActor;
use crate::app::Caller;

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    /// Who the door found the caller to be; nobody when it has said nothing.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let caller = parts.extensions.get::<Self>().cloned().unwrap_or_else(Self::nobody);
        if let Some(found) = parts.extensions.get::<FoundActor>() {
            found.set(caller.actor());
        }
        Ok(caller)
    }
}

/// A caller that has said who it is. A request of nobody is refused before anything else of it is read.
pub(super) struct Known(pub(super) Caller);

impl<S: Sync> FromRequestParts<S> for Known {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Ok(caller) = Caller::from_request_parts(parts, state).await;
        caller.expect_known()?;
        Ok(Self(caller))
    }
}
