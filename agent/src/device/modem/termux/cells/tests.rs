//! JSON of phones to what is said of them.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn device(more: Value) -> Value {
    let mut device = json!({
        "data_enabled": "true", "data_activity": "inout", "data_state": "connected", "device_id": "356938035643809",
        "network_operator": "45204", "network_operator_name": "Viettel", "network_type": "lte", "network_roaming": false,
        "sim_operator": "45204", "sim_operator_name": "Viettel", "sim_serial_number": "8984048000000000000",
        "sim_subscriber_id": "452040123456789", "sim_state": "ready"
    });
    let fields = more.as_object().expect("an object").clone();
    device.as_object_mut().expect("an object").extend(fields);
    device
}

#[test]
fn cells_are_read_in_the_shape_of_each_radio() {
    let all = json!([
        {"type": "lte", "registered": true, "asu": 43, "dbm": -97, "level": 3, "timing_advance": 2, "ci": 7985411,
         "pci": 188, "tac": 7936, "mcc": 452, "mnc": 4, "rsrp": -97, "rsrq": -10, "rssi": -67, "bands": [3]},
        {"type": "nr", "registered": true, "asu": 60, "dbm": -96, "level": 3, "pci": 920, "mcc": "452", "mnc": "04",
         "ss_rsrp": -96, "ss_rsrq": -10, "ss_sinr": 18, "bands": [41, 78]},
        {"type": "lte", "registered": false, "asu": 30, "dbm": -110, "pci": 221, "rsrp": -110, "rsrq": 2147483647_i64},
        {"type": "gsm", "registered": false, "asu": 10, "dbm": -93, "level": 2, "cid": 12401, "lac": 6188, "mcc": 452, "mnc": 1},
        {"type": "cdma", "registered": false},
        {}
    ]);
    let seen = seen(Some(&all), None);
    let cells = seen.signal.expect("a signal").cells;
    let lte = RadioCell {
        technology: Some(Technology::Lte),
        mcc: Some("452".into()),
        mnc: Some("04".into()),
        cell_id: Some(7_985_411),
        tac: Some(7_936),
        pci: Some(188),
        band: Some("B3".into()),
        rsrp_dbm: Some(-97.0),
        rsrq_db: Some(-10.0),
        rssi_dbm: Some(-67.0),
        serving: Some(true),
        ..RadioCell::default()
    };
    assert_eq!(cells[0], lte);
    let nr = (cells[1].technology, cells[1].rsrp_dbm, cells[1].sinr_db, cells[1].mnc.as_deref(), cells[1].band.clone());
    assert_eq!(nr, (Some(Technology::NrNsa), Some(-96.0), Some(18.0), Some("04"), None));
    let others = seen.neighbours.expect("neighbours");
    assert_eq!(
        others.iter().map(|cell| cell.technology).collect::<Vec<_>>(),
        [Some(Technology::Lte), Some(Technology::Gsm)]
    );
    assert_eq!((others[0].rsrq_db, others[0].mcc.clone(), others[1].mnc.as_deref()), (None, None, Some("01")));
    assert!(seen.registration.is_none() && seen.sim.is_none());
}

#[test]
fn the_level_of_umts_is_what_its_two_numbers_agree_on() {
    let cases = [(-95, 25, Some(-95.0), None, false), (-73, 20, None, Some(-73.0), false), (-95, 99, None, None, true)];
    for (dbm, asu, rscp, rssi, doubtful) in cases {
        let all =
            json!([{"type": "wcdma", "registered": true, "dbm": dbm, "asu": asu, "psc": 58, "mcc": 452, "mnc": 2}]);
        let cell = seen(Some(&all), None).signal.expect("a signal").cells[0].clone();
        assert_eq!(
            (cell.rscp_dbm, cell.rssi_dbm, !cell.doubtful.is_empty(), cell.pci),
            (rscp, rssi, doubtful, Some(58))
        );
    }
}

#[test]
fn the_network_is_said_as_far_as_android_says_it() {
    use RegistrationStat::{Home, Idle, Roaming};
    let cases = [
        (json!({}), Home, Some(ServiceState::Home), SimState::Ready, Some("452-04")),
        (
            json!({"network_roaming": true, "network_operator": "45201"}),
            Roaming,
            Some(ServiceState::Roaming),
            SimState::Ready,
            Some("452-04"),
        ),
        (json!({"network_operator": ""}), Idle, None, SimState::Ready, Some("452-04")),
        (json!({"network_operator": "", "sim_state": "absent"}), Idle, None, SimState::Absent, None),
        (json!({"network_operator": "", "sim_state": "pin_required"}), Idle, None, SimState::Pin, None),
    ];
    for (more, stat, service, state, home) in cases {
        let seen = seen(None, Some(&device(more.clone())));
        let now = seen.registration.expect("registration");
        let sim = seen.sim.expect("a SIM");
        assert_eq!((now.stat, now.service, sim.state, sim.plmn.as_deref()), (stat, service, state, home), "{more}");
        assert_eq!(seen.bearer.is_some(), state == SimState::Ready, "{more}");
    }
}

#[test]
fn no_number_of_a_person_or_a_device_is_kept() {
    let said = format!("{:?}", seen(None, Some(&device(json!({})))));
    for secret in ["356938035643809", "8984048000000000000", "0123456789"] {
        assert!(!said.contains(secret), "{said}");
    }
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(kind in 0..4_usize, key in 0..14_usize, value in prop_oneof![
        any::<i64>().prop_map(Value::from), any::<f64>().prop_map(Value::from), "\\PC{0,8}".prop_map(Value::from),
        Just(Value::Null), Just(json!([1, "x", {}])), any::<u64>().prop_map(Value::from)]) {
        let kinds = ["gsm", "wcdma", "lte", "nr"];
        let keys = ["mcc", "mnc", "cid", "ci", "nci", "lac", "tac", "pci", "psc", "dbm", "asu", "rsrp", "ss_rsrp", "bands"];
        let mut cell = json!({"type": kinds[kind], "registered": true, "dbm": -90, "asu": 30});
        cell[keys[key]] = value.clone();
        let _ = seen(Some(&json!([cell, value])), Some(&value));
        let _ = seen(Some(&value), Some(&device(json!({"network_operator": value.clone(), "sim_state": value}))));
    }
}
