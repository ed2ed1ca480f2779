//! A walk with a real gpsd through a hole of the position, an agent that is killed on the way, and its spool carried
//! to the collector by hand.

use phusong_protocol::{Outcome, Place, PlaceSource, Reading, ReadingKind};
use phusong_tests::harness::{Agent, AgentConfig, Collector, Gpsd, Lab, TargetConfig, wait};
use serde_json::Value;
use std::process::Output;
use std::time::Duration;

/// Twelve metres north a second: a point a second is due.
const STEP_DEGREES: f64 = 0.000_108;
const INTERVAL: Duration = Duration::from_millis(500);
/// In steps: a walk, a hole without a position, a walk.
const HOLE: std::ops::Range<i32> = 80..100;
const END: i32 = 140;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    said(output)
}

fn survey(agent: &Agent, arguments: &[&str]) -> Output {
    agent.cli(&[&["survey"], arguments].concat()).expect("it runs")
}

fn status(agent: &Agent) -> Value {
    let output = survey(agent, &["status", "--json"]);
    serde_json::from_slice::<Value>(&output.stdout).map(|answer| answer["survey"].clone()).unwrap_or_default()
}

/// Waits until the running survey is as wanted.
fn until(agent: &Agent, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let found = wait::until(what, wait::PATIENCE * 2, || Some(status(agent)).filter(|now| wanted(now)));
    found.unwrap_or_else(|e| panic!("{e}: {} {}", status(agent), agent.service.log_text()))
}

fn lab_config(lab: &Lab, gpsd: &Gpsd) -> AgentConfig {
    // A port where nobody answers: this probe is for ever offline.
    let mut config = lab.agent_config("p1").plain(1);
    config.uplinks = vec!["lo".into()];
    config.targets = vec![TargetConfig { period_ms: 1_000, ..TargetConfig::icmp("self", "127.0.0.1") }];
    config.extra = format!("position = {{ source = \"gpsd\", gpsd = \"{}\" }}\n", gpsd.address());
    config.extra += "setup = { environment = \"outdoor\", height_m = 1.5, antenna = \"internal\" }\n";
    config
}

/// What the collector holds of one kind: places and readings.
fn stored(collector: &Collector, kind: ReadingKind) -> Vec<(Option<Place>, Reading)> {
    let store = collector.store().expect("the store opens");
    let mut query = store.prepare("SELECT place, body FROM observation WHERE kind = ? ORDER BY at_ms").expect("SQL");
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Option<Vec<u8>>>(0)?, row.get::<_, Vec<u8>>(1)?));
    let rows = query.query_map([kind.code()], row).expect("rows");
    let read = |(place, body): (Option<Vec<u8>>, Vec<u8>)| {
        let place = place.map(|bytes| minicbor::decode(&bytes).expect("a place"));
        match Outcome::from_cbor(kind.code(), &body) {
            Ok(Outcome::Reading(reading)) => (place, reading),
            other => panic!("{other:?}"),
        }
    };
    rows.map(|row| read(row.expect("a row"))).collect()
}

fn walked(agent: &mut Agent) {
    let started = wait::until("a fix, and a survey that begins", wait::PATIENCE, || {
        let output = survey(agent, &["start", "walk-1", "--note", "đường làng"]);
        output.status.success().then(|| said(&output))
    });
    assert!(started.expect("in time").contains("walk-1 began"));
    let again = survey(agent, &["start", "walk-2"]);
    assert!(!again.status.success() && said(&again).contains("end it first"), "{}", said(&again));
    until(agent, "a few points", |now| now["points"].as_u64() >= Some(3));
    good(&survey(agent, &["mark", "cultural-house", "--note", "nhà \"văn hóa\", <xóm> & bản"]));
    assert!(good(&survey(agent, &["mark", "indoor"])).contains("indoors"));
    until(agent, "a point indoors", |now| now["points"].as_u64() >= Some(5));
    assert!(good(&survey(agent, &["mark", "indoor"])).contains("outdoors"));
    let points = status(agent)["points"].as_u64().expect("a number");

    agent.service.kill9().expect("it is killed");
    agent.restart().expect("it starts again");
    let on = until(agent, "the survey goes on", |now| now["points"].as_u64() > Some(points));
    assert_eq!((on["name"].as_str(), on["resumed"].as_u64(), on["marks"].as_u64()), (Some("walk-1"), Some(1), Some(3)));

    let missed = on["without_fix"].as_u64();
    let in_hole = |now: &Value| now["has_fix"] == false && now["without_fix"].as_u64() > missed;
    let lost = until(agent, "the position is lost", in_hole);
    let no_mark = survey(agent, &["mark", "school"]);
    assert!(!no_mark.status.success() && said(&no_mark).contains("position"), "{}", said(&no_mark));
    let before = lost["points"].as_u64();
    until(agent, "points after the hole", |now| now["points"].as_u64() > before && now["has_fix"] == true);
    assert!(good(&survey(agent, &["stop"])).contains("walk-1 is over"));
    assert!(!survey(agent, &["mark", "school"]).status.success(), "nothing runs any more");
}

