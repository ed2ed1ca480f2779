//! One connection to the broker, MQTT 5 or 3.1.1, behind one set of words.
//!
//! In: the configuration. Out: a [`Sender`] that never waits and a [`Link`] that must be polled in a task of its own
//! (its `next` is not cancel-safe). A link is disposable: after any error it is dropped and a new one is built.
//! Limits: packets, the queue of requests, and publishes in flight.

use super::tls;
use crate::config::{self, Protocol};
use phusong_protocol::limits;
use rumqttc::{v5, valid_filter};
use std::time::Duration;

/// Packets above it are not taken. Far above a batch, so that an oversize batch is named and counted by the ingest
/// instead of vanishing in the broker or breaking the connection.
const PACKET_BYTES: u32 = 16 * limits::BATCH_BYTES as u32;
/// Publishes of ours that the broker has not confirmed. The library reserves memory for each.
pub const IN_FLIGHT: u16 = 256;
/// Name resolution, TCP and TLS together, on a slow link.
const CONNECT_TIMEOUT_S: u64 = 30;

/// What the broker said.
#[derive(Debug)]
pub enum Event {
    /// `shared` is what the broker claims about shared subscriptions; a broker that says nothing has them.
    Connected {
        shared: bool,
    },
    /// One answer per filter, in the order they were asked for.
    Subscribed(Vec<bool>),
    Message(Message),
    /// A publish of ours has been confirmed.
    Published {
        permitted: bool,
    },
}

#[derive(Debug)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
}

/// Why a connection ended, for a person.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Ended(String);

/// The request queue is full: try again after the broker has confirmed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

#[derive(Clone)]
pub enum Sender {
    V5(v5::AsyncClient),
    V311(rumqttc::AsyncClient),
}

pub enum Link {
    V5(Box<v5::EventLoop>),
    V311(Box<rumqttc::EventLoop>),
}

/// Builds a client; it connects when it is first polled.
pub fn open(settings: &config::Mqtt, client_id: &str) -> anyhow::Result<(Sender, Link)> {
    let (host, port) = settings.address();
    // Our own publishes and subscriptions.
    let requests = 2 * usize::from(IN_FLIGHT);
    let transport =
        if settings.tls() { tls::transport(settings.ca_file.as_deref())? } else { rumqttc::Transport::tcp() };
    let login = settings.username.clone().map(|user| {
        let password = settings.password.clone().map(|secret| secret.0).unwrap_or_default();
        (user, password)
    });
    let keepalive = Duration::from_secs(settings.keepalive_s.into());
    Ok(match settings.protocol {
        Protocol::V5 => {
            let mut options = v5::MqttOptions::new(client_id, host, port);
            options
                .set_transport(transport)
                .set_keep_alive(keepalive)
                .set_clean_start(true)
                .set_session_expiry_interval(Some(0))
                .set_receive_maximum(Some(settings.receive_maximum))
                .set_max_packet_size(Some(PACKET_BYTES))
                .set_connection_timeout(CONNECT_TIMEOUT_S)
                .set_outgoing_inflight_upper_limit(IN_FLIGHT);
            if let Some((user, password)) = login {
                options.set_credentials(user, password);
            }
            let (client, events) = v5::AsyncClient::new(options, requests);
            (Sender::V5(client), Link::V5(Box::new(events)))
        }
        Protocol::V311 => {
            let mut options = rumqttc::MqttOptions::new(client_id, host, port);
            options
                .set_transport(transport)
                .set_keep_alive(keepalive)
                .set_clean_session(true)
                .set_max_packet_size(PACKET_BYTES as usize, limits::BATCH_BYTES + 1024)
                .set_inflight(IN_FLIGHT);
            if let Some((user, password)) = login {
                options.set_credentials(user, password);
            }
            let (client, mut events) = rumqttc::AsyncClient::new(options, requests);
            let mut network = rumqttc::NetworkOptions::new();
            network.set_connection_timeout(CONNECT_TIMEOUT_S);
            events.set_network_options(network);
            (Sender::V311(client), Link::V311(Box::new(events)))
        }
    })
}

impl Sender {
    /// QoS 1, not retained.
    pub fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<(), Full> {
        match self {
            Sender::V5(client) => {
                client.try_publish(topic, v5::mqttbytes::QoS::AtLeastOnce, false, payload).map_err(|_| Full)
            }
            Sender::V311(client) => {
                client.try_publish(topic, rumqttc::QoS::AtLeastOnce, false, payload).map_err(|_| Full)
            }
        }
    }

