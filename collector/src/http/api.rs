//! `/api/v1`: what is stored and derived, as JSON, for pages, maps and scripts. Read-only.
//!
//! In: GET requests. Out: bounded lists with cursors, single things, GeoJSON; problems (RFC 9457). Refuses to know
//! SQL: it asks [`crate::store::views`]. Each request is one short look at the store on a thread of its own kind, so
//! that reading never holds up the broker's thread. Answers carry `Cache-Control: no-store`: a hamlet's state changes
//! by time alone, when its last window becomes too old.

mod areas;
pub(super) mod changes;
mod hamlets;
mod interruptions;
mod letters;
mod map;
mod observations;
mod page;
mod probes;
pub(super) mod question;
mod radio;
pub(super) mod state;
pub(super) mod when;
mod words;

use super::Sources;
use super::problem::Problem;
use crate::store::views::Views;
use crate::store::{Readers, StoreError};
use axum::extract::FromRef;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Where the answers come from.
#[derive(Clone)]
pub struct Api {
    readers: Readers,
    now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl Api {
    /// `now_ms`: the time for which states are given.
    pub fn new(readers: Readers, now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Api { readers, now_ms: Arc::new(now_ms) }
    }

    /// Looks at the store at this moment.
    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Views, i64) -> Result<T, Problem> + Send + 'static,
    ) -> Result<Answer<T>, Problem> {
        self.look(look).await.map(Answer)
    }

    /// The same for whoever makes no JSON of it.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Views, i64) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let (readers, now_ms) = (self.readers.clone(), (self.now_ms)());
        let task = tokio::task::spawn_blocking(move || {
            let views = readers.connect()?.with_derived()?;
            look(&views, now_ms)
        });
        task.await.map_err(|stopped| {
            tracing::error!("an answer cannot be given: {stopped}");
            Problem::internal()
        })?
    }
}

impl FromRef<Sources> for Api {
    fn from_ref(sources: &Sources) -> Self {
        sources.api.clone()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!("the store cannot be read: {error}");
        Problem::internal()
    }
}

/// JSON that nobody keeps.
pub struct Answer<T>(T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        ([(header::CACHE_CONTROL, "no-store")], axum::Json(self.0)).into_response()
    }
}

/// Every route with its documentation.
pub fn routes() -> OpenApiRouter<Sources> {
    OpenApiRouter::new()
        .routes(routes!(areas::areas))
        .routes(routes!(hamlets::hamlets))
        .routes(routes!(hamlets::hamlet))
        .routes(routes!(map::hamlets_geojson))
        .routes(routes!(probes::probes))
        .routes(routes!(probes::probe))
        .routes(routes!(interruptions::gaps))
        .routes(routes!(interruptions::blinds))
        .routes(routes!(interruptions::remotes))
        .routes(routes!(observations::observations))
        .routes(routes!(letters::dead_letters))
        .routes(routes!(radio::votes))
        .routes(routes!(radio::serving_cells))
        .routes(routes!(radio::technologies))
        .routes(routes!(changes::changes))
}
