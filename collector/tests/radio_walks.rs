//! Votes of what moves, through the real engine and the real derivation: what a survey is and how long its votes live,
//! indoors and out again, whose votes a phone casts, what a modem that only just found its network says of it.

mod ingest_world;

use ingest_world::{SITE, World, boot, json, probe, site, tcp};
use phusong_collector::derive::{Derive, Options};
use phusong_collector::store::{NewProbe, Standing};
use phusong_coverage::Place as Point;
use phusong_protocol::{
    Antenna, Attempt, Clock, Environment, Epoch, Failure, FailureKind, LatencyReading, Mark, Outcome, Place,
    PlaceSource, PositionReading, PowerReading, RadioCell, RadioReading, Reading, RegistrationReading,
    RegistrationStat, Sample, ServiceState, Setup, SetupRef, Taken, Technology, Uplink,
};
use rusqlite::Connection;
use serde_json::{Value, json};

const WALK: &str = "walk-1";
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const DEAD: i64 = 1;
const ALIVE: i64 = 2;
const SURVEY: i64 = 2;
const MOVING: i64 = 3;

/// A full quarter of an hour, so that a walk lies in as few as it can.
fn begin_ms() -> i64 {
    (ingest_world::NOW - 30 * HOUR_MS) / HOUR_MS * HOUR_MS
}

fn setup(environment: Environment) -> SetupRef {
    let setup = Setup {
        environment,
        height_m: Some(1.5),
        antenna: Some(Antenna::Internal),
        gain_dbi: None,
        cable_loss_db: None,
        device_model: None,
        bands: None,
        offset_db: None,
        calibrated_at_ms: None,
    };
    SetupRef { id: setup.id(), full: Some(setup) }
}

fn uplink(service: Option<ServiceState>) -> Uplink {
    let serves = service != Some(ServiceState::None);
    Uplink {
        interface: "wwan0".into(),
        provider: None,
        sim_plmn: Some("452-04".into()),
        serving_plmn: serves.then(|| "452-04".into()),
        roaming: None,
        service_state: service,
        technology: serves.then_some(Technology::Lte),
        rrc: None,
        self_load: None,
    }
}

/// On the way, so many seconds after the beginning; the child is that of `lat`.
fn at(at_s: i64, lat: f64, service: ServiceState, outcome: Outcome) -> Sample {
    let place = Place {
        lat,
        lon: 106.454,
        accuracy_m: Some(8.0),
        source: PlaceSource::Gps,
        fix_age_s: Some(1.0),
        speed_mps: Some(1.2),
    };
    Sample {
        wall_ms: begin_ms() + at_s * 1_000,
        place: Some(place.into()),
        uplink: Some(uplink(Some(service)).into()),
        outcome,
        ..tcp(0, 0, 0)
    }
}

fn dressed(sample: Sample, environment: Environment) -> Sample {
    Sample { setup: Some(setup(environment).into()), ..sample }
}

fn cells(dbm: f32, taken: Option<Taken>) -> Outcome {
    let cell = RadioCell {
        technology: Some(Technology::Lte),
        cell_id: Some(79_221_507),
        rsrp_dbm: Some(dbm),
        serving: Some(true),
        ..RadioCell::default()
    };
    Outcome::Reading(Reading::Radio(RadioReading { cells: vec![cell], taken, ..RadioReading::default() }))
}

/// What a modem says where no cell is.
fn searching(taken: Option<Taken>) -> Outcome {
    let reading = RegistrationReading { taken, ..RegistrationReading::new(RegistrationStat::Searching) };
    Outcome::Reading(Reading::Registration(reading))
}

fn echo(answered: bool) -> Outcome {
    match answered {
        true => Outcome::Reading(Reading::Latency(LatencyReading { sent: 1, rtt_us: vec![20_000], lost: Vec::new() })),
        false => Outcome::Failure(Failure {
            of: Attempt::Latency,
            kind: FailureKind::Timeout,
            detail: None,
            sent: None,
            elapsed_us: None,
        }),
    }
}

/// A word about the survey: its beginning or end, or a mark.
fn word(at_s: i64, name: &str, mark: Option<Mark>) -> Sample {
    let reading = PositionReading {
        lat: 22.281,
        lon: 106.454,
        accuracy_m: Some(8.0),
        source: PlaceSource::Gps,
        altitude_m: None,
        mark,
        survey: Some(name.into()),
    };
    Sample { uplink: None, ..at(at_s, 22.281, ServiceState::Home, Outcome::Reading(Reading::Position(reading))) }
}

