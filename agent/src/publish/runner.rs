//! The thin loop around [`Delivery`]: carries its actions out, and keeps a session to one of the brokers.

use super::delivery::{Action, Delivery, Event, IN_FLIGHT};
use super::inbox::Inbox;
use super::{Applied, Hurry, Inbound, PublishStatus, Publishing, monotonic_ms};
use crate::mqtt::{BrokerConfig, Connect, MqttError, Session, SessionEvent};
use crate::sabotage;
use crate::spooler::SpoolHandle;
use phusong_protocol::{Ack, AckMessage, AckResult, Channel, Status, StatusState};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Between attempts at the same broker, doubling; smaller where the retries are.
const RECONNECT_FIRST_MS: u64 = 2_000;
const RECONNECT_MAX_MS: u64 = 300_000;
/// A session that lived this long counts as a good one.
const GOOD_SESSION_MS: u64 = 30_000;
/// What a publish packet has beside its payload: topic, header, properties.
const PACKET_OVERHEAD: usize = 160;

pub(super) struct Runner {
    pub publishing: Publishing,
    pub spool: SpoolHandle,
    pub delivery: Delivery,
    pub inbox: Inbox,
    pub status_to: watch::Sender<PublishStatus>,
    pub stop: watch::Receiver<bool>,
    brokers: Vec<Turn>,
    conn: u32,
    /// Durable samples that were announced to [`Delivery`].
    urgent_seen: u64,
    /// Batches on their way, by their number on the session.
    numbers: HashMap<u64, u64>,
    random: fastrand::Rng,
}

/// One broker's place in the queue.
struct Turn {
    broker: BrokerConfig,
    failures: u32,
    next_ms: u64,
}

impl Runner {
    pub fn new(
        publishing: Publishing,
        spool: SpoolHandle,
        inbound: mpsc::Sender<Inbound>,
        status_to: watch::Sender<PublishStatus>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        // Seeded by the epoch, which is random: no two starts jitter alike.
        let mut random = fastrand::Rng::with_seed(publishing.epoch.0);
        let delivery = Delivery::new(publishing.config.clone(), random.u64(..));
        let first = monotonic_ms() + random.u64(0..=publishing.config.first_connect_jitter_ms);
        let turn = |broker: &BrokerConfig| Turn { broker: broker.clone(), failures: 0, next_ms: first };
        let brokers = publishing.brokers.iter().map(turn).collect();
        let inbox = Inbox::new(inbound, publishing.clock.clone());
        let numbers = HashMap::with_capacity(IN_FLIGHT);
        Runner {
            publishing,
            spool,
            delivery,
            inbox,
            status_to,
            stop,
            brokers,
            conn: 0,
            urgent_seen: 0,
            numbers,
            random,
        }
    }

    pub async fn run(mut self, hurry: Hurry) {
        let mut stop = self.stop.clone();
        while !*stop.borrow() {
            let Some(at) = self.next_broker() else {
                // No broker is configured: the spool is handed over by file.
                stopped(&mut stop).await;
                return;
            };
            let wait = Duration::from_millis(self.brokers[at].next_ms.saturating_sub(monotonic_ms()));
            tokio::select! {
                () = stopped(&mut stop) => return,
                () = hurry.0.notified() => self.hurry(),
                () = tokio::time::sleep(wait) => self.one_session(at).await,
            }
        }
    }

    /// The broker whose turn it is; the first of the list where several are.
    fn next_broker(&self) -> Option<usize> {
        let now = monotonic_ms();
        (0..self.brokers.len()).min_by_key(|at| self.brokers[*at].next_ms.max(now))
    }

    /// Every broker is due, and one that was never tried as much as one that failed often.
    fn hurry(&mut self) {
        let now = monotonic_ms();
        for turn in &mut self.brokers {
            turn.next_ms = now;
        }
    }

