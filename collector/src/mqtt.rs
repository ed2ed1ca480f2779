//! The collector as a client of its broker, external or embedded.
//!
//! In: batches and status messages from the broker, settled batches from the ingest. Out: batches into the ingest's
//! bounded queue, acknowledgements. Refuses to know: what is in a batch, the store.
//!
//! A thread polls the link and hands batches straight on; a task, the desk (`mqtt/desk.rs`), says everything that is
//! to be said and never waits. A PUBACK means nothing here: the library sends it as it reads, ten to a write. What holds
//! a fast broker back is an unread connection ([`HOLD`]), and the acknowledgement that counts is the JSON one.
//! The client is disposable: after any error it is dropped, with its session, and a new one is built.

mod acks;
mod backoff;
mod desk;
mod link;
mod status;
mod subscription;
mod tls;

pub use status::Known;

use crate::config;
use crate::ingest::{Done, Incoming, Intake};
use crate::metrics::MqttMetrics;
use anyhow::Context;
use backoff::Backoff;
use desk::{Desk, Inbox, Installed, Notice};
use link::{Ended, Event, Link, Message, Sender};
use phusong_protocol::ProbeId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Notices from the polling task: it waits for the desk, which never waits for it.
const NOTICES: usize = 1_024;
/// How long the connection is left unread while the queue has no room, so that TCP holds the broker back. Mosquitto
/// 2.0.11 sends its whole backlog once PUBACKs come in, whatever `receive_maximum` says. Short against the keepalive.
const HOLD: Duration = Duration::from_secs(2);
/// Room can also come without anything being settled.
const LOOK: Duration = Duration::from_millis(20);
/// How long the polling thread lets messages gather while they come thick. A broker writes them one by one, and to
/// wake a reader for each costs both sides more than the message.
const GATHER: Duration = Duration::from_millis(3);
/// Orders are rare.
const ORDERS: usize = 16;

/// How the connection stands, for `/readyz`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    pub connected: bool,
    pub subscribed: bool,
    pub problem: Option<String>,
}

/// How the messages flow, for `/readyz` and `/metrics`.
#[derive(Debug, Default)]
pub struct Flow {
    /// Messages handed to the ingest that are not settled yet.
    pub under_way: AtomicU64,
    /// When the ingest's queue last had no room (Unix time); 0: never.
    pub dropped_ms: AtomicI64,
    /// Something was settled: there may be room again.
    settled: Notify,
}

enum Order {
    AckInterval(u64),
    Status(ProbeId, oneshot::Sender<Option<Known>>),
    Close(oneshot::Sender<()>),
}

/// The running client.
pub struct Client {
    orders: mpsc::Sender<Order>,
    health: watch::Receiver<Health>,
    flow: Arc<Flow>,
    intake_open: Arc<AtomicBool>,
    closing: Arc<AtomicBool>,
    /// Ends the polling thread when dropped.
    poller: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
    desk: JoinHandle<()>,
}

impl Client {
    /// Starts both; the first connection is made in the background.
    pub fn start(
        settings: &config::Mqtt,
        ack_interval_ms: u64,
        intake: Intake,
        settled: mpsc::Receiver<Done>,
        metrics: MqttMetrics,
    ) -> anyhow::Result<Self> {
        let client_id = client_id()?;
        // A CA file that cannot be read is a mistake of the configuration: say so at the start.
        link::open(settings, &client_id)?;
        let (notices_in, notices) = mpsc::channel(NOTICES);
        let (orders_in, orders) = mpsc::channel(ORDERS);
        let (health_in, health) = watch::channel(Health::default());
        let flow = Arc::new(Flow::default());
        let installed =
            Installed { group: settings.share_group.clone(), client_id: client_id.clone(), flow: Arc::clone(&flow) };
        let desk = Desk::new(installed, ack_interval_ms, health_in, metrics.clone());
        let intake_open = Arc::new(AtomicBool::new(true));
        let closing = Arc::new(AtomicBool::new(false));
        let poller = Poller {
            settings: settings.clone(),
            client_id,
            intake,
            flow: Arc::clone(&flow),
            intake_open: Arc::clone(&intake_open),
            closing: Arc::clone(&closing),
            notices: notices_in,
            metrics,
        };
        let (poller, ended) = poller.start()?;
        Ok(Client {
            orders: orders_in,
            health,
            flow,
            intake_open,
            closing,
            poller,
            ended,
            desk: tokio::spawn(desk.run(Inbox { notices, settled, orders })),
        })
    }

    pub fn flow(&self) -> Arc<Flow> {
        Arc::clone(&self.flow)
    }

    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    pub async fn set_ack_interval_ms(&self, ms: u64) {
        // The desk only ends when the client is closed, and then no interval matters.
        let _ = self.orders.send(Order::AckInterval(ms)).await;
    }

    /// What a probe said of itself last; nothing after the client was closed.
    pub async fn status(&self, probe: ProbeId) -> Option<Known> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order::Status(probe, reply)).await.ok()?;
        answer.await.ok()?
    }

    /// Takes no more batches. They stay with the broker or the agents; the connection lives on for the last acks.
    pub fn stop_intake(&self) {
        self.intake_open.store(false, Ordering::Release);
    }

    /// Says what is still to be said, at most until the deadline, and disconnects. The ingest must have ended.
    pub async fn close(self, within: Duration) {
        self.closing.store(true, Ordering::Release);
        let (done, said) = oneshot::channel();
        let asked = self.orders.send(Order::Close(done)).await.is_ok();
        if asked && tokio::time::timeout(within, said).await.is_err() {
            tracing::warn!("the broker did not take the last acknowledgements in time; the agents will ask again");
        }
        // The broker answers a DISCONNECT by closing; a moment is enough, and without it nothing is lost.
        let _ = tokio::time::timeout(Duration::from_millis(500), self.ended).await;
        drop(self.poller);
        self.desk.abort();
    }
}

