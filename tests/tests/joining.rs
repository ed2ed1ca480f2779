//! From a code to the first acknowledged sample: real collector with its own broker, real agent; and everything that
//! can go wrong on a hill.

mod joining_world;

use joining_world::{Device, World, said};
use phusong_protocol::JoinCode;
use phusong_tests::harness::{Lab, Service, binary, skip_test, wait};
use std::process::Command;
use std::time::Instant;

/// From the pasted code to the acknowledgement, with everything that `check` tries in between.
const JOIN_S: f64 = 120.0;

#[test]
fn a_technician_pastes_one_code_and_the_first_sample_is_acknowledged_within_two_minutes() {
    let world = World::running("first");
    let added = world.json(&["probe", "add", "na-chen-1", "--hamlet", "05587-01", "--json"]);
    assert_eq!(added["site"], "thanh-dinh", "the commune's name, in ASCII");
    assert_eq!((added["lat"].as_f64(), added["lon"].as_f64()), (Some(21.8644), Some(105.5436)));
    assert_eq!(added["point_of"], "xóm Nà Chèn");
    let code = added["code"].as_str().expect("a code");
    let device = world.device("device");
    let began = Instant::now();
    let joined = said(device.command(code).env("LC_ALL", "vi_VN.UTF-8").output().expect("it runs"));
    let join_s = began.elapsed().as_secs_f64();
    assert!(joined.good && joined.text.contains("Đã nhận"), "{}", joined.text);
    assert!(!joined.text.contains("[FAIL]"), "{}", joined.text);
    println!("join_s = {join_s:.2}");
    assert!(join_s < JOIN_S, "{join_s} s");

    let row = world.json(&["probe", "list", "--json"]);
    assert!(row["last_contact_ms"].as_i64().is_some_and(|ms| ms > 0), "{row}");
    let config = std::fs::read_to_string(&device.config).expect("it was written");
    assert!(!config.contains(&code.parse::<JoinCode>().expect("a code").secret.reveal().to_owned()));
    assert!(device.config.with_file_name("ca.pem").exists());

    // What was written is all that the service needs.
    let mut command = Command::new(binary("phusong-agent").expect("it is built"));
    command.arg("--config").arg(&device.config).arg("run");
    let mut agent = Service::spawn("agent", command, &device.dir.join("log")).expect("it starts");
    let again = device.join(code);
    // From now on the device speaks the language of its configuration.
    assert!(again.good && again.text.contains("mã này đã dùng trên thiết bị này rồi"), "{}", again.text);
    agent.terminate(wait::PATIENCE).expect("it ends");

    let other = world.device("other").join(code);
    assert!(!other.good && other.text.contains("refuses this code: it was used"), "{}", other.text);
}

#[test]
fn a_join_that_was_cut_off_goes_on_with_the_same_code() {
    let world = World::running("cut");
    let code = world.code("na-chen-1");
    let mut device = world.device("device");
    let right = device.config.clone();

    // Handed over, and nowhere to write it.
    std::fs::write(device.dir.join("file"), "").expect("a writable directory");
    device.config = device.dir.join("file/agent.toml");
    let lost = device.join(&code);
    assert!(!lost.good && lost.text.contains("cannot be written"), "{}", lost.text);

    // Written, and the power fails before the password was used.
    device.config = right;
    let mut command = device.command(&code);
    command.env("LC_ALL", "en_US.UTF-8");
    let mut join = Service::spawn("join", command, &device.dir.join("log")).expect("it starts");
    join.wait_log("the configuration is written", wait::PATIENCE).expect("it gets so far");
    join.kill9().expect("own child");

    let joined = device.join(&code);
    assert!(joined.good && joined.text.contains("received: the first sample"), "{}", joined.text);
}

#[test]
fn what_cannot_work_is_refused_with_what_to_do() {
    let world = World::running("refused");
    let code = world.parsed("na-chen-1");
    let device = world.device("device");
    let refused = |code: &str, needle: &str| {
        let said = device.join(code);
        assert!(!said.good && said.text.contains(needle), "{needle}: {}", said.text);
        assert!(!device.config.exists());
    };
    let line = code.to_string();
    refused(&line[..line.len() - 7], "the end of the code is missing; paste the whole line again");
    refused("phusong1:hello", "paste the whole line again");
    let stranger = JoinCode { ca_sha256: Some([7; 32]), ..code.clone() };
    refused(&stranger.to_string(), "is not the collector of this code");
    let nobody = JoinCode { port: 1, ..code.clone() };
    refused(&nobody.to_string(), "the collector cannot be reached");
    let wrong = JoinCode { secret: phusong_protocol::Secret::new("abc"), ..code.clone() };
    refused(&wrong.to_string(), "`probe join NAME`".trim_matches('`'));

    // A day later.
    let joins = world.dir.join("data/broker/joins");
    let text = std::fs::read_to_string(&joins).expect("it is there");
    let until = code.expires_ms.expect("one-time").to_string();
    std::fs::write(&joins, text.replace(&until, "1795000000000")).expect("own file");
    refused(&line, "older than 24 hours");

    // A new code for the same probe; the device is somebody else's already.
    let code = world.json(&["probe", "join", "na-chen-1", "--json"])["code"].as_str().expect("a code").to_owned();
    std::fs::create_dir_all(device.config.parent().expect("it has one")).expect("writable");
    std::fs::write(&device.config, "site = \"x\"\n").expect("writable");
    let there = device.join(&code);
    assert!(!there.good && there.text.contains("--replace"), "{}", there.text);
    let joined = device.join_with(&code, &["--replace"]);
    assert!(joined.good, "{}", joined.text);
    let old = device.config.with_extension("toml.old");
    assert_eq!(std::fs::read_to_string(old).expect("it was kept"), "site = \"x\"\n");

    world.says(&["probe", "retire", "na-chen-1"]);
    let retired = device.join(&code);
    assert!(!retired.good && retired.text.contains("refuses this code"), "{}", retired.text);
}

