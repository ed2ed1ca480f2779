//! A probe that never reaches a broker: its spool travels as a file, and so do the acknowledgements.

use phusong_protocol::ReadingKind;
use phusong_tests::harness::{Agent, AgentConfig, Collector, Lab, wait};
use std::process::Output;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn good(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

fn unsent(config: &AgentConfig) -> u64 {
    Agent::waiting(config).expect("the spool says")
}

fn import(collector: &Collector, file: &str, acks: &str) {
    good(&collector.cli(&["import", file, "--acks", acks]).expect("it runs"));
}

#[test]
fn a_spool_handed_over_by_file_is_stored_once_and_forgotten_by_the_probe() {
    let lab = Lab::start("sneaker", &["p1"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    // A port where nobody answers: this probe is for ever offline.
    let config = lab.agent_config("p1").plain(1);
    let mut agent = lab.start_agent(config.clone()).expect("the agent starts");
    // Its first look may come before the agent has made its spool.
    let enough = || Agent::waiting(&config).is_ok_and(|waiting| waiting >= 6);
    agent.service.wait_for("a few summaries", wait::PATIENCE, |_| enough()).expect("in time");
    assert!(agent.stop().expect("it ends").success());

    let (file, acks) = (lab.path().join("spool.psx"), lab.path().join("acks.json"));
    let (file, acks) = (file.to_str().expect("plain"), acks.to_str().expect("plain"));
    good(&Agent::command(&config, &["spool", "export", file]).expect("it runs"));
    import(&collector, file, acks);
    let summaries = format!("SELECT count(*) FROM observation WHERE kind = {}", ReadingKind::Summary.code());
    let stored = collector.query(&summaries).expect("a count");
    assert!(stored >= 2, "{stored}");

    // Again: nothing changes, and the acknowledgements come again.
    import(&collector, file, acks);
    assert_eq!(collector.query(&summaries).expect("a count"), stored);

    assert!(unsent(&config) > 0);
    good(&Agent::command(&config, &["spool", "ack", acks]).expect("it runs"));
    assert_eq!(unsent(&config), 0);
    good(&Agent::command(&config, &["spool", "verify"]).expect("it runs"));
}
