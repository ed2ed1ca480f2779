//! A broker that says "taken" and forgets, a path that loses: in the end everything is in the store.

use phusong_protocol::ReadingKind;
use phusong_tests::harness::{Agent, Collector, Lab, Policy, Proxy, wait};

struct Chain {
    collector: Collector,
    agent: Agent,
    proxy: Proxy,
    _lab: Lab,
}

fn chain(name: &str, policy: Policy) -> Chain {
    let lab = Lab::start(name, &["p1"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    let proxy = Proxy::start(lab.broker.plain_address(), 21).expect("the proxy starts");
    proxy.set(policy);
    let mut config = lab.agent_config("p1").plain(proxy.port());
    (config.retry_first_ms, config.retry_max_ms) = (300, 600);
    let agent = lab.start_agent(config).expect("the agent starts");
    Chain { collector, agent, proxy, _lab: lab }
}

fn summaries() -> String {
    format!("SELECT count(*) FROM observation WHERE kind = {}", ReadingKind::Summary.code())
}

impl Chain {
    fn ends_complete(mut self, at_least: i64) {
        self.collector.wait_query("summaries", &summaries(), |n| n >= at_least).expect("in time");
        self.collector.expect_nothing_missing(&mut self.agent).expect("all of it has arrived");
    }
}

#[test]
fn a_broker_that_accepts_and_forgets_costs_nothing_but_time() {
    let chain = chain("forget", Policy { forget: true, ..Policy::default() });
    wait::until_true("it forgets some", wait::PATIENCE, || chain.proxy.counts().forgotten_publishes >= 4)
        .expect("in time");
    assert_eq!(chain.collector.query("SELECT count(*) FROM observation").expect("a count"), 0);
    chain.proxy.set(Policy::default());
    chain.ends_complete(4);
}

#[test]
fn a_path_that_loses_a_third_of_everything_loses_no_sample() {
    let third = 1.0 / 3.0;
    let policy = Policy { drop_publish: third, drop_puback: third, drop_ack: third, ..Policy::default() };
    let chain = chain("third", policy);
    wait::until_true("each kind is lost", wait::PATIENCE, || {
        let counts = chain.proxy.counts();
        counts.dropped_publishes >= 2 && counts.dropped_acks >= 2
    })
    .expect("in time");
    chain.ends_complete(6);
}

#[test]
fn a_connection_that_is_cut_again_and_again_carries_in_the_end() {
    let chain = chain("cut", Policy::default());
    for round in 1..=5 {
        wait::until_true("it is connected", wait::PATIENCE, || chain.proxy.counts().connections >= round)
            .expect("in time");
        chain.proxy.cut();
    }
    chain.ends_complete(4);
}