#[test]
fn a_walk_survives_a_kill_invents_no_place_and_reaches_the_collector_by_hand() {
    if !Gpsd::here("survey") {
        return;
    }
    let lab = Lab::start("survey", &["p1"]).expect("the broker starts");
    let place = |step: i32| (!HOLE.contains(&step)).then_some((21.0 + f64::from(step) * STEP_DEGREES / 2.0, 105.0));
    let track: Vec<Option<(f64, f64)>> = (0..END).map(place).collect();
    let gpsd = Gpsd::drive(lab.path(), &track, INTERVAL).expect("gpsd starts");
    let config = lab_config(&lab, &gpsd);
    let mut agent = lab.start_agent(config.clone()).expect("the agent starts");
    walked(&mut agent);
    assert!(agent.stop().expect("it ends").success());

    let file = |name: &str| lab.path().join(name).to_str().expect("plain").to_owned();
    let (points, spool, acks) = (file("walk.geojson"), file("spool.psx"), file("acks.json"));
    good(&Agent::command(&config, &["survey", "export", &points]).expect("it runs"));
    let json: Value = serde_json::from_str(&std::fs::read_to_string(&points).expect("written")).expect("JSON");
    let features = json["features"].as_array().expect("features");
    let points: Vec<&Value> = features.iter().filter(|feature| feature["properties"]["kind"] == "point").collect();
    assert!(points.len() >= 6 && features.len() == points.len() + 3, "{}", features.len());
    assert!(points.iter().any(|point| point["properties"]["indoor"] == true));
    let answered = points.iter().filter(|point| point["properties"]["rtt_ms"].as_f64() > Some(0.0)).count();
    assert!(answered * 2 > points.len(), "{answered} of {}", points.len());

    let collector = lab.start_collector().expect("the collector starts");
    good(&Agent::command(&config, &["spool", "export", &spool]).expect("it runs"));
    good(&collector.cli(&["import", &spool, "--acks", &acks]).expect("it runs"));
    let marks: Vec<Reading> =
        stored(&collector, ReadingKind::Position).into_iter().map(|(_, reading)| reading).collect();
    let of_walk = |reading: &Reading| matches!(reading, Reading::Position(p) if p.survey.as_deref() == Some("walk-1"));
    assert!(marks.iter().all(of_walk), "{marks:?}");
    let marked = |reading: &&Reading| matches!(reading, Reading::Position(p) if p.mark.is_some());
    assert_eq!((marks.iter().filter(marked).count(), marks.len()), (2, 5), "began, three marks, stopped: {marks:?}");

    // Rounds on the move are sent each with its own place; there is no summary of several places.
    let echoes = stored(&collector, ReadingKind::Latency);
    let places: Vec<&Place> = echoes.iter().filter_map(|(place, _)| place.as_ref()).collect();
    assert!(places.len() > points.len(), "{} of {}", places.len(), points.len());
    // The first second after a hole is as bad as gpsd says; most are good.
    let near = places.iter().filter(|place| place.accuracy_m.is_some_and(|m| m < 100.0)).count();
    assert!(near * 2 > places.len(), "{near} of {}: {places:?}", places.len());
    for place in &places {
        assert!(place.source == PlaceSource::Gps && place.fix_age_s <= Some(30.0), "{place:?}");
        assert!((21.0..21.02).contains(&place.lat), "{place:?}");
        let step = ((place.lat - 21.0) / STEP_DEGREES * 2.0).round() as i32;
        // A position that is lost is no place of a sample any more, however young it is.
        assert!(!HOLE.contains(&step), "{place:?}");
    }
    assert!(places.iter().all(|place| place.fix_age_s < Some(5.0)), "{places:?}");

    good(&Agent::command(&config, &["spool", "ack", &acks]).expect("it runs"));
    assert_eq!(Agent::waiting(&config).expect("the spool says"), 0);
}