    async fn one_session(&mut self, at: usize) {
        self.conn += 1;
        let began = monotonic_ms();
        let acks = self.delivery.tally.acks;
        let will = self.status(StatusState::Offline);
        let opened = {
            let connect = Connect {
                broker: &self.brokers[at].broker,
                site: &self.publishing.site,
                probe: &self.publishing.probe,
                will: Some(will),
                keep_alive: Duration::from_secs(u64::from(self.publishing.config.keep_alive_s)),
                floor_unix_ms: self.publishing.clock.borrow().floor_unix_ms,
                tls: None,
            };
            let mut stop = self.stop.clone();
            tokio::select! {
                opened = Session::open(connect) => opened,
                () = stopped(&mut stop) => return,
            }
        };
        let ended = match opened {
            Ok(session) => self.serve(session, at).await,
            Err(error) => Some(error),
        };
        let Some(error) = ended else { return };
        let url = self.brokers[at].broker.url.clone();
        tracing::warn!(broker = %url, %error, "no connection to the broker");
        let good = monotonic_ms() - began >= GOOD_SESSION_MS || self.delivery.tally.acks > acks;
        self.postpone(at, good);
        let text = error.to_string();
        self.status_to.send_modify(|status| {
            status.broker = None;
            status.last_error = Some(text);
        });
    }

    fn postpone(&mut self, at: usize, good: bool) {
        let config = &self.publishing.config;
        let turn = &mut self.brokers[at];
        turn.failures = if good { 0 } else { turn.failures + 1 };
        let first = RECONNECT_FIRST_MS.min(config.retry_first_ms);
        let most = RECONNECT_MAX_MS.min(config.retry_max_ms);
        let delay = first.saturating_mul(1 << turn.failures.min(20)).min(most);
        turn.next_ms = monotonic_ms() + delay / 2 + self.random.u64(0..=delay);
    }

    /// Until the session ends, with the reason, or the agent stops.
    async fn serve(&mut self, mut session: Session, at: usize) -> Option<MqttError> {
        let url = self.brokers[at].broker.url.clone();
        tracing::info!(broker = %url, conn = self.conn, "connected");
        self.numbers.clear();
        let online = self.status(StatusState::Online);
        if let Err(error) = session.publish(Channel::Status, true, online) {
            return Some(error);
        }
        self.status_to.send_modify(|status| {
            status.broker = Some(url);
            status.conn = self.conn;
        });
        let max_payload = session.max_packet.map_or(usize::MAX, |max| max.saturating_sub(PACKET_OVERHEAD));
        let error = match self.act(&mut session, Event::Connected { max_payload }).await {
            Ok(()) => self.pass_events(&mut session).await,
            Err(error) => Some(error),
        };
        if error.is_none() {
            session.close(self.status(StatusState::Offline)).await;
        }
        let late = self.delivery.handle(monotonic_ms(), Event::Disconnected);
        debug_assert!(late.is_empty(), "without a session there is nothing to do");
        self.publish_status();
        error
    }

    async fn pass_events(&mut self, session: &mut Session) -> Option<MqttError> {
        let mut durable = self.spool.durable();
        let mut applied = self.publishing.applied.clone();
        applied.mark_unchanged();
        let mut stop = self.stop.clone();
        loop {
            let now = monotonic_ms();
            // Without anything due the loop waits for an event; an hour is as good as for ever.
            let wait = self.delivery.wake_at().map_or(3_600_000, |at| at.saturating_sub(now));
            let event = tokio::select! {
                event = session.events.recv() => match event {
                    Some(SessionEvent::Ended(error)) => return Some(error),
                    None => return Some(MqttError::Stuck),
                    Some(event) => self.session_event(event).await,
                },
                changed = durable.changed() => match changed {
                    Ok(()) => {
                        let now = *durable.borrow_and_update();
                        let urgent = std::mem::replace(&mut self.urgent_seen, now.urgent) != now.urgent;
                        Some(Event::Durable { urgent })
                    }
                    // The spool is closed; nothing more will come from it.
                    Err(_) => return None,
                },
                Ok(()) = applied.changed() => {
                    let online = self.status(StatusState::Online);
                    if let Err(error) = session.publish(Channel::Status, true, online) {
                        return Some(error);
                    }
                    None
                }
                () = stopped(&mut stop) => return None,
                () = tokio::time::sleep(Duration::from_millis(wait)) => Some(Event::Tick),
            };
            if let Some(event) = event
                && let Err(error) = self.act(session, event).await
            {
                return Some(error);
            }
        }
    }

