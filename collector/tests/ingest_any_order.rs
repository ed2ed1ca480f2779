//! The property that the rest stands on: whatever the order, the splitting and the repetition in which the same
//! samples arrive, the store ends up the same.

mod ingest_world;

use ingest_world::{NOW, Picture, World, boot, clock, dropped, json, probe, record, sample, summary, tcp};
use phusong_collector::store::StoreOptions;
use phusong_protocol::{Epoch, Outcome, Ranges, Reading, Sample, Scan, ScanEntry, encode_batch};
use proptest::prelude::*;

const PROBES: [&str; 3] = ["na-chen-1", "na-chen-2", "khau-vai"];

/// Samples of one epoch that were sent at all.
struct Sent {
    probe: &'static str,
    epoch: Epoch,
    samples: Vec<Sample>,
}

/// A history of devices, drawn from a seed: boots with and without anchors, restarts, summaries, drops, losses.
fn history(rng: &mut fastrand::Rng) -> Vec<Sent> {
    let mut sent = Vec::new();
    for (p, name) in PROBES.into_iter().enumerate().take(rng.usize(1..=3)) {
        let mut start_ms = NOW - 10 * 86_400_000;
        let mut prev: Option<(Epoch, u64)> = None;
        for b in 0..rng.u8(1..=3) {
            let anchored = rng.bool();
            let synced = rng.u8(0..4) == 0;
            let mut mono_ms = rng.u64(1_000..30_000);
            for e in 0..rng.u64(1..=2) {
                let epoch = Epoch(1 + (p as u64) * 100 + u64::from(b) * 10 + e);
                let mut samples = Vec::new();
                let mut held_back = Ranges::new();
                let count = rng.u64(2..25);
                for seq in 0..count {
                    mono_ms += rng.u64(1..400_000);
                    let true_ms = start_ms + mono_ms as i64;
                    let raw = std::mem::take(&mut held_back);
                    let mut next = match rng.u8(0..12) {
                        _ if seq == 0 => boot(0, b, mono_ms, prev),
                        0 | 1 if anchored => {
                            let err_ms = rng.u32(1..200);
                            clock(seq, b, mono_ms, true_ms + rng.i64(-100..100), err_ms)
                        }
                        2 if !raw.is_empty() => summary(seq, b, mono_ms, epoch, raw.clone()),
                        3 if !raw.is_empty() => dropped(seq, b, mono_ms, epoch, raw.clone()),
                        4 | 5 => {
                            // Stays in the spool; a summary or a drop speaks of it, or it is lost.
                            held_back = raw;
                            held_back.insert(seq, seq);
                            continue;
                        }
                        6 => broken(seq, b, mono_ms),
                        _ => tcp(seq, b, mono_ms),
                    };
                    if !matches!(next.outcome, Outcome::Reading(Reading::Summary(_) | Reading::Drop(_))) {
                        held_back = raw;
                    }
                    next.clock.synced = synced;
                    next.wall_ms = if synced { true_ms } else { rng.i64(0..1_000_000) };
                    // Lost for good, now and then the first one.
                    if rng.u8(0..20) != 0 {
                        samples.push(next);
                    }
                }
                prev = Some((epoch, count - 1));
                sent.push(Sent { probe: name, epoch, samples });
            }
            start_ms += mono_ms as i64 + 120_000;
        }
    }
    sent
}

/// A sample that breaks a bound: it becomes a dead letter, and its id is explained.
fn broken(seq: u64, boot: u8, mono_ms: u64) -> Sample {
    let entry = ScanEntry { plmn: "4".repeat(200), name: None, technology: None };
    sample(seq, boot, mono_ms, Reading::Scan(Scan { entries: vec![entry], elapsed_ms: 1, raw: None }))
}

/// Cuts every epoch into batches at random.
fn split(rng: &mut fastrand::Rng, sent: &[Sent]) -> Vec<(String, Vec<u8>)> {
    let mut messages = Vec::new();
    for part in sent {
        let piles = rng.usize(1..=5);
        let mut batches = vec![Vec::new(); piles];
        for sample in &part.samples {
            batches[rng.usize(0..piles)].push(sample.clone());
        }
        for samples in batches.into_iter().filter(|samples| !samples.is_empty()) {
            let topic = format!("phusong/v1/{}/{}/batch", ingest_world::SITE, part.probe);
            messages.push((topic, encode_batch(&probe(part.probe), part.epoch, &samples)));
        }
    }
    for n in 0..rng.u32(0..4) {
        let topic = format!("phusong/v1/{}/{}/batch", ingest_world::SITE, PROBES[0]);
        messages.push((topic, json(PROBES[0], &[record(NOW - 5_000, n % 2 == 0, n)])));
    }
    messages
}

/// Takes the messages in and gives the final picture.
fn arrive(rng: &mut fastrand::Rng, messages: Vec<(String, Vec<u8>)>) -> Picture {
    // Few rows to a step, so that re-timing stretches over transactions.
    let mut world = World::with(&PROBES, StoreOptions { retime_rows: rng.usize(1..40), ..StoreOptions::default() });
    let mut rest = messages.into_iter().peekable();
    while rest.peek().is_some() {
        let group = rest.by_ref().take(rng.usize(1..6)).collect();
        world.group(group);
    }
    world.settle();
    world.picture(&PROBES)
}

/// One history, in order and then twice in disorder.
fn check(seed: u64) -> Result<(), TestCaseError> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let sent = history(&mut rng);
    let in_order: Vec<_> = sent
        .iter()
        .filter(|part| !part.samples.is_empty())
        .map(|part| {
            let topic = format!("phusong/v1/{}/{}/batch", ingest_world::SITE, part.probe);
            (topic, encode_batch(&probe(part.probe), part.epoch, &part.samples))
        })
        .collect();
    let foreign: Vec<_> = split(&mut rng, &[]);
    let wanted = arrive(&mut rng, in_order.into_iter().chain(foreign.clone()).collect());
    for part in &sent {
        let good = |sample: &&Sample| !matches!(sample.outcome, Outcome::Reading(Reading::Scan(_)));
        let committed: Ranges = part.samples.iter().filter(good).map(|sample| sample.seq).collect();
        let at = PROBES.iter().position(|name| *name == part.probe).expect("it is one of them");
        let account = wanted.accounts[at].iter().find(|account| account.epoch == part.epoch);
        prop_assert_eq!(account.map_or(Ranges::new(), |account| account.committed.clone()), committed);
    }
    for _ in 0..2 {
        let mut messages = split(&mut rng, &sent);
        messages.retain(|(_, payload)| payload.first() != Some(&b'{'));
        messages.extend(foreign.clone());
        messages
            .extend(split(&mut rng, &sent).into_iter().filter(|_| seed.is_multiple_of(2)).filter(|m| m.1[0] != b'{'));
        rng.shuffle(&mut messages);
        let got = arrive(&mut rng, messages);
        prop_assert_eq!(&got.accounts, &wanted.accounts);
        prop_assert_eq!(&got.probe_rows, &wanted.probe_rows);
        prop_assert_eq!(&got.letters, &wanted.letters);
        prop_assert_eq!(got.rows.len(), wanted.rows.len());
        for (got, wanted) in got.rows.iter().zip(&wanted.rows) {
            prop_assert_eq!(got, wanted);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn ingest_under_any_order_and_duplication_gives_the_same_store(seed in any::<u64>()) {
        check(seed)?;
    }
}

#[test]
fn a_history_whose_floor_moved_at_both_ends_of_a_chain_at_once_comes_out_the_same() {
    check(1_262_231_243_283_067_869).expect("the same store");
}
