//! Who may say what: one message against the registry.
//!
//! In: a decoded message and the registry. Out: a [`Verdict`]. Pure: no clock, no store.

use super::decode::{Content, Decoded};
use crate::store::{Registered, Registry};
use phusong_protocol::{DecodeError, SiteId, Topic};

/// What is to be done with a message.
#[derive(Debug, PartialEq)]
pub enum Verdict<'a> {
    /// On a topic that is none of ours: nobody to tell.
    Garbage,
    /// From a probe that may not send. Nothing of it is stored.
    Unauthorised {
        topic: &'a Topic,
        why: &'static str,
    },
    Unreadable {
        from: From<'a>,
        error: &'a DecodeError,
    },
    /// The payload names another probe than the topic.
    WrongTopic {
        from: From<'a>,
        content: &'a Content,
    },
    /// The topic names another site than the registry.
    WrongSite {
        from: From<'a>,
        content: &'a Content,
        registered: SiteId,
    },
    Good {
        from: From<'a>,
        content: &'a Content,
    },
}

/// A registered sender.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct From<'a> {
    pub topic: &'a Topic,
    pub probe: crate::store::ProbeRef,
}

pub fn accept<'a>(message: &'a Decoded, registry: &Registry) -> Verdict<'a> {
    let Some(topic) = &message.topic else { return Verdict::Garbage };
    let known: &Registered = match registry.get(&topic.probe) {
        None => return Verdict::Unauthorised { topic, why: "the probe is not registered with this collector" },
        Some(known) if known.retired => return Verdict::Unauthorised { topic, why: "the probe was retired" },
        Some(known) => known,
    };
    let from = From { topic, probe: known.probe };
    match &message.content {
        Err(error) => Verdict::Unreadable { from, error },
        Ok(content) if content.probe.as_ref().is_some_and(|named| *named != topic.probe) => {
            Verdict::WrongTopic { from, content }
        }
        Ok(content) if known.site != topic.site => Verdict::WrongSite { from, content, registered: known.site.clone() },
        Ok(content) => Verdict::Good { from, content },
    }
}
