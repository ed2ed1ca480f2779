//! From bandwidth tests that arrive to what the API says of them: medians of a day, verdicts left out, the state served.

mod api_world;
mod ingest_world;

use api_world::Commune;
use ingest_world::{NOW, batch, sample};
use phusong_collector::derive::{Derive, Options};
use phusong_protocol::{Clock, Epoch, Outcome, Reading, Sample, ThroughputReading, Uplink};
use serde_json::{Value, json};
use std::sync::Arc;

const MINUTE: i64 = 60_000;
const MBIT: u64 = 1_000_000;

/// So many minutes ago, so many Mbit/s down; up a tenth of it.
fn tested(seq: u64, ago: i64, mbit: u64, early: bool, self_load: Option<bool>) -> Sample {
    let reading = ThroughputReading {
        down_bps: Some(mbit * MBIT),
        up_bps: Some(mbit * MBIT / 10),
        bytes: 1_000_000,
        elapsed_ms: 5_000,
        early,
        method: "librespeed".into(),
    };
    let uplink = Uplink {
        interface: "eth0".into(),
        provider: Some("vnpt".into()),
        sim_plmn: None,
        serving_plmn: None,
        roaming: None,
        service_state: None,
        technology: None,
        rrc: None,
        self_load,
    };
    Sample {
        wall_ms: NOW - ago * MINUTE,
        clock: Clock { synced: true, age_s: Some(1) },
        uplink: Some(Arc::new(uplink)),
        outcome: Outcome::Reading(Reading::Throughput(reading.clone())),
        ..sample(seq, 2, 100_000_000 - (ago * MINUTE).cast_unsigned(), Reading::Throughput(reading))
    }
}

/// The link of a hamlet.
fn vnpt(hamlet: &Value) -> Value {
    let links = hamlet["links"].as_array().expect("a list").clone();
    links.into_iter().find(|link| link["network"] == "fixed:vnpt").expect("it was measured")
}

#[test]
fn a_day_of_tests_becomes_medians_of_what_counts_whatever_order_they_came_in() {
    let order = |reversed: bool| {
        let mut commune = Commune::ground();
        let mut samples = vec![
            tested(0, 25 * 60, 500, false, None),
            tested(1, 20 * 60, 10, false, None),
            tested(2, 10 * 60, 30, false, None),
            tested(3, 5 * 60, 900, true, None),
            // Two of one hour: the newer counts.
            tested(4, 100, 800, false, None),
            tested(5, 95, 20, false, None),
            tested(6, 3, 700, false, Some(true)),
        ];
        if reversed {
            samples.reverse();
        }
        for one in samples {
            commune.world.send("na-chen-1", batch("na-chen-1", Epoch(0x77), &[one]));
        }
        let mut derive = Derive::open(commune.world.dir.path(), Options::default(), NOW).expect("a store");
        derive.settle(NOW).expect("it can be written");
        let link = vnpt(&commune.found("/api/v1/hamlets/nc")["hamlet"]);
        let list = vnpt(&commune.found("/api/v1/hamlets?network=fixed:vnpt")["items"][0])["throughput"].clone();
        let probe = commune.found("/api/v1/probes/na-chen-1")["throughput"].clone();
        (link["throughput"].clone(), list, probe)
    };
    let (one, list, probe) = order(false);
    let at_ms = NOW - 95 * MINUTE;
    assert_eq!(
        one,
        json!({"down_bps": 20 * MBIT, "up_bps": 2 * MBIT, "at": one["at"], "at_ms": at_ms, "n": 3}),
        "{one}"
    );
    assert_eq!(probe, json!([{"network": "fixed:vnpt", "throughput": one}]));
    assert_eq!(list, one);
    assert_eq!(order(true), (one, list, probe));
}

#[test]
fn a_test_that_transferred_bytes_is_an_answer_of_the_network() {
    let mut commune = Commune::ground();
    commune.world.send("na-chen-1", batch("na-chen-1", Epoch(0x77), &[tested(0, 2, 30, true, None)]));
    let mut derive = Derive::open(commune.world.dir.path(), Options::default(), NOW).expect("a store");
    derive.settle(NOW).expect("it can be written");
    let link = vnpt(&commune.found("/api/v1/hamlets/nc")["hamlet"]);
    assert_eq!((&link["grade"], &link["reason"]), (&json!("good"), &json!("served")));
    assert_eq!(link["throughput"], Value::Null, "a verdict is no speed");
}
