//! `areas`: the administrative tree, one row each.

use super::page::Page;
use super::question::{Asked, Given, Question};
use super::when::utc_of;
use super::words::nfc;
use super::{Answer, Api};
use crate::http::problem::{Problem, Problems};
use crate::store::views::{AreaNode, AreaTree};
use axum::extract::State;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

const LIST: &str = "areas";

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AreaQuestion {
    /// Code of the area right above; empty for those with none above.
    parent: Option<String>,
    /// What it is called: xã, thôn, bản ..
    label: Option<String>,
    /// The tree of that moment; without it, of now.
    #[param(value_type = Option<String>)]
    valid_at: Option<i64>,
    /// 1 to 1000, 100 by default.
    #[param(value_type = Option<usize>)]
    limit: usize,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<String>,
}

impl Question for AreaQuestion {
    fn read(given: &Given) -> Result<Self, Problem> {
        Ok(AreaQuestion {
            parent: given.raw("parent").map(str::to_owned),
            label: given.text("label").map(nfc),
            valid_at: given.moment("valid_at")?,
            limit: given.limit()?,
            cursor: given.cursor(LIST)?,
        })
    }
}

/// A node of the tree; a leaf is a hamlet.
#[derive(Debug, Serialize, ToSchema)]
pub struct Area {
    pub code: String,
    pub name: String,
    /// What it is called: xã, thôn, bản ..
    pub label: String,
    /// Code of the area above.
    pub parent: Option<String>,
    /// Nothing lies below it.
    pub leaf: bool,
    #[schema(format = DateTime)]
    pub valid_from: Option<String>,
    pub valid_from_ms: Option<i64>,
    /// The first moment that no longer counts.
    #[schema(format = DateTime)]
    pub valid_to: Option<String>,
    pub valid_to_ms: Option<i64>,
    pub lat: Option<f64>,
    pub lon: Option<f64>,
    pub radius_m: Option<f64>,
    /// Whether it has a polygon; the map shows it.
    pub has_geometry: bool,
    pub population: Option<i64>,
}

/// The tree
///
/// By code. All levels, unless `parent` names one.
#[utoipa::path(get, path = "/api/v1/areas", tag = "areas", params(AreaQuestion),
    responses((status = 200, body = Page<Area>), Problems))]
pub async fn areas(State(api): State<Api>, Asked(asked): Asked<AreaQuestion>) -> Result<Answer<Page<Area>>, Problem> {
    api.read(move |views, now_ms| {
        let tree = views.area_tree(Some(asked.valid_at.unwrap_or(now_ms)))?;
        let wanted = |node: &&AreaNode| {
            let parent = asked.parent.as_ref().is_none_or(|code| tree.parent_code(node).unwrap_or_default() == code);
            parent && asked.label.as_ref().is_none_or(|label| nfc(node.label.clone()) == *label)
        };
        let later = |node: &&AreaNode| asked.cursor.as_ref().is_none_or(|cursor| node.code > *cursor);
        let rows: Vec<&AreaNode> = tree.nodes().iter().filter(later).filter(wanted).take(asked.limit + 1).collect();
        Ok(Page::of(LIST, rows, asked.limit, |node| node.code.clone(), |node| area(&tree, node)))
    })
    .await
}

fn area(tree: &AreaTree, node: &AreaNode) -> Area {
    Area {
        code: node.code.clone(),
        name: nfc(node.name.clone()),
        label: nfc(node.label.clone()),
        parent: tree.parent_code(node).map(str::to_owned),
        leaf: tree.is_leaf(node),
        valid_from: utc_of(node.valid_from_ms),
        valid_from_ms: node.valid_from_ms,
        valid_to: utc_of(node.valid_to_ms),
        valid_to_ms: node.valid_to_ms,
        lat: node.lat,
        lon: node.lon,
        radius_m: node.radius_m,
        has_geometry: node.has_geometry,
        population: node.population,
    }
}
