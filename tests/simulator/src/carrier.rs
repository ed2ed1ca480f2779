//! One account's messages to the collector, over as many connections as it takes.
//!
//! In: deliveries in order. Out: publishes of QoS 1, and how many arrived for good: what one probe sends is kept until
//! the collector's acknowledgement names all of it, as an agent does; a user who publishes for all sees no
//! acknowledgements and believes the broker. Refuses to know: when a delivery is due. Limits: [`WINDOW`] messages on their
//! way; one that is not acknowledged goes out again after [`AGAIN`]. A connection that breaks is made again after [`FIRST`],
//! then twice as late each time, at most [`LATEST`].

use crate::account::Account;
use crate::outbox::Delivery;
use crate::publish::{IN_FLIGHT, PATIENCE, Seen, connect};
use phusong_protocol::{Ack, AckMessage, AckResult, Channel, Epoch, Ranges, Topic, decode};
use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

const WINDOW: usize = IN_FLIGHT as usize;
const AGAIN: Duration = Duration::from_secs(30);
const FIRST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(30);
/// How often it is looked whether something has to go out again.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) struct Carrier {
    pub host: String,
    pub port: u16,
    pub account: Account,
    pub inbox: mpsc::Receiver<Delivery>,
    /// Messages that arrived for good, of all carriers.
    pub taken: Arc<AtomicU64>,
}

/// One message on its way.
struct Waiting {
    delivery: Delivery,
    epoch: Option<Epoch>,
    /// What no acknowledgement has named yet.
    left: Ranges,
    due: Instant,
}

/// How a connection ended.
enum Ended {
    /// Nothing more comes and everything arrived.
    Done,
    Broken(String),
}

impl Waiting {
    fn new(delivery: Delivery) -> Self {
        let (mut epoch, mut left) = (None, Ranges::new());
        if let Ok(batch) = decode(&delivery.payload) {
            epoch = Some(batch.epoch);
            batch.samples.iter().for_each(|sample| left.insert(sample.seq, sample.seq));
        }
        Waiting { delivery, epoch, left, due: again() }
    }
}

impl Carrier {
    /// Until nothing more comes and everything arrived.
    pub(crate) async fn run(mut self) {
        let mut waiting: VecDeque<Waiting> = VecDeque::new();
        let mut pause = FIRST;
        loop {
            let before = self.taken.load(Ordering::Relaxed);
            let Ended::Broken(what) = self.connection(&mut waiting).await else { return };
            if self.taken.load(Ordering::Relaxed) > before {
                pause = FIRST;
            }
            // Half of it by chance, so that a broker that comes back is not met by all at once.
            let wait = pause / 2 + pause.mul_f64(fastrand::f64() / 2.0);
            eprintln!("{}: {what}; again in {:.1} s", self.account.user, wait.as_secs_f64());
            // Only the time passes: nothing else is waited for.
            let _ = timeout(wait, std::future::pending::<()>()).await;
            pause = (pause * 2).min(LATEST);
        }
    }

    async fn connection(&mut self, waiting: &mut VecDeque<Waiting>) -> Ended {
        let (client, mut seen) = connect(&self.host, self.port, &self.account);
        match timeout(PATIENCE, seen.recv()).await {
            Ok(Some(Seen::Ended(what))) => return Ended::Broken(what),
            Ok(Some(_)) => {}
            _ => return Ended::Broken(format!("no connection within {PATIENCE:?}")),
        }
        let outcome = self.carry(&client, &mut seen, waiting).await;
        if outcome.is_ok() {
            // Everything arrived: a goodbye that is not heard costs nothing.
            let _ = client.disconnect().await;
            let _ = timeout(FIRST, async { while !matches!(seen.recv().await, Some(Seen::Ended(_)) | None) {} }).await;
        }
        outcome.map_or_else(Ended::Broken, |()| Ended::Done)
    }

    async fn carry(
        &mut self,
        client: &AsyncClient,
        seen: &mut mpsc::Receiver<Seen>,
        waiting: &mut VecDeque<Waiting>,
    ) -> Result<(), String> {
        let (mut listening, mut closing, mut heard) = (false, false, Instant::now());
        for one in waiting.iter_mut() {
            self.publish(client, one, &mut listening).await?;
        }
        while !(closing && waiting.is_empty()) {
            let room = waiting.len() < WINDOW && !closing;
            tokio::select! {
                told = timeout(LOOK, seen.recv()) => match told {
                    Ok(Some(Seen::Ended(what))) => return Err(what),
                    Ok(None) => return Err("the connection is gone".to_owned()),
                    Ok(Some(told)) => {
                        heard = Instant::now();
                        let arrived = self.arrived(told, waiting);
                        self.taken.fetch_add(arrived, Ordering::Relaxed);
                    }
                    Err(_) => {
                        if !waiting.is_empty() && heard.elapsed() > PATIENCE + AGAIN {
                            return Err(format!("no answer for {:?}", PATIENCE + AGAIN));
                        }
                        let now = Instant::now();
                        for late in waiting.iter_mut().filter(|one| one.due <= now) {
                            self.publish(client, late, &mut listening).await?;
                        }
                    }
                },
                next = self.inbox.recv(), if room => match next {
                    Some(delivery) => {
                        let mut one = Waiting::new(delivery);
                        let outcome = self.publish(client, &mut one, &mut listening).await;
                        waiting.push_back(one);
                        outcome?;
                    }
                    None => closing = true,
                },
            }
        }
        Ok(())
    }

    /// How many messages arrived for good by what was heard.
    fn arrived(&self, told: Seen, waiting: &mut VecDeque<Waiting>) -> u64 {
        let before = waiting.len();
        match told {
            // In the order in which they were sent.
            Seen::Taken if self.account.probe.is_none() => drop(waiting.pop_front()),
            Seen::Told(payload) => {
                let acks = serde_json::from_slice(&payload).map_or_else(|_| Vec::new(), |told: AckMessage| told.acks);
                acks.iter().for_each(|ack| self.named(ack, waiting));
            }
            _ => {}
        }
        (before - waiting.len()) as u64
    }

    fn named(&self, ack: &Ack, waiting: &mut VecDeque<Waiting>) {
        match ack.result {
            AckResult::Stored | AckResult::Duplicate | AckResult::DeadLetter => {
                for one in waiting.iter_mut().filter(|one| one.epoch == ack.epoch) {
                    one.left.subtract(&ack.ranges);
                }
                waiting.retain(|one| !one.left.is_empty());
            }
            AckResult::Rejected | AckResult::Refused => {
                let why = ack.reason.as_deref().unwrap_or("for no reason");
                eprintln!("{}: the collector does not take it: {why}", self.account.user);
            }
        }
    }

    /// Hands a message to the client; before the first one it asks for acknowledgements.
    async fn publish(&self, client: &AsyncClient, one: &mut Waiting, listening: &mut bool) -> Result<(), String> {
        one.due = again();
        let (topic, payload) = (one.delivery.topic.clone(), one.delivery.payload.clone());
        let wanted = self.account.probe.is_some() && !std::mem::replace(listening, true);
        let acks = Topic::parse(&topic).filter(|_| wanted).map(|topic| topic.on(Channel::Ack).to_string());
        let queued = timeout(PATIENCE, async {
            if let Some(acks) = acks {
                client.subscribe(acks, QoS::AtLeastOnce).await?;
            }
            client.publish(topic, QoS::AtLeastOnce, false, payload).await
        });
        match queued.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("it takes nothing more for {PATIENCE:?}")),
        }
    }
}

fn again() -> Instant {
    Instant::now() + AGAIN.mul_f64(0.5 + fastrand::f64())
}
