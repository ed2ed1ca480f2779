//! `votes`, `serving-cells`, `technologies`: what radios said, before anything is made of it on a map.

use super::page::Page;
use super::question::{Asked, Given, Question};
use super::when::utc;
use super::words::hex;
use super::{Answer, Api};
use crate::http::problem::{Problem, Problems};
use crate::store::views::{Bounds, CellRow, TECHNOLOGIES, TechnologyRow, VoteQuery, VoteRow, hex_of};
use axum::extract::State;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

/// What one answer may cover, in degrees either way.
const SIDE: f64 = 1.0;
const QUARTER_MS: i64 = 900_000;
const DAY_MS: i64 = 86_400_000;

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VoteQuestion {
    /// West, south, east, north in degrees, as `106.4,22.2,106.5,22.3`; at most one degree either way.
    #[param(value_type = String)]
    bbox: Bounds,
    /// An operator, as `viettel`.
    network: Option<String>,
    /// Only those of quarters that overlap the time from here ..
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

impl Question for VoteQuestion {
    fn read(given: &Given) -> Result<Self, Problem> {
        Ok(VoteQuestion {
            bbox: bbox(given.raw("bbox").unwrap_or_default())?,
            network: given.raw("network").map(str::to_owned),
            from: given.moment("from")?,
            to: given.moment("to")?,
            limit: given.limit()?,
            cursor: given.raw("cursor").map(str::to_owned),
        })
    }
}

fn bbox(text: &str) -> Result<Bounds, Problem> {
    let right = "write west,south,east,north in degrees, at most one degree either way, as 106.4,22.2,106.5,22.3";
    let wrong = || Problem::bad_value("bbox", text, right);
    let numbers: Vec<f64> = text.split(',').map(|n| n.trim().parse()).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let [west, south, east, north] = numbers[..] else { return Err(wrong()) };
    let inside = (-180.0..=180.0).contains(&west) && (-90.0..=90.0).contains(&south);
    let small = (0.0..=SIDE).contains(&(east - west)) && (0.0..=SIDE).contains(&(north - south));
    if inside && small { Ok(Bounds { west, south, east, north }) } else { Err(wrong()) }
}

/// What one device says of one operator in one resolution-12 child during one quarter of an hour.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Vote {
    pub probe: String,
    pub network: String,
    /// H3 index of the child (resolution 12), and of the hex that it lies in (resolution 9).
    pub child: String,
    pub hex: Option<String>,
    /// The middle of the child.
    pub lat: f64,
    pub lon: f64,
    /// The quarter of an hour begins.
    #[schema(format = DateTime)]
    pub at: String,
    pub at_ms: i64,
    /// `alive` or `dead`.
    pub state: String,
    /// Ten-second bins that said so.
    pub alive: i64,
    pub dead: i64,
    /// `outdoor`, `indoor` (a layer of its own), `vehicle` or `unknown`.
    pub layer: String,
    /// `fixed`, `survey` or `moving`.
    pub source: String,
    /// Median level as read, and as a handset outdoors would have read it; null where the set-up is not known.
    pub level_dbm: Option<f64>,
    pub reference_dbm: Option<f64>,
    /// It moved faster than a survey may.
    pub fast: bool,
    /// An antenna that sees what a handset does not.
    pub external_antenna: bool,
    /// Technologies that were seen, and that were proved absent. The others: nothing is known.
    pub seen: Vec<String>,
    pub absent: Vec<String>,
    #[schema(format = DateTime)]
    pub expires: String,
    /// Version of the thresholds that it was judged by.
    pub policy: i64,
}

/// Votes
///
/// What devices say of operators where they were, in the order in which the votes were made. A vote is the majority of
/// alive and dead ten-second bins; a tie gives none, and what says nothing never votes.
#[utoipa::path(get, path = "/api/v1/votes", tag = "radio", params(VoteQuestion),
    responses((status = 200, body = Page<Vote>), Problems))]
pub async fn votes(State(api): State<Api>, Asked(asked): Asked<VoteQuestion>) -> Result<Answer<Page<Vote>>, Problem> {
    api.read(move |views, _| {
        let query = VoteQuery {
            bounds: Some(asked.bbox),
            network: asked.network,
            from_ms: asked.from,
            to_ms: asked.to,
            after: after("votes", asked.cursor.as_deref())?,
            limit: asked.limit + 1,
        };
        Ok(Page::of("votes", views.votes(&query)?, asked.limit, |row| row.id, vote))
    })
    .await
}

fn after(list: &str, cursor: Option<&str>) -> Result<i64, Problem> {
    let read = |text| super::page::decode::<i64>(list, text).ok_or_else(Problem::bad_cursor);
    Ok(cursor.map(read).transpose()?.unwrap_or(0))
}

