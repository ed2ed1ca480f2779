//! Which subscriptions a connection has, and whether the broker means what it answered.
//!
//! In: what the broker said, with the time. Out: [`Step`]s to take. Refuses to know: sockets, the library.
//!
//! Some brokers acknowledge `$share` and deliver nothing, and Mosquitto drops a forbidden publish in silence. So each
//! connection sends itself two messages on topics of its own: one subscribed plainly (may we publish acks?), one by
//! `$share` (is anything delivered?).

use crate::phones;
use phusong_protocol::Channel;

/// How long the two messages may be on their way.
pub const SELF_TEST_MS: u64 = 10_000;
const SELF_TEST_SITE: &str = "self-test";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Shared,
    Plain,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Subscribe(Vec<String>),
    Unsubscribe(String),
    Publish(String),
    /// Batches are coming in now.
    Ready(Mode),
    Warn(String),
    /// Nothing can be received on this connection.
    GiveUp(String),
}

/// One connection's subscriptions.
#[derive(Debug)]
pub struct Subscription {
    group: String,
    client_id: String,
    mode: Mode,
    asked: bool,
    deadline_ms: Option<u64>,
    own_seen: bool,
    shared_seen: bool,
}

impl Subscription {
    /// `client_id` names the topics of the self-test and is an identifier of the wire.
    pub fn new(group: &str, client_id: &str) -> Self {
        let mode = if group.is_empty() { Mode::Plain } else { Mode::Shared };
        let (group, client_id) = (group.to_owned(), client_id.to_owned());
        Subscription { group, client_id, mode, asked: false, deadline_ms: None, own_seen: false, shared_seen: false }
    }

    fn batches(&self) -> String {
        self.in_group(&Channel::Batch.filter())
    }

    /// What phones publish.
    fn phones(&self) -> impl Iterator<Item = String> + '_ {
        phones::FILTERS.iter().map(|filter| self.in_group(filter))
    }

    fn in_group(&self, filter: &str) -> String {
        match self.mode {
            Mode::Shared => format!("$share/{}/{filter}", self.group),
            Mode::Plain => filter.to_owned(),
        }
    }

    /// Everything that members of a group share.
    fn received(&self) -> Vec<String> {
        std::iter::once(self.batches()).chain(self.phones()).collect()
    }

    fn own(&self, channel: Channel) -> String {
        format!("phusong/v1/{SELF_TEST_SITE}/{}/{}", self.client_id, channel.as_str())
    }

    /// True for a topic of any collector's self-test.
    pub fn is_self_test(topic: &str) -> bool {
        topic.strip_prefix("phusong/v1/").is_some_and(|rest| rest.starts_with(SELF_TEST_SITE))
    }

    pub fn connected(&mut self, broker_shares: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.mode == Mode::Shared && !broker_shares {
            self.mode = Mode::Plain;
            steps.push(Step::Warn(refused("says that it has no shared subscriptions")));
        }
        let mut filters = vec![self.batches(), Channel::Status.filter(), self.own(Channel::Ack)];
        if self.mode == Mode::Shared {
            // A group of our own: another member of the real group would take the message away.
            filters.push(format!("$share/{}/{}", self.client_id, self.own(Channel::Config)));
        }
        filters.extend(self.phones());
        steps.push(Step::Subscribe(filters));
        steps
    }

    pub fn subscribed(&mut self, accepted: &[bool], now_ms: u64) -> Vec<Step> {
        let batches = accepted.first().copied().unwrap_or(false);
        if !batches && self.mode == Mode::Shared {
            self.mode = Mode::Plain;
            return vec![
                Step::Warn(refused("refuses the shared subscription")),
                Step::Subscribe(self.received()),
                self.start_self_test(now_ms),
            ];
        }
        if !batches {
            let acl = "give this user `topic readwrite phusong/v1/#` in the broker's access list";
            return vec![Step::GiveUp(format!("the broker refuses the subscription to {}: {acl}", self.batches()))];
        }
        let mut steps = vec![Step::Ready(self.mode)];
        if accepted.len() > phones::FILTERS.len() && accepted.iter().rev().take(phones::FILTERS.len()).any(|good| !good)
        {
            let acl = "give this user `topic read ns/#` in the broker's access list";
            steps.push(Step::Warn(format!("the broker refuses the subscription to what phones publish: {acl}")));
        }
        if !self.asked {
            steps.push(self.start_self_test(now_ms));
            if self.mode == Mode::Shared {
                steps.push(Step::Publish(self.own(Channel::Config)));
            }
        }
        steps
    }

    fn start_self_test(&mut self, now_ms: u64) -> Step {
        self.asked = true;
        self.deadline_ms = Some(now_ms + SELF_TEST_MS);
        Step::Publish(self.own(Channel::Ack))
    }

    /// A message of the self-test came back.
    pub fn heard(&mut self, topic: &str) {
        self.own_seen |= topic == self.own(Channel::Ack);
        self.shared_seen |= topic == self.own(Channel::Config);
        if self.own_seen && (self.shared_seen || self.mode == Mode::Plain) {
            self.deadline_ms = None;
        }
    }

    pub fn deadline_ms(&self) -> Option<u64> {
        self.deadline_ms
    }

    /// What the silence after the deadline means.
    pub fn time(&mut self, now_ms: u64) -> Vec<Step> {
        if self.deadline_ms.is_none_or(|deadline| now_ms < deadline) {
            return Vec::new();
        }
        self.deadline_ms = None;
        let mut steps = Vec::new();
        if !self.own_seen {
            let acl = "give this user `topic readwrite phusong/v1/#` in the broker's access list";
            let what =
                "the broker does not deliver what this user publishes, so no probe would hear an acknowledgement";
            steps.push(Step::Warn(format!("{what}: {acl}")));
        } else if self.mode == Mode::Shared && !self.shared_seen {
            let shared = self.received();
            self.mode = Mode::Plain;
            steps.push(Step::Warn(refused("accepts the shared subscription but delivers nothing by it")));
            steps.push(Step::Subscribe(self.received()));
            steps.extend(shared.into_iter().map(Step::Unsubscribe));
        }
        steps
    }
}

