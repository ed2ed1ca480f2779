//! `geomap`: a marker for each row of a table, without any map server.
//!
//! In: a query of a table with the columns `latitude`, `longitude`, `Value`. Out: the panel. Refuses to know: what the
//! value means. Limits: Grafana has no empty base layer, and its default one asks a server on the internet; so the
//! base is a tile layer that is drawn only beyond the deepest zoom, which never asks for a tile.

use super::Said;
use crate::edition::Edition;
use crate::field::Fields;
use crate::level::Level;
use crate::model::{Panel, Target};
use serde_json::{Value, json};

const DEEPEST_ZOOM: u32 = 17;
/// Deeper than any view of the map goes.
const NEVER: u32 = 30;

pub fn map(edition: &Edition, said: Said, target: Target, label: &str, fields: Fields) -> Panel {
    let mut panel = said.panel(edition, "geomap", vec![target]);
    panel.field_config = fields.json();
    let numbers = ["latitude", "longitude"].map(|field| json!({"targetField": field, "destinationType": "number"}));
    panel.transformations = vec![json!({"id": "convertFieldType", "options": {"conversions": numbers, "fields": {}}})];
    panel.options = json!({
        "basemap": {
            "type": "xyz", "name": "none",
            "config": {"url": "{z}/{x}/{y}", "attribution": "", "minZoom": NEVER, "maxZoom": NEVER},
        },
        "controls": {
            "mouseWheelZoom": true, "showAttribution": false, "showDebug": false, "showMeasure": true, "showScale": true,
            "showZoom": true,
        },
        "layers": [markers(label)],
        "tooltip": {"mode": "details"},
        // The whole commune, whatever its size; the numbers hold where there is nothing to fit.
        "view": {
            "id": "fit", "allLayers": true, "lat": 16, "lon": 106, "maxZoom": DEEPEST_ZOOM, "padding": 10, "zoom": 13,
        },
    });
    panel
}

fn markers(label: &str) -> Value {
    json!({
        "type": "markers",
        "name": "markers",
        "location": {"mode": "coords", "latitude": "latitude", "longitude": "longitude"},
        "tooltip": true,
        "config": {
            "showLegend": false,
            "style": {
                "color": {"field": "Value", "fixed": Level::Unknown.colour()},
                "opacity": 0.9,
                "rotation": {"fixed": 0, "max": 360, "min": -360, "mode": "mod"},
                "size": {"fixed": 9, "max": 15, "min": 2},
                "symbol": {"fixed": "img/icons/marker/circle.svg", "mode": "fixed"},
                "symbolAlign": {"horizontal": "center", "vertical": "center"},
                "text": {"field": label, "fixed": "", "mode": "field"},
                "textConfig": {
                    "fontSize": 12, "offsetX": 0, "offsetY": -16, "textAlign": "center", "textBaseline": "middle",
                },
            },
        },
    })
}
