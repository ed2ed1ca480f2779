//! A bare MQTT client for the broker's tests: says what it is told, keeps what it hears, can vanish without a word.
//!
//! In: a [`Login`]. Out: reason codes of MQTT 5 (128 and above are refusals; 3.1.1 says 0 and 128) and [`Message`]s.
//! It never reconnects; a lost connection is the last thing it hears.

#![allow(dead_code)] // Each test program uses a part of it.

use super::broker::PATIENCE;
use rumqttc::v5::mqttbytes::{QoS as QoS5, v5};
use rumqttc::{QoS, TlsConfiguration, Transport, v5 as client5};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender as To, channel};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

const PACKET: u32 = 1024 * 1024;
const REQUESTS: usize = 1_000;
const GOODBYE: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V5,
    V311,
}

pub const VERSIONS: [Version; 2] = [Version::V5, Version::V311];

/// What a CONNECT says, and over what.
#[derive(Debug, Clone)]
pub struct Login {
    pub port: u16,
    pub client: String,
    pub user: Option<(String, String)>,
    pub version: Version,
    pub clean: bool,
    pub will: Option<Will>,
    /// The authority that is trusted, as PEM; without it there is no TLS.
    pub ca: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Will {
    pub topic: String,
    pub payload: String,
    pub retain: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retain: bool,
}

#[derive(Debug)]
enum Heard {
    Connected { resumed: bool },
    Message(Message),
    Published(u8),
    Subscribed(u8),
    Ended(String),
}

enum Sender {
    V5(client5::AsyncClient),
    V311(rumqttc::AsyncClient),
}

pub struct Client {
    sender: Sender,
    heard: Receiver<Heard>,
    inbox: VecDeque<Message>,
    /// Whether the broker remembered the session.
    pub resumed: bool,
    /// Dropped, it cuts the connection.
    cut: Option<oneshot::Sender<()>>,
}

impl Login {
    pub fn new(port: u16, client: &str, user: &str, password: &str) -> Self {
        let user = Some((user.to_owned(), password.to_owned()));
        Login { port, client: client.into(), user, version: Version::V5, clean: true, will: None, ca: None }
    }

    pub fn with(self, version: Version) -> Self {
        Login { version, ..self }
    }

    pub fn lasting(self) -> Self {
        Login { clean: false, ..self }
    }

    pub fn will(self, topic: &str, payload: &str, retain: bool) -> Self {
        Login { will: Some(Will { topic: topic.into(), payload: payload.into(), retain }), ..self }
    }

    pub fn tls(self, ca: &str) -> Self {
        Login { ca: Some(ca.into()), ..self }
    }

    /// Err: what the broker said instead of letting it in.
    pub fn try_connect(&self) -> Result<Client, String> {
        let (to, heard) = channel();
        let (cut, is_cut) = oneshot::channel();
        let sender = match self.version {
            Version::V5 => Sender::V5(start_v5(self, to, is_cut)),
            Version::V311 => Sender::V311(start_v311(self, to, is_cut)),
        };
        let mut client = Client { sender, heard, inbox: VecDeque::new(), resumed: false, cut: Some(cut) };
        match client.heard.recv_timeout(PATIENCE).expect("an answer in time") {
            Heard::Connected { resumed } => client.resumed = resumed,
            Heard::Ended(why) => return Err(why),
            other => panic!("heard before CONNACK: {other:?}"),
        }
        Ok(client)
    }

    /// Asks again, as every client of ours does, while the broker sees off the session before under the same id (ADR 9).
    pub fn connect(&self) -> Client {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.try_connect() {
                Ok(client) => return client,
                Err(why) if why.contains("Unavailable") && Instant::now() < deadline => {}
                Err(why) => panic!("{self:?} is not let in: {why}"),
            }
        }
    }
}

impl Client {
    /// QoS 1; the broker's answer: 0 taken, 16 nobody listens, 135 not authorised.
    pub fn publish(&mut self, topic: &str, payload: impl Into<Vec<u8>>) -> u8 {
        self.say(topic, payload.into(), false);
        self.wait(|heard| if let Heard::Published(code) = heard { Some(*code) } else { None })
    }

