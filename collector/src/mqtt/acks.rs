//! Acknowledgements waiting to be published: merged per probe, at most one message per probe and interval.
//!
//! In: what a commit settled, with the time. Out: [`AckMessage`]s that are due. Refuses to know: clocks, sockets,
//! what the samples were. Limits: topics and entries are bounded; what does not fit is forgotten and counted, which
//! is safe: the agent sends the batch again and is told `duplicate`.

use phusong_protocol::{Ack, AckMessage, AckResult, Epoch, Ranges, limits};
use std::collections::HashMap;

/// Topics with something pending or sent within the interval. A probe may choose its site, so topics need a bound.
const TOPICS: usize = 10_000;
/// Entries of one topic: 16 full messages, reached only when a probe sends rubbish faster than it is answered.
const ENTRIES: usize = 16 * limits::ACK_ENTRIES;
/// Ranges of one message: 40 bytes each, which keeps the message below the 64 KiB of a batch.
const MESSAGE_RANGES: usize = 1_000;

/// What waits, by ack topic.
#[derive(Debug)]
pub struct AckBook {
    interval_ms: u64,
    topics: HashMap<String, Waiting>,
    forgotten: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    ranges: HashMap<(AckResult, Epoch), Ranges>,
    payloads: Vec<Ack>,
    not_before_ms: u64,
}

impl AckBook {
    pub fn new(interval_ms: u64) -> Self {
        AckBook { interval_ms, topics: HashMap::new(), forgotten: 0 }
    }

    pub fn set_interval_ms(&mut self, interval_ms: u64) {
        self.interval_ms = interval_ms;
    }

    /// Merges what became of one batch into what its probe will be told.
    pub fn add(&mut self, topic: &str, acks: Vec<Ack>) {
        if acks.is_empty() {
            return;
        }
        if !self.topics.contains_key(topic) {
            if self.topics.len() >= TOPICS {
                self.forgotten += acks.len() as u64;
                return;
            }
            self.topics.insert(topic.to_owned(), Waiting::default());
        }
        let Some(waiting) = self.topics.get_mut(topic) else { return };
        for ack in acks {
            self.forgotten += u64::from(!waiting.merge(ack));
        }
    }

    /// Takes the messages that may be sent now.
    pub fn due(&mut self, now_ms: u64) -> Vec<(String, AckMessage)> {
        let interval_ms = self.interval_ms;
        let mut due = Vec::new();
        self.topics.retain(|topic, waiting| {
            if now_ms < waiting.not_before_ms {
                return true;
            }
            let message = waiting.take();
            if message.acks.is_empty() {
                return false;
            }
            waiting.not_before_ms = now_ms + interval_ms;
            due.push((topic.clone(), message));
            true
        });
        due
    }

    /// Puts a message back that could not be sent.
    pub fn put_back(&mut self, topic: &str, message: AckMessage) {
        self.add(topic, message.acks);
    }

