//! The routes below `/api/v1`, one file for each kind of resource, and the OpenAPI document, which is made from them.

mod accounts;
mod artifacts;
mod audit;
mod documents;
mod events;
mod jobs;
mod logs;
mod notifications;
mod plans;
mod repos;
mod runs;
mod sources;
mod starts;
mod tokens;
mod watches;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::{MethodFilter, any, on};
use pastey::paste;
use utoipa::openapi::HttpMethod;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, Path};

pub(in crate::http) use logs::LogQuery;

use super::idempotency::replay;
use super::problem::{no_method, no_route};
use crate::app::{AppState, ProblemFrame};

/// The path that all routes are below.
const BASE: &str = "/api/v1";

/// The largest body of a request, in bytes.
const MAX_BODY: usize = 1 << 20;

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

/// Makes of a list of handlers the router and the OpenAPI document. The document is made only when somebody asks for it.
macro_rules! routes {
    ($($module:ident :: $handler:ident),* $(,)?) => {
        /// The routes, for the document.
        #[derive(OpenApi)]
        #[openapi(paths($($module::$handler),*))]
        struct Routes;

        /// The routes, as axum takes them.
        fn routes() -> Router<AppState> {
            let router = Router::new();
            $(
                let (path, methods) = paste! {
                    (<$module::[<__path_ $handler>] as Path>::path(), <$module::[<__path_ $handler>] as Path>::methods())
                };
                let router = router.route(&format!("{BASE}{path}"), on(filter(&methods), $module::$handler));
            )*
            router
        }
    };
}

routes! {
    repos::list, repos::create, repos::get, repos::update, repos::remove,
    runs::list, runs::get, runs::cancel, runs::wait, starts::start, starts::rerun, plans::plan,
    jobs::list,
    events::of_run, events::of_all, logs::get,
    artifacts::list, artifacts::get,
    watches::list, watches::add, watches::remove, watches::now,
    sources::list, sources::add, sources::get, sources::remove,
    notifications::list, notifications::retry,
    audit::list,
    tokens::list, tokens::create, tokens::revoke,
    accounts::list_all_users, accounts::add_user, accounts::remove_user,
    accounts::list_all_keys, accounts::add_key, accounts::remove_key,
    documents::openapi,
}

/// The methods of a route.
fn filter(methods: &[HttpMethod]) -> MethodFilter {
    let one = |method: &HttpMethod| match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Delete => MethodFilter::DELETE,
        HttpMethod::Options => MethodFilter::OPTIONS,
        HttpMethod::Head => MethodFilter::HEAD,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Trace => MethodFilter::TRACE,
    };
    methods.iter().map(one).reduce(MethodFilter::or).unwrap_or(MethodFilter::GET)
}

/// What the OpenAPI document says beside its routes.
#[derive(OpenApi)]
#[openapi(
    info(title = "quire", description = "Repositories, their runs, and what belongs to them."),
    components(schemas(ProblemFrame)),
    nest((path = "/api/v1", api = Routes)),
    modifiers(&Token)
)]
struct Document;

/// The OpenAPI document, which describes every route.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The routes. The state is that of the server.
pub(super) fn router(app: &AppState) -> Router<AppState> {
    routes()
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