    async fn session_event(&mut self, event: SessionEvent) -> Option<Event> {
        match event {
            SessionEvent::Taken(number) => self.numbers.remove(&number).map(|id| Event::Taken { id }),
            SessionEvent::NotTaken(number, reason) => {
                // It stays unacknowledged by the collector and is repeated; a person must look at the ACL.
                tracing::warn!(%reason, "the broker refused a publish");
                self.status_to.send_modify(|status| status.last_error = Some(format!("publish refused: {reason}")));
                self.numbers.remove(&number).map(|id| Event::Taken { id })
            }
            SessionEvent::Message(Channel::Ack, payload) => match AckMessage::from_json(&payload) {
                Ok(message) => Some(Event::Acked(message)),
                Err(error) => {
                    tracing::warn!(%error, "an acknowledgement that cannot be read");
                    None
                }
            },
            SessionEvent::Message(channel, payload) => {
                let raw = self.inbox.take(channel, &payload, monotonic_ms());
                self.status_to.send_modify(|status| status.ignored = self.inbox.ignored);
                let (epoch, ranges) = raw?;
                (self.spool.want_raw(epoch, ranges).await > 0).then_some(Event::Durable { urgent: true })
            }
            SessionEvent::Ended(_) => None,
        }
    }

    /// Carries out what an event leads to, and what that leads to.
    async fn act(&mut self, session: &mut Session, event: Event) -> Result<(), MqttError> {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for action in self.delivery.handle(monotonic_ms(), event) {
                match action {
                    Action::Pick(request) => events.push(Event::Picked(self.spool.next_batch(request).await)),
                    Action::Send { id, payload, again } => {
                        tracing::debug!(bytes = payload.len(), again, "sending a batch");
                        if sabotage::forget_on_send() {
                            events.extend(pretend_acked(&payload));
                        }
                        let number = session.publish(Channel::Batch, false, payload)?;
                        self.numbers.insert(number, id);
                    }
                    Action::Settle(epoch, ranges) => self.spool.acked(epoch, ranges).await,
                    Action::Quarantine(epoch, ranges) => {
                        let count = self.spool.quarantine(epoch, ranges).await;
                        tracing::warn!(count, "samples that the collector rejected twice were set aside");
                    }
                    Action::Reconnect => return Err(MqttError::Stuck),
                }
            }
        }
        self.publish_status();
        Ok(())
    }

    fn publish_status(&self) {
        let (tally, delivery) = (self.delivery.tally.clone(), &self.delivery);
        self.status_to.send_modify(|status| {
            status.in_flight = delivery.in_flight();
            status.canary = delivery.is_canary();
            status.sent = tally.sent;
            status.sent_bytes = tally.sent_bytes;
            status.acks = tally.acks;
            status.retries = tally.retries;
            status.rejected = tally.rejected;
            status.refused = tally.refused;
        });
    }

    fn status(&self, state: StatusState) -> Vec<u8> {
        let Applied { revision, note } = self.publishing.applied.borrow().clone();
        let status = Status {
            v: 1,
            state,
            epoch: self.publishing.epoch,
            start: self.publishing.start,
            conn: self.conn,
            config_revision: revision,
            config_note: note,
            version: self.publishing.version.clone(),
        };
        serde_json::to_vec(&status).expect("writing JSON to memory cannot fail")
    }
}

/// Until the agent stops, or nobody could say so any more.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The mistake that the delivery contract forbids, for the self-test of the tests that look for it.
fn pretend_acked(payload: &[u8]) -> Option<Event> {
    let batch = phusong_protocol::decode(payload).ok()?;
    let ranges = batch.samples.iter().map(|sample| sample.seq).collect();
    Some(Event::Acked(AckMessage::new(vec![Ack::ranges(AckResult::Stored, batch.epoch, ranges)])))
}
