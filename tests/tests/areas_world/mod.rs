//! A data directory, files of areas in it, and what a technician does with them; no process, no network.

#![allow(dead_code)] // Each test program uses a part of it.

use phusong_collector::areas::{self, Defaults};
use phusong_collector::store::{
    AreaRow, Imported, Move, NewProbe, PlaceRow, Reader, Readers, Registrar, Standing, Store, StoreOptions,
};
use phusong_coverage::Place;
use phusong_protocol::ProbeId;
use phusong_tests::harness::TempDir;

/// 2026-11-22, later than every date in these tests.
pub const NOW: i64 = 1_795_305_600_000;

pub struct World {
    pub dir: TempDir,
}

impl World {
    pub fn new(name: &str) -> Self {
        let dir = TempDir::new(&format!("areas-{name}")).expect("a writable directory");
        drop(Store::open(dir.path(), StoreOptions::default(), NOW).expect("a new store"));
        World { dir }
    }

    pub fn registrar(&self) -> Registrar {
        Registrar::open(self.dir.path()).expect("it is there")
    }

    pub fn reader(&self) -> Reader {
        Readers::of(self.dir.path()).connect().expect("it is there")
    }

    /// Writes a file and imports it; an error as a person reads it, without the directory.
    pub fn import_with(&self, name: &str, bytes: &[u8], defaults: &Defaults) -> Result<Imported, String> {
        let path = self.dir.join(name);
        std::fs::write(&path, bytes).expect("a writable directory");
        let short = |text: String| text.replace(&format!("{}/", self.dir.path().display()), "");
        let file = areas::read(&path, defaults).map_err(|e| short(e.to_string()))?;
        self.registrar().import_areas(&file, false).map_err(|e| short(e.to_string()))
    }

    pub fn import(&self, name: &str, text: &str) -> Imported {
        self.import_with(name, text.as_bytes(), &Defaults::default()).unwrap_or_else(|e| panic!("{e}"))
    }

    pub fn refuses(&self, name: &str, text: &str) -> String {
        self.import_with(name, text.as_bytes(), &Defaults::default()).expect_err("it is wrong")
    }

    pub fn areas(&self) -> Vec<AreaRow> {
        self.reader().areas().expect("readable")
    }

    pub fn places(&self) -> Vec<PlaceRow> {
        self.reader().places().expect("readable")
    }

    /// The codes of the hamlets of a probe's places, in time; "-" for none.
    pub fn hamlets(&self, probe: &str) -> Vec<String> {
        let areas = self.areas();
        let code = |place: &PlaceRow| {
            let of = areas.iter().find(|area| Some(area.id) == place.area_ref);
            of.map_or("-".into(), |area| area.code.clone())
        };
        self.places().iter().filter(|place| place.probe == probe).map(code).collect()
    }

    pub fn add(&self, probe: &str, lat: f64, lon: f64, hamlet: Option<&str>, at_ms: i64) {
        let standing = Standing { at: place(lat, lon), hamlet: hamlet.map(str::to_owned), supply: None };
        let site = "thanh-dinh".parse().expect("valid");
        let new = NewProbe { probe: id(probe), site, label: None, place: Some(standing) };
        self.registrar().add(&new, at_ms).unwrap_or_else(|e| panic!("{e}"));
    }

    pub fn relocate(&self, probe: &str, to: &Move, at_ms: i64) -> Result<(), String> {
        self.registrar().relocate(&id(probe), to, at_ms).map_err(|e| e.to_string())
    }
}

pub fn id(probe: &str) -> ProbeId {
    probe.parse().expect("valid")
}

pub fn place(lat: f64, lon: f64) -> Place {
    Place::new(lat, lon).expect("on the earth")
}

/// A GeoJSON file of features.
pub fn collection(features: &[String]) -> String {
    format!("{{\"type\":\"FeatureCollection\",\"features\":[{}]}}", features.join(","))
}

/// A feature from its properties and its geometry.
pub fn feature(properties: &str, geometry: &str) -> String {
    format!("{{\"type\":\"Feature\",\"properties\":{{{properties}}},\"geometry\":{geometry}}}")
}

/// A square by its south-western corner.
pub fn square(lat: f64, lon: f64, side: f64) -> String {
    let (n, e) = (lat + side, lon + side);
    format!(
        "{{\"type\":\"Polygon\",\"coordinates\":[[[{lon},{lat}],[{e},{lat}],[{e},{n}],[{lon},{n}],[{lon},{lat}]]]}}"
    )
}
