//! The two protocol versions of rumqttc behind one face. Its traps, and how they are kept shut, are written at each.

use super::error::{from_v5, from_v311};
use super::session::Connect;
use super::{MqttError, Protocol};
use crate::tls;
use phusong_protocol::limits;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Filter, LastWill, Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::{QoS, SubscribeFilter, SubscribeReasonCode as SubscribeReasonCodeV311, Transport, v5};

/// Publishes and subscriptions on the way. The client's default would allocate 14 MB.
const IN_FLIGHT: u16 = 16;
/// Requests that may wait inside the client: all that may be in flight, and some.
const REQUESTS: usize = 32;
/// Covers DNS, TCP, TLS and CONNACK; the client's 5 s are too short for a bad mobile link.
const CONNECT_TIMEOUT_S: u64 = 30;
/// Batches are the largest packets; the topic and the header come on top. The client's default is 10 KiB.
const PACKET_BYTES: usize = limits::BATCH_BYTES + 1024;

/// What the connection did.
pub(super) enum Step {
    Connected {
        max_packet: Option<usize>,
    },
    Subscribed {
        all: bool,
    },
    Message(String, Vec<u8>),
    /// A publish with this packet id went out; they go out in the order they were handed over.
    Sent(u16),
    /// Its PUBACK came; with a reason where it was refused.
    Acked(u16, Option<String>),
    Other,
}

/// Hands requests to the connection.
pub(super) enum Client {
    V5(v5::AsyncClient),
    V311(rumqttc::AsyncClient),
}

enum Loop {
    V5(Box<v5::EventLoop>),
    V311(Box<rumqttc::EventLoop>),
}

/// The connection itself; it does nothing unless stepped.
pub(super) struct Wire {
    events: Loop,
    host: String,
    address: String,
}

impl Wire {
    pub fn new(connect: &Connect<'_>, status_topic: &str) -> Result<(Client, Wire), MqttError> {
        let broker = connect.broker;
        let address = broker.address().map_err(MqttError::Config)?;
        let transport = if address.tls {
            let config = match &connect.tls {
                Some(config) => config.clone(),
                None => tls::client_config(broker.ca_file.as_deref(), connect.floor_unix_ms)?,
            };
            Transport::tls_with_config(rumqttc::TlsConfiguration::Rustls(config))
        } else {
            Transport::Tcp
        };
        let probe = connect.probe.as_str();
        let login = (broker.username.as_deref().unwrap_or(probe), broker.password.as_deref());
        // An IPv6 address needs its brackets before the port, and none as a name for TLS.
        let host = if address.host.contains(':') && !address.tls {
            format!("[{}]", address.host)
        } else {
            address.host.clone()
        };
        let (client, events) = match broker.protocol {
            Protocol::V5 => {
                let mut options = v5::MqttOptions::new(probe, &host, address.port);
                let mut properties = ConnectProperties::new();
                properties.receive_maximum = Some(IN_FLIGHT);
                properties.max_packet_size = Some(PACKET_BYTES as u32);
                properties.session_expiry_interval = Some(0);
                options.set_connect_properties(properties);
                options.set_transport(transport).set_keep_alive(connect.keep_alive).set_clean_start(true);
                options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
                options.set_connection_timeout(CONNECT_TIMEOUT_S);
                if let Some(will) = &connect.will {
                    let qos = v5::mqttbytes::QoS::AtLeastOnce;
                    options.set_last_will(LastWill::new(status_topic, will.clone(), qos, true, None));
                }
                if broker.username.is_some() || login.1.is_some() {
                    options.set_credentials(login.0, login.1.unwrap_or_default());
                }
                let (client, events) = v5::AsyncClient::new(options, REQUESTS);
                (Client::V5(client), Loop::V5(Box::new(events)))
            }
            Protocol::V311 => {
                let mut options = rumqttc::MqttOptions::new(probe, &host, address.port);
                options.set_transport(transport).set_keep_alive(connect.keep_alive).set_clean_session(true);
                options.set_inflight(IN_FLIGHT).set_max_packet_size(PACKET_BYTES, PACKET_BYTES);
                if let Some(will) = &connect.will {
                    options.set_last_will(rumqttc::LastWill::new(status_topic, will.clone(), QoS::AtLeastOnce, true));
                }
                if broker.username.is_some() || login.1.is_some() {
                    options.set_credentials(login.0, login.1.unwrap_or_default());
                }
                let (client, mut events) = rumqttc::AsyncClient::new(options, REQUESTS);
                let mut network = rumqttc::NetworkOptions::new();
                network.set_connection_timeout(CONNECT_TIMEOUT_S);
                events.set_network_options(network);
                (Client::V311(client), Loop::V311(Box::new(events)))
            }
        };
        let wire = Wire { events, address: format!("{}:{}", address.host, address.port), host: address.host };
        Ok((client, wire))
    }

