//! `/healthz`, `/readyz`, `/metrics`.
//!
//! In: requests. Out: text for Prometheus, JSON for people and probes, RFC 9457 problems. Refuses to know: the store,
//! the broker; it asks the two functions in [`Sources`]. Limits: [`CONNECTIONS`] at once; GET only.

mod listener;
mod problem;

pub use listener::Bounded;

use crate::config::Secret;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use problem::Problem;
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::watch;

/// Connections at once: a few scrapers and a person.
pub const CONNECTIONS: usize = 64;

/// Whether the collector takes samples now, and if not, why.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    /// Sentences for a person; empty when ready.
    pub reasons: Vec<String>,
}

/// Where the answers come from.
#[derive(Clone)]
pub struct Sources {
    pub readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// The text of `/metrics`, or why it cannot be given.
    pub metrics: Arc<dyn Fn() -> Result<String, String> + Send + Sync>,
    /// Absent: no token is asked for, which the configuration allows on loopback only.
    pub token: watch::Receiver<Option<Secret>>,
}

pub fn router(sources: Sources) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(middleware::from_fn_with_state(sources.clone(), authorise))
        .with_state(sources)
}

/// Serves until `stop` turns true; connections still open then are given up by the caller's deadline.
pub async fn serve(listener: Bounded, sources: Sources, mut stop: watch::Receiver<bool>) -> std::io::Result<()> {
    let stopped = async move {
        // An error means that the sender is gone, which is a stop too.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    axum::serve(listener, router(sources)).with_graceful_shutdown(stopped).await
}

async fn readyz(State(sources): State<Sources>) -> Response {
    let readiness = (sources.readiness)();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(readiness)).into_response()
}

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
