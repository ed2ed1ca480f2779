//! `bargauge`: a lying bar for each series.
//!
//! In: queries whose last value counts. Out: the panel. Refuses to know: what the bars mean.

use super::{Said, last};
use crate::edition::Edition;
use crate::field::Fields;
use crate::model::{Panel, Target};
use serde_json::json;

pub fn bars(edition: &Edition, said: Said, targets: Vec<Target>, fields: Fields) -> Panel {
    let mut panel = said.panel(edition, "bargauge", targets);
    panel.field_config = fields.json();
    panel.options = json!({
        "displayMode": "basic",
        "maxVizHeight": 300,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": last(),
        "showUnfilled": true,
        "sizing": "auto",
        "valueMode": "color",
    });
    panel
}