    /// When [`AckBook::due`] will have something; `None` when nothing waits.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.topics.values().filter(|waiting| !waiting.is_empty()).map(|waiting| waiting.not_before_ms).min()
    }

    pub fn is_empty(&self) -> bool {
        self.topics.values().all(Waiting::is_empty)
    }

    /// Entries forgotten at a bound since the last call.
    pub fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.payloads.is_empty()
    }

    /// False when the bound is reached.
    fn merge(&mut self, ack: Ack) -> bool {
        let full = self.ranges.len() + self.payloads.len() >= ENTRIES;
        match ack.epoch {
            Some(epoch) => {
                let key = (ack.result, epoch);
                if full && !self.ranges.contains_key(&key) {
                    return false;
                }
                self.ranges.entry(key).or_default().union(&ack.ranges);
            }
            None if self.payloads.contains(&ack) => {}
            None if full => return false,
            None => self.payloads.push(ack),
        }
        true
    }

    /// One message's worth; the rest stays for the next interval.
    fn take(&mut self) -> AckMessage {
        let keep = self.payloads.split_off(self.payloads.len().min(limits::ACK_ENTRIES));
        let mut acks = std::mem::replace(&mut self.payloads, keep);
        let mut room = MESSAGE_RANGES;
        let keys: Vec<_> = self.ranges.keys().copied().collect();
        for key in keys {
            let Some(mut ranges) = self.ranges.remove(&key) else { continue };
            while acks.len() < limits::ACK_ENTRIES && room > 0 && !ranges.is_empty() {
                let Some(piece) = ranges.chunks(room.min(limits::RANGES)).next() else { break };
                ranges.subtract(&piece);
                room -= piece.parts();
                acks.push(Ack::ranges(key.0, key.1, piece));
            }
            if !ranges.is_empty() {
                self.ranges.insert(key, ranges);
            }
        }
        AckMessage::new(acks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "phusong/v1/thanh-dinh/na-chen-1/ack";

    fn stored(first: u64, last: u64) -> Vec<Ack> {
        vec![Ack::ranges(AckResult::Stored, Epoch(7), Ranges::of(first, last))]
    }

    #[test]
    fn ranges_of_one_epoch_and_result_become_one_entry() {
        let mut book = AckBook::new(200);
        book.add(TOPIC, stored(1, 10));
        book.add(TOPIC, stored(11, 20));
        book.add(TOPIC, vec![Ack::ranges(AckResult::Duplicate, Epoch(7), Ranges::of(1, 3))]);
        let due = book.due(0);
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].1.acks.len(), 2);
        let merged = due[0].1.acks.iter().find(|ack| ack.result == AckResult::Stored).expect("was added");
        assert_eq!(merged.ranges, Ranges::of(1, 20));
    }

    #[test]
    fn the_first_ack_leaves_at_once_and_the_next_waits_for_the_interval() {
        let mut book = AckBook::new(200);
        book.add(TOPIC, stored(1, 1));
        assert_eq!(book.due(1_000).len(), 1);
        book.add(TOPIC, stored(2, 2));
        assert!(book.due(1_199).is_empty());
        assert_eq!(book.next_due_ms(), Some(1_200));
        assert_eq!(book.due(1_200).len(), 1);
        assert!(book.is_empty());
        assert_eq!(book.next_due_ms(), None);
    }

    #[test]
    fn one_probe_does_not_wait_for_another() {
        let mut book = AckBook::new(200);
        book.add(TOPIC, stored(1, 1));
        book.due(0);
        book.add("phusong/v1/thanh-dinh/na-chen-2/ack", stored(1, 1));
        assert_eq!(book.due(1).len(), 1);
    }

    #[test]
    fn a_message_never_exceeds_its_entries_nor_its_bytes_and_nothing_is_lost() {
        let mut book = AckBook::new(10);
        let scattered: Ranges = (0..3_000).map(|n| n * 2).collect();
        for epoch in 1..=100 {
            book.add(TOPIC, vec![Ack::ranges(AckResult::Stored, Epoch(epoch), scattered.clone())]);
        }
        let mut told: HashMap<Epoch, Ranges> = HashMap::new();
        for step in 0..1_000 {
            for (_, message) in book.due(step * 10) {
                assert!(message.acks.len() <= limits::ACK_ENTRIES);
                assert!(message.to_json().len() <= limits::BATCH_BYTES);
                for ack in message.acks {
                    assert!(ack.ranges.parts() <= limits::RANGES);
                    told.entry(ack.epoch.expect("ranges have an epoch")).or_default().union(&ack.ranges);
                }
            }
        }
        assert!(book.is_empty());
        assert_eq!(told.len(), 100);
        assert!(told.values().all(|ranges| *ranges == scattered));
    }

    #[test]
    fn a_message_that_could_not_be_sent_is_merged_again() {
        let mut book = AckBook::new(10);
        book.add(TOPIC, stored(1, 5));
        let (topic, message) = book.due(0).remove(0);
        book.put_back(&topic, message);
        book.add(TOPIC, stored(6, 9));
        assert_eq!(book.due(10)[0].1.acks[0].ranges, Ranges::of(1, 9));
    }

    #[test]
    fn a_flood_of_rubbish_is_bounded_and_what_is_forgotten_is_counted() {
        let mut book = AckBook::new(10);
        for n in 0..(ENTRIES as u32 + 5) {
            book.add(TOPIC, vec![Ack::payload(AckResult::Rejected, &n.to_be_bytes(), "crc")]);
        }
        assert_eq!(book.take_forgotten(), 5);
        for n in 0..(TOPICS as u32 + 3) {
            book.add(&format!("phusong/v1/site-{n}/probe/ack"), stored(1, 1));
        }
        assert_eq!(book.take_forgotten(), 4);
    }
}
