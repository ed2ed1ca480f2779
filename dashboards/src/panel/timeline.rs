//! `state-timeline`: a row for each series, in the colours of its states.
//!
//! In: queries over the range, fields with mappings. Out: the panel. Refuses to know: what the states mean.
//! Limits: the query keeps the rows at 200 or fewer.

use super::Said;
use crate::edition::Edition;
use crate::field::{Fields, of_numbers, property};
use crate::model::{Panel, Target};
use serde_json::json;

/// Three windows: a longer silence is drawn as a hole.
const HOLE_MS: u32 = 900_000;

pub fn timeline(edition: &Edition, said: Said, targets: Vec<Target>, fields: Fields) -> Panel {
    let mut panel = said.panel(edition, "state-timeline", targets);
    let holes = of_numbers([property("custom.insertNulls", json!(HOLE_MS))]);
    panel.field_config = fields.with("custom", json!({"fillOpacity": 85, "lineWidth": 0})).overrides([holes]).json();
    panel.options = json!({
        "alignValue": "left",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": true},
        "mergeValues": true,
        "rowHeight": 0.85,
        "showValue": "never",
        "tooltip": {"mode": "single", "sort": "none"},
    });
    panel
}
