//! Polygons as offices publish them, read where `PHUSONG_GEO_DIR` says; without it, this machine is said to lack them.
//! The repository holds none.

mod areas_world;

use areas_world::{NOW, World};
use phusong_collector::areas::{Defaults, Shape, read};
use phusong_tests::harness::skip_test;
use std::path::{Path, PathBuf};

fn dir() -> Option<PathBuf> {
    let dir = std::env::var_os("PHUSONG_GEO_DIR").map(PathBuf::from);
    if dir.is_none() {
        skip_test("areas: no real polygons (PHUSONG_GEO_DIR is not set)");
    }
    dir
}

fn import(world: &World, file: &Path, label: &str, parent: Option<&str>) {
    let defaults = Defaults { label: Some(label.into()), parent: parent.map(str::to_owned), crs: None };
    let file = read(file, &defaults).unwrap_or_else(|e| panic!("{e}"));
    world.registrar().import_areas(&file, false).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn a_published_province_and_its_commune_are_imported_as_they_are() {
    let Some(dir) = dir() else { return };
    let world = World::new("real");
    import(&world, &dir.join("19_thai_nguyen.geojson"), "tỉnh", None);
    import(&world, &dir.join("05587_binh_yen.geojson"), "xã", Some("19"));
    let areas = world.areas();
    let [commune, province] = &areas[..] else { panic!("{areas:?}") };
    assert_eq!((commune.code.as_str(), commune.name.as_str()), ("05587", "Bình Yên"));
    assert_eq!(commune.parent_ref, Some(province.id));
    let shape = Shape::parse(commune.geometry.as_deref().expect("a polygon")).expect("stored right");
    assert!(shape.vertices() > 1_000);
    let (lat, lon) = (commune.lat.expect("a centre"), commune.lon.expect("a centre"));
    world.add("centre", lat, lon, None, NOW);
    world.add("elsewhere", lat + 0.5, lon, None, NOW);
    assert_eq!((world.hamlets("centre"), world.hamlets("elsewhere")), (vec!["05587".into()], vec!["-".into()]));
}

#[test]
fn a_published_polygon_that_lies_elsewhere_is_refused() {
    let Some(dir) = dir() else { return };
    let world = World::new("real-elsewhere");
    import(&world, &dir.join("19_thai_nguyen.geojson"), "tỉnh", None);
    let commune = std::fs::read_to_string(dir.join("05587_binh_yen.geojson")).expect("it is there");
    let mut file: serde_json::Value = serde_json::from_str(&commune).expect("GeoJSON");
    file["features"][0]["properties"]["parent"] = "19".into();
    // Elsewhere on the earth: 60 degrees farther south.
    let rings = file["features"][0]["geometry"]["coordinates"].as_array_mut().expect("polygons");
    for position in
        rings.iter_mut().flat_map(|p| p.as_array_mut().expect("rings")).flat_map(|r| r.as_array_mut()).flatten()
    {
        let lat = position[1].as_f64().expect("a number");
        position[1] = (lat - 60.0).into();
    }
    let said = world.refuses("moved.geojson", &file.to_string());
    assert!(said.contains("outside of 19") && said.contains("say in what with --crs"), "{said}");
}
