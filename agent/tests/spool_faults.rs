//! Disks that are full, that fail their fdatasync, or that lose power: what the spool does about it.

mod spool_disk;

use phusong_agent::spool::{NotDurable, Refused, Spool, SpoolConfig, Urgency, look};
use phusong_protocol::{DropClass, Epoch, Outcome, Ranges, Reading, Sample};
use spool_disk::{FaultyDisk, drain, open, orphans, sample, small, summary};
use std::collections::BTreeMap;

fn drops(samples: &BTreeMap<(Epoch, u64), Sample>) -> BTreeMap<(DropClass, Epoch), Ranges> {
    let mut out: BTreeMap<_, Ranges> = BTreeMap::new();
    for sample in samples.values() {
        if let Outcome::Reading(Reading::Drop(drop)) = &sample.outcome {
            assert!(drop.ranges.parts() <= 256);
            out.entry((drop.class, drop.epoch)).or_default().union(&drop.ranges);
        }
    }
    out
}

/// Appends and flushes until something is dropped; how many samples that took.
fn fill(spool: &mut Spool, class: DropClass, from: u64) -> u64 {
    (from..from + 20_000)
        .find(|n| {
            spool.append(sample(class, *n), Urgency::Batched).expect("something less important is left to drop");
            spool.flush().is_ok() && spool.status().dropped > 0
        })
        .expect("the bound is reached long before")
        - from
        + 1
}

#[test]
fn a_spool_at_its_bound_drops_the_oldest_of_the_lowest_class_and_names_what_went() {
    let disk = FaultyDisk::default();
    let config = SpoolConfig { max_bytes: 40_000, ..small() };
    let (mut spool, _) = open(&disk, &config, 7);
    for n in 0..60 {
        spool.append(sample(DropClass::Raw, n), Urgency::Batched).expect("room");
        spool.append(sample(DropClass::Radio, n), Urgency::Batched).expect("room");
    }
    spool.append(sample(DropClass::Evidence, 0), Urgency::Urgent).expect("room");
    fill(&mut spool, DropClass::Evidence, 1);
    let named = drops(&drain(&mut spool));
    let classes: Vec<_> = named.keys().map(|(class, _)| *class).collect();
    assert_eq!(classes, [DropClass::Raw], "radio is kept while raw rounds are left");
    let dropped = &named[&(DropClass::Raw, Epoch(7))];
    assert_eq!(dropped.first(), Some(0), "the oldest went");
    assert_eq!(dropped.count(), spool.status().dropped);
    assert!(spool.status().bytes <= config.max_bytes + 4096, "{:?}", spool.status());
}

#[test]
fn a_raw_round_finds_no_room_at_the_cost_of_evidence() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &SpoolConfig { max_bytes: 16_384, ..small() }, 7);
    for n in 0.. {
        spool.append(sample(DropClass::Evidence, n), Urgency::Batched).expect("room");
        spool.flush().expect("room");
        if spool.status().bytes > 15_000 {
            break;
        }
    }
    let mut refused = 0;
    let mut last_seq = None;
    for n in 0..3_000 {
        match spool.append(sample(DropClass::Raw, n), Urgency::Batched) {
            Ok(seq) => {
                assert!(last_seq.is_none_or(|last| seq == last + 1), "a refused sample takes no seq");
                last_seq = Some(seq);
            }
            Err(error) => {
                assert_eq!(error, Refused::Full);
                refused += 1;
            }
        }
    }
    let status = spool.status();
    assert!(refused > 0);
    assert_eq!((status.refused, status.dropped), (refused, 0));
    spool.append(sample(DropClass::Evidence, 9), Urgency::Urgent).expect("evidence still finds room");
}

#[test]
fn on_a_full_disk_a_drop_is_durable_before_its_segment_goes() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &small(), 7);
    for n in 0..200 {
        spool.append(sample(DropClass::Raw, n), Urgency::Batched).expect("room");
    }
    spool.flush().expect("room");
    disk.set_room(Some(disk.used() + 100));
    disk.take_log();
    fill(&mut spool, DropClass::Evidence, 0);
    let log = disk.take_log();
    let gone =
        log.iter().position(|line| line.starts_with("unlink") && line.contains("raw")).expect("a raw segment went");
    let drop_synced = log[..gone].iter().any(|line| line.starts_with("sync") && line.contains("evidence"));
    let cursor_synced = log[..gone].iter().any(|line| line.starts_with("sync cursor"));
    assert!(drop_synced && cursor_synced, "{log:?}");

    disk.cut_power();
    let (mut spool, _) = open(&disk, &small(), 8);
    let named = drops(&drain(&mut spool));
    let dropped = &named[&(DropClass::Raw, Epoch(7))];
    let mut left: Ranges = orphans(&mut spool).keys().map(|(_, seq)| *seq).collect();
    assert!(dropped.iter().all(|(first, last)| (first..=last).all(|seq| !left.contains(seq))));
    left.union(dropped);
    assert!(left.contains_all(&Ranges::of(0, 199)), "every round is there or named");
}

