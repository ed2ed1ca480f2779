//! SIGHUP: a good file is put in force, a bad one changes nothing and the log says where it is bad.

use phusong_tests::harness::{Lab, TargetConfig, wait};

fn measured(target: &str) -> String {
    format!("SELECT count(*) FROM observation o JOIN target t ON t.id = o.target_ref WHERE t.name = '{target}'")
}

#[test]
fn a_reloaded_agent_measures_what_the_new_file_says_and_keeps_the_old_when_it_is_bad() {
    let lab = Lab::start("reload-agent", &["p1"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    let mut config = lab.agent_config("p1");
    config.targets.truncate(1);
    let mut agent = lab.start_agent(config.clone()).expect("the agent starts");
    collector.wait_query("the first target", &measured("self"), |n| n >= 1).expect("in time");

    agent.write_config(&format!("{}\nfrequenzy = 3\n", config.to_toml())).expect("written");
    agent.service.hang_up().expect("signalled");
    agent.service.wait_log("frequenzy", wait::PATIENCE).expect("the log names the unknown key");
    let before = collector.query(&measured("self")).expect("a count");
    collector.wait_query("the old one stays in force", &measured("self"), |n| n > before).expect("in time");

    config.targets.push(TargetConfig::icmp("second", "127.0.0.2"));
    agent.write_config(&config.to_toml()).expect("written");
    agent.service.hang_up().expect("signalled");
    collector.wait_query("the new target", &measured("second"), |n| n >= 1).expect("in time");
    assert!(agent.service.runs());
}

#[test]
fn a_reloaded_collector_takes_the_new_file_and_keeps_the_old_when_it_is_bad() {
    let lab = Lab::start("reload-collector", &["p1"]).expect("the broker starts");
    let mut collector = lab.start_collector().expect("the collector starts");
    let good = collector.config.to_toml();

    collector.write_config(&format!("{good}\n[log]\nlevel = \"loud\"\n")).expect("written");
    collector.service.hang_up().expect("signalled");
    collector.service.wait_log("loud", wait::PATIENCE).expect("the log names the bad value");
    collector.wait_ready().expect("it is ready still");

    collector.write_config(&format!("{good}\n[ingest]\nack_interval_ms = 100\n")).expect("written");
    collector.service.hang_up().expect("signalled");
    collector.service.wait_log("reloaded /", wait::PATIENCE).expect("the log says so");
    let _agent = lab.start_agent(lab.agent_config("p1")).expect("the agent starts");
    collector.wait_query("it takes samples", "SELECT count(*) FROM observation", |n| n >= 1).expect("in time");
}
