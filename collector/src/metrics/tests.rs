//! The text of `/metrics`, and that its documentation names exactly what is in it.

use super::*;
use crate::ingest::{Counters, Fate};
use std::collections::BTreeSet;

fn text() -> String {
    let counters = Counters::default();
    counters.delay.observe(0.5);
    counters.delay.observe(1e9);
    let view = View {
        results: Fate::ALL.iter().map(|fate| (fate.name(), counters.get(*fate))).collect(),
        dead_letters: vec![("rejected", 0)],
        delay: &counters.delay,
        commit: &counters.commit_seconds,
        messages: 3,
        store_failures: 0,
        retimed: 0,
        clones: 0,
        queue_messages: 1,
        queue_bound: 4_096,
        queue_dropped: 0,
        mqtt_connected: true,
        broker: Some(broker::Figures {
            connections: 1,
            refused: vec![("login", 0)],
            forbidden: 0,
            held_back: 0,
            dropped: 0,
            not_retained: 0,
        }),
        store_ok: true,
        store: Some(StoreView { bytes: 1, free_bytes: 2, dead_letters: 0, dead_letter_bytes: 0 }),
        derive: Some(DeriveView { late_sealed: 0, final_changed: 0, unplaced: 0, touched_places: 0 }),
        probes: vec![ProbeView {
            probe: "na-chen-1".into(),
            site: "thanh-dinh".into(),
            missing: 4,
            lost: 3,
            clone_suspected: false,
            last_contact_ms: Some(1_500),
        }],
    };
    Metrics::new().render(&view).expect("encodes")
}

#[test]
fn every_result_stands_there_from_the_start_and_histograms_are_cumulative() {
    let text = text();
    for fate in Fate::ALL {
        let line = format!("phusong_collector_samples_total{{result=\"{}\"}} 0", fate.name());
        assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
    }
    for line in [
        "phusong_collector_messages_total 3",
        "phusong_missing_samples_total{site=\"thanh-dinh\",probe=\"na-chen-1\"} 3",
        "phusong_probe_missing_samples{site=\"thanh-dinh\",probe=\"na-chen-1\"} 4",
        "phusong_probe_last_contact_timestamp_seconds{site=\"thanh-dinh\",probe=\"na-chen-1\"} 1.5",
        "phusong_collector_sample_delay_seconds_bucket{le=\"1\"} 1",
        "phusong_collector_sample_delay_seconds_bucket{le=\"604800\"} 1",
        "phusong_collector_sample_delay_seconds_bucket{le=\"+Inf\"} 2",
        "phusong_collector_sample_delay_seconds_count 2",
    ] {
        assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
    }
}

#[test]
fn every_family_is_documented_with_its_type_and_none_beside() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let documented = std::fs::read_to_string(path).expect("shipped");
    let text = text();
    let families: BTreeSet<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let row = |line: &'static str| -> Option<(&'static str, &'static str)> {
        let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`'));
        let (name, kind) = (cells.nth(1)?, cells.next()?);
        name.starts_with("phusong_").then_some((name, kind))
    };
    let documented: &'static str = documented.leak();
    let own = documented.split("\n## ").find(|section| section.starts_with("The collector: `GET /metrics`\n"));
    let rows: BTreeSet<(&str, &str)> = own.expect("a section of its own").lines().filter_map(row).collect();
    assert_eq!(families, rows);
}
