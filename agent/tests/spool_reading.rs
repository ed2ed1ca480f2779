//! What comes out of a spool again: batches, raw rounds on command, orphans, exports, and the ring.

mod spool_disk;

use phusong_agent::spool::{
    AckFileError, BatchRequest, Pick, Spool, SpoolConfig, Start, Urgency, export, look, verify,
};
use phusong_protocol::{Ack, AckMessage, AckResult, BootId, DropClass, Epoch, Ranges, SiteId, decode, limits};
use spool_disk::{FaultyDisk, drain, failure, of, open, orphans, probe, request, sample, small, summary};

fn site() -> SiteId {
    "thanh-dinh".parse().expect("a site id")
}

fn append_all(spool: &mut Spool, class: DropClass, count: u64) {
    for n in 0..count {
        spool.append(sample(class, n), Urgency::Batched).expect("room");
    }
    spool.flush().expect("room");
}

#[test]
fn backlog_comes_oldest_epoch_first_and_the_newest_data_from_the_end_of_the_newest() {
    let disk = FaultyDisk::default();
    for epoch in 1..=2 {
        let (mut spool, _) = open(&disk, &small(), epoch);
        append_all(&mut spool, DropClass::Evidence, 300);
    }
    let (mut spool, _) = open(&disk, &small(), 3);
    append_all(&mut spool, DropClass::Radio, 300);
    append_all(&mut spool, DropClass::Evidence, 10);
    let oldest = spool.next_batch(&request(Pick::Oldest, vec![])).expect("backlog");
    assert_eq!((oldest.epoch, oldest.seqs.first()), (Epoch(1), Some(0)));
    let newest = spool.next_batch(&request(Pick::Newest, vec![])).expect("data");
    assert_eq!((newest.epoch, newest.seqs.last(), newest.seqs.count()), (Epoch(3), Some(309), 200));
    let skip = vec![(Epoch(1), oldest.seqs.clone())];
    let next = spool.next_batch(&request(Pick::Oldest, skip)).expect("backlog");
    assert!(next.epoch == Epoch(2) || next.seqs.first() > oldest.seqs.last());
    spool.acked(Epoch(1), &Ranges::of(0, 299));
    assert_eq!(spool.next_batch(&request(Pick::Oldest, vec![])).map(|b| b.epoch), Some(Epoch(2)));
    let exact = Pick::Exact(Epoch(2), Ranges::of(5, 7));
    assert_eq!(spool.next_batch(&request(exact, vec![])).map(|b| b.seqs), Some(Ranges::of(5, 7)));
    let gone = Pick::Exact(Epoch(1), Ranges::of(5, 7));
    assert_eq!(spool.next_batch(&request(gone, vec![])), None, "what was acknowledged is not read again");
}

#[test]
fn a_batch_stays_within_its_bytes_and_its_samples_and_says_its_checksum() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &SpoolConfig::default(), 1);
    let mut random = fastrand::Rng::with_seed(1);
    for n in 0..2_500u64 {
        let noise: String = (0..120).map(|_| random.alphanumeric()).collect();
        spool.append(of(failure(&noise), n), Urgency::Batched).expect("room");
    }
    spool.flush().expect("room");
    for max_bytes in [4 * 1024, 20 * 1024, limits::BATCH_BYTES] {
        let ask = BatchRequest { pick: Pick::Oldest, max_bytes, skip: vec![] };
        let batch = spool.next_batch(&ask).expect("backlog");
        assert!(batch.payload.len() <= max_bytes && batch.payload.len() > max_bytes / 2, "{}", batch.payload.len());
        assert!(batch.seqs.count() <= limits::BATCH_SAMPLES as u64);
        assert_eq!(batch.crc32, crc32fast::hash(&batch.payload));
        assert_eq!(decode(&batch.payload).map(|b| b.samples.len() as u64), Ok(batch.seqs.count()));
    }
    assert_eq!(drain(&mut spool).len(), 2_500);
}

