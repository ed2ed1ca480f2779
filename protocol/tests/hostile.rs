//! Payloads that a broken or hostile sender could make: each is refused with a reason and none costs memory or a panic.

mod examples;

use examples::{EPOCH, probe, samples};
use phusong_protocol::*;
use proptest::prelude::*;

fn header(version: u8, codec: u8, probe: &[u8], epoch: u64, first_seq: u64, count: u16) -> Vec<u8> {
    let mut out = vec![version, codec, probe.len() as u8];
    out.extend(probe);
    out.extend(epoch.to_be_bytes());
    out.extend(first_seq.to_be_bytes());
    out.extend(count.to_be_bytes());
    out
}

/// A payload whose CRC is right, whatever stands in it.
fn sealed(mut head: Vec<u8>, body: &[u8]) -> Vec<u8> {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head);
    crc.update(body);
    head.extend(crc.finalize().to_be_bytes());
    head.extend(body);
    head
}

fn reason(payload: &[u8]) -> &'static str {
    decode(payload).map(|_| "decoded").unwrap_or_else(|e| e.reason())
}

#[test]
fn each_broken_payload_is_refused_for_its_own_reason() {
    let good = encode_batch(&probe(), EPOCH, &samples());
    let mut flipped = good.clone();
    *flipped.last_mut().expect("not empty") ^= 1;
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).expect("compresses");
    let not_columns = zstd::bulk::compress(b"\x81\x01", 3).expect("compresses");
    let name = b"na-chen-1";
    let table: [(&str, Vec<u8>); 14] = [
        ("truncated", vec![]),
        ("truncated", good[..20].to_vec()),
        ("crc", good[..good.len() - 1].to_vec()),
        ("crc", flipped),
        ("oversize", vec![1; limits::BATCH_BYTES + 1]),
        ("version", sealed(header(9, 1, name, 1, 0, 1), b"")),
        ("codec", sealed(header(1, 9, name, 1, 0, 1), b"")),
        ("header", sealed(header(1, 1, b"NOT GOOD", 1, 0, 1), b"")),
        ("header", sealed(header(1, 1, name, 0, 0, 1), b"")),
        ("header", sealed(header(1, 1, name, 1, 0, 1001), b"")),
        ("bomb", sealed(header(1, 1, name, 1, 0, 1), &bomb)),
        ("columns", sealed(header(1, 1, name, 1, 0, 1), &not_columns)),
        ("json", b"{\"v\":1,\"samples\":[".to_vec()),
        ("version", b"{\"v\":2,\"samples\":[]}".to_vec()),
    ];
    for (expected, payload) in table {
        assert_eq!(reason(&payload), expected, "{:?}", &payload[..payload.len().min(24)]);
    }
    assert_eq!(reason(&good), "decoded");
}

#[test]
fn one_unreadable_sample_does_not_cost_the_others_and_can_be_replayed_alone() {
    let text = format!(
        r#"{{"v":1,"epoch":"{EPOCH}","samples":[
        {{"seq":"0000000000000001","wall_ms":1,"reading":{{"kind":"tcp","connect_us":5}}}},
        {{"seq":"0000000000000002","wall_ms":1,"reading":{{"kind":"telepathy","strength":5}}}},
        {{"seq":"0000000000000003","wall_ms":1,"reading":{{"kind":"tcp","connect_us":5}},"colour":"red"}},
        {{"seq":"0000000000000004","wall_ms":1}}]}}"#
    );
    let batch = decode(text.as_bytes()).expect("the envelope is good");
    assert_eq!(batch.samples.iter().map(|s| s.seq).collect::<Vec<_>>(), [1]);
    let bad: Vec<(u64, String)> = batch.bad.iter().map(|b| (b.seq, b.why.to_string())).collect();
    assert_eq!(bad.iter().map(|b| b.0).collect::<Vec<_>>(), [2, 3, 4]);
    assert!(bad[0].1.contains("not known"), "{}", bad[0].1);
    assert!(bad[1].1.contains("colour"), "{}", bad[1].1);
    assert!(bad[2].1.contains("either a reading or a failure"), "{}", bad[2].1);
    for one in &batch.bad {
        let again = decode(&one.raw).expect("a payload of its own");
        assert_eq!((again.epoch, again.bad.len()), (EPOCH, 1));
        assert_eq!(again.bad[0].why, one.why);
    }
}

#[test]
fn bounds_are_said_with_field_number_and_bound() {
    let mut sample = samples().remove(0);
    sample.outcome = Outcome::Failure(Failure {
        of: Attempt::Tcp,
        kind: FailureKind::Timeout,
        detail: Some("x".repeat(129)),
        sent: None,
        elapsed_us: None,
    });
    let batch = decode(&encode_batch(&probe(), EPOCH, &[sample])).expect("decodes");
    assert_eq!(batch.bad[0].why.to_string(), "failure.detail has 129 bytes; at most 128 are allowed");
    let again = decode(&batch.bad[0].raw).expect("a payload of its own");
    assert_eq!(again.bad, batch.bad);
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn a_body_of_any_bytes_with_a_good_crc_is_decoded_or_refused(
        body in prop::collection::vec(any::<u8>(), 0..400), count in 1u16..5,
    ) {
        let body = zstd::bulk::compress(&body, 1).expect("compresses");
        prop_assert_ne!(reason(&sealed(header(1, 1, b"p", 1, 0, count), &body)), "decoded");
    }

    #[test]
    fn a_good_batch_with_one_byte_changed_is_never_taken(at in any::<prop::sample::Index>(), with in 1u8..) {
        let mut payload = encode_batch(&probe(), EPOCH, &samples());
        let at = at.index(payload.len());
        payload[at] ^= with;
        prop_assert!(decode(&payload).is_err());
    }

    #[test]
    fn any_part_of_the_samples_comes_back_as_it_was(keep in prop::collection::vec(any::<bool>(), 20)) {
        let part: Vec<Sample> =
            samples().into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(sample, _)| sample).collect();
        prop_assume!(!part.is_empty());
        let batch = decode(&encode_batch(&probe(), EPOCH, &part)).expect("decodes");
        prop_assert_eq!(&batch.samples, &part);
        let batch = decode(&encode_json(&probe(), EPOCH, &part)).expect("decodes");
        prop_assert_eq!(&batch.samples, &part);
        for sample in &part {
            prop_assert_eq!(&Sample::from_record(&sample.to_record()).expect("own record"), sample);
        }
    }
}
