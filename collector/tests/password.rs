//! The password line that we write lets a client in at a real Mosquitto, and nothing else does.

mod broker;

use broker::{Broker, PATIENCE};
use phusong_collector::password;
use rumqttc::{Client, Event, MqttOptions, Packet};
use std::time::Instant;

#[test]
fn mosquitto_accepts_the_password_of_our_line_and_no_other() {
    let dir = broker::scratch("password-file");
    let file = dir.join("passwords");
    let password = password::generate().expect("random");
    let line = password::line("na-chen-1", &password).expect("random");
    password::put_line(&file, "na-chen-1", &line).expect("a writable directory");
    let broker = Broker::start("password", &format!("allow_anonymous false\npassword_file {}", file.display()));
    assert!(login(&broker, "na-chen-1", &password));
    assert!(!login(&broker, "na-chen-1", "another"));
    assert!(!login(&broker, "na-chen-2", &password));
    std::fs::remove_dir_all(dir).expect("own directory");
}

fn login(broker: &Broker, user: &str, password: &str) -> bool {
    let mut options = MqttOptions::new("login", "127.0.0.1", broker.port);
    options.set_credentials(user, password);
    let (_client, mut connection) = Client::new(options, 1);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match connection.recv_timeout(left).expect("an answer in time") {
            Ok(Event::Incoming(Packet::ConnAck(_))) => return true,
            Ok(_) => {}
            Err(rumqttc::ConnectionError::ConnectionRefused(_)) => return false,
            Err(other) => panic!("no answer: {other}"),
        }
    }
}
