//! What modems say, through the real engine and the real derivation: each state of a modem ends as the right gap or blind
//! with the right cause, in whatever order it arrives; a walk votes where it was and opens nothing.

mod ingest_world;

use ingest_world::{SITE, World, boot, probe, site, tcp};
use phusong_collector::derive::{Derive, Options};
use phusong_collector::store::{NewProbe, Standing};
use phusong_coverage::Place as Point;
use phusong_protocol::{
    Antenna, Attempt, BearerState, Clock, Environment, Epoch, Failure, FailureKind, HttpReading, LatencyReading,
    Outcome, Place, PlaceSource, RadioCell, RadioReading, Reading, RegistrationReading, RegistrationStat, Rrc, Sample,
    ServiceState, Setup, SetupRef, SimState, Taken, Target, Technology, TechnologyCheck, Uplink,
};
use rusqlite::Connection;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// What is true for an hour; a good hour stands before and behind each.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scene {
    Good,
    Searching,
    Limited,
    Low,
    SimOut,
    Rejected,
    NoBearer,
    Gone,
    Portal,
    Backhaul,
    /// Not registered, not searching, and the SIM is there.
    Idle,
    /// The modem cannot say how it is registered, and nothing answers.
    Unknown,
    /// Refused without a cause, and the cell that it camps on is heard well.
    Denied,
    /// A bearer was refused before coverage was lost.
    RefusedThenLost,
    /// Emergency calls alone, on a cell of its own network.
    Barred,
}

const SCENES: [(Scene, &str); 14] = [
    (Scene::Searching, "gap no_coverage"),
    (Scene::Limited, "gap no_coverage"),
    (Scene::Low, "gap no_coverage"),
    (Scene::SimOut, "blind sim"),
    (Scene::Rejected, "blind sim"),
    (Scene::NoBearer, "blind bearer"),
    (Scene::Gone, "blind device"),
    (Scene::Portal, "blind plan"),
    (Scene::Backhaul, "gap backhaul"),
    (Scene::Idle, "gap no_coverage"),
    (Scene::Unknown, "gap unknown"),
    (Scene::Denied, "blind unknown"),
    (Scene::RefusedThenLost, "gap no_coverage"),
    (Scene::Barred, "blind unknown"),
];

fn begin_ms() -> i64 {
    (ingest_world::NOW - 30 * HOUR_MS) / HOUR_MS * HOUR_MS
}

/// After the last good hour: later a silent probe would be blind.
fn end_ms() -> i64 {
    begin_ms() + (2 * SCENES.len() as i64 + 1) * HOUR_MS
}

fn uplink(scene: Scene) -> Uplink {
    let service = match scene {
        Scene::Searching | Scene::RefusedThenLost => Some(ServiceState::None),
        Scene::Limited | Scene::Denied | Scene::Barred => Some(ServiceState::Limited),
        Scene::SimOut | Scene::Rejected | Scene::Gone | Scene::Idle | Scene::Unknown => None,
        _ => Some(ServiceState::Home),
    };
    Uplink {
        interface: "wwan0".into(),
        provider: None,
        sim_plmn: (!matches!(scene, Scene::SimOut | Scene::Gone)).then(|| "452-04".into()),
        serving_plmn: Some(if scene == Scene::Limited { "452-01" } else { "452-04" }.into()),
        roaming: None,
        service_state: service,
        technology: Some(Technology::Lte),
        rrc: Some(Rrc::Connected),
        self_load: None,
    }
}

fn at(ms: i64, scene: Scene, outcome: Outcome) -> Sample {
    Sample { wall_ms: ms, uplink: Some(uplink(scene).into()), outcome, ..tcp(0, 0, 0) }
}

fn cell(dbm: f32) -> RadioCell {
    RadioCell {
        technology: Some(Technology::Lte),
        cell_id: Some(79_221_507),
        pci: Some(331),
        arfcn: Some(1450),
        rsrp_dbm: Some(dbm),
        serving: Some(true),
        ..RadioCell::default()
    }
}

