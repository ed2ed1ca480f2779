//! `GET /api/v1/events`: what changes, as server-sent events, for a page that is live.
//!
//! In: the `changes` of the store, and the states of hamlets. Out: each change as an event of its name with its id, and
//! `states` when any hamlet's state is another one than before, which time alone can do. One task looks for all listeners,
//! and only while there are some; a listener that falls behind reads on from where it stands, nothing is queued for it.
//! Limits: [`LISTENERS`] at once, [`PAGE`] changes a read.

use super::api::Api;
use super::api::changes::{Change, change};
use super::api::question::{Asked, Given, Question};
use super::api::state::Scene;
use super::api::when::utc;
use super::problem::{Problem, ProblemBody, Problems};
use crate::store::views::Views;
use axum::Extension;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior};
use utoipa::IntoParams;

/// Listeners at once; the others ask each minute.
pub const LISTENERS: usize = 64;
/// Between two looks for changes: one read of an index.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks at the states of all hamlets, and never more than a twentieth of the time.
const STATES: Duration = Duration::from_secs(5);
const STATES_SHARE: u32 = 20;
/// Changes of one read.
const PAGE: usize = 200;
/// A proxy closes what is silent for longer, and a listener takes us for gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a listener waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What all listeners share.
pub struct Hub {
    api: Api,
    seats: Arc<Semaphore>,
    news: watch::Sender<News>,
    /// Whether the task runs that looks.
    looking: Mutex<bool>,
    /// Turns true when the server ends; absent: it never does.
    stop: Option<watch::Receiver<bool>>,
}

/// What the last look found.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct News {
    /// The newest change.
    last: i64,
    /// Grows when the states are others than before.
    states: u64,
    as_of_ms: i64,
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventQuestion {
    /// Only changes after this one; without it from now on. The header `Last-Event-ID` goes before.
    #[param(value_type = Option<i64>)]
    after: Option<i64>,
}

impl Question for EventQuestion {
    fn read(given: &Given) -> Result<Self, Problem> {
        Ok(EventQuestion { after: given.id("after")? })
    }
}

/// Events
///
/// Changes as they are found, one event each, named by `what`, with the change as data and its id; `states` when any
/// hamlet's state changed. A comment comes at least every 15 seconds.
#[utoipa::path(get, path = "/api/v1/events", tag = "interruptions", params(EventQuestion),
    responses((status = 200, body = String, content_type = "text/event-stream"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
         description = "There are as many listeners as can be served."), Problems))]
pub async fn events(
    Extension(hub): Extension<Arc<Hub>>,
    headers: HeaderMap,
    Asked(asked): Asked<EventQuestion>,
) -> Result<Response, Problem> {
    let after = resumed(&headers)?.or(asked.after);
    let seat = Arc::clone(&hub.seats).try_acquire_owned().map_err(|_| Problem::no_seat())?;
    let listener = Listener::new(hub, after, seat).await?;
    let events = stream::unfold(listener, Listener::next);
    let alive = KeepAlive::new().interval(HEARTBEAT).text("still here");
    let mut response = Sse::new(events).keep_alive(alive).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy in front of us must not gather what is to come at once.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn resumed(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let id = text.parse().ok().filter(|id| *id >= 0);
    let wrong = || Problem::bad_value("Last-Event-ID", text, "send the id of an event of this stream");
    id.map(Some).ok_or_else(wrong)
}

impl Hub {
    pub fn new(api: Api, stop: Option<watch::Receiver<bool>>) -> Self {
        let seats = Arc::new(Semaphore::new(LISTENERS));
        Hub { api, seats, news: watch::Sender::new(News::default()), looking: Mutex::new(false), stop }
    }

    /// A receiver of the news; sees to it that somebody looks.
    fn subscribe(self: &Arc<Self>) -> watch::Receiver<News> {
        let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let news = self.news.subscribe();
        if !*looking {
            *looking = true;
            tokio::spawn(Arc::clone(self).look());
        }
        news
    }

    /// Whether nobody listens any more; then the next listener starts another look.
    fn alone(&self) -> bool {
        let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        *looking = self.news.receiver_count() > 0;
        !*looking
    }

    async fn look(self: Arc<Self>) {
        let mut stop = self.stop.clone();
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // States as they were when nobody listened say nothing: the first look counts as another one.
        let (mut states, mut due) = (None, Instant::now());
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stopped(&mut stop) => return,
            }
            if self.alone() {
                return;
            }
            let begun = Instant::now();
            let whole = begun >= due;
            let seen = self.api.look(move |views, now_ms| {
                let states = if whole { Some(fingerprint(views, now_ms)?) } else { None };
                Ok((views.last_change()?, states, now_ms))
            });
            // What went wrong is in the log; the next look may go well.
            let Ok((last, found, as_of_ms)) = seen.await else {
                ticks.reset_after(STATES);
                continue;
            };
            let changed = found.is_some() && found != states;
            if whole {
                (states, due) = (found, begun + STATES.max(begun.elapsed() * STATES_SHARE));
            }
            self.news.send_if_modified(|news| {
                let before = *news;
                news.last = last;
                if changed {
                    *news = News { last, states: news.states + 1, as_of_ms };
                }
                *news != before
            });
        }
    }
}

