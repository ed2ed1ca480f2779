//! One account's messages to the broker, over as many connections as it takes.
//!
//! In: deliveries in order. Out: publishes of QoS 1, and how many the broker took. Refuses to know: when a delivery is
//! due. Limits: [`IN_FLIGHT`] publishes on the way; what the broker did not take before a connection broke goes out
//! again over the next one, which comes after [`FIRST`], then twice as late each time, at most [`LATEST`].

use crate::account::Account;
use crate::outbox::Delivery;
use crate::publish::{IN_FLIGHT, PATIENCE, Seen, connect};
use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

const FIRST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(30);

pub(crate) struct Carrier {
    pub host: String,
    pub port: u16,
    pub account: Account,
    pub inbox: mpsc::Receiver<Delivery>,
    /// Publishes that the broker took, of all carriers.
    pub taken: Arc<AtomicU64>,
}

/// How a connection ended.
enum Ended {
    /// Nothing more comes and everything was taken.
    Done,
    Broken(String),
}

impl Carrier {
    /// Until nothing more comes and everything was taken.
    pub(crate) async fn run(mut self) {
        // Sent and not taken yet, in the order in which the broker confirms.
        let mut waiting: VecDeque<Delivery> = VecDeque::new();
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

    async fn connection(&mut self, waiting: &mut VecDeque<Delivery>) -> Ended {
        let (client, mut seen) = connect(&self.host, self.port, &self.account);
        match timeout(PATIENCE, seen.recv()).await {
            Ok(Some(Seen::Connected)) => {}
            Ok(Some(Seen::Ended(what))) => return Ended::Broken(what),
            _ => return Ended::Broken(format!("no connection within {PATIENCE:?}")),
        }
        for delivery in waiting.iter() {
            if let Err(what) = publish(&client, delivery).await {
                return Ended::Broken(what);
            }
        }
        let mut closing = false;
        while !(closing && waiting.is_empty()) {
            let room = waiting.len() < usize::from(IN_FLIGHT) && !closing;
            tokio::select! {
                told = timeout(PATIENCE, seen.recv()) => match told {
                    Ok(Some(Seen::Taken)) => {
                        if waiting.pop_front().is_some() {
                            self.taken.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    Ok(Some(Seen::Connected)) => {}
                    Ok(Some(Seen::Ended(what))) => return Ended::Broken(what),
                    Ok(None) => return Ended::Broken("the connection is gone".to_owned()),
                    Err(_) if waiting.is_empty() => {}
                    Err(_) => return Ended::Broken(format!("no answer for {PATIENCE:?}")),
                },
                next = self.inbox.recv(), if room => match next {
                    Some(delivery) => {
                        let outcome = publish(&client, &delivery).await;
                        waiting.push_back(delivery);
                        if let Err(what) = outcome {
                            return Ended::Broken(what);
                        }
                    }
                    None => closing = true,
                },
            }
        }
        // Everything is taken: a goodbye that is not heard costs nothing.
        let _ = client.disconnect().await;
        let _ = timeout(FIRST, async { while !matches!(seen.recv().await, Some(Seen::Ended(_)) | None) {} }).await;
        Ended::Done
    }
}

/// Hands a publish to the client, which has room for all that may be on the way.
async fn publish(client: &AsyncClient, delivery: &Delivery) -> Result<(), String> {
    let (topic, payload) = (delivery.topic.clone(), delivery.payload.clone());
    let queued = timeout(PATIENCE, client.publish(topic, QoS::AtLeastOnce, false, payload)).await;
    match queued {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it takes nothing more for {PATIENCE:?}")),
    }
}
