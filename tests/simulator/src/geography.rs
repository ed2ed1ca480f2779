//! A synthetic map: 18 cells of a bent grid around the middle of Thanh Định, about 18 km² in all.
//!
//! In: a hamlet's number. Out: polygons, positions inside them, GeoJSON (RFC 7946). Refuses to know: real boundaries,
//! which are not public; each feature's `source` says so. Limits: the map is the same for every seed.

use crate::plan::{HAMLETS, Hamlet};
use serde_json::{Value, json};

pub const COMMUNE: &str = "05578";
const COMMUNE_NAME: &str = "Thanh Định (cũ)";
pub const SOURCE: &str = "synthetic geometry of phusong-simulator; only the names are real";
/// Middle of the old commune.
const MIDDLE: (f64, f64) = (21.86444, 105.54361);
const COLUMNS: usize = 6;
const ROWS: usize = 3;
/// Of one cell; 18 of them are 18.4 km².
const CELL_M: (f64, f64) = (865.0, 1_180.0);
const METRES_PER_DEGREE: f64 = 111_195.0;

/// A position in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    pub lat: f64,
    pub lon: f64,
}

/// The code of a hamlet's area.
pub fn code(hamlet: usize) -> String {
    format!("{COMMUNE}-{:02}", hamlet + 1)
}

fn at_metres(east: f64, north: f64) -> Position {
    let lat = MIDDLE.0 + north / METRES_PER_DEGREE;
    let lon = MIDDLE.1 + east / (METRES_PER_DEGREE * MIDDLE.0.to_radians().cos());
    // Seven decimals are a centimetre, and read back as they were written.
    let round = |degrees: f64| (degrees * 1e7).round() / 1e7;
    Position { lat: round(lat), lon: round(lon) }
}

/// A corner of the grid, bent by at most 15 % of a cell; those on the edge are bent, too, so the outline is no box.
fn corner(column: usize, row: usize) -> Position {
    let mut rng = fastrand::Rng::with_seed(1_000 + (row * (COLUMNS + 1) + column) as u64);
    let mut bend = || (rng.f64() - 0.5) * 0.3;
    let east = (column as f64 - COLUMNS as f64 / 2.0 + bend()) * CELL_M.0;
    let north = (row as f64 - ROWS as f64 / 2.0 + bend()) * CELL_M.1;
    at_metres(east, north)
}

fn ring(corners: impl IntoIterator<Item = (usize, usize)>) -> Value {
    let mut points: Vec<[f64; 2]> = Vec::new();
    for (column, row) in corners {
        let position = corner(column, row);
        points.push([position.lon, position.lat]);
    }
    points.extend(points.first().copied());
    json!({ "type": "Polygon", "coordinates": [points] })
}

fn cell(hamlet: usize) -> (usize, usize) {
    (hamlet % COLUMNS, hamlet / COLUMNS)
}

/// A place inside a hamlet's cell; `east` and `north` from -1 to 1.
pub fn inside(hamlet: usize, east: f64, north: f64) -> Position {
    let (column, row) = cell(hamlet);
    let middle = |at: usize, of: usize| at as f64 + 0.5 - of as f64 / 2.0;
    // The corners move by 15 % at most: a quarter of a cell around its middle always lies inside.
    let east = (middle(column, COLUMNS) + east.clamp(-1.0, 1.0) * 0.25) * CELL_M.0;
    let north = (middle(row, ROWS) + north.clamp(-1.0, 1.0) * 0.25) * CELL_M.1;
    at_metres(east, north)
}

/// The commune and its first `hamlets` hamlets as a FeatureCollection.
pub fn areas(hamlets: usize) -> String {
    let feature = |code: &str, name: &str, label: &str, parent: Option<&str>, geometry: Value| {
        let properties = json!({ "code": code, "name": name, "label": label, "parent": parent, "source": SOURCE });
        json!({ "type": "Feature", "properties": properties, "geometry": geometry })
    };
    let south = (0..COLUMNS).map(|column| (column, 0));
    let east = (0..ROWS).map(|row| (COLUMNS, row));
    let north = (1..=COLUMNS).rev().map(|column| (column, ROWS));
    let west = (1..=ROWS).rev().map(|row| (0, row));
    let outline = ring(south.chain(east).chain(north).chain(west));
    let mut features = vec![feature(COMMUNE, COMMUNE_NAME, "xã", None, outline)];
    for (number, Hamlet { name, .. }) in HAMLETS.iter().enumerate().take(hamlets) {
        let (c, r) = cell(number);
        let geometry = ring([(c, r), (c + 1, r), (c + 1, r + 1), (c, r + 1)]);
        features.push(feature(&code(number), name, "xóm", Some(COMMUNE), geometry));
    }
    let collection = json!({ "type": "FeatureCollection", "features": features });
    serde_json::to_string_pretty(&collection).expect("writing JSON to memory cannot fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shoelace formula on a plane, in km².
    fn km2(ring: &[Value]) -> f64 {
        let metres = |point: &Value| {
            let (lon, lat) = (point[0].as_f64().expect("a number"), point[1].as_f64().expect("a number"));
            let east = (lon - MIDDLE.1) * METRES_PER_DEGREE * MIDDLE.0.to_radians().cos();
            (east, (lat - MIDDLE.0) * METRES_PER_DEGREE)
        };
        let points: Vec<(f64, f64)> = ring.iter().map(metres).collect();
        let doubled: f64 = points.windows(2).map(|p| p[0].0 * p[1].1 - p[1].0 * p[0].1).sum();
        doubled / 2e6
    }

    #[test]
    fn the_hamlets_fill_the_commune_and_go_round_counterclockwise() {
        let areas: Value = serde_json::from_str(&areas(18)).expect("JSON");
        let features = areas["features"].as_array().expect("a list");
        assert_eq!(features.len(), 19);
        let size = |f: &Value| km2(f["geometry"]["coordinates"][0].as_array().expect("a ring"));
        let commune = size(&features[0]);
        let hamlets: f64 = features[1..].iter().map(size).sum();
        assert!((17.0..20.0).contains(&commune), "{commune} km²");
        assert!((commune - hamlets).abs() < 1e-6, "{commune} and {hamlets} km²");
        for feature in &features[1..] {
            assert!(size(feature) > 0.5, "{feature}");
            assert_eq!(feature["properties"]["parent"], COMMUNE);
            assert!(feature["properties"]["source"].as_str().is_some_and(|s| s.contains("synthetic")));
        }
    }
}
