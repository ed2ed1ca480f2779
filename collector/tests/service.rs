//! The whole collector beside a real Mosquitto: acknowledged once committed, flow control, reload, an orderly end.

mod broker;
mod house;

use broker::Broker;
use house::{Home, PROBE, Probe, SITE, TOPIC, batch, wait};
use phusong_protocol::{AckResult, Epoch, Ranges};
use rustix::process::Signal;
use std::time::Duration;

const OPEN: &str = "allow_anonymous true";

fn registered(broker: &Broker, protocol: u16, mqtt: &str, extra: &str) -> Home {
    let home = Home::new(broker, protocol, mqtt, extra);
    home.says(&["probe", "add", PROBE, "--site", SITE]);
    home
}

#[test]
fn a_batch_is_stored_acknowledged_and_counted_and_its_copy_is_a_duplicate() {
    for protocol in [5, 311] {
        let broker = Broker::start(&format!("once-{protocol}"), OPEN);
        let home = registered(&broker, protocol, "", "");
        let collector = home.start();
        collector.wait_ready();
        let mut probe = Probe::connect(&broker);
        let payload = batch(7, 1, 100);
        for (result, name) in [(AckResult::Stored, "stored"), (AckResult::Duplicate, "duplicate")] {
            probe.publish(TOPIC, payload.clone());
            let message = probe.ack(name, |message| message.acks.iter().any(|ack| ack.result == result));
            assert_eq!(message.acks.len(), 1);
            assert_eq!(message.acks[0].epoch, Some(Epoch(7)));
            assert_eq!(message.acks[0].ranges, Ranges::of(1, 100));
            assert_eq!(collector.metric(&format!("phusong_collector_samples_total{{result=\"{name}\"}}")), 100.0);
        }
        wait("nothing is under way", || collector.metric("phusong_collector_queue_messages") == 0.0);
        let missing = format!("phusong_probe_missing_samples{{site=\"{SITE}\",probe=\"{PROBE}\"}}");
        assert_eq!(collector.metric(&missing), 1.0, "seq 0 never came");
        assert!(collector.log().contains("by a shared subscription"), "{}", collector.log());
    }
}

#[test]
fn many_batches_of_one_probe_are_acknowledged_in_few_messages() {
    let broker = Broker::start("merged", OPEN);
    let home = registered(&broker, 5, "", "[ingest]\nack_interval_ms = 2000");
    let collector = home.start();
    collector.wait_ready();
    let mut probe = Probe::connect(&broker);
    (0..50).for_each(|n| probe.publish(TOPIC, batch(7, n * 10, n * 10 + 9)));
    let mut told = Ranges::new();
    let mut messages = 0;
    while told != Ranges::of(0, 499) {
        let message = probe.ack("all ranges", |_| true);
        message.acks.iter().for_each(|ack| told.union(&ack.ranges));
        messages += 1;
    }
    assert!(messages <= 5, "{messages} messages for 50 batches");
}

#[test]
fn a_store_that_is_busy_is_waited_for_and_nothing_is_dropped() {
    let broker = Broker::start("held", OPEN);
    let home = registered(&broker, 5, "", "");
    let collector = home.start();
    collector.wait_ready();
    let other = rusqlite::Connection::open(home.data.join("phusong.db")).expect("the database is there");
    other.execute_batch("BEGIN IMMEDIATE").expect("the write lock");
    let mut probe = Probe::connect(&broker);
    (0..60).for_each(|n| probe.publish(TOPIC, batch(7, n, n)));
    probe.until_confirmed(60);
    wait("all of it waits", || collector.metric("phusong_collector_queue_messages") == 60.0);
    assert_eq!(collector.metric("phusong_collector_samples_total{result=\"stored\"}"), 0.0);
    other.execute_batch("ROLLBACK").expect("own transaction");
    wait("all of it is stored", || collector.metric("phusong_collector_samples_total{result=\"stored\"}") == 60.0);
    assert_eq!(collector.metric("phusong_collector_queue_dropped_total"), 0.0);
}

#[test]
fn a_backlog_that_the_broker_sends_at_once_is_held_back_and_nothing_is_dropped() {
    let broker = Broker::start("burst", OPEN);
    let home = registered(&broker, 5, "receive_maximum = 10", "[ingest]\nqueue_messages = 16\ngroup_commit_rows = 1");
    let collector = home.start();
    collector.wait_ready();
    let other = rusqlite::Connection::open(home.data.join("phusong.db")).expect("the database is there");
    other.execute_batch("BEGIN IMMEDIATE").expect("the write lock");
    let mut probe = Probe::connect(&broker);
    (0..500).for_each(|n| probe.publish(TOPIC, batch(7, n, n)));
    probe.until_confirmed(500);
    other.execute_batch("ROLLBACK").expect("own transaction");
    // Mosquitto 2.0.11 forgets its window once confirmations come in.
    wait("all of it is stored", || collector.metric("phusong_collector_samples_total{result=\"stored\"}") == 500.0);
    assert_eq!(collector.metric("phusong_collector_queue_dropped_total"), 0.0);
}

