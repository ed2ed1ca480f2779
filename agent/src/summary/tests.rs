//! What the fold must give: known numbers, and properties over any rounds.

use super::*;
use phusong_protocol::{DnsReading, HttpReading, LatencyReading, TcpReading};
use proptest::prelude::*;

const EPOCH: Epoch = Epoch(7);

fn latency(seq: u64, wall_ms: i64, rtts_us: &[u32], lost: &[u16]) -> Sample {
    let target = Target { name: "gateway".into(), host: "gateway".into(), address: None, tags: Vec::new() };
    Sample {
        seq,
        boot_id: Some(BootId([1; 16])),
        mono_ms: Some(wall_ms as u64 + 1_000),
        wall_ms,
        clock: Clock::default(),
        place: None,
        setup: None,
        uplink: None,
        target: Some(Arc::new(target)),
        outcome: Outcome::Reading(Reading::Latency(LatencyReading {
            sent: (rtts_us.len() + lost.len()) as u16,
            rtt_us: rtts_us.to_vec(),
            lost: lost.to_vec(),
        })),
    }
}

fn summary_of(sample: &Sample) -> &SummaryReading {
    match &sample.outcome {
        Outcome::Reading(Reading::Summary(summary)) => summary,
        other => panic!("not a summary: {other:?}"),
    }
}

#[test]
fn known_rounds_give_known_numbers() {
    let mut summaries = Summaries::new(300_000);
    summaries.add(EPOCH, &latency(10, 1_000, &[100, 300, 200], &[3, 4]));
    summaries.add(EPOCH, &latency(11, 2_000, &[400, 500, 600, 700], &[0]));
    summaries.add(EPOCH, &latency(14, 9_000, &[800, 900, 1_000], &[]));
    let closed = summaries.take_all();
    assert_eq!(closed.len(), 1);
    assert_eq!((closed[0].wall_ms, closed[0].mono_ms), (9_000, Some(10_000)));
    let s = summary_of(&closed[0]);
    assert_eq!((s.rounds, s.sent, s.received), (3, 13, 10));
    assert_eq!((s.first_mono_ms, s.last_mono_ms), (2_000, 10_000));
    assert_eq!((s.min_us, s.p10_us, s.p50_us), (Some(100), Some(100), Some(500)));
    assert_eq!((s.p90_us, s.p95_us, s.p99_us, s.max_us), (Some(900), Some(1_000), Some(1_000), Some(1_000)));
    // 100..1000 in steps of 100: mean 550, sample standard deviation 302.77.
    assert_eq!((s.mean_us, s.sd_us), (Some(550), Some(303)));
    // Differences inside rounds: 200, 100 | 100, 100, 100 | 100, 100: 800 over 7.
    assert_eq!(s.jitter_us, Some(114));
    assert_eq!((s.loss_bursts, s.longest_burst), (2, 2));
    assert_eq!(s.sketch.count(), 10);
    assert_eq!(s.replaces.epoch, EPOCH);
    assert_eq!(s.replaces.ranges.iter().collect::<Vec<_>>(), [(10, 11), (14, 14)]);
    assert_eq!(closed[0].check(), Ok(()));
}

#[test]
fn a_window_closes_after_its_end_and_rounds_of_two_windows_never_share_one() {
    let mut summaries = Summaries::new(300_000);
    summaries.add(EPOCH, &latency(1, 299_999, &[1], &[]));
    summaries.add(EPOCH, &latency(2, 300_000, &[2], &[]));
    assert_eq!(summaries.next_close_ms(), Some(305_000));
    assert!(summaries.take_ended(304_999).is_empty(), "a round that began in the window may still come");
    let first = summaries.take_ended(305_000);
    assert_eq!(first.len(), 1);
    assert_eq!(summary_of(&first[0]).max_us, Some(1));
    assert_eq!(summary_of(&summaries.take_ended(700_000)[0]).max_us, Some(2));
}

#[test]
fn a_clock_that_was_set_back_does_not_keep_a_window_open() {
    let mut summaries = Summaries::new(300_000);
    summaries.add(EPOCH, &latency(1, 1_700_000_000_000, &[1], &[]));
    assert_eq!(summaries.take_ended(1_000_000).len(), 1);
}

#[test]
fn a_summary_has_at_most_256_ranges_and_the_next_one_goes_on() {
    let mut summaries = Summaries::new(300_000);
    for i in 0..600 {
        summaries.add(EPOCH, &latency(i * 2, i as i64, &[5], &[]));
    }
    let closed = summaries.take_all();
    assert_eq!(closed.len(), 3);
    let mut all = Ranges::new();
    for sample in &closed {
        assert!(summary_of(sample).replaces.ranges.parts() <= limits::RANGES);
        assert_eq!(sample.check(), Ok(()));
        all.union(&summary_of(sample).replaces.ranges);
    }
    assert_eq!(all.count(), 600);
}

