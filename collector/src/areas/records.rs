//! CSV as spreadsheets write it: a header, commas or semicolons, UTF-8 with or without a byte order mark.
//!
//! In: the bytes of a file. Out: areas that are right by themselves; they have centres, no polygons. Where semicolons
//! stand between the columns, a decimal comma is one. `lat` and `lon` hold northing and easting if the file's
//! reference system is in metres. Limits: [`FEATURES`].

use super::crs::Crs;
use super::features::warnings;
use super::fields::{self, KNOWN, Raw};
use super::problem::{AreaError, At, Problems};
use super::{AreaFile, Defaults, FEATURES, NO_CRS};
use csv::{ReaderBuilder, StringRecord};
use std::collections::BTreeMap;

const POSITION: [&str; 2] = ["lat", "lon"];

/// The columns of a file, and how it writes numbers.
struct Columns {
    names: Vec<String>,
    decimal_comma: bool,
}

pub fn read(file: String, bytes: &[u8], defaults: &Defaults) -> Result<AreaFile, AreaError> {
    let frame = |reason: String| AreaError::Frame { file: file.clone(), reason };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        frame(format!("line {line}: it is not UTF-8: save it as \"CSV UTF-8\""))
    })?;
    let semicolons = text.lines().next().unwrap_or_default().contains(';');
    let mut reader = ReaderBuilder::new()
        .delimiter(if semicolons { b';' } else { b',' })
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| frame(e.to_string()))?.clone();
    let columns = Columns::new(&header, semicolons).map_err(frame)?;
    let (mut problems, mut areas, mut records) = (Problems::default(), Vec::new(), 0);
    for record in reader.records() {
        let record = record.map_err(|e| AreaError::Frame { file: file.clone(), reason: e.to_string() })?;
        // Spreadsheets leave rows of empty cells behind.
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        records += 1;
        if records > FEATURES {
            let reason = format!("more than {FEATURES} records: split it, one commune a file");
            return Err(AreaError::Frame { file, reason });
        }
        let before = problems.count();
        let at = At::Line(line_of(text, &record));
        let raw = columns.one(at, &record, defaults.crs, &mut problems);
        let area = raw.and_then(|raw| fields::check(at, raw, defaults, &mut problems));
        areas.extend(area.filter(|_| problems.count() == before));
    }
    problems.finish(&file)?;
    if areas.is_empty() {
        return Err(AreaError::Frame { file, reason: "it has no record below its header".into() });
    }
    Ok(AreaFile { name: file, areas, crs_said: defaults.crs.is_some(), warnings: columns.unknown(records) })
}

/// The reader's position of a record is the end of the one before: blank lines may lie between.
pub fn line_of(text: &str, record: &StringRecord) -> u64 {
    let Some(at) = record.position() else { return 0 };
    let rest = usize::try_from(at.byte()).ok().and_then(|byte| text.as_bytes().get(byte..)).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n');
    at.line() + blank.count() as u64
}

impl Columns {
    fn new(header: &StringRecord, decimal_comma: bool) -> Result<Self, String> {
        let names: Vec<String> = header.iter().map(|name| name.trim().to_lowercase()).collect();
        let all = "code,name,label,parent,lat,lon,radius_m,valid_from,valid_to,population";
        for needed in ["code", "name"] {
            if !names.iter().any(|name| name == needed) {
                return Err(format!("line 1: there is no column {needed}; the columns are {all}"));
            }
        }
        for known in KNOWN.iter().chain(&POSITION) {
            if names.iter().filter(|name| name == known).count() > 1 {
                return Err(format!("line 1: column {known} is there twice"));
            }
        }
        let has = |name: &&str| names.iter().any(|column| column == name);
        if POSITION.iter().filter(|name| has(name)).count() == 1 {
            return Err("line 1: columns lat and lon go together, and one of them is missing".into());
        }
        Ok(Columns { names, decimal_comma })
    }

    fn unknown(&self, records: usize) -> Vec<String> {
        let known = |name: &&String| KNOWN.iter().chain(&POSITION).any(|known| known == name);
        let names = self.names.iter().filter(|name| !known(name) && !name.is_empty());
        warnings(&names.map(|name| (name.clone(), records)).collect::<BTreeMap<_, _>>())
    }

    fn cell<'a>(&self, record: &'a StringRecord, name: &str) -> Option<&'a str> {
        let column = self.names.iter().position(|column| column == name)?;
        record.get(column).map(str::trim).filter(|cell| !cell.is_empty())
    }

    fn one(&self, at: At, record: &StringRecord, said: Option<Crs>, problems: &mut Problems) -> Option<Raw> {
        let code = self.cell(record, "code");
        if record.len() != self.names.len() {
            let (cells, columns) = (record.len(), self.names.len());
            let hint = if self.decimal_comma {
                ""
            } else {
                ": write numbers with a point, and texts that hold a comma in quotes"
            };
            problems.add(at, code, "record", format!("it has {cells} cells, and the header has {columns}{hint}"));
            return None;
        }
        let text = |name| self.cell(record, name).map(str::to_owned);
        let mut number = |name: &'static str| {
            let cell = self.cell(record, name)?;
            let plain = if self.decimal_comma { cell.replace(',', ".") } else { cell.to_owned() };
            let number = plain.parse::<f64>().ok().filter(|n| n.is_finite());
            if number.is_none() {
                let right = "write digits, with a point before decimals";
                problems.add(at, code, name, format!("{cell:?} is no number: {right}"));
            }
            Some(number.unwrap_or(f64::NAN))
        };
        let (lat, lon) = (number("lat"), number("lon"));
        let usable = |n: Option<f64>| n.filter(|n| !n.is_nan());
        let (population, radius_m) = (usable(number("population")), usable(number("radius_m")));
        let mut raw = Raw {
            code: text("code"),
            name: text("name"),
            label: text("label"),
            parent: text("parent"),
            valid_from: text("valid_from"),
            valid_to: text("valid_to"),
            population,
            radius_m,
            ..Raw::default()
        };
        match (lat, lon) {
            (None, None) => {}
            (Some(_), None) => problems.add(at, code, "lon", "it is empty, and lat is not: give both or none"),
            (None, Some(_)) => problems.add(at, code, "lat", "it is empty, and lon is not: give both or none"),
            (Some(lat), Some(lon)) if lat.is_nan() || lon.is_nan() => {}
            (Some(lat), Some(lon)) => match said.unwrap_or(Crs::Wgs84).place(lon, lat) {
                Ok(place) => raw.centre = Some(place),
                Err(reason) => {
                    let hint = if said.is_some() { "" } else { NO_CRS };
                    problems.add(at, code, "lat, lon", format!("{reason}{hint}"));
                }
            },
        }
        Some(raw)
    }
}
