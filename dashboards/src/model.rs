//! Grafana's dashboard as far as we write it, schemaVersion 39 (Grafana 10.3 and later reads it).
//!
//! In: what the dashboards say. Out: its JSON by serde. Refuses to know: languages, metrics.

use crate::edition::Edition;
use serde::Serialize;
use serde_json::{Value, json};

pub const SCHEMA_VERSION: u32 = 39;
/// Panels of an older plugin version would be migrated by Grafana on loading.
const PLUGIN_VERSION: &str = "11.0.0";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    pub uid: String,
    title: String,
    description: String,
    tags: Vec<String>,
    timezone: &'static str,
    week_start: &'static str,
    editable: bool,
    graph_tooltip: u32,
    fiscal_year_start_month: u32,
    live_now: bool,
    refresh: &'static str,
    schema_version: u32,
    version: u32,
    time: Value,
    timepicker: Value,
    annotations: Value,
    links: Vec<Value>,
    templating: Value,
    panels: Vec<Panel>,
}

/// What a dashboard asks and shows.
pub struct Content {
    pub name: &'static str,
    pub title: String,
    pub description: String,
    /// What is appended to the web map's address.
    pub place: &'static str,
    pub variables: Vec<Value>,
    pub panels: Vec<Panel>,
}

impl Dashboard {
    pub fn new(edition: &Edition, content: Content) -> Self {
        Dashboard {
            uid: edition.uid(content.name),
            title: content.title,
            description: content.description,
            tags: edition.tags(),
            // Days are the area's, wherever the reader sits.
            timezone: "Asia/Ho_Chi_Minh",
            week_start: "monday",
            editable: false,
            // One cursor over all panels.
            graph_tooltip: 1,
            fiscal_year_start_month: 0,
            live_now: false,
            refresh: "1m",
            schema_version: SCHEMA_VERSION,
            version: 1,
            time: json!({"from": "now-24h", "to": "now"}),
            timepicker: json!({}),
            annotations: json!({"list": []}),
            links: edition.links(content.place),
            templating: json!({"list": content.variables}),
            panels: content.panels,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Grid {
    pub x: u32,
    pub y: u32,
    pub w: u32,
    pub h: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Panel {
    pub id: u32,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub title: String,
    pub description: String,
    plugin_version: &'static str,
    datasource: Value,
    pub grid_pos: Grid,
    /// The least distance of two points; a probe is judged every five minutes, its gauges are scraped every one.
    pub interval: &'static str,
    pub targets: Vec<Target>,
    pub field_config: Value,
    pub options: Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transformations: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Value>,
}

impl Panel {
    pub fn new(kind: &'static str, title: String, description: String, targets: Vec<Target>) -> Self {
        Panel {
            id: 0,
            kind,
            title,
            description,
            plugin_version: PLUGIN_VERSION,
            datasource: datasource(),
            grid_pos: Grid::default(),
            interval: "1m",
            targets: targets.into_iter().enumerate().map(|(at, target)| target.numbered(at)).collect(),
            field_config: Value::Null,
            options: Value::Null,
            transformations: Vec::new(),
            links: Vec::new(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    ref_id: String,
    datasource: Value,
    editor_mode: &'static str,
    expr: String,
    format: &'static str,
    instant: bool,
    range: bool,
    legend_format: String,
}

impl Target {
    fn new(expr: String, format: &'static str, instant: bool, legend: impl Into<String>) -> Self {
        Target {
            ref_id: String::new(),
            datasource: datasource(),
            editor_mode: "code",
            expr,
            format,
            instant,
            range: !instant,
            legend_format: legend.into(),
        }
    }

    /// Over the shown range, a line a series.
    pub fn over_time(expr: String, legend: impl Into<String>) -> Self {
        Target::new(expr, "time_series", false, legend)
    }

    /// As of the end of the range, a value a series.
    pub fn now(expr: String, legend: impl Into<String>) -> Self {
        Target::new(expr, "time_series", true, legend)
    }

    /// As of the end of the range, a row a series, a column a label.
    pub fn table(expr: String) -> Self {
        Target::new(expr, "table", true, "")
    }

    fn numbered(mut self, at: usize) -> Self {
        let letter = u8::try_from(at).ok().and_then(|at| b'A'.checked_add(at)).filter(u8::is_ascii_uppercase);
        self.ref_id = char::from(letter.expect("at most 26 queries a panel")).to_string();
        self
    }
}

/// Whatever the reader chose above the dashboard.
pub fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}
