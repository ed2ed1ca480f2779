//! What the collector asks of the agent: configurations and commands, checked before anybody acts on them.
//!
//! A command runs once, never late. Without a synced clock it counts only within the connection that delivered it,
//! which is always the case here: commands are not retained, and no session outlives its connection.

use super::{Inbound, WallClock};
use phusong_protocol::{Channel, Command, CommandBody, DesiredConfig, Epoch, Ranges, limits};
use std::collections::VecDeque;
use tokio::sync::{mpsc, watch};

/// Commands whose ids are remembered.
const IDS: usize = 64;

pub(super) struct Inbox {
    to: mpsc::Sender<Inbound>,
    clock: watch::Receiver<WallClock>,
    seen: VecDeque<String>,
    /// Messages that were not readable, late, repeated, or found no room.
    pub ignored: u64,
}

impl Inbox {
    pub fn new(to: mpsc::Sender<Inbound>, clock: watch::Receiver<WallClock>) -> Self {
        Inbox { to, clock, seen: VecDeque::new(), ignored: 0 }
    }

    /// Hands a message on; the raw rounds to send where it was a `send_raw`.
    pub fn take(&mut self, channel: Channel, payload: &[u8], now_ms: u64) -> Option<(Epoch, Ranges)> {
        match channel {
            Channel::Config => {
                let config = serde_json::from_slice::<DesiredConfig>(payload).ok().filter(|config| config.v == 1);
                match config {
                    Some(config) => self.hand_on(Inbound::Config(config)),
                    None => self.ignore("a configuration that cannot be read"),
                }
                None
            }
            Channel::Command => self.command(payload, now_ms),
            Channel::Ack | Channel::Batch | Channel::Status => None,
        }
    }

    fn command(&mut self, payload: &[u8], now_ms: u64) -> Option<(Epoch, Ranges)> {
        let command = serde_json::from_slice::<Command>(payload).ok().filter(|command| command.v == 1);
        let Some(command) = command.filter(|command| command.id.len() <= limits::STRING_BYTES) else {
            self.ignore("a command that cannot be read");
            return None;
        };
        let offset = self.clock.borrow().synced_offset_ms;
        if offset.is_some_and(|offset| now_ms as i64 + offset > command.not_after_ms) {
            self.ignore("a command that came too late");
            return None;
        }
        if self.seen.contains(&command.id) {
            self.ignore("a command that was run before");
            return None;
        }
        if self.seen.len() == IDS {
            self.seen.pop_front();
        }
        self.seen.push_back(command.id);
        match command.body {
            CommandBody::MeasureNow => self.hand_on(Inbound::MeasureNow),
            CommandBody::SendRaw { epoch, ranges } if ranges.parts() <= limits::RANGES => return Some((epoch, ranges)),
            CommandBody::SendRaw { .. } => self.ignore("a command with too many ranges"),
            CommandBody::Credentials { .. } => self.ignore("credentials, which only joining asks for"),
        }
        None
    }

    fn hand_on(&mut self, inbound: Inbound) {
        if self.to.try_send(inbound).is_err() {
            self.ignore("a message for which there is no room");
        }
    }

    fn ignore(&mut self, what: &str) {
        self.ignored += 1;
        tracing::warn!("ignoring {what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_runs_once_and_never_late_and_an_unreadable_one_is_counted() {
        let (to, mut inbound) = mpsc::channel(1);
        let (_clock_to, clock) = watch::channel(WallClock { synced_offset_ms: Some(1_000), floor_unix_ms: 0 });
        let mut inbox = Inbox::new(to, clock);
        let measure =
            |id: &str, until: i64| format!(r#"{{"v":1,"id":"{id}","not_after_ms":{until},"do":"measure_now"}}"#);
        let raw = r#"{"v":1,"id":"r","not_after_ms":9999,"do":"send_raw","epoch":"000000000000000a",
            "ranges":[["0000000000000001","0000000000000003"]]}"#;
        let mut take = |payload: &str| inbox.take(Channel::Command, payload.as_bytes(), 500);
        assert_eq!(take(raw), Some((Epoch(10), Ranges::of(1, 3))));
        for payload in
            [measure("a", 1_500), measure("a", 1_500), measure("late", 1_499), "{".into(), measure("b", 1_500)]
        {
            assert_eq!(take(&payload), None);
        }
        assert_eq!(inbound.try_recv(), Ok(Inbound::MeasureNow));
        assert!(inbound.try_recv().is_err(), "repeated, late, unreadable, and one without room");
        assert_eq!(inbox.ignored, 4);
    }
}
