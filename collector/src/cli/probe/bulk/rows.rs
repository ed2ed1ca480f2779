//! The lines of a file of probes.
//!
//! In: CSV with a heading, or JSON with `registrations`. Out: checked [`Row`]s, or everything that is wrong with them.
//! Refuses to know: what is registered, which hamlets there are. Limits: [`FILE_BYTES`], [`ROWS`].

use crate::areas::line_of;
use crate::cli::when;
use crate::store::RegistryError;
use anyhow::{Context, bail};
use phusong_coverage::Place;
use phusong_protocol::{ProbeId, SiteId};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::path::Path;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const FILE_BYTES: u64 = 64 * 1024 * 1024;
/// As many codes as may wait.
const ROWS: usize = 100_000;
const COLUMNS: [&str; 8] = ["probe", "site", "hamlet", "lat", "lon", "supply", "label", "since"];

/// One probe of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub line: u64,
    pub probe: ProbeId,
    pub site: Option<SiteId>,
    pub hamlet: Option<String>,
    pub at: Option<Place>,
    pub supply: Option<String>,
    pub label: Option<String>,
    pub since_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub line: u64,
    pub field: &'static str,
    pub why: String,
}

/// What stands on a line, by column; what is empty is absent.
type Fields = HashMap<&'static str, String>;

/// The lines that are right by themselves, and what is wrong with the others.
pub fn read(file: &Path) -> anyhow::Result<(Vec<Row>, Vec<Problem>)> {
    let reading = || format!("reading {}", file.display());
    let bytes = std::fs::metadata(file).with_context(reading)?.len();
    if bytes > FILE_BYTES {
        bail!("{} has {bytes} bytes; at most {FILE_BYTES} are read", file.display());
    }
    let text = std::fs::read_to_string(file).with_context(reading)?;
    let text = text.trim_start_matches('\u{feff}');
    let lines = if text.trim_start().starts_with(['{', '[']) { from_json(text) } else { from_csv(text) };
    let lines =
        lines.map_err(|Problem { line, field, why }| anyhow::anyhow!("{}:{line}: {field}: {why}", file.display()))?;
    if lines.len() > ROWS {
        bail!("{} names {} probes; at most {ROWS} are taken at once", file.display(), lines.len());
    }
    Ok(checked(&lines))
}

/// Which column a refusal of the registry is about.
pub fn field_of(error: &RegistryError) -> &'static str {
    match error {
        RegistryError::Label { .. } => "label",
        RegistryError::Supply { .. } => "supply",
        RegistryError::NoArea { .. } | RegistryError::NoHamlet { .. } => "hamlet",
        RegistryError::Since { .. } => "since",
        _ => "probe",
    }
}

fn column(name: &str) -> Option<&'static str> {
    // The simulator's word for it.
    let name = if name == "from_ms" { "since" } else { name };
    COLUMNS.into_iter().find(|column| *column == name)
}

fn unknown(line: u64, name: &str) -> Problem {
    Problem { line, field: "heading", why: format!("`{name}` is no column: write some of {}", COLUMNS.join(",")) }
}

fn from_csv(text: &str) -> Result<Vec<(u64, Fields)>, Problem> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let wrong = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        Problem { line, field: "line", why: format!("{error}; texts that hold a comma stand in quotes") }
    };
    let heading = reader.headers().map_err(wrong)?.clone();
    let columns =
        heading.iter().map(|name| column(name).ok_or_else(|| unknown(1, name))).collect::<Result<Vec<_>, _>>()?;
    if !columns.contains(&"probe") {
        let why = format!("the first line must name the columns, and probe among them: {}", COLUMNS.join(","));
        return Err(Problem { line: 1, field: "heading", why });
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        let line = line_of(text, &record);
        let fields = columns.iter().zip(record.iter()).filter(|(_, value)| !value.is_empty());
        lines.push((line, fields.map(|(column, value)| (*column, value.to_owned())).collect()));
    }
    Ok(lines)
}

fn from_json(text: &str) -> Result<Vec<(u64, Fields)>, Problem> {
    #[derive(Deserialize)]
    struct Setup<'a> {
        #[serde(borrow)]
        registrations: Vec<&'a RawValue>,
    }
    let parsed = if text.trim_start().starts_with('[') {
        serde_json::from_str::<Vec<&RawValue>>(text)
    } else {
        serde_json::from_str::<Setup<'_>>(text).map(|setup| setup.registrations)
    };
    let all = parsed.map_err(|error| Problem {
        line: error.line() as u64,
        field: "registrations",
        why: format!("{error}; write {{\"registrations\":[{{\"probe\":\"..\",\"hamlet\":\"..\"}}]}}"),
    })?;
    // Entries stand in the text's order: each line is counted once.
    let (mut line, mut counted) = (1, 0);
    all.into_iter()
        .map(|raw| {
            let at = raw.get().as_ptr().addr() - text.as_ptr().addr();
            line += text.as_bytes()[counted..at].iter().filter(|byte| **byte == b'\n').count() as u64;
            counted = at;
            entry(line, raw.get()).map(|fields| (line, fields))
        })
        .collect()
}

fn entry(line: u64, text: &str) -> Result<Fields, Problem> {
    use serde_json::Value;
    let wrong = |why: String| Problem { line, field: "registrations", why };
    let object: serde_json::Map<String, Value> =
        serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let mut fields = Fields::new();
    for (name, value) in object {
        let column = column(&name).ok_or_else(|| unknown(line, &name))?;
        match value {
            Value::Null => {}
            Value::String(text) => drop(fields.insert(column, text)),
            Value::Number(number) => drop(fields.insert(column, number.to_string())),
            _ => return Err(wrong(format!("`{name}` is neither text nor number"))),
        }
    }
    Ok(fields)
}