fn failure(of: Attempt, kind: FailureKind) -> Outcome {
    Outcome::Failure(Failure { of, kind, detail: None, sent: None, elapsed_us: None })
}

/// A change of registration, where the scene begins.
fn change(scene: Scene) -> RegistrationReading {
    use RegistrationStat as S;
    let any = |stat| RegistrationReading { sim: Some(SimState::Ready), ..RegistrationReading::new(stat) };
    match scene {
        Scene::Searching => any(S::Searching),
        Scene::Limited | Scene::Barred => any(S::EmergencyOnly),
        Scene::SimOut => RegistrationReading { sim: Some(SimState::Absent), ..RegistrationReading::new(S::NoSim) },
        Scene::Rejected => RegistrationReading { reject_cause: Some(8), ..any(S::Denied) },
        Scene::Idle => any(S::Idle),
        Scene::Unknown => any(S::Unknown),
        Scene::Denied => any(S::Denied),
        Scene::RefusedThenLost => RegistrationReading { bearer: Some(BearerState::Refused), ..any(S::Searching) },
        Scene::NoBearer => {
            RegistrationReading { bearer: Some(BearerState::Refused), bearer_cause: Some(27), ..any(S::Home) }
        }
        _ => RegistrationReading { bearer: Some(BearerState::Connected), ..any(S::Home) },
    }
}

fn target(name: &str) -> Option<std::sync::Arc<Target>> {
    Some(Target { name: name.into(), host: name.into(), address: None, tags: Vec::new() }.into())
}

/// One minute of a scene.
fn minute(ms: i64, scene: Scene) -> Vec<Sample> {
    let mut all = Vec::new();
    for n in 0..3 {
        let outcome = match scene {
            Scene::Gone => failure(Attempt::Radio, FailureKind::DeviceMissing),
            Scene::SimOut
            | Scene::Rejected
            | Scene::Searching
            | Scene::Idle
            | Scene::Unknown
            | Scene::RefusedThenLost => Outcome::Reading(Reading::Radio(RadioReading::default())),
            _ => {
                let dbm = if scene == Scene::Low { -128.0 } else { -95.0 };
                // Of another's network nothing answers, and its level may stay the same.
                let stale = (scene == Scene::Limited).then_some(true);
                Outcome::Reading(Reading::Radio(RadioReading {
                    cells: vec![cell(dbm)],
                    stale,
                    ..RadioReading::default()
                }))
            }
        };
        all.push(at(ms + n * 20_000, scene, outcome));
    }
    for (n, name) in ["vnnic", "viettel"].into_iter().enumerate() {
        let latency = LatencyReading { sent: 2, rtt_us: vec![20_000, 21_000], lost: Vec::new() };
        let page = http();
        let (echo, web) = match scene {
            Scene::Good => (Outcome::Reading(Reading::Latency(latency)), Outcome::Reading(Reading::Http(page))),
            Scene::Portal => (Outcome::Reading(Reading::Latency(latency)), failure(Attempt::Http, FailureKind::Portal)),
            Scene::Gone
            | Scene::SimOut
            | Scene::NoBearer
            | Scene::Searching
            | Scene::Idle
            | Scene::Denied
            | Scene::Barred
            | Scene::RefusedThenLost => {
                (failure(Attempt::Latency, FailureKind::LinkDown), failure(Attempt::Http, FailureKind::LinkDown))
            }
            _ => (failure(Attempt::Latency, FailureKind::Timeout), failure(Attempt::Http, FailureKind::Timeout)),
        };
        let ms = ms + n as i64 * 1_000 + 5_000;
        all.push(Sample { target: target(name), ..at(ms, scene, echo) });
        all.push(Sample { target: target(name), ..at(ms + 500, scene, web) });
    }
    all
}

