//! Answers as Grafana keeps them: frames of fields.
//!
//! In: `data` of Prometheus's HTTP API. Out: frames: for a table one with a column a label, else one a series. Refuses
//! to know: panels. Limits: times are kept for joining alone.

use super::file::Query;
use serde_json::{Map, Value};

#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Number(f64),
    Text(String),
}

/// A column: its own name, the name it is shown by, its values.
#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub shown: Option<String>,
    /// Labels of a series; empty for a table's columns.
    pub labels: Vec<(String, String)>,
    pub values: Vec<Option<Cell>>,
}

#[derive(Debug, Clone, Default)]
pub struct Frame {
    pub fields: Vec<Field>,
}

pub const TIME: &str = "Time";
pub const VALUE: &str = "Value";

impl Field {
    fn column(name: impl Into<String>) -> Self {
        Field { name: name.into(), shown: None, labels: Vec::new(), values: Vec::new() }
    }

    /// Grafana finds a field by either.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.shown.as_deref() == Some(name)
    }

    pub fn is_number(&self) -> bool {
        self.name != TIME && self.values.iter().flatten().all(|cell| matches!(cell, Cell::Number(_)))
    }
}

impl Frame {
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.is(name))
    }
}

/// Labels of a series without its name, in Prometheus's order.
fn labels(series: &Value) -> Vec<(String, String)> {
    let pairs = series["metric"].as_object().into_iter().flatten();
    let named = pairs.filter(|(key, _)| *key != "__name__");
    named.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// Every value of a series; a vector has one, a matrix many.
fn values(series: &Value) -> Vec<Option<Cell>> {
    let points = series["values"].as_array().map_or_else(|| vec![&series["value"]], |points| points.iter().collect());
    let number = |point: &Value| point[1].as_str().and_then(|text| text.parse().ok()).map(Cell::Number);
    points.into_iter().map(number).collect()
}

/// A legend with its labels, and those that the series does not have.
pub fn legend(format: &str, labels: &[(String, String)]) -> (String, Vec<String>) {
    let mut out = String::new();
    let mut absent = Vec::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        match labels.iter().find(|(label, _)| label == name.trim()) {
            Some((_, value)) => out.push_str(value),
            None => absent.push(name.trim().to_owned()),
        }
        rest = after;
    }
    out.push_str(rest);
    (out, absent)
}

/// One frame a series, each with its legend.
pub fn of_series(query: &Query, result: &[Value]) -> (Vec<Frame>, Vec<String>) {
    let mut absent = Vec::new();
    let frames = result.iter().map(|series| {
        let labels = labels(series);
        let (shown, missing) = legend(&query.legend, &labels);
        absent.extend(missing);
        let shown = (!shown.is_empty()).then_some(shown);
        let value = Field { name: VALUE.into(), shown, labels, values: values(series) };
        Frame { fields: vec![Field::column(TIME), value] }
    });
    (frames.collect(), absent)
}

/// One frame: `Time`, every label, the value; with several queries in a panel the value carries its query's letter.
pub fn of_table(query: &Query, result: &[Value], alone: bool) -> Frame {
    let mut names: Vec<String> =
        result.iter().flat_map(|series| labels(series).into_iter().map(|(key, _)| key)).collect();
    names.sort();
    names.dedup();
    let value = if alone { VALUE.to_owned() } else { format!("{VALUE} #{}", query.ref_id) };
    let mut fields: Vec<Field> =
        std::iter::once(TIME.to_owned()).chain(names).chain([value]).map(Field::column).collect();
    for series in result {
        let of: Map<String, Value> = series["metric"].as_object().cloned().unwrap_or_default();
        let last = fields.len() - 1;
        for (at, field) in fields.iter_mut().enumerate() {
            let cell = match at {
                0 => series["value"][0].as_f64().map(Cell::Number),
                at if at == last => values(series).pop().flatten(),
                _ => of.get(&field.name).and_then(Value::as_str).map(|text| Cell::Text(text.into())),
            };
            field.values.push(cell);
        }
    }
    Frame { fields }
}
