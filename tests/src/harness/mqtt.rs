//! A bare MQTT client for tests: connects once, says what the broker answered, keeps what arrives.
//!
//! In: a [`Login`]. Out: reason codes of MQTT 5 (128 and above are refusals) and [`Message`]s. Refuses to know: batches.
//! It never reconnects; a lost connection is an error of the next call.

use super::wait::PATIENCE;
use anyhow::{Context, Result, anyhow, bail};
use rumqttc::v5::mqttbytes::v5;
use rumqttc::{QoS, TlsConfiguration, Transport, v5 as client5};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Above the broker's own bound, so that the broker's answer is seen and not the client's.
const PACKET: u32 = 1024 * 1024;
const QUEUE: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V5,
    V311,
}

#[derive(Debug, Clone)]
pub struct Login {
    pub port: u16,
    /// Trusts this CA and speaks TLS; without it plain TCP.
    pub ca: Option<PathBuf>,
    /// Nothing logs in as nobody.
    pub user: Option<(String, String)>,
    pub version: Version,
}

/// The broker did not let the client in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the broker refused the connection: {0}")]
pub struct Refused(pub String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retain: bool,
}

enum Event {
    Connected,
    Message(Message),
    /// Reason code.
    PubAck(u8),
    SubAck(u8),
    Ended(String),
}

enum Sender {
    V5(client5::Client),
    V311(rumqttc::Client),
}

pub struct MqttClient {
    sender: Sender,
    events: Receiver<Event>,
    inbox: VecDeque<Message>,
}

impl Login {
    pub fn plain(port: u16, user: &str, password: &str) -> Self {
        Login { port, ca: None, user: Some((user.into(), password.into())), version: Version::V5 }
    }

    pub fn tls(port: u16, ca: &Path, user: &str, password: &str) -> Self {
        Login { ca: Some(ca.into()), ..Login::plain(port, user, password) }
    }

    pub fn anonymous(port: u16) -> Self {
        Login { port, ca: None, user: None, version: Version::V5 }
    }

    pub fn with(self, version: Version) -> Self {
        Login { version, ..self }
    }
}

impl MqttClient {
    /// Connects with a clean session; `Err(Refused)` in the chain when the broker says no.
    pub fn connect(login: &Login) -> Result<Self> {
        let id = format!("test-{:08x}", fastrand::u32(..));
        let (to, events) = sync_channel(QUEUE);
        let sender = match login.version {
            Version::V5 => Sender::V5(start_v5(login, &id, to)?),
            Version::V311 => Sender::V311(start_v311(login, &id, to)?),
        };
        let mut client = MqttClient { sender, events, inbox: VecDeque::new() };
        client.wait(|event| matches!(event, Event::Connected).then_some(()))?;
        Ok(client)
    }

    /// Publishes with QoS 1 and waits for the broker's answer: 0 taken, 16 nobody listens, 135 not authorised.
    pub fn publish(&mut self, topic: &str, payload: impl Into<Vec<u8>>) -> Result<u8> {
        self.send(topic, payload, false)?;
        self.wait(|event| if let Event::PubAck(code) = event { Some(*code) } else { None })
    }

    /// Publishes retained.
    pub fn publish_retained(&mut self, topic: &str, payload: impl Into<Vec<u8>>) -> Result<u8> {
        self.send(topic, payload, true)?;
        self.wait(|event| if let Event::PubAck(code) = event { Some(*code) } else { None })
    }

    /// Publishes and waits for nothing.
    pub fn send(&mut self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool) -> Result<()> {
        match &self.sender {
            Sender::V5(client) => client.publish(topic, QOS5, retain, payload.into())?,
            Sender::V311(client) => client.publish(topic, QoS::AtLeastOnce, retain, payload.into())?,
        }
        Ok(())
    }

    /// Subscribes with QoS 1 and waits for the broker's answer: 0 to 2 granted, 128 and above refused.
    pub fn subscribe(&mut self, filter: &str) -> Result<u8> {
        match &self.sender {
            Sender::V5(client) => client.subscribe(filter, QOS5)?,
            Sender::V311(client) => client.subscribe(filter, QoS::AtLeastOnce)?,
        }
        self.wait(|event| if let Event::SubAck(code) = event { Some(*code) } else { None })
    }

    /// The next message, or nothing within `patience`.
    pub fn next(&mut self, patience: Duration) -> Result<Option<Message>> {
        if let Some(message) = self.inbox.pop_front() {
            return Ok(Some(message));
        }
        let deadline = Instant::now() + patience;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Message(message)) => return Ok(Some(message)),
                Ok(Event::Ended(why)) => bail!("the connection ended: {why}"),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => bail!("the connection has ended"),
            }
        }
    }

    /// The first message that `wanted` picks; others are dropped.
    pub fn expect<T>(&mut self, what: &str, mut wanted: impl FnMut(&Message) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.next(left)?.with_context(|| format!("waited {PATIENCE:?} in vain: {what}"))?;
            if let Some(found) = wanted(&message) {
                return Ok(found);
            }
        }
    }

    fn wait<T>(&mut self, mut pick: impl FnMut(&Event) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let event = self.events.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let event = event.map_err(|_| anyhow!("the broker did not answer within {PATIENCE:?}"))?;
            if let Some(found) = pick(&event) {
                return Ok(found);
            }
            match event {
                Event::Message(message) => self.inbox.push_back(message),
                Event::Ended(why) => return Err(Refused(why).into()),
                Event::Connected | Event::PubAck(_) | Event::SubAck(_) => {}
            }
        }
    }
}

