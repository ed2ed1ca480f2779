//! The configuration file as an operator meets it: the shipped example, and one bad file per rule with its message.

use phusong_agent::config::{Config, Language};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn example() -> String {
    std::fs::read_to_string(root().join("deploy/agent.example.toml")).expect("the example is shipped")
}

#[test]
fn the_shipped_example_says_exactly_the_defaults() {
    let least = "site = \"my-site\"\nprobe = \"my-probe\"\n[[broker]]\nurl = \"mqtts://broker.example.vn\"\n";
    let defaults = Config::parse("least", least).expect("site, probe and broker are enough");
    let shown = Config::parse("example", &example()).expect("the example is good");
    assert_eq!(shown, defaults);
    // Every key that has a default is written out: what the example says is what `config show` says.
    let keys = |text: &str| -> Vec<String> {
        let key = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_owned());
        let mut keys: Vec<String> = text.lines().filter(|line| !line.starts_with('#')).filter_map(key).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&example()), keys(&defaults.show()));
}

#[test]
fn what_the_example_holds_in_comments_is_good_too() {
    let uncommented: Vec<String> = example()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    let config = Config::parse("uncommented", &uncommented.join("\n")).expect("every line is good");
    assert_eq!((config.uplinks.len(), config.targets.len(), config.modems.len()), (2, 7, 2));
    assert!(config.radio_check.is_some());
    assert!(config.place.is_some() && config.setup.is_some());
}

#[test]
fn the_configuration_shown_is_the_configuration_read() {
    let mut config = Config::parse("example", &example()).expect("the example is good");
    let again = Config::parse("shown", &config.show()).expect("what is shown can be read");
    assert_eq!(again, config);
    config.brokers[0].password = Some("secret".into());
    assert!(!config.show().contains("secret") && !format!("{config:?}").contains("secret"));
}

/// `invalid-*.toml` beside `invalid-*.expected`: the whole message, one problem a line.
#[test]
fn each_bad_file_gives_its_exact_message() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata");
    let entries = std::fs::read_dir(&directory).expect("the test data is there");
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    files.sort();
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(file).expect("readable");
        let said = match Config::parse(&name, &text) {
            Ok(_) => "it was accepted".to_owned(),
            Err(problems) => problems.say(Language::En),
        };
        let expected = std::fs::read_to_string(file.with_extension("expected")).unwrap_or_default();
        if said != expected.trim_end() {
            wrong.push(format!("{name}\n  said:     {said}\n  expected: {}", expected.trim_end()));
        }
    }
    assert!(files.len() >= 30, "only {} files", files.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_bad_file_is_explained_in_vietnamese_too() {
    let problems = Config::parse("agent.toml", "site = \"s\"\nprobe = \"p\"\n").expect_err("no broker");
    assert_eq!(problems.say(Language::Vi), "agent.toml: broker: cần ít nhất một mục");
}

#[test]
fn remote_tables_replace_their_own_and_nothing_else() {
    let config = Config::parse("example", &example()).expect("the example is good");
    let remote = "[schedule]\nhealth_ms = 60000\n[[target]]\nname = \"one\"\nkind = \"icmp\"\nhost = \"127.0.0.1\"\n";
    let merged = config.with_remote(remote).expect("a good table");
    assert_eq!((merged.targets.len(), merged.schedule.health_ms), (1, 60_000));
    assert_eq!((merged.site, merged.brokers), (config.site.clone(), config.brokers.clone()));
    assert_eq!(config.with_remote("").expect("nothing to set").targets, config.targets);
    let problems = config.with_remote("data_dir = \"/tmp\"\n").expect_err("not from afar");
    assert_eq!(
        problems.to_string(),
        "remote configuration:1: data_dir: key `data_dir` is not known; known here: target, schedule"
    );
}
