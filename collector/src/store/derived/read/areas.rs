//! The administrative tree in memory: which areas lie below one, and which are leaves.
//!
//! In: rows of `area`, at one moment or of all times. Out: an [`AreaTree`]. Limits: an installation has thousands of
//! areas at most; polygons are not read with it.

use super::Views;
use crate::store::error::StoreError;
use rusqlite::{OptionalExtension, named_params};
use std::collections::{BTreeMap, BTreeSet};

/// One area without its polygon.
#[derive(Debug, Clone, PartialEq)]
pub struct AreaNode {
    pub id: i64,
    pub code: String,
    pub parent_ref: Option<i64>,
    pub name: String,
    pub label: String,
    pub valid_from_ms: Option<i64>,
    /// The first moment that no longer counts.
    pub valid_to_ms: Option<i64>,
    pub lat: Option<f64>,
    pub lon: Option<f64>,
    pub radius_m: Option<f64>,
    pub population: Option<i64>,
    pub has_geometry: bool,
}

/// Areas by code and validity.
#[derive(Debug, Clone, Default)]
pub struct AreaTree {
    nodes: Vec<AreaNode>,
    by_id: BTreeMap<i64, usize>,
    parents: BTreeSet<i64>,
}

impl AreaTree {
    fn new(nodes: Vec<AreaNode>) -> Self {
        let by_id = nodes.iter().enumerate().map(|(at, node)| (node.id, at)).collect();
        let parents = nodes.iter().filter_map(|node| node.parent_ref).collect();
        AreaTree { nodes, by_id, parents }
    }

    pub fn nodes(&self) -> &[AreaNode] {
        &self.nodes
    }

    pub fn node(&self, id: i64) -> Option<&AreaNode> {
        self.by_id.get(&id).map(|at| &self.nodes[*at])
    }

    /// Nothing of this tree lies below it: it is a hamlet.
    pub fn is_leaf(&self, node: &AreaNode) -> bool {
        !self.parents.contains(&node.id)
    }

    pub fn parent_code(&self, node: &AreaNode) -> Option<&str> {
        node.parent_ref.and_then(|id| self.node(id)).map(|parent| parent.code.as_str())
    }

    /// The rows with this code and all below them; `None`: there is no such area.
    pub fn below(&self, code: &str) -> Option<BTreeSet<i64>> {
        let mut children: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for node in &self.nodes {
            if let Some(parent) = node.parent_ref {
                children.entry(parent).or_default().push(node.id);
            }
        }
        let mut next: Vec<i64> = self.nodes.iter().filter(|node| node.code == code).map(|node| node.id).collect();
        let mut found = BTreeSet::new();
        while let Some(id) = next.pop() {
            if found.insert(id) {
                next.extend(children.get(&id).into_iter().flatten());
            }
        }
        if found.is_empty() { None } else { Some(found) }
    }
}

impl Views {
    /// The areas that are valid at a moment, or those of all times.
    pub fn area_tree(&self, valid_at_ms: Option<i64>) -> Result<AreaTree, StoreError> {
        let sql =
            "SELECT id, code, parent_ref, name, label, valid_from_ms, valid_to_ms, lat, lon, radius_m, population,
                          geometry IS NOT NULL
                     FROM main.area
                    WHERE :at IS NULL
                       OR (coalesce(valid_from_ms <= :at, 1) AND coalesce(valid_to_ms > :at, 1))
                    ORDER BY code, valid_from_ms";
        let mut statement = self.db().prepare(sql)?;
        let rows = statement.query_map(named_params! {":at": valid_at_ms}, |row| {
            Ok(AreaNode {
                id: row.get(0)?,
                code: row.get(1)?,
                parent_ref: row.get(2)?,
                name: row.get(3)?,
                label: row.get(4)?,
                valid_from_ms: row.get(5)?,
                valid_to_ms: row.get(6)?,
                lat: row.get(7)?,
                lon: row.get(8)?,
                radius_m: row.get(9)?,
                population: row.get(10)?,
                has_geometry: row.get(11)?,
            })
        })?;
        Ok(AreaTree::new(rows.collect::<Result<_, _>>()?))
    }

    /// The polygon of one area, as GeoJSON.
    pub fn geometry(&self, area: i64) -> Result<Option<String>, StoreError> {
        let mut statement = self.db().prepare_cached("SELECT geometry FROM main.area WHERE id = ?1")?;
        Ok(statement.query_row([area], |row| row.get(0)).optional()?.flatten())
    }

    /// Every place, also of the past, whose hamlet is one of these areas.
    pub fn places_in(&self, areas: &BTreeSet<i64>) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.db().prepare("SELECT id, area_ref FROM main.place WHERE area_ref IS NOT NULL")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        let rows: Vec<(i64, i64)> = rows.collect::<Result<_, _>>()?;
        Ok(rows.into_iter().filter(|(_, area)| areas.contains(area)).map(|(place, _)| place).collect())
    }
}
