//! Who asks: put into each request by the door it came through.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

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