#[test]
fn with_an_external_broker_the_code_carries_the_lasting_password() {
    let lab = Lab::start("joining-external", &[]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    let output = collector.cli(&["probe", "add", "na-chen-1", "--site", "lab", "--json"]).expect("it runs");
    let added: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let text = |key: &str| added[key].as_str().expect(key).to_owned();
    assert!(text("passwd_line").starts_with("na-chen-1:$7$101$"));
    assert_eq!(added["one_time"], false);
    let device = Device::new(&lab.path().join("device"));
    let early = device.join(&text("code"));
    assert!(!early.good && early.text.contains("refuses the password of the code"), "{}", early.text);
    lab.broker.add_account("na-chen-1", &text("password")).expect("the broker reads it");
    let joined = device.join(&text("code"));
    assert!(joined.good && joined.text.contains("received"), "{}", joined.text);
}

#[test]
fn the_qr_code_on_paper_and_on_the_terminal_is_the_code() {
    let world = World::running("qr");
    let svg = world.path("code.svg");
    let text = world.says(&["probe", "add", "na-chen-1", "--hamlet", "05587-01", "--svg", &svg]);
    let code = text.split_once("phusong-agent join '").and_then(|(_, rest)| rest.split('\'').next()).expect("a line");
    code.parse::<JoinCode>().expect("our own code");
    assert!(text.contains("the point of xóm Nà Chèn itself"), "{text}");
    assert!(text.contains("It is good once, until 20"), "{text}");
    let blocks: Vec<&str> = text.lines().filter(|line| line.contains(['█', '▀', '▄'])).collect();
    std::fs::write(world.path("terminal.pgm"), drawn(&blocks)).expect("writable");
    let tools = ["rsvg-convert", "zbarimg"].map(|tool| Command::new(tool).arg("--version").output().is_ok());
    if tools != [true, true] {
        return skip_test("reading QR codes back: rsvg-convert or zbarimg is not installed");
    }
    let png = world.path("code.png");
    let made = Command::new("rsvg-convert").args(["-o", &png, &svg]).status().expect("it runs");
    assert!(made.success());
    for picture in [png, world.path("terminal.pgm")] {
        let read = Command::new("zbarimg").args(["--raw", "-q", &picture]).output().expect("it runs");
        assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), code, "{picture}");
    }
}

/// A dark terminal's picture of half blocks, eight pixels a module: where there is a block, there is light.
fn drawn(lines: &[&str]) -> Vec<u8> {
    const PIXELS: usize = 8;
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let mut picture = format!("P5 {} {} 255\n", width * PIXELS, lines.len() * 2 * PIXELS).into_bytes();
    for line in lines {
        for lit in [['█', '▀'], ['█', '▄']] {
            let row: Vec<u8> = line
                .chars()
                .flat_map(|c| std::iter::repeat_n(if lit.contains(&c) { 255 } else { 0 }, PIXELS))
                .collect();
            (0..PIXELS).for_each(|_| picture.extend(&row));
        }
    }
    picture
}

#[test]
fn ten_thousand_probes_are_registered_from_a_file_or_none_with_every_wrong_line_named() {
    let world = World::running("bulk");
    let mut csv = "probe,site,hamlet,lat,lon,supply,label,since\n".to_owned();
    (0..10_000).for_each(|n| csv += &format!("p-{n},,05587-01,,,lo-471,\"Nhà {n}, Nà Chèn\",2026-01-01\n"));
    let (list, passwords) = (world.path("list.csv"), world.path("passwords.csv"));
    let damaged = csv.replace("p-7,,05587-01,,", "P 7,,05587-99,91,1").replace("p-9,,05587-01", "p-9,,05587-99");
    let seconds = damaged.replace("\"Nhà 11, Nà Chèn\",2026-01-01", "x,1795000000");
    std::fs::write(&list, seconds).expect("writable");
    let add = ["probe", "add", "--from", &list, "--passwords-out", &passwords, "--json"];
    let wrong = world.refuses(&add);
    for said in [
        "4 things are wrong",
        "list.csv:9: probe: ",
        "list.csv:9: lat: latitude 91",
        "list.csv:11: hamlet: there is no area 05587-99",
        "list.csv:13: since: a place cannot begin 1795000000 ms after 1970",
    ] {
        assert!(wrong.contains(said), "{said}: {wrong}");
    }
    assert_eq!(world.says(&["probe", "list", "--json"]).trim(), "", "nothing was registered");

    std::fs::write(&list, &csv).expect("writable");
    let began = Instant::now();
    assert_eq!(world.json(&add)["registered"], 10_000);
    println!("bulk_s = {:.1}", began.elapsed().as_secs_f64());
    let written = std::fs::read_to_string(&passwords).expect("it was written");
    assert_eq!(written.lines().count(), 10_001);
    assert!(written.starts_with("probe,username,password\np-0,p-0,"), "{}", &written[..60]);
    assert!(world.refuses(&add).contains("is there already"), "passwords in use are not overwritten");
    let codes = world.path("codes.csv");
    let more = "[{\"probe\":\"q\",\"hamlet\":\"05587-02\",\"from_ms\":1780000000000}]";
    std::fs::write(&list, more).expect("writable");
    world.says(&["probe", "add", "--from", &list, "--codes-out", &codes]);
    let written = std::fs::read_to_string(&codes).expect("it was written");
    let code = written.lines().nth(1).and_then(|line| line.split(',').nth(1)).expect("a code");
    assert_eq!(code.parse::<JoinCode>().expect("our own code").probe.as_str(), "q");
}
