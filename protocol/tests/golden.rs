//! Files under `golden/` were written once and are decoded for ever: what an agent of version 1 sent is never lost to
//! a later collector. `PHUSONG_WRITE_GOLDEN=1` writes files that are not there yet and never changes one that is.

mod examples;

use examples::{EPOCH, probe, samples};
use phusong_protocol::*;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/v1")
}

fn golden(name: &str, fresh: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    let path = folder().join(name);
    if !path.exists() && std::env::var_os("PHUSONG_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, fresh()).expect("the golden folder is writable");
    }
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn pretty(bytes: &[u8]) -> Vec<u8> {
    let value: serde_json::Value = serde_json::from_slice(bytes).expect("own JSON");
    serde_json::to_vec_pretty(&value).expect("plain data")
}

#[test]
fn every_kind_of_sample_decodes_from_the_binary_form_of_version_1() {
    let batch = decode(&golden("every-kind.bin", || encode_batch(&probe(), EPOCH, &samples()))).expect("decodes");
    assert_eq!(batch.probe, Some(probe()));
    assert_eq!(batch.epoch, EPOCH);
    assert_eq!(batch.bad, []);
    assert_eq!(batch.samples, samples());
}

#[test]
fn every_kind_of_sample_decodes_from_the_json_form_of_version_1() {
    let bytes = golden("every-kind.json", || pretty(&encode_json(&probe(), EPOCH, &samples())));
    let batch = decode(&bytes).expect("decodes");
    assert_eq!((batch.epoch, batch.bad), (EPOCH, vec![]));
    assert_eq!(batch.samples, samples());
}

#[test]
fn a_record_of_a_spool_written_by_version_1_is_still_read() {
    let lines = golden("spool-records.hex", || {
        let line = |sample: &Sample| sample.to_record().iter().map(|b| format!("{b:02x}")).collect::<String>();
        samples().iter().map(|sample| line(sample) + "\n").collect::<String>().into_bytes()
    });
    let text = String::from_utf8(lines).expect("hexadecimal digits");
    let read: Vec<Sample> = text
        .lines()
        .map(|line| {
            let byte = |i| u8::from_str_radix(&line[i..i + 2], 16).expect("hexadecimal digits");
            let bytes: Vec<u8> = (0..line.len()).step_by(2).map(byte).collect();
            Sample::from_record(&bytes).expect("a good record")
        })
        .collect();
    assert_eq!(read, samples());
}

#[test]
fn a_boot_says_its_shortest_period_in_both_forms_and_one_without_it_still_reads() {
    for period_ms in [None, Some(60_000)] {
        let (version, same_boot) = ("0.1.0".into(), None);
        let boot = BootReading { prev: None, start: 7, clean: true, same_boot, version, period_ms };
        let sample = [Sample { outcome: Outcome::Reading(Reading::Boot(boot)), ..samples().swap_remove(0) }];
        for bytes in [encode_batch(&probe(), EPOCH, &sample), encode_json(&probe(), EPOCH, &sample)] {
            assert_eq!(decode(&bytes).expect("decodes").samples, sample);
        }
    }
}

#[test]
fn a_script_s_record_gets_the_id_it_always_got() {
    let bytes = golden("script.json", || {
        br#"{"v":1,"samples":[{"wall_ms":1795000000000,"clock":{"synced":true},"target":{"name":"gateway","host":"192.0.2.1","tags":["gateway"]},"reading":{"kind":"latency","sent":3,"rtt_us":[1200,1100,1300]}}]}"#.to_vec()
    });
    let batch = decode(&bytes).expect("decodes");
    assert!(batch.epoch.is_foreign());
    let sample = batch.samples.into_iter().next().expect("one sample").with_foreign_id(&probe());
    let ids = golden("script.id", || format!("{:016x}\n", sample.seq).into_bytes());
    assert_eq!(format!("{:016x}\n", sample.seq).as_bytes(), ids);
}

#[test]
fn acknowledgements_and_status_keep_their_words() {
    let acks = AckMessage::new(vec![
        Ack::ranges(AckResult::Stored, EPOCH, [1, 2, 3, 9].into_iter().collect()),
        Ack::ranges(AckResult::Duplicate, EPOCH, Ranges::of(4, 5)),
        Ack::ranges(AckResult::DeadLetter, EPOCH, Ranges::of(7, 7)),
        Ack::payload(AckResult::Rejected, b"not a batch", "crc"),
        Ack::payload(AckResult::Refused, b"a batch", "unknown probe"),
    ]);
    let bytes = golden("acks.json", || pretty(&acks.to_json()));
    assert_eq!(AckMessage::from_json(&bytes).expect("reads"), acks);
    let status = Status {
        v: 1,
        state: StatusState::Online,
        epoch: EPOCH,
        start: 7,
        conn: 2,
        config_revision: 0,
        config_note: None,
        version: "0.1.0".into(),
    };
    let bytes = golden("status.json", || serde_json::to_vec_pretty(&status).expect("plain data"));
    assert_eq!(serde_json::from_slice::<Status>(&bytes).expect("reads"), status);
}

#[test]
fn commands_keep_their_words_and_a_password_is_not_shown() {
    let command = |id: &str, body| Command { v: 1, id: id.into(), not_after_ms: 1_795_000_060_000, body };
    let password = Secret::new("abcdefghijkmnpqrstuvwxyz");
    let commands = vec![
        command("measure-1", CommandBody::MeasureNow),
        command("raw-1", CommandBody::SendRaw { epoch: EPOCH, ranges: Ranges::of(10, 19) }),
        command("join-1", CommandBody::Credentials { username: "na-chen-1".into(), password }),
    ];
    let bytes = golden("commands.json", || serde_json::to_vec_pretty(&commands).expect("plain data"));
    assert_eq!(serde_json::from_slice::<Vec<Command>>(&bytes).expect("reads"), commands);
    assert!(!format!("{commands:?}").contains("mnpqrst"));
}

#[cfg(feature = "schema")]
#[test]
fn the_published_schema_is_the_one_of_the_code() {
    let fresh = serde_json::to_vec_pretty(&schema::document()).expect("plain data");
    let path = folder().join("schema.json");
    if std::env::var_os("PHUSONG_WRITE_SCHEMA").is_some() {
        std::fs::write(&path, &fresh).expect("the golden folder is writable");
    }
    let kept = std::fs::read(&path).expect("golden/v1/schema.json is there");
    assert!(kept == fresh, "run with PHUSONG_WRITE_SCHEMA=1 and look at the difference");
}
