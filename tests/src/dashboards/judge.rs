//! What a panel shows, against what its configuration says about it.
//!
//! In: the panel and the frames it draws. Out: names that no field has, values without a word. Refuses to know: how the
//! frames were got. Limits: matchers `byName` and `byType`; others are faults.

use super::file::{Panel, list, word};
use super::frame::{Cell, Field, Frame, TIME};
use super::substitute::{Values, names};
use super::{Fault, Kind};
use serde_json::{Map, Value};

pub fn judge(panel: &Panel<'_>, frames: &[Frame], values: &Values) -> Vec<Fault> {
    let mut faults = Vec::new();
    matchers(panel, frames, &mut faults);
    mappings(panel, frames, &mut faults);
    names_of_series(panel, frames, &mut faults);
    links(panel, frames, values, &mut faults);
    match panel.kind() {
        "geomap" => geomap(panel, frames, &mut faults),
        "state-timeline" if frames.len() > 200 => {
            faults.push(Fault::new(Kind::File, &panel.place, format!("{} rows, 200 are the most", frames.len())));
        }
        _ => {}
    }
    faults
}

fn fields(frames: &[Frame]) -> impl Iterator<Item = &Field> {
    frames.iter().flat_map(|frame| &frame.fields)
}

fn matches(matcher: &Value, field: &Field) -> bool {
    let wanted = word(&matcher["options"]);
    match matcher["id"].as_str() {
        Some("byName") => field.is(&wanted),
        Some("byType") => wanted == "number" && field.is_number(),
        _ => false,
    }
}

fn overrides<'a>(panel: &Panel<'a>) -> impl Iterator<Item = &'a Value> {
    list(&panel.json["fieldConfig"]["overrides"])
}

fn matchers(panel: &Panel<'_>, frames: &[Frame], faults: &mut Vec<Fault>) {
    for one in overrides(panel) {
        let matcher = &one["matcher"];
        if !["byName", "byType"].iter().any(|known| matcher["id"] == *known) {
            faults.push(Fault::new(Kind::File, &panel.place, format!("the check does not know the matcher {matcher}")));
        } else if !fields(frames).any(|field| matches(matcher, field)) {
            faults.push(Fault::new(Kind::Label, &panel.place, format!("no field matches {matcher}")));
        }
    }
}

/// What holds for one field: the defaults, then every exception that matches, in order.
fn configuration(panel: &Panel<'_>, field: &Field) -> Map<String, Value> {
    let mut all = panel.json["fieldConfig"]["defaults"].as_object().cloned().unwrap_or_default();
    for one in overrides(panel).filter(|one| matches(&one["matcher"], field)) {
        for property in list(&one["properties"]) {
            all.insert(word(&property["id"]), property["value"].clone());
        }
    }
    all
}

fn mappings(panel: &Panel<'_>, frames: &[Frame], faults: &mut Vec<Fault>) {
    for field in fields(frames).filter(|field| field.name != TIME) {
        let config = configuration(panel, field);
        let Some(mappings) = config.get("mappings").and_then(Value::as_array) else { continue };
        // A word for "no value" alone leaves the numbers as they are; moments are no closed set either.
        let is_moment = config.get("unit").and_then(Value::as_str).is_some_and(|unit| unit.starts_with("dateTime"));
        if is_moment || mappings.iter().all(|mapping| mapping["type"] == "special") {
            continue;
        }
        let mut raw: Vec<String> =
            field.values.iter().flatten().filter(|cell| !mapped(mappings, cell)).map(text).collect();
        raw.sort();
        raw.dedup();
        if !raw.is_empty() {
            let name = field.shown.as_ref().unwrap_or(&field.name);
            faults.push(Fault::new(Kind::Mapping, &panel.place, format!("{name}: no word for {}", raw.join(", "))));
        }
    }
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Number(number) => number.to_string(),
        Cell::Text(text) => text.clone(),
    }
}

