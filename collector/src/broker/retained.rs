//! Retained messages: the last `status` of each probe and the `config` that is meant for it, in memory.
//!
//! In: messages that ask to be retained. Out: those that a new subscription is owed. Refuses to know: who may publish
//! what. Limits: topics and bytes in all, topics of one probe (it may choose its site). What does not fit or is no
//! `status` or `config` is delivered, not kept, and counted. A restart forgets all of it: probes say their status when
//! they connect, and the collector publishes every `config` again.

use super::acl;
use super::counters::Counters;
use async_trait::async_trait;
use phusong_protocol::{Channel, ProbeId, Topic};
use rmqtt::retain::RetainStorage;
use rmqtt::types::{Retain, TopicFilter, TopicName};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Two of each probe of a large province.
const TOPICS: usize = 20_000;
const BYTES: usize = 64 * 1024 * 1024;
/// `status` and `config` at the site where it is, and at the one where it was.
const PROBE_TOPICS: usize = 4;

pub struct Retained {
    shelf: Mutex<Shelf>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Shelf {
    messages: BTreeMap<String, Kept>,
    probes: HashMap<ProbeId, usize>,
    bytes: usize,
    most: usize,
}

struct Kept {
    retain: Retain,
    probe: ProbeId,
    ends: Option<Instant>,
}

impl Retained {
    pub fn new(counters: Arc<Counters>) -> Self {
        Retained { shelf: Mutex::default(), counters }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn remove(&mut self, topic: &str) {
        let Some(old) = self.messages.remove(topic) else { return };
        self.bytes -= old.retain.publish.payload.len();
        if let Some(count) = self.probes.get_mut(&old.probe) {
            *count -= 1;
            if *count == 0 {
                self.probes.remove(&old.probe);
            }
        }
    }

    /// False when there is no room.
    fn put(&mut self, topic: &str, kept: Kept) -> bool {
        let bytes = kept.retain.publish.payload.len();
        let of_probe = self.probes.get(&kept.probe).copied().unwrap_or(0);
        if self.messages.len() >= TOPICS || self.bytes + bytes > BYTES || of_probe >= PROBE_TOPICS {
            return false;
        }
        self.probes.insert(kept.probe.clone(), of_probe + 1);
        self.bytes += bytes;
        self.messages.insert(topic.to_owned(), kept);
        self.most = self.most.max(self.messages.len());
        true
    }

    fn find(&self, filter: &str) -> Vec<(TopicName, Retain)> {
        let now = Instant::now();
        let alive = |kept: &&Kept| kept.ends.is_none_or(|ends| now < ends);
        let copy = |topic: &String, kept: &Kept| (TopicName::from(topic.as_str()), kept.retain.clone());
        if !filter.contains(['+', '#']) {
            let one = self.messages.get_key_value(filter).filter(|(_, kept)| alive(kept));
            return one.map(|(topic, kept)| copy(topic, kept)).into_iter().collect();
        }
        let within = self.messages.iter().filter(|(topic, kept)| alive(kept) && acl::matches(filter, topic, ""));
        within.map(|(topic, kept)| copy(topic, kept)).collect()
    }
}

#[async_trait]
impl RetainStorage for Retained {
    fn enable(&self) -> bool {
        true
    }

    async fn set(&self, topic: &TopicName, retain: Retain, expires: Option<Duration>) -> rmqtt::Result<()> {
        let ours = Topic::parse(topic).filter(|topic| matches!(topic.channel, Channel::Status | Channel::Config));
        let mut shelf = self.shelf();
        shelf.remove(topic);
        if retain.publish.payload.is_empty() {
            return Ok(());
        }
        // Zero is the library's word for no end.
        let ends = expires.filter(|expires| !expires.is_zero()).and_then(|expires| Instant::now().checked_add(expires));
        let kept = ours.is_some_and(|topic_of| shelf.put(topic, Kept { retain, probe: topic_of.probe, ends }));
        if !kept {
            self.counters.not_retain();
        }
        Ok(())
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        Ok(self.shelf().find(filter))
    }

    async fn count(&self) -> isize {
        self.shelf().messages.len().cast_signed()
    }

    async fn max(&self) -> isize {
        self.shelf().most.cast_signed()
    }
}
