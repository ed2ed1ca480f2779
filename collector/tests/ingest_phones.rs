//! Messages of phones in the store: once each, under their SIM, and what is wrong with them as letters.

mod ingest_world;

use ingest_world::{NOW, World};
use phusong_collector::ingest::{Fate, Replay};
use phusong_collector::store::{ObservationRow, StoreOptions};
use phusong_protocol::{Outcome, Reading, ReadingKind};
use serde_json::{Value, json};

const PHONE: &str = "phone-1";
/// [`NOW`], as a phone writes it.
const AT: &str = "2027-01-15T15:00:00.000+07:00";

fn message(kind: &str, number: u64, data: &Value) -> Vec<u8> {
    let mut all = json!({ "deviceTime": AT, "missionId": "m", "recordNumber": number, "slot": 1 });
    all.as_object_mut().expect("an object").extend(data.as_object().expect("an object").clone());
    json!({ "version": "1.6.0", "messageType": kind, "data": all }).to_string().into_bytes()
}

fn lte(number: u64) -> Vec<u8> {
    let data = json!({ "mcc": 452, "mnc": 4, "eci": 79_221_507, "rsrp": -101.0, "servingCell": true,
                       "latitude": 21.8644, "longitude": 105.5436, "accuracy": 10 });
    message("LteRecord", number, &data)
}

fn state(number: u64, operator: &str) -> Vec<u8> {
    message("PhoneState", number, &json!({ "simState": "READY", "simOperator": operator }))
}

fn send(world: &mut World, record: &str, payload: Vec<u8>) {
    let done = world.group(vec![(format!("ns/{PHONE}/{record}"), payload)]);
    assert!(done.iter().all(|done| done.topic.is_none() && done.acks.is_empty()), "nobody is told");
    assert_eq!(done.iter().map(|done| done.tokens.len()).sum::<usize>(), 1, "each message is dealt with once");
}

fn sims(world: &World) -> Vec<Option<String>> {
    let radio = |row: &ObservationRow| row.outcome.kind_code() == ReadingKind::Radio.code();
    world.rows().into_iter().filter(radio).map(|row| row.uplink.and_then(|uplink| uplink.sim_plmn)).collect()
}

#[test]
fn a_message_is_stored_once_with_its_time_and_place() {
    let mut world = World::new(&[PHONE]);
    for _ in 0..3 {
        send(&mut world, "lte_message", lte(1));
    }
    let rows = world.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].at_ms, rows[0].at_state.name()), (NOW, "stamped"));
    assert_eq!(rows[0].place.as_ref().and_then(|place| place.accuracy_m), Some(16.2));
    let Outcome::Reading(Reading::Radio(radio)) = &rows[0].outcome else { panic!("{:?}", rows[0].outcome) };
    assert_eq!((radio.cells[0].rsrp_dbm, radio.cells[0].mnc.as_deref()), (Some(-101.0), Some("04")));
    assert_eq!((world.count(Fate::Stored), world.count(Fate::Duplicate)), (1, 2));
    assert_eq!(world.probe_row(PHONE).last_contact_ms, Some(NOW));
}

#[test]
fn records_carry_the_sim_that_the_phone_named_before_also_after_a_restart() {
    let mut world = World::new(&[PHONE]);
    send(&mut world, "lte_message", lte(1));
    send(&mut world, "device_status_message", state(1, "45204"));
    send(&mut world, "lte_message", lte(2));
    assert_eq!(sims(&world), [None, Some("452-04".into())]);
    let mut world = world.restart(StoreOptions::default());
    send(&mut world, "lte_message", lte(3));
    assert_eq!(sims(&world).last(), Some(&Some("452-04".into())));
    // The same again, although the SIM is known now: the first one stays.
    send(&mut world, "lte_message", lte(1));
    assert_eq!(sims(&world), [None, Some("452-04".into()), Some("452-04".into())]);
    assert!(world.letters().is_empty());
}

#[test]
fn what_is_wrong_is_a_letter_that_holds_the_message() {
    let mut world = World::new(&[PHONE]);
    let old = message("DeviceStatus", 0, &json!({ "deviceTime": "2025-01-01T00:00:00Z", "batteryLevelPercent": 9 }));
    for (payload, reason, says) in [
        (b"hello".to_vec(), "rejected", "no message of Network Survey"),
        (message("WifiBeaconRecord", 1, &json!({})), "unknown_reading", "`WifiBeaconRecord` is not taken"),
        (message("LteRecord", 1, &json!({ "rsrp": -999 })), "violation", "rsrp is -999; it lies between -160 and -20"),
        (old, "too_old", "400 days"),
    ] {
        send(&mut world, "lte_message", payload.clone());
        let letter = world.letters().into_iter().max_by_key(|letter| letter.id).expect("a letter");
        assert_eq!(letter.reason, reason);
        assert!(letter.detail.contains(says), "{}", letter.detail);
        let whole = world.reader().letter(letter.id).expect("readable").expect("it is there");
        assert_eq!((whole.raw, whole.site.as_str()), (payload, ingest_world::SITE));
    }
    assert!(world.rows().is_empty());
    send(&mut World::new(&["other"]), "lte_message", lte(1));
}

#[test]
fn a_letter_is_replayed_under_the_records_own_identity() {
    let limits = StoreOptions::default();
    let few =
        StoreOptions { interned: phusong_collector::store::InternLimits { uplinks: 0, ..limits.interned }, ..limits };
    let mut world = World::with(&[PHONE], few);
    send(&mut world, "lte_message", lte(1));
    assert_eq!(world.reasons(), ["too_many_contexts"]);
    let mut world = world.restart(limits);
    let (reader, id) = (world.reader(), world.letters()[0].id);
    let replayed = world.engine.replay(&reader, id, NOW).expect("the store takes it");
    assert_eq!(replayed, Replay::Accepted { stored: 1, duplicate: 0 });
    send(&mut world, "lte_message", lte(1));
    assert_eq!(world.rows().len(), 1);
}

#[test]
fn a_stranger_and_a_retired_phone_store_nothing() {
    let mut world = World::new(&[PHONE]);
    world.registrar().retire(&PHONE.parse().expect("a name"), NOW).expect("it is registered");
    send(&mut world, "lte_message", lte(1));
    assert_eq!((world.rows().len(), world.letters().len(), world.count(Fate::Unauthorised)), (0, 0, 1));
}