fn mapped(mappings: &[Value], cell: &Cell) -> bool {
    let has_word = |result: &Value| result["text"].as_str().is_some_and(|text| !text.is_empty());
    mappings.iter().any(|mapping| match mapping["type"].as_str() {
        Some("value") => has_word(&mapping["options"][text(cell)]),
        Some("range") => {
            let Cell::Number(number) = cell else { return false };
            let (from, to) = (mapping["options"]["from"].as_f64(), mapping["options"]["to"].as_f64());
            from.is_none_or(|from| from <= *number) && to.is_none_or(|to| *number <= to)
        }
        _ => false,
    })
}

/// Where some series get a name of their own, none may be left with its label.
fn names_of_series(panel: &Panel<'_>, frames: &[Frame], faults: &mut Vec<Fault>) {
    let series = fields(frames).filter(|field| !field.labels.is_empty() && field.shown.is_some());
    let (named, raw): (Vec<&Field>, Vec<&Field>) =
        series.partition(|field| configuration(panel, field).contains_key("displayName"));
    if named.is_empty() {
        return;
    }
    for field in raw {
        let label = field.shown.as_deref().unwrap_or_default();
        faults.push(Fault::new(Kind::Mapping, &panel.place, format!("no word for the series {label}")));
    }
}

/// Links of the panel and of its fields name variables that exist and columns that are there.
fn links(panel: &Panel<'_>, frames: &[Frame], values: &Values, faults: &mut Vec<Fault>) {
    let of_fields = fields(frames).flat_map(|field| {
        let links = configuration(panel, field).remove("links");
        links.into_iter().flat_map(|links| links.as_array().cloned().unwrap_or_default())
    });
    for link in list(&panel.json["links"]).cloned().chain(of_fields) {
        let url = word(&link["url"]);
        for name in values.undefined(&url) {
            faults.push(Fault::new(
                Kind::Label,
                &panel.place,
                format!("a link names ${{{name}}}, which nobody defines"),
            ));
        }
        for name in names(&url).iter().filter_map(|name| name.strip_prefix("__data.fields.")) {
            if !fields(frames).any(|field| field.is(name)) {
                faults.push(Fault::new(Kind::Label, &panel.place, format!("a link names the column {name}")));
            }
        }
    }
}

/// Every layer finds its coordinates, as numbers on the globe, and its colours and labels; the base asks nobody.
fn geomap(panel: &Panel<'_>, frames: &[Frame], faults: &mut Vec<Fault>) {
    let options = &panel.json["options"];
    let mut wrong = |kind: Kind, what: String| faults.push(Fault::new(kind, &panel.place, what));
    let base = &options["basemap"];
    let deepest = options["view"]["maxZoom"].as_u64().unwrap_or(u64::MAX);
    if base["type"] != "xyz" || base["config"]["minZoom"].as_u64().is_none_or(|least| least <= deepest) {
        wrong(Kind::File, "its base layer would ask a server for tiles".into());
    }
    let Some(frame) = frames.first() else { return };
    for layer in list(&options["layers"]) {
        if layer["location"]["mode"] != "coords" {
            wrong(Kind::File, format!("a layer is placed by {}, not by coords", layer["location"]["mode"]));
        }
        for (axis, limit) in [("latitude", 90.0), ("longitude", 180.0)] {
            let name = word(&layer["location"][axis]);
            let on_globe = |cell: &Option<Cell>| matches!(cell, Some(Cell::Number(n)) if n.abs() <= limit);
            match frame.field(&name) {
                None => wrong(Kind::Label, format!("no column {name} for the {axis}")),
                Some(field) if !field.values.iter().all(on_globe) => {
                    wrong(Kind::Label, format!("the column {name} holds no {axis}"));
                }
                Some(_) => {}
            }
        }
        let style = &layer["config"]["style"];
        for part in ["color", "size", "text"] {
            let name = word(&style[part]["field"]);
            if !name.is_empty() && frame.field(&name).is_none() {
                wrong(Kind::Label, format!("no column {name} for the {part} of markers"));
            }
        }
    }
}
