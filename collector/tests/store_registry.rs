//! The registry and the data directory: what is allowed, and what a person reads when it is not.

mod ingest_world;

use ingest_world::{Dir, NOW, SITE, World, batch, probe, site, tcp};
use phusong_collector::store::{Move, NewProbe, ObservationQuery, Readers, Registrar, Store, StoreError, StoreOptions};
use phusong_coverage::Place;
use phusong_protocol::{Epoch, ReadingKind};

fn new(name: &str) -> NewProbe {
    let place = Place::new(22.281, 106.454).expect("it lies in Vietnam");
    NewProbe {
        probe: probe(name),
        site: site(SITE),
        label: Some("Nà Chèn, nhà văn hoá".into()),
        place: Some(place.into()),
    }
}

fn to_site(name: &str) -> Move {
    Move { site: Some(site(name)), ..Move::default() }
}

#[test]
fn a_probe_is_added_moved_and_retired_and_each_mistake_is_named() {
    let world = World::new(&[]);
    let mut registrar = world.registrar();
    registrar.add(&new("na-chen-1"), NOW).expect("a new probe");
    let row = world.probe_row("na-chen-1");
    assert_eq!((row.site.as_str(), row.label.as_deref()), (SITE, Some("Nà Chèn, nhà văn hoá")));
    assert_eq!(row.place.map(|place| place.to_string()).as_deref(), Some("22.28100, 106.45400"));

    let error = registrar.add(&new("na-chen-1"), NOW).expect_err("ids are unique").to_string();
    assert!(error.contains("na-chen-1 is registered already, at site thanh-dinh"), "{error}");
    let error = registrar.relocate(&probe("nobody"), &to_site("a"), NOW).expect_err("unknown");
    assert!(error.to_string().contains("nobody is not registered"), "{error}");
    let error = registrar.relocate(&probe("na-chen-1"), &Move::default(), NOW).expect_err("no change");
    assert!(error.to_string().contains("give a site, a place or a label"), "{error}");
    let long = NewProbe { label: Some("x".repeat(129)), ..new("other") };
    assert!(registrar.add(&long, NOW).expect_err("too long").to_string().contains("129 bytes"));

    let place = Place::new(22.3, 106.5).expect("it lies in Vietnam");
    let to = Move { at: Some(place), ..to_site("khau-vai") };
    registrar.relocate(&probe("na-chen-1"), &to, NOW + 1).expect("a move");
    let row = world.probe_row("na-chen-1");
    assert_eq!((row.site.as_str(), row.place), ("khau-vai", Some(place)));

    registrar.retire(&probe("na-chen-1"), NOW + 2).expect("a known probe");
    assert_eq!(world.probe_row("na-chen-1").retired_ms, Some(NOW + 2));
    let error = registrar.retire(&probe("na-chen-1"), NOW + 3).expect_err("it was retired");
    assert!(error.to_string().contains("was retired"), "{error}");
}

#[test]
fn a_second_collector_on_the_same_data_directory_is_refused_and_told_by_whom() {
    let dir = Dir::new();
    let first = Store::open(dir.path(), StoreOptions::default(), NOW).expect("a new store");
    let error = Store::open(dir.path(), StoreOptions::default(), NOW).err().expect("it is taken");
    let text = error.to_string();
    assert!(text.contains(&format!("phusong-collector, process {}", std::process::id())), "{text}");
    assert!(text.contains("data_dir of its own"), "{text}");
    drop(first);
    Store::open(dir.path(), StoreOptions::default(), NOW).expect("it is free again");
}

#[test]
fn a_database_of_a_newer_version_is_refused_by_all_who_open_it() {
    let dir = Dir::new();
    drop(Store::open(dir.path(), StoreOptions::default(), NOW).expect("a new store"));
    let db = rusqlite::Connection::open(dir.path().join("phusong.db")).expect("it is there");
    db.execute(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
         SELECT 99, 'later', applied_on, '1' FROM refinery_schema_history LIMIT 1",
        [],
    )
    .expect("a later collector was here");
    let open = Store::open(dir.path(), StoreOptions::default(), NOW).err().expect("refused");
    let registrar = Registrar::open(dir.path()).err().expect("refused");
    let reader = Readers::of(dir.path()).connect().err().expect("refused");
    for error in [open, registrar, reader] {
        assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
    }
}

#[test]
fn without_a_database_commands_say_what_to_do() {
    let dir = Dir::new();
    let error = Registrar::open(dir.path()).err().expect("there is none").to_string();
    assert!(error.contains("start the collector once with this data_dir"), "{error}");
    assert!(!dir.path().join("phusong.db").exists(), "asking creates nothing");
}

#[test]
fn observations_are_tailed_in_the_order_of_commits_and_listed_in_the_order_of_events() {
    let mut world = World::new(&["na-chen-1", "na-chen-2"]);
    let late = |mut sample: phusong_protocol::Sample, wall_ms| {
        (sample.wall_ms, sample.clock.synced) = (wall_ms, true);
        sample
    };
    world.send("na-chen-1", batch("na-chen-1", Epoch(1), &[late(tcp(0, 1, 1), NOW - 10)]));
    world.send("na-chen-2", batch("na-chen-2", Epoch(2), &[late(tcp(0, 1, 1), NOW - 30)]));
    world.send("na-chen-1", batch("na-chen-1", Epoch(1), &[late(tcp(1, 1, 1), NOW - 20)]));
    let reader = world.reader();
    let ask = |query: ObservationQuery| -> Vec<i64> {
        reader.observations(&query).expect("readable").iter().map(|row| NOW - row.at_ms).collect()
    };
    let all = ObservationQuery { limit: 9, ..ObservationQuery::default() };
    assert_eq!(ask(all.clone()), [30, 20, 10]);
    assert_eq!(ask(ObservationQuery { limit: 1, ..all.clone() }), [10], "the newest");
    assert_eq!(ask(ObservationQuery { after_id: Some(0), ..all.clone() }), [10, 30, 20]);
    assert_eq!(ask(ObservationQuery { after_id: Some(1), ..all.clone() }), [30, 20]);
    assert_eq!(ask(ObservationQuery { probe: Some(probe("na-chen-1")), ..all.clone() }), [20, 10]);
    assert_eq!(ask(ObservationQuery { since_ms: Some(NOW - 25), ..all.clone() }), [20, 10]);
    assert!(ask(ObservationQuery { kind: Some(ReadingKind::Dns.code()), ..all }).is_empty());
    assert_eq!(reader.newest_id().expect("readable"), 3);
    let facts = reader.facts().expect("readable");
    assert_eq!(facts.schema, 3);
    assert!(facts.bytes > 0 && facts.free_bytes > 0);
}
