//! `observations`: what was measured, newest first by event time.

use super::page::{Page, encode};
use super::question::{Asked, Given, Question};
use super::when::utc;
use super::words::hex;
use super::{Answer, Api};
use crate::http::problem::{Problem, Problems};
use crate::store::ObservationRow;
use crate::store::views::ObservationFilter;
use axum::extract::State;
use phusong_protocol::{Clock, Outcome, ReadingKind};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

const LIST: &str = "observations";
/// The number of a failure on the wire, beside the kinds of readings.
const FAILURE: u16 = 64;

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ObservationQuestion {
    /// Of this probe only.
    probe: Option<String>,
    /// Event time from here ..
    #[param(value_type = Option<String>)]
    from: Option<i64>,
    /// .. to before here: 2026-11-22 or 2026-11-22T10:00:00Z.
    #[param(value_type = Option<String>)]
    to: Option<i64>,
    /// A kind of reading, as `summary`, or `failure`.
    #[param(value_type = Option<String>)]
    kind: Option<u16>,
    /// 1 to 1000, 100 by default. With `kind` a page may hold fewer, and still have a next one.
    #[param(value_type = Option<usize>)]
    limit: usize,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<(i64, i64)>,
}

impl Question for ObservationQuestion {
    fn read(given: &Given) -> Result<Self, Problem> {
        let names: Vec<&str> = ReadingKind::ALL.into_iter().map(ReadingKind::name).chain(["failure"]).collect();
        Ok(ObservationQuestion {
            probe: given.text("probe"),
            from: given.moment("from")?,
            to: given.moment("to")?,
            kind: given.parsed("kind", &format!("write one of {}", names.join(", ")), code)?,
            limit: given.limit()?,
            cursor: given.cursor(LIST)?,
        })
    }
}

fn code(name: &str) -> Option<u16> {
    let failure = (name == "failure").then_some(FAILURE);
    failure.or_else(|| ReadingKind::ALL.into_iter().find(|kind| kind.name() == name).map(ReadingKind::code))
}

/// What the device knew of its wall clock.
#[derive(Debug, Serialize, ToSchema)]
pub struct WallClock {
    /// Set from a time source in this boot.
    pub synced: bool,
    /// Seconds since then.
    pub age_s: Option<u32>,
}

/// One accepted sample.
#[derive(Debug, Serialize, ToSchema)]
pub struct Observation {
    /// Grows in the order of commits.
    pub id: i64,
    pub site: String,
    pub probe: String,
    pub epoch: String,
    pub seq: String,
    /// As `latency`, `tcp`, `summary`, `failure`.
    pub kind: String,
    /// Event time.
    #[schema(format = DateTime)]
    pub at: String,
    pub at_ms: i64,
    /// `anchored`, `stamped` or `uncertain`.
    pub at_state: String,
    #[schema(format = DateTime)]
    pub received: String,
    pub received_ms: i64,
    /// What the device's wall clock said.
    pub wall_ms: i64,
    pub clock: WallClock,
    pub boot_id: Option<String>,
    pub mono_ms: Option<u64>,
    /// Of a mobile probe. The forms of this and of what follows are those of the wire (docs/wire.md).
    #[schema(value_type = Option<Object>)]
    pub place: Option<Value>,
    #[schema(value_type = Option<Object>)]
    pub target: Option<Value>,
    #[schema(value_type = Option<Object>)]
    pub uplink: Option<Value>,
    /// The number of the set-up.
    pub setup: Option<u32>,
    /// What came out; null for a failure.
    #[schema(value_type = Option<Object>)]
    pub reading: Option<Value>,
    #[schema(value_type = Option<Object>)]
    pub failure: Option<Value>,
}

/// Observations
///
/// Newest first by event time; of all probes, or of one.
#[utoipa::path(get, path = "/api/v1/observations", tag = "observations", params(ObservationQuestion),
    responses((status = 200, body = Page<Observation>), Problems))]
pub async fn observations(
    State(api): State<Api>,
    Asked(asked): Asked<ObservationQuestion>,
) -> Result<Answer<Page<Observation>>, Problem> {
    api.read(move |views, _| {
        let filter = ObservationFilter {
            probe: asked.probe,
            from_ms: asked.from,
            to_ms: asked.to,
            kind: asked.kind,
            after: asked.cursor,
            limit: asked.limit,
        };
        let page = views.observation_page(&filter)?;
        let next_cursor = page.next.map(|at| encode(LIST, &at));
        Ok(Page { items: page.rows.into_iter().map(observation).collect(), next_cursor })
    })
    .await
}

pub fn observation(row: ObservationRow) -> Observation {
    let Clock { synced, age_s } = row.clock;
    let (kind, reading, failure) = match &row.outcome {
        Outcome::Reading(reading) => (reading.kind().name(), Some(json!(reading)), None),
        Outcome::Failure(failure) => ("failure", None, Some(json!(failure))),
    };
    Observation {
        id: row.id,
        site: row.site,
        probe: row.probe,
        epoch: row.epoch.to_string(),
        seq: hex(row.seq),
        kind: kind.to_owned(),
        at: utc(row.at_ms),
        at_ms: row.at_ms,
        at_state: row.at_state.name().to_owned(),
        received: utc(row.received_ms),
        received_ms: row.received_ms,
        wall_ms: row.wall_ms,
        clock: WallClock { synced, age_s },
        boot_id: row.boot_id.map(String::from),
        mono_ms: row.mono_ms,
        place: row.place.as_ref().map(|place| json!(place)),
        target: row.target.as_ref().map(|target| json!(target)),
        uplink: row.uplink.as_ref().map(|uplink| json!(uplink)),
        setup: row.setup,
        reading,
        failure,
    }
}
