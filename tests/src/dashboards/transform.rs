//! Grafana's transformations, those we use, on frames.
//!
//! In: frames and the panel's list. Out: the frames that the panel draws, the names that a step wanted and did not find.
//! Refuses to know: panels' kinds. Limits: convertFieldType to number, merge, sortBy, organize; another is a fault.

use super::file::{list, word};
use super::frame::{Cell, Field, Frame};
use serde_json::Value;

/// The frames after every step, and what was missing on the way.
pub fn transformed(mut frames: Vec<Frame>, steps: &Value) -> (Vec<Frame>, Vec<String>) {
    let mut missing = Vec::new();
    for step in list(steps) {
        let options = &step["options"];
        match word(&step["id"]).as_str() {
            "convertFieldType" => convert(&mut frames, options, &mut missing),
            "merge" => frames = vec![merged(&frames)],
            "sortBy" => {
                let fields = list(&options["sort"]).map(|sort| word(&sort["field"]));
                missing.extend(fields.filter(|name| !has(&frames, name)).map(|name| format!("sortBy {name}")));
            }
            "organize" => organize(&mut frames, options, &mut missing),
            other => missing.push(format!("the check does not know the transformation {other}")),
        }
    }
    (frames, missing)
}

fn has(frames: &[Frame], name: &str) -> bool {
    frames.iter().any(|frame| frame.field(name).is_some())
}

fn convert(frames: &mut [Frame], options: &Value, missing: &mut Vec<String>) {
    for conversion in list(&options["conversions"]) {
        let name = word(&conversion["targetField"]);
        if !has(frames, &name) {
            missing.push(format!("convertFieldType {name}"));
        }
        if conversion["destinationType"] != "number" {
            missing.push(format!("convertFieldType {name}: the check knows numbers alone"));
            continue;
        }
        for field in frames.iter_mut().flat_map(|frame| &mut frame.fields).filter(|field| field.is(&name)) {
            for cell in &mut field.values {
                if let Some(Cell::Text(text)) = cell {
                    *cell = text.parse().ok().map(Cell::Number);
                }
            }
        }
    }
}

/// Rows with the same values in all columns that every frame has become one.
fn merged(frames: &[Frame]) -> Frame {
    let Some(first) = frames.first() else { return Frame::default() };
    let everywhere = |field: &&Field| frames.iter().all(|frame| frame.fields.iter().any(|f| f.name == field.name));
    let keys: Vec<String> = first.fields.iter().filter(everywhere).map(|field| field.name.clone()).collect();
    let mut fields: Vec<Field> = Vec::new();
    for field in frames.iter().flat_map(|frame| &frame.fields) {
        if !fields.iter().any(|known| known.name == field.name) {
            fields.push(Field { values: Vec::new(), ..field.clone() });
        }
    }
    let mut rows: Vec<Vec<Option<Cell>>> = Vec::new();
    for frame in frames {
        let count = frame.fields.first().map_or(0, |field| field.values.len());
        for row in 0..count {
            let key: Vec<Option<Cell>> =
                keys.iter().map(|key| frame.field(key).and_then(|field| field.values[row].clone())).collect();
            let at = rows.iter().position(|known| *known == key).unwrap_or_else(|| {
                rows.push(key);
                fields.iter_mut().for_each(|field| field.values.push(None));
                rows.len() - 1
            });
            for field in &frame.fields {
                let target = fields.iter_mut().find(|known| known.name == field.name).expect("each name was taken");
                target.values[at].clone_from(&field.values[row]);
            }
        }
    }
    Frame { fields }
}

fn organize(frames: &mut [Frame], options: &Value, missing: &mut Vec<String>) {
    for part in ["excludeByName", "indexByName", "renameByName"] {
        let names = options[part].as_object().into_iter().flat_map(|map| map.keys());
        missing.extend(names.filter(|name| !has(frames, name)).map(|name| format!("organize {part} {name}")));
    }
    for frame in frames {
        frame.fields.retain(|field| options["excludeByName"][&field.name] != true);
        for field in &mut frame.fields {
            if let Some(name) = options["renameByName"][&field.name].as_str() {
                field.shown = Some(name.into());
            }
        }
    }
}
