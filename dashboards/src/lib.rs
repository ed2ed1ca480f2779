//! The Grafana dashboards, from one source into two languages.
//!
//! In: the texts (`text.rs`), the families of `docs/metrics.md`, where the web map and the runbook are. Out: for each
//! dashboard and language a file of JSON (schemaVersion 39), the same bytes on every machine. Refuses to know: a
//! running Grafana or Prometheus; what was never run there is checked by `make check-dashboards`. Limits: two
//! dashboards, each answering one question.

pub mod level;
pub mod text;

mod cause;
mod commune;
mod edition;
mod field;
mod hamlet;
mod layout;
mod model;
mod panel;
mod promql;
mod variable;

pub use edition::{Edition, Places};
pub use model::{Dashboard, SCHEMA_VERSION};
pub use text::Language;

use serde_json::{Map, Value};
use std::path::PathBuf;

/// One generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Below `dashboards/grafana/`.
    pub path: PathBuf,
    pub text: String,
}

/// A dashboard could not be put into words of JSON.
#[derive(Debug, thiserror::Error)]
#[error("dashboard {uid}: {source}")]
pub struct NotWritten {
    uid: String,
    source: serde_json::Error,
}

/// Every dashboard in every language, with links to `places`.
pub fn generate(places: &Places) -> Result<Vec<Generated>, NotWritten> {
    let mut all = Vec::new();
    for language in Language::ALL {
        let edition = Edition::new(language, places.clone());
        for (name, dashboard) in [("commune", commune::dashboard(&edition)), ("hamlet", hamlet::dashboard(&edition))] {
            let path = PathBuf::from(language.code()).join(format!("{name}.json"));
            all.push(Generated { path, text: written(&dashboard)? });
        }
    }
    Ok(all)
}

fn written(dashboard: &Dashboard) -> Result<String, NotWritten> {
    let failed = |source| NotWritten { uid: dashboard.uid.clone(), source };
    let value = serde_json::to_value(dashboard).map_err(failed)?;
    let mut text = serde_json::to_string_pretty(&sorted(value)).map_err(failed)?;
    text.push('\n');
    Ok(text)
}

/// Keys in order, whatever features other packages switch on in serde_json.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(map) => {
            let mut pairs: Vec<(String, Value)> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(pairs.into_iter().collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
