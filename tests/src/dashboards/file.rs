//! A dashboard file as far as the check reads it.
//!
//! In: the JSON of one file. Out: its panels, queries and variables. Refuses to know: what the queries mean.
//! Limits: rows and library panels are refused: we use none.

use super::{Fault, Kind};
use anyhow::{Context, Result};
use serde_json::Value;

pub struct Board {
    /// Below `dashboards/grafana/`.
    pub path: String,
    pub json: Value,
}

#[derive(Debug, Clone)]
pub struct Query {
    pub ref_id: String,
    pub expr: String,
    pub legend: String,
    pub table: bool,
    pub instant: bool,
}

pub struct Panel<'a> {
    pub json: &'a Value,
    /// Of file and panel, for a fault's place.
    pub place: String,
    pub queries: Vec<Query>,
    /// Seconds between two points.
    pub step_s: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    pub x: u64,
    pub y: u64,
    pub w: u64,
    pub h: u64,
}

const COLUMNS: u64 = 24;

impl Board {
    pub fn read(path: String, text: &str) -> Result<Self> {
        let json = serde_json::from_str(text).with_context(|| path.clone())?;
        Ok(Board { path, json })
    }

    pub fn panels(&self) -> Vec<Panel<'_>> {
        list(&self.json["panels"]).map(|panel| self.panel(panel)).collect()
    }

    pub fn variables(&self) -> impl Iterator<Item = &Value> {
        list(&self.json["templating"]["list"])
    }

    fn panel<'a>(&self, json: &'a Value) -> Panel<'a> {
        let queries = list(&json["targets"]).map(|target| Query {
            ref_id: word(&target["refId"]),
            expr: word(&target["expr"]),
            legend: word(&target["legendFormat"]),
            table: target["format"] == "table",
            instant: target["instant"] == true,
        });
        Panel {
            json,
            place: format!("{} panel {} ({})", self.path, json["id"], word(&json["title"])),
            queries: queries.collect(),
            step_s: if json["interval"] == "1h" { 3_600 } else { 60 },
        }
    }

    /// What can be said without asking anybody.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut wrong = |what: &str| faults.push(Fault::new(Kind::File, &self.path, what));
        if self.json["schemaVersion"] != 39 {
            wrong("schemaVersion is not 39");
        }
        if self.json["editable"] != false {
            wrong("it can be edited");
        }
        if self.json["uid"].as_str().is_none_or(str::is_empty) {
            wrong("it has no fixed uid");
        }
        if !self.json["links"].to_string().contains("${web}") {
            wrong("it has no link to the web map");
        }
        let panels = self.panels();
        for panel in &panels {
            let mut wrong = |what: &str| faults.push(Fault::new(Kind::File, &panel.place, what));
            for key in ["title", "description"] {
                if word(&panel.json[key]).is_empty() {
                    wrong(&format!("it has no {key}"));
                }
            }
            if panel.queries.is_empty() {
                wrong("it asks nothing: rows and texts are not known here");
            }
            if list(&panel.json["targets"]).any(|target| target["datasource"]["uid"] != "${datasource}") {
                wrong("its datasource is not the chosen one");
            }
            if !["1m", "1h"].iter().any(|known| panel.json["interval"] == *known) {
                wrong("its interval is neither 1m nor 1h");
            }
        }
        faults.extend(overlaps(&panels));
        faults
    }
}

impl Panel<'_> {
    pub fn kind(&self) -> &str {
        self.json["type"].as_str().unwrap_or_default()
    }

    fn grid(&self) -> Option<Grid> {
        let of = |key: &str| self.json["gridPos"][key].as_u64();
        Some(Grid { x: of("x")?, y: of("y")?, w: of("w")?, h: of("h")? })
    }
}

fn overlaps(panels: &[Panel<'_>]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut before: Vec<(Grid, &Panel<'_>)> = Vec::new();
    for panel in panels {
        let mut wrong = |what: String| faults.push(Fault::new(Kind::Overlap, &panel.place, what));
        let Some(grid) = panel.grid() else {
            wrong("it has no place in the grid".into());
            continue;
        };
        if grid.w == 0 || grid.h == 0 || grid.x + grid.w > COLUMNS {
            wrong(format!("{grid:?} is not within {COLUMNS} columns"));
        }
        let meets = |other: &Grid| {
            grid.x < other.x + other.w
                && other.x < grid.x + grid.w
                && grid.y < other.y + other.h
                && other.y < grid.y + grid.h
        };
        let met: Vec<&str> = before.iter().filter(|(other, _)| meets(other)).map(|(_, p)| p.place.as_str()).collect();
        if !met.is_empty() {
            wrong(format!("it lies over {}", met.join(", ")));
        }
        before.push((grid, panel));
    }
    faults
}

/// The items of an array, none of anything else.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A string, empty for anything else.
pub fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
