//! `hamlets`: the leaves of the tree with their state now, and one of them with its day and its month.

use super::interruptions::{Interruption, interruption};
use super::page::Page;
use super::question::{Asked, Given, LIMIT_MAX, Named, Nothing, Question};
use super::state::{Hamlet, Scene};
use super::when::utc;
use super::words::{GRADES, GradeWord, nfc};
use super::{Answer, Api};
use crate::http::problem::{Problem, Problems};
use crate::store::views::{HamletPlace, InterruptionQuery, Views, WindowRow};
use axum::extract::State;
use phusong_coverage::window::{WINDOW_MS, WindowNo};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

const LIST: &str = "hamlets";
/// Windows of a day.
const DAY: i64 = 86_400_000 / WINDOW_MS;
const MONTH_MS: i64 = 30 * 86_400_000;

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HamletQuestion {
    /// Code of an area that is valid now: only what lies in it or below.
    area: Option<String>,
    /// `unknown`, `dead`, `weak` or `good`: the hamlet's own, or with `network` its grade there.
    grade: Option<String>,
    /// Only hamlets where this network is measured.
    network: Option<String>,
    /// 1 to 1000, 100 by default.
    #[param(value_type = Option<usize>)]
    limit: usize,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Question for HamletQuestion {
    fn read(given: &Given) -> Result<Self, Problem> {
        Ok(HamletQuestion {
            area: given.text("area"),
            grade: given.one_of("grade", &GRADES)?.map(str::to_owned),
            network: given.raw("network").map(str::to_owned),
            limit: given.limit()?,
            cursor: given.cursor(LIST)?,
        })
    }
}

/// A probe's place in a hamlet.
#[derive(Debug, Serialize, ToSchema)]
pub struct Place {
    pub id: i64,
    pub probe: String,
    pub label: Option<String>,
    pub lat: f64,
    pub lon: f64,
    /// Since when it stands there.
    #[schema(format = DateTime)]
    pub from: String,
    pub from_ms: i64,
    /// Which power supply it hangs on, if known.
    pub supply: Option<String>,
}

/// The windows of a day at one place on one network, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Series {
    pub place: i64,
    pub network: String,
    /// Beginning of the first window.
    #[schema(format = DateTime)]
    pub from: String,
    pub from_ms: i64,
    pub step_s: i64,
    /// 0 unknown, 1 dead, 2 weak, 3 good; null: nothing was observed.
    pub levels: Vec<Option<u8>>,
    /// Why, for each window that is not good.
    pub reasons: Vec<Option<String>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct HamletDetail {
    pub hamlet: Hamlet,
    pub places: Vec<Place>,
    /// The last 24 hours with the window that runs now.
    pub windows: Vec<Series>,
    /// Gaps, blinds and remote events of the last 30 days, newest first; at most 1000.
    pub interruptions: Vec<Interruption>,
}

/// Hamlets with their state now
///
/// By code. Unknown is never covered: a state of which nothing is known for a quarter of an hour is unknown.
#[utoipa::path(get, path = "/api/v1/hamlets", tag = "hamlets", params(HamletQuestion),
    responses((status = 200, body = Page<Hamlet>), Problems))]
pub async fn hamlets(
    State(api): State<Api>,
    Asked(asked): Asked<HamletQuestion>,
) -> Result<Answer<Page<Hamlet>>, Problem> {
    api.read(move |views, now_ms| {
        let scene = Scene::look(views, now_ms)?;
        let leaves = scene.leaves(asked.area.as_deref()).ok_or_else(|| no_area(asked.area.as_deref()))?;
        let later = leaves.into_iter().filter(|node| asked.cursor.as_ref().is_none_or(|code| node.code > *code));
        let states = later.map(|node| scene.hamlet(node)).filter(|hamlet| asked.wants(hamlet));
        let rows = states.take(asked.limit + 1).collect();
        Ok(Page::of(LIST, rows, asked.limit, |hamlet: &Hamlet| hamlet.code.clone(), |hamlet| hamlet))
    })
    .await
}

