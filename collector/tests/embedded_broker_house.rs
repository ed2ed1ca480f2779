//! The whole collector with its embedded broker: nothing else is installed, and nothing is lost when it is killed.

mod broker;
mod house;

#[path = "embedded_broker_client/mod.rs"]
mod client;

use broker::{PATIENCE, scratch};
use client::{Client, Login, VERSIONS};
use house::{Home, PROBE, SITE, TOPIC, batch, wait};
use phusong_collector::broker::tls;
use phusong_collector::credentials::Credentials;
use phusong_protocol::{AckMessage, Ranges};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A collector whose file names no broker, on a port that it keeps, as an installation has it.
fn home(name: &str, port: u16) -> Home {
    let dir = scratch(name);
    let home = Home { file: dir.join("collector.toml"), data: dir.join("data") };
    let text = format!(
        "data_dir = {:?}\n[broker]\nlisten = \"127.0.0.1:{port}\"\nhosts = [\"127.0.0.1\"]\n[http]\nlisten = \"127.0.0.1:0\"\n",
        home.data
    );
    std::fs::write(&home.file, text).expect("a writable directory");
    home
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    listener.local_addr().expect("bound").port()
}

/// Registers the probe, with a lasting password.
fn registered(home: &Home) -> String {
    home.says(&["probe", "add", PROBE, "--site", SITE]);
    let credentials = Credentials::open(&home.data).expect("there");
    credentials.lasting_all(&[house::probe_id()]).expect("written").remove(0)
}

/// As an agent does: connected with TLS, says batches until they are acknowledged, connects again when it is cut off.
struct Agent {
    login: Login,
    client: Option<Client>,
    told: Ranges,
}

impl Agent {
    fn connected(&mut self) -> Option<&mut Client> {
        if self.client.is_none() {
            let mut client = self.login.try_connect().ok()?;
            client.subscribe(&TOPIC.replace("batch", "ack"));
            self.client = Some(client);
        }
        self.client.as_mut()
    }

    /// Says the batch of these ids; whether it is heard is for [`Agent::listen`].
    fn say(&mut self, first: u64, last: u64) {
        if let Some(client) = self.connected() {
            client.say(TOPIC, batch(7, first, last), false);
        }
    }

    /// Takes acknowledgements until there is silence; a connection that ended is dropped.
    fn listen(&mut self, silence: Duration) {
        let Some(client) = self.client.as_mut() else { return };
        let before = Instant::now();
        while let Some(message) = client.next(silence) {
            let acks = AckMessage::from_json(&message.payload).map(|message| message.acks).unwrap_or_default();
            acks.iter().for_each(|ack| self.told.union(&ack.ranges));
        }
        // It says nothing at once only when it has ended.
        if before.elapsed() < silence {
            self.client = None;
        }
    }
}

#[test]
fn what_a_probe_was_told_is_stored_is_there_after_the_collector_was_killed_and_the_rest_comes_again() {
    for version in VERSIONS {
        let port = free_port();
        let home = home(&format!("embedded-house-{version:?}").to_lowercase(), port);
        let password = registered(&home);
        let mut collector = home.start();
        collector.wait_ready();
        assert!(collector.log().contains(&format!("MQTT with TLS on 127.0.0.1:{port}")), "{}", collector.log());
        let ca = tls::ca_pem(&home.data).expect("made at the start");
        let login = Login::new(port, PROBE, PROBE, &password).with(version).tls(&ca);
        let mut agent = Agent { login, client: None, told: Ranges::new() };
        let deadline = Instant::now() + 2 * PATIENCE;
        let mut killed = false;
        while agent.told != Ranges::of(0, 999) {
            assert!(Instant::now() < deadline, "in vain; told {:?}\n{}", agent.told, collector.log());
            // Half of them before it is killed, so that there is a rest.
            let upto = if killed { 100 } else { 50u64 };
            let missing = (0..upto).filter(|n| !agent.told.contains(n * 10)).collect::<Vec<u64>>();
            missing.iter().for_each(|n| agent.say(n * 10, n * 10 + 9));
            if !killed && agent.client.is_some() {
                agent.listen(Duration::from_millis(50));
                killed = true;
                // Dropping it is `kill -9`.
                drop(collector);
                collector = home.start();
            }
            agent.listen(Duration::from_millis(500));
        }
        let store = rusqlite::Connection::open(home.data.join("phusong.db")).expect("the database is there");
        let count = "SELECT count(*) FROM observation";
        assert_eq!(store.query_row(count, [], |row| row.get::<_, i64>(0)).expect("a count"), 1_000);
        wait("it is ready again", || collector.get("/readyz", "").0 == 200);
        assert_eq!(collector.metric("phusong_broker_connections"), 1.0);
        let (status, took) = collector.stop();
        assert!(status.success(), "{}", collector.log());
        assert!(took < Duration::from_secs(10), "{took:?}");
        let _ = std::fs::remove_dir_all(home.file.parent().expect("a directory"));
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_its_key_and_what_to_do() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    let address = taken.local_addr().expect("bound");
    let home = home("embedded-taken", address.port());
    let said = home.refuses(&["run"]);
    assert!(said.contains(&format!("broker.listen = {address}: choose another port, end its user")), "{said}");
    let _ = std::fs::remove_dir_all(home.file.parent().expect("a directory"));
}

#[test]
fn a_retired_probe_is_let_in_no_more() {
    let port = free_port();
    let home = home("embedded-retired", port);
    let password = registered(&home);
    let collector = home.start();
    collector.wait_ready();
    let ca = tls::ca_pem(&home.data).expect("made at the start");
    let login = Login::new(port, PROBE, PROBE, &password).tls(&ca);
    login.connect().leave();
    home.says(&["probe", "retire", PROBE]);
    assert!(login.try_connect().is_err());
    assert!(collector.metric("phusong_broker_refused_connections_total{reason=\"login\"}") >= 1.0);
    let _ = std::fs::remove_dir_all(home.file.parent().expect("a directory"));
}
