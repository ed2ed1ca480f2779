//! A world over a real broker.
//!
//! In: deliveries with their times, a broker, how much faster than life. Out: publishes of MQTT 5 with QoS 1. Refuses to
//! know: acknowledgements of the collector; nothing is repeated, so what a broker forgets after its PUBACK is lost here,
//! unlike with an agent. Limits: plain TCP; a connection that breaks ends the run (`follow.rs` mends it); [`IN_FLIGHT`]
//! publishes on the way.

use crate::account::Account;
use crate::fleet::Registration;
use crate::outbox::Delivery;
use phusong_protocol::{ProbeId, limits};
use rumqttc::v5::mqttbytes::{QoS, v5::Packet};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

pub(crate) const IN_FLIGHT: u16 = 16;
const REQUESTS: usize = 32;
/// Events that wait to be looked at: more than publishes can be on the way.
const SEEN: usize = 4 * REQUESTS;
const PACKET_BYTES: u32 = limits::BATCH_BYTES as u32 + 1_024;
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// A broker that does not answer for this long is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Where to publish, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// `mqtt://host:port`; the port may be left out.
    pub broker: String,
    /// With `{probe}` in it, each probe has a connection of its own; without, one user publishes for all.
    pub user: String,
    pub password: String,
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("broker {0:?}: must be mqtt://host or mqtt://host:port")]
    Broker(String),
    #[error("{user} at {broker}: {what}")]
    Connection { user: String, broker: String, what: String },
    #[error("{user} at {broker}: no answer for {PATIENCE:?}; {missing} publishes were not taken")]
    Silent { user: String, broker: String, missing: u64 },
}

/// What was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Published {
    pub messages: u64,
    pub bytes: u64,
}

/// What a connection tells.
pub(crate) enum Seen {
    Connected,
    Taken,
    /// A message came, as an acknowledgement does.
    Told(Vec<u8>),
    Ended(String),
}

/// One connection.
struct Line {
    user: String,
    client: AsyncClient,
    seen: mpsc::Receiver<Seen>,
    sent: u64,
    taken: u64,
}

/// As [`publish_as`], each probe or all of them by a template.
pub async fn publish(
    login: &Login,
    registrations: &[Registration],
    deliveries: impl Iterator<Item = Delivery>,
    speed_up: f64,
    progress: impl FnMut(&Delivery),
) -> Result<Published, PublishError> {
    publish_as(&login.broker, &login.accounts(registrations), deliveries, speed_up, progress).await
}

/// Publishes until the deliveries end. `speed_up` 1 is as in life, 0 as fast as the broker takes them.
pub async fn publish_as(
    broker: &str,
    accounts: &[Account],
    deliveries: impl Iterator<Item = Delivery>,
    speed_up: f64,
    mut progress: impl FnMut(&Delivery),
) -> Result<Published, PublishError> {
    let mut lines = Lines::open(broker, accounts).await?;
    let mut published = Published::default();
    let mut began: Option<(Instant, i64)> = None;
    for delivery in deliveries {
        let (began_at, first_ms) = *began.get_or_insert_with(|| (Instant::now(), delivery.received_ms));
        if speed_up > 0.0 {
            let after_ms = (delivery.received_ms - first_ms) as f64 / speed_up;
            let due = began_at + Duration::from_millis(after_ms as u64);
            // Only the time passes: nothing else is waited for.
            let _ = timeout_at(due, std::future::pending::<()>()).await;
        }
        published.messages += 1;
        published.bytes += delivery.payload.len() as u64;
        progress(&delivery);
        lines.send(delivery).await?;
    }
    lines.close().await?;
    Ok(published)
}

struct Lines {
    broker: String,
    lines: Vec<Line>,
    /// Which line carries which probe; empty where one carries all.
    of_probe: BTreeMap<ProbeId, usize>,
}

impl Lines {
    async fn open(broker: &str, accounts: &[Account]) -> Result<Self, PublishError> {
        let (host, port) = address(broker)?;
        let mut lines = Lines { broker: broker.to_owned(), lines: Vec::new(), of_probe: BTreeMap::new() };
        for account in accounts {
            if let Some(probe) = &account.probe {
                lines.of_probe.insert(probe.clone(), lines.lines.len());
            }
            lines.lines.push(Line::new(&host, port, account));
        }
        for number in 0..lines.lines.len() {
            lines.wait(number, Until::Connected).await?;
        }
        Ok(lines)
    }

