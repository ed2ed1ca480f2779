//! What an export holds when it is read back by what reads such files.

use super::*;
use crate::survey::journal::{Journal, path};
use crate::survey::point::{Began, Line, Marked, VERSION};
use phusong_protocol::{FailureKind, Mark, RadioCell, ServiceState, Technology};
use std::path::PathBuf;

const NOTE: &str = "Nhà \"ông\" Tạo, <bản> & =1+1\u{1}\nhai";

fn point(n: u32) -> Point {
    let served = n % 10 != 3;
    let cell = RadioCell { rsrp_dbm: Some(-97.25 - n as f32 % 7.0), pci: Some(101), ..RadioCell::default() };
    Point {
        at_ms: 1_795_397_405_000 + i64::from(n) * 5_000,
        lat: 21.6 + f64::from(n) / 100_000.0,
        lon: 105.8,
        accuracy_m: Some(6.24),
        modem: Some("m,1".into()),
        serving_plmn: Some("452-04".into()),
        service: Some(if served { ServiceState::Home } else { ServiceState::None }),
        served: Some(served),
        technology: Some(Technology::Lte),
        cell: served.then_some(cell),
        rtt_us: served.then_some(41_250),
        failure: (!served).then_some(FailureKind::Timeout),
        ..Point::default()
    }
}

/// A survey of `n` points and one mark.
fn survey(name: &str, n: u32) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("phusong-export-{name}-{}", std::process::id()));
    // What an earlier run left.
    let _ = std::fs::remove_dir_all(&dir);
    let mut journal = Journal::create(&dir, name).expect("temp is writable");
    let mut say = |line: Line| journal.append(&line, 0).expect("temp is writable");
    say(Line::Began(Began { v: VERSION, name: name.into(), at_ms: 1_795_397_405_000, note: Some(NOTE.into()) }));
    (0..n).for_each(|n| say(Line::Point(Box::new(point(n)))));
    let mark = Some(Mark::CulturalHouse);
    say(Line::Mark(Marked { at_ms: 5, lat: -1.5, lon: 105.25, accuracy_m: None, mark, note: Some(NOTE.into()) }));
    dir
}

fn exported(dir: &Path, name: &str, format: Format) -> (Exported, String) {
    let mut bytes = Vec::new();
    let exported = export(&path(dir, name), format, &mut bytes).expect("it is a survey");
    (exported, String::from_utf8(bytes).expect("UTF-8"))
}

#[test]
fn geojson_is_read_back_as_it_was_measured() {
    let dir = survey("geo", 12);
    let (counts, text) = exported(&dir, "geo", Format::GeoJson);
    assert_eq!(counts, Exported { points: 12, marks: 1, unreadable: 0 });
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let features = json["features"].as_array().expect("a list");
    assert_eq!((json["type"].as_str(), features.len()), (Some("FeatureCollection"), 13));
    let (first, hole, mark) = (&features[0], &features[3], &features[12]);
    assert_eq!(first["geometry"]["coordinates"], serde_json::json!([105.8, 21.6]));
    let of = |feature: &serde_json::Value, name: &str| feature["properties"][name].clone();
    assert_eq!((of(first, "rsrp_dbm"), of(first, "rtt_ms")), ((-97.2).into(), 41.25.into()));
    assert_eq!((of(first, "time"), of(first, "modem")), ("2026-11-23T01:30:05.000Z".into(), "m,1".into()));
    assert_eq!((of(first, "technology"), of(first, "service")), ("lte".into(), "home".into()));
    // Absent is absent, and the modem registered again five seconds later.
    assert!(first["properties"].get("sinr_db").is_none() && hole["properties"].get("rsrp_dbm").is_none());
    assert_eq!(
        (of(hole, "served"), of(hole, "reacquiring"), of(hole, "failure")),
        (false.into(), true.into(), "timeout".into())
    );
    assert_eq!((of(mark, "mark"), of(mark, "note")), ("cultural-house".into(), NOTE.into()));
    std::fs::remove_dir_all(&dir).expect("own directory");
}

