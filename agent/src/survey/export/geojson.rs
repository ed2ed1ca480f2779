//! GeoJSON (RFC 7946): one feature collection, longitude before latitude.
//!
//! In: a walk. Out: bytes. Refuses to know: files. Limits: none of its own.

use super::{NAMES, Value, Words, values, word};
use crate::device::clock::utc;
use crate::survey::journal::Walk;
use serde_json::{Map, Number, Value as Json};
use std::io::{self, Write};

pub fn write(walk: &Walk, reacquiring: &[bool], to: &mut dyn Write) -> io::Result<()> {
    write!(to, "{{\"type\":\"FeatureCollection\",\"features\":[")?;
    let mut first = true;
    for (point, flag) in walk.points.iter().zip(reacquiring) {
        let words = Words::of(point);
        let mut properties = Map::new();
        for (name, value) in NAMES.iter().zip(values(point, *flag, &words)) {
            if let Some(value) = value {
                properties.insert((*name).to_owned(), json(&value));
            }
        }
        feature(to, &mut first, ("point", walk, point.at_ms), (point.lat, point.lon), properties)?;
    }
    for mark in &walk.marks {
        let mut properties = Map::new();
        let texts = [("mark", word(&mark.mark)), ("note", mark.note.clone())];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Json::String(text?))));
        properties.extend(texts);
        if let Some(accuracy_m) = mark.accuracy_m {
            properties.insert("accuracy_m".into(), json(&Value::Number(f64::from(accuracy_m), 1)));
        }
        feature(to, &mut first, ("mark", walk, mark.at_ms), (mark.lat, mark.lon), properties)?;
    }
    writeln!(to, "\n]}}")
}

fn feature(
    to: &mut dyn Write,
    first: &mut bool,
    (kind, walk, at_ms): (&str, &Walk, i64),
    (lat, lon): (f64, f64),
    mut properties: Map<String, Json>,
) -> io::Result<()> {
    let texts = [("kind", kind.to_owned()), ("survey", walk.name.clone()), ("time", utc(at_ms))];
    properties.extend(texts.into_iter().map(|(name, text)| (name.to_owned(), Json::String(text))));
    let comma = if std::mem::take(first) { "" } else { "," };
    write!(
        to,
        "{comma}\n{{\"type\":\"Feature\",\"geometry\":{{\"type\":\"Point\",\"coordinates\":[{lon:.7},{lat:.7}]}},\"properties\":"
    )?;
    serde_json::to_writer(&mut *to, &properties)?;
    write!(to, "}}")
}

fn json(value: &Value<'_>) -> Json {
    match value {
        Value::Text(text) => Json::String((*text).to_owned()),
        // As many digits as are known, and not those of the binary form.
        Value::Number(..) => value.plain().parse().ok().and_then(Number::from_f64).map_or(Json::Null, Json::Number),
        Value::Whole(number) => Json::from(*number),
        Value::Flag(flag) => Json::Bool(*flag),
    }
}
