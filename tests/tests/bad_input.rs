//! Everything that must not be believed, through the real broker: each has its reason and its counter, and the good
//! batch that comes right after is stored and acknowledged.

use phusong_protocol::{
    Ack, AckMessage, AckResult, Epoch, LatencyReading, Outcome, Previous, Reading, Sample, encode_batch, encode_json,
};
use phusong_tests::harness::{Collector, Lab, Login, MqttClient, Source, Version, wait};
use std::time::{SystemTime, UNIX_EPOCH};

struct World {
    lab: Lab,
    collector: Collector,
    client: MqttClient,
    /// What sends the good batches.
    source: Source,
}

fn world(name: &str) -> World {
    let lab = Lab::start(name, &["p1", "p2"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    let mut client = connect(&lab, "p1", Version::V5);
    client.subscribe(&Lab::topic("p1", "ack")).expect("subscribes");
    World { lab, collector, client, source: Source::new("p1", 7) }
}

fn connect(lab: &Lab, probe: &str, version: Version) -> MqttClient {
    let login = Login::plain(lab.broker.plain_port(), probe, &Lab::password(probe));
    MqttClient::connect(&login.with(version)).expect("the broker lets it in")
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    now.try_into().expect("far from overflow")
}

impl World {
    fn publish(&mut self, topic: &str, payload: &[u8]) {
        let code = self.client.publish(topic, payload).expect("publishing is answered");
        assert!(code < 128, "{topic}: the broker says {code}");
    }

    fn expect_ack(&mut self, what: &str, wanted: impl Fn(&Ack) -> bool) -> Ack {
        let found = self.client.expect(what, |message| {
            let message = AckMessage::from_json(&message.payload).ok()?;
            message.acks.into_iter().find(|ack| wanted(ack))
        });
        found.unwrap_or_else(|e| panic!("{e}; the collector said\n{}", self.collector.service.log_text()))
    }

    /// The good batch right after: stored and acknowledged.
    fn a_good_batch_still_works(&mut self) {
        let sample = self.source.latency();
        let (epoch, seq) = (self.source.epoch, sample.seq);
        let payload = self.source.batch(&[sample]);
        self.publish(&Lab::topic("p1", "batch"), &payload);
        self.expect_ack("the good batch is acknowledged", |ack| {
            ack.epoch == Some(epoch) && ack.ranges.contains(seq) && ack.result == AckResult::Stored
        });
    }

    fn expect_letter(&self, reason: &str, detail: &str) {
        let sql = format!("SELECT count(*) FROM dead_letter WHERE reason = '{reason}' AND detail LIKE '%{detail}%'");
        self.collector.wait_query(&format!("a dead letter {reason}: {detail}"), &sql, |n| n >= 1).expect("in time");
        self.collector
            .wait_metric("phusong_collector_dead_letters_total", &[reason], |n| n >= 1.0)
            .expect("it is counted");
    }

    /// A payload that cannot be read is answered by its checksum and kept.
    fn rejected(&mut self, payload: &[u8], reason: &str, detail: &str) {
        self.publish(&Lab::topic("p1", "batch"), payload);
        let crc = format!("{:08x}", crc32fast::hash(payload));
        let ack = self.expect_ack(&format!("rejected: {reason}"), |ack| ack.payload_crc32.as_deref() == Some(&crc));
        assert_eq!((ack.result, ack.reason.as_deref()), (AckResult::Rejected, Some(reason)));
        self.expect_letter("rejected", detail);
        self.a_good_batch_still_works();
    }
}

#[test]
fn a_truncated_payload_is_rejected_by_its_checksum() {
    let mut world = world("bad-truncated");
    let sample = world.source.latency();
    let good = world.source.batch(&[sample]);
    world.rejected(&good[..12], "truncated", "ends inside its header");
}

#[test]
fn a_damaged_payload_is_rejected_by_its_checksum() {
    let mut world = world("bad-crc");
    let sample = world.source.latency();
    let mut damaged = world.source.batch(&[sample]);
    *damaged.last_mut().expect("not empty") ^= 1;
    world.rejected(&damaged, "crc", "CRC-32");
}

#[test]
fn an_oversize_payload_is_rejected_and_a_larger_one_stops_at_the_broker() {
    let mut world = world("bad-oversize");
    world.rejected(&vec![1; 65_537], "oversize", "at most 65536");
    let mut other = connect(&world.lab, "p1", Version::V5);
    let stopped = other.publish(&Lab::topic("p1", "batch"), vec![1; 200_000]).map_or(true, |code| code >= 128);
    assert!(stopped, "the broker takes 200,000 bytes");
    world.a_good_batch_still_works();
}

#[test]
fn a_bomb_is_rejected_before_it_bursts() {
    let mut world = world("bad-bomb");
    let bomb = bomb(b"p1");
    assert!(bomb.len() < 65_536);
    world.rejected(&bomb, "bomb", "does not decompress");
    let memory = world.collector.service.status_kb("VmHWM").expect("it runs");
    assert!(memory < 300_000, "{memory} kB: the bomb was unpacked");
}

/// A batch whose body is one zstd frame (RFC 8878) of 1.6 GB: 12,000 blocks, each "131,072 times this byte".
fn bomb(probe: &[u8]) -> Vec<u8> {
    const BLOCKS: u64 = 12_000;
    const BLOCK_BYTES: u32 = 131_072;
    let mut body = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
    body.extend((BLOCKS * u64::from(BLOCK_BYTES)).to_le_bytes());
    for block in 1..=BLOCKS {
        let header = BLOCK_BYTES << 3 | 1 << 1 | u32::from(block == BLOCKS);
        body.extend(&header.to_le_bytes()[..3]);
        body.push(0);
    }
    let mut payload = vec![1, 1, u8::try_from(probe.len()).expect("a short name")];
    payload.extend(probe);
    payload.extend(1_u64.to_be_bytes());
    payload.extend(0_u64.to_be_bytes());
    payload.extend(1_u16.to_be_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&payload);
    crc.update(&body);
    payload.extend(crc.finalize().to_be_bytes());
    payload.extend(body);
    payload
}

#[test]
fn a_sample_from_the_future_is_kept_with_an_uncertain_time() {
    let mut world = world("bad-future");
    let ahead = now_ms() + 3_600_000;
    let mut source = Source::new("p1", 8).at(ahead);
    let mut sample = source.latency();
    (sample.boot_id, sample.mono_ms) = (None, None);
    let payload = encode_json(&source.probe, Epoch::FOREIGN, &[sample]);
    world.publish(&Lab::topic("p1", "batch"), &payload);
    let uncertain = "SELECT count(*) FROM observation WHERE at_state = 0";
    world.collector.wait_query("an uncertain time", uncertain, |n| n == 1).expect("in time");
    let limit = now_ms() + 300_000;
    let dated_ahead = format!("SELECT count(*) FROM observation WHERE at_ms > {limit}");
    assert_eq!(world.collector.query(&dated_ahead).expect("a count"), 0);
    world
        .collector
        .wait_metric("phusong_collector_samples_total", &["uncertain"], |n| n >= 1.0)
        .expect("it is counted");
    world.a_good_batch_still_works();
}

#[test]
fn a_batch_that_names_another_probe_than_its_topic_is_kept_aside_and_not_acknowledged() {
    let mut world = world("bad-topic");
    let mut other = Source::new("p2", 9);
    let sample = other.latency();
    world.publish(&Lab::topic("p1", "batch"), &other.batch(&[sample]));
    world.expect_letter("wrong_topic", "p2");
    world.a_good_batch_still_works();
    assert_eq!(world.collector.query("SELECT count(*) FROM observation").expect("a count"), 1);
}

#[test]
fn a_batch_for_another_site_is_kept_aside() {
    let mut world = world("bad-site");
    let sample = world.source.latency();
    let payload = world.source.batch(&[sample]);
    world.publish("phusong/v1/elsewhere/p1/batch", &payload);
    world.expect_letter("wrong_site", "lab");
    world.a_good_batch_still_works();
}

#[test]
fn a_reading_of_a_later_version_is_kept_aside_and_the_rest_of_its_batch_is_stored() {
    let mut world = world("bad-unknown");
    let good = world.source.latency();
    let json = encode_json(&world.source.probe, Epoch(5), &[good]);
    let text = String::from_utf8(json).expect("JSON is text");
    let strange = r#"{"seq":"00000000000000ff","wall_ms":1,"reading":{"kind":"aura","colour":"blue"}},{"#;
    let payload = text.replacen("\"samples\":[{", &format!("\"samples\":[{strange}"), 1);
    world.publish(&Lab::topic("p1", "batch"), payload.as_bytes());
    let ack = world.expect_ack("the strange one is acknowledged", |ack| ack.ranges.contains(0xff));
    assert_eq!(ack.result, AckResult::DeadLetter);
    world.expect_letter("unknown_reading", "not known to this version");
    let stored = "SELECT count(*) FROM observation";
    world.collector.wait_query("the other one is stored", stored, |n| n == 1).expect("in time");
    world.a_good_batch_still_works();
}

#[test]
fn the_same_id_with_other_content_is_a_conflict_and_the_first_stays() {
    let mut world = world("bad-conflict");
    let first = world.source.latency();
    let other = LatencyReading { sent: 1, rtt_us: vec![1], lost: Vec::new() };
    let second = Sample { outcome: Outcome::Reading(Reading::Latency(other)), ..first.clone() };
    let seq = first.seq;
    for (sample, result) in
        [(&first, AckResult::Stored), (&first, AckResult::Duplicate), (&second, AckResult::DeadLetter)]
    {
        let payload = encode_batch(&world.source.probe, world.source.epoch, std::slice::from_ref(sample));
        world.publish(&Lab::topic("p1", "batch"), &payload);
        world.expect_ack(&format!("{result:?}"), |ack| ack.result == result && ack.ranges.contains(seq));
    }
    world.expect_letter("conflict", "");
    let body: Vec<u8> = {
        let store = world.collector.store().expect("the store opens");
        store.query_row("SELECT body FROM observation", [], |row| row.get(0)).expect("one row")
    };
    assert_eq!(body, first.outcome.to_cbor());
    world.a_good_batch_still_works();
}

#[test]
fn two_devices_with_one_identity_raise_an_alarm() {
    let mut world = world("bad-clone");
    let mut first = Source::new("p1", 10);
    let boot = first.boot(None);
    let prev = Previous { epoch: first.epoch, last_seq: boot.seq };
    world.publish(&Lab::topic("p1", "batch"), &first.batch(&[boot]));
    // The disk was copied: both copies continue from the same last sample.
    for seed in [11, 12] {
        let mut copy = Source::new("p1", seed);
        let boot = copy.boot(Some(prev));
        world.publish(&Lab::topic("p1", "batch"), &copy.batch(&[boot]));
    }
    let suspected = "SELECT count(*) FROM probe WHERE name = 'p1' AND clone_suspected_ms IS NOT NULL";
    world.collector.wait_query("the suspicion", suspected, |n| n == 1).expect("in time");
    world.collector.wait_metric("phusong_probe_clone_suspected", &[], |n| n >= 1.0).expect("it is counted");
    world.a_good_batch_still_works();
}

#[test]
fn a_probe_that_nobody_registered_is_told_so_and_keeps_its_samples() {
    let mut world = world("bad-unregistered");
    world.lab.broker.add_account("p3", "p3-secret").expect("the account");
    let mut stranger = connect(&world.lab, "p3", Version::V311);
    stranger.subscribe(&Lab::topic("p3", "ack")).expect("subscribes");
    let mut source = Source::new("p3", 13);
    let sample = source.latency();
    stranger.publish(&Lab::topic("p3", "batch"), source.batch(&[sample])).expect("publishes");
    let ack = stranger.expect("an answer", |message| {
        AckMessage::from_json(&message.payload).ok()?.acks.into_iter().find(|ack| ack.result == AckResult::Refused)
    });
    assert!(ack.expect("it is refused").reason.is_some());
    world.a_good_batch_still_works();
    assert_eq!(world.collector.query("SELECT count(*) FROM observation").expect("a count"), 1);
}

#[test]
fn garbage_of_every_kind_in_a_row_takes_nothing_with_it() {
    let mut world = world("bad-flood");
    let mut random = fastrand::Rng::with_seed(14);
    for number in 0..300 {
        let garbage: Vec<u8> = (0..random.usize(1..2_000)).map(|_| random.u8(..)).collect();
        world.publish(&Lab::topic("p1", "batch"), &garbage);
        if number % 50 == 0 {
            world.a_good_batch_still_works();
        }
    }
    world.a_good_batch_still_works();
    let ready = phusong_tests::harness::get(world.collector.config.http_port, "/readyz").expect("it answers");
    assert_eq!(ready.0, 200, "{}", ready.1);
    wait::until_true("all of it is counted", wait::PATIENCE, || {
        world.collector.metric("phusong_collector_dead_letters_total", &["rejected"]).is_ok_and(|n| n >= 300.0)
    })
    .expect("in time");
}
