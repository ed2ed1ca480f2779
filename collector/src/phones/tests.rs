//! Messages of phones against the samples that they stand for.

use super::*;
use phusong_protocol::{Outcome, RadioCell, Reading, RegistrationStat, Sample, ServiceState, SimState, Technology};
use serde_json::{Value as Json, json};

const AT: &str = "2026-11-22T10:00:00.123456+07:00";

fn probe() -> ProbeId {
    "phone-1".parse().expect("a name")
}

fn message(kind: &str, data: Json) -> Vec<u8> {
    let mut all = json!({
        "deviceSerialNumber": "a1", "deviceName": "phone-1", "deviceTime": AT, "latitude": 21.8644,
        "longitude": 105.5436, "altitude": 120.5, "speed": 1.5, "accuracy": 10, "missionId": "NS a1 20261122-100000",
        "recordNumber": 7, "groupNumber": 3,
    });
    let fields = all.as_object_mut().expect("an object");
    fields.extend(data.as_object().expect("an object").clone());
    fields.retain(|_, value| !value.is_null());
    json!({ "version": "1.6.0", "messageType": kind, "data": all }).to_string().into_bytes()
}

fn taken(kind: &str, data: Json) -> Result<Sample, Bad> {
    let (kind, fields) = decode(&message(kind, data)).expect("a message");
    let sample = sample(kind, &Data { kind, fields: &fields }, &probe())?;
    sample.check().expect("within the bounds of the wire");
    Ok(sample)
}

fn good(kind: &str, data: Json) -> Sample {
    taken(kind, data).expect("a good record")
}

fn cells(sample: &Sample) -> (bool, RadioCell) {
    match &sample.outcome {
        Outcome::Reading(Reading::Radio(radio)) => (true, radio.cells[0].clone()),
        Outcome::Reading(Reading::Neighbours(neighbours)) => (false, neighbours.cells[0].clone()),
        other => panic!("{other:?}"),
    }
}

fn lte() -> Json {
    json!({ "mcc": 452, "mnc": 4, "tac": 20881, "eci": 79_221_507, "earfcn": 1450, "pci": 331, "rsrp": -101.0,
            "rsrq": -11.0, "snr": 6.0, "signalStrength": -71.0, "servingCell": true, "slot": 1, "provider": "Viettel" })
}

#[test]
fn a_serving_lte_cell_is_a_radio_reading_where_the_phone_was() {
    let sample = good("LteRecord", lte());
    assert_eq!((sample.wall_ms, sample.clock.synced), (1_795_316_400_123, true));
    let place = sample.place.as_deref().expect("a place");
    assert_eq!((place.lat, place.lon, place.accuracy_m, place.speed_mps), (21.8644, 105.5436, Some(16.2), Some(1.5)));
    let uplink = sample.uplink.as_deref().expect("an uplink");
    assert_eq!((uplink.interface.as_str(), uplink.serving_plmn.as_deref()), ("slot1", Some("452-04")));
    assert_eq!((uplink.technology, uplink.sim_plmn.as_deref()), (Some(Technology::Lte), None));
    let (serving, cell) = cells(&sample);
    assert!(serving);
    assert_eq!((cell.mcc.as_deref(), cell.mnc.as_deref()), (Some("452"), Some("04")));
    assert_eq!((cell.cell_id, cell.tac, cell.arfcn, cell.pci), (Some(79_221_507), Some(20881), Some(1450), Some(331)));
    assert_eq!((cell.rsrp_dbm, cell.rsrq_db, cell.sinr_db), (Some(-101.0), Some(-11.0), Some(6.0)));
    assert_eq!((cell.rssi_dbm, cell.lac, cell.rscp_dbm), (Some(-71.0), None, None));
}

#[test]
fn a_cell_that_does_not_serve_or_does_not_say_is_a_neighbour() {
    for serving in [json!(false), Json::Null] {
        let mut data = lte();
        data["servingCell"] = serving.clone();
        data["mcc"] = Json::Null;
        let sample = good("LteRecord", data);
        let (serves, cell) = cells(&sample);
        assert!(!serves);
        assert_eq!(cell.serving, serving.as_bool());
        assert_eq!(cell.mnc, None, "half a network is none");
        let uplink = sample.uplink.expect("an uplink");
        assert_eq!((uplink.serving_plmn.clone(), uplink.technology), (None, None));
    }
}

