//! Topic names: `phusong/v1/<site>/<probe>/<channel>`.

use crate::id::{ProbeId, SiteId};
use std::fmt;

/// What a topic carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    Batch,
    Ack,
    Status,
    Config,
    Command,
}

impl Channel {
    pub const ALL: [Channel; 5] = [Channel::Batch, Channel::Ack, Channel::Status, Channel::Config, Channel::Command];

    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Batch => "batch",
            Channel::Ack => "ack",
            Channel::Status => "status",
            Channel::Config => "config",
            Channel::Command => "command",
        }
    }

    /// The filter by which a collector receives this channel of every probe.
    pub fn filter(self) -> String {
        format!("phusong/v1/+/+/{}", self.as_str())
    }
}

/// One probe's topic on one channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Topic {
    pub site: SiteId,
    pub probe: ProbeId,
    pub channel: Channel,
}

impl Topic {
    pub fn new(site: &SiteId, probe: &ProbeId, channel: Channel) -> Self {
        Topic { site: site.clone(), probe: probe.clone(), channel }
    }

    /// The topic of the same probe on another channel.
    pub fn on(&self, channel: Channel) -> Self {
        Topic { channel, ..self.clone() }
    }

    /// `None` for any topic that is not ours to the letter.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (root, version) = (parts.next()?, parts.next()?);
        let (site, probe, channel) = (parts.next()?, parts.next()?, parts.next()?);
        if root != "phusong" || version != "v1" || parts.next().is_some() {
            return None;
        }
        let channel = Channel::ALL.into_iter().find(|c| c.as_str() == channel)?;
        Some(Topic { site: site.parse().ok()?, probe: probe.parse().ok()?, channel })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "phusong/v1/{}/{}/{}", self.site, self.probe, self.channel.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_read_back_as_it_was_written_and_others_are_refused() {
        let good = "phusong/v1/thanh-dinh/na-chen-1/batch";
        assert_eq!(Topic::parse(good).map(|t| t.to_string()).as_deref(), Some(good));
        for bad in [
            "phusong/v2/a/b/batch",
            "phusong/v1/a/b",
            "phusong/v1/a/b/batch/x",
            "phusong/v1/A/b/batch",
            "phusong/v1//b/batch",
            "phusong/v1/a/b/other",
            "ns/a/lte_message",
        ] {
            assert_eq!(Topic::parse(bad), None, "{bad}");
        }
    }
}
