//! The whole chain, everything real: an agent measures loopback, Mosquitto carries, the collector stores and answers.

use phusong_protocol::{BootReading, Epoch, Outcome, Reading, ReadingKind};
use phusong_tests::harness::{Agent, AgentConfig, Collector, Lab, Version, wait};
use std::net::TcpListener;

const FAILURE: u16 = 64;

fn count(kind: u16) -> String {
    format!("SELECT count(*) FROM observation WHERE kind = {kind}")
}

fn of(kind: ReadingKind) -> String {
    count(kind.code())
}

/// The boots that a collector has stored, in the order of starts, with what is accounted for in each epoch.
fn boots(collector: &Collector) -> Vec<(Epoch, BootReading, i64)> {
    let store = collector.store().expect("the store opens");
    let sql = "SELECT e.epoch, o.body, coalesce(e.top_seq, -1) FROM observation o JOIN epoch e ON e.id = o.epoch_ref \
               WHERE o.kind = ?1 ORDER BY e.start";
    let mut statement = store.prepare(sql).expect("the schema has these columns");
    let code = ReadingKind::Boot.code();
    let rows = statement.query_map([code], |row| {
        let body: Vec<u8> = row.get(1)?;
        let Ok(Outcome::Reading(Reading::Boot(boot))) = Outcome::from_cbor(code, &body) else { panic!("no boot") };
        Ok((Epoch(row.get::<_, i64>(0)?.cast_unsigned()), boot, row.get(2)?))
    });
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}

fn wait_boots(collector: &Collector, number: usize) -> Vec<(Epoch, BootReading, i64)> {
    wait::until(&format!("{number} boots"), wait::PATIENCE, || {
        Some(boots(collector)).filter(|boots| boots.len() >= number)
    })
    .expect("in time")
}

/// The summaries of a probe that runs.
fn wait_summaries(collector: &Collector, at_least: i64) -> i64 {
    collector.wait_query("summaries", &of(ReadingKind::Summary), |n| n >= at_least).expect("in time")
}

fn wait_spool_empty(agent: &Agent) {
    wait::until_true("the spool is empty", wait::PATIENCE, || unsent(agent) == Some(0)).expect("in time");
}

/// Samples that wait for the collector.
fn unsent(agent: &Agent) -> Option<u64> {
    Agent::waiting(&agent.config).ok()
}