/// Numbers samples in the order of their time, dates them by a synced clock, and encodes them in pieces.
fn pieces(mut samples: Vec<Sample>) -> Vec<Vec<u8>> {
    samples.sort_by_key(|sample| sample.wall_ms);
    let first_ms = samples[0].wall_ms;
    samples.insert(0, Sample { wall_ms: first_ms, ..boot(0, 1, 1_000, None) });
    for (seq, one) in samples.iter_mut().enumerate() {
        one.seq = seq as u64;
        one.boot_id = Some(phusong_protocol::BootId([1; 16]));
        one.mono_ms = Some((one.wall_ms - first_ms) as u64 + 1_000);
        one.clock = Clock { synced: true, age_s: Some(1) };
    }
    samples.chunks(50).map(|chunk| ingest_world::batch(WALK, Epoch(9), chunk)).collect()
}

fn derive(world: &mut World, as_of_ms: i64) {
    world.settle();
    let mut derive = Derive::open(world.dir.path(), Options::default(), world.now_ms).expect("the database is there");
    derive.settle(as_of_ms).expect("it can be derived");
}

/// State, source, layer, alive bins, dead bins, and the days that it lives, of each vote, by quarter and place.
fn votes(world: &World) -> Vec<[i64; 6]> {
    let db = Connection::open(world.dir.path().join("derived.db")).expect("it is there");
    let sql = "SELECT state, source, layer, alive, dead, (expires_ms - quarter * 900000) / 86400000
                 FROM vote ORDER BY quarter, lat, layer";
    let mut statement = db.prepare(sql).expect("good SQL");
    let rows = statement.query_map([], |row| {
        let n = |at| row.get::<_, i64>(at);
        Ok([n(0)?, n(1)?, n(2)?, n(3)?, n(4)?, n(5)?])
    });
    rows.expect("good SQL").collect::<Result<_, _>>().expect("readable rows")
}

/// The votes of a walk, derived at `as_of_ms`.
fn voted(samples: Vec<Sample>, as_of_ms: i64) -> Vec<[i64; 6]> {
    let mut world = World::new(&[WALK]);
    for piece in pieces(samples) {
        world.send(WALK, piece);
    }
    derive(&mut world, as_of_ms);
    votes(&world)
}

/// Five minutes in a total hole, each five seconds.
fn hole(taken: Option<Taken>) -> Vec<Sample> {
    let one = |n: i64| {
        [at(n * 5, 22.281, ServiceState::None, searching(taken)), at(n * 5, 22.281, ServiceState::None, echo(false))]
    };
    (0..60).flat_map(one).map(|sample| dressed(sample, Environment::Outdoor)).collect()
}

#[test]
fn a_survey_through_a_total_hole_votes_as_a_survey_for_a_year_also_after_the_sealing() {
    // The first half a minute without service says nothing yet.
    let wanted = [[DEAD, SURVEY, 0, 0, 27, 365]];
    let now_ms = ingest_world::NOW;
    assert_eq!(voted(hole(Some(Taken::Survey)), now_ms), wanted);
    assert_eq!(voted(hole(Some(Taken::Survey)), now_ms + 100 * DAY_MS), wanted);
    assert_eq!(voted(hole(None), now_ms), [[DEAD, MOVING, 0, 0, 27, 30]], "nobody surveys");
    assert_eq!(voted(hole(None), now_ms + 100 * DAY_MS), [[0; 6]; 0]);
}