fn vote(row: VoteRow) -> Vote {
    let tenths = |level: Option<i64>| level.map(|level| level as f64 / 10.0);
    let names = |bits: i64| TECHNOLOGIES.iter().filter(|one| bits & one.0 != 0).map(|one| one.1.to_owned()).collect();
    Vote {
        probe: row.probe,
        network: row.network,
        child: hex(row.child),
        hex: hex_of(row.child).map(hex),
        lat: row.lat,
        lon: row.lon,
        at: utc(row.quarter * QUARTER_MS),
        at_ms: row.quarter * QUARTER_MS,
        state: if row.alive { "alive" } else { "dead" }.to_owned(),
        alive: row.alive_bins,
        dead: row.dead_bins,
        layer: row.layer.to_owned(),
        source: row.source.to_owned(),
        level_dbm: tenths(row.level),
        reference_dbm: tenths(row.reference),
        fast: row.fast,
        external_antenna: row.external,
        seen: names(row.yes),
        absent: names(row.no),
        expires: utc(row.expires_ms),
        policy: row.policy,
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CellQuestion {
    /// Whose cells, as `452-04`.
    plmn: Option<String>,
    /// 1 to 1000, 100 by default.
    #[param(value_type = Option<usize>)]
    limit: usize,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Question for CellQuestion {
    fn read(given: &Given) -> Result<Self, Problem> {
        let (plmn, cursor) = (given.text("plmn"), given.raw("cursor").map(str::to_owned));
        Ok(CellQuestion { plmn, limit: given.limit()?, cursor })
    }
}

/// A radio cell that modems camped on. Absent parts were never said.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServingCell {
    /// Empty where nobody said whose it is.
    pub plmn: String,
    pub technology: String,
    /// Tracking or location area.
    pub area_code: Option<i64>,
    pub cell_id: Option<i64>,
    pub pci: Option<i64>,
    pub arfcn: Option<i64>,
    pub band: Option<String>,
    #[schema(format = DateTime)]
    pub first: String,
    #[schema(format = DateTime)]
    pub last: String,
    pub observations: i64,
    pub best_dbm: Option<i64>,
    pub median_dbm: Option<i64>,
    /// Where it served fixed probes; 100 at most.
    pub places: Vec<i64>,
}

/// Serving cells
///
/// In the order in which they were first seen.
#[utoipa::path(get, path = "/api/v1/serving-cells", tag = "radio", params(CellQuestion),
    responses((status = 200, body = Page<ServingCell>), Problems))]
pub async fn serving_cells(
    State(api): State<Api>,
    Asked(asked): Asked<CellQuestion>,
) -> Result<Answer<Page<ServingCell>>, Problem> {
    api.read(move |views, _| {
        let from = after("serving-cells", asked.cursor.as_deref())?;
        let rows = views.serving_cells(asked.plmn.as_deref(), from, asked.limit + 1)?;
        Ok(Page::of("serving-cells", rows, asked.limit, |row| row.id, cell))
    })
    .await
}

fn cell(row: CellRow) -> ServingCell {
    ServingCell {
        plmn: row.plmn,
        technology: row.technology.to_owned(),
        area_code: row.area_code,
        cell_id: row.cell_id,
        pci: row.pci,
        arfcn: row.arfcn,
        band: row.band,
        first: utc(row.first_ms),
        last: utc(row.last_ms),
        observations: row.observations,
        best_dbm: row.best_dbm,
        median_dbm: row.median_dbm,
        places: row.places,
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TechnologyQuestion {
    /// A place, by its id.
    place: Option<i64>,
    /// Only days from here ..
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

impl Question for TechnologyQuestion {
    fn read(given: &Given) -> Result<Self, Problem> {
        Ok(TechnologyQuestion {
            place: given.id("place")?,
            from: given.moment("from")?,
            to: given.moment("to")?,
            limit: given.limit()?,
            cursor: given.raw("cursor").map(str::to_owned),
        })
    }
}

/// What a fixed probe knows of one technology on one day (UTC). A technology that is not named: nothing is known.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TechnologyDay {
    pub place: i64,
    pub network: String,
    /// The day begins.
    #[schema(format = DateTime)]
    pub day: String,
    /// `gsm`, `umts`, `lte`, `nr_nsa` or `nr_sa`.
    pub technology: String,
    /// Windows of five minutes in which it was measured, and in which a long enough download did not bring it.
    pub yes_windows: i64,
    pub no_windows: i64,
}

/// Technologies
///
/// By place and day. An idle modem, a 5G icon or a registration that allows 5G prove nothing either way.
#[utoipa::path(get, path = "/api/v1/technologies", tag = "radio", params(TechnologyQuestion),
    responses((status = 200, body = Page<TechnologyDay>), Problems))]
pub async fn technologies(
    State(api): State<Api>,
    Asked(asked): Asked<TechnologyQuestion>,
) -> Result<Answer<Page<TechnologyDay>>, Problem> {
    api.read(move |views, _| {
        let read = |text: &str| super::page::decode("technologies", text).ok_or_else(Problem::bad_cursor);
        let from = asked.cursor.as_deref().map(read).transpose()?.unwrap_or((i64::MIN, i64::MIN));
        let days = (asked.from.map_or(i64::MIN, day_of), asked.to.map_or(i64::MAX, |to_ms| day_of(to_ms - 1)));
        let places = asked.place.map(|place| vec![place]);
        let rows = views.technologies(places.as_deref(), days, from, asked.limit + 1)?;
        Ok(Page::of("technologies", rows, asked.limit, |row| row.cursor, technology))
    })
    .await
}

const fn day_of(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS)
}

fn technology(row: TechnologyRow) -> TechnologyDay {
    TechnologyDay {
        place: row.place,
        network: row.network,
        day: utc(row.day * DAY_MS),
        technology: row.technology.to_owned(),
        yes_windows: row.yes,
        no_windows: row.no,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_four_numbers_of_a_small_piece_of_the_earth() {
        let taken = |text| bbox(text).is_ok();
        assert!(taken("106.4,22.2,106.5,22.3"));
        assert!(taken("106.4, 22.2, 107.4, 23.2"));
        for wrong in
            ["", "1,2,3", "1,2,3,4,5", "106,22,108,23", "107,22,106,23", "a,b,c,d", "NaN,1,2,3", "106,91,106,92"]
        {
            assert!(!taken(wrong), "{wrong}");
        }
    }
}
