//! GeoJSON (RFC 7946, and the `crs` member that QGIS writes).
//!
//! In: the bytes of a FeatureCollection. Out: areas that are right by themselves. Each feature is parsed alone, so that
//! one that is broken hides no other. Properties that are not known are passed over with a warning. Limits:
//! [`FEATURES`], [`VERTICES`].

use super::crs::Crs;
use super::fields::{self, KNOWN, Raw};
use super::problem::{AreaError, At, Problems, too_many_vertices};
use super::{AreaFile, Defaults, FEATURES, NO_CRS, Shape, VERTICES};
use geojson::{Feature, GeometryValue};
use phusong_coverage::Place;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// Names of properties that are passed over and told.
const UNKNOWN_TOLD: usize = 20;

#[derive(Deserialize)]
struct Collection<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    crs: Option<Value>,
    #[serde(borrow)]
    features: Option<Features<'a>>,
}

/// The texts of the features; no more of them than are allowed.
struct Features<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Features<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Bounded)
    }
}

struct Bounded;

impl<'de> Visitor<'de> for Bounded {
    type Value = Features<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of features")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Features<'de>, A::Error> {
        let mut all = Vec::new();
        loop {
            let next = list.next_element();
            match next.map_err(|e| A::Error::custom(format!("feature {}: {e}", all.len() + 1)))? {
                None => return Ok(Features(all)),
                Some(_) if all.len() == FEATURES => {
                    return Err(A::Error::custom(format!(
                        "more than {FEATURES} features: split it, one commune a file"
                    )));
                }
                Some(feature) => all.push(feature),
            }
        }
    }
}

pub fn read(file: String, bytes: &[u8], defaults: &Defaults) -> Result<AreaFile, AreaError> {
    let frame = |reason: String| AreaError::Frame { file: file.clone(), reason };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let whole: Collection<'_> =
        serde_json::from_slice(bytes).map_err(|e| frame(format!("it is no GeoJSON FeatureCollection: {e}")))?;
    let Some(features) = whole.features.filter(|_| whole.kind.as_deref() == Some("FeatureCollection")) else {
        let kind = whole.kind.unwrap_or_else(|| "JSON without a type".into());
        return Err(frame(format!("it is {kind}, and must be a FeatureCollection: export the whole layer as GeoJSON")));
    };
    let told = match &whole.crs {
        None | Some(Value::Null) => None,
        Some(_) if defaults.crs.is_some() => None,
        Some(crs) => {
            let name = crs["properties"]["name"].as_str().unwrap_or_default();
            let known = Crs::from_urn(name);
            Some(known.map_err(|reason| frame(format!("crs: {reason}: say in what it is with --crs")))?)
        }
    };
    let said = defaults.crs.or(told);
    let (mut problems, mut unknown, mut areas) = (Problems::default(), BTreeMap::new(), Vec::new());
    for (number, text) in features.0.iter().enumerate() {
        let at = At::Feature(number + 1);
        let before = problems.count();
        let raw = one(at, text.get(), said, &mut problems, &mut unknown);
        let area = raw.and_then(|raw| fields::check(at, raw, defaults, &mut problems));
        areas.extend(area.filter(|_| problems.count() == before));
    }
    problems.finish(&file)?;
    if areas.is_empty() {
        return Err(frame("it has no feature".into()));
    }
    Ok(AreaFile { name: file, areas, crs_said: said.is_some(), warnings: warnings(&unknown) })
}

pub(super) fn warnings(unknown: &BTreeMap<String, usize>) -> Vec<String> {
    let told = unknown.iter().take(UNKNOWN_TOLD);
    let mut lines: Vec<String> =
        told.map(|(name, times)| format!("property {name:?} is not known here, passed over {times} times")).collect();
    if unknown.len() > UNKNOWN_TOLD {
        lines.push(format!("and {} more properties that are not known", unknown.len() - UNKNOWN_TOLD));
    }
    lines
}

/// What a feature says; `None` if it is none.
fn one(
    at: At,
    text: &str,
    said: Option<Crs>,
    problems: &mut Problems,
    unknown: &mut BTreeMap<String, usize>,
) -> Option<Raw> {
    // Before it is parsed: each position begins with one, and few other things do.
    if text.bytes().filter(|b| *b == b'[').count() > 2 * VERTICES {
        problems.add(at, None, "geometry", too_many_vertices());
        return None;
    }
    let feature: Feature = match text.parse() {
        Ok(feature) => feature,
        Err(e) => {
            problems.add(at, None, "geometry", format!("it is no GeoJSON feature: {e}"));
            return None;
        }
    };
    let properties = feature.properties.unwrap_or_default();
    let mut raw = properties_of(at, &properties, problems);
    for name in properties.keys().filter(|name| !KNOWN.contains(&name.as_str())) {
        *unknown.entry(name.clone()).or_default() += 1;
    }
    let shaped = match feature.geometry {
        None => Ok(()),
        Some(geometry) => geometry_of(&geometry.value, said, &mut raw),
    };
    if let Err(reason) = shaped {
        problems.add(at, raw.code.as_deref(), "geometry", reason);
    }
    Some(raw)
}

fn geometry_of(value: &GeometryValue, said: Option<Crs>, raw: &mut Raw) -> Result<(), String> {
    let crs = said.unwrap_or(Crs::Wgs84);
    match value {
        GeometryValue::Polygon { coordinates } => {
            raw.shape = Some(Shape::new(std::slice::from_ref(coordinates), crs, said.is_some())?);
        }
        GeometryValue::MultiPolygon { coordinates } => {
            raw.shape = Some(Shape::new(coordinates, crs, said.is_some())?);
        }
        GeometryValue::Point { coordinates } => {
            let at = coordinates.as_slice();
            let hint = if said.is_some() { "" } else { NO_CRS };
            let place: Place = crs.place(at[0], at[1]).map_err(|reason| format!("{reason}{hint}"))?;
            raw.centre = Some(place);
        }
        other => {
            let kind = other.type_name();
            return Err(format!("a {kind} is no area: draw a Polygon, or give its centre as a Point with radius_m"));
        }
    }
    Ok(())
}

fn properties_of(at: At, properties: &Map<String, Value>, problems: &mut Problems) -> Raw {
    let code = properties.get("code").and_then(Value::as_str).map(str::to_owned);
    let mut text = |field: &'static str| match properties.get(field) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) if field == "code" || field == "parent" => {
            let reason = format!("it is the number {number}: write it in quotes, \"{number}\", with its leading zeros");
            problems.add(at, code.as_deref(), field, reason);
            Some(number.to_string())
        }
        Some(other) => {
            problems.add(at, code.as_deref(), field, format!("{other} is no text: write it in quotes"));
            // Something stands there: that it is missing need not be told, too.
            ["code", "name"].contains(&field).then(|| "?".to_owned())
        }
    };
    let mut raw = Raw {
        code: text("code"),
        name: text("name"),
        label: text("label"),
        parent: text("parent"),
        valid_from: text("valid_from"),
        valid_to: text("valid_to"),
        ..Raw::default()
    };
    let mut number = |field: &'static str| match properties.get(field) {
        None | Some(Value::Null) => None,
        Some(Value::Number(number)) => number.as_f64(),
        Some(other) => {
            problems.add(at, code.as_deref(), field, format!("{other} is no number: write it without quotes"));
            None
        }
    };
    (raw.population, raw.radius_m) = (number("population"), number("radius_m"));
    raw
}
