//! The administrative tree in the store: levels, times, and which hamlet a place belongs to.

mod areas_world;

use areas_world::{NOW, World, collection, feature, id, place, square};
use phusong_collector::areas::{Defaults, day_of};
use phusong_collector::store::{Imported, Move};
use phusong_tests::harness::repository;
use proptest::prelude::*;

/// Province, commune and two hamlets in three levels of polygons, the fourth by circle.
fn four_levels() -> String {
    let point = r#"{"type":"Point","coordinates":[105.58,21.88]}"#;
    collection(&[
        // A child may stand before its parent.
        feature(r#""code":"0558701","name":"Bản Piềng","label":"bản","parent":"05587""#, &square(21.81, 105.51, 0.02)),
        feature(r#""code":"05587","name":"Bình Yên","label":"xã","parent":"167""#, &square(21.8, 105.5, 0.1)),
        feature(r#""code":"19","name":"Thái Nguyên","label":"tỉnh","population":1840000"#, &square(21.3, 105.4, 1.0)),
        feature(r#""code":"167","name":"Định Hóa","label":"khu vực","parent":"19""#, "null"),
        feature(r#""code":"0558702","name":"Nà Chèn","label":"xóm","parent":"05587","radius_m":800"#, point),
    ])
}

#[test]
fn a_tree_of_four_levels_is_stored_and_places_find_their_hamlets() {
    let world = World::new("levels");
    world.add("before", 21.82, 105.52, None, NOW);
    assert_eq!(world.hamlets("before"), ["-"]);
    let done = world.import("tree.geojson", &four_levels());
    assert_eq!(done, Imported { new: 5, changed: 0, same: 0, places: 1 });

    let areas = world.areas();
    let mut path = vec!["0558701"];
    let mut at = areas.iter().find(|area| area.code == "0558701").expect("imported");
    while let Some(above) = at.parent_ref {
        at = areas.iter().find(|area| area.id == above).expect("it is there");
        path.push(&at.code);
    }
    assert_eq!(path, ["0558701", "05587", "167", "19"]);
    assert_eq!((at.name.as_str(), at.label.as_str(), at.population), ("Thái Nguyên", "tỉnh", Some(1_840_000)));
    assert_eq!(at.source.as_deref(), Some("tree.geojson"));

    world.add("in-circle", 21.885, 105.58, None, NOW);
    world.add("in-commune", 21.85, 105.55, None, NOW);
    world.add("said", 21.85, 105.55, Some("0558702"), NOW);
    for (probe, hamlet) in [("before", "0558701"), ("in-circle", "0558702"), ("in-commune", "-"), ("said", "0558702")] {
        assert_eq!(world.hamlets(probe), [hamlet], "{probe}");
    }
}

#[test]
fn names_and_codes_are_stored_composed_however_they_are_written() {
    let world = World::new("nfc");
    // "Bản Piềng" and "Đồng" as a Macintosh writes them: letters and accents apart.
    let apart = "code;name\r\nPie\u{302}\u{300}ng;  Ba\u{309}n Pie\u{302}\u{300}ng \r\n";
    world.import_with("apart.csv", format!("\u{feff}{apart}").as_bytes(), &Defaults::default()).expect("right");
    let row = &world.areas()[0];
    assert_eq!((row.code.as_str(), row.name.as_str(), row.label.as_str()), ("Piềng", "Bản Piềng", "địa bàn"));
    world.add("p1", 21.0, 105.0, Some("Pie\u{302}\u{300}ng"), NOW);
    assert_eq!(world.hamlets("p1"), ["Piềng"]);
}

#[test]
fn spreadsheets_with_decimal_commas_and_empty_rows_are_understood_and_strange_columns_named() {
    let world = World::new("spreadsheet");
    let text = "Code;Name;Lat;Lon;Radius_m;ghi chú\r\n0101;\"Nà; Chèn\";21,85;105,55;;x\r\n;;;;;\r\n";
    let path = world.dir.join("xóm.csv");
    std::fs::write(&path, text).expect("a writable directory");
    let defaults = Defaults { label: Some("xóm".into()), parent: Some("0101".into()), crs: None };
    let file = phusong_collector::areas::read(&path, &defaults).expect("right");
    assert_eq!(file.warnings, ["property \"ghi chú\" is not known here, passed over 1 times"]);
    world.registrar().import_areas(&file, false).expect("right");
    let row = &world.areas()[0];
    assert_eq!((row.name.as_str(), row.label.as_str(), row.parent_ref), ("Nà; Chèn", "xóm", None));
    assert_eq!((row.lat, row.lon, row.radius_m), (Some(21.85), Some(105.55), Some(500.0)));
}

#[test]
fn when_hamlets_are_merged_places_keep_the_hamlet_of_their_time() {
    let world = World::new("merge");
    let day = day_of("2025-07-01").expect("a day");
    let hamlet = |code: &str, lon: f64, dates: &str| {
        feature(&format!(r#""code":"{code}","name":"Xóm {code}"{dates}"#), &square(21.8, lon, 0.1))
    };
    let old = [hamlet("A", 105.0, ""), hamlet("B", 105.1, ""), hamlet("C", 105.2, "")];
    world.import("2024.geojson", &collection(&old));
    world.add("stays", 21.85, 105.05, None, day - 1_000);
    world.add("moves", 21.85, 105.15, None, day - 1_000);
    world.add("late", 21.85, 105.25, None, day);
    assert_eq!(world.hamlets("late"), ["C"], "nobody knows of a merger yet");

    let until = r#","valid_to":"2025-07-01""#;
    let whole = r#"{"type":"Polygon","coordinates":[[[105,21.8],[105.3,21.8],[105.3,21.9],[105,21.9],[105,21.8]]]}"#;
    let merged = feature(r#""code":"D","name":"Xóm D","valid_from":"2025-07-01""#, whole);
    let all = [hamlet("A", 105.0, until), hamlet("B", 105.1, until), hamlet("C", 105.2, until), merged];
    let done = world.import("2025.geojson", &collection(&all));
    assert_eq!(done, Imported { new: 1, changed: 3, same: 0, places: 1 });
    let to = Move { at: Some(place(21.85, 105.14)), ..Move::default() };
    world.relocate("moves", &to, day + 1_000).expect("a move");
    for (probe, hamlets) in [("stays", vec!["A"]), ("moves", vec!["B", "D"]), ("late", vec!["D"])] {
        assert_eq!(world.hamlets(probe), hamlets, "{probe}");
    }
    let named = Move { hamlet: Some("A".into()), ..Move::default() };
    let said = world.relocate("late", &named, day + 2_000).expect_err("it has ended");
    assert_eq!(said, "area A was no hamlet at that time: it was not valid; `areas show` says when it is");
}

#[test]
fn one_code_may_stand_for_another_area_after_it_ended() {
    let world = World::new("code-again");
    let area = |name: &str, dates: &str| feature(&format!(r#""code":"01","name":"{name}",{dates}"#), "null");
    let both = [area("old", r#""valid_to":"2025-07-01""#), area("new", r#""valid_from":"2025-07-01""#)];
    let child = feature(r#""code":"0101","name":"hamlet","parent":"01""#, "null");
    world.import("both.geojson", &collection(&[both[1].clone(), child, both[0].clone()]));
    let areas = world.areas();
    let names: Vec<&str> = areas.iter().map(|area| area.name.as_str()).collect();
    assert_eq!(names, ["old", "new", "hamlet"]);
    assert_eq!(areas[2].parent_ref, Some(areas[1].id), "the parent is the one that is valid latest");
}

#[test]
fn a_person_is_believed_before_a_position_and_each_mistake_is_answered() {
    let world = World::new("said");
    world.import("tree.geojson", &four_levels());
    world.add("p1", 21.82, 105.52, None, NOW);
    let to = |hamlet: &str| Move { hamlet: Some(hamlet.into()), ..Move::default() };
    let supply = Move { supply: Some("lo-471".into()), ..to("0558702") };
    world.relocate("p1", &supply, NOW + 5).expect("a correction");
    let places = world.places();
    assert_eq!((places.len(), places[0].area_fixed, places[0].supply.as_deref()), (1, true, Some("lo-471")));
    assert_eq!(world.hamlets("p1"), ["0558702"], "corrected from the place's beginning");
    world.import("again.geojson", &four_levels().replace("Nà Chèn", "Nà Chèn 2"));
    assert_eq!(world.hamlets("p1"), ["0558702"], "an import does not take it back");

    let elsewhere = Move { at: Some(place(21.82, 105.52)), ..Move::default() };
    world.relocate("p1", &elsewhere, NOW + 10).expect("a move");
    let places = world.places();
    assert_eq!(world.hamlets("p1"), ["0558702", "0558701"]);
    assert_eq!((places[0].to_ms, places[1].from_ms, places[1].to_ms), (Some(NOW + 10), NOW + 10, None));
    assert_eq!((places[1].area_fixed, places[1].supply.as_deref()), (false, None), "nothing is said of the new place");

    for (to, wanted) in [
        (to("77"), "there is no area 77; `areas list` shows those that are"),
        (to("05587"), "area 05587 was no hamlet at that time: others lie below it; name one of those"),
        (
            Move { supply: Some("x".repeat(65)), ..Move::default() },
            "the name of the power supply has 65 bytes; at most 64 are allowed",
        ),
    ] {
        assert_eq!(world.relocate("p1", &to, NOW + 20), Err(wanted.to_owned()));
    }
    let said = world.relocate("p1", &elsewhere, NOW + 9).expect_err("a clock that was set back");
    assert!(said.contains("which is later than now: set this machine's clock"), "{said}");
    world.registrar().retire(&id("p1"), NOW + 30).expect("known");
    assert_eq!(world.places()[1].to_ms, Some(NOW + 30), "retiring ends the place");
}

#[test]
fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let world = World::new("dry");
    world.add("p1", 21.82, 105.52, None, NOW);
    let path = world.dir.join("tree.geojson");
    std::fs::write(&path, four_levels()).expect("a writable directory");
    let file = phusong_collector::areas::read(&path, &Defaults::default()).expect("right");
    let done = world.registrar().import_areas(&file, true).expect("right");
    assert_eq!(done, Imported { new: 5, changed: 0, same: 0, places: 1 });
    assert_eq!((world.areas(), world.hamlets("p1")), (Vec::new(), vec!["-".to_string()]));
}

#[test]
fn a_changed_feature_changes_its_row_and_no_other() {
    let world = World::new("changed");
    world.import("tree.geojson", &four_levels());
    let before = world.areas();
    let changed = four_levels().replace("\"radius_m\":800", "\"radius_m\":900");
    assert_eq!(world.import("tree.geojson", &changed), Imported { new: 0, changed: 1, same: 4, places: 0 });
    for (old, new) in before.iter().zip(world.areas()) {
        assert_eq!(old.id, new.id);
        let radius = if old.code == "0558702" { Some(900.0) } else { old.radius_m };
        assert_eq!(new, phusong_collector::store::AreaRow { radius_m: radius, ..old.clone() });
    }
}

#[test]
fn places_of_the_first_version_of_the_database_are_kept_and_have_ends() {
    let sql = |name: &str| {
        let path = repository().join("collector/src/store/migrations").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let db = rusqlite::Connection::open_in_memory().expect("memory");
    db.execute_batch(&sql("V1__observations.sql")).expect("version 1");
    db.execute_batch(
        "INSERT INTO site VALUES (1, 's');
         INSERT INTO probe (id, name, site_ref, created_ms, retired_ms) VALUES (1, 'a', 1, 0, NULL), (2, 'b', 1, 0, 50);
         INSERT INTO probe_place VALUES (1, 10, 21, 105, 'x'), (1, 20, 22, 106, NULL), (2, 30, 23, 107, NULL);",
    )
    .expect("three places");
    db.execute_batch(&sql("V2__areas.sql")).expect("version 2");
    let mut statement = db
        .prepare("SELECT probe_ref, from_ms, to_ms, lat, label FROM place WHERE area_ref IS NULL ORDER BY id")
        .expect("the table is there");
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    type Place = (i64, i64, Option<i64>, f64, Option<String>);
    let places: Vec<Place> = statement.query_map([], row).expect("rows").map(|row| row.expect("a row")).collect();
    let wanted: [Place; 3] =
        [(1, 10, Some(20), 21.0, Some("x".into())), (1, 20, None, 22.0, None), (2, 30, Some(50), 23.0, None)];
    assert_eq!(places, wanted);
    assert!(db.prepare("SELECT * FROM probe_place").is_err(), "the old table is gone");
}

/// Hamlets by square or circle in a commune, each from some day on and maybe until a later one.
fn hamlets() -> impl Strategy<Value = Vec<String>> {
    let one = (0.0..0.09_f64, 0.0..0.09_f64, any::<bool>(), 0..3_u32, 1..2_000_u32);
    proptest::collection::vec(one, 1..12).prop_map(|all| {
        let one = |(n, (lat, lon, polygon, dates, people)): (usize, (f64, f64, bool, u32, u32))| {
            let dates = ["", r#","valid_from":"2025-07-01""#, r#","valid_from":"2020-01-01","valid_to":"2025-07-01""#]
                [dates as usize];
            let (lat, lon) = (21.8 + lat, 105.5 + lon);
            let geometry = if polygon {
                square(lat, lon, 0.01)
            } else {
                format!(r#"{{"type":"Point","coordinates":[{lon},{lat}]}}"#)
            };
            let properties =
                format!(r#""code":"{n:03}","name":"Xóm {n}","parent":"05587","population":{people}{dates}"#);
            feature(&properties, &geometry)
        };
        all.into_iter().enumerate().map(one).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn importing_a_file_twice_is_importing_it_once(
        hamlets in hamlets(),
        probes in proptest::collection::vec((0.0..0.1_f64, 0.0..0.1_f64), 1..8),
    ) {
        let world = World::new("twice");
        for (n, (lat, lon)) in probes.iter().enumerate() {
            world.add(&format!("p{n}"), 21.8 + lat, 105.5 + lon, None, NOW);
        }
        let commune = feature(r#""code":"05587","name":"Bình Yên""#, &square(21.8, 105.5, 0.1));
        let mut features = hamlets;
        features.push(commune);
        let file = collection(&features);
        let first = world.import("areas.geojson", &file);
        prop_assert_eq!(first.new, features.len());
        let (areas, places) = (world.areas(), world.places());
        let second = world.import("areas.geojson", &file);
        prop_assert_eq!(second, Imported { new: 0, changed: 0, same: features.len(), places: 0 });
        prop_assert_eq!((areas, places), (world.areas(), world.places()));
        // Nor does the order of the features, nor another name of the file.
        features.reverse();
        let third = world.import("other.geojson", &collection(&features));
        prop_assert_eq!(third, second);
    }
}