fn arrives(name: &str, change: impl FnOnce(&mut AgentConfig)) {
    let lab = Lab::start(name, &["p1"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    let mut config = lab.agent_config("p1");
    change(&mut config);
    let mut agent = lab.start_agent(config).expect("the agent starts");

    // Two targets, so at least two rounds of summaries.
    wait_summaries(&collector, 4);
    collector.wait_query("its boot", &of(ReadingKind::Boot), |n| n == 1).expect("in time");
    collector.wait_query("its health", &of(ReadingKind::Health), |n| n >= 1).expect("in time");
    let failures = collector.query(&count(FAILURE)).expect("a count");
    assert_eq!(failures, 0, "loopback always answers");
    // Between two summaries nothing waits.
    wait_spool_empty(&agent);
    collector.expect_nothing_missing(&mut agent).expect("all of it has arrived");
}

#[test]
fn what_an_agent_measures_arrives_over_tls_and_leaves_its_spool() {
    arrives("pipe-v5", |_| {});
}

#[test]
fn mqtt_3_1_1_carries_as_well() {
    arrives("pipe-v311", |config| config.version = Version::V311);
}

#[test]
fn a_dead_broker_in_the_list_is_passed_over() {
    // Bound and never listened on: connections are refused for as long as the test runs.
    let reserved = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    let dead = reserved.local_addr().expect("it is bound").port();
    drop(reserved);
    arrives("pipe-dead", |config| config.brokers.insert(0, format!("mqtts://localhost:{dead}")));
}

#[test]
fn a_collector_over_mqtt_3_1_1_and_tls_takes_as_well() {
    let lab = Lab::start("pipe-coll311", &["p1"]).expect("the broker starts");
    let mut config = lab.collector_config();
    config.version = Version::V311;
    config.broker = format!("mqtts://localhost:{}", lab.broker.tls_port());
    config.ca_file = Some(lab.broker.ca_file());
    let collector = lab.start_collector_with(config, &[]).expect("the collector starts");
    let _agent = lab.start_agent(lab.agent_config("p1")).expect("the agent starts");
    wait_summaries(&collector, 2);
}

#[test]
fn what_is_measured_while_the_broker_is_away_comes_when_it_is_back() {
    let mut lab = Lab::start("pipe-offline", &["p1"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    let mut agent = lab.start_agent(lab.agent_config("p1")).expect("the agent starts");
    wait_summaries(&collector, 2);

    lab.broker.stop().expect("the broker ends");
    let before = wait::until("the spool's count", wait::PATIENCE, || unsent(&agent)).expect("in time");
    wait::until_true("samples gather in the spool", wait::PATIENCE, || unsent(&agent) >= Some(before + 4))
        .expect("in time");
    let stored = collector.query(&of(ReadingKind::Summary)).expect("a count");
    lab.broker.restart().expect("the broker starts again");

    wait_summaries(&collector, stored + 4);
    collector.expect_nothing_missing(&mut agent).expect("all of it has arrived");
}

#[test]
fn a_start_says_whether_the_one_before_it_ended_in_order_and_what_its_last_sample_was() {
    let lab = Lab::start("pipe-boots", &["p1"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    let mut agent = lab.start_agent(lab.agent_config("p1")).expect("the agent starts");
    wait_summaries(&collector, 2);

    assert!(agent.stop().expect("it ends").success());
    agent.restart().expect("it starts");
    wait_boots(&collector, 2);
    wait_summaries(&collector, 6);
    agent.service.kill9().expect("it is killed");
    agent.restart().expect("it starts");
    wait_boots(&collector, 3);
    wait_summaries(&collector, 8);

    let boots = wait::until("all of the first two starts is accounted for", wait::PATIENCE, || {
        let boots = boots(&collector);
        let named = |n: usize| boots[n].1.prev.map(|prev| prev.last_seq.cast_signed());
        (named(1) == Some(boots[0].2) && named(2) == Some(boots[1].2)).then_some(boots)
    });
    let boots = boots.unwrap_or_else(|e| panic!("{e}: {:?}", self::boots(&collector)));
    assert_eq!(boots[0].1.prev, None);
    assert_eq!(boots.iter().map(|boot| boot.1.start).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(boots.iter().map(|boot| boot.1.clean).skip(1).collect::<Vec<_>>(), [true, false]);
    for (before, after) in boots.iter().zip(&boots[1..]) {
        assert_eq!(after.1.prev.map(|prev| prev.epoch), Some(before.0));
        assert_eq!(after.1.same_boot, Some(true));
    }
    collector.expect_nothing_missing(&mut agent).expect("all of it has arrived");
}

#[test]
fn check_ends_with_a_sample_that_the_collector_has_acknowledged() {
    let lab = Lab::start("pipe-check", &["p1"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    let config = lab.agent_config("p1");
    let output = Agent::command(&config, &["check"]).expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(collector.query("SELECT count(*) FROM observation").expect("a count") >= 1, "{said}");

    let mut wrong = config;
    wrong.password = "wrong".into();
    let output = Agent::command(&wrong, &["check"]).expect("it runs");
    assert!(!output.status.success(), "a wrong password passes: {}", String::from_utf8_lossy(&output.stdout));
}

/// What an agent that has just started waits for at random, so that a village with power again is no storm, nobody who
/// checks waits for.
#[test]
fn check_does_not_wait_for_a_running_agent_to_connect_when_it_would() {
    let lab = Lab::start("pipe-hurry", &["p1"]).expect("the broker starts");
    let _collector = lab.start_collector().expect("the collector starts");
    let mut config = lab.agent_config("p1");
    config.first_connect_jitter_ms = 3_600_000;
    let agent = lab.start_agent(config.clone()).expect("the agent starts");
    let output = Agent::command(&config, &["check"]).expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("an agent is running over this spool"), "{said}");
    assert_eq!(agent.service.log_text().matches("connected broker=").count(), 1, "{}", agent.service.log_text());
}

#[test]
fn observations_are_listed_by_the_command_line() {
    let lab = Lab::start("pipe-list", &["p1"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    let _agent = lab.start_agent(lab.agent_config("p1")).expect("the agent starts");
    wait_summaries(&collector, 2);
    let output = collector.cli(&["observations", "list", "--probe", "p1"]).expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for word in ["summary", "boot", "self"] {
        assert!(text.contains(word), "{word} is not in\n{text}");
    }
}