fn http() -> HttpReading {
    HttpReading {
        status: 200,
        total_us: 50_000,
        dns_us: None,
        connect_us: None,
        tls_us: None,
        first_byte_us: None,
        body_bytes: None,
    }
}

fn day() -> Vec<Sample> {
    let mut all = Vec::new();
    let mut before = None;
    let scenes = SCENES.iter().flat_map(|(scene, _)| [Scene::Good, *scene]).chain([Scene::Good]);
    for (hour, scene) in scenes.enumerate() {
        let from_ms = begin_ms() + hour as i64 * HOUR_MS;
        if before != Some(scene) && scene != Scene::Gone {
            all.push(at(from_ms, scene, Outcome::Reading(Reading::Registration(change(scene)))));
        }
        (0..60).for_each(|n| all.extend(minute(from_ms + n * MINUTE_MS, scene)));
        before = Some(scene);
    }
    all
}

/// Numbers samples in the order of their time, dates them by a synced clock, and encodes them in pieces.
fn pieces(name: &str, epoch: Epoch, mut samples: Vec<Sample>) -> Vec<Vec<u8>> {
    samples.sort_by_key(|sample| sample.wall_ms);
    samples.insert(0, Sample { wall_ms: begin_ms(), ..boot(0, 1, 1_000, None) });
    for (seq, one) in samples.iter_mut().enumerate() {
        one.seq = seq as u64;
        one.boot_id = Some(phusong_protocol::BootId([1; 16]));
        one.mono_ms = Some((one.wall_ms - begin_ms()) as u64 + 1_000);
        one.clock = Clock { synced: true, age_s: Some(1) };
    }
    samples.chunks(200).map(|chunk| ingest_world::batch(name, epoch, chunk)).collect()
}

fn world() -> World {
    let world = World::new(&[]);
    let at = Point::new(22.28, 106.45).expect("it lies in Vietnam");
    let place = Some(Standing { at, hamlet: None, supply: None });
    let new = NewProbe { probe: probe("na-chen-1"), site: site(SITE), label: None, place };
    world.registrar().add(&new, begin_ms() - 24 * HOUR_MS).expect("a new probe");
    world
}

/// Kind, cause, network and length in minutes of everything that was interrupted, by its beginning.
fn found(world: &World) -> Vec<(String, i64, i64)> {
    let db = Connection::open(world.dir.path().join("derived.db")).expect("it is there");
    let sql = "SELECT CASE i.kind WHEN 1 THEN 'gap ' WHEN 2 THEN 'blind ' ELSE 'remote ' END || i.cause
                      || coalesce('', n.name), i.from_ms, i.to_ms, n.name, length(i.cause_evidence)
                 FROM interruption i LEFT JOIN network n ON n.id = i.network_ref ORDER BY i.from_ms";
    let mut statement = db.prepare(sql).expect("good SQL");
    let rows = statement.query_map([], |row| {
        assert_eq!(row.get::<_, Option<String>>(3)?.as_deref(), Some("viettel"), "{:?}", row.get::<_, String>(0)?);
        let cause: String = row.get(0)?;
        assert!(cause.ends_with(" unknown") || row.get::<_, i64>(4)? > 0, "a cause names its evidence: {cause}");
        let (from_ms, to_ms): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok((cause, (from_ms - begin_ms()) / MINUTE_MS, (to_ms - from_ms) / MINUTE_MS))
    });
    rows.expect("good SQL").collect::<Result<_, _>>().expect("readable rows")
}