fn refused(what: &str) -> String {
    format!("the broker {what}; subscribing plainly, so only one collector may use this broker")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription() -> Subscription {
        Subscription::new("collector", "collector-1")
    }

    fn plain() -> Vec<String> {
        std::iter::once("phusong/v1/+/+/batch").chain(phones::FILTERS).map(str::to_owned).collect()
    }

    fn warns(steps: &[Step]) -> bool {
        steps.iter().any(|step| matches!(step, Step::Warn(_)))
    }

    #[test]
    fn a_good_broker_is_asked_once_and_nothing_is_said() {
        let mut s = subscription();
        let Step::Subscribe(filters) = &s.connected(true)[0] else { panic!("subscribes first") };
        assert_eq!(filters[0], "$share/collector/phusong/v1/+/+/batch");
        assert_eq!(filters[1], "phusong/v1/+/+/status");
        let steps = s.subscribed(&[true, true, true, true], 0);
        assert_eq!(steps[0], Step::Ready(Mode::Shared));
        let published: Vec<&String> =
            steps.iter().filter_map(|s| if let Step::Publish(t) = s { Some(t) } else { None }).collect();
        assert_eq!(published, ["phusong/v1/self-test/collector-1/ack", "phusong/v1/self-test/collector-1/config"]);
        for topic in published {
            assert!(Subscription::is_self_test(topic));
            s.heard(topic);
        }
        assert_eq!(s.deadline_ms(), None);
        assert!(s.time(SELF_TEST_MS).is_empty());
    }

    #[test]
    fn a_broker_without_shared_subscriptions_is_subscribed_plainly() {
        let mut s = subscription();
        let steps = s.connected(false);
        assert!(warns(&steps));
        assert!(matches!(&steps[1], Step::Subscribe(filters) if filters[0] == "phusong/v1/+/+/batch"));
    }

    #[test]
    fn a_refused_share_is_replaced_by_a_plain_subscription() {
        let mut s = subscription();
        s.connected(true);
        let steps = s.subscribed(&[false, true, true, false], 0);
        assert!(warns(&steps));
        assert_eq!(steps[1], Step::Subscribe(plain()));
        assert_eq!(s.subscribed(&[true; 6], 0), [Step::Ready(Mode::Plain)]);
    }

    #[test]
    fn a_share_by_which_nothing_is_delivered_is_replaced() {
        let mut s = subscription();
        s.connected(true);
        s.subscribed(&[true; 4], 0);
        s.heard("phusong/v1/self-test/collector-1/ack");
        assert!(s.time(SELF_TEST_MS - 1).is_empty());
        let steps = s.time(SELF_TEST_MS);
        assert!(warns(&steps));
        assert_eq!(steps[1], Step::Subscribe(plain()));
        assert_eq!(steps[2], Step::Unsubscribe("$share/collector/phusong/v1/+/+/batch".into()));
        assert_eq!(steps[3], Step::Unsubscribe("$share/collector/ns/+/gsm_message".into()));
        assert_eq!(steps.len(), 2 + plain().len());
    }

    #[test]
    fn what_phones_publish_is_subscribed_too_and_a_refusal_is_said() {
        let mut s = subscription();
        let Step::Subscribe(filters) = &s.connected(true)[0] else { panic!("subscribes first") };
        assert_eq!(filters.last().map(String::as_str), Some("$share/collector/ns/+/device_status_message"));
        let mut accepted = vec![true; filters.len()];
        assert!(!warns(&s.subscribed(&accepted, 0)));
        accepted.pop();
        accepted.push(false);
        let steps = s.subscribed(&accepted, 0);
        assert!(warns(&steps) && steps[0] == Step::Ready(Mode::Shared));
    }

    #[test]
    fn a_user_who_may_not_publish_is_told_so() {
        let mut s = subscription();
        s.connected(true);
        s.subscribed(&[true; 4], 0);
        assert!(warns(&s.time(SELF_TEST_MS)));
    }

    #[test]
    fn without_any_subscription_the_connection_is_given_up() {
        let mut s = Subscription::new("", "collector-1");
        s.connected(true);
        assert!(matches!(&s.subscribed(&[false, false, false], 0)[..], [Step::GiveUp(_)]));
    }
}