#[test]
fn nr_umts_and_gsm_keep_their_own_fields() {
    let nr = json!({ "mcc": 452, "mnc": 4, "tac": 1_000, "nci": "68719476735", "narfcn": 640_704, "pci": 1_007,
                     "ssRsrp": -95.0, "ssRsrq": -11.0, "ssSinr": 12.5, "csiRsrp": -90.0, "servingCell": true });
    let sample = good("NrRecord", nr);
    let (serves, cell) = cells(&sample);
    assert!(serves);
    assert_eq!((cell.cell_id, cell.technology), (Some(68_719_476_735), Some(Technology::NrSa)));
    assert_eq!((cell.rsrp_dbm, cell.rsrq_db, cell.sinr_db), (Some(-95.0), Some(-11.0), Some(12.5)));
    assert_eq!(sample.uplink.expect("an uplink").interface, "phone");

    let umts = json!({ "mcc": 452, "mnc": 1, "lac": 20201, "cid": 61_381, "uarfcn": 10_662, "psc": 141, "rscp": -93.0,
                       "ecno": -9.5, "signalStrength": -85.0, "servingCell": true });
    let (_, cell) = cells(&good("UmtsRecord", umts));
    assert_eq!((cell.lac, cell.tac, cell.pci, cell.cell_id), (Some(20201), None, Some(141), Some(61_381)));
    assert_eq!((cell.rscp_dbm, cell.ecio_db, cell.rssi_dbm), (Some(-93.0), Some(-9.5), Some(-85.0)));

    let gsm = json!({ "mcc": 310, "mnc": 4, "lac": 174, "ci": 47_241, "arfcn": 557, "bsic": 25, "signalStrength": -93.0,
                      "ta": 4, "servingCell": true });
    let (_, cell) = cells(&good("GsmRecord", gsm));
    assert_eq!((cell.mnc.as_deref(), cell.rssi_dbm, cell.rsrp_dbm), (Some("004"), Some(-93.0), None));
}

#[test]
fn what_the_phone_does_not_know_is_absent() {
    let nothing = json!({ "latitude": Json::Null, "longitude": Json::Null, "speed": Json::Null, "accuracy": 0,
                          "mcc": Json::Null, "mnc": Json::Null, "tac": i32::MAX, "eci": i32::MAX, "rsrq": Json::Null,
                          "signalStrength": i32::MAX, "snr": Json::Null });
    let mut data = lte();
    let fields = data.as_object_mut().expect("an object");
    fields.extend(nothing.as_object().expect("an object").clone());
    let sample = good("LteRecord", data.clone());
    assert_eq!(sample.place, None);
    let (_, cell) = cells(&sample);
    assert_eq!((cell.cell_id, cell.tac, cell.rssi_dbm, cell.sinr_db, cell.sinr_raw), (None, None, None, None, None));
    assert_eq!(cell.rsrp_dbm, Some(-101.0));
    data["latitude"] = json!(0.0);
    data["longitude"] = json!(0.0);
    assert_eq!(good("LteRecord", data).place, None);
}

#[test]
fn a_ratio_that_cannot_be_is_kept_as_the_devices_own_number() {
    for (snr, rsrq, sinr_db) in
        [(-25.0, -9.0, None), (-4.0, -12.0, Some(-4.0)), (130.0, -9.0, None), (-2.0, -9.0, None)]
    {
        let mut data = lte();
        (data["snr"], data["rsrq"]) = (json!(snr), json!(rsrq));
        let (_, cell) = cells(&good("LteRecord", data));
        assert_eq!(cell.sinr_db, sinr_db, "{snr} beside {rsrq}");
        assert_eq!(cell.sinr_raw.is_some(), sinr_db.is_none());
        assert_eq!(cell.doubtful.is_empty(), sinr_db.is_some());
    }
}

#[test]
fn the_identity_is_the_records_own_whatever_else_it_says() {
    let id = |data: Json| good("LteRecord", data).seq;
    let mut other = lte();
    (other["rsrp"], other["latitude"]) = (json!(-80.0), Json::Null);
    other["deviceTime"] = json!("2026-11-22T03:00:00.1239Z");
    assert_eq!(id(lte()), id(other));
    for (field, value) in
        [("recordNumber", json!(8)), ("missionId", json!("another")), ("deviceTime", json!("2026-11-22T03:00:00.124Z"))]
    {
        let mut other = lte();
        other[field] = value;
        assert_ne!(id(lte()), id(other), "{field}");
    }
}