    async fn send(&mut self, delivery: Delivery) -> Result<(), PublishError> {
        let number = self.of_probe.get(&delivery.probe).copied().unwrap_or(0);
        let line = &mut self.lines[number];
        let publish = line.client.publish(delivery.topic, QoS::AtLeastOnce, false, delivery.payload);
        let queued = timeout(PATIENCE, publish).await;
        line.sent += 1;
        // What ended a connection is said there.
        line.look()
            .and_then(|()| match queued {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("it takes nothing more for {PATIENCE:?}")),
            })
            .map_err(|what| self.broken(number, what))
    }

    fn broken(&self, number: usize, what: String) -> PublishError {
        PublishError::Connection { user: self.lines[number].user.clone(), broker: self.broker.clone(), what }
    }

    async fn wait(&mut self, number: usize, until: Until) -> Result<(), PublishError> {
        let line = &mut self.lines[number];
        while until == Until::Connected || line.taken < line.sent {
            match timeout(PATIENCE, line.seen.recv()).await {
                Ok(Some(Seen::Connected)) if until == Until::Connected => return Ok(()),
                Ok(Some(Seen::Connected | Seen::Told(_))) => {}
                Ok(Some(Seen::Taken)) => line.taken += 1,
                Ok(Some(Seen::Ended(what))) => return Err(self.broken(number, what)),
                Ok(None) => return Err(self.broken(number, "the connection ended".to_owned())),
                Err(_) => {
                    let missing = line.sent - line.taken;
                    return Err(PublishError::Silent { user: line.user.clone(), broker: self.broker.clone(), missing });
                }
            }
        }
        Ok(())
    }

    /// Waits until the broker took everything, then leaves in order.
    async fn close(&mut self) -> Result<(), PublishError> {
        for number in 0..self.lines.len() {
            self.wait(number, Until::AllTaken).await?;
            // Everything is taken: a goodbye that is not heard costs nothing.
            let _ = self.lines[number].client.disconnect().await;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    Connected,
    AllTaken,
}

impl Line {
    fn new(host: &str, port: u16, account: &Account) -> Self {
        let (client, seen) = connect(host, port, account);
        Line { user: account.user.clone(), client, seen, sent: 0, taken: 0 }
    }

    /// Takes note of what happened meanwhile.
    fn look(&mut self) -> Result<(), String> {
        while let Ok(seen) = self.seen.try_recv() {
            match seen {
                Seen::Taken => self.taken += 1,
                Seen::Connected | Seen::Told(_) => {}
                Seen::Ended(what) => return Err(what),
            }
        }
        Ok(())
    }
}

/// A connection under way; what becomes of it is told by the receiver, last of all [`Seen::Ended`].
pub(crate) fn connect(host: &str, port: u16, account: &Account) -> (AsyncClient, mpsc::Receiver<Seen>) {
    let mut options = MqttOptions::new(&account.client, host, port);
    options.set_keep_alive(KEEP_ALIVE).set_clean_start(true).set_credentials(&account.user, &account.password);
    options.set_max_packet_size(Some(PACKET_BYTES)).set_outgoing_inflight_upper_limit(IN_FLIGHT);
    let (client, events) = AsyncClient::new(options, REQUESTS);
    let (to, seen) = mpsc::channel(SEEN);
    tokio::spawn(poll(events, to));
    (client, seen)
}

/// The client's loop must be polled all the time, and never again after an error.
async fn poll(mut events: EventLoop, to: mpsc::Sender<Seen>) {
    loop {
        let seen = match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => Seen::Connected,
            Ok(Event::Incoming(Packet::PubAck(_))) => Seen::Taken,
            Ok(Event::Incoming(Packet::Publish(message))) => Seen::Told(message.payload.to_vec()),
            Ok(_) => continue,
            Err(error) => Seen::Ended(error.to_string()),
        };
        let last = matches!(seen, Seen::Ended(_));
        if to.send(seen).await.is_err() || last {
            return;
        }
    }
}

pub(crate) fn address(broker: &str) -> Result<(String, u16), PublishError> {
    let bad = || PublishError::Broker(broker.to_owned());
    let rest = broker.strip_prefix("mqtt://").ok_or_else(bad)?.trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| bad())?),
        None => (rest, 1883),
    };
    if host.is_empty() { Err(bad()) } else { Ok((host.to_owned(), port)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brokers_address_is_plain_mqtt_or_refused() {
        assert_eq!(address("mqtt://lab.example:18830/").ok(), Some(("lab.example".into(), 18_830)));
        assert_eq!(address("mqtt://lab").ok(), Some(("lab".into(), 1_883)));
        for bad in ["mqtts://lab", "lab:1883", "mqtt://", "mqtt://lab:port"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