/// One hamlet
///
/// Its state, its places, its windows of a day, its interruptions of 30 days.
#[utoipa::path(get, path = "/api/v1/hamlets/{code}", tag = "hamlets",
    params(("code" = String, Path, description = "The hamlet's code")),
    responses((status = 200, body = HamletDetail), Problems))]
pub async fn hamlet(
    State(api): State<Api>,
    Named(code): Named,
    Asked(_): Asked<Nothing>,
) -> Result<Answer<HamletDetail>, Problem> {
    api.read(move |views, now_ms| {
        let scene = Scene::look(views, now_ms)?;
        let leaves = scene.leaves(None).unwrap_or_default();
        let node = leaves.into_iter().find(|node| node.code == code);
        let node = node.ok_or_else(|| Problem::no_such("hamlet", &code, "/api/v1/hamlets"))?;
        let places = scene.places(&node.code);
        let mut windows = Vec::new();
        for place in places {
            windows.extend(day(views, place.id, now_ms)?);
        }
        let ids = places.iter().map(|place| place.id).collect();
        let from_ms = Some(now_ms - MONTH_MS);
        let query = InterruptionQuery { places: Some(ids), from_ms, limit: LIMIT_MAX, ..Default::default() };
        let interruptions = views.interruptions(&query)?.into_iter().map(|row| interruption(row, now_ms)).collect();
        Ok(HamletDetail {
            hamlet: scene.hamlet(node),
            places: places.iter().map(place).collect(),
            windows,
            interruptions,
        })
    })
    .await
}

impl HamletQuestion {
    fn wants(&self, hamlet: &Hamlet) -> bool {
        let grade = match &self.network {
            None => hamlet.grade,
            Some(network) => {
                let all = hamlet.networks.iter().chain(&hamlet.links);
                let Some(state) = all.into_iter().find(|state| state.network == *network) else { return false };
                state.grade
            }
        };
        self.grade.as_ref().is_none_or(|wanted| grade.name() == wanted)
    }
}

pub fn no_area(code: Option<&str>) -> Problem {
    let right = "write the code of an area that is valid now; GET /api/v1/areas lists them";
    Problem::bad_value("area", code.unwrap_or_default(), right)
}

fn place(place: &HamletPlace) -> Place {
    Place {
        id: place.id,
        probe: place.probe.clone(),
        label: place.label.clone().map(nfc),
        lat: place.lat,
        lon: place.lon,
        from: utc(place.from_ms),
        from_ms: place.from_ms,
        supply: place.supply.clone().map(nfc),
    }
}

fn day(views: &Views, place: i64, now_ms: i64) -> Result<Vec<Series>, Problem> {
    let end = WindowNo::of(now_ms).plus(1);
    let first = end.plus(-DAY - 1);
    let rows = views.windows(place, first, end)?;
    let series = rows.chunk_by(|a, b| a.network == b.network);
    Ok(series.map(|rows| one(place, first, end, rows)).collect())
}

fn one(place: i64, first: WindowNo, end: WindowNo, rows: &[WindowRow]) -> Series {
    let of = |no: i64| rows.binary_search_by_key(&no, |row| row.no).ok().map(|at| &rows[at]);
    let all = || (first.0..end.0).map(of);
    let grade = |row: &WindowRow| GradeWord::from(row.grade);
    let why = |row: &&WindowRow| grade(row) != GradeWord::Good;
    Series {
        place,
        network: rows.first().map(|row| row.network.clone()).unwrap_or_default(),
        from: utc(first.start_ms()),
        from_ms: first.start_ms(),
        step_s: WINDOW_MS / 1_000,
        levels: all().map(|row| row.map(|row| grade(row).level())).collect(),
        reasons: all().map(|row| row.filter(why).and_then(|row| row.reason).map(str::to_owned)).collect(),
    }
}
