//! A spool cut at every byte: exactly the records that lie wholly before the cut survive.

mod spool_disk;

use phusong_agent::spool::{Urgency, verify};
use phusong_protocol::{DropClass, Epoch, Outcome, Ranges, Reading};
use spool_disk::{FaultyDisk, drain, open, orphans, sample, small, summary};
use std::collections::BTreeMap;

/// Offsets at which the records of a segment end, with their seqs, read from the format's own description.
fn record_ends(content: &[u8]) -> Vec<(usize, u64)> {
    let mut ends = Vec::new();
    let mut at = 16;
    while at + 16 <= content.len() {
        let len = u32::from_be_bytes(content[at..at + 4].try_into().expect("four bytes")) as usize;
        let seq = u64::from_be_bytes(content[at + 8..at + 16].try_into().expect("eight bytes"));
        at += 16 + len;
        ends.push((at, seq));
    }
    assert_eq!(at, content.len(), "the file holds whole records");
    ends
}

#[test]
fn a_segment_cut_at_any_byte_keeps_exactly_its_whole_records() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &small(), 1);
    let classes = [DropClass::Evidence, DropClass::Raw, DropClass::Radio, DropClass::Raw, DropClass::Bandwidth];
    let mut written = BTreeMap::new();
    for n in 0..25 {
        let made = sample(classes[n as usize % classes.len()], n);
        let seq = spool.append(made.clone(), Urgency::Batched).expect("room");
        written.insert(seq, made);
    }
    let seq = spool.append(summary(Epoch(1), Ranges::of(1, 1), 99), Urgency::Urgent).expect("room");
    assert_eq!(seq, 25);
    drop(spool);

    let mut cuts = 0;
    for name in disk.segments() {
        let whole = disk.content(&name);
        let ends = record_ends(&whole);
        for cut in 0..=whole.len() {
            let copy = disk.copy();
            copy.set_content(&name, whole[..cut].to_vec());
            check_cut(&copy, &name, cut, &ends);
            cuts += 1;
        }
    }
    assert!(cuts > 1_000, "{cuts} cuts");
}

fn check_cut(disk: &FaultyDisk, name: &str, cut: usize, ends: &[(usize, u64)]) {
    let lost: Ranges = ends.iter().filter(|(end, _)| *end > cut).map(|(_, seq)| *seq).collect();
    let mut expected = Ranges::of(0, 25);
    expected.subtract(&lost);
    let (mut spool, opened) = open(disk, &small(), 2);
    let mut found: Ranges = drain(&mut spool).keys().map(|(_, seq)| *seq).collect();
    found.union(&orphans(&mut spool).keys().map(|(_, seq)| *seq).collect());
    // Round 1 has its summary, unless the summary was what the cut took.
    if !lost.contains(25) {
        assert!(!found.contains(1), "{name} cut at {cut}: round 1 has a summary");
        expected.remove(1, 1);
    }
    assert_eq!(found, expected, "{name} cut at {cut}");
    let prev = opened.prev.expect("something survived");
    let mut survived = Ranges::of(0, 25);
    survived.subtract(&lost);
    assert_eq!((prev.epoch, Some(prev.last_seq)), (Epoch(1), survived.last()), "{name} cut at {cut}");

    // What is missing below the last durable id is said, so that nobody takes it for lost on the way.
    spool.append(sample(DropClass::Evidence, 0), Urgency::Urgent).expect("room");
    let mut said = Ranges::new();
    for sample in drain(&mut spool).into_values() {
        if let Outcome::Reading(Reading::Drop(drop)) = sample.outcome {
            assert_eq!(drop.epoch, Epoch(1));
            said.union(&drop.ranges);
        }
    }
    let mut holes = lost.clone();
    holes.remove(prev.last_seq, u64::MAX);
    if !lost.contains(25) {
        holes.remove(1, 1);
    }
    assert_eq!(said, holes, "{name} cut at {cut}");
    let verified = verify(disk).expect("readable");
    assert!(verified.fault_count <= 1 && verified.records > 0, "{name} cut at {cut}: {verified:?}");
}

#[test]
fn a_cursor_cut_or_damaged_at_any_byte_loses_no_sample_and_not_the_last_id() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &small(), 1);
    for n in 0..6 {
        spool.append(sample(DropClass::Evidence, n), Urgency::Urgent).expect("room");
    }
    spool.acked(Epoch(1), &Ranges::of(0, 2));
    spool.housekeep(None);
    drop(spool);
    for slot in ["cursor.0", "cursor.1"] {
        let whole = disk.content(slot);
        for at in 0..whole.len() {
            for damaged in [whole[..at].to_vec(), flipped(&whole, at)] {
                let copy = disk.copy();
                copy.set_content(slot, damaged);
                let (mut spool, opened) = open(&copy, &small(), 2);
                let left: Ranges = drain(&mut spool).keys().map(|(_, seq)| *seq).collect();
                let mut must = Ranges::of(3, 5);
                must.subtract(&left);
                assert!(must.is_empty(), "{slot} at {at}: {left:?}");
                assert_eq!(opened.prev.map(|p| (p.epoch, p.last_seq)), Some((Epoch(1), 5)), "{slot} at {at}");
            }
        }
    }
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[at] ^= 0x40;
    out
}
