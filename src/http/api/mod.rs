//! The routes below `/api/v1`, one file for each kind of resource, and the OpenAPI document, which is made from them.

mod artifacts;
mod audit;
mod documents;
mod events;
mod logs;
mod notifications;
mod plans;
mod repos;
mod runs;
mod starts;
mod watches;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::any;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::idempotency::replay;
use super::problem::{no_method, no_route};
use crate::app::{AppState, ProblemFrame};

/// The path that all routes are below.
const BASE: &str = "/api/v1";

/// The largest body of a request, in bytes.
const MAX_BODY: usize = 1 << 20;

/// What the OpenAPI document says beside its routes.
#[derive(OpenApi)]
#[openapi(
    info(title = "quire", description = "Repositories, their runs, and what belongs to them."),
    components(schemas(ProblemFrame)),
    modifiers(&Token)
)]
struct Document;

/// How a caller says who it is. The scopes that a route requires stand with the route.
struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let text = "A token of `quire token new`, or the cookie of a session. The Unix socket needs neither.";
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text)).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// All routes, with what the OpenAPI document says about them.
fn documented() -> OpenApiRouter<AppState> {
    let routes = OpenApiRouter::new()
        .routes(routes!(repos::list, repos::create))
        .routes(routes!(repos::get, repos::update, repos::remove))
        .routes(routes!(runs::list, starts::start))
        .routes(routes!(runs::get))
        .routes(routes!(runs::cancel))
        .routes(routes!(starts::rerun))
        .routes(routes!(runs::wait))
        .routes(routes!(events::of_run))
        .routes(routes!(events::of_all))
        .routes(routes!(logs::get))
        .routes(routes!(plans::plan))
        .routes(routes!(artifacts::list))
        .routes(routes!(artifacts::get))
        .routes(routes!(watches::list, watches::add))
        .routes(routes!(watches::remove))
        .routes(routes!(watches::now))
        .routes(routes!(notifications::list))
        .routes(routes!(notifications::retry))
        .routes(routes!(audit::list))
        .routes(routes!(documents::openapi));
    OpenApiRouter::with_openapi(Document::openapi()).nest(BASE, routes)
}

/// The OpenAPI document, which describes every route.
pub fn openapi() -> utoipa::openapi::OpenApi {
    documented().split_for_parts().1
}

/// The routes. The state is that of the server.
pub(super) fn router(app: &AppState) -> Router<AppState> {
    let (routes, _) = documented().split_for_parts();
    routes
        .route(BASE, any(no_route))
        .route(&format!("{BASE}/"), any(no_route))
        .route(&format!("{BASE}/{{*path}}"), any(no_route))
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(app.clone(), replay))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::map_response(private))
}

/// Answers depend on who asks: nobody between keeps them.
async fn private(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
