//! `timeseries`: curves over time, or stacked bars.
//!
//! In: queries over the range. Out: the panel. Refuses to know: what is drawn. Limits: where nothing was measured there
//! is a hole, never a line across.

use super::Said;
use crate::edition::Edition;
use crate::field::Fields;
use crate::model::{Panel, Target};
use serde_json::json;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    /// Curves that stand for themselves.
    No,
    /// Bars that add up.
    Sum,
}

pub fn series(edition: &Edition, said: Said, stack: Stack, targets: Vec<Target>, fields: Fields) -> Panel {
    let mut panel = said.panel(edition, "timeseries", targets);
    let bars = stack == Stack::Sum;
    let drawn = json!({
        "drawStyle": if bars { "bars" } else { "line" },
        "fillOpacity": if bars { 80 } else { 8 },
        "lineInterpolation": "linear",
        "lineWidth": if bars { 0 } else { 1 },
        "showPoints": "auto",
        "spanNulls": false,
        "stacking": {"group": "A", "mode": if bars { "normal" } else { "none" }},
    });
    panel.field_config = fields.with("custom", drawn).with("min", json!(0)).json();
    panel.options = json!({
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": true},
        "tooltip": {"mode": "multi", "sort": "desc"},
    });
    panel
}
