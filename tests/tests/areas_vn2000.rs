//! Files in VN-2000: metres of a zone become the degrees where another program puts them.

mod areas_world;

use areas_world::World;
use phusong_collector::areas::{Crs, Defaults};

/// Computed with PROJ 9.5.1 and the parameters of EPSG:6960: reference system, northing, easting, latitude, longitude.
const KNOWN: [(&str, f64, f64, f64, f64); 6] = [
    ("vn2000:106.5", 2_385_000.0, 430_000.0, 21.559_073_778, 105.826_011_783),
    ("EPSG:9210", 2_510_000.25, 550_000.5, 22.688_671_529, 106.238_545_466),
    ("vn2000:105.5", 2_530_123.456, 480_000.0, 22.871_036_310, 105.306_993_510),
    ("EPSG:5899", 1_776_543.21, 542_345.67, 16.062_570_152, 108.147_610_692),
    ("vn2000-6:105", 2_420_000.0, 650_000.0, 21.876_725_003, 106.453_732_408),
    ("EPSG:3406", 1_200_000.0, 300_000.0, 10.849_010_609, 109.172_220_882),
];

fn near(stored: Option<f64>, wanted: f64, what: &str) {
    let stored = stored.expect("a position");
    // The seventh decimal, 1 cm.
    assert!((stored - wanted).abs() < 1.1e-7, "{what}: {stored}, not {wanted}");
}

#[test]
fn a_csv_file_in_a_zone_is_stored_in_degrees() {
    let world = World::new("vn2000-csv");
    for (n, (crs, northing, easting, lat, lon)) in KNOWN.into_iter().enumerate() {
        let text = format!("code,name,lat,lon\n{n},{crs},{northing},{easting}\n");
        let defaults = Defaults { crs: Some(crs.parse().expect("known")), ..Defaults::default() };
        world.import_with("zone.csv", text.as_bytes(), &defaults).unwrap_or_else(|e| panic!("{e}"));
        let row = world.areas().into_iter().find(|area| area.code == n.to_string()).expect("imported");
        near(row.lat, lat, crs);
        near(row.lon, lon, crs);
    }
}

#[test]
fn a_geojson_file_that_names_its_zone_needs_no_option_and_its_polygon_lies_where_it_should() {
    let world = World::new("vn2000-geojson");
    let (e, n) = (430_000.0, 2_385_000.0);
    let ring = format!("[[{e},{n}],[{},{n}],[{},{}],[{e},{}],[{e},{n}]]", e + 1e3, e + 1e3, n + 1e3, n + 1e3);
    let file = |crs: &str| {
        format!(
            r#"{{"type":"FeatureCollection","crs":{{"type":"name","properties":{{"name":"{crs}"}}}},"features":[
            {{"type":"Feature","properties":{{"code":"1","name":"a"}},
              "geometry":{{"type":"MultiPolygon","coordinates":[[{ring}]]}}}}]}}"#
        )
    };
    world.import("zone.geojson", &file("urn:ogc:def:crs:EPSG::9213"));
    let geometry = world.areas()[0].geometry.clone().expect("a polygon");
    let polygon: serde_json::Value = serde_json::from_str(&geometry).expect("GeoJSON");
    let corner = &polygon["coordinates"][0][0];
    near(corner[1].as_f64(), 21.559_073_778, "south-west");
    near(corner[0].as_f64(), 105.826_011_783, "south-west");
    assert_eq!(polygon["type"], "Polygon");

    // The option goes before what the file says: 1 km north of the equator of another zone is elsewhere.
    let defaults = Defaults { crs: Some("vn2000:105.75".parse::<Crs>().expect("known")), ..Defaults::default() };
    world.import_with("zone.geojson", file("EPSG:9213").as_bytes(), &defaults).expect("right");
    let moved = world.areas()[0].lon.expect("a centre");
    assert!((moved - 105.08).abs() < 0.01, "three quarters of a degree farther west: {moved}");
}

#[test]
fn degrees_of_vn_2000_are_shifted_and_degrees_of_wgs_84_are_not() {
    let world = World::new("vn2000-degrees");
    let text = b"code,name,lat,lon\n1,a,21.85,105.57\n";
    for (crs, same) in [("EPSG:4326", true), ("EPSG:4756", false)] {
        let defaults = Defaults { crs: Some(crs.parse().expect("known")), ..Defaults::default() };
        world.import_with("degrees.csv", text, &defaults).expect("right");
        let row = &world.areas()[0];
        assert_eq!((row.lat, row.lon) == (Some(21.85), Some(105.57)), same, "{crs}: {:?}, {:?}", row.lat, row.lon);
    }
}