async fn stopped(stop: &mut Option<watch::Receiver<bool>>) {
    match stop {
        // An error means that the sender is gone, which is a stop too.
        Some(stop) => drop(stop.wait_for(|stop| *stop).await),
        None => std::future::pending().await,
    }
}

/// Everything by which a map looks another way than before.
fn fingerprint(views: &Views, now_ms: i64) -> Result<u64, Problem> {
    let scene = Scene::look(views, now_ms)?;
    let mut hasher = DefaultHasher::new();
    for node in scene.leaves(None).unwrap_or_default() {
        let hamlet = scene.hamlet(node);
        (&hamlet.code, &hamlet.name, hamlet.level, hamlet.places).hash(&mut hasher);
        hamlet.open_blinds.iter().for_each(|open| (&open.key, &open.cause).hash(&mut hasher));
        for state in hamlet.networks.iter().chain(&hamlet.links) {
            (&state.network, state.level, &state.reason, state.places_disagree).hash(&mut hasher);
            let open = state.open_gaps.iter().chain(&state.open_blinds);
            open.for_each(|open| (&open.key, &open.cause).hash(&mut hasher));
        }
    }
    Ok(hasher.finish())
}

/// One connection.
struct Listener {
    hub: Arc<Hub>,
    news: watch::Receiver<News>,
    stop: Option<watch::Receiver<bool>>,
    /// The last change that it was told.
    after: i64,
    /// The newest change when it came.
    last: i64,
    /// The states that it was told of.
    states: u64,
    ready: VecDeque<Event>,
    _seat: OwnedSemaphorePermit,
}

impl Listener {
    async fn new(hub: Arc<Hub>, after: Option<i64>, seat: OwnedSemaphorePermit) -> Result<Self, Problem> {
        let mut news = hub.subscribe();
        let states = news.borrow_and_update().states;
        let last = hub.api.look(|views, _| Ok(views.last_change()?)).await?;
        // An id that is not there yet is of another store: from now on, then.
        let after = after.map_or(last, |after| after.min(last));
        let hello = Event::default().retry(RETRY).comment("changes come as they are found");
        let stop = hub.stop.clone();
        Ok(Listener { hub, news, stop, after, last, states, ready: VecDeque::from([hello]), _seat: seat })
    }

    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some((Ok(event), self));
            }
            let news = *self.news.borrow_and_update();
            if news.last.max(self.last) > self.after {
                self.read(news.last.max(self.last)).await?;
            } else if news.states != self.states {
                self.states = news.states;
                self.ready.push_back(states(news.as_of_ms));
            } else {
                tokio::select! {
                    changed = self.news.changed() => changed.ok()?,
                    () = stopped(&mut self.stop) => return None,
                }
            }
        }
    }

    /// The next page of changes; `None` where they cannot be read: the listener comes back.
    async fn read(&mut self, last: i64) -> Option<()> {
        let after = self.after;
        let rows = self.hub.api.look(move |views, _| Ok(views.changes(after, PAGE)?)).await.ok()?;
        // Those that were pruned since are not coming.
        self.after = rows.last().map_or(last, |row| row.id);
        self.ready.extend(rows.into_iter().map(|row| told(&change(row))));
        Some(())
    }
}

fn told(change: &Change) -> Event {
    let data = serde_json::to_string(change).expect("texts and numbers can be written");
    Event::default().id(change.id.to_string()).event(&change.what).data(data)
}

fn states(as_of_ms: i64) -> Event {
    let data = serde_json::json!({"as_of": utc(as_of_ms), "as_of_ms": as_of_ms});
    Event::default().event("states").data(data.to_string())
}