/// The thread that polls.
struct Poller {
    settings: config::Mqtt,
    client_id: String,
    intake: Intake,
    flow: Arc<Flow>,
    intake_open: Arc<AtomicBool>,
    closing: Arc<AtomicBool>,
    notices: mpsc::Sender<Notice>,
    metrics: MqttMetrics,
}

impl Poller {
    /// Its own thread: it may sleep for a moment without holding anybody up.
    fn start(self) -> anyhow::Result<(oneshot::Sender<()>, oneshot::Receiver<()>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (handle, dropped) = oneshot::channel::<()>();
        let (ending, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("mqtt-poll".into());
        thread.spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = self.run() => {}
                    _ = dropped => {}
                }
            });
            // Nobody waits for it when the client was dropped.
            let _ = ending.send(());
        })?;
        Ok((handle, ended))
    }

    async fn run(self) {
        let mut backoff = Backoff::new();
        while !self.closing.load(Ordering::Acquire) {
            let started = Instant::now();
            let why = match link::open(&self.settings, &self.client_id) {
                Ok((sender, link)) => self.follow(sender, link).await,
                Err(e) => format!("{e:#}"),
            };
            if self.closing.load(Ordering::Acquire) {
                return;
            }
            self.metrics.reconnects.inc();
            let wait = backoff.wait(started.elapsed(), fastrand::f64());
            let url = self.settings.url.as_deref().unwrap_or_default();
            tracing::warn!("broker {url}: {why}; next attempt in {:.1} s", wait.as_secs_f64());
            self.tell(Notice::Lost { why }).await;
            tokio::time::sleep(wait).await;
        }
    }

    /// One connection, to its end.
    async fn follow(&self, sender: Sender, mut link: Link) -> String {
        self.tell(Notice::Opened { sender }).await;
        let mut thick = false;
        loop {
            let event = next(&mut link, thick).await;
            thick = matches!(event, Ok(Event::Message(_)));
            let notice = match event {
                Ok(Event::Message(message)) => match self.batch(message).await {
                    Some(notice) => notice,
                    None => continue,
                },
                Ok(Event::Connected { shared }) => Notice::Connected { shared },
                Ok(Event::Subscribed(accepted)) => Notice::Subscribed(accepted),
                Ok(Event::Published { permitted }) => Notice::Published { permitted },
                Err(ended) => return ended.to_string(),
            };
            self.tell(notice).await;
        }
    }

    /// The hot path: a batch goes into the queue, or is dropped; whoever numbered its samples sends it again. A phone's
    /// message goes the same way, and nobody sends it again: what is missing is in the phone's log.
    async fn batch(&self, message: Message) -> Option<Notice> {
        if !message.topic.ends_with("/batch") && !message.topic.starts_with("ns/") {
            return Some(Notice::Message(message));
        }
        if !self.intake_open.load(Ordering::Acquire) {
            return None;
        }
        if !self.intake.has_room(message.payload.len()) {
            self.hold(message.payload.len()).await;
        }
        let now_ms = desk::unix_ms();
        let incoming = Incoming { topic: message.topic, payload: message.payload, received_ms: now_ms, token: 0 };
        self.flow.under_way.fetch_add(1, Ordering::Relaxed);
        if self.intake.submit(incoming).is_err() {
            self.flow.under_way.fetch_sub(1, Ordering::Relaxed);
            self.flow.dropped_ms.store(now_ms, Ordering::Relaxed);
        }
        None
    }

    /// Waits for room, but not for a store that takes nothing: one long wait, then no more until there was room.
    async fn hold(&self, bytes: usize) {
        let since_drop_ms = desk::unix_ms() - self.flow.dropped_ms.load(Ordering::Relaxed);
        let gave_up = since_drop_ms < HOLD.as_millis() as i64;
        let until = Instant::now() + if gave_up { Duration::ZERO } else { HOLD };
        while !self.intake.has_room(bytes) && self.intake_open.load(Ordering::Acquire) && Instant::now() < until {
            // Whichever comes first; both only mean to look again.
            let _ = tokio::time::timeout(LOOK, self.flow.settled.notified()).await;
        }
    }

    async fn tell(&self, notice: Notice) {
        // The desk ends before this task only when the client is closed.
        let _ = self.notices.send(notice).await;
    }
}

/// The next event; when none is there at once after a message, those that follow get a moment to gather.
async fn next(link: &mut Link, thick: bool) -> Result<Event, Ended> {
    let mut next = std::pin::pin!(link.next());
    if thick {
        let at_once = std::future::poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await;
        if let Poll::Ready(event) = at_once {
            return event;
        }
        std::thread::sleep(GATHER);
    }
    next.await
}

/// Unique per process, and an identifier of the wire: it names the topics of the self-test.
fn client_id() -> anyhow::Result<String> {
    let mut random = [0u8; 8];
    getrandom::fill(&mut random).context("the system gives no random numbers")?;
    Ok(format!("collector-{:016x}", u64::from_be_bytes(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_id_is_an_identifier_of_the_wire() {
        assert!(client_id().expect("random").parse::<ProbeId>().is_ok());
    }
}
