//! A simulated commune in real time: its broker is killed while the past is on its way, and nothing is missing.

use phusong_protocol::decode;
use phusong_simulator::{DAY_MS, Login, Plan, Rates, Said, World, follow};
use phusong_tests::harness::{Collector, Lab, wait};
use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::{SystemTime, UNIX_EPOCH};

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

fn register(collector: &Collector, world: &World) {
    for one in world.registrations() {
        let site = String::from(one.site.clone());
        let output = collector.cli(&["probe", "add", one.probe.as_str(), "--site", &site]).expect("the command line");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_commune_in_real_time_outlives_its_broker_and_nothing_is_missing() {
    let start_ms = now_ms() - 2 * DAY_MS;
    let rates = Rates { moves: 0.0, power_per_hamlet: 10.0, ..Rates::default() };
    let plan = Plan { hamlets: 2, rates, cellular: true, ..Plan::new(31, start_ms, 30) };
    let world = World::new(plan).expect("a good plan");
    let registrations = world.registrations();
    let names: Vec<&str> = registrations.iter().map(|one| one.probe.as_str()).collect();
    let mut lab = Lab::start("follow", &names).expect("the broker starts");
    let collector = Collector::start(lab.collector_config(), &[], &[]).expect("the collector starts");
    register(&collector, &world);

    let broker = format!("mqtt://127.0.0.1:{}", lab.broker.plain_port());
    let login = Login { broker: broker.clone(), user: "{probe}".into(), password: "{probe}-secret".into() };
    let accounts = login.accounts(&registrations);
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let (told, said) = mpsc::channel();
    let deliveries = world.deliveries();
    let running = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let stop = async { drop(ended.await) };
        // Once the past is over nobody listens any more.
        let say = |said: Said| told.send(said).unwrap_or_default();
        runtime.block_on(follow(&broker, &accounts, deliveries, stop, say)).expect("an address of ours")
    });
    let all = "SELECT count(*) FROM observation";
    collector.wait_query("some of the past", all, |n| n > 500).expect("in time");
    lab.broker.kill9().expect("it ran");
    lab.broker.restart().expect("the same ports");
    let caught_up = || said.try_iter().find(|said| matches!(said, Said::CaughtUp { .. }));
    wait::until("all of the past has arrived", wait::PATIENCE * 6, caught_up).expect("in spite of the broker");
    let upto_ms = now_ms();
    drop(end);
    let published = running.join().expect("it ends in order");
    assert!(published.messages > 500, "{published:?}");

    let mut ids = BTreeSet::new();
    for delivery in world.deliveries().take_while(|delivery| delivery.received_ms < upto_ms - 10_000) {
        let batch = decode(&delivery.payload).expect("a batch");
        ids.extend(batch.samples.iter().map(|sample| (batch.epoch, sample.seq)));
    }
    let wanted = ids.len() as i64;
    collector.wait_query("every sample of the past", all, |n| n >= wanted).expect("nothing is missing");
    assert_eq!(collector.query("SELECT count(*) FROM dead_letter").expect("a count"), 0);
}
