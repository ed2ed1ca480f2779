//! Who may do what at the broker: the deployed Mosquitto configuration and ACL, started as they are.
//!
//! MQTT 5 says 135 (not authorised); 3.1.1 has no word for it: the message is taken and goes nowhere.

use phusong_tests::harness::{Lab, Login, MqttClient, Refused, Version, wait};
use std::time::Duration;

const NOT_AUTHORISED: u8 = 135;
const TAKEN: [u8; 2] = [0, 16];
/// Long against a loopback delivery, short enough to wait for in vain.
const SILENCE: Duration = Duration::from_millis(500);

fn lab(name: &str) -> Lab {
    Lab::start(name, &["p1", "p2"]).expect("the broker starts")
}

fn probe(lab: &Lab, name: &str) -> Login {
    Login::tls(lab.broker.tls_port(), &lab.broker.ca_file(), name, &Lab::password(name))
}

fn collector(lab: &Lab) -> MqttClient {
    let login = Login::plain(lab.broker.plain_port(), "collector", "collector-secret");
    let mut client = MqttClient::connect(&login).expect("the collector logs in");
    assert_eq!(client.subscribe("phusong/v1/#").expect("subscribing is answered"), 1);
    client
}

fn connect(login: &Login) -> MqttClient {
    MqttClient::connect(login).expect("the broker lets it in")
}

#[test]
fn nobody_without_a_name_or_with_a_wrong_password_gets_in() {
    let lab = lab("acl-login");
    let tls = probe(&lab, "p1");
    let cases = [
        ("anonymous, plain", Login::anonymous(lab.broker.plain_port())),
        ("anonymous, TLS", Login { user: None, ..tls.clone() }),
        ("wrong password", Login { user: Some(("p1".into(), "wrong".into())), ..tls.clone() }),
        ("unknown user", Login { user: Some(("p9".into(), Lab::password("p9"))), ..tls.clone() }),
    ];
    for (what, login) in cases {
        for version in [Version::V5, Version::V311] {
            let error = MqttClient::connect(&login.clone().with(version)).err();
            let error = error.unwrap_or_else(|| panic!("{what} got in with {version:?}"));
            assert!(error.downcast_ref::<Refused>().is_some(), "{what}: {error:#}");
        }
    }
    connect(&tls);
}

#[test]
fn a_probe_writes_its_own_batch_and_status_and_the_collector_reads_them() {
    let lab = lab("acl-own");
    let mut reader = collector(&lab);
    for version in [Version::V5, Version::V311] {
        let mut client = connect(&probe(&lab, "p1").with(version));
        for channel in ["batch", "status"] {
            let topic = Lab::topic("p1", channel);
            let code = client.publish(&topic, "x").expect("publishing is answered");
            assert!(TAKEN.contains(&code), "{channel}: {code}");
            reader.expect(&topic, |message| (message.topic == topic).then_some(())).expect("it arrives");
        }
    }
}

#[test]
fn a_probe_can_write_neither_for_another_probe_nor_what_is_meant_for_probes() {
    let lab = lab("acl-write");
    let mut reader = collector(&lab);
    let forbidden = [
        Lab::topic("p2", "batch"),
        Lab::topic("p2", "status"),
        Lab::topic("p1", "ack"),
        Lab::topic("p2", "ack"),
        Lab::topic("p1", "config"),
        Lab::topic("p1", "command"),
        "ns/p2/lte".into(),
        "phusong/v2/lab/p1/batch".into(),
    ];
    for topic in &forbidden {
        let code = connect(&probe(&lab, "p1")).publish(topic, "x").expect("MQTT 5 answers");
        assert_eq!(code, NOT_AUTHORISED, "{topic}");
        let code = connect(&probe(&lab, "p1").with(Version::V311)).publish(topic, "x").expect("3.1.1 takes it");
        assert_eq!(code, 0, "{topic}");
    }
    // One good message behind them: had any of them passed, it would stand before this one.
    let last = Lab::topic("p1", "batch");
    connect(&probe(&lab, "p1")).publish(&last, "last").expect("its own batch");
    let first = reader.next(wait::PATIENCE).expect("connected").expect("the good message arrives");
    assert_eq!((first.topic, first.payload), (last, b"last".to_vec()));
}

#[test]
fn a_probe_reads_what_is_meant_for_it_and_nothing_that_is_meant_for_others() {
    let lab = lab("acl-read");
    let mut writer = collector(&lab);
    for version in [Version::V5, Version::V311] {
        let mut own = connect(&probe(&lab, "p1").with(version));
        let mut spy = connect(&probe(&lab, "p2").with(version));
        // Mosquitto grants any filter and checks each message: what counts is what arrives.
        for filter in [Lab::topic("p1", "ack"), "phusong/v1/+/p1/batch".into(), "#".into()] {
            spy.subscribe(&filter).expect("subscribing is answered");
        }
        for channel in ["ack", "config", "command"] {
            own.subscribe(&Lab::topic("p1", channel)).expect("subscribing is answered");
            let topic = Lab::topic("p1", channel);
            writer.publish(&topic, "for p1").expect("the collector may write");
            own.expect(&topic, |message| (message.topic == topic).then_some(())).expect("it arrives");
        }
        let leaked = spy.next(SILENCE).expect("the spy is connected still");
        assert_eq!(leaked, None, "{version:?}");
    }
}

#[test]
fn the_plain_listener_is_on_loopback_alone() {
    let text = include_str!("../../deploy/mosquitto/phusong.conf");
    let listeners: Vec<&str> = text.lines().filter(|line| line.starts_with("listener")).collect();
    assert_eq!(listeners, ["listener 8883", "listener 1883 127.0.0.1"]);
    for line in ["per_listener_settings false", "allow_anonymous false"] {
        assert!(text.lines().any(|l| l == line), "{line}");
    }
}
