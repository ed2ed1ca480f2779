//! What the collector says to the broker: acknowledgements, subscriptions. Never waits for the broker.
//!
//! In: notices of the polling task, settled batches of the ingest, orders. Out: requests into the link's queue.
//! Refuses to know: what is in a batch. Limits: publishes in flight; what does not fit stays merged in the [`AckBook`].

use super::acks::AckBook;
use super::link::{Full, Message, Sender};
use super::status::StatusBook;
use super::subscription::{Mode, Step, Subscription};
use super::{Flow, Health, Order};
use crate::ingest::Done;
use crate::metrics::MqttMetrics;
use phusong_protocol::{AckMessage, Channel, Status, Topic};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{mpsc, oneshot, watch};

/// Acks and self-tests in flight; below the library's own bound, so that it never stalls on it.
const PUBLISHES: usize = super::link::IN_FLIGHT as usize / 2;
/// Settled batches taken in one go before the broker is looked after again.
const BURST: usize = 4_096;
/// A request that found the library's queue full is tried again after this.
const RETRY_MS: u64 = 5;

/// From the polling task.
pub enum Notice {
    Opened { sender: Sender },
    Connected { shared: bool },
    Subscribed(Vec<bool>),
    Message(Message),
    Published { permitted: bool },
    Lost { why: String },
}

pub struct Desk {
    started: Instant,
    installed: Installed,
    sender: Option<Sender>,
    subscription: Subscription,
    book: AckBook,
    steps: VecDeque<Step>,
    /// Publishes that the broker has not confirmed, oldest first.
    in_flight: usize,
    statuses: StatusBook,
    health: watch::Sender<Health>,
    metrics: MqttMetrics,
    closing: Option<oneshot::Sender<()>>,
}

/// What does not change from one connection to the next.
pub struct Installed {
    pub group: String,
    pub client_id: String,
    pub flow: Arc<Flow>,
}

/// The channels by which a desk is reached.
pub struct Inbox {
    pub notices: mpsc::Receiver<Notice>,
    pub settled: mpsc::Receiver<Done>,
    pub orders: mpsc::Receiver<Order>,
}

impl Desk {
    pub fn new(
        installed: Installed,
        ack_interval_ms: u64,
        health: watch::Sender<Health>,
        metrics: MqttMetrics,
    ) -> Self {
        Desk {
            started: Instant::now(),
            sender: None,
            subscription: Subscription::new(&installed.group, &installed.client_id),
            installed,
            book: AckBook::new(ack_interval_ms),
            steps: VecDeque::new(),
            in_flight: 0,
            statuses: StatusBook::default(),
            health,
            metrics,
            closing: None,
        }
    }

    /// Runs until it has been told to close and everything is said.
    pub async fn run(mut self, mut inbox: Inbox) {
        let (mut settling, mut ordered) = (true, true);
        loop {
            let wake = tokio::time::sleep(self.idle_for());
            tokio::select! {
                notice = inbox.notices.recv() => match notice {
                    Some(notice) => self.notice(notice),
                    None => return,
                },
                settled = inbox.settled.recv(), if settling => match settled {
                    Some(settled) => self.settle_burst(settled, &mut inbox.settled),
                    None => settling = false,
                },
                order = inbox.orders.recv(), if ordered => match order {
                    Some(order) => self.order(order),
                    None => ordered = false,
                },
                () = wake => {}
            }
            self.speak();
            if self.closing.is_some() && !settling && self.said_all() {
                return self.close();
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).expect("no process runs that long")
    }

    fn idle_for(&self) -> Duration {
        let now = self.now_ms();
        let retry = (!self.steps.is_empty() && self.sender.is_some()).then_some(now + RETRY_MS);
        // Without a connection or with all publishes in flight, a notice will wake us, not the time.
        let can_publish = self.sender.is_some() && self.in_flight < PUBLISHES;
        let acks = self.book.next_due_ms().filter(|_| can_publish).map(|due| due.max(now + 1));
        let next = [retry, acks, self.subscription.deadline_ms()].into_iter().flatten().min();
        Duration::from_millis(next.map_or(60_000, |at| at.saturating_sub(now)))
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Opened { sender } => {
                self.sender = Some(sender);
                self.subscription = Subscription::new(&self.installed.group, &self.installed.client_id);
                self.steps.clear();
                self.in_flight = 0;
            }
            Notice::Connected { shared } => {
                tracing::info!("connected to the broker");
                self.health.send_modify(|health| health.connected = true);
                let steps = self.subscription.connected(shared);
                self.steps.extend(steps);
            }
            Notice::Subscribed(accepted) => {
                let now = self.now_ms();
                let steps = self.subscription.subscribed(&accepted, now);
                self.steps.extend(steps);
            }
            Notice::Message(message) => self.message(message),
            Notice::Published { permitted } => {
                self.in_flight = self.in_flight.saturating_sub(1);
                if !permitted {
                    self.metrics.acks_refused.inc();
                }
            }
            Notice::Lost { why } => {
                self.sender = None;
                self.health.send_modify(|health| {
                    *health = Health { problem: Some(why), ..Health::default() };
                });
            }
        }
    }