/// The cells of a CSV, by RFC 4180.
fn cells(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut inside) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, inside) {
            ('"', true) if chars.peek() == Some(&'"') => cell.extend(chars.next()),
            ('"', _) => inside = !inside,
            (',', false) => row.push(std::mem::take(&mut cell)),
            ('\r', false) if chars.peek() == Some(&'\n') => {
                chars.next();
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            (c, _) => cell.push(c),
        }
    }
    rows
}

#[test]
fn csv_is_read_back_and_no_text_is_a_formula() {
    let dir = survey("csv", 12);
    let (_, text) = exported(&dir, "csv", Format::Csv);
    let rows = cells(&text);
    assert_eq!(rows.len(), 14);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "every row has every column");
    let of = |row: usize, name: &str| {
        let column = rows[0].iter().position(|head| head == name).unwrap_or_else(|| panic!("no column {name}"));
        rows[row][column].as_str()
    };
    assert_eq!(
        (of(1, "modem"), of(1, "rsrp_dbm"), of(1, "rtt_ms"), of(1, "lat")),
        ("m,1", "-97.2", "41.250", "21.6000000")
    );
    assert_eq!((of(4, "rsrp_dbm"), of(4, "failure"), of(4, "reacquiring")), ("", "timeout", "true"));
    assert_eq!((of(13, "kind"), of(13, "mark"), of(13, "note")), ("mark", "cultural-house", NOTE));
    std::fs::remove_dir_all(&dir).expect("own directory");
    assert_eq!(super::csv::quoted("=1+1"), "\"'=1+1\"");
}

/// The text between the first such tags after `from`, with the five entities of XML.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<(String, &'a str)> {
    let after = text.split_once(open)?.1;
    let (inside, rest) = after.split_once(close)?;
    assert!(!inside.contains('<') || open.ends_with(' '), "{inside}");
    let plain = inside.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    Some((plain, rest))
}

#[test]
fn gpx_is_read_back_and_its_text_is_escaped() {
    let dir = survey("gpx", 12);
    let (_, text) = exported(&dir, "gpx", Format::Gpx);
    assert_eq!((text.matches("<wpt ").count(), text.matches("</wpt>").count()), (13, 13));
    assert!(text.starts_with("<?xml version=\"1.0\"") && text.trim_end().ends_with("</gpx>"));
    assert!(text.contains("<wpt lat=\"21.6000000\" lon=\"105.8000000\">"));
    assert_eq!(between(&text, "<ps:rsrp_dbm>", "</ps:rsrp_dbm>").map(|(value, _)| value).as_deref(), Some("-97.2"));
    let mark = text.split("<wpt ").last().expect("a mark");
    let said = NOTE.replace('\u{1}', "");
    assert_eq!(between(mark, "<desc>", "</desc>").map(|(note, _)| note), Some(said));
    assert_eq!(between(mark, "<name>", "</name>").map(|(name, _)| name).as_deref(), Some("cultural-house"));
    assert!(text.chars().all(|c| c >= ' ' || c == '\n'), "no character that XML forbids");
    std::fs::remove_dir_all(&dir).expect("own directory");
}

#[test]
fn the_form_is_chosen_by_the_name_and_a_file_that_is_no_survey_is_refused() {
    for (file, wanted) in [
        ("a.geojson", Some(Format::GeoJson)),
        ("a.JSON", Some(Format::GeoJson)),
        ("b.gpx", Some(Format::Gpx)),
        ("b.csv", Some(Format::Csv)),
        ("b.kml", None),
        ("b", None),
    ] {
        assert_eq!(Format::of(Path::new(file)), wanted, "{file}");
    }
    let file = std::env::temp_dir().join(format!("phusong-no-survey-{}", std::process::id()));
    std::fs::write(&file, "{\"x\":1}\n").expect("temp is writable");
    assert!(matches!(export(&file, Format::Csv, &mut Vec::new()), Err(ExportError::NoSurvey { .. })));
    std::fs::remove_file(&file).expect("own file");
    assert!(matches!(export(&file, Format::Csv, &mut Vec::new()), Err(ExportError::Read { .. })));
}