    pub fn retain(&mut self, topic: &str, payload: impl Into<Vec<u8>>) -> u8 {
        self.say(topic, payload.into(), true);
        self.wait(|heard| if let Heard::Published(code) = heard { Some(*code) } else { None })
    }

    /// Waits for no answer.
    pub fn say(&mut self, topic: &str, payload: Vec<u8>, retain: bool) {
        match &self.sender {
            Sender::V5(client) => {
                client.try_publish(topic, QoS5::AtLeastOnce, retain, payload).expect("a queue with room");
            }
            Sender::V311(client) => {
                client.try_publish(topic, QoS::AtLeastOnce, retain, payload).expect("a queue with room");
            }
        }
    }

    /// QoS 1; the broker's answer: 0 to 2 granted, 128 and above refused.
    pub fn subscribe(&mut self, filter: &str) -> u8 {
        match &self.sender {
            Sender::V5(client) => client.try_subscribe(filter, QoS5::AtLeastOnce).expect("a queue with room"),
            Sender::V311(client) => client.try_subscribe(filter, QoS::AtLeastOnce).expect("a queue with room"),
        }
        self.wait(|heard| if let Heard::Subscribed(code) = heard { Some(*code) } else { None })
    }

    /// The next message, or nothing within `patience` or before the end.
    pub fn next(&mut self, patience: Duration) -> Option<Message> {
        if let Some(message) = self.inbox.pop_front() {
            return Some(message);
        }
        let deadline = Instant::now() + patience;
        loop {
            match self.heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Heard::Message(message)) => return Some(message),
                Ok(Heard::Ended(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub fn expect(&mut self, what: &str) -> Message {
        self.next(PATIENCE).unwrap_or_else(|| panic!("in vain: {what}"))
    }

    /// Waits until the broker has ended it.
    pub fn ended(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left).expect("the broker ends it in time") {
                Heard::Ended(_) => return,
                _ => continue,
            }
        }
    }

    /// As a device that loses its power.
    pub fn vanish(mut self) {
        drop(self.cut.take());
        while self.heard.recv_timeout(PATIENCE).is_ok() {}
    }

    /// In order.
    pub fn leave(mut self) {
        match &self.sender {
            Sender::V5(client) => client.try_disconnect().expect("a queue with room"),
            Sender::V311(client) => client.try_disconnect().expect("a queue with room"),
        }
        // The broker may leave it to the client to close the connection.
        let deadline = Instant::now() + GOODBYE;
        let left = || deadline.saturating_duration_since(Instant::now());
        while !matches!(self.heard.recv_timeout(left()), Ok(Heard::Ended(_)) | Err(_)) {}
        drop(self.cut.take());
        while self.heard.recv_timeout(PATIENCE).is_ok() {}
    }

    fn wait<T>(&mut self, pick: impl Fn(&Heard) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let heard = self.heard.recv_timeout(left).expect("an answer in time");
            if let Some(found) = pick(&heard) {
                return found;
            }
            match heard {
                Heard::Message(message) => self.inbox.push_back(message),
                Heard::Ended(why) => panic!("the connection ended: {why}"),
                _ => {}
            }
        }
    }
}

fn transport(ca: Option<&str>) -> Transport {
    let Some(pem) = ca else { return Transport::Tcp };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")).expect("usable");
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(config)))
}

/// Polls until the connection ends or is cut.
fn pump<F>(to: To<Heard>, is_cut: oneshot::Receiver<()>, polling: impl FnOnce(To<Heard>) -> F + Send + 'static)
where
    F: Future<Output = String>,
{
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            tokio::select! {
                why = polling(to.clone()) => drop(to.send(Heard::Ended(why))),
                _ = is_cut => {}
            }
        });
    });
}

