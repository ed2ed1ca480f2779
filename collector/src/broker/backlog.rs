//! What waits for the collector, so that probes are held back instead of the broker's memory growing.
//!
//! In: messages routed to the collector's session, delivered, dropped. Out: whether a probe's message may be taken.
//! Refuses to know: topics, payloads. The library's own queue between a publisher and a session has no bound: a
//! publisher that waits here leaves its connection unread, and TCP holds it back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Longer than the collector itself holds its connection unread; below the patience of a client.
pub const HOLD: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Backlog {
    bound: usize,
    hold: Duration,
    /// Messages on their way, by the client id of each subscribed session of the collector.
    sessions: Mutex<HashMap<String, usize>>,
    moved: Notify,
}

impl Backlog {
    pub fn new(bound: usize, hold: Duration) -> Self {
        Backlog { bound, hold, sessions: Mutex::default(), moved: Notify::new() }
    }

    /// A session of the collector receives batches now.
    pub fn opened(&self, client: &str) {
        self.sessions().entry(client.to_owned()).or_default();
        self.moved.notify_waiters();
    }

    pub fn ended(&self, client: &str) {
        self.sessions().remove(client);
    }

    pub fn routed(&self, client: &str) {
        if let Some(waiting) = self.sessions().get_mut(client) {
            *waiting += 1;
        }
    }

    /// Delivered or dropped.
    pub fn settled(&self, client: &str) {
        if let Some(waiting) = self.sessions().get_mut(client) {
            *waiting = waiting.saturating_sub(1);
        }
        self.moved.notify_waiters();
    }

    /// Waits for a moment until the collector is there and has room; false when it has not.
    pub async fn room(&self) -> bool {
        let deadline = Instant::now() + self.hold;
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // Before the look, so that nothing that happens after it is missed.
            moved.as_mut().enable();
            if self.has_room() {
                return true;
            }
            if timeout_at(deadline, moved).await.is_err() {
                return self.has_room();
            }
        }
    }

    fn has_room(&self) -> bool {
        let sessions = self.sessions();
        !sessions.is_empty() && sessions.values().sum::<usize>() < self.bound
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_publisher_waits_for_the_collector_and_for_room_and_not_for_ever() {
        let backlog = Arc::new(Backlog::new(2, Duration::from_millis(100)));
        assert!(!backlog.room().await, "nobody is there to take it");
        backlog.opened("collector-1");
        assert!(backlog.room().await);
        backlog.routed("collector-1");
        backlog.routed("collector-1");
        let waiting = tokio::spawn({
            let backlog = Arc::clone(&backlog);
            async move { backlog.room().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        backlog.settled("collector-1");
        assert!(waiting.await.expect("not cancelled"));
        backlog.routed("collector-1");
        assert!(!backlog.room().await, "it stays full");
        backlog.ended("collector-1");
        backlog.opened("collector-2");
        assert!(backlog.room().await, "a new session begins empty");
    }
}
