//! The configuration: one bad file per rule with its exact message, and the shipped files against the defaults.
//!
//! A new rule is one more entry of [`BAD`]. The file is called `collector.toml` in every message.

use phusong_collector::config::{Config, Secret, load, parse};
use std::path::{Path, PathBuf};

/// A file, and what is said about it.
const BAD: &[(&str, &str)] = &[
    (
        "data_dir = \"\"\n",
        "collector.toml:1: data_dir: is empty: write the directory of the database, such as /var/lib/phusong-collector",
    ),
    (
        "\n[mqtt]\nurl = \"tcp://a\"\n",
        "collector.toml:3: mqtt.url: `tcp://a` is no broker: write mqtt://host:1883, or mqtts://host:8883 for TLS",
    ),
    (
        "[mqtt]\nurl = \"mqtt://a:99999\"\n",
        "collector.toml:2: mqtt.url: `mqtt://a:99999` has no host or no port: write mqtt://host:1883, or mqtts://host:8883 for TLS",
    ),
    (
        "[mqtt]\nurl = \"mqtt://\"\n",
        "collector.toml:2: mqtt.url: `mqtt://` has no host or no port: write mqtt://host:1883, or mqtts://host:8883 for TLS",
    ),
    (
        "[mqtt]\nurl = \"mqtt://u:p@a\"\n",
        "collector.toml:2: mqtt.url: holds credentials: write mqtt://host:1883, or mqtts://host:8883 for TLS, and the rest in username and password",
    ),
    (
        "[mqtt]\nusername = \"u\"\npassword = \"p\"\npassword_file = \"f\"\n",
        "collector.toml:3: mqtt.password: stands beside password_file: write one of the two",
    ),
    (
        "# one\n[mqtt]\npassword = \"p\"\n",
        "collector.toml:2: mqtt.username: is missing: a password needs the username that it belongs to",
    ),
    (
        "[mqtt]\nca_file = \"ca.pem\"\n",
        "collector.toml:2: mqtt.ca_file: is not used without TLS: write the url as mqtts://..., or remove ca_file",
    ),
    (
        "[mqtt]\nshare_group = \"a/b\"\n",
        "collector.toml:2: mqtt.share_group: is no name of at most 32 bytes without '/', '+', '#' and blanks; \"\" subscribes plainly",
    ),
    (
        "[mqtt]\nprotocol = 4\n",
        "collector.toml:2: mqtt.protocol: 4 is no MQTT version of ours: write 5, or 311 for MQTT 3.1.1",
    ),
    ("[mqtt]\nreceive_maximum = 0\n", "collector.toml:2: mqtt.receive_maximum: 0 is out of bounds: write 1 to 20000"),
    ("[mqtt]\nkeepalive_s = 4\n", "collector.toml:2: mqtt.keepalive_s: 4 is out of bounds: write 5 to 1200"),
    (
        "[mqtt]\nusername = \"u\"\n",
        "collector.toml:2: mqtt.username: is the login at an external broker, and there is none: write its url, or remove username and password",
    ),
    (
        "[broker]\nplain_listen = \"0.0.0.0:1883\"\n",
        "collector.toml:2: broker.plain_listen: is not loopback, and passwords must not cross a network in the clear: write 127.0.0.1:1883; probes elsewhere use broker.listen",
    ),
    (
        "[broker]\nhosts = [\"a\", \"b:8883\"]\n",
        "collector.toml:2: broker.hosts: `b:8883` is no name and no address: write them as in [\"collector.example.vn\", \"203.0.113.7\"]",
    ),
    (
        "[broker]\nhosts = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\"]\n",
        "collector.toml:2: broker.hosts: 9 are too many: write at most 8",
    ),
    ("[broker]\nconnections = 7\n", "collector.toml:2: broker.connections: 7 is out of bounds: write 8 to 50000"),
    (
        "[broker]\npacket_bytes = 65536\n",
        "collector.toml:2: broker.packet_bytes: 65536 is out of bounds: write 66560 to 1048576",
    ),
    ("[broker]\ninflight = 0\n", "collector.toml:2: broker.inflight: 0 is out of bounds: write 1 to 1000"),
    (
        "[broker]\nqueue_messages = 15\n",
        "collector.toml:2: broker.queue_messages: 15 is out of bounds: write 16 to 100000",
    ),
    (
        "[http]\nlisten = \"0.0.0.0:8480\"\n",
        "collector.toml:2: http.listen: is not loopback, and nobody may read it anonymously from elsewhere: write token or token_file, or listen on 127.0.0.1:8480",
    ),
    ("[http]\nlisten = \"here\"\n", "collector.toml:2: http.listen: invalid socket address syntax"),
    (
        "[http]\ntoken = \"short\"\n",
        "collector.toml:2: http.token: a token has at least 16 visible ASCII characters; make one: openssl rand -hex 32",
    ),
    (
        "[http]\ntoken = \"0123456789abcdef\"\ntoken_file = \"f\"\n",
        "collector.toml:2: http.token: stands beside token_file: write one of the two",
    ),
    ("[speed]\nconcurrency = 0\n", "collector.toml:2: speed.concurrency: 0 is out of bounds: write 1 to 64"),
    (
        "[speed]\nhour_bytes = 5\n",
        "collector.toml:2: speed.hour_bytes: 5 is out of bounds: write 1000000 to 17592186044416",
    ),
    (
        "[speed]\nrate_bytes_s = 5\n",
        "collector.toml:2: speed.rate_bytes_s: 5 is out of bounds: write 100000 to 10000000000",
    ),
    (
        "[ingest]\nqueue_messages = 1\n",
        "collector.toml:2: ingest.queue_messages: 1 is out of bounds: write 16 to 1000000",
    ),
    (
        "[ingest]\nqueue_bytes = 1\n",
        "collector.toml:2: ingest.queue_bytes: 1 is out of bounds: write 1048576 to 68719476736",
    ),
    (
        "[ingest]\ngroup_commit_rows = 0\n",
        "collector.toml:2: ingest.group_commit_rows: 0 is out of bounds: write 1 to 100000",
    ),
    (
        "[ingest]\ngroup_commit_ms = 6000\n",
        "collector.toml:2: ingest.group_commit_ms: 6000 is out of bounds: write 1 to 5000",
    ),
    (
        "[ingest]\nack_interval_ms = 1\n",
        "collector.toml:2: ingest.ack_interval_ms: 1 is out of bounds: write 10 to 10000",
    ),
    (
        "[dead_letters]\nper_probe_bytes = 1\n",
        "collector.toml:2: dead_letters.per_probe_bytes: 1 is out of bounds: write 65536 to 1099511627776",
    ),
    (
        "[dead_letters]\ntotal_bytes = 65536\n",
        "collector.toml:2: dead_letters.total_bytes: 65536 is less than per_probe_bytes = 67108864: the bound of all is at least the bound of one",
    ),
    (
        "[retention]\nraw_days = 29\n",
        "collector.toml:2: retention.raw_days: 29 days are out of bounds: write 30 to 36500; probes deliver what they spooled for weeks",
    ),
    (
        "[retention]\nderived_days = 399\n",
        "collector.toml:2: retention.derived_days: 399 days are out of bounds: write 400 to 36500; reports compare with the year before",
    ),
    (
        "[retention]\nraw_days = 500\nderived_days = 499\n",
        "collector.toml:3: retention.derived_days: 499 is less than raw_days = 500: windows are kept at least as long as the observations that they were made of",
    ),
    (
        "[retention]\nchanges_days = 29\n",
        "collector.toml:2: retention.changes_days: 29 days are out of bounds: write 30 to 36500; their readers may have stood still for weeks",
    ),
    (
        "[retention]\nreplayed_letters_days = 0\n",
        "collector.toml:2: retention.replayed_letters_days: 0 days are out of bounds: write 1 to 36500; a replay is looked at afterwards",
    ),
    (
        "[log]\nlevel = \"loud\"\n",
        "collector.toml:2: log.level: unknown variant `loud`, expected one of `error`, `warn`, `info`, `debug`, `trace`",
    ),
    (
        "[mqtt]\nurll = \"mqtt://a\"\n",
        "collector.toml:2: mqtt.urll: unknown field `urll`, expected one of `url`, `username`, `password`, `password_file`, `ca_file`, `protocol`, `share_group`, `receive_maximum`, `keepalive_s`",
    ),
    (
        "[mqt]\n",
        "collector.toml:1: mqt: unknown field `mqt`, expected one of `data_dir`, `mqtt`, `broker`, `http`, `speed`, `ingest`, `dead_letters`, `retention`, `log`",
    ),
    (
        "[ingest]\n\nqueue_messages = \"many\"\n",
        "collector.toml:3: ingest.queue_messages: invalid type: string \"many\", expected usize",
    ),
    (
        "[mqtt]\nreceive_maximum = 70000\n",
        "collector.toml:2: mqtt.receive_maximum: invalid value: integer `70000`, expected u16",
    ),
    ("[http\n", "collector.toml:1: unclosed table, expected `]`"),
];