fn start_v5(login: &Login, to: To<Heard>, is_cut: oneshot::Receiver<()>) -> client5::AsyncClient {
    let mut options = client5::MqttOptions::new(&login.client, "localhost", login.port);
    options.set_transport(transport(login.ca.as_deref())).set_clean_start(login.clean);
    options.set_keep_alive(Duration::from_secs(60)).set_max_packet_size(Some(PACKET));
    options.set_session_expiry_interval(Some(if login.clean { 0 } else { 3_600 }));
    if let Some((user, password)) = &login.user {
        options.set_credentials(user, password);
    }
    if let Some(will) = &login.will {
        let payload = will.payload.clone();
        options.set_last_will(v5::LastWill::new(&will.topic, payload, QoS5::AtLeastOnce, will.retain, None));
    }
    let (client, mut events) = client5::AsyncClient::new(options, REQUESTS);
    pump(to, is_cut, move |to| async move {
        loop {
            match events.poll().await {
                Ok(client5::Event::Incoming(packet)) => {
                    seen_v5(packet).into_iter().for_each(|heard| drop(to.send(heard)))
                }
                Ok(client5::Event::Outgoing(_)) => {}
                Err(error) => return error.to_string(),
            }
        }
    });
    client
}

fn start_v311(login: &Login, to: To<Heard>, is_cut: oneshot::Receiver<()>) -> rumqttc::AsyncClient {
    let mut options = rumqttc::MqttOptions::new(&login.client, "localhost", login.port);
    options.set_transport(transport(login.ca.as_deref())).set_clean_session(login.clean);
    options.set_keep_alive(Duration::from_secs(60)).set_max_packet_size(PACKET as usize, PACKET as usize);
    if let Some((user, password)) = &login.user {
        options.set_credentials(user, password);
    }
    if let Some(will) = &login.will {
        let payload = will.payload.clone();
        options.set_last_will(rumqttc::LastWill::new(&will.topic, payload, QoS::AtLeastOnce, will.retain));
    }
    let (client, mut events) = rumqttc::AsyncClient::new(options, REQUESTS);
    pump(to, is_cut, move |to| async move {
        loop {
            match events.poll().await {
                Ok(rumqttc::Event::Incoming(packet)) => {
                    seen_v311(packet).into_iter().for_each(|heard| drop(to.send(heard)));
                }
                Ok(rumqttc::Event::Outgoing(_)) => {}
                Err(error) => return error.to_string(),
            }
        }
    });
    client
}

fn seen_v5(packet: v5::Packet) -> Option<Heard> {
    Some(match packet {
        v5::Packet::ConnAck(ack) => Heard::Connected { resumed: ack.session_present },
        v5::Packet::PubAck(ack) => Heard::Published(match ack.reason {
            v5::PubAckReason::Success => 0,
            v5::PubAckReason::NoMatchingSubscribers => 16,
            v5::PubAckReason::NotAuthorized => 135,
            v5::PubAckReason::QuotaExceeded => 151,
            _ => 128,
        }),
        v5::Packet::SubAck(ack) => Heard::Subscribed(match ack.return_codes.first() {
            Some(v5::SubscribeReasonCode::Success(qos)) => *qos as u8,
            Some(v5::SubscribeReasonCode::NotAuthorized) => 135,
            _ => 128,
        }),
        v5::Packet::Publish(publish) => Heard::Message(Message {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload.to_vec(),
            retain: publish.retain,
        }),
        _ => return None,
    })
}

fn seen_v311(packet: rumqttc::Packet) -> Option<Heard> {
    Some(match packet {
        rumqttc::Packet::ConnAck(ack) => Heard::Connected { resumed: ack.session_present },
        rumqttc::Packet::PubAck(_) => Heard::Published(0),
        rumqttc::Packet::SubAck(ack) => Heard::Subscribed(match ack.return_codes.first() {
            Some(rumqttc::SubscribeReasonCode::Success(qos)) => *qos as u8,
            _ => 128,
        }),
        rumqttc::Packet::Publish(publish) => {
            Heard::Message(Message { topic: publish.topic, payload: publish.payload.to_vec(), retain: publish.retain })
        }
        _ => return None,
    })
}