    /// Status messages and our own self-test; batches never come here.
    fn message(&mut self, message: Message) {
        if Subscription::is_self_test(&message.topic) {
            return self.subscription.heard(&message.topic);
        }
        let Some(topic) = Topic::parse(&message.topic).filter(|topic| topic.channel == Channel::Status) else {
            return;
        };
        match serde_json::from_slice::<Status>(&message.payload) {
            Ok(status) => {
                self.statuses.hear(topic.site, topic.probe, status, unix_ms());
            }
            // An empty message clears a retained one: nothing to know.
            Err(_) if message.payload.is_empty() => {}
            Err(_) => self.metrics.bad_status.inc(),
        }
    }

    fn settle_burst(&mut self, first: Done, more: &mut mpsc::Receiver<Done>) {
        self.settle(first);
        for _ in 1..BURST {
            match more.try_recv() {
                Ok(settled) => self.settle(settled),
                Err(_) => break,
            }
        }
        self.installed.flow.settled.notify_one();
    }

    fn settle(&mut self, settled: Done) {
        self.installed.flow.under_way.fetch_sub(settled.tokens.len() as u64, Ordering::Relaxed);
        if let Some(topic) = settled.topic {
            self.book.add(&topic.on(Channel::Ack).to_string(), settled.acks);
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::AckInterval(ms) => self.book.set_interval_ms(ms),
            // Whoever asked may have gone.
            Order::Status(probe, reply) => drop(reply.send(self.statuses.get(&probe).cloned())),
            Order::Close(done) => self.closing = Some(done),
        }
    }

    /// Says what can be said now.
    fn speak(&mut self) {
        let now = self.now_ms();
        let steps = self.subscription.time(now);
        self.steps.extend(steps);
        self.metrics.acks_forgotten.inc_by(self.book.take_forgotten());
        let Some(sender) = self.sender.clone() else { return };
        while let Some(step) = self.steps.pop_front() {
            if self.step(&sender, &step) == Err(Full) {
                self.steps.push_front(step);
                return;
            }
        }
        self.publish_acks(&sender, now);
    }

    fn publish_acks(&mut self, sender: &Sender, now: u64) {
        // Before the subscriptions hold, an ack could overtake the login's refusal and be lost for an interval.
        if !self.health.borrow().connected || self.in_flight >= PUBLISHES {
            return;
        }
        let mut due: VecDeque<(String, AckMessage)> = self.book.due(now).into();
        while let Some((topic, message)) = due.pop_front() {
            if self.in_flight >= PUBLISHES || sender.publish(&topic, message.to_json()) == Err(Full) {
                self.book.put_back(&topic, message);
                break;
            }
            self.in_flight += 1;
            self.metrics.acks_sent.inc();
        }
        for (topic, message) in due {
            self.book.put_back(&topic, message);
        }
    }

    fn step(&mut self, sender: &Sender, step: &Step) -> Result<(), Full> {
        match step {
            Step::Subscribe(filters) => sender.subscribe(filters)?,
            Step::Unsubscribe(filter) => sender.unsubscribe(filter)?,
            Step::Publish(topic) => {
                sender.publish(topic, b"{}".to_vec())?;
                self.in_flight += 1;
            }
            Step::Ready(mode) => {
                let shared = *mode == Mode::Shared;
                tracing::info!("receiving batches by a {} subscription", if shared { "shared" } else { "plain" });
                self.health.send_modify(|health| (health.subscribed, health.problem) = (true, None));
            }
            Step::Warn(what) => {
                tracing::warn!("{what}");
                self.health.send_modify(|health| health.problem = Some(what.clone()));
            }
            Step::GiveUp(what) => {
                tracing::error!("{what}");
                self.health.send_modify(|health| health.problem = Some(what.clone()));
                sender.disconnect()?;
            }
        }
        Ok(())
    }

    fn said_all(&self) -> bool {
        let nothing_left = self.book.is_empty() && self.in_flight == 0;
        // Without a connection nothing more can be said; the agents will ask again.
        nothing_left || self.sender.is_none()
    }

    fn close(&mut self) {
        if let Some(sender) = &self.sender {
            // A full queue only means that the broker notices the end by itself.
            let _ = sender.disconnect();
        }
        if let Some(done) = self.closing.take() {
            let _ = done.send(());
        }
    }
}

pub(super) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
