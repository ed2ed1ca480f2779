//! What only the embedded broker does: one-time secrets, TLS of its own, bounds, sessions that belong to their users.

mod broker;
#[path = "embedded_broker_client/mod.rs"]
mod client;
#[path = "embedded_broker_place/mod.rs"]
mod place;

use client::{Client, Login, VERSIONS};
use phusong_collector::broker::{self as embedded, tls};
use phusong_collector::credentials::{Credentials, Verdict};
use phusong_protocol::{Command, CommandBody, ProbeId};
use place::{Place, topic};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

const NOT_AUTHORISED: u8 = 135;
const SILENCE: Duration = Duration::from_millis(500);

fn p1() -> ProbeId {
    "p1".parse().expect("valid")
}

fn received(client: &mut Client) -> (String, String) {
    let message = client.expect("the credentials");
    assert_eq!((message.topic, message.retain), (topic("p1", "command"), false));
    let command: Command = serde_json::from_slice(&message.payload).expect("a command");
    match command.body {
        CommandBody::Credentials { username, password } => (username, password.reveal().to_owned()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_one_time_secret_is_exchanged_for_a_lasting_password_and_good_for_nothing_else() {
    let place = Place::embedded("exchange", |_| {});
    let credentials = Credentials::open(place.dir()).expect("there");
    let mut collector = place.collector("reader").connect();
    collector.subscribe("phusong/v1/#");
    let mut other = place.probe("p1", "old-device").connect();
    other.subscribe(&topic("p1", "command"));
    for version in VERSIONS {
        let secret = credentials.offer(&p1(), now_ms()).expect("written");
        let will = topic("p1", "status");
        let login = Login::new(place.port, "new-device", "p1", &secret).with(version).will(&will, "gone", true);
        let mut joining = login.connect();
        let refused = joining.publish(&topic("p1", "batch"), "too early");
        assert_eq!(refused, if version == client::Version::V5 { NOT_AUTHORISED } else { 0 });
        for filter in [topic("p1", "ack"), topic("p2", "command"), "phusong/v1/+/p1/command".into(), "#".into()] {
            assert!(joining.subscribe(&filter) >= 128, "{filter}");
        }
        assert_eq!(joining.subscribe(&topic("p1", "command")), 1);
        let (user, password) = received(&mut joining);
        assert_eq!(user, "p1");
        assert_eq!(other.next(SILENCE), None, "to that client only");
        joining.vanish();
        // It was lost on the way: the secret still holds, and the next password replaces it.
        let mut again = login.connect();
        assert_eq!(again.subscribe(&topic("p1", "command")), 1);
        let (_, newer) = received(&mut again);
        assert_ne!(newer, password);
        again.leave();
        let old = Login::new(place.port, "new-device", "p1", &password).with(version);
        assert!(old.try_connect().is_err(), "replaced");
        let lasting = Login::new(place.port, "new-device", "p1", &newer).with(version);
        lasting.connect().leave();
        assert!(login.try_connect().is_err(), "the one-time secret has done its work");
        assert_eq!(credentials.verify("p1", newer.as_bytes(), now_ms()), Verdict::Lasting);
        let mut late = place.collector("late").connect();
        late.subscribe("phusong/v1/#");
        assert_eq!(late.next(SILENCE), None, "nothing of it was retained");
    }
    assert_eq!(collector.next(SILENCE), None, "no batch and no will of a joining client was heard");
}

#[test]
fn a_session_is_not_taken_over_by_another_user_and_the_collectors_door_takes_no_probe() {
    let place = Place::embedded("owners", |_| {});
    let mut own = place.probe("p1", "c1").lasting().connect();
    own.subscribe(&topic("p1", "ack"));
    assert!(place.probe("p2", "c1").try_connect().is_err());
    let door = place.collector("x").port;
    assert!(Login { port: door, ..place.probe("p1", "c2") }.try_connect().is_err());
    let collector = place.collector("collector");
    assert!(Login { port: place.port, ..collector }.try_connect().is_err(), "its secret is for its own door");
    assert_eq!(own.subscribe(&topic("p1", "config")), 1, "it lives");
    let figures = place.embedded_broker().watch().figures();
    assert_eq!(figures.connections, 1);
    assert!(figures.refused.contains(&("login", 3)), "{figures:?}");
}

#[test]
fn tls_shows_a_certificate_of_the_authority_that_the_fingerprint_names() {
    let place = Place::embedded("tls", |config| config.broker.hosts = vec!["127.0.0.1".into()]);
    let pem = tls::ca_pem(place.dir()).expect("made at the start");
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    assert_eq!(tls::fingerprint(place.dir()).expect("read"), <[u8; 32]>::from(Sha256::digest(&der)));
    let port = place.embedded_broker().listen.port();
    for version in VERSIONS {
        let login = Login { port, ..place.probe("p1", "c1") }.with(version);
        let mut probe = login.clone().tls(&pem).connect();
        assert_eq!(probe.subscribe(&topic("p1", "ack")), 1);
        probe.leave();
        assert!(login.try_connect().is_err(), "in the clear it takes nobody");
    }
    let stranger = broker::scratch("tls-stranger");
    let other = tls::ca_pem(&stranger).expect("another authority");
    assert!(Login { port, ..place.probe("p1", "c1") }.tls(&other).try_connect().is_err());
    let _ = std::fs::remove_dir_all(stranger);
    let written = std::fs::read_to_string(place.dir().join("broker/address")).expect("for other processes");
    assert_eq!(written.trim(), place.embedded_broker().listen.to_string());
}

#[test]
fn connections_beyond_the_bound_are_turned_away_and_counted_and_a_place_that_is_free_is_given_again() {
    let place = Place::embedded("full", |config| config.broker.connections = 8);
    let mut inside: Vec<Client> = (0..8).map(|n| place.probe("p1", &format!("c{n}")).connect()).collect();
    assert!(place.probe("p2", "one-more").try_connect().is_err());
    let figures = place.embedded_broker().watch().figures();
    assert_eq!((figures.connections, figures.refused[0]), (8, ("full", 1)));
    inside.remove(0).leave();
    let mut late = None;
    for _ in 0..1_000 {
        late = place.probe("p2", "one-more").try_connect().ok();
        if late.is_some() {
            break;
        }
    }
    assert_eq!(late.expect("there is room again").subscribe(&topic("p2", "ack")), 1);
}

#[test]
fn a_sleeping_session_keeps_the_newest_messages_up_to_its_bound() {
    let place = Place::embedded("queue", |config| config.broker.queue_messages = 16);
    let mut collector = place.collector("writer").connect();
    let login = place.probe("p1", "c1").lasting();
    let mut probe = login.connect();
    probe.subscribe(&topic("p1", "ack"));
    probe.leave();
    let deadline = Instant::now() + broker::PATIENCE;
    while place.embedded_broker().watch().figures().connections > 0 {
        assert!(Instant::now() < deadline, "the broker notices that it left");
        std::thread::yield_now();
    }
    for n in 0..100 {
        collector.publish(&topic("p1", "ack"), n.to_string());
    }
    let mut probe = login.connect();
    let heard: Vec<String> = std::iter::from_fn(|| probe.next(SILENCE))
        .map(|message| String::from_utf8(message.payload).expect("text"))
        .collect();
    assert_eq!(heard, (84..100).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(place.embedded_broker().watch().figures().dropped, 84);
}

#[test]
fn what_is_neither_status_nor_configuration_is_delivered_but_not_retained() {
    let place = Place::embedded("not-retained", |_| {});
    let mut collector = place.collector("reader").connect();
    collector.subscribe("phusong/v1/#");
    let mut probe = place.probe("p1", "c1").connect();
    probe.retain(&topic("p1", "batch"), "by mistake");
    assert_eq!(collector.expect("it is delivered").payload, b"by mistake");
    // A probe chooses its site, but cannot fill the memory with sites.
    for n in 0..20 {
        probe.retain(&format!("phusong/v1/site-{n}/p1/status"), "online");
    }
    let mut late = place.collector("late").connect();
    late.subscribe("phusong/v1/#");
    let kept = std::iter::from_fn(|| late.next(SILENCE)).count();
    assert_eq!(kept, 4);
    assert_eq!(place.embedded_broker().watch().figures().not_retained, 1 + 16);
}

#[test]
fn the_names_of_this_machine_are_those_configured_or_what_it_knows_of_itself() {
    let mut config = phusong_collector::config::Config::default();
    let own = embedded::hosts(&config);
    assert!(!own.iter().any(|host| host.starts_with("127.") || host == "localhost"), "{own:?}");
    config.broker.hosts = vec!["collector.example.vn".into()];
    assert_eq!(embedded::hosts(&config), ["collector.example.vn"]);
    assert_eq!(embedded::port(&config).ok(), Some(8883));
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("this century")
}