#[test]
fn epochs_kinds_targets_and_uplinks_have_summaries_of_their_own() {
    let mut summaries = Summaries::new(300_000);
    summaries.add(EPOCH, &latency(1, 0, &[1], &[]));
    summaries.add(Epoch(8), &latency(1, 0, &[1], &[]));
    let mut tcp = latency(2, 0, &[], &[]);
    tcp.outcome = Outcome::Reading(Reading::Tcp(TcpReading { connect_us: 9 }));
    summaries.add(EPOCH, &tcp);
    let mut dns = latency(3, 0, &[], &[]);
    dns.outcome = Outcome::Reading(Reading::Dns(DnsReading { query_us: 7, rcode: 3, answers: 0, truncated: None }));
    summaries.add(EPOCH, &dns);
    let mut http = latency(4, 0, &[], &[]);
    http.outcome = Outcome::Reading(Reading::Http(HttpReading {
        status: 200,
        total_us: 8,
        dns_us: Some(1),
        connect_us: Some(2),
        tls_us: Some(3),
        first_byte_us: Some(1),
        body_bytes: Some(1),
    }));
    summaries.add(EPOCH, &http);
    let closed = summaries.take_all();
    assert_eq!(closed.len(), 5);
    for (of, value_us) in [(Attempt::Dns, 7), (Attempt::Http, 8)] {
        let summary = closed.iter().map(summary_of).find(|s| s.of == of).expect("a round of its kind");
        assert_eq!((summary.sent, summary.received, summary.mean_us), (1, 1, Some(value_us)));
    }
    let tcp = closed.iter().map(summary_of).find(|s| s.of == Attempt::Tcp).expect("the tcp round");
    assert_eq!((tcp.sent, tcp.received, tcp.mean_us, tcp.sd_us, tcp.jitter_us), (1, 1, Some(9), None, None));
}

fn rounds() -> impl Strategy<Value = Vec<(Vec<u32>, Vec<u16>)>> {
    let lost = prop::collection::btree_set(0u16..20, 0..6).prop_map(|set| set.into_iter().collect());
    prop::collection::vec((prop::collection::vec(any::<u32>(), 0..20), lost), 0..12)
}

fn fold(rounds: &[(Vec<u32>, Vec<u16>)]) -> Fold {
    let mut fold = Fold::default();
    for (i, (rtts, lost)) in rounds.iter().enumerate() {
        let sent = (rtts.len() + lost.len()) as u32;
        fold.add(&Round { sent, rtts_us: rtts.as_slice().into(), lost }, i as u64);
    }
    fold
}

fn summarised(fold: Fold) -> SummaryReading {
    fold.into_summary(Attempt::Latency, Replaced { epoch: EPOCH, ranges: Ranges::new() })
}

proptest! {
    #[test]
    fn two_folds_merged_are_the_fold_of_all_rounds(rounds in rounds(), cut in 0usize..12) {
        let cut = cut.min(rounds.len());
        let whole = summarised(fold(&rounds));
        let mut merged = fold(&rounds[..cut]);
        let mut second = Fold::default();
        for (i, (rtts, lost)) in rounds.iter().enumerate().skip(cut) {
            let sent = (rtts.len() + lost.len()) as u32;
            second.add(&Round { sent, rtts_us: rtts.as_slice().into(), lost }, i as u64);
        }
        second.merge(&merged);
        merged.merge(&fold(&[]));
        prop_assert_eq!(summarised(second), whole);
    }

    #[test]
    fn every_round_is_in_exactly_one_summary(walls in prop::collection::vec(0i64..2_000_000, 1..200)) {
        let mut summaries = Summaries::new(60_000);
        let mut closed = Vec::new();
        for (seq, wall) in walls.iter().enumerate() {
            summaries.add(EPOCH, &latency(seq as u64, *wall, &[1, 2], &[]));
            closed.extend(summaries.take_ended(*wall));
        }
        closed.extend(summaries.take_all());
        let mut seen = Ranges::new();
        let mut count = 0;
        for sample in &closed {
            count += summary_of(sample).replaces.ranges.count();
            seen.union(&summary_of(sample).replaces.ranges);
            prop_assert_eq!(u64::from(summary_of(sample).rounds), summary_of(sample).replaces.ranges.count());
        }
        prop_assert_eq!(count, walls.len() as u64);
        prop_assert_eq!(seen, Ranges::of(0, walls.len() as u64 - 1));
    }
}
