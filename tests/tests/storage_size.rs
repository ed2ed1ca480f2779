//! How large a commune's store becomes: measured bytes a row, extrapolated to the whole retention; and that a store whose
//! rows go as others come stops growing.
//!
//! 36 probes of the default mix (`Source`), each batch about five minutes of one probe, the probes in turn: as it arrives.

use phusong_collector::ingest::{Counters, Decoded, Engine, Fate, Incoming};
use phusong_collector::store::{NewProbe, Readers, Registrar, Retention, Store, StoreOptions, forecast};
use phusong_protocol::{Sample, decode, encode_batch};
use phusong_tests::harness::{Lab, Source, TempDir};
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::Arc;

const PROBES: usize = 36;
const NETWORKS: i64 = 2;
const WINDOWS_PER_DAY: i64 = 288;
const BODY_BYTES: usize = 200;
const GB: f64 = 1e9;
const BOUND: f64 = 10.0 * GB;
const NOW: i64 = 1_800_000_000_000;
const DAY: i64 = 86_400_000;
const DERIVED: &str = include_str!("../../collector/src/store/derived/migrations/V1__derived.sql");

/// An ingest without threads over a store of its own.
struct World {
    engine: Engine,
    counters: Arc<Counters>,
    dir: TempDir,
}

impl World {
    fn new(name: &str, probes: &[String], options: StoreOptions) -> Self {
        let dir = TempDir::new(name).expect("a writable directory");
        let store = Store::open(dir.path(), options, NOW).expect("a new store");
        let counters = Arc::new(Counters::default());
        let mut registrar = Registrar::open(dir.path()).expect("the store is there");
        for probe in probes {
            let new = NewProbe {
                probe: probe.parse().expect("a name"),
                site: "lab".parse().expect("a name"),
                label: None,
                place: None,
            };
            registrar.add(&new, NOW).expect("a new probe");
        }
        World { engine: Engine::new(store, Arc::clone(&counters)), counters, dir }
    }

    /// One batch of each probe, in one transaction.
    fn take(&mut self, payloads: Vec<(String, Vec<u8>)>, now_ms: i64) {
        let decode = |(topic, payload)| Decoded::of(Incoming { topic, payload, received_ms: now_ms, token: 0 });
        let messages: Vec<Decoded> = payloads.into_iter().map(decode).collect();
        self.engine.group(&messages, now_ms, &mut |_| {});
    }

    fn stored(&self) -> u64 {
        self.counters.get(Fate::Stored) + self.counters.get(Fate::Uncertain)
    }
}

/// Each probe's samples, so many at a time.
struct Stream {
    source: Source,
    waiting: Vec<Sample>,
}

impl Stream {
    fn new(probe: &str, seed: u64, from_ms: i64) -> Self {
        Stream { source: Source::new(probe, seed).at(from_ms), waiting: Vec::new() }
    }

    fn next(&mut self, samples: usize) -> (String, Vec<u8>) {
        if self.waiting.len() < samples {
            let (payload, _) = self.source.full_batch();
            self.waiting.extend(decode(&payload).expect("own output").samples);
        }
        let rest = self.waiting.split_off(samples);
        let batch = std::mem::replace(&mut self.waiting, rest);
        let payload = encode_batch(&self.source.probe, self.source.epoch, &batch);
        (Lab::topic(self.source.probe.as_str(), "batch"), payload)
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("village-{number:02}")).collect()
}

/// Windows as they come: every five minutes one of each place and network.
fn derive(dir: &Path, places: i64, days: i64) -> Connection {
    let db = Connection::open(dir.join("derived.db")).expect("a new database");
    db.execute_batch(&format!("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; {DERIVED}")).expect("the schema");
    let mut random = fastrand::Rng::with_seed(1);
    let first = NOW / 300_000;
    for no in first..first + days * WINDOWS_PER_DAY {
        db.execute_batch("BEGIN").expect("no transaction before");
        let mut insert =
            db.prepare_cached("INSERT INTO window VALUES (?1, ?2, ?3, 3, 0, 1, 1, ?4)").expect("the schema");
        for (place, network) in (1..=places).flat_map(|place| (0..NETWORKS).map(move |network| (place, network))) {
            let body: Vec<u8> = (0..BODY_BYTES).map(|_| random.u8(..)).collect();
            insert.execute(params![place, network, no, body]).expect("a new window");
        }
        drop(insert);
        db.execute_batch("COMMIT").expect("a writable directory");
    }
    db
}

fn used_bytes(db: &Connection) -> f64 {
    let number = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).expect("a number");
    ((number("page_count") - number("freelist_count")) * number("page_size")) as f64
}

