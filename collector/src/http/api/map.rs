//! `map/hamlets.geojson`: hamlets as a map draws them (RFC 7946).
//!
//! A hamlet with a polygon is drawn by it, one without as a point with `radius_m`, one with neither has no geometry.

use super::Api;
use super::hamlets::no_area;
use super::question::{Asked, Given, Question};
use super::state::{Hamlet, NetworkState, Open, Scene};
use super::when::utc_of;
use super::words::GradeWord;
use crate::http::problem::{Problem, Problems};
use crate::store::views::Views;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

/// Features of one answer.
const FEATURES: usize = 5_000;

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MapQuestion {
    /// Code of an area that is valid now: only what lies in it or below. Needed where there are more than 5000 hamlets.
    area: Option<String>,
}

impl Question for MapQuestion {
    fn read(given: &Given) -> Result<Self, Problem> {
        Ok(MapQuestion { area: given.text("area") })
    }
}

/// A GeoJSON FeatureCollection.
#[derive(Debug, Serialize, ToSchema)]
pub struct HamletMap {
    /// `FeatureCollection`.
    #[serde(rename = "type")]
    pub kind: String,
    pub features: Vec<HamletFeature>,
}

/// A GeoJSON Feature; `id` is the hamlet's code.
#[derive(Debug, Serialize, ToSchema)]
pub struct HamletFeature {
    /// `Feature`.
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
    /// Polygon, MultiPolygon, Point or null.
    #[schema(value_type = Option<Object>)]
    pub geometry: Option<Box<RawValue>>,
    pub properties: HamletProperties,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct HamletProperties {
    pub code: String,
    pub name: String,
    pub label: String,
    pub parent: Option<String>,
    /// 0 unknown, 1 dead, 2 weak, 3 good: of its best cellular network.
    pub level: u8,
    pub grade: GradeWord,
    /// How far a hamlet without polygon reaches around its point.
    pub radius_m: Option<f64>,
    pub places: usize,
    pub networks: Vec<NetworkMark>,
    pub links: Vec<NetworkMark>,
    /// Beginning of the oldest gap that is open.
    #[schema(format = DateTime)]
    pub open_gap_since: Option<String>,
    pub open_gap_since_ms: Option<i64>,
    /// Beginning of the oldest blind that is open.
    #[schema(format = DateTime)]
    pub open_blind_since: Option<String>,
    pub open_blind_since_ms: Option<i64>,
    /// The same of those of whole places: nothing comes from them, of any network.
    #[schema(format = DateTime)]
    pub place_blind_since: Option<String>,
    pub place_blind_since_ms: Option<i64>,
}

/// A network in one hamlet, as far as a map tells.
#[derive(Debug, Serialize, ToSchema)]
pub struct NetworkMark {
    pub network: String,
    pub level: u8,
    pub grade: GradeWord,
    /// Why: the reason of the newest window that has this grade.
    pub reason: Option<String>,
    pub places_disagree: bool,
    /// Beginning of the oldest gap of this network that is open.
    #[schema(format = DateTime)]
    pub open_gap_since: Option<String>,
    pub open_gap_since_ms: Option<i64>,
    /// Beginning of the oldest blind of this network alone that is open.
    #[schema(format = DateTime)]
    pub open_blind_since: Option<String>,
    pub open_blind_since_ms: Option<i64>,
}

/// The map
///
/// Leaf areas that are valid now, with their state. A GeoJSON FeatureCollection.
#[utoipa::path(get, path = "/api/v1/map/hamlets.geojson", tag = "map", params(MapQuestion),
    responses((status = 200, body = HamletMap, content_type = "application/geo+json"), Problems))]
pub async fn hamlets_geojson(State(api): State<Api>, Asked(asked): Asked<MapQuestion>) -> Result<Response, Problem> {
    let answer = api.read(move |views, now_ms| map(views, now_ms, asked.area.as_deref())).await?;
    let mut response = answer.into_response();
    let geojson = header::HeaderValue::from_static("application/geo+json");
    response.headers_mut().insert(header::CONTENT_TYPE, geojson);
    Ok(response)
}

fn map(views: &Views, now_ms: i64, area: Option<&str>) -> Result<HamletMap, Problem> {
    let scene = Scene::look(views, now_ms)?;
    let leaves = scene.leaves(area).ok_or_else(|| no_area(area))?;
    if leaves.len() > FEATURES {
        let right = "a map takes at most 5000 hamlets and there are more; write the code of a smaller area";
        return Err(Problem::bad_value("area", area.unwrap_or_default(), right));
    }
    let mut features = Vec::with_capacity(leaves.len());
    for node in leaves {
        let polygon = if node.has_geometry { views.geometry(node.id)? } else { None };
        // It was checked when it was imported; should it be none any more, the hamlet still stands in the list.
        let polygon = polygon.and_then(|text| RawValue::from_string(text).ok());
        let geometry = polygon.or_else(|| point(node.lat?, node.lon?));
        features.push(feature(scene.hamlet(node), geometry));
    }
    Ok(HamletMap { kind: "FeatureCollection".into(), features })
}

fn point(lat: f64, lon: f64) -> Option<Box<RawValue>> {
    let point = serde_json::json!({"type": "Point", "coordinates": [lon, lat]});
    RawValue::from_string(point.to_string()).ok()
}

fn feature(hamlet: Hamlet, geometry: Option<Box<RawValue>>) -> HamletFeature {
    let states = || hamlet.networks.iter().chain(&hamlet.links);
    let gap_ms = oldest(states().flat_map(|state| &state.open_gaps));
    let blind_ms = oldest(states().flat_map(|state| &state.open_blinds).chain(&hamlet.open_blinds));
    let place_ms = oldest(&hamlet.open_blinds);
    HamletFeature {
        kind: "Feature".into(),
        id: hamlet.code.clone(),
        geometry,
        properties: HamletProperties {
            level: hamlet.level,
            grade: hamlet.grade,
            radius_m: hamlet.radius_m,
            places: hamlet.places,
            networks: hamlet.networks.iter().map(mark).collect(),
            links: hamlet.links.iter().map(mark).collect(),
            open_gap_since: utc_of(gap_ms),
            open_gap_since_ms: gap_ms,
            open_blind_since: utc_of(blind_ms),
            open_blind_since_ms: blind_ms,
            place_blind_since: utc_of(place_ms),
            place_blind_since_ms: place_ms,
            code: hamlet.code,
            name: hamlet.name,
            label: hamlet.label,
            parent: hamlet.parent,
        },
    }
}

fn oldest<'a>(open: impl IntoIterator<Item = &'a Open>) -> Option<i64> {
    open.into_iter().map(|open| open.from_ms).min()
}

fn mark(state: &NetworkState) -> NetworkMark {
    let (gap_ms, blind_ms) = (oldest(&state.open_gaps), oldest(&state.open_blinds));
    NetworkMark {
        network: state.network.clone(),
        level: state.level,
        grade: state.grade,
        reason: state.reason.clone(),
        places_disagree: state.places_disagree,
        open_gap_since: utc_of(gap_ms),
        open_gap_since_ms: gap_ms,
        open_blind_since: utc_of(blind_ms),
        open_blind_since_ms: blind_ms,
    }
}