#[test]
fn a_full_disk_with_nothing_to_drop_refuses_and_takes_up_again_when_there_is_room() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &small(), 7);
    disk.set_room(Some(disk.used()));
    let mut taken = 0;
    while spool.append(sample(DropClass::Evidence, taken), Urgency::Batched).is_ok() {
        taken += 1;
        assert!(taken < 100_000, "the buffer is bounded");
    }
    assert_eq!(spool.flush(), Err(NotDurable::Full));
    disk.set_room(None);
    assert_eq!(spool.flush(), Ok(()));
    assert_eq!(drain(&mut spool).len() as u64, taken, "nothing that was taken is lost");
}

#[test]
fn after_a_failed_fdatasync_the_same_samples_go_with_the_same_seqs_into_a_new_segment() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &small(), 7);
    spool.append(sample(DropClass::Evidence, 0), Urgency::Urgent).expect("room");
    let first = disk.segments();
    disk.fail_syncs(0, 1);
    spool.append(sample(DropClass::Evidence, 1), Urgency::Urgent).expect("taken");
    assert_eq!(spool.status().sync_failures, 1);
    let second = disk.segments();
    assert_eq!(second.len(), first.len() + 1, "the poisoned segment is never written again");
    spool.append(sample(DropClass::Evidence, 2), Urgency::Urgent).expect("taken");
    let expected: Vec<(Epoch, u64)> = (0..3).map(|seq| (Epoch(7), seq)).collect();
    assert_eq!(drain(&mut spool).into_keys().collect::<Vec<_>>(), expected);

    // Killed: the page cache still shows the copy that is not durable. With the power goes that copy.
    for power_cut in [false, true] {
        if power_cut {
            disk.cut_power();
        }
        let (mut spool, opened) = open(&disk.copy(), &small(), 8);
        assert_eq!(drain(&mut spool).into_keys().collect::<Vec<_>>(), expected);
        assert_eq!(opened.prev.map(|p| p.last_seq), Some(2));
    }
}

#[test]
fn while_every_fdatasync_fails_samples_wait_and_are_not_published() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &small(), 7);
    disk.fail_syncs(0, 2);
    spool.append(sample(DropClass::Evidence, 0), Urgency::Urgent).expect("taken");
    assert_eq!((drain(&mut spool).len(), spool.status().unsynced), (0, 1));
    assert_eq!(spool.flush(), Ok(()));
    assert_eq!((drain(&mut spool).len(), spool.status().sync_failures), (1, 2));
}

#[test]
fn a_dropped_summary_takes_its_rounds_with_it_into_the_drop() {
    let disk = FaultyDisk::default();
    let config = SpoolConfig { max_bytes: 16_384, ring_ms: 0, ..small() };
    let (mut spool, _) = open(&disk, &config, 7);
    for n in 0..10 {
        spool.append(sample(DropClass::Raw, n), Urgency::Batched).expect("room");
    }
    spool.append(summary(Epoch(7), Ranges::of(0, 9), 10), Urgency::Urgent).expect("room");
    drop(spool);
    let (mut spool, _) = open(&disk, &config, 8);
    spool.housekeep(Some(i64::MAX));
    assert!(!disk.segments().iter().any(|name| name.contains("raw")), "the ring let go what a durable summary names");
    fill(&mut spool, DropClass::Evidence, 0);
    let named = drops(&drain(&mut spool));
    assert_eq!(named[&(DropClass::Raw, Epoch(7))], Ranges::of(0, 9));
    assert_eq!(named[&(DropClass::Summary, Epoch(7))], Ranges::of(10, 10));
}

#[test]
fn a_drop_that_is_dropped_itself_is_said_again() {
    let disk = FaultyDisk::default();
    let config = SpoolConfig { max_bytes: 16_384, ..small() };
    let (mut spool, _) = open(&disk, &config, 7);
    let mut taken = 0;
    while spool.status().dropped < 400 {
        spool.append(sample(DropClass::Evidence, taken), Urgency::Urgent).expect("older evidence goes");
        taken += 1;
    }
    let left = drain(&mut spool);
    let mut accounted: Ranges = left.keys().map(|(_, seq)| *seq).collect();
    drops(&left).into_values().for_each(|ranges| accounted.union(&ranges));
    let last = left.keys().last().expect("something is left").1;
    assert_eq!(accounted, Ranges::of(0, last), "every id is there or named");
}

#[test]
fn looking_from_outside_sees_what_the_writer_sees() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &small(), 7);
    for n in 0..30 {
        spool.append(sample(DropClass::ALL[n as usize % 5], n), Urgency::Batched).expect("room");
    }
    spool.flush().expect("room");
    spool.acked(Epoch(7), &Ranges::of(0, 10));
    spool.housekeep(None);
    let (inside, outside) = (spool.status(), look(&disk, &small()).expect("readable"));
    assert_eq!((inside.classes.clone(), inside.bytes, inside.start), (outside.classes.clone(), outside.bytes, 1));
    assert_eq!((inside.oldest_wall_ms, inside.waiting()), (outside.oldest_wall_ms, outside.waiting()));
}
