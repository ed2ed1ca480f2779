//! How a field is shown: unit, colours, and the exceptions by name.
//!
//! In: values of Grafana's field configuration. Out: its JSON. Refuses to know: which panel shows the field.

use crate::level;
use serde_json::{Map, Value, json};

/// A panel's field configuration: what holds for all, and the exceptions.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    defaults: Map<String, Value>,
    overrides: Vec<Value>,
}

impl Fields {
    pub fn new(unit: &str) -> Self {
        let mut fields = Fields::default();
        fields.set("unit", json!(unit));
        fields
    }

    fn set(&mut self, key: &str, value: Value) {
        self.defaults.insert(key.into(), value);
    }

    /// Any other key of Grafana's defaults.
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.set(key, value);
        self
    }

    /// Levels 0 to 3: their words decide, their colours are the thresholds', too.
    pub fn levels(self, mappings: Value) -> Self {
        self.with("mappings", mappings).thresholds(level::thresholds())
    }

    pub fn thresholds(self, thresholds: Value) -> Self {
        self.with("thresholds", thresholds).with("color", json!({"mode": "thresholds"}))
    }

    pub fn overrides(mut self, overrides: impl IntoIterator<Item = Value>) -> Self {
        self.overrides.extend(overrides);
        self
    }

    pub fn json(self) -> Value {
        json!({"defaults": self.defaults, "overrides": self.overrides})
    }
}

pub fn property(id: &str, value: Value) -> Value {
    json!({"id": id, "value": value})
}

/// An exception for the field of this name.
pub fn by_name(name: &str, properties: impl IntoIterator<Item = Value>) -> Value {
    let properties: Vec<Value> = properties.into_iter().collect();
    json!({"matcher": {"id": "byName", "options": name}, "properties": properties})
}

/// An exception for all fields of numbers.
pub fn of_numbers(properties: impl IntoIterator<Item = Value>) -> Value {
    let properties: Vec<Value> = properties.into_iter().collect();
    json!({"matcher": {"id": "byType", "options": "number"}, "properties": properties})
}

pub fn fixed_colour(colour: &str) -> Value {
    property("color", json!({"mode": "fixed", "fixedColor": colour}))
}