    /// One packet for all filters; the broker answers each.
    pub fn subscribe(&self, filters: &[String]) -> Result<(), Full> {
        debug_assert!(filters.iter().all(|filter| valid_filter(filter)));
        match self {
            Sender::V5(client) => {
                let qos = v5::mqttbytes::QoS::AtLeastOnce;
                let filters = filters.iter().map(|filter| v5::mqttbytes::v5::Filter::new(filter, qos));
                client.try_subscribe_many(filters).map_err(|_| Full)
            }
            Sender::V311(client) => {
                let qos = rumqttc::QoS::AtLeastOnce;
                let filters = filters.iter().map(|filter| rumqttc::SubscribeFilter::new(filter.clone(), qos));
                client.try_subscribe_many(filters).map_err(|_| Full)
            }
        }
    }

    pub fn unsubscribe(&self, filter: &str) -> Result<(), Full> {
        match self {
            Sender::V5(client) => client.try_unsubscribe(filter).map_err(|_| Full),
            Sender::V311(client) => client.try_unsubscribe(filter).map_err(|_| Full),
        }
    }

    pub fn disconnect(&self) -> Result<(), Full> {
        match self {
            Sender::V5(client) => client.try_disconnect().map_err(|_| Full),
            Sender::V311(client) => client.try_disconnect().map_err(|_| Full),
        }
    }
}

impl Link {
    /// Waits for the next event. Not cancel-safe.
    pub async fn next(&mut self) -> Result<Event, Ended> {
        loop {
            let event = match self {
                Link::V5(events) => events.poll().await.map(from_v5).map_err(|e| Ended(explain_v5(&e)))?,
                Link::V311(events) => events.poll().await.map(from_v311).map_err(|e| Ended(explain_v311(&e)))?,
            };
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }
}

fn from_v5(event: v5::Event) -> Option<Event> {
    use v5::mqttbytes::v5::{Packet, PubAckReason, SubscribeReasonCode};
    let v5::Event::Incoming(packet) = event else { return None };
    match packet {
        Packet::Publish(publish) => Some(Event::Message(Message {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            // A copy: the library's slice would keep its whole read buffer alive in our queue.
            payload: publish.payload.to_vec(),
        })),
        Packet::PubAck(ack) => {
            let permitted = matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
            Some(Event::Published { permitted })
        }
        Packet::ConnAck(ack) => {
            let claims = ack.properties.and_then(|properties| properties.shared_subscription_available);
            Some(Event::Connected { shared: claims != Some(0) })
        }
        Packet::SubAck(ack) => {
            let accepted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
            Some(Event::Subscribed(ack.return_codes.iter().map(accepted).collect()))
        }
        _ => None,
    }
}

fn from_v311(event: rumqttc::Event) -> Option<Event> {
    use rumqttc::{Packet, SubscribeReasonCode};
    let rumqttc::Event::Incoming(packet) = event else { return None };
    match packet {
        Packet::Publish(publish) => {
            Some(Event::Message(Message { topic: publish.topic, payload: publish.payload.to_vec() }))
        }
        Packet::PubAck(_) => Some(Event::Published { permitted: true }),
        Packet::ConnAck(_) => Some(Event::Connected { shared: true }),
        Packet::SubAck(ack) => {
            let accepted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
            Some(Event::Subscribed(ack.return_codes.iter().map(accepted).collect()))
        }
        _ => None,
    }
}

fn explain_v5(error: &v5::ConnectionError) -> String {
    use v5::mqttbytes::v5::ConnectReturnCode as Code;
    match error {
        v5::ConnectionError::ConnectionRefused(Code::BadUserNamePassword | Code::NotAuthorized) => refused_login(),
        v5::ConnectionError::ConnectionRefused(Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion) => {
            "the broker does not speak MQTT 5: write protocol = 311".into()
        }
        other => with_advice(other.to_string()),
    }
}

fn explain_v311(error: &rumqttc::ConnectionError) -> String {
    use rumqttc::ConnectReturnCode as Code;
    match error {
        rumqttc::ConnectionError::ConnectionRefused(Code::BadUserNamePassword | Code::NotAuthorized) => refused_login(),
        other => with_advice(other.to_string()),
    }
}

/// What to do about the errors that an installation meets first.
fn with_advice(error: String) -> String {
    if error.contains("UnknownIssuer") {
        return error + ": give the PEM file of the broker's authority as mqtt.ca_file";
    }
    if error.contains("NotValidForName") {
        return error + ": write the name that stands in the broker's certificate into mqtt.url";
    }
    error
}

fn refused_login() -> String {
    "the broker refuses the login: check mqtt.username and mqtt.password, and the broker's password file".into()
}
