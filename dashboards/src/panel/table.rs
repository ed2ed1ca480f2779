//! `table`: a row for each subject, several queries side by side.
//!
//! In: instant queries that share their key labels, the columns in order. Out: the panel. Refuses to know: what the
//! columns mean. Limits: queries are merged by the labels they share, so each must carry the same keys.

use super::Said;
use crate::edition::Edition;
use crate::field::{Fields, by_name, property};
use crate::model::{Panel, Target};
use crate::text::Text;
use serde_json::{Map, Value, json};

/// A column of the merged table.
pub struct Column {
    /// As Grafana names it: a label, `Value #A`, `Time`.
    field: String,
    show: Show,
    properties: Vec<Value>,
}

pub enum Show {
    As(Text),
    /// There for links, not drawn.
    Hidden,
    /// Not there.
    Dropped,
}

impl Column {
    pub fn new(field: &str, show: Show) -> Self {
        Column { field: field.into(), show, properties: Vec::new() }
    }

    pub fn unit(self, unit: &str) -> Self {
        self.with("unit", json!(unit))
    }

    pub fn with(mut self, id: &str, value: Value) -> Self {
        self.properties.push(property(id, value));
        self
    }

    /// The cell in the colour of its value.
    pub fn coloured(self) -> Self {
        self.with("custom.cellOptions", json!({"type": "color-background", "mode": "basic"}))
    }
}

/// `sort` names the field whose highest rows come first.
pub fn table(edition: &Edition, said: Said, targets: Vec<Target>, sort: Option<&str>, columns: Vec<Column>) -> Panel {
    let mut panel = said.panel(edition, "table", targets);
    let mut excluded = Map::new();
    let mut index = Map::new();
    let mut renamed = Map::new();
    let mut overrides = Vec::new();
    for (at, column) in columns.into_iter().enumerate() {
        index.insert(column.field.clone(), json!(at));
        let mut properties = column.properties;
        let name = match column.show {
            Show::As(text) => {
                renamed.insert(column.field, json!(edition.say(text)));
                edition.say(text)
            }
            Show::Hidden => {
                properties.push(property("custom.hidden", json!(true)));
                column.field
            }
            Show::Dropped => {
                excluded.insert(column.field, json!(true));
                continue;
            }
        };
        if !properties.is_empty() {
            overrides.push(by_name(&name, properties));
        }
    }
    panel.transformations = vec![json!({"id": "merge", "options": {}})];
    if let Some(field) = sort {
        panel
            .transformations
            .push(json!({"id": "sortBy", "options": {"fields": {}, "sort": [{"field": field, "desc": true}]}}));
    }
    panel.transformations.push(json!({
        "id": "organize",
        "options": {"excludeByName": excluded, "includeByName": {}, "indexByName": index, "renameByName": renamed},
    }));
    let drawn = json!({"align": "auto", "cellOptions": {"type": "auto"}, "filterable": false, "inspect": false});
    panel.field_config = Fields::default().with("custom", drawn).overrides(overrides).json();
    panel.options = json!({
        "cellHeight": "sm",
        "footer": {"countRows": false, "fields": "", "reducer": ["sum"], "show": false},
        "showHeader": true,
        "sortBy": [],
    });
    panel
}
