//! `changes`: what opened, changed, closed or was withdrawn, in the order in which it was found: for polling.

use super::question::{Asked, Given, Question};
use super::when::{utc, utc_of};
use super::words::{HamletRef, TargetRef, hamlet, hex};
use super::{Answer, Api};
use crate::http::problem::{Problem, Problems};
use crate::store::views::ChangeRow;
use axum::extract::State;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChangeQuestion {
    /// Only those after this one; without it from the first.
    #[param(value_type = Option<i64>)]
    after: i64,
    /// 1 to 1000, 100 by default.
    #[param(value_type = Option<usize>)]
    limit: usize,
}

impl Question for ChangeQuestion {
    fn read(given: &Given) -> Result<Self, Problem> {
        Ok(ChangeQuestion { after: given.id("after")?.unwrap_or(0), limit: given.limit()? })
    }
}

/// One step in the life of an interruption.
#[derive(Debug, Serialize, ToSchema)]
pub struct Change {
    pub id: i64,
    #[schema(format = DateTime)]
    pub made: String,
    pub made_ms: i64,
    /// `gap_opened`, `gap_changed`, `gap_closed`, `gap_withdrawn`; the same for `blind` and `remote`.
    pub what: String,
    pub key: String,
    pub case: i64,
    pub place: i64,
    pub probe: Option<String>,
    pub hamlet: Option<HamletRef>,
    pub network: Option<String>,
    pub target: Option<TargetRef>,
    #[schema(format = DateTime)]
    pub from: String,
    pub from_ms: i64,
    #[schema(format = DateTime)]
    pub to: Option<String>,
    pub to_ms: Option<i64>,
    pub cause: String,
    pub confidence: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Changes {
    pub items: Vec<Change>,
    /// For the next `?after=`: the last one of these, or what was asked with.
    pub next_after: i64,
}

/// Changes
///
/// Ask again with `next_after`; an empty list says that nothing happened since.
#[utoipa::path(get, path = "/api/v1/changes", tag = "interruptions", params(ChangeQuestion),
    responses((status = 200, body = Changes), Problems))]
pub async fn changes(State(api): State<Api>, Asked(asked): Asked<ChangeQuestion>) -> Result<Answer<Changes>, Problem> {
    api.read(move |views, _| {
        let items: Vec<Change> = views.changes(asked.after, asked.limit)?.into_iter().map(change).collect();
        let next_after = items.last().map_or(asked.after, |change| change.id);
        Ok(Changes { items, next_after })
    })
    .await
}

pub fn change(row: ChangeRow) -> Change {
    Change {
        id: row.id,
        made: utc(row.made_ms),
        made_ms: row.made_ms,
        what: row.what,
        key: hex(row.key),
        case: row.case,
        place: row.spot.place,
        probe: row.spot.probe,
        hamlet: hamlet(row.spot.hamlet_code, row.spot.hamlet_name),
        network: row.network,
        target: row.target.map(TargetRef::from),
        from: utc(row.from_ms),
        from_ms: row.from_ms,
        to: utc_of(row.to_ms),
        to_ms: row.to_ms,
        cause: row.cause,
        confidence: row.confidence,
    }
}