fn said(text: &str) -> String {
    match parse(Path::new("collector.toml"), text) {
        Ok(_) => "accepted".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn each_broken_rule_is_answered_with_file_line_field_and_what_would_be_right() {
    for (text, message) in BAD {
        assert_eq!(said(text), *message, "for the file\n{text}");
    }
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(parse(Path::new("collector.toml"), ""), Ok(Config::default()));
}

#[test]
fn the_shipped_example_equals_the_defaults_and_names_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/collector.example.toml");
    let text = std::fs::read_to_string(&path).expect("the example is shipped");
    assert_eq!(parse(&path, &text), Ok(Config::default()));
    let documented = std::fs::read_to_string(path.with_file_name("../docs/config-collector.md")).expect("shipped");
    for key in keys() {
        let (table, name) = key.rsplit_once('.').unwrap_or(("", &key));
        let written = text.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{name} = ")));
        assert!(written, "{key} of [{table}] is missing in the example");
        assert!(documented.contains(&format!("| `{key}` |")), "{key} is missing in docs/config-collector.md");
    }
}

/// Every key there is, from the types themselves.
fn keys() -> Vec<String> {
    let mut all = Config::default();
    all.mqtt.url = Some("mqtt://a".into());
    all.broker.plain_listen = Some(([127, 0, 0, 1], 1883).into());
    all.mqtt.username = Some("u".into());
    all.mqtt.password = Some(Secret("p".into()));
    all.mqtt.password_file = Some("f".into());
    all.mqtt.ca_file = Some("f".into());
    all.http.token = Some(Secret("t".into()));
    all.http.token_file = Some("f".into());
    all.speed.enabled = Some(true);
    let table: toml::Table = all.to_toml().parse().expect("own output");
    let mut keys = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => keys.extend(inner.keys().map(|key| format!("{name}.{key}"))),
            _ => keys.push(name),
        }
    }
    assert_eq!(keys.len(), 36, "a new key needs its line in this test's list of optional keys or nothing");
    keys
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let directory = scratch("secrets");
    let (password, token) = (directory.join("password"), directory.join("token"));
    std::fs::write(&password, "from-a-file\n").expect("writable");
    std::fs::write(&token, "0123456789abcdef-from-a-file\nsecond line\n").expect("writable");
    let file = directory.join("collector.toml");
    let text = format!(
        "[mqtt]\nurl = \"mqtt://broker\"\nusername = \"collector\"\npassword_file = {password:?}\n[http]\nlisten = \"0.0.0.0:0\"\ntoken_file = {token:?}\n"
    );
    std::fs::write(&file, text).expect("writable");
    let config = load(&file).expect("a right file");
    assert_eq!(config.mqtt.password, Some(Secret("from-a-file".into())));
    assert_eq!(config.http.token, Some(Secret("0123456789abcdef-from-a-file".into())));
    let shown = format!("{}{config:?}", config.to_toml());
    assert!(!shown.contains("from-a-file"), "{shown}");
    std::fs::write(&password, "\n").expect("writable");
    let error = load(&file).expect_err("an empty secret").to_string();
    assert!(error.ends_with("password is empty: write the secret on its first line"), "{error}");
    std::fs::remove_dir_all(directory).expect("own directory");
}

#[test]
fn a_missing_file_is_named_with_what_to_do() {
    let error = load(Path::new("/nowhere/collector.toml")).expect_err("missing").to_string();
    assert_eq!(
        error,
        "/nowhere/collector.toml: cannot be read: No such file or directory (os error 2); give the right file with --config"
    );
}

#[test]
fn a_broker_address_has_default_ports_and_may_be_ipv6() {
    for (url, host, port) in [
        ("mqtt://broker", "broker", 1883),
        ("mqtts://broker", "broker", 8883),
        ("mqtt://10.0.0.1:1", "10.0.0.1", 1),
        ("mqtt://[::1]", "[::1]", 1883),
        ("mqtt://[::1]:2", "[::1]", 2),
    ] {
        let config = parse(Path::new("c"), &format!("[mqtt]\nurl = \"{url}\"\n")).expect(url);
        assert_eq!(config.mqtt.address(), (host.to_owned(), port), "{url}");
    }
}

fn scratch(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("phusong-collector-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a writable temporary directory");
    directory
}