fn checked(lines: &[(u64, Fields)]) -> (Vec<Row>, Vec<Problem>) {
    let (mut rows, mut problems) = (Vec::with_capacity(lines.len()), Vec::new());
    let mut seen: HashMap<ProbeId, u64> = HashMap::new();
    for (line, fields) in lines {
        let before = problems.len();
        let row = checked_line(*line, fields, &mut problems);
        let Some(row) = row.filter(|_| problems.len() == before) else { continue };
        if let Some(first) = seen.insert(row.probe.clone(), *line) {
            problems.push(Problem {
                line: *line,
                field: "probe",
                why: format!("{} stands on line {first} already", row.probe),
            });
            continue;
        }
        rows.push(row);
    }
    (rows, problems)
}

fn checked_line(line: u64, fields: &Fields, problems: &mut Vec<Problem>) -> Option<Row> {
    let text = |name: &str| fields.get(name).cloned();
    let mut wrong = |field, why: String| problems.push(Problem { line, field, why });
    let probe = match fields.get("probe").map(|name| name.parse::<ProbeId>()) {
        Some(Ok(probe)) => Some(probe),
        Some(Err(error)) => {
            wrong("probe", error.to_string());
            None
        }
        None => {
            wrong("probe", "is missing: write its name, 1 to 32 of a-z, 0-9 and '-'".into());
            None
        }
    };
    let site =
        fields.get("site").and_then(|name| name.parse::<SiteId>().map_err(|e| wrong("site", e.to_string())).ok());
    let since = text("since").and_then(|since| since_ms(&since).map_err(|why| wrong("since", why)).ok());
    let mut degrees = |name: &'static str| {
        let value = fields.get(name)?;
        value.parse::<f64>().map_err(|_| wrong(name, format!("`{value}` is no number of degrees, as 21.86444"))).ok()
    };
    let (lat, lon) = (degrees("lat"), degrees("lon"));
    let at = match (fields.contains_key("lat"), fields.contains_key("lon")) {
        (true, true) => lat
            .zip(lon)
            .and_then(|(lat, lon)| Place::new(lat, lon).map_err(|error| wrong("lat", error.to_string())).ok()),
        (false, false) => None,
        (true, false) => {
            wrong("lon", "is missing beside lat".into());
            None
        }
        (false, true) => {
            wrong("lat", "is missing beside lon".into());
            None
        }
    };
    let (hamlet, supply, label) = (text("hamlet"), text("supply"), text("label"));
    Some(Row { line, probe: probe?, site, hamlet, at, supply, label, since_ms: since })
}

/// RFC 3339, what the other commands read, or milliseconds since 1970.
fn since_ms(text: &str) -> Result<i64, String> {
    if let Ok(ms) = text.parse::<i64>() {
        return Ok(ms);
    }
    if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok((moment.unix_timestamp_nanos() / 1_000_000) as i64);
    }
    let wrong =
        || format!("`{text}` is no time: write 2026-11-22T10:00:00+07:00, 2026-11-22 or milliseconds since 1970");
    when::parse(text).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_in_each_form_that_people_write() {
        let cases = [
            ("1795000000000", 1_795_000_000_000),
            ("2026-11-22T10:00:00+07:00", 1_795_316_400_000),
            ("2026-11-22T03:00:00Z", 1_795_316_400_000),
            ("2026-11-22", 1_795_305_600_000),
        ];
        for (text, expected) in cases {
            assert_eq!(since_ms(text), Ok(expected), "{text}");
        }
        assert!(since_ms("hôm qua").is_err_and(|why| why.contains("write 2026")));
    }

    #[test]
    fn csv_and_json_say_the_same_and_each_row_knows_its_line() {
        let csv = "probe,hamlet,lat,lon,since\n\na,H1,21.5,105.5,1795000000000\nb,\"H2\",,,\n";
        let json = "{\"registrations\":[\n\n{\"probe\":\"a\",\"hamlet\":\"H1\",\"lat\":21.5,\"lon\":105.5,\
                    \"from_ms\":1795000000000},\n{\"probe\":\"b\",\"hamlet\":\"H2\"}]}";
        let (of_csv, wrong) = checked(&from_csv(csv).expect("right"));
        let (of_json, also_wrong) = checked(&from_json(json).expect("right"));
        assert_eq!((&wrong, &also_wrong), (&vec![], &vec![]));
        assert_eq!(of_csv, of_json);
        assert_eq!(of_csv.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(of_csv[0].since_ms, Some(1_795_000_000_000));
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let csv =
            "probe,site,lat,lon,since\nNa Chen,x,1,2,\nb,X,91,2,\nc,,1,,\nd,,a,b,gestern\nb2,,,,\nb2,,,,\n,s,,,\n";
        let (_, problems) = checked(&from_csv(csv).expect("readable"));
        let places: Vec<(u64, &str)> = problems.iter().map(|p| (p.line, p.field)).collect();
        let expected = [
            (2, "probe"),
            (3, "site"),
            (3, "lat"),
            (4, "lon"),
            (5, "since"),
            (5, "lat"),
            (5, "lon"),
            (7, "probe"),
            (8, "probe"),
        ];
        assert_eq!(places, expected, "{problems:?}");
    }
}