#[test]
fn a_commune_of_36_probes_stays_below_ten_gigabytes() {
    // A day and a bit, a sixth of the retention's index depth; bytes a row hardly change after the first hours.
    let (hours, window_days) = (28, 12);
    let names = names(PROBES);
    let mut world = World::new("size", &names, StoreOptions::default());
    let mut streams: Vec<Stream> =
        (0..).zip(&names).map(|(seed, name)| Stream::new(name, seed, NOW - 2 * DAY)).collect();
    let (mut sent, mut now_ms) = (0, NOW);
    for _ in 0..hours * 12 {
        now_ms += 300_000;
        let payloads: Vec<_> = streams.iter_mut().map(|stream| stream.next(19)).collect();
        sent += payloads.len() * 19;
        world.take(payloads, now_ms);
    }
    assert_eq!(world.stored(), sent as u64);
    let ground = Connection::open(world.dir.join("phusong.db")).expect("the store");
    let per_observation = used_bytes(&ground) / sent as f64;
    let derived = derive(world.dir.path(), PROBES as i64, window_days);
    let windows = PROBES as i64 * NETWORKS * WINDOWS_PER_DAY * window_days;
    let per_window = used_bytes(&derived) / windows as f64;

    // 19.25 samples of a window of `Source`: ten of radio, eight summaries, one of health, a failure now and then.
    let retention = Retention::default();
    let observations_per_day = PROBES as f64 * 19.25 * WINDOWS_PER_DAY as f64;
    let windows_per_day = PROBES as f64 * (NETWORKS * WINDOWS_PER_DAY) as f64;
    let raw = observations_per_day * f64::from(retention.raw_days + 1) * per_observation;
    let rest = windows_per_day * f64::from(retention.derived_days) * per_window;
    println!(
        "{per_observation:.0} bytes an observation x {observations_per_day:.0} a day x {} days = {:.2} GB; \
         {per_window:.0} bytes a window x {windows_per_day:.0} a day x {} days = {:.2} GB; together {:.2} GB",
        retention.raw_days,
        raw / GB,
        retention.derived_days,
        rest / GB,
        (raw + rest) / GB
    );
    assert!(raw + rest <= BOUND, "{:.2} GB", (raw + rest) / GB);

    let reader = Readers::of(world.dir.path()).connect().expect("the store");
    let told = forecast(PROBES as u64, &reader, &retention).expect("a store that can be read");
    println!("{told:?}");
    let near = |what: &str, told: u64, counted: f64| {
        assert!((told as f64 / counted - 1.0).abs() < 0.1, "{what}: {told} instead of {counted:.0}");
    };
    assert!(told.measured);
    near("observations a day", told.observations_per_day, PROBES as f64 * 19.0 * WINDOWS_PER_DAY as f64);
    near("bytes an observation", told.bytes_per_observation, per_observation);
    near("windows a day", told.windows_per_day, windows_per_day);
    near("bytes a window", told.bytes_per_window, per_window);
    near("at last", told.bytes_at_steady_state, raw + rest);
}

#[test]
fn a_store_whose_rows_go_as_others_come_stops_growing() {
    // Nine months in a few thousand rows: one batch a day of each probe, 30 days kept.
    let retention = Retention { raw_days: 30, ..Retention::default() };
    let names = names(12);
    let options = StoreOptions { retention, ..StoreOptions::default() };
    let mut world = World::new("cycle", &names, options);
    let mut random = fastrand::Rng::with_seed(3);
    let mut sources: Vec<Source> = (0..).zip(&names).map(|(seed, name)| Source::new(name, seed)).collect();
    let mut sizes = Vec::new();
    for day in 0..270 {
        let now_ms = NOW + day * DAY;
        sources = sources.into_iter().map(|source| source.at(now_ms - DAY)).collect();
        let batch = |source: &mut Source| {
            let samples: Vec<Sample> = (0..random.usize(60..100)).map(|_| source.failure()).collect();
            (Lab::topic(source.probe.as_str(), "batch"), source.batch(&samples))
        };
        let payloads: Vec<_> = sources.iter_mut().map(batch).collect();
        world.take(payloads, now_ms);
        (0..20).for_each(|_| world.engine.idle(now_ms));
        let file = world.dir.join("phusong.db");
        let db = Connection::open(&file).expect("the store");
        let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0)).expect("a number");
        let rows: i64 = db.query_row("SELECT count(*) FROM observation", [], |row| row.get(0)).expect("a number");
        sizes.push((pages, rows));
    }
    let (filled, last) = (sizes[40], sizes[269]);
    println!("{} pages for {} rows after 40 days, {} for {} after 270", filled.0, filled.1, last.0, last.1);
    assert!(last.1 < 12 * 100 * 33, "{} rows are left", last.1);
    assert!((last.0 as f64) < filled.0 as f64 * 1.15, "the file went on growing: {filled:?}, {last:?}");
}