#[test]
fn raw_rounds_are_sent_only_on_command_and_once_acknowledged_no_more() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &small(), 1);
    append_all(&mut spool, DropClass::Raw, 20);
    assert_eq!(spool.next_batch(&request(Pick::Oldest, vec![])), None);
    assert_eq!(spool.want_raw(Epoch(1), &Ranges::of(15, 100)), 5, "those that are there");
    assert_eq!(spool.want_raw(Epoch(9), &Ranges::of(0, 100)), 0);
    let batch = spool.next_batch(&request(Pick::Oldest, vec![])).expect("wanted");
    assert_eq!(batch.seqs, Ranges::of(15, 19));
    spool.acked(Epoch(1), &batch.seqs);
    assert_eq!(spool.next_batch(&request(Pick::Oldest, vec![])), None);
}

#[test]
fn a_raw_round_with_an_acknowledged_summary_can_still_be_asked_for_while_the_ring_holds_it() {
    let disk = FaultyDisk::default();
    let config = SpoolConfig { ring_ms: 1_000, ..small() };
    let (mut spool, _) = open(&disk, &config, 1);
    append_all(&mut spool, DropClass::Raw, 4);
    spool.append(summary(Epoch(1), Ranges::of(0, 3), 9), Urgency::Urgent).expect("room");
    spool.acked(Epoch(1), &Ranges::of(4, 4));
    drop(spool);
    let (mut spool, _) = open(&disk, &config, 2);
    let newest_wall_ms = 1_800_000_000_000 + 3;
    spool.housekeep(Some(newest_wall_ms + 999));
    assert_eq!(spool.want_raw(Epoch(1), &Ranges::of(0, 3)), 4);
    spool.housekeep(Some(newest_wall_ms + 1_000));
    assert_eq!(spool.want_raw(Epoch(1), &Ranges::of(0, 3)), 0, "older than the ring");
    assert!(!disk.segments().iter().any(|name| name.contains("raw")));
}

#[test]
fn raw_rounds_without_a_summary_outlive_the_ring_and_are_orphans_of_the_next_start() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &small(), 1);
    append_all(&mut spool, DropClass::Raw, 10);
    spool.append(summary(Epoch(1), Ranges::of(0, 5), 9), Urgency::Urgent).expect("room");
    assert!(orphans(&mut spool).is_empty(), "whoever measured them still holds them");
    let (mut spool, _) = open(&disk, &small(), 2);
    spool.housekeep(Some(i64::MAX));
    let found: Vec<u64> = orphans(&mut spool).into_keys().map(|(_, seq)| seq).collect();
    assert_eq!(found, [6, 7, 8, 9]);
    spool.append(summary(Epoch(1), Ranges::of(6, 9), 10), Urgency::Urgent).expect("room");
    assert!(orphans(&mut spool).is_empty());
    spool.housekeep(Some(i64::MAX));
    assert!(!disk.segments().iter().any(|name| name.contains("raw")), "a durable summary lets the ring go on");
}

#[test]
fn acknowledged_segments_go_after_the_cursor_and_the_last_id_is_known_all_the_same() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &small(), 1);
    append_all(&mut spool, DropClass::Evidence, 100);
    disk.take_log();
    spool.acked(Epoch(1), &Ranges::of(0, 99));
    let log = disk.take_log();
    let cursor = log.iter().position(|line| line.starts_with("sync cursor")).expect("the cursor was written");
    let first_gone = log.iter().position(|line| line.starts_with("unlink")).expect("full segments went");
    assert!(cursor < first_gone, "{log:?}");
    drop(spool);
    disk.cut_power();
    let (mut spool, opened) = open(&disk, &small(), 2);
    assert_eq!(opened.prev.map(|p| (p.epoch, p.last_seq)), Some((Epoch(1), 99)));
    spool.housekeep(None);
    assert!(disk.segments().is_empty(), "what is settled of an earlier start goes: {:?}", disk.segments());
    drop(spool);
    let (_, opened) = open(&disk, &small(), 3);
    let prev = opened.prev.map(|p| (p.epoch, p.last_seq));
    assert_eq!(prev, Some((Epoch(1), 99)), "epoch 2 made nothing durable");
    assert_eq!((opened.start, opened.clean), (3, false));
}

