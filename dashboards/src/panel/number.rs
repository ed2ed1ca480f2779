//! `stat`: one number, or a few side by side.
//!
//! In: queries whose last value counts. Out: the panel. Refuses to know: what the numbers mean.

use super::{Said, last};
use crate::edition::Edition;
use crate::field::Fields;
use crate::model::{Panel, Target};
use serde_json::json;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The number in its colour.
    Plain,
    /// The number with its curve over the range.
    Curve,
    /// The whole panel in the colour of its value.
    Filled,
}

pub fn number(edition: &Edition, said: Said, look: Look, targets: Vec<Target>, fields: Fields) -> Panel {
    let mut panel = said.panel(edition, "stat", targets);
    panel.field_config = fields.json();
    panel.options = json!({
        "colorMode": if look == Look::Filled { "background" } else { "value" },
        "graphMode": if look == Look::Curve { "area" } else { "none" },
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": last(),
        "showPercentChange": false,
        "textMode": "auto",
        "wideLayout": true,
    });
    panel
}
