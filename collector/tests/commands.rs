//! The command line: probes and their passwords, observations, dead letters, imports; beside a running collector.

mod broker;
mod house;

use broker::{Broker, PATIENCE};
use house::{Home, PROBE, Probe, SITE, TOPIC, batch, probe_id, sample, wait};
use phusong_protocol::{AckMessage, AckResult, Epoch, Ranges, encode_json};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;

const OPEN: &str = "allow_anonymous true";

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))
}

#[test]
fn a_probe_that_was_added_can_log_in_with_the_password_that_was_shown() {
    let dir = broker::scratch("added-passwords");
    let file = dir.join("passwords");
    std::fs::write(&file, "").expect("a writable directory");
    let mut broker = Broker::start("added", &format!("allow_anonymous false\npassword_file {}", file.display()));
    let home = Home::new(&broker, 5, "", "");
    let passwords = file.to_str().expect("text");
    let place = ["--lat", "22.66", "--lon", "106.25", "--label", "Nà Chèn"];
    let add = ["probe", "add", PROBE, "--site", SITE, "--passwd-file", passwords, "--json"];
    let said = json(&home.says(&[&add[..], &place].concat()));
    let password = said["password"].as_str().expect("shown once").to_owned();
    assert_eq!(password.len(), 24);
    broker.stop();
    broker.restart();
    assert!(broker.lets_in(PROBE, &password));

    let renewed = json(&home.says(&["probe", "password", PROBE, "--passwd-file", passwords, "--json"]));
    broker.stop();
    broker.restart();
    assert!(!broker.lets_in(PROBE, &password));
    assert!(broker.lets_in(PROBE, renewed["password"].as_str().expect("shown once")));
    std::fs::remove_dir_all(dir).expect("own directory");
}

#[test]
fn probes_are_listed_moved_and_retired_and_mistakes_are_answered_with_what_to_do() {
    let broker = Broker::start("registry", OPEN);
    let home = Home::new(&broker, 5, "", "");
    assert!(home.refuses(&["probe", "list"]).contains("start the collector once"));
    let said = home.says(&["probe", "add", PROBE, "--site", SITE, "--lat", "22.66", "--lon", "106.25"]);
    assert!(said.contains(&format!("{PROBE}:$7$101$")), "{said}");
    assert!(home.refuses(&["probe", "add", PROBE, "--site", SITE]).contains("is registered already, at site"));
    assert!(home.refuses(&["probe", "add", "Na Chen", "--site", SITE]).contains("a-z"));
    assert!(
        home.refuses(&["probe", "add", "p2", "--site", SITE, "--lat", "122", "--lon", "1"]).contains("latitude 122")
    );
    assert!(home.refuses(&["probe", "move", "p3", "--site", SITE]).contains("`probe list` shows"));
    home.says(&["probe", "move", PROBE, "--site", "elsewhere"]);
    let row = json(&home.says(&["probe", "list", "--json"]));
    assert_eq!((&row["site"], &row["lat"]), (&"elsewhere".into(), &22.66.into()));
    home.says(&["probe", "retire", PROBE]);
    let table = home.says(&["probe", "list"]);
    assert!(table.contains("retired") && !table.contains('\x1b'), "{table}");
    assert!(home.refuses(&["probe", "password", PROBE]).contains("was retired"));
}

#[test]
fn observations_are_listed_by_filter_and_tailed_as_they_are_committed() {
    let broker = Broker::start("observations", OPEN);
    let home = Home::new(&broker, 5, "", "");
    home.says(&["probe", "add", PROBE, "--site", SITE]);
    let collector = home.start();
    collector.wait_ready();
    let mut probe = Probe::connect(&broker);
    probe.publish(TOPIC, batch(7, 0, 29));
    probe.ack("stored", |message| message.acks[0].ranges == Ranges::of(0, 29));

    let listed = home.says(&["observations", "list", "--probe", PROBE, "--kind", "latency", "--since", "1h"]);
    assert_eq!(listed.lines().count(), 20);
    assert!(listed.contains("2 of 2 answered") && !listed.contains('\x1b'), "{listed}");
    let last = home.says(&["observations", "list", "--limit", "1", "--json"]);
    assert_eq!(json(&last)["reading"]["rtt_us"][0], 20_029);
    assert_eq!(home.says(&["observations", "list", "--kind", "dns"]).trim(), "");
    assert!(home.refuses(&["observations", "list", "--kind", "aura"]).contains("write one of latency, tcp"));

    let mut tail = Command::new(env!("CARGO_BIN_EXE_phusong-collector"))
        .arg("--config")
        .arg(&home.file)
        .args(["observations", "tail", "--limit", "1", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program was built");
    let (line_in, lines) = mpsc::channel();
    let stdout = BufReader::new(tail.stdout.take().expect("asked for"));
    std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(line_in.send(line))));
    let next = || json(&lines.recv_timeout(PATIENCE).expect("a line in time"));
    assert_eq!(next()["seq"], "000000000000001d");
    probe.publish(TOPIC, batch(7, 30, 31));
    probe.ack("stored", |message| message.acks[0].ranges == Ranges::of(30, 31));
    assert_eq!(next()["seq"], "000000000000001e");
    assert_eq!(next()["seq"], "000000000000001f");
    rustix::process::kill_process(rustix::process::Pid::from_child(&tail), rustix::process::Signal::INT).expect("own");
    assert!(tail.wait().expect("own child").success(), "Ctrl-C is an orderly end of a tail");
}

