//! `gaps`, `blinds`, `remotes`: intervals at places with their causes, newest first.

use super::page::Page;
use super::question::{Asked, Given, Question};
use super::when::{utc, utc_of};
use super::words::{HamletRef, PlaceRef, SampleRef, TargetRef, hamlet, hex, place};
use super::{Answer, Api};
use crate::http::problem::{Problem, Problems};
use crate::store::views::{InterruptionQuery, InterruptionRow, Views, cause_words};
use axum::extract::State;
use phusong_coverage::interruption::Kind;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InterruptionQuestion {
    /// Code of an area of any time: only what lies in it or below.
    area: Option<String>,
    /// A place, by its id.
    place: Option<i64>,
    /// A network, as `viettel` or `fixed:vnpt`.
    network: Option<String>,
    /// A cause, as `backhaul`.
    cause: Option<String>,
    /// Only those that are open, or only those that ended.
    open: Option<bool>,
    /// Only those that overlap the time from here ..
    #[param(value_type = Option<String>)]
    from: Option<i64>,
    /// .. to here: 2026-11-22 or 2026-11-22T10:00:00Z.
    #[param(value_type = Option<String>)]
    to: Option<i64>,
    /// 1 to 1000, 100 by default.
    #[param(value_type = Option<usize>)]
    limit: usize,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Question for InterruptionQuestion {
    fn read(given: &Given) -> Result<Self, Problem> {
        Ok(InterruptionQuestion {
            area: given.text("area"),
            place: given.id("place")?,
            network: given.raw("network").map(str::to_owned),
            cause: given.one_of("cause", &cause_words())?.map(str::to_owned),
            open: given.flag("open")?,
            from: given.moment("from")?,
            to: given.moment("to")?,
            limit: given.limit()?,
            cursor: given.raw("cursor").map(str::to_owned),
        })
    }
}

/// An interval at a place in which a network did not serve (gap), we could not test (blind), or one target was silent
/// (remote).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Interruption {
    /// Depends only on kind, place, network, target and first window.
    pub key: String,
    /// `gap`, `blind` or `remote`.
    pub kind: String,
    /// Number of the durable file on it.
    pub case: i64,
    /// Null: of the whole place. Empty: of samples that named none.
    pub network: Option<String>,
    /// Only of a remote event.
    pub target: Option<TargetRef>,
    #[schema(format = DateTime)]
    pub from: String,
    pub from_ms: i64,
    /// Null: still open.
    #[schema(format = DateTime)]
    pub to: Option<String>,
    pub to_ms: Option<i64>,
    /// It ended in silence, not with an answer.
    pub end_unobserved: bool,
    /// Time that is proved dead; 0 for a blind.
    pub observed_dead_s: i64,
    /// At most so long, with every unknown window in it taken for dead.
    pub upper_s: i64,
    pub cause: String,
    /// `none`, `guess`, `likely` or `certain`.
    pub confidence: String,
    /// The evidence of the cause in a word.
    pub proof: String,
    /// Samples that prove the interruption.
    pub evidence: Vec<SampleRef>,
    /// Samples that prove its cause.
    pub cause_evidence: Vec<SampleRef>,
    pub place: PlaceRef,
    pub probe: Option<String>,
    pub site: Option<String>,
    pub hamlet: Option<HamletRef>,
    /// Version of the thresholds that it was judged by.
    pub policy: i64,
}

/// Gaps
///
/// A network did not serve at a place. Newest first, by their beginning.
#[utoipa::path(get, path = "/api/v1/gaps", tag = "interruptions", params(InterruptionQuestion),
    responses((status = 200, body = Page<Interruption>), Problems))]
pub async fn gaps(
    State(api): State<Api>,
    Asked(asked): Asked<InterruptionQuestion>,
) -> Result<Answer<Page<Interruption>>, Problem> {
    api.read(move |views, now_ms| list(views, now_ms, "gaps", Kind::Gap, asked)).await
}

