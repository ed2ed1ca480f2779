//! Files of areas that are wrong: one for each rule, with exactly what a technician reads; and that nothing of such a
//! file is imported.

mod areas_world;

use areas_world::{World, collection, feature, square};
use phusong_collector::areas::{Crs, Defaults};

const END: &str = "nothing of the file was imported";
const HEADER: &str = "code,name,label,parent,lat,lon,radius_m,valid_from,valid_to,population";

/// A commune with a polygon is stored; then the file is refused with this text, and nothing has changed.
fn check(world: &World, what: &str, name: &str, bytes: &[u8], crs: Option<Crs>, wanted: &str) {
    let before = world.areas();
    let defaults = Defaults { crs, ..Defaults::default() };
    let said = world.import_with(name, bytes, &defaults).expect_err(what);
    assert_eq!(said, wanted, "{what}");
    assert_eq!(world.areas(), before, "{what}: something was imported");
}

fn with_commune(name: &str) -> World {
    let world = World::new(name);
    let commune = feature(r#""code":"05587","name":"Bình Yên","label":"xã""#, &square(21.8, 105.5, 0.1));
    let ended = feature(r#""code":"05578","name":"Thanh Định","valid_to":"2025-07-01""#, "null");
    world.import("commune.geojson", &collection(&[commune, ended]));
    world
}

/// What is wrong, the properties of a feature, what is said.
const PROPERTIES: &[(&str, &str, &str)] = &[
    ("no code", r#""name":"a""#, "feature 1: code: it is missing: every area needs one, as \"05587\""),
    (
        "a code that is a number",
        r#""code":5587,"name":"a""#,
        "feature 1: code: it is the number 5587: write it in quotes, \"5587\", with its leading zeros",
    ),
    (
        "a parent that is a number",
        r#""code":"01","name":"a","parent":5587"#,
        "feature 1 (01): parent: it is the number 5587: write it in quotes, \"5587\", with its leading zeros",
    ),
    (
        "an empty name",
        r#""code":"01","name":"  ""#,
        "feature 1 (01): name: it is empty: write what people call the area, as \"Bản Piềng\"",
    ),
    (
        "a name that is no text",
        r#""code":"01","name":["a"]"#,
        "feature 1 (01): name: [\"a\"] is no text: write it in quotes",
    ),
    (
        "a code too long",
        r#""code":"012345678901234567890123456789012","name":"a""#,
        "feature 1 (012345678901234567890123456789012): code: it has 33 bytes; at most 32 are allowed",
    ),
    (
        "a name of two lines",
        r#""code":"01","name":"a\nb""#,
        "feature 1 (01): name: \"a\\nb\" has a control character: write it in one line",
    ),
    (
        "no date",
        r#""code":"01","name":"Bản Piềng","valid_from":"01/07/2025""#,
        "feature 1 (01): valid_from: \"01/07/2025\" is no date: write it as 2025-07-01",
    ),
    (
        "no such day",
        r#""code":"01","name":"Bản Piềng","valid_to":"2025-02-30""#,
        "feature 1 (01): valid_to: \"2025-02-30\": there is no such day",
    ),
    (
        "an end before the beginning",
        r#""code":"01","name":"Bản Piềng","valid_from":"2025-07-01","valid_to":"2025-07-01""#,
        "feature 1 (01): valid_to: from 2025-07-01 until 2025-07-01: it is the first day that no longer counts, and must be later",
    ),
    (
        "fewer than no people",
        r#""code":"01","name":"Bản Piềng","population":-1"#,
        "feature 1 (01): population: -1 cannot be: write whole people, 0 to 200000000",
    ),
    (
        "half a person",
        r#""code":"01","name":"Bản Piềng","population":12.5"#,
        "feature 1 (01): population: 12.5 cannot be: write whole people, 0 to 200000000",
    ),
    (
        "too many people",
        r#""code":"01","name":"Bản Piềng","population":3e9"#,
        "feature 1 (01): population: 3000000000 cannot be: write whole people, 0 to 200000000",
    ),
    (
        "people in quotes",
        r#""code":"01","name":"Bản Piềng","population":"120""#,
        "feature 1 (01): population: \"120\" is no number: write it without quotes",
    ),
    (
        "no reach",
        r#""code":"01","name":"Bản Piềng","radius_m":0"#,
        "feature 1 (01): radius_m: 0 cannot be: write metres, above 0 and up to 50000",
    ),
    (
        "an unknown parent",
        r#""code":"01","name":"Bản Piềng","parent":"7""#,
        "feature 1 (01): parent: there is no area \"7\": import it before, or in the same file",
    ),
    (
        "a parent without its zero",
        r#""code":"01","name":"Bản Piềng","parent":"5587""#,
        "feature 1 (01): parent: there is no area \"5587\": there is \"05587\"; a spreadsheet may have cut zeros off",
    ),
    (
        "a parent of another time",
        r#""code":"01","name":"Bản Piềng","parent":"05578","valid_from":"2025-07-01""#,
        "feature 1 (01): parent: area \"05578\" is valid until 2025-07-01, and this one from 2025-07-01: no day is common to both",
    ),
    (
        "its own parent",
        r#""code":"01","name":"Bản Piềng","parent":"01""#,
        "feature 1 (01): parent: an area cannot lie in itself: write the code of the next larger one, or nothing",
    ),
    (
        "valid twice, in the store",
        r#""code":"05578","name":"a","valid_from":"2025-06-30""#,
        "feature 1 (05578): code: it is valid from 2025-06-30, and the stored one of the same code until 2025-07-01: end the \
             older one with valid_to on the day when the newer one begins",
    ),
];

#[test]
fn each_wrong_property_of_a_feature_is_told_with_what_would_be_right() {
    let world = with_commune("refused-properties");
    for (what, properties, wanted) in PROPERTIES {
        let file = collection(&[feature(properties, "null")]);
        let wanted = format!("bad.geojson: {wanted}\n{END}");
        check(&world, what, "bad.geojson", file.as_bytes(), None, &wanted);
    }
}

#[test]
fn each_wrong_geometry_is_told_with_the_place() {
    let world = with_commune("refused-geometry");
    let ring = |ring: &str| format!("{{\"type\":\"Polygon\",\"coordinates\":[{ring}]}}");
    let hint = "; if the file is not in WGS 84, say in what with --crs";
    for (what, geometry, wanted) in [
        ("a line", r#"{"type":"LineString","coordinates":[[0,0],[1,1]]}"#.to_owned(), "a LineString is no area: draw a Polygon, or give its centre as a Point with radius_m".to_owned()),
        ("too short", ring("[[105.5,21.8],[105.6,21.8],[105.5,21.8]]"), "polygon 1, ring 1: it has 3 positions; a closed ring has at least 4".into()),
        (
            "not closed",
            ring("[[105.5,21.8],[105.6,21.8],[105.6,21.9],[105.5,21.9]]"),
            "polygon 1, ring 1: it is not closed: its last position must be its first, [105.5, 21.8]".into(),
        ),
        (
            "crossed",
            ring("[[105.5,21.8],[105.6,21.9],[105.6,21.8],[105.5,21.9],[105.5,21.8]]"),
            "polygon 1, ring 1: it crosses or touches itself at [105.550000, 21.850000]: redraw it there (QGIS: Fix geometries)".into(),
        ),
        (
            "a hole outside",
            ring("[[105.5,21.8],[105.6,21.8],[105.6,21.9],[105.5,21.8]],[[105.7,21.8],[105.8,21.8],[105.8,21.9],[105.7,21.8]]"),
            "polygon 1, ring 2: it is a hole outside of its outline, ring 1".into(),
        ),
        (
            "metres and no --crs",
            ring("[[430000,2385000],[431000,2385000],[431000,2386000],[430000,2385000]]"),
            format!("polygon 1, ring 1: position 1: (430000, 2385000) are no degrees{hint}"),
        ),
        ("a point in metres", r#"{"type":"Point","coordinates":[430000,2385000]}"#.into(), format!("(430000, 2385000) are no degrees{hint}")),
        (
            "outside of its parent",
            square(22.0, 105.5, 0.05),
            format!("it lies in 22.0000 to 22.0500 N, 105.5000 to 105.5500 E, outside of 05587, which is 21.8000 to 21.9000 N, 105.5000 to 105.6000 E{hint}"),
        ),
        (
            "latitude and longitude exchanged",
            r#"{"type":"Point","coordinates":[21.85,105.55]}"#.into(),
            format!("(21.85, 105.55) are no degrees{hint}"),
        ),
    ] {
        let file = collection(&[feature(r#""code":"01","name":"a","parent":"05587""#, &geometry)]);
        let wanted = format!("bad.geojson: feature 1 (01): geometry: {wanted}\n{END}");
        check(&world, what, "bad.geojson", file.as_bytes(), None, &wanted);
    }
    let shrunk = feature(r#""code":"05587","name":"Bình Yên""#, &square(21.8, 105.5, 0.01));
    world.import(
        "hamlet.geojson",
        &collection(&[feature(r#""code":"02","name":"b","parent":"05587""#, &square(21.85, 105.55, 0.01))]),
    );
    let wanted = format!(
        "bad.geojson: feature 1 (05587): geometry: it is 21.8000 to 21.8100 N, 105.5000 to 105.5100 E, and 02 below it \
         lies in 21.8500 to 21.8600 N, 105.5500 to 105.5600 E\n{END}"
    );
    check(&world, "a parent that leaves its child", "bad.geojson", collection(&[shrunk]).as_bytes(), None, &wanted);
}

#[test]
fn areas_that_are_wrong_together_are_told() {
    let world = with_commune("refused-together");
    let area = |properties: &str| feature(properties, "null");
    let twice = collection(&[area(r#""code":"01","name":"a""#), area(r#""code":"01","name":"b""#)]);
    let wanted = format!(
        "bad.geojson: feature 2 (01): code: it is valid always, and feature 1 of the same code always: end the older one \
         with valid_to on the day when the newer one begins\n{END}"
    );
    check(&world, "one code twice", "bad.geojson", twice.as_bytes(), None, &wanted);
    let circle = collection(&[
        area(r#""code":"01","name":"a","parent":"03""#),
        area(r#""code":"02","name":"b","parent":"01""#),
        area(r#""code":"03","name":"c","parent":"02""#),
        area(r#""code":"04","name":"d","parent":"03""#),
    ]);
    let wanted = format!(
        "bad.geojson: feature 1 (01): parent: a circle: 01 in 03 in 02 in 01; one of them must lie in none of the others\n{END}"
    );
    check(&world, "a circle", "bad.geojson", circle.as_bytes(), None, &wanted);
}

#[test]
fn a_file_whose_frame_is_wrong_is_refused_before_its_areas() {
    let world = with_commune("refused-frame");
    let good = |crs: &str| {
        format!(r#"{{"type":"FeatureCollection",{crs}"features":[{}]}}"#, feature(r#""code":"01","name":"a""#, "null"))
    };
    let mercator = good(r#""crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::3857"}},"#);
    let many = format!(r#"{{"type":"FeatureCollection","features":[{}1]}}"#, "1,".repeat(20_000));
    for (what, name, text, wanted) in [
        (
            "no JSON",
            "bad.geojson",
            "code,name".as_bytes().to_vec(),
            "bad.geojson: it is no GeoJSON FeatureCollection: expected value at line 1 column 1",
        ),
        (
            "a single feature",
            "bad.json",
            feature(r#""code":"01""#, "null").into_bytes(),
            "bad.json: it is Feature, and must be a FeatureCollection: export the whole layer as GeoJSON",
        ),
        ("no feature", "bad.geojson", collection(&[]).into_bytes(), "bad.geojson: it has no feature"),
        (
            "NaN",
            "bad.geojson",
            collection(&[feature(r#""code":"01","name":"a","radius_m":NaN"#, "null")]).into_bytes(),
            "bad.geojson: it is no GeoJSON FeatureCollection: feature 1: expected value at line 1 column 107",
        ),
        (
            "too many features",
            "bad.geojson",
            many.into_bytes(),
            "bad.geojson: it is no GeoJSON FeatureCollection: more than 20000 features: split it, one commune a file at line 1 column 40042",
        ),
        (
            "an unknown reference system",
            "bad.geojson",
            mercator.into_bytes(),
            "bad.geojson: crs: \"urn:ogc:def:crs:EPSG::3857\" is no reference system that is known here: say in what it is with --crs",
        ),
        (
            "another format",
            "bad.kml",
            Vec::new(),
            "bad.kml: its name must end in .geojson, .json or .csv, that says how it is read",
        ),
    ] {
        check(&world, what, name, &text, None, wanted);
    }
}

#[test]
fn a_csv_file_whose_frame_is_wrong_is_refused_before_its_areas() {
    let world = with_commune("refused-frame-csv");
    for (what, name, text, wanted) in [
        (
            "no column",
            "bad.csv",
            b"code;label\n1;x\n".to_vec(),
            "bad.csv: line 1: there is no column name; the columns are code,name,label,parent,lat,lon,radius_m,valid_from,valid_to,population",
        ),
        (
            "a column twice",
            "bad.csv",
            b"code,name,name\n1,x,y\n".to_vec(),
            "bad.csv: line 1: column name is there twice",
        ),
        (
            "half a position",
            "bad.csv",
            b"code,name,lat\n1,x,1\n".to_vec(),
            "bad.csv: line 1: columns lat and lon go together, and one of them is missing",
        ),
        (
            "not UTF-8",
            "bad.csv",
            b"code,name\n01,B\xe1n\n".to_vec(),
            "bad.csv: line 2: it is not UTF-8: save it as \"CSV UTF-8\"",
        ),
        (
            "nothing below the header",
            "bad.csv",
            b"code,name\n,\n".to_vec(),
            "bad.csv: it has no record below its header",
        ),
    ] {
        check(&world, what, name, &text, None, wanted);
    }
    let path = world.dir.join("long.csv");
    let file = std::fs::File::create(&path).expect("a writable directory");
    file.set_len(64 * 1024 * 1024 + 1).expect("a sparse file");
    let said = phusong_collector::areas::read(&path, &Defaults::default()).expect_err("too long").to_string();
    assert!(said.ends_with("long.csv: longer than 64 MiB: split it, one commune a file"), "{said}");
}

#[test]
fn each_wrong_record_of_a_csv_file_is_told_with_its_line() {
    let world = with_commune("refused-csv");
    let hint = "; if the file is not in WGS 84, say in what with --crs";
    let zone: Crs = "vn2000:106.5".parse().expect("known");
    for (what, record, crs, wanted) in [
        ("too few cells", "01,a", None, "line 2 (01): record: it has 2 cells, and the header has 10: write numbers with a point, and texts that hold a comma in quotes".to_owned()),
        ("NaN", "01,a,,,NaN,105.5,,,,", None, "line 2 (01): lat: \"NaN\" is no number: write digits, with a point before decimals".into()),
        ("words", "01,a,,,,,far,,,", None, "line 2 (01): radius_m: \"far\" is no number: write digits, with a point before decimals".into()),
        ("half a position", "01,a,,,21.85,,,,,", None, "line 2 (01): lon: it is empty, and lat is not: give both or none".into()),
        ("metres and no --crs", "01,a,,,2385000,430000,,,,", None, format!("line 2 (01): lat, lon: (430000, 2385000) are no degrees{hint}")),
        ("exchanged metres", "01,a,,,430000,2385000,,,,", Some(zone), "line 2 (01): lat, lon: easting 2385000, northing 430000: northing and easting are exchanged".into()),
        ("degrees instead of metres", "01,a,,,21.85,105.55,,,,", Some(zone), "line 2 (01): lat, lon: easting 105.55, northing 21.85: far outside Vietnam".into()),
        ("outside of its parent", "01,a,,05587,22.5,105.55,,,,", None, format!("line 2 (01): geometry: it lies in 22.5000 N 105.5500 E, outside of 05587, which is 21.8000 to 21.9000 N, 105.5000 to 105.6000 E{hint}")),
        ("a wrong date", "01,a,,,,,,2025-7-1,,", None, "line 2 (01): valid_from: \"2025-7-1\" is no date: write it as 2025-07-01".into()),
        ("no name", "01,,,,,,,,,", None, "line 2 (01): name: it is empty: write what people call the area, as \"Bản Piềng\"".into()),
    ] {
        let text = format!("{HEADER}\n{record}\n");
        check(&world, what, "bad.csv", text.as_bytes(), crs, &format!("bad.csv: {wanted}\n{END}"));
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_up_to_twenty_and_how_much_more_there_is() {
    let world = with_commune("refused-many");
    let mut text = format!("{HEADER}\n00,good,,,,,,,,\n");
    for n in 1..=30 {
        text += &format!("{n:02},,,,,,,,,\n");
    }
    let said = world.refuses("bad.csv", &text);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 22);
    assert!(lines[19].starts_with("bad.csv: line 22 (20): name: it is empty"), "{}", lines[19]);
    assert_eq!(lines[20..], ["bad.csv: and 10 more", END]);
    assert!(!world.areas().iter().any(|area| area.code == "00"), "nor the good one");
}