#[test]
fn a_full_queue_drops_unacknowledged_says_so_and_takes_the_copies_later() {
    let broker = Broker::start("full", &format!("{OPEN}\nmax_queued_messages 0\nmax_inflight_messages 0"));
    let home = registered(&broker, 5, "", "[ingest]\nqueue_messages = 16\ngroup_commit_rows = 1\nack_interval_ms = 10");
    let collector = home.start();
    collector.wait_ready();
    let other = rusqlite::Connection::open(home.data.join("phusong.db")).expect("the database is there");
    other.execute_batch("BEGIN IMMEDIATE").expect("the write lock");
    let mut probe = Probe::connect(&broker);
    let payloads: Vec<Vec<u8>> = (0..200).map(|n| batch(7, n, n)).collect();
    payloads.iter().for_each(|payload| probe.publish(TOPIC, payload.clone()));
    probe.until_confirmed(200);
    wait("the queue is full", || collector.metric("phusong_collector_queue_dropped_total") > 0.0);
    let (status, body) = collector.get("/readyz", "");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("what was dropped comes again"), "{body}");
    other.execute_batch("ROLLBACK").expect("own transaction");
    // As an agent would: again, until everything is acknowledged.
    let mut told = Ranges::new();
    while told != Ranges::of(0, 199) {
        let next = (0..200).find(|n| !told.contains(*n)).expect("not all told");
        probe.publish(TOPIC, payloads[next as usize].clone());
        let wanted = |message: &phusong_protocol::AckMessage| message.acks.iter().any(|ack| ack.ranges.contains(next));
        probe.ack("the retry", wanted).acks.iter().for_each(|ack| told.union(&ack.ranges));
    }
    assert_eq!(collector.metric("phusong_collector_samples_total{result=\"stored\"}"), 200.0);
}

#[test]
fn sigterm_commits_and_acknowledges_what_was_taken_and_a_new_start_continues() {
    let broker = Broker::start("term", OPEN);
    let home = registered(&broker, 5, "", "");
    let mut collector = home.start();
    collector.wait_ready();
    let mut probe = Probe::connect(&broker);
    (0..300).for_each(|n| probe.publish(TOPIC, batch(7, n * 100, n * 100 + 99)));
    probe.until_confirmed(300);
    wait("some of it is taken", || collector.metric("phusong_collector_messages_total") > 0.0);
    let (status, took) = collector.stop();
    assert!(status.success(), "{}", collector.log());
    assert!(took < Duration::from_secs(10), "{took:?}");
    let store = rusqlite::Connection::open(home.data.join("phusong.db")).expect("the database is there");
    let count = "SELECT count(*) FROM observation";
    let stored: i64 = store.query_row(count, [], |row| row.get(0)).expect("a count");
    let stored = stored.cast_unsigned();
    // What was committed was also acknowledged before the end.
    let mut told = Ranges::new();
    while told.count() < stored {
        probe.ack("an acknowledgement for each row", |_| true).acks.iter().for_each(|ack| told.union(&ack.ranges));
    }
    assert_eq!(told.count(), stored);
    home.start().wait_ready();
}

#[test]
fn a_second_collector_on_the_same_directory_is_refused_and_told_why() {
    let broker = Broker::start("second", OPEN);
    let home = registered(&broker, 5, "", "");
    let _first = home.start();
    let said = home.refuses(&["run"]);
    assert!(said.contains("is in use by phusong-collector, process"), "{said}");
    assert!(said.contains("stop it, or give this collector a data_dir of its own"), "{said}");
}

#[test]
fn a_broker_that_comes_late_or_goes_away_is_found_again() {
    let mut broker = Broker::start("late", OPEN);
    let home = registered(&broker, 5, "", "");
    broker.stop();
    let collector = home.start();
    wait("it says why it is not ready", || {
        let (status, body) = collector.get("/readyz", "");
        status == 503 && body.contains("broker: ")
    });
    broker.restart();
    collector.wait_ready();
    broker.stop();
    wait("it notices", || collector.get("/readyz", "").0 == 503);
    broker.restart();
    collector.wait_ready();
    let mut probe = Probe::connect(&broker);
    probe.publish(TOPIC, batch(7, 0, 0));
    probe.ack("it works again", |message| message.acks[0].result == AckResult::Stored);
    assert!(collector.metric("phusong_collector_mqtt_reconnects_total") >= 2.0);
}

#[test]
fn a_reload_takes_over_what_is_live_names_the_rest_and_refuses_a_wrong_file() {
    let broker = Broker::start("reload", OPEN);
    let home = registered(&broker, 5, "", "");
    let collector = home.start();
    collector.wait_ready();
    let right = std::fs::read_to_string(&home.file).expect("own file");
    std::fs::write(&home.file, right.replace("[http]", "[http]\nport = 1")).expect("own file");
    collector.signal(Signal::HUP);
    wait("the wrong file is refused", || collector.log().contains("not reloaded, the old configuration holds"));
    assert_eq!(collector.get("/healthz", "").0, 200);
    let changed = right.replace("[http]", "keepalive_s = 60\n[http]\ntoken = \"0123456789abcdef\"");
    std::fs::write(&home.file, changed).expect("own file");
    collector.signal(Signal::HUP);
    wait("the token holds", || collector.get("/healthz", "").0 == 401);
    assert_eq!(collector.get("/healthz", "Authorization: Bearer 0123456789abcdef\r\n").0, 200);
    wait("the rest is named", || collector.log().contains("these changes need a restart: [mqtt]"));
}
