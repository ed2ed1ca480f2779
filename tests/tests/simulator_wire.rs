//! The simulated commune over a real broker into a real collector: everything it says is taken, nothing is missing.

use phusong_protocol::decode;
use phusong_simulator::{DAY_MS, Login, Plan, Rates, World, publish};
use phusong_tests::harness::{Collector, Lab};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

/// Two hamlets for two days, with more trouble than usual.
fn world() -> World {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
    let usual = Rates::default();
    let rates = Rates {
        power_per_hamlet: 30.0,
        backhaul_per_hamlet: 20.0,
        restart_per_probe: 30.0,
        crash_per_probe: 15.0,
        delay_per_hamlet: 15.0,
        ..usual
    };
    World::new(Plan { hamlets: 2, rates, ..Plan::new(21, now - 2 * DAY_MS, 2) }).expect("a good plan")
}

fn told(collector: &Collector, args: &[&str]) {
    let output = collector.cli(args).expect("the collector's command line");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_simulated_commune_is_taken_whole_by_a_real_collector() {
    let world = world();
    let registrations = world.registrations();
    let names: Vec<&str> = registrations.iter().map(|one| one.probe.as_str()).collect();
    let lab = Lab::start("simulator", &names).expect("the broker starts");
    let collector = Collector::start(lab.collector_config(), &[], &[]).expect("the collector starts");
    let areas = lab.path().join("areas.geojson");
    std::fs::write(&areas, world.areas()).expect("the directory is ours");
    told(&collector, &["areas", "import", areas.to_str().expect("UTF-8")]);
    for one in &registrations {
        let (lat, lon) = (one.lat.to_string(), one.lon.to_string());
        let place = ["--lat", &lat, "--lon", &lon, "--hamlet", &one.hamlet, "--supply", &one.supply];
        let site: &str = &String::from(one.site.clone());
        told(&collector, &[&["probe", "add", one.probe.as_str(), "--site", site][..], &place].concat());
    }

    let broker = format!("mqtt://127.0.0.1:{}", lab.broker.plain_port());
    let login = Login { broker, user: "{probe}".into(), password: "{probe}-secret".into() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let published = runtime
        .block_on(publish(&login, &registrations, world.deliveries(), 0.0, |_| {}))
        .expect("the broker takes all of it");
    assert!(published.messages > 2_000, "{published:?}");

    let (mut ids, mut starts) = (BTreeSet::new(), BTreeSet::new());
    for delivery in world.deliveries() {
        let batch = decode(&delivery.payload).expect("a batch");
        starts.insert(batch.epoch);
        ids.extend(batch.samples.iter().map(|sample| (batch.epoch, sample.seq)));
    }
    let all = "SELECT count(*) FROM observation";
    collector.wait_query("every sample", all, |n| n == ids.len() as i64).expect("in time");
    let starts = starts.len() as i64;
    assert!(starts > 8, "{starts} starts");
    // Of each start but the last of its probe, the next one named the end: everything up to there is here or explained.
    let complete = "SELECT coalesce(sum(a.top_seq = b.prev_seq AND a.accounted = b.prev_seq + 1), 0) \
                    FROM epoch a JOIN epoch b ON b.prev_ref = a.id";
    let ended = starts - names.len() as i64;
    collector.wait_query("every ended start", complete, |n| n == ended).expect("nothing is missing");
    assert_eq!(collector.query("SELECT count(*) FROM dead_letter").expect("a count"), 0);
    let cloned = "SELECT count(*) FROM probe WHERE clone_suspected_ms IS NOT NULL";
    assert_eq!(collector.query(cloned).expect("a count"), 0);
}
