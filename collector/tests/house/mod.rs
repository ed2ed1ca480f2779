//! A real collector under the test's hand: its configuration, its process, its command line, its HTTP, a client.

#![allow(dead_code)] // Each test program uses a part of it.

use super::broker::{Broker, PATIENCE};
use phusong_protocol::{AckMessage, Clock, Epoch, LatencyReading, Outcome, ProbeId, Reading, Sample, encode_batch};
use rumqttc::{Client, Connection, Event, MqttOptions, Packet, QoS};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime};

pub const SITE: &str = "thanh-dinh";
pub const PROBE: &str = "na-chen-1";
pub const TOPIC: &str = "phusong/v1/thanh-dinh/na-chen-1/batch";

/// Waits for a condition, at most [`PATIENCE`].
pub fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let (_never, pause) = mpsc::channel::<()>();
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        let _ = pause.recv_timeout(Duration::from_millis(20));
    }
}

/// Configuration and data of one collector.
pub struct Home {
    pub file: PathBuf,
    pub data: PathBuf,
}

impl Home {
    /// `extra` is appended to the file.
    pub fn new(broker: &Broker, protocol: u16, mqtt: &str, extra: &str) -> Self {
        let home = Home { file: broker.dir.join("collector.toml"), data: broker.dir.join("data") };
        let url = broker.url();
        let text = format!(
            "data_dir = {:?}\n[mqtt]\nurl = \"{url}\"\nprotocol = {protocol}\n{mqtt}\n[http]\nlisten = \"127.0.0.1:0\"\n{extra}\n",
            home.data
        );
        std::fs::write(&home.file, text).expect("a writable directory");
        home
    }

    pub fn command(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phusong-collector"));
        command.arg("--config").arg(&self.file).args(args).output().expect("the program was built")
    }

    /// What a command that must succeed says on stdout.
    pub fn says(&self, args: &[&str]) -> String {
        let output = self.command(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// What a command that must fail says on stderr.
    pub fn refuses(&self, args: &[&str]) -> String {
        let output = self.command(args);
        assert!(!output.status.success(), "{args:?} succeeds");
        String::from_utf8(output.stderr).expect("text")
    }

    pub fn start(&self) -> Collector {
        let mut process = Command::new(env!("CARGO_BIN_EXE_phusong-collector"))
            .arg("--config")
            .arg(&self.file)
            .arg("run")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program was built");
        let stderr = process.stderr.take().expect("asked for");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = lines.lock().expect("nobody panics holding it");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut collector = Collector { process, log, port: 0 };
        wait("the collector says where its HTTP is", || collector.find_port());
        collector
    }
}

pub struct Collector {
    process: Child,
    log: Arc<Mutex<String>>,
    port: u16,
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Collector {
    fn find_port(&mut self) -> bool {
        let log = self.log();
        let found = log.lines().find_map(|line| line.split_once("HTTP on 127.0.0.1:")?.1.parse().ok());
        self.port = found.unwrap_or(0);
        let ended = self.process.try_wait().expect("own child").is_some();
        assert!(!ended, "the collector ended:\n{log}");
        self.port != 0
    }

    pub fn log(&self) -> String {
        self.log.lock().expect("nobody panics holding it").clone()
    }

    pub fn get(&self, path: &str, header: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        (status, answer)
    }

    pub fn wait_ready(&self) {
        wait("/readyz says yes", || self.get("/readyz", "").0 == 200);
    }

    /// One line of `/metrics`, by its name with its labels.
    pub fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics", "");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} is not in\n{text}"))
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, signal).expect("own child");
    }

    /// SIGTERM, and how it ends.
    pub fn stop(&mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        self.signal(rustix::process::Signal::TERM);
        let mut status = None;
        wait("the collector ends", || {
            status = self.process.try_wait().expect("own child");
            status.is_some()
        });
        (status.expect("it has ended"), started.elapsed())
    }
}

/// A probe by hand.
pub struct Probe {
    client: Client,
    connection: Connection,
    /// Publishes that the broker has confirmed.
    pub confirmed: usize,
    acks: Vec<AckMessage>,
}

impl Probe {
    pub fn connect(broker: &Broker) -> Self {
        let mut options = MqttOptions::new("probe-by-hand", "127.0.0.1", broker.port);
        options.set_inflight(1_000);
        let (client, connection) = Client::new(options, 2_000);
        client.subscribe("phusong/v1/+/+/ack", QoS::AtLeastOnce).expect("a queue with room");
        let mut probe = Probe { client, connection, confirmed: 0, acks: Vec::new() };
        probe.until("the subscription", |event, _| matches!(event, Event::Incoming(Packet::SubAck(_))));
        probe
    }

    pub fn publish(&self, topic: &str, payload: Vec<u8>) {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).expect("a queue with room");
    }

    /// Waits until the broker has confirmed so many publishes.
    pub fn until_confirmed(&mut self, publishes: usize) {
        if self.confirmed < publishes {
            self.until("the broker's confirmations", |_, probe| probe.confirmed >= publishes);
        }
    }

    /// Takes acknowledgements until one message is wanted, and gives it.
    pub fn ack(&mut self, what: &str, wanted: impl Fn(&AckMessage) -> bool) -> AckMessage {
        loop {
            if let Some(at) = self.acks.iter().position(&wanted) {
                return self.acks.swap_remove(at);
            }
            let before = self.acks.len();
            self.until(what, |_, probe| probe.acks.len() > before);
        }
    }

    fn until(&mut self, what: &str, holds: impl Fn(&Event, &Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(event) = self.connection.recv_timeout(left) else { panic!("in vain: {what}") };
            let event = event.expect("the broker runs");
            match &event {
                Event::Incoming(Packet::PubAck(_)) => self.confirmed += 1,
                Event::Incoming(Packet::Publish(publish)) => {
                    // The collector's test of itself is no acknowledgement.
                    self.acks.extend(AckMessage::from_json(&publish.payload).ok());
                }
                _ => {}
            }
            if holds(&event, self) {
                return;
            }
        }
    }
}

pub fn probe_id() -> ProbeId {
    PROBE.parse().expect("valid")
}

pub fn sample(seq: u64) -> Sample {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let reading = LatencyReading { sent: 2, rtt_us: vec![20_000 + seq as u32, 21_000], lost: Vec::new() };
    Sample {
        seq,
        boot_id: None,
        mono_ms: None,
        wall_ms: i64::try_from(since.as_millis()).expect("this century"),
        clock: Clock { synced: true, age_s: Some(1) },
        place: None,
        setup: None,
        uplink: None,
        target: None,
        outcome: Outcome::Reading(Reading::Latency(reading)),
    }
}

/// Samples `first..=last` of an epoch as one payload.
pub fn batch(epoch: u64, first: u64, last: u64) -> Vec<u8> {
    let samples: Vec<Sample> = (first..=last).map(sample).collect();
    encode_batch(&probe_id(), Epoch(epoch), &samples)
}
