//! Bad input, one kind a test: a clear answer, a counter, a dead letter that can be looked at, and nothing else lost.

mod ingest_world;

use ingest_world::{NOW, SITE, World, batch, boot, clock, json, probe, record, sample, site, tcp, told};
use phusong_collector::ingest::{Fate, Replay};
use phusong_collector::store::{InternLimits, LetterLimits, Move, NewProbe, StoreOptions};
use phusong_protocol::{AckResult, Epoch, Outcome, Reading, Sample, Scan, ScanEntry, Target, encode_batch, limits};
use std::sync::Arc;

const PROBE: &str = "na-chen-1";
const EPOCH: Epoch = Epoch(0xabc);

fn good() -> Vec<u8> {
    batch(PROBE, EPOCH, &[boot(0, 1, 10, None), tcp(1, 1, 20), tcp(2, 1, 30)])
}

#[test]
fn a_payload_that_cannot_be_read_is_rejected_with_its_checksum_and_kept_once() {
    let mut bombs = good();
    let header = bombs.len() - zstd_body(&bombs).len();
    bombs.truncate(header);
    let bomb = with_body(&bombs, &huge_body());
    let mut flipped = good();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let truncated = good()[..good().len() - 5].to_vec();
    let cases = [
        ("truncated header", good()[..9].to_vec(), "truncated"),
        ("truncated body", truncated, "crc"),
        ("flipped bit", flipped, "crc"),
        ("oversize", vec![1; limits::BATCH_BYTES + 1], "oversize"),
        ("bomb", bomb, "bomb"),
        ("unknown version", vec![9; 40], "version"),
        ("empty", Vec::new(), "truncated"),
        ("broken JSON", b"{\"v\":1,\"samples\":[".to_vec(), "json"),
        ("nothing of ours", b"hello".to_vec(), "version"),
    ];
    let mut world = World::new(&[PROBE]);
    for (i, (name, payload, reason)) in cases.iter().enumerate() {
        for _ in 0..2 {
            let acks = world.send(PROBE, payload.clone());
            assert_eq!(acks.len(), 1, "{name}");
            assert_eq!(acks[0].result, AckResult::Rejected, "{name}");
            assert_eq!(acks[0].reason.as_deref(), Some(*reason), "{name}");
            let crc = format!("{:08x}", crc32fast::hash(payload));
            assert_eq!(acks[0].payload_crc32, Some(crc), "{name}");
        }
        assert_eq!(world.letters().len(), i + 1, "{name}: the same twice is one letter");
    }
    assert!(world.letters().iter().all(|letter| letter.reason == "rejected" && letter.copies == 2));
    assert_eq!(world.count(Fate::Rejected), 2 * cases.len() as u64);
    // And the probe goes on as if nothing had been.
    assert_eq!(told(&world.send(PROBE, good()), AckResult::Stored), [0, 1, 2]);
    assert_eq!(world.rows().len(), 3);
}

/// The compressed body of a batch of [`PROBE`].
fn zstd_body(payload: &[u8]) -> &[u8] {
    &payload[3 + PROBE.len() + 8 + 8 + 2 + 4..]
}

/// A batch's header (with its checksum, which is made anew) before another body.
fn with_body(header: &[u8], body: &[u8]) -> Vec<u8> {
    let (head, _crc) = header.split_at(header.len() - 4);
    let crc = crc32fast::hash(&[head, body].concat());
    [head, &crc.to_be_bytes(), body].concat()
}

/// A zstd frame (RFC 8878) of 64 run-length blocks of 128 KiB: 8 MiB out of 262 bytes.
fn huge_body() -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    for block in 0..64u32 {
        let header = (128 * 1024) << 3 | 1 << 1 | u32::from(block == 63);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(b'x');
    }
    frame
}

