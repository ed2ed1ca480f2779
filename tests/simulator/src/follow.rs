//! A world that reaches up to now and goes on.
//!
//! In: deliveries with their times, accounts at a broker, when to stop. Out: what is past, as fast as the broker takes
//! it; then everything at its time. Refuses to know: how a message comes to have arrived. Limits: [`AHEAD`] deliveries wait
//! for each connection; a connection that breaks is made again, and meanwhile its deliveries hold up the others'.

use crate::account::Account;
use crate::carrier::Carrier;
use crate::outbox::Delivery;
use crate::publish::{PublishError, Published, address};
use phusong_protocol::ProbeId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

const AHEAD: usize = 64;
/// How often it is looked whether everything arrived.
const LOOK: Duration = Duration::from_millis(100);
/// What is on its way when the end comes has so long to arrive.
const FAREWELL: Duration = Duration::from_secs(5);

/// What is told while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// A delivery of the past, by the time of its reception, is on its way.
    Past { received_ms: i64, messages: u64 },
    /// Everything that is past has arrived.
    CaughtUp { messages: u64 },
}

/// Publishes until the deliveries end, or `stop` does.
pub async fn follow(
    broker: &str,
    accounts: &[Account],
    deliveries: impl Iterator<Item = Delivery>,
    stop: impl Future<Output = ()>,
    mut said: impl FnMut(Said),
) -> Result<Published, PublishError> {
    let (host, port) = address(broker)?;
    let (mut of_probe, mut one_for_all) = (BTreeMap::<ProbeId, mpsc::Sender<Delivery>>::new(), None);
    let (taken, mut carriers) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
    for account in accounts {
        let (to, inbox) = mpsc::channel(AHEAD);
        match &account.probe {
            Some(probe) => drop(of_probe.insert(probe.clone(), to)),
            None => one_for_all = Some(to),
        }
        let (host, account, taken) = (host.clone(), account.clone(), Arc::clone(&taken));
        carriers.spawn(Carrier { host, port, account, inbox, taken }.run());
    }
    let mut published = Published::default();
    let feed = async {
        let mut past = true;
        for delivery in deliveries {
            let wait_ms = delivery.received_ms - now_ms();
            if wait_ms > 0 {
                if std::mem::take(&mut past) {
                    all_taken(&taken, published.messages).await;
                    said(Said::CaughtUp { messages: published.messages });
                }
                // Taking may have lasted: the clock is asked again. Only the time passes, nothing else is waited for.
                let wait = Duration::from_millis((delivery.received_ms - now_ms()).max(0).unsigned_abs());
                let _ = timeout(wait, std::future::pending::<()>()).await;
            }
            let Some(to) = of_probe.get(&delivery.probe).or(one_for_all.as_ref()) else { continue };
            published.messages += 1;
            published.bytes += delivery.payload.len() as u64;
            if past {
                said(Said::Past { received_ms: delivery.received_ms, messages: published.messages });
            }
            // A carrier ends only after its sender.
            let _ = to.send(delivery).await;
        }
    };
    tokio::select! {
        () = feed => {}
        () = stop => {}
    }
    drop((of_probe, one_for_all));
    // Whoever has no connection now keeps what it has: the end does not wait for it.
    let _ = timeout(FAREWELL, async { while carriers.join_next().await.is_some() {} }).await;
    Ok(published)
}

async fn all_taken(taken: &AtomicU64, sent: u64) {
    while taken.load(Ordering::Relaxed) < sent {
        let _ = timeout(LOOK, std::future::pending::<()>()).await;
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