#[test]
fn everything_between_the_words_about_a_survey_is_of_it_in_whatever_order_it_arrives() {
    // Echoes alone, of a modem that gives no levels; ten minutes, which lie in three quarters.
    let walk = || {
        let echoes = (0..204).map(|n| at(500 + n * 5, 22.281, ServiceState::Home, echo(true)));
        echoes.map(|sample| dressed(sample, Environment::Outdoor)).collect::<Vec<_>>()
    };
    let between = |from_s, to_s, other: &str| {
        let mut all = walk();
        all.extend([word(from_s, "Nà Chèn", None), word(to_s, other, None)]);
        all
    };
    let sources = |votes: &[[i64; 6]]| votes.iter().map(|vote| vote[1]).collect::<Vec<_>>();
    let now_ms = ingest_world::NOW;
    assert_eq!(sources(&voted(walk(), now_ms)), [MOVING, MOVING]);
    let surveyed = voted(between(499, 1_600, "Nà Chèn"), now_ms);
    assert_eq!(surveyed, [[ALIVE, SURVEY, 0, 40, 0, 365], [ALIVE, SURVEY, 0, 62, 0, 365]]);
    assert_eq!(sources(&voted(between(499, 1_600, "another"), now_ms)), [MOVING, MOVING]);
    assert_eq!(sources(&voted(between(1_600, 1_700, "Nà Chèn"), now_ms)), [MOVING, MOVING], "before it began");
    let long_s = 500 + 7 * 3_600;
    assert_eq!(sources(&voted(between(499, long_s, "Nà Chèn"), now_ms)), [MOVING, MOVING], "it was left lying");
    // Its end, then the beginning, arrive when everything else is derived.
    let mut world = World::new(&[WALK]);
    let mut late = Derive::open(world.dir.path(), Options::default(), world.now_ms).expect("the database is there");
    for piece in pieces(between(499, 1_600, "Nà Chèn")).into_iter().rev() {
        world.send(WALK, piece);
        world.settle();
        late.settle(now_ms).expect("it can be derived");
    }
    assert_eq!(votes(&world), surveyed);
}

#[test]
fn who_marks_indoors_a_second_time_is_outdoors_again() {
    let radio = |n: i64, dbm: f32| at(n * 5, 22.281, ServiceState::Home, cells(dbm, Some(Taken::Survey)));
    let mut samples = vec![word(0, "a", None), word(50, "a", Some(Mark::Indoor)), word(100, "a", None)];
    samples.extend((0..30).map(|n| match n {
        10..20 => dressed(radio(n, -110.0), Environment::Indoor),
        _ => dressed(radio(n, -90.0), Environment::Outdoor),
    }));
    let wanted = [[ALIVE, SURVEY, 0, 10, 0, 365], [ALIVE, SURVEY, 1, 5, 0, 365]];
    assert_eq!(voted(samples.clone(), ingest_world::NOW), wanted);
    // What the set-up says holds, although the word that ends it was lost.
    let all = samples.clone();
    samples.remove(2);
    assert_eq!(voted(samples, ingest_world::NOW), wanted);
    // Of rows without a set-up the words say it; where they are is unknown else.
    let bare = all.into_iter().map(|sample| Sample { setup: None, ..sample }).collect();
    assert_eq!(voted(bare, ingest_world::NOW), [[ALIVE, SURVEY, 1, 5, 0, 365], [ALIVE, SURVEY, 3, 10, 0, 365]]);
}

fn phone(kind: &str, number: u64, data: Value) -> Vec<u8> {
    let mut all = json!({ "deviceTime": format!("2027-01-15T15:00:{:02}.000+07:00", number % 60), "missionId": "m",
                          "recordNumber": number, "slot": 1 });
    let Value::Object(data) = data else { panic!("an object") };
    all.as_object_mut().expect("an object").extend(data);
    json!({ "version": "1.6.0", "messageType": kind, "data": all }).to_string().into_bytes()
}

#[test]
fn a_phone_votes_for_nobody_before_it_named_its_sim() {
    let mut world = World::new(&[WALK]);
    world.now_ms += MINUTE_MS;
    let cell = |number: u64| {
        let data = json!({ "mcc": 452, "mnc": 1, "eci": 79_221_507, "rsrp": -101.0, "servingCell": true,
                           "latitude": 21.8644, "longitude": 105.5436, "accuracy": 10 });
        (format!("ns/{WALK}/lte_message"), phone("LteRecord", number, data))
    };
    for number in 0..20 {
        world.group(vec![cell(number)]);
    }
    derive(&mut world, ingest_world::NOW + MINUTE_MS);
    assert_eq!((world.rows().len(), votes(&world)), (20, Vec::new()));
    // From here on it does, and what came before still says nothing.
    let state = phone("PhoneState", 20, json!({ "simState": "READY", "simOperator": "45201" }));
    world.group(vec![(format!("ns/{WALK}/device_status_message"), state)]);
    for number in 21..50 {
        world.group(vec![cell(number)]);
    }
    derive(&mut world, ingest_world::NOW + MINUTE_MS);
    assert_eq!(votes(&world), [[ALIVE, MOVING, 3, 3, 0, 30]]);
}