#[test]
fn one_bad_sample_does_not_harm_its_neighbours() {
    let entry = ScanEntry { plmn: "4".repeat(200), name: None, technology: None };
    let bad = sample(1, 1, 20, Reading::Scan(Scan { entries: vec![entry], elapsed_ms: 1, raw: None }));
    let mut world = World::new(&[PROBE]);
    let payload = batch(PROBE, EPOCH, &[boot(0, 1, 10, None), bad, tcp(2, 1, 30)]);
    for round in 0..2 {
        let acks = world.send(PROBE, payload.clone());
        assert_eq!(told(&acks, AckResult::DeadLetter), [1], "also when it comes again");
        assert_eq!(told(&acks, if round == 0 { AckResult::Stored } else { AckResult::Duplicate }), [0, 2]);
    }
    let letter = world.reader().letter(world.letters()[0].id).expect("readable").expect("there");
    assert_eq!((letter.reason.as_str(), letter.copies), ("violation", 2));
    assert!(letter.detail.contains("scan.plmn has 200 bytes"), "{}", letter.detail);
    let alone = phusong_protocol::decode(&letter.raw).expect("it is a payload of its own");
    assert_eq!((alone.samples.len(), alone.bad.len()), (0, 1));
    assert_eq!(world.probe_row(PROBE).missing, 0, "a dead letter is not missing");
    assert_eq!(world.count(Fate::Violation), 2);
}

#[test]
fn an_unknown_reading_waits_as_a_dead_letter() {
    let mut world = World::new(&[PROBE]);
    let text = r#"{"v":1,"epoch":"0000000000000abc","samples":[
        {"seq":"0000000000000000","wall_ms":1,"reading":{"kind":"tcp","connect_us":5}},
        {"seq":"0000000000000001","wall_ms":1,"reading":{"kind":"gravity","g":9}}]}"#;
    let acks = world.send(PROBE, text.as_bytes().to_vec());
    assert_eq!((told(&acks, AckResult::Stored), told(&acks, AckResult::DeadLetter)), (vec![0], vec![1]));
    assert_eq!(world.reasons(), ["unknown_reading"]);
    assert_eq!(world.count(Fate::UnknownReading), 1);
}

#[test]
fn the_same_id_with_other_content_is_a_conflict_and_the_first_one_stays() {
    let mut world = World::new(&[PROBE]);
    world.send(PROBE, good());
    let mut other = tcp(1, 1, 20);
    other.outcome = Outcome::Reading(Reading::Tcp(phusong_protocol::TcpReading { connect_us: 999_999 }));
    let acks = world.send(PROBE, batch(PROBE, EPOCH, &[other.clone(), tcp(2, 1, 30), tcp(3, 1, 40)]));
    assert_eq!(told(&acks, AckResult::DeadLetter), [1]);
    assert_eq!(told(&acks, AckResult::Duplicate), [2]);
    assert_eq!(told(&acks, AckResult::Stored), [3]);
    assert_eq!(world.rows()[1].outcome, tcp(1, 1, 20).outcome);
    let letter = world.reader().letter(world.letters()[0].id).expect("readable").expect("there");
    assert_eq!(phusong_protocol::decode(&letter.raw).expect("its own payload").samples, [other]);
    assert_eq!(world.reasons(), ["conflict"]);
    let account = &world.account(PROBE)[0];
    assert!(account.dead_lettered.is_empty(), "the id itself is committed");
}

#[test]
fn a_conflict_inside_one_transaction_is_seen_too() {
    let mut world = World::new(&[PROBE]);
    let mut other = tcp(1, 1, 20);
    other.wall_ms = 5;
    let topic = format!("phusong/v1/{SITE}/{PROBE}/batch");
    let done = world.group(vec![(topic.clone(), good()), (topic, batch(PROBE, EPOCH, &[other]))]);
    assert_eq!(done.len(), 1, "one topic, one word");
    assert_eq!(told(&done[0].acks, AckResult::Stored), [0, 1, 2]);
    assert_eq!(told(&done[0].acks, AckResult::DeadLetter), [1]);
    assert_eq!(world.count(Fate::Conflict), 1);
}

#[test]
fn a_payload_on_another_probes_topic_gets_no_answer() {
    let mut world = World::new(&[PROBE, "other"]);
    assert!(world.send("other", good()).is_empty());
    assert_eq!((world.reasons(), world.rows().len()), (vec!["wrong_topic".to_string()], 0));
    assert_eq!(world.letters()[0].probe, "other", "it is on the account of who sent it");
    assert_eq!(world.count(Fate::WrongTopic), 3);
}

