//! `probe list`: everybody who was ever registered, as a table or as JSON.
//!
//! In: rows of the registry. Out: text. Refuses to know: anything else.

use crate::cli::output::{print, table};
use crate::cli::when;
use crate::store::ProbeRow;
use phusong_coverage::Place;
use serde_json::json;

pub fn list(rows: &[ProbeRow], json: bool) -> anyhow::Result<()> {
    if json {
        return rows.iter().try_for_each(|row| print(&to_json(row).to_string()));
    }
    let cells: Vec<Vec<String>> = rows.iter().map(to_cells).collect();
    print(&table(
        &["probe", "site", "label", "place", "hamlet", "last contact (UTC)", "missing", "dead letters", "note"],
        &cells,
    ))
}

fn to_cells(row: &ProbeRow) -> Vec<String> {
    let note = match (row.retired_ms, row.clone_suspected_ms) {
        (Some(_), _) => "retired",
        (None, Some(_)) => "identity used by two devices?",
        (None, None) => "",
    };
    vec![
        row.probe.clone(),
        row.site.clone(),
        row.label.clone().unwrap_or_default(),
        row.place.map(|place| place.to_string()).unwrap_or_default(),
        row.hamlet.as_ref().map(|hamlet| format!("{} {}", hamlet.code, hamlet.name)).unwrap_or_default(),
        row.last_contact_ms.map_or_else(|| "never".into(), when::show),
        row.missing.to_string(),
        row.dead_letters.to_string(),
        note.into(),
    ]
}

fn to_json(row: &ProbeRow) -> serde_json::Value {
    json!({
        "probe": row.probe,
        "site": row.site,
        "label": row.label,
        "lat": row.place.map(Place::lat),
        "lon": row.place.map(Place::lon),
        "hamlet": row.hamlet.as_ref().map(|hamlet| &hamlet.code),
        "hamlet_name": row.hamlet.as_ref().map(|hamlet| &hamlet.name),
        "supply": row.supply,
        "created_ms": row.created_ms,
        "retired_ms": row.retired_ms,
        "last_contact_ms": row.last_contact_ms,
        "missing": row.missing,
        "clone_suspected_ms": row.clone_suspected_ms,
        "dead_letters": row.dead_letters,
        "dead_letter_bytes": row.dead_letter_bytes,
    })
}