/// Blinds
///
/// We could not test at a place: silence, or a probe unable to measure. Never downtime, never coverage.
#[utoipa::path(get, path = "/api/v1/blinds", tag = "interruptions", params(InterruptionQuestion),
    responses((status = 200, body = Page<Interruption>), Problems))]
pub async fn blinds(
    State(api): State<Api>,
    Asked(asked): Asked<InterruptionQuestion>,
) -> Result<Answer<Page<Interruption>>, Problem> {
    api.read(move |views, now_ms| list(views, now_ms, "blinds", Kind::Blind, asked)).await
}

/// Remote events
///
/// One target was silent while others answered: an event of the target, no gap and no blind.
#[utoipa::path(get, path = "/api/v1/remotes", tag = "interruptions", params(InterruptionQuestion),
    responses((status = 200, body = Page<Interruption>), Problems))]
pub async fn remotes(
    State(api): State<Api>,
    Asked(asked): Asked<InterruptionQuestion>,
) -> Result<Answer<Page<Interruption>>, Problem> {
    api.read(move |views, now_ms| list(views, now_ms, "remotes", Kind::Remote, asked)).await
}

fn list(
    views: &Views,
    now_ms: i64,
    list: &str,
    kind: Kind,
    asked: InterruptionQuestion,
) -> Result<Page<Interruption>, Problem> {
    let cursor = asked.cursor.as_deref();
    let after = cursor.map(|text| super::page::decode::<(i64, i64)>(list, text).ok_or_else(Problem::bad_cursor));
    let query = InterruptionQuery {
        kinds: vec![kind],
        places: places(views, asked.area.as_deref(), asked.place)?,
        network: asked.network,
        cause: asked.cause,
        open: asked.open,
        from_ms: asked.from,
        to_ms: asked.to,
        after: after.transpose()?.map(|(at_ms, key)| (at_ms, key.cast_unsigned())),
        limit: asked.limit + 1,
    };
    let rows = views.interruptions(&query)?;
    let at = |row: &InterruptionRow| (row.from_ms, row.key.cast_signed());
    Ok(Page::of(list, rows, asked.limit, at, |row| interruption(row, now_ms)))
}

/// The places that a question is about; `None`: all.
fn places(views: &Views, area: Option<&str>, place: Option<i64>) -> Result<Option<Vec<i64>>, Problem> {
    let Some(code) = area else { return Ok(place.map(|id| vec![id])) };
    let Some(below) = views.area_tree(None)?.below(code) else {
        return Err(Problem::bad_value("area", code, "write the code of an area; GET /api/v1/areas lists them"));
    };
    let mut inside = views.places_in(&below)?;
    inside.retain(|id| place.is_none_or(|place| place == *id));
    Ok(Some(inside))
}

pub fn interruption(row: InterruptionRow, now_ms: i64) -> Interruption {
    let spot = row.spot;
    Interruption {
        key: hex(row.key),
        kind: row.kind.to_owned(),
        case: row.case,
        network: row.network,
        target: row.target.map(TargetRef::from),
        from: utc(row.from_ms),
        from_ms: row.from_ms,
        to: utc_of(row.to_ms),
        to_ms: row.to_ms,
        end_unobserved: row.end_unobserved,
        observed_dead_s: row.observed_dead_s,
        upper_s: (row.to_ms.unwrap_or(now_ms) - row.from_ms).max(0) / 1_000,
        cause: row.cause,
        confidence: row.confidence,
        proof: row.proof,
        evidence: row.evidence.into_iter().map(SampleRef::from).collect(),
        cause_evidence: row.cause_evidence.into_iter().map(SampleRef::from).collect(),
        place: place(&spot),
        hamlet: hamlet(spot.hamlet_code, spot.hamlet_name),
        probe: spot.probe,
        site: spot.site,
        policy: row.policy,
    }
}