#[test]
fn a_topic_of_another_site_is_a_dead_letter_until_the_registry_is_right() {
    let mut world = World::new(&[PROBE]);
    let acks = world.send_on(&format!("phusong/v1/elsewhere/{PROBE}/batch"), good());
    assert_eq!(told(&acks, AckResult::DeadLetter), [0, 1, 2]);
    assert_eq!((world.reasons(), world.rows().len()), (vec!["wrong_site".to_string()], 0));
    assert_eq!((world.count(Fate::WrongSite), world.probe_row(PROBE).missing), (3, 0));

    let to = Move { site: Some(site("elsewhere")), ..Move::default() };
    world.registrar().relocate(&probe(PROBE), &to, NOW).expect("a known probe");
    let (reader, id) = (world.reader(), world.letters()[0].id);
    let replay = world.engine.replay(&reader, id, NOW).expect("the store is healthy");
    assert_eq!(replay, Replay::Accepted { stored: 3, duplicate: 0 });
    assert_eq!((world.rows().len(), world.letters().len()), (3, 0));
    let again = world.engine.replay(&world.reader(), id, NOW).expect("the store is healthy");
    assert_eq!(again, Replay::Before);
}

#[test]
fn a_replay_that_is_still_wrong_stays_a_dead_letter() {
    let mut world = World::new(&[PROBE, "other"]);
    world.send("other", good());
    let (reader, id) = (world.reader(), world.letters()[0].id);
    assert_eq!(world.engine.replay(&reader, id, NOW).expect("healthy"), Replay::StillDead);
    assert_eq!(world.letters().len(), 1);
    assert_eq!(world.engine.replay(&reader, 77, NOW).expect("healthy"), Replay::Unknown);
}

#[test]
fn unknown_and_retired_probes_are_refused_and_nothing_of_them_is_stored() {
    let mut world = World::new(&[PROBE]);
    for payload in [good(), b"garbage".to_vec()] {
        let acks = world.send("stranger", payload);
        assert_eq!(acks[0].result, AckResult::Refused);
        assert!(acks[0].reason.as_deref().is_some_and(|why| why.contains("not registered")), "{acks:?}");
    }
    world.registrar().retire(&probe(PROBE), NOW).expect("a known probe");
    let acks = world.send(PROBE, good());
    assert_eq!(acks[0].reason.as_deref(), Some("the probe was retired"));
    assert_eq!((world.rows().len(), world.letters().len()), (0, 0));
    assert_eq!(world.count(Fate::Unauthorised), 3 + 1 + 3);
    // As soon as it is registered, what it kept is taken.
    let new = NewProbe { probe: probe("stranger"), site: site(SITE), label: None, place: None };
    world.registrar().add(&new, NOW).expect("a new probe");
    let acks = world.send("stranger", batch("stranger", EPOCH, &[tcp(0, 1, 5)]));
    assert_eq!(told(&acks, AckResult::Stored), [0]);
}

#[test]
fn a_topic_that_is_none_of_ours_is_garbage() {
    let mut world = World::new(&[PROBE]);
    for topic in ["phusong/v1/a/b/status", "elsewhere", "phusong/v1/UPPER/x/batch"] {
        assert!(world.send_on(topic, good()).is_empty());
    }
    assert_eq!(world.count(Fate::Garbage), 3);
}

#[test]
fn samples_older_than_400_days_are_dead_letters() {
    let mut world = World::new(&[PROBE]);
    let long_ago = NOW - limits::AGE_MS - 100_000;
    let samples = [clock(0, 1, 1_000, long_ago, 5), tcp(1, 1, 2_000), tcp(2, 1, 200_000)];
    let acks = world.send(PROBE, batch(PROBE, EPOCH, &samples));
    assert_eq!(told(&acks, AckResult::DeadLetter), [0, 1]);
    assert_eq!(told(&acks, AckResult::Stored), [2]);
    assert_eq!((world.reasons(), world.count(Fate::TooOld)), (vec!["too_old".into(), "too_old".into()], 2));
}

