//! `GET /metrics/coverage`: the domain for Prometheus, hamlet by hamlet, streamed.
//!
//! In: one short read of the store. Out: the text format, in chunks that are written while they are sent. Refuses to
//! know SQL and how anything was derived. Label text is made once and kept until the registry changes. Limits:
//! [`AT_ONCE`] scrapes, [`CHUNKS`] chunks on their way; a reader that takes none for [`PATIENCE`] is given up.

mod families;
mod labels;
mod lines;
mod picture;
mod text;

use super::Sources;
use super::problem::{Problem, Problems};
use crate::store::views::Views;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use labels::Labels;
use lines::Scene;
use phusong_coverage::Policy;
use picture::Picture;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use text::Gone;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

/// Scrapes that read and write; others wait.
const AT_ONCE: usize = 2;
/// Chunks between the writer and the socket.
const CHUNKS: usize = 4;
/// How long a chunk waits for its reader.
const PATIENCE: Duration = Duration::from_secs(10);

/// Label text with the fingerprint of the registry that it was made from.
type Known = Option<(u64, Arc<Labels>)>;

/// What scrapes share.
#[derive(Clone)]
pub struct Coverage {
    labels: Arc<Mutex<Known>>,
    places: Arc<Semaphore>,
}

impl Default for Coverage {
    fn default() -> Self {
        Coverage { labels: Arc::default(), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// The domain for Prometheus
///
/// Levels, quantiles and counters of hamlets, networks and probes; `docs/metrics.md` explains each family.
#[utoipa::path(get, path = "/metrics/coverage", tag = "service",
    responses((status = 200, body = String, content_type = "text/plain"), Problems))]
pub async fn coverage(
    State(sources): State<Sources>,
    Extension(coverage): Extension<Coverage>,
) -> Result<Response, Problem> {
    let place = Arc::clone(&coverage.places).acquire_owned().await.expect("the semaphore is never closed");
    let scene = sources.api.look(move |views, now_ms| coverage.scene(views, now_ms)).await?;
    let (to, from) = mpsc::channel(CHUNKS);
    let runtime = Handle::current();
    // The store is closed again; from here on only memory is read.
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let written = scene.write(|chunk| send(&runtime, &to, Part::Chunk(chunk)));
        match written.and_then(|_| send(&runtime, &to, Part::End)) {
            Ok(()) => {}
            Err(gone) => tracing::debug!("/metrics/coverage was not taken to its end: {gone}"),
        }
    });
    let headers =
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body(from)).into_response())
}

/// What goes from the writer to the socket. A text that ends without its end is broken off, not complete.
enum Part {
    Chunk(Bytes),
    End,
}

fn send(runtime: &Handle, to: &mpsc::Sender<Part>, part: Part) -> Result<(), Gone> {
    match runtime.block_on(tokio::time::timeout(PATIENCE, to.send(part))) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Gone),
    }
}

fn body(from: mpsc::Receiver<Part>) -> Body {
    Body::from_stream(stream::unfold(Some(from), |from| async move {
        let mut from = from?;
        match from.recv().await {
            Some(Part::Chunk(chunk)) => Some((Ok(chunk), Some(from))),
            Some(Part::End) => None,
            None => Some((Err(io::Error::other("the text was broken off")), None)),
        }
    }))
}

impl Coverage {
    fn scene(&self, views: &Views, now_ms: i64) -> Result<Scene, Problem> {
        let labels = self.labels(views, now_ms)?;
        let figures = views.figures(now_ms - Policy::default().stale_ms)?;
        let speeds = views.hamlet_speeds(now_ms)?;
        let picture = Picture::new(&figures, &labels, now_ms);
        Ok(Scene { labels, figures, picture, speeds, now_ms })
    }

    fn labels(&self, views: &Views, now_ms: i64) -> Result<Arc<Labels>, Problem> {
        let print = views.registry_print(now_ms)?;
        let known = self.labels.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((of, labels)) = known
            && of == print
        {
            return Ok(labels);
        }
        let labels = Arc::new(Labels::new(&views.registry(now_ms)?));
        *self.labels.lock().unwrap_or_else(PoisonError::into_inner) = Some((print, Arc::clone(&labels)));
        Ok(labels)
    }
}