#[test]
fn a_dead_letter_is_shown_whole_and_replayed_once_its_reason_is_gone() {
    let broker = Broker::start("letters", OPEN);
    let home = Home::new(&broker, 5, "", "");
    home.says(&["probe", "add", PROBE, "--site", SITE]);
    let collector = home.start();
    collector.wait_ready();
    let mut probe = Probe::connect(&broker);
    let payload = encode_json(&probe_id(), Epoch(9), &[sample(0)]);
    probe.publish("phusong/v1/elsewhere/na-chen-1/batch", payload.clone());
    probe.ack("kept", |message| message.acks[0].result == AckResult::DeadLetter);
    let row = json(&home.says(&["dead-letters", "list", "--json"]));
    assert_eq!(row["reason"], "wrong_site");
    let id = row["id"].to_string();
    assert!(home.says(&["dead-letters", "show", &id]).contains("phusong/v1/elsewhere/na-chen-1/batch"));
    assert_eq!(home.command(&["dead-letters", "show", &id, "--raw"]).stdout, payload);
    assert!(home.refuses(&["dead-letters", "show", "77"]).contains("there is no dead letter 77"));
    assert_eq!(collector.metric("phusong_collector_dead_letters_total{reason=\"wrong_site\"}"), 1.0);

    let said = json(&home.says(&["dead-letters", "replay", "--reason", "wrong_site", "--json"]));
    assert_eq!((&said["accepted"], &said["stored"]), (&1.into(), &1.into()));
    assert_eq!(home.says(&["dead-letters", "list", "--json"]).trim(), "");
    wait("the metric follows", || collector.metric("phusong_collector_dead_letters") == 0.0);
}

#[test]
fn a_spool_that_came_as_a_file_is_imported_beside_a_running_collector_and_acknowledged() {
    let broker = Broker::start("import", OPEN);
    let home = Home::new(&broker, 5, "", "");
    home.says(&["probe", "add", PROBE, "--site", SITE]);
    let _collector = home.start();
    let mut export = b"PSX1".to_vec();
    for name in [SITE, PROBE] {
        export.push(name.len() as u8);
        export.extend(name.as_bytes());
    }
    for first in [0, 10] {
        let payload = batch(7, first, first + 9);
        export.extend((payload.len() as u32).to_be_bytes());
        export.extend(payload);
    }
    let file = broker.dir.join("spool.psx");
    std::fs::write(&file, export).expect("a writable directory");
    let import = ["import", file.to_str().expect("text"), "--json"];
    for (stored, duplicate) in [(20, 0), (0, 20)] {
        let said = json(&home.says(&import));
        assert_eq!((&said["stored"], &said["duplicate"]), (&stored.into(), &duplicate.into()));
    }
    let acks = std::fs::read_to_string(broker.dir.join("spool.psx.acks")).expect("written beside the file");
    let message = AckMessage::from_json(acks.trim().as_bytes()).expect("one message");
    assert_eq!(message.acks[0].ranges, Ranges::of(0, 19));
    assert!(home.refuses(&["import", "/nowhere"]).contains("give the file that `spool export` wrote"));
}

#[test]
fn the_configuration_is_shown_and_checked_and_the_schema_printed() {
    let broker = Broker::start("config-command", OPEN);
    let home = Home::new(&broker, 5, "username = \"c\"\npassword = \"very-secret\"", "");
    let shown = home.says(&["config", "show"]);
    assert!(shown.contains("password = \"***\"") && !shown.contains("very-secret"), "{shown}");
    assert!(home.says(&["config", "check"]).contains("right"));
    assert!(json(&home.says(&["schema"]))["batch"].is_object());
    std::fs::write(&home.file, "[mqtt]\nurl = 1\n").expect("own file");
    let said = home.refuses(&["config", "check"]);
    assert!(said.contains("collector.toml:2: mqtt.url: invalid type: integer `1`, expected a string"), "{said}");
}