#[test]
fn a_start_knows_whether_the_one_before_ended_in_order_and_on_the_same_boot() {
    let disk = FaultyDisk::default();
    let boot = |n: u8| Some(BootId([n; 16]));
    let opened = |boot_id, epoch| {
        let start = Start { probe: probe(), epoch: Epoch(epoch), boot_id };
        Spool::open(Box::new(disk.clone()), small(), start).expect("a healthy disk")
    };
    let (mut spool, first) = opened(boot(1), 1);
    assert_eq!((first.clean, first.same_boot, first.start), (true, None, 1));
    spool.append(sample(DropClass::Evidence, 0), Urgency::Batched).expect("room");
    spool.close(true).expect("room");
    assert!(spool.append(sample(DropClass::Evidence, 0), Urgency::Batched).is_err(), "closed");
    let (_, second) = opened(boot(1), 2);
    assert_eq!((second.clean, second.same_boot, second.start), (true, Some(true), 2));
    assert_eq!(second.prev.map(|p| p.last_seq), Some(0));
    let (_, third) = opened(boot(2), 3);
    assert_eq!((third.clean, third.same_boot, third.start), (false, Some(false), 3));
}

#[test]
fn quarantined_samples_are_exported_but_not_published_and_stay_so_over_a_start() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &small(), 1);
    append_all(&mut spool, DropClass::Evidence, 5);
    assert_eq!(spool.quarantine(Epoch(1), &Ranges::of(1, 2)), 2);
    assert_eq!(spool.quarantine(Epoch(1), &Ranges::of(1, 2)), 0, "they are there already");
    for epoch in 2..4 {
        let left: Vec<u64> = drain(&mut spool).into_keys().map(|(_, seq)| seq).collect();
        assert_eq!((left, spool.status().quarantined), (vec![0, 3, 4], 2));
        assert_eq!(exported(&disk, false).0, Ranges::of(0, 4));
        spool = open(&disk, &small(), epoch).0;
    }
    spool.acked(Epoch(1), &Ranges::of(0, 4));
    spool.housekeep(None);
    assert_eq!((spool.status().quarantined, disk.segments().len()), (0, 0), "an import settles them");
}

/// What an export holds of epoch 1, and its bytes.
fn exported(disk: &FaultyDisk, raw: bool) -> (Ranges, Vec<u8>) {
    let mut file = Vec::new();
    let summary = export(disk, &site(), &probe(), raw, &mut file).expect("memory takes it");
    assert_eq!(summary.bytes, file.len() as u64);
    let mut rest = file.strip_prefix(b"PSX1\x0athanh-dinh\x09na-chen-1").expect("magic, site, probe");
    let mut seqs = Ranges::new();
    let mut batches = 0;
    while let Some((len, more)) = rest.split_at_checked(4) {
        let len = u32::from_be_bytes(len.try_into().expect("four bytes")) as usize;
        let batch = decode(&more[..len]).expect("a batch payload");
        assert_eq!(batch.epoch, Epoch(1));
        batch.samples.iter().for_each(|sample| seqs.insert(sample.seq, sample.seq));
        rest = &more[len..];
        batches += 1;
    }
    assert_eq!((summary.batches, summary.samples), (batches, seqs.count()));
    (seqs, file)
}

