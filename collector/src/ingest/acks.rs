//! What is to be told after a commit: one [`Done`] per topic, its entries merged.

use phusong_protocol::{Ack, AckResult, Epoch, Ranges, Topic, limits};
use std::collections::HashMap;

/// Messages that were dealt with, and what their probe is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub tokens: Vec<u64>,
    /// The batch topic; `None` where there is nobody to tell.
    pub topic: Option<Topic>,
    /// At most [`limits::RANGES`] ranges in each entry; empty where nothing is to be said.
    pub acks: Vec<Ack>,
}

/// Collects until the commit.
#[derive(Default)]
pub struct Book {
    topics: HashMap<Topic, Page>,
    strays: Vec<u64>,
}

#[derive(Default)]
struct Page {
    tokens: Vec<u64>,
    ranges: Vec<(AckResult, Epoch, Ranges)>,
    payloads: Vec<Ack>,
}

impl Book {
    pub fn token(&mut self, topic: Option<&Topic>, token: u64) {
        match topic {
            Some(topic) => self.page(topic).tokens.push(token),
            None => self.strays.push(token),
        }
    }

    /// Nothing is said about records without an id of ours.
    pub fn ids(&mut self, topic: &Topic, result: AckResult, epoch: Epoch, ids: &Ranges) {
        if ids.is_empty() || epoch.is_foreign() {
            return;
        }
        let page = self.page(topic);
        match page.ranges.iter_mut().find(|entry| entry.0 == result && entry.1 == epoch) {
            Some(entry) => entry.2.union(ids),
            None => page.ranges.push((result, epoch, ids.clone())),
        }
    }

    pub fn payload(&mut self, topic: &Topic, ack: Ack) {
        let page = self.page(topic);
        if !page.payloads.contains(&ack) {
            page.payloads.push(ack);
        }
    }

    pub fn close(self) -> impl Iterator<Item = Done> {
        let strays = (!self.strays.is_empty()).then_some(Done { tokens: self.strays, topic: None, acks: Vec::new() });
        self.topics.into_iter().map(|(topic, page)| page.close(topic)).chain(strays)
    }

    fn page(&mut self, topic: &Topic) -> &mut Page {
        // A clone only for the first message of a topic in a group.
        if !self.topics.contains_key(topic) {
            self.topics.insert(topic.clone(), Page::default());
        }
        self.topics.get_mut(topic).expect("it was put there above")
    }
}

impl Page {
    fn close(self, topic: Topic) -> Done {
        let mut acks = self.payloads;
        for (result, epoch, ids) in self.ranges {
            acks.extend(ids.chunks(limits::RANGES).map(|piece| Ack::ranges(result, epoch, piece)));
        }
        Done { tokens: self.tokens, topic: Some(topic), acks }
    }
}