const QOS5: client5::mqttbytes::QoS = client5::mqttbytes::QoS::AtLeastOnce;

impl Drop for MqttClient {
    fn drop(&mut self) {
        match &self.sender {
            Sender::V5(client) => drop(client.try_disconnect()),
            Sender::V311(client) => drop(client.try_disconnect()),
        }
    }
}

/// TLS with ring alone; the process may hold other providers too, so it is named.
fn transport(login: &Login) -> Result<Transport> {
    let Some(ca) = &login.ca else { return Ok(Transport::Tcp) };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).map_err(|e| anyhow!("{}: {e}", ca.display()))?)?;
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(config))))
}

fn start_v5(login: &Login, id: &str, to: SyncSender<Event>) -> Result<client5::Client> {
    let mut options = client5::MqttOptions::new(id, "localhost", login.port);
    options.set_transport(transport(login)?).set_clean_start(true).set_keep_alive(Duration::from_secs(60));
    options.set_max_packet_size(Some(PACKET));
    if let Some((user, password)) = &login.user {
        options.set_credentials(user, password);
    }
    let (client, mut connection) = client5::Client::new(options, QUEUE);
    std::thread::spawn(move || {
        for event in connection.iter() {
            let event = match event {
                Ok(client5::Event::Incoming(packet)) => seen_v5(packet),
                Ok(client5::Event::Outgoing(_)) => None,
                Err(e) => Some(Event::Ended(e.to_string())),
            };
            if forward(&to, event) {
                return;
            }
        }
    });
    Ok(client)
}

fn start_v311(login: &Login, id: &str, to: SyncSender<Event>) -> Result<rumqttc::Client> {
    let mut options = rumqttc::MqttOptions::new(id, "localhost", login.port);
    options.set_transport(transport(login)?).set_clean_session(true).set_keep_alive(Duration::from_secs(60));
    options.set_max_packet_size(PACKET as usize, PACKET as usize);
    if let Some((user, password)) = &login.user {
        options.set_credentials(user, password);
    }
    let (client, mut connection) = rumqttc::Client::new(options, QUEUE);
    std::thread::spawn(move || {
        for event in connection.iter() {
            let event = match event {
                Ok(rumqttc::Event::Incoming(packet)) => seen_v311(packet),
                Ok(rumqttc::Event::Outgoing(_)) => None,
                Err(e) => Some(Event::Ended(e.to_string())),
            };
            if forward(&to, event) {
                return;
            }
        }
    });
    Ok(client)
}

/// True when it is over.
fn forward(to: &SyncSender<Event>, event: Option<Event>) -> bool {
    let last = matches!(event, Some(Event::Ended(_)));
    event.is_some_and(|event| to.send(event).is_err()) || last
}

fn seen_v5(packet: v5::Packet) -> Option<Event> {
    Some(match packet {
        v5::Packet::ConnAck(_) => Event::Connected,
        v5::Packet::PubAck(ack) => Event::PubAck(puback_code(ack.reason)),
        v5::Packet::SubAck(ack) => Event::SubAck(ack.return_codes.first().map_or(128, suback_code)),
        v5::Packet::Publish(publish) => Event::Message(Message {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload.to_vec(),
            retain: publish.retain,
        }),
        _ => return None,
    })
}

fn seen_v311(packet: rumqttc::Packet) -> Option<Event> {
    Some(match packet {
        rumqttc::Packet::ConnAck(_) => Event::Connected,
        rumqttc::Packet::PubAck(_) => Event::PubAck(0),
        rumqttc::Packet::SubAck(ack) => Event::SubAck(match ack.return_codes.first() {
            Some(rumqttc::SubscribeReasonCode::Success(_)) => 1,
            _ => 128,
        }),
        rumqttc::Packet::Publish(publish) => {
            Event::Message(Message { topic: publish.topic, payload: publish.payload.to_vec(), retain: publish.retain })
        }
        _ => return None,
    })
}

/// MQTT 5, section 3.4.2.1.
fn puback_code(reason: v5::PubAckReason) -> u8 {
    match reason {
        v5::PubAckReason::Success => 0,
        v5::PubAckReason::NoMatchingSubscribers => 16,
        v5::PubAckReason::NotAuthorized => 135,
        v5::PubAckReason::TopicNameInvalid => 144,
        v5::PubAckReason::PacketIdentifierInUse => 145,
        v5::PubAckReason::QuotaExceeded => 151,
        v5::PubAckReason::PayloadFormatInvalid => 153,
        v5::PubAckReason::UnspecifiedError | v5::PubAckReason::ImplementationSpecificError => 128,
    }
}

/// MQTT 5, section 3.9.3.
fn suback_code(reason: &v5::SubscribeReasonCode) -> u8 {
    match reason {
        v5::SubscribeReasonCode::Success(_) => 1,
        v5::SubscribeReasonCode::NotAuthorized => 135,
        _ => 128,
    }
}