#[test]
fn a_spool_is_handed_over_by_file_and_settled_by_the_ack_file() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &small(), 1);
    append_all(&mut spool, DropClass::Raw, 3);
    append_all(&mut spool, DropClass::Evidence, 3_000);
    spool.append(summary(Epoch(1), Ranges::of(0, 1), 9), Urgency::Urgent).expect("room");
    assert_eq!(exported(&disk, false).0, Ranges::of(3, 3_003), "while the agent runs");
    assert_eq!(exported(&disk, true).0, Ranges::of(2, 3_003), "a round that has its summary is not needed");
    spool.close(true).expect("room");

    let acks = |ranges| AckMessage::new(vec![Ack::ranges(AckResult::Stored, Epoch(1), ranges)]).to_json();
    let refused = AckMessage::new(vec![Ack::payload(AckResult::Rejected, b"x", "crc")]).to_json();
    let file = [acks(Ranges::of(0, 1_000)), refused, acks(Ranges::of(3_003, 3_003))].join(&b'\n');
    let mut writer = Spool::open_for_acks(Box::new(disk.clone()), small(), probe()).expect("a healthy disk");
    let applied = writer.apply_ack_file(&file[..]).expect("three messages");
    assert_eq!((applied.lines, applied.settled, applied.refused), (3, 1_002, 1));
    assert!(matches!(writer.apply_ack_file(&b"\n{}"[..]), Err(AckFileError::Json { line: 2, .. })));
    assert_eq!(exported(&disk, true).0, Ranges::of(1_001, 3_002));

    let (_, opened) = open(&disk, &small(), 2);
    assert_eq!((opened.start, opened.clean), (2, true), "applying acknowledgements is no start");
    assert_eq!(opened.prev.map(|p| (p.epoch, p.last_seq)), Some((Epoch(1), 3_003)));
}

#[test]
fn verify_names_the_file_and_the_byte_of_every_fault_and_changes_nothing() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &small(), 1);
    append_all(&mut spool, DropClass::Evidence, 20);
    append_all(&mut spool, DropClass::Radio, 20);
    let clean = verify(&disk).expect("readable");
    assert_eq!((clean.records, clean.fault_count), (40, 0));
    let name = disk.segments().into_iter().find(|name| name.contains("radio")).expect("written above");
    let mut content = disk.content(&name);
    content[16 + 20] ^= 1;
    disk.set_content(&name, content);
    let before = disk.segments();
    let verified = verify(&disk).expect("readable");
    assert_eq!((verified.records, verified.fault_count), (20, 1));
    let said = verified.faults[0].to_string();
    assert_eq!(said, format!("{name}, byte 16: a record's checksum does not match"));
    assert_eq!(disk.segments(), before);
}

#[test]
fn a_sample_that_rotted_on_disk_does_not_stop_the_others() {
    let disk = FaultyDisk::default();
    let (mut spool, _) = open(&disk, &small(), 1);
    append_all(&mut spool, DropClass::Evidence, 10);
    append_all(&mut spool, DropClass::Radio, 10);
    let name = disk.segments().into_iter().find(|name| name.contains("evidence")).expect("written above");
    let mut content = disk.content(&name);
    content[16 + 20] ^= 1;
    disk.set_content(&name, content);
    let left: Ranges = drain(&mut spool).into_keys().map(|(_, seq)| seq).collect();
    assert_eq!(left, Ranges::of(10, 19));
    append_all(&mut spool, DropClass::Radio, 1);
    assert_eq!(drain(&mut spool).len(), 11);
}

#[test]
fn the_index_of_a_large_spool_is_a_few_percent_of_it() {
    let disk = FaultyDisk::default();
    let config = SpoolConfig { max_bytes: 64 << 20, ..SpoolConfig::default() };
    let (mut spool, _) = open(&disk, &config, 1);
    // The worst interleaving: no two neighbours in one class.
    for n in 0..60_000 {
        spool.append(sample(DropClass::ALL[n as usize % 2], n), Urgency::Batched).expect("room");
    }
    spool.flush().expect("room");
    assert!(spool.status().bytes > 3 << 20);
    assert!(
        spool.index_bytes() as u64 * 20 < spool.status().bytes,
        "{} of {}",
        spool.index_bytes(),
        spool.status().bytes
    );
    let outside = look(&disk, &config).expect("readable");
    assert_eq!(outside.classes[0].held, 30_000);
}
