//! The page at `/`, `/healthz`, `/readyz`, `/metrics`, `/openapi.json`, and what is stored and derived under `/api/v1`.
//!
//! In: requests. Out: text for Prometheus, JSON for people and programs, RFC 9457 problems. Refuses to know: the
//! broker; it asks the functions in [`Sources`]. Limits: [`CONNECTIONS`] at once; GET only, but for the uploads of
//! `speed.rs`. Every route carries its documentation, but for those of the page and of LibreSpeed: one without cannot be
//! added here.

mod coverage_metrics;
mod events;
mod listener;
mod problem;
mod speed;
mod web;

pub mod api;

pub use api::Api;
pub use listener::Bounded;
pub use speed::{Limits as SpeedLimits, Speed};

use crate::config::Secret;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use events::Hub;
use problem::{Problem, ProblemBody, Problems};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::watch;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema, openapi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Connections at once: a few scrapers, and people whose browsers keep up to six each for a while.
pub const CONNECTIONS: usize = 256;

/// Whether the collector takes samples now, and if not, why.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Readiness {
    pub ready: bool,
    /// `ok` or `degraded`.
    pub state: &'static str,
    pub mqtt_connected: bool,
    pub store_ok: bool,
    pub queue_messages: u64,
    /// Of `ingest.queue_messages`; 1 is full.
    pub queue_fill: f64,
    /// Absent where the file system does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_free_bytes: Option<u64>,
    /// How large the store will become; absent in the first moments.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub store_forecast: Option<crate::store::Forecast>,
    /// Sentences for a person; empty when ready.
    pub reasons: Vec<String>,
}

/// Where the answers come from.
#[derive(Clone)]
pub struct Sources {
    pub readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// The text of `/metrics`, or why it cannot be given.
    pub metrics: Arc<dyn Fn() -> Result<String, String> + Send + Sync>,
    pub api: Api,
    /// Absent: no token is asked for, which the configuration allows on loopback only.
    pub token: watch::Receiver<Option<Secret>>,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Phủ Sóng collector", description = "What was measured and what is derived from it. Read-only."),
    components(schemas(ProblemBody)),
    security(("token" = [])),
    modifiers(&Token)
)]
struct Described;

/// The token of `http.token`, where one is configured.
struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

pub fn router(sources: Sources) -> Router {
    routed(sources, None)
}

/// `stop`: when endless answers end.
fn routed(sources: Sources, stop: Option<watch::Receiver<bool>>) -> Router {
    let described = OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .routes(routes!(coverage_metrics::coverage))
        .merge(api::routes())
        .routes(routes!(events::events))
        .routes(routes!(openapi_json));
    let (router, document) = described.split_for_parts();
    let document: Arc<str> = document.to_json().expect("texts and numbers can be written").into();
    let hub = Arc::new(Hub::new(sources.api.clone(), stop));
    router
        .layer(Extension(Document(document)))
        .layer(Extension(hub))
        .layer(Extension(coverage_metrics::Coverage::default()))
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(middleware::from_fn_with_state(sources.clone(), authorise))
        .merge(web::routes())
        .with_state(sources)
}

/// The text of `/openapi.json`, made once.
#[derive(Clone)]
struct Document(Arc<str>);

/// Whether it runs at all
#[utoipa::path(get, path = "/healthz", tag = "service",
    responses((status = 200, body = String, content_type = "text/plain"), Problems))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "service",
    responses((status = 200, body = Object, content_type = "application/json"), Problems))]
async fn openapi_json(Extension(Document(text)): Extension<Document>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, text.to_string()).into_response()
}

/// Serves until `stop` turns true; connections still open then are given up by the caller's deadline.
pub async fn serve(listener: Bounded, sources: Sources, stop: watch::Receiver<bool>) -> std::io::Result<()> {
    serve_with(listener, sources, None, stop).await
}

/// The same with a back end for bandwidth tests, where there is one.
pub async fn serve_with(
    listener: Bounded,
    sources: Sources,
    speed: Option<Speed>,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let backend = speed.map(speed::routes).unwrap_or_default();
    let router = routed(sources, Some(stop.clone())).merge(backend);
    let service = router.into_make_service_with_connect_info::<speed::Peer>();
    let stopped = async move {
        // An error means that the sender is gone, which is a stop too.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    axum::serve(listener, service).with_graceful_shutdown(stopped).await
}

/// Whether it takes samples now, and if not, why
#[utoipa::path(get, path = "/readyz", tag = "service",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness), Problems))]
async fn readyz(State(sources): State<Sources>) -> Response {
    let readiness = (sources.readiness)();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(readiness)).into_response()
}

/// For Prometheus
#[utoipa::path(get, path = "/metrics", tag = "service",
    responses((status = 200, body = String, content_type = "text/plain"), Problems))]
async fn metrics(State(sources): State<Sources>) -> Response {
    // Reading the store must not hold up the thread that polls the broker.
    let text = tokio::task::spawn_blocking(move || (sources.metrics)()).await;
    match text {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Ok(Err(why)) => {
            tracing::error!("metrics cannot be given: {why}");
            Problem::internal().into_response()
        }
        Err(stopped) => {
            tracing::error!("metrics cannot be given: {stopped}");
            Problem::internal().into_response()
        }
    }
}

async fn authorise(State(sources): State<Sources>, request: Request, next: Next) -> Response {
    let permitted = match &*sources.token.borrow() {
        None => true,
        Some(Secret(token)) => bearer(request.headers()).is_some_and(|given| same(given, token)),
    };
    if permitted { next.run(request).await } else { Problem::unauthorised().into_response() }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Compares without stopping at the first difference, so that time tells nothing about the token.
fn same(given: &str, token: &str) -> bool {
    let differs = given.bytes().zip(token.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == token.len() && differs == 0
}