    /// Waits for the next thing to happen. Not to be called again after an error: the client would reconnect by itself,
    /// send what it had queued, and forget its subscriptions.
    pub async fn step(&mut self) -> Result<Step, MqttError> {
        let (host, address) = (&self.host, &self.address);
        match &mut self.events {
            Loop::V5(events) => events.poll().await.map(step_v5).map_err(|e| from_v5(e, host, address)),
            Loop::V311(events) => events.poll().await.map(step_v311).map_err(|e| from_v311(e, host, address)),
        }
    }
}

fn step_v5(event: v5::Event) -> Step {
    let packet = match event {
        v5::Event::Incoming(packet) => packet,
        v5::Event::Outgoing(rumqttc::Outgoing::Publish(id)) => return Step::Sent(id),
        v5::Event::Outgoing(_) => return Step::Other,
    };
    match packet {
        Packet::ConnAck(ack) => {
            let max = ack.properties.and_then(|properties| properties.max_packet_size);
            Step::Connected { max_packet: max.map(|max| max as usize) }
        }
        Packet::SubAck(ack) => {
            let good = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
            Step::Subscribed { all: ack.return_codes.iter().all(good) }
        }
        Packet::Publish(publish) => {
            Step::Message(String::from_utf8_lossy(&publish.topic).into_owned(), publish.payload.to_vec())
        }
        Packet::PubAck(ack) => {
            let good = matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
            Step::Acked(ack.pkid, (!good).then(|| format!("{:?}", ack.reason)))
        }
        _ => Step::Other,
    }
}

fn step_v311(event: rumqttc::Event) -> Step {
    let packet = match event {
        rumqttc::Event::Incoming(packet) => packet,
        rumqttc::Event::Outgoing(rumqttc::Outgoing::Publish(id)) => return Step::Sent(id),
        rumqttc::Event::Outgoing(_) => return Step::Other,
    };
    match packet {
        rumqttc::Packet::ConnAck(_) => Step::Connected { max_packet: None },
        rumqttc::Packet::SubAck(ack) => {
            let good = |code: &SubscribeReasonCodeV311| matches!(code, SubscribeReasonCodeV311::Success(_));
            Step::Subscribed { all: ack.return_codes.iter().all(good) }
        }
        rumqttc::Packet::Publish(publish) => Step::Message(publish.topic, publish.payload.to_vec()),
        rumqttc::Packet::PubAck(ack) => Step::Acked(ack.pkid, None),
        _ => Step::Other,
    }
}

impl Client {
    pub fn publish(&self, topic: String, retain: bool, payload: Vec<u8>) -> Result<(), MqttError> {
        // A full request channel means that the connection stopped moving.
        match self {
            Client::V5(client) => client
                .try_publish(topic, v5::mqttbytes::QoS::AtLeastOnce, retain, payload)
                .map_err(|_| MqttError::Stuck),
            Client::V311(client) => {
                client.try_publish(topic, QoS::AtLeastOnce, retain, payload).map_err(|_| MqttError::Stuck)
            }
        }
    }

    pub fn subscribe(&self, topics: impl Iterator<Item = String>) -> Result<(), MqttError> {
        match self {
            Client::V5(client) => client
                .try_subscribe_many(topics.map(|topic| Filter::new(topic, v5::mqttbytes::QoS::AtLeastOnce)))
                .map_err(|_| MqttError::Stuck),
            Client::V311(client) => client
                .try_subscribe_many(topics.map(|topic| SubscribeFilter::new(topic, QoS::AtLeastOnce)))
                .map_err(|_| MqttError::Stuck),
        }
    }

    pub fn disconnect(&self) -> Result<(), MqttError> {
        match self {
            Client::V5(client) => client.try_disconnect().map_err(|_| MqttError::Stuck),
            Client::V311(client) => client.try_disconnect().map_err(|_| MqttError::Stuck),
        }
    }
}