#[test]
fn a_log_votes_for_the_sim_that_it_names_or_for_the_network_that_it_is_at_home_in() {
    for (sim, service, wanted) in [
        (Some("452-04"), None, 1),
        (None, Some(ServiceState::Home), 1),
        (None, None, 0),
        (None, Some(ServiceState::Roaming), 0),
    ] {
        let mut world = World::new(&[WALK]);
        let samples: Vec<Sample> = (0..20)
            .map(|n| {
                let uplink = Uplink { sim_plmn: sim.map(str::to_owned), ..uplink(service) };
                let clock = Clock { synced: true, age_s: None };
                let row = at(n * 5, 22.281, ServiceState::Home, cells(-95.0, None));
                Sample { seq: n as u64 + 1, boot_id: None, mono_ms: None, clock, uplink: Some(uplink.into()), ..row }
            })
            .collect();
        world.send(WALK, json(WALK, &samples));
        derive(&mut world, ingest_world::NOW);
        assert_eq!((world.rows().len(), votes(&world).len()), (20, wanted), "{sim:?}, {service:?}");
    }
}

#[test]
fn half_a_minute_before_a_modem_registers_again_votes_for_nothing_also_across_quarters() {
    // No service until the last second of a quarter, and registered in the next child right after.
    let walk = |until_s: i64| {
        let lost = (until_s - 40..until_s).step_by(5).map(|s| at(s, 22.281, ServiceState::None, searching(None)));
        let found = (until_s..until_s + 20).step_by(5).map(|s| at(s, 22.291, ServiceState::Home, cells(-90.0, None)));
        lost.chain(found).map(|sample| dressed(sample, Environment::Outdoor)).collect::<Vec<_>>()
    };
    for until_s in [300, 900] {
        assert_eq!(voted(walk(until_s), ingest_world::NOW), [[ALIVE, MOVING, 0, 2, 0, 30]], "{until_s}");
        // Nobody knows that it ever registered again.
        let lost = walk(until_s).into_iter().take(8).collect();
        assert_eq!(voted(lost, ingest_world::NOW), [[DEAD, MOVING, 0, 0, 1, 30]], "{until_s}");
        // The registration arrives when the hole is derived.
        let mut world = World::new(&[WALK]);
        let mut late = Derive::open(world.dir.path(), Options::default(), world.now_ms).expect("the database is there");
        let mut samples = walk(until_s);
        samples.extend((0..41).map(|n| Sample { place: None, ..at(n, 0.0, ServiceState::None, echo(false)) }));
        for piece in pieces(samples) {
            world.send(WALK, piece);
            world.settle();
            late.settle(ingest_world::NOW).expect("it can be derived");
        }
        assert_eq!(votes(&world), [[ALIVE, MOVING, 0, 2, 0, 30]], "{until_s}, late");
    }
}

#[test]
fn an_alarm_of_low_voltage_explains_a_modem_that_is_gone_also_where_a_mains_input_speaks() {
    let mut world = World::new(&[]);
    let here = Point::new(22.28, 106.45).expect("it lies in Vietnam");
    let place = Some(Standing { at: here, hamlet: None, supply: None });
    let new = NewProbe { probe: probe(WALK), site: site(SITE), label: None, place };
    world.registrar().add(&new, begin_ms() - DAY_MS).expect("a new probe");
    let fixed = |at_s: i64, outcome| Sample { place: None, ..at(at_s, 0.0, ServiceState::Home, outcome) };
    let mut samples = Vec::new();
    for minute in 0..90 {
        let gone = (30..60).contains(&minute);
        samples.extend((0..3).map(|n| {
            let missing = Failure {
                of: Attempt::Radio,
                kind: FailureKind::DeviceMissing,
                detail: None,
                sent: None,
                elapsed_us: None,
            };
            let outcome = if gone { Outcome::Failure(missing) } else { cells(-90.0, None) };
            fixed(minute * 60 + n * 20, outcome)
        }));
    }
    let power = PowerReading { mains: Some(true), undervoltage: Some(true), battery_ratio: None };
    samples.push(fixed(30 * 60 - 5, Outcome::Reading(Reading::Power(power))));
    for piece in pieces(samples) {
        world.send(WALK, piece);
    }
    derive(&mut world, begin_ms() + 90 * MINUTE_MS);
    let db = Connection::open(world.dir.path().join("derived.db")).expect("it is there");
    let sql = "SELECT cause, proof FROM interruption WHERE kind = 2";
    let cause = db.query_row(sql, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    assert_eq!(cause.expect("it is blind"), ("device".into(), "undervoltage".into()));
    let facts: i64 = db.query_row("SELECT count(*) FROM fact WHERE what IN (2, 3)", [], |row| row.get(0)).expect("SQL");
    assert_eq!(facts, 2);
}
