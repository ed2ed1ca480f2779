//! A survey as a file that other programs read: GeoJSON (RFC 7946), GPX 1.1, CSV (RFC 4180).
//!
//! In: the file of a survey, whole or torn. Out: points and marks, each with what was measured there. Refuses to know:
//! what a level means. Limits: `POINTS` points, all in memory at once (about 40 MB); one pass.

mod csv;
mod geojson;
mod gpx;

use super::journal::{Walk, read};
use super::pace::reacquiring;
use super::point::Point;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// The form of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    GeoJson,
    Gpx,
    Csv,
}

/// What an export wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    pub points: u64,
    pub marks: u64,
    /// Lines of the survey that were cut off.
    pub unreadable: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("{file}: {source}")]
    Read { file: String, source: io::Error },
    #[error("{file}: is no survey: its first line does not say so")]
    NoSurvey { file: String },
    #[error("writing the export: {0}")]
    Write(#[from] io::Error),
}

impl Format {
    /// By the end of the file's name.
    pub fn of(file: &Path) -> Option<Format> {
        match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "geojson" | "json" => Some(Format::GeoJson),
            "gpx" => Some(Format::Gpx),
            "csv" => Some(Format::Csv),
            _ => None,
        }
    }
}

/// Writes the survey whose file is `from` as `format`. Works while it is still walked.
pub fn export(from: &Path, format: Format, to: &mut dyn Write) -> Result<Exported, ExportError> {
    let file = || from.display().to_string();
    let walk = read(from).map_err(|source| ExportError::Read { file: file(), source })?;
    if walk.name.is_empty() {
        return Err(ExportError::NoSurvey { file: file() });
    }
    let flags = flags(&walk);
    match format {
        Format::GeoJson => geojson::write(&walk, &flags, to)?,
        Format::Gpx => gpx::write(&walk, &flags, to)?,
        Format::Csv => csv::write(&walk, &flags, to)?,
    }
    to.flush()?;
    Ok(Exported { points: walk.points.len() as u64, marks: walk.marks.len() as u64, unreadable: walk.unreadable })
}

/// Of each point whether it is `reacquiring`, by modem or uplink.
fn flags(walk: &Walk) -> Vec<bool> {
    let mut by_link: BTreeMap<(Option<&str>, Option<&str>), Vec<usize>> = BTreeMap::new();
    for (at, point) in walk.points.iter().enumerate() {
        by_link.entry((point.modem.as_deref(), point.interface.as_deref())).or_default().push(at);
    }
    let mut flags = vec![false; walk.points.len()];
    for places in by_link.values() {
        let seen: Vec<(i64, Option<bool>)> =
            places.iter().map(|at| (walk.points[*at].at_ms, walk.points[*at].served)).collect();
        places.iter().zip(reacquiring(&seen)).for_each(|(at, flag)| flags[*at] = flag);
    }
    flags
}

/// One value of a point under its name in every format.
enum Value<'a> {
    Text(&'a str),
    Number(f64, usize),
    Whole(u64),
    Flag(bool),
}

impl Value<'_> {
    /// Digits as they are read by every program.
    fn plain(&self) -> String {
        match self {
            Value::Text(text) => (*text).to_owned(),
            Value::Number(number, digits) => format!("{number:.digits$}"),
            Value::Whole(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
        }
    }
}

/// The names of all values, in the order of [`values`]: the columns of a CSV.
const NAMES: [&str; 29] = [
    "accuracy_m",
    "altitude_m",
    "speed_mps",
    "indoor",
    "reacquiring",
    "modem",
    "interface",
    "sim_plmn",
    "serving_plmn",
    "service",
    "served",
    "technology",
    "tac",
    "cell_id",
    "pci",
    "arfcn",
    "band",
    "rsrp_dbm",
    "rsrq_db",
    "sinr_db",
    "rssi_dbm",
    "rscp_dbm",
    "ecio_db",
    "nr_pci",
    "nr_arfcn",
    "nr_rsrp_dbm",
    "nr_sinr_db",
    "rtt_ms",
    "failure",
];

/// The values of a point by the order of [`NAMES`].
fn values<'a>(point: &'a Point, reacquiring: bool, words: &'a Words) -> [Option<Value<'a>>; 29] {
    let cell = point.cell.as_ref();
    let nr = point.nr_cell.as_ref();
    let text = |text: &'a Option<String>| text.as_deref().map(Value::Text);
    let tenth = |number: Option<f32>| number.map(|n| Value::Number(f64::from(n), 1));
    let whole = |number: Option<u64>| number.map(Value::Whole);
    [
        tenth(point.accuracy_m),
        tenth(point.altitude_m),
        tenth(point.speed_mps),
        Some(Value::Flag(point.indoor)),
        Some(Value::Flag(reacquiring)),
        text(&point.modem),
        text(&point.interface),
        text(&point.sim_plmn),
        text(&point.serving_plmn),
        text(&words.service),
        point.served.map(Value::Flag),
        text(&words.technology),
        whole(cell.and_then(|c| c.tac.or(c.lac)).map(u64::from)),
        whole(cell.and_then(|c| c.cell_id)),
        whole(cell.and_then(|c| c.pci).map(u64::from)),
        whole(cell.and_then(|c| c.arfcn).map(u64::from)),
        cell.and_then(|c| c.band.as_deref()).map(Value::Text),
        tenth(cell.and_then(|c| c.rsrp_dbm)),
        tenth(cell.and_then(|c| c.rsrq_db)),
        tenth(cell.and_then(|c| c.sinr_db)),
        tenth(cell.and_then(|c| c.rssi_dbm)),
        tenth(cell.and_then(|c| c.rscp_dbm)),
        tenth(cell.and_then(|c| c.ecio_db)),
        whole(nr.and_then(|c| c.pci).map(u64::from)),
        whole(nr.and_then(|c| c.arfcn).map(u64::from)),
        tenth(nr.and_then(|c| c.rsrp_dbm)),
        tenth(nr.and_then(|c| c.sinr_db)),
        point.rtt_us.map(|us| Value::Number(f64::from(us) / 1_000.0, 3)),
        text(&words.failure),
    ]
}

/// The names of a point's enumerated values, as they stand on the wire.
#[derive(Default)]
struct Words {
    service: Option<String>,
    technology: Option<String>,
    failure: Option<String>,
}

impl Words {
    fn of(point: &Point) -> Words {
        Words { service: word(&point.service), technology: word(&point.technology), failure: word(&point.failure) }
    }
}

/// The wire's name of a closed value.
fn word<T: serde::Serialize>(value: &Option<T>) -> Option<String> {
    let value = serde_json::to_value(value.as_ref()?).ok()?;
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests;