#[test]
fn numbers_beyond_the_stores_are_a_violation_and_not_a_crash() {
    let mut world = World::new(&[PROBE]);
    let wild = [
        Sample { wall_ms: i64::MIN, ..tcp(0, 1, 1) },
        Sample { wall_ms: i64::MAX, ..clock(1, 1, (i64::MAX / 4) as u64, i64::MIN, u32::MAX) },
        tcp(u64::MAX, 1, 2),
    ];
    let acks = world.send(PROBE, batch(PROBE, Epoch(u64::MAX), &wild));
    assert_eq!(told(&acks, AckResult::DeadLetter).last(), Some(&u64::MAX));
    assert!(world.letters().iter().any(|letter| letter.detail.contains("below 2^63")));
    world.settle();
}

#[test]
fn at_the_bound_of_dead_letters_samples_stay_with_their_probe_and_garbage_is_dropped() {
    let letters = LetterLimits { per_probe_bytes: 1_000, total_bytes: 1_600 };
    let mut world = World::with(&[PROBE, "other", "third"], StoreOptions { letters, ..StoreOptions::default() });
    let wrong = |name: &str, n: u8| (format!("phusong/v1/elsewhere/{name}/batch"), vec![tcp(u64::from(n), 1, 5)]);
    let mut kept = 0;
    for n in 0..20 {
        let (topic, samples) = wrong(PROBE, n);
        let acks = world.send_on(&topic, batch(PROBE, EPOCH, &samples));
        if acks.is_empty() {
            break;
        }
        kept += 1;
    }
    assert!((1..20).contains(&kept), "the bound of one probe is reached: {kept}");
    assert_eq!(world.count(Fate::DeadLettersFull), 1);
    assert!(world.send(PROBE, vec![9; 300]).is_empty());
    assert_eq!(world.count(Fate::Garbage), 1);
    // Others have room until all have none.
    let (topic, samples) = wrong("other", 0);
    assert_eq!(told(&world.send_on(&topic, batch("other", EPOCH, &samples)), AckResult::DeadLetter), [0]);
    assert!(world.send("third", vec![9; 900]).is_empty(), "the bound of all");
    // What can be stored is stored all the same.
    assert_eq!(told(&world.send(PROBE, good()), AckResult::Stored), [0, 1, 2]);
}

#[test]
fn ever_new_targets_are_refused_beyond_the_bound_of_an_installation() {
    let interned = InternLimits { targets: 3, ..InternLimits::default() };
    let mut world = World::with(&[PROBE], StoreOptions { interned, ..StoreOptions::default() });
    let towards = |seq: u64| {
        let target = Target { name: format!("t{}", seq % 5), host: "192.0.2.1".into(), address: None, tags: vec![] };
        Sample { target: Some(Arc::new(target)), ..tcp(seq, 1, seq) }
    };
    let samples: Vec<_> = (0..10).map(towards).collect();
    let acks = world.send(PROBE, batch(PROBE, EPOCH, &samples));
    assert_eq!(told(&acks, AckResult::Stored), [0, 1, 2, 5, 6, 7]);
    assert_eq!(told(&acks, AckResult::DeadLetter), [3, 4, 8, 9]);
    assert_eq!(world.count(Fate::TooManyContexts), 4);
}

#[test]
fn a_scripts_record_is_stored_once_and_never_missing() {
    let mut world = World::new(&[PROBE]);
    let payload = json(PROBE, &[record(NOW - 9_000, true, 5), record(NOW - 8_000, true, 6)]);
    assert!(world.send(PROBE, payload.clone()).is_empty(), "a script may ignore acks, so it gets none");
    assert!(world.send(PROBE, payload).is_empty());
    assert_eq!((world.count(Fate::Stored), world.count(Fate::Duplicate)), (2, 2));
    assert_eq!((world.rows().len(), world.probe_row(PROBE).missing), (2, 0));
    assert!(world.account(PROBE).is_empty());
}

#[test]
fn a_json_sample_without_its_seq_does_not_speak_for_id_zero() {
    let mut world = World::new(&[PROBE]);
    let text =
        r#"{"v":1,"epoch":"0000000000000abc","samples":[{"wall_ms":1,"reading":{"kind":"tcp","connect_us":5}}]}"#;
    assert!(world.send(PROBE, text.as_bytes().to_vec()).is_empty());
    assert_eq!(world.reasons(), ["violation"]);
    let numbered = encode_batch(&probe(PROBE), EPOCH, &[tcp(0, 1, 5)]);
    assert_eq!(told(&world.send(PROBE, numbered), AckResult::Stored), [0]);
}
