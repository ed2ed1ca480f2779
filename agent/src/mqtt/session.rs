//! One connection to one broker, from CONNECT to the first odd thing. Nothing is ever resumed.

use super::wire::{Step, Wire};
use super::{BrokerConfig, MqttError};
use phusong_protocol::{Channel, ProbeId, SiteId, Topic};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Events that may wait for the publisher; more are dropped, which only means that something comes again.
const EVENTS: usize = 64;
/// A goodbye that takes longer is left unsaid.
const GOODBYE: Duration = Duration::from_secs(1);

/// What to say in CONNECT.
#[derive(Debug, Clone)]
pub struct Connect<'a> {
    pub broker: &'a BrokerConfig,
    pub site: &'a SiteId,
    pub probe: &'a ProbeId,
    /// Payload of the Last Will, retained on the probe's `status`; a probe that only joins leaves none.
    pub will: Option<Vec<u8>>,
    pub keep_alive: Duration,
    /// Certificates are checked at no earlier time.
    pub floor_unix_ms: i64,
    /// Absent: what the broker's table says.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

/// What happens on a session.
#[derive(Debug)]
pub enum SessionEvent {
    /// On one of the probe's own topics.
    Message(Channel, Vec<u8>),
    /// The broker took the n-th publish (from 0). That is flow control, not durability.
    Taken(u64),
    /// The broker refused the n-th publish (MQTT 5 only).
    NotTaken(u64, String),
    /// The last event.
    Ended(MqttError),
}

/// An open session. Dropping it closes the connection without a goodbye, so that the Last Will goes out.
pub struct Session {
    wire: super::wire::Client,
    topic: Topic,
    published: u64,
    pub events: mpsc::Receiver<SessionEvent>,
    /// Largest packet that the broker takes, where it says so.
    pub max_packet: Option<usize>,
    task: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    /// Connects and subscribes to the probe's own `ack`, `config` and `command`.
    pub async fn open(connect: Connect<'_>) -> Result<Session, MqttError> {
        Self::open_to(connect, &[Channel::Ack, Channel::Config, Channel::Command]).await
    }

    /// Connects and subscribes to some of the probe's own topics.
    pub async fn open_to(connect: Connect<'_>, own: &[Channel]) -> Result<Session, MqttError> {
        let topic = Topic::new(connect.site, connect.probe, Channel::Batch);
        let (client, mut wire) = Wire::new(&connect, &topic.on(Channel::Status).to_string())?;
        let max_packet = loop {
            if let Step::Connected { max_packet } = wire.step().await? {
                break max_packet;
            }
        };
        client.subscribe(own.iter().map(|channel| topic.on(*channel).to_string()))?;
        let (to, events) = mpsc::channel(EVENTS);
        let task = tokio::spawn(poll(wire, topic.clone(), to));
        Ok(Session { wire: client, topic, published: 0, events, max_packet, task })
    }

    /// Hands a payload to the client, QoS 1, and returns its number on this session.
    pub fn publish(&mut self, channel: Channel, retain: bool, payload: Vec<u8>) -> Result<u64, MqttError> {
        self.wire.publish(self.topic.on(channel).to_string(), retain, payload)?;
        self.published += 1;
        Ok(self.published - 1)
    }

    /// Publishes a last retained status, then disconnects in order.
    pub async fn close(mut self, status: Vec<u8>) {
        let Ok(number) = self.publish(Channel::Status, true, status) else { return };
        let goodbye = async {
            while let Some(event) = self.events.recv().await {
                match event {
                    SessionEvent::Taken(n) | SessionEvent::NotTaken(n, _) if n == number => break,
                    SessionEvent::Ended(_) => return,
                    _ => {}
                }
            }
            if self.wire.disconnect().is_ok() {
                while let Some(event) = self.events.recv().await {
                    if matches!(event, SessionEvent::Ended(_)) {
                        return;
                    }
                }
            }
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    }
}

/// A task of its own: the client's poll() must never be cancelled halfway.
async fn poll(mut wire: Wire, own: Topic, to: mpsc::Sender<SessionEvent>) {
    let mut sent = 0;
    let mut waiting: HashMap<u16, u64> = HashMap::new();
    loop {
        let event = match wire.step().await {
            Ok(Step::Sent(packet)) => {
                waiting.insert(packet, sent);
                sent += 1;
                continue;
            }
            Ok(Step::Acked(packet, refused)) => match (waiting.remove(&packet), refused) {
                (Some(number), None) => SessionEvent::Taken(number),
                (Some(number), Some(why)) => SessionEvent::NotTaken(number, why),
                (None, _) => continue,
            },
            Ok(Step::Message(topic, payload)) => match Topic::parse(&topic) {
                Some(topic) if topic.site == own.site && topic.probe == own.probe => {
                    SessionEvent::Message(topic.channel, payload)
                }
                _ => continue,
            },
            Ok(Step::Subscribed { all: true } | Step::Connected { .. } | Step::Other) => continue,
            Ok(Step::Subscribed { all: false }) => SessionEvent::Ended(MqttError::SubscriptionRefused),
            Err(error) => SessionEvent::Ended(error),
        };
        let last = matches!(event, SessionEvent::Ended(_));
        // Only the end is worth waiting for; acknowledgements and retained messages come again.
        let delivered = if last { to.send(event).await.is_ok() } else { !to.try_send(event).is_err_and(is_closed) };
        if last || !delivered {
            return;
        }
    }
}

fn is_closed(error: mpsc::error::TrySendError<SessionEvent>) -> bool {
    matches!(error, mpsc::error::TrySendError::Closed(_))
}