#[test]
fn a_wrong_field_is_named() {
    for (field, value, says) in [
        ("deviceTime", Json::Null, "deviceTime is missing"),
        ("deviceTime", json!("22.11.2026 10:00"), "deviceTime is `22.11.2026 10:00`: write it as"),
        ("latitude", json!(91.0), "latitude is 91; it lies between -90 and 90"),
        ("rsrp", json!(-1000), "rsrp is -1000; it lies between -160 and -20"),
        ("rsrp", json!("weak"), "rsrp is `weak`: write a number"),
        ("eci", json!(1_u64 << 28), "eci is 268435456; it lies between 0 and 268435455"),
        ("mcc", json!(45), "mcc is `45`: an MCC has three digits"),
        ("servingCell", json!("perhaps"), "servingCell is `perhaps`: write true or false"),
        ("missionId", json!("x".repeat(300)), "missionId is `xxxxxxxxxxxxxxxxxxxx`"),
    ] {
        let mut data = lte();
        data[field] = value;
        let bad = taken("LteRecord", data).expect_err(field).to_string();
        assert!(bad.contains(says), "{bad}");
    }
    let bare = json!({ "servingCell": true, "mcc": 452, "mnc": 4 });
    assert_eq!(taken("LteRecord", bare), Err(Bad::Nothing));
    for (payload, says) in [
        (&b"{}"[..], "missing field `messageType`"),
        (b"hello", "no message of Network Survey"),
        (br#"{"version":"2.0.0","messageType":"LteRecord","data":{}}"#, "version `2.0.0`"),
        (br#"{"version":"1.6.0","messageType":"WifiBeaconRecord","data":{}}"#, "`WifiBeaconRecord` is not taken"),
    ] {
        let error = decode(payload).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    }
}

fn state(data: Json) -> (phusong_protocol::RegistrationReading, phusong_protocol::Uplink) {
    let sample = good("PhoneState", data);
    let Outcome::Reading(Reading::Registration(reading)) = sample.outcome else { panic!("{:?}", sample.outcome) };
    (reading, phusong_protocol::Uplink::clone(&sample.uplink.expect("an uplink")))
}

fn registered(technology: &str, roaming: bool, cause: i64, mnc: i64) -> Json {
    let cell = json!({ "mcc": 452, "mnc": mnc, "tac": 20881, "eci": 79_221_507, "earfcn": 1450, "pci": 331 });
    json!([
        { "domain": "CS", "accessNetworkTechnology": technology, "roaming": roaming, "cellIdentityLte": cell },
        { "domain": "PS", "accessNetworkTechnology": "IWLAN", "roaming": false },
        { "domain": "PS", "accessNetworkTechnology": technology, "roaming": roaming, "rejectCause": cause,
          "cellIdentityLte": cell },
    ])
}

#[test]
fn the_state_of_a_phone_tells_sim_and_registration_apart() {
    use RegistrationStat as Stat;
    let ready = |list: Json| json!({ "simState": "READY", "simOperator": "45204", "networkRegistrationInfo": list });
    let without = |sim: &str| json!({ "simState": sim, "networkRegistrationInfo": [{ "domain": "PS" }] });
    let (home, roaming) = (Some(ServiceState::Home), Some(ServiceState::Roaming));
    for (name, data, stat, sim, service, cause, serving) in [
        ("home", ready(registered("LTE", false, 0, 4)), Stat::Home, SimState::Ready, home, None, Some("452-04")),
        (
            "roaming",
            ready(registered("LTE", true, 0, 1)),
            Stat::Roaming,
            SimState::Ready,
            roaming,
            None,
            Some("452-01"),
        ),
        (
            "foreign, not roaming",
            ready(registered("LTE", false, 0, 1)),
            Stat::Unknown,
            SimState::Ready,
            None,
            None,
            Some("452-01"),
        ),
        ("denied", ready(registered("LTE", false, 15, 4)), Stat::Denied, SimState::Ready, None, Some(15), None),
        ("nothing there", ready(json!([{ "domain": "PS" }])), Stat::Unknown, SimState::Ready, None, None, None),
        ("no SIM", without("ABSENT"), Stat::NoSim, SimState::Absent, None, None, None),
        ("PIN", without("PIN_REQUIRED"), Stat::Unknown, SimState::Pin, None, None, None),
        ("broken SIM", without("CARD_IO_ERROR"), Stat::Unknown, SimState::Failure, None, None, None),
    ] {
        let (reading, uplink) = state(data);
        assert_eq!((reading.stat, reading.sim, reading.reject_cause), (stat, Some(sim), cause), "{name}");
        assert_eq!((uplink.service_state, uplink.serving_plmn.as_deref()), (service, serving), "{name}");
        assert_eq!(uplink.sim_plmn.is_some(), sim == SimState::Ready, "{name}");
    }
    let (reading, _) = state(ready(registered("LTE", false, 0, 4)));
    let cell = reading.cell.expect("a cell");
    assert_eq!((cell.cell_id, cell.tac, cell.rsrp_dbm), (Some(79_221_507), Some(20881), None));
}

#[test]
fn registrations_are_the_same_as_text_of_a_log() {
    let list = registered("LTE", false, 0, 4);
    let as_text = json!({ "simState": "READY", "simOperator": "45204", "networkRegistrationInfo": list.to_string() });
    let as_json = json!({ "simState": "READY", "simOperator": "45204", "networkRegistrationInfo": list });
    assert_eq!(state(as_text), state(as_json));
    let wrong = json!({ "simState": "READY", "networkRegistrationInfo": "[1" });
    assert!(taken("PhoneState", wrong).is_err());
}

#[test]
fn a_battery_is_a_power_reading() {
    let sample = good("DeviceStatus", json!({ "batteryLevelPercent": 42 }));
    let Outcome::Reading(Reading::Power(power)) = sample.outcome else { panic!("{:?}", sample.outcome) };
    assert_eq!((power.battery_ratio, power.mains), (Some(0.42), None));
    assert!(taken("DeviceStatus", json!({})).is_err());
}

#[test]
fn topics_name_the_phone() {
    assert_eq!(probe_of("ns/phone-1/lte_message"), Some(probe()));
    for topic in ["ns/phone-1", "ns/Phone/lte_message", "ns/a/b/c", "phusong/v1/s/p/batch", "xs/phone-1/lte_message"] {
        assert_eq!(probe_of(topic), None, "{topic}");
    }
    assert_eq!(topic_prefix(&probe()), "ns/phone-1/");
}
