//! Who may say and hear what: the access list of `docs/wire.md`, the same as `deploy/mosquitto/acl`.
//!
//! In: a user, a topic or a filter. Out: yes or no. Refuses to know: sessions, passwords, the library. Pure.

use phusong_protocol::{Channel, Topic};

/// Who a session belongs to, and what its login was good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User<'a> {
    Collector,
    /// With its lasting password.
    Probe(&'a str),
    /// With a one-time secret: it may ask for its lasting password, and nothing else.
    Joining(&'a str),
}

const COLLECTOR_WRITES: [&str; 1] = ["phusong/v1/#"];
const COLLECTOR_READS: [&str; 2] = ["phusong/v1/#", "ns/#"];
/// `%u` stands for the probe.
const PROBE_WRITES: [&str; 3] = ["phusong/v1/+/%u/batch", "phusong/v1/+/%u/status", "ns/%u/+"];
const PROBE_READS: [&str; 3] = ["phusong/v1/+/%u/ack", "phusong/v1/+/%u/config", "phusong/v1/+/%u/command"];
const JOINING_READS: [&str; 1] = ["phusong/v1/+/%u/command"];

impl<'a> User<'a> {
    /// The name that `%u` stands for; the collector's patterns hold none.
    fn name(self) -> &'a str {
        match self {
            User::Collector => "",
            User::Probe(name) | User::Joining(name) => name,
        }
    }

    pub fn may_write(self, topic: &str) -> bool {
        let patterns: &[&str] = match self {
            User::Collector => &COLLECTOR_WRITES,
            User::Probe(_) => &PROBE_WRITES,
            User::Joining(_) => &[],
        };
        !topic.contains(['+', '#']) && patterns.iter().any(|pattern| matches(pattern, topic, self.name()))
    }

    /// Asked for every message on its way to a session, as Mosquitto does.
    pub fn may_read(self, topic: &str) -> bool {
        self.reads().iter().any(|pattern| matches(pattern, topic, self.name()))
    }

    /// Whether anything that the filter lets through could be read. A probe shares with nobody.
    pub fn may_subscribe(self, filter: &str, shared: bool) -> bool {
        match self {
            User::Collector => self.reads().iter().any(|pattern| overlap(pattern, filter, "")),
            User::Probe(name) => !shared && self.reads().iter().any(|pattern| overlap(pattern, filter, name)),
            User::Joining(name) => !shared && own_command(filter, name).is_some(),
        }
    }

    fn reads(self) -> &'static [&'static str] {
        match self {
            User::Collector => &COLLECTOR_READS,
            User::Probe(_) => &PROBE_READS,
            User::Joining(_) => &JOINING_READS,
        }
    }
}

/// The filter, if it is the probe's own `command` topic to the letter.
pub fn own_command(filter: &str, probe: &str) -> Option<Topic> {
    Topic::parse(filter).filter(|topic| topic.channel == Channel::Command && topic.probe.as_str() == probe)
}

/// Whether a topic lies within a pattern or filter. What begins with `$` is hidden from leading wildcards.
pub fn matches(pattern: &str, topic: &str, user: &str) -> bool {
    if topic.starts_with('$') && pattern.starts_with(['+', '#']) {
        return false;
    }
    let mut topic = topic.split('/');
    for wanted in pattern.split('/') {
        match (wanted, topic.next()) {
            // Also the level above: `a/#` holds `a`.
            ("#", _) => return true,
            ("+", Some(_)) => {}
            ("%u", Some(level)) if level == user => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    topic.next().is_none()
}

/// Whether some topic lies within both.
fn overlap(pattern: &str, filter: &str, user: &str) -> bool {
    let (mut ours, mut theirs) = (pattern.split('/'), filter.split('/'));
    loop {
        match (ours.next(), theirs.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(_), Some("+")) | (Some("+"), Some(_)) => {}
            (Some("%u"), Some(level)) if level == user => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P1: User = User::Probe("p1");

    #[test]
    fn each_user_writes_what_the_access_list_says() {
        for (user, topic, allowed) in [
            (P1, "phusong/v1/s/p1/batch", true),
            (P1, "phusong/v1/t/p1/status", true),
            (P1, "ns/p1/lte", true),
            (P1, "ns/p1/lte/more", false),
            (P1, "phusong/v1/s/p2/batch", false),
            (P1, "phusong/v1/s/p1/ack", false),
            (P1, "phusong/v1/+/p1/batch", false),
            (P1, "phusong/v2/s/p1/batch", false),
            (P1, "$SYS/p1", false),
            (User::Joining("p1"), "phusong/v1/s/p1/batch", false),
            (User::Joining("p1"), "phusong/v1/s/p1/status", false),
            (User::Collector, "phusong/v1/s/p1/ack", true),
            (User::Collector, "ns/p1/lte", false),
            (User::Collector, "other", false),
        ] {
            assert_eq!(user.may_write(topic), allowed, "{user:?} {topic}");
        }
    }

    #[test]
    fn each_user_reads_what_the_access_list_says() {
        for (user, topic, allowed) in [
            (P1, "phusong/v1/s/p1/ack", true),
            (P1, "phusong/v1/s/p1/batch", false),
            (P1, "phusong/v1/s/p2/ack", false),
            (User::Joining("p1"), "phusong/v1/s/p1/command", true),
            (User::Joining("p1"), "phusong/v1/s/p1/ack", false),
            (User::Collector, "phusong/v1/s/p1/batch", true),
            (User::Collector, "ns/p1/lte", true),
        ] {
            assert_eq!(user.may_read(topic), allowed, "{user:?} {topic}");
        }
    }

    #[test]
    fn a_filter_is_granted_when_something_could_be_heard_by_it() {
        for (user, filter, shared, allowed) in [
            (P1, "phusong/v1/s/p1/ack", false, true),
            (P1, "#", false, true),
            (P1, "phusong/v1/+/+/+", false, true),
            (P1, "phusong/v1/s/p2/ack", false, false),
            (P1, "phusong/v1/+/p1/batch", false, false),
            (P1, "phusong/v1/+/p1/ack", true, false),
            (User::Joining("p1"), "phusong/v1/s/p1/command", false, true),
            (User::Joining("p1"), "phusong/v1/+/p1/command", false, false),
            (User::Joining("p1"), "phusong/v1/s/p1/ack", false, false),
            (User::Joining("p1"), "#", false, false),
            (User::Collector, "phusong/v1/+/+/batch", true, true),
            (User::Collector, "ns/+/+", false, true),
            (User::Collector, "other/#", false, false),
        ] {
            assert_eq!(user.may_subscribe(filter, shared), allowed, "{user:?} {filter}");
        }
    }

    #[test]
    fn a_filter_holds_the_topics_that_mqtt_says() {
        for (filter, topic, holds) in [
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/+", "a/b/c", false),
            ("+/b", "/b", true),
            ("#", "$refused", false),
            ("+", "$refused", false),
        ] {
            assert_eq!(matches(filter, topic, ""), holds, "{filter} {topic}");
        }
    }
}