#[test]
fn each_state_of_a_modem_ends_as_its_gap_or_blind_in_any_order() {
    let all = pieces("na-chen-1", Epoch(7), day());
    let mut world = self::world();
    all.iter().for_each(|piece| drop(world.send("na-chen-1", piece.clone())));
    world.settle();
    let mut derive = Derive::open(world.dir.path(), Options::default(), world.now_ms).expect("the database is there");
    derive.settle(end_ms()).expect("it can be derived");
    let once = found(&world);
    let words: Vec<&str> = once.iter().map(|one| one.0.as_str()).collect();
    let wanted: Vec<&str> = SCENES.iter().map(|scene| scene.1).collect();
    assert_eq!(words, wanted, "{once:?}");
    for ((_, from, minutes), n) in once.iter().zip(0..) {
        let true_from = (2 * n + 1) * 60;
        assert!((from - true_from).abs() <= 6 && (48..=72).contains(minutes), "{once:?}");
    }
    // In another order, looked at now and then.
    let mut late = self::world();
    let mut derive = Derive::open(late.dir.path(), Options::default(), late.now_ms).expect("the database is there");
    for (n, piece) in all.iter().rev().enumerate() {
        late.send("na-chen-1", piece.clone());
        if n % 5 == 0 {
            late.settle();
            derive.settle(end_ms()).expect("it can be derived");
        }
    }
    late.settle();
    derive.settle(end_ms()).expect("it can be derived");
    assert_eq!(found(&late), once);
}

#[test]
fn a_walk_votes_where_it_was_and_opens_nothing() {
    let mut world = World::new(&["walk-1"]);
    let setup = Setup {
        environment: Environment::Outdoor,
        height_m: Some(1.5),
        antenna: Some(Antenna::Internal),
        gain_dbi: None,
        cable_loss_db: None,
        device_model: None,
        bands: None,
        offset_db: Some(2.0),
        calibrated_at_ms: None,
    };
    let setup = SetupRef { id: setup.id(), full: Some(setup) };
    let mut samples = Vec::new();
    for n in 0..120 {
        let (lat, dbm) = if n < 60 { (22.2810, -90.0) } else { (22.2910, -127.0) };
        let check = (n == 30).then(|| TechnologyCheck {
            down_bps: 1_200_000,
            elapsed_ms: 10_500,
            bytes: 1_500_000,
            able: vec![Technology::NrNsa, Technology::Lte],
            seen: vec![Technology::Lte],
        });
        let taken = Some(Taken::Survey);
        let radio = RadioReading { cells: vec![cell(dbm)], taken, check, ..RadioReading::default() };
        let place = Place {
            lat,
            lon: 106.454,
            accuracy_m: Some(if n % 10 == 9 { 80.0 } else { 8.0 }),
            source: PlaceSource::Gps,
            fix_age_s: Some(1.0),
            speed_mps: Some(1.2),
        };
        let sample = at(begin_ms() + n * 5_000, Scene::Good, Outcome::Reading(Reading::Radio(radio)));
        samples.push(Sample { place: Some(place.into()), setup: Some(setup.clone().into()), ..sample });
    }
    for piece in pieces("walk-1", Epoch(9), samples) {
        world.send("walk-1", piece);
    }
    world.settle();
    let mut derive = Derive::open(world.dir.path(), Options::default(), world.now_ms).expect("the database is there");
    derive.settle(end_ms()).expect("it can be derived");
    let db = Connection::open(world.dir.path().join("derived.db")).expect("it is there");
    let sql = "SELECT state, source, layer, level, reference, no, alive, dead FROM vote ORDER BY state";
    let mut statement = db.prepare(sql).expect("good SQL");
    let rows = statement.query_map([], |row| {
        let n = |at| row.get::<_, i64>(at);
        Ok([n(0)?, n(1)?, n(2)?, n(3)?, n(4)?, n(5)?, n(6)?, n(7)?])
    });
    let votes: Vec<[i64; 8]> = rows.expect("good SQL").collect::<Result<_, _>>().expect("readable rows");
    assert_eq!(votes, [[1, 2, 0, -1270, -1250, 0, 0, 30], [2, 2, 0, -900, -880, 8, 30, 0]]);
    let count = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).expect("good SQL") };
    assert_eq!(count("SELECT count(*) FROM interruption"), 0);
    assert_eq!(count("SELECT observations FROM serving_cell"), 120);
}
