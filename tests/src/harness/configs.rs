//! Configuration files for agent and collector, with quick test values where the defaults are for the field.
//!
//! In: what a test wants otherwise. Out: TOML. Everything here is an ordinary key of `docs/config*.md`.

use super::mosquitto::{COLLECTOR, Mosquitto};
use super::mqtt::Version;
use std::fmt::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// The site of every test.
pub const SITE: &str = "lab";

#[derive(Debug, Clone)]
pub struct TargetConfig {
    pub name: String,
    /// `icmp` or `tcp`.
    pub kind: String,
    pub host: String,
    pub port: Option<u16>,
    pub tags: Vec<String>,
    pub period_ms: u64,
    /// Echoes a round.
    pub count: u16,
    pub timeout_ms: u64,
}

#[derive(Debug, Clone)]
pub struct AgentConfig {
    pub site: String,
    pub probe: String,
    pub password: String,
    pub data_dir: PathBuf,
    /// `mqtt://host:port` or `mqtts://host:port`, tried in turn.
    pub brokers: Vec<String>,
    pub ca_file: Option<PathBuf>,
    pub version: Version,
    pub targets: Vec<TargetConfig>,
    /// Interfaces to bind to; none: the default route.
    pub uplinks: Vec<String>,
    pub retry_first_ms: u64,
    pub retry_max_ms: u64,
    pub first_connect_jitter_ms: u64,
    pub gather_ms: u64,
    pub sync_interval_ms: u64,
    pub sync_bytes: u64,
    pub max_bytes: Option<u64>,
    pub segment_bytes: Option<u64>,
    pub summary_ms: u64,
    pub health_ms: u64,
    /// More lines at the top level, before every table.
    pub extra: String,
}

#[derive(Debug, Clone)]
pub struct CollectorConfig {
    pub data_dir: PathBuf,
    /// `mqtt://host:port` or `mqtts://host:port`.
    pub broker: String,
    pub ca_file: Option<PathBuf>,
    pub version: Version,
    pub http_port: u16,
    /// More tables, as `[dead_letters]`.
    pub extra: String,
}

impl TargetConfig {
    /// Echoes to an address, twice a second.
    pub fn icmp(name: &str, host: &str) -> Self {
        TargetConfig {
            name: name.into(),
            kind: "icmp".into(),
            host: host.into(),
            port: None,
            tags: vec!["domestic".into()],
            period_ms: 500,
            count: 2,
            timeout_ms: 400,
        }
    }

    /// Handshakes with a port, twice a second.
    pub fn tcp(name: &str, host: &str, port: u16) -> Self {
        TargetConfig { kind: "tcp".into(), port: Some(port), ..Self::icmp(name, host) }
    }
}

impl AgentConfig {
    /// Publishes over TLS to `broker` and measures loopback.
    pub fn new(dir: &Path, probe: &str, password: &str, broker: &Mosquitto) -> Self {
        AgentConfig {
            site: SITE.into(),
            probe: probe.into(),
            password: password.into(),
            data_dir: dir.join(probe),
            brokers: vec![format!("mqtts://localhost:{}", broker.tls_port())],
            ca_file: Some(broker.ca_file()),
            version: Version::V5,
            targets: vec![
                TargetConfig::icmp("self", "127.0.0.1"),
                TargetConfig::tcp("broker", "127.0.0.1", broker.plain_port()),
            ],
            uplinks: Vec::new(),
            retry_first_ms: 1_000,
            retry_max_ms: 4_000,
            first_connect_jitter_ms: 0,
            gather_ms: 100,
            sync_interval_ms: 200,
            sync_bytes: 65_536,
            max_bytes: None,
            segment_bytes: None,
            summary_ms: 2_000,
            health_ms: 2_000,
            extra: String::new(),
        }
    }

    /// Publishes in the clear to a port of loopback: the broker's own, or a proxy's.
    pub fn plain(mut self, port: u16) -> Self {
        self.brokers = vec![format!("mqtt://127.0.0.1:{port}")];
        self.ca_file = None;
        self
    }

    pub fn to_toml(&self) -> String {
        let mut out = format!(
            "site = {:?}\nprobe = {:?}\ndata_dir = {:?}\nlanguage = \"en\"\n",
            self.site, self.probe, self.data_dir
        );
        out += &self.extra;
        let mut line = |text: String| writeln!(out, "{text}").expect("writing to a string cannot fail");
        line(format!("[spool]\nsync_interval_ms = {}\nsync_bytes = {}", self.sync_interval_ms, self.sync_bytes));
        self.max_bytes.into_iter().for_each(|bytes| line(format!("max_bytes = {bytes}")));
        self.segment_bytes.into_iter().for_each(|bytes| line(format!("segment_bytes = {bytes}")));
        line(format!("[publish]\nretry_first_ms = {}\nretry_max_ms = {}", self.retry_first_ms, self.retry_max_ms));
        line(format!("first_connect_jitter_ms = {}", self.first_connect_jitter_ms));
        line(format!("gather_ms = {}", self.gather_ms));
        line(format!("[schedule]\nsummary_ms = {}\nhealth_ms = {}", self.summary_ms, self.health_ms));
        for broker in &self.brokers {
            line(format!("[[broker]]\nurl = {broker:?}\nusername = {:?}\npassword = {:?}", self.probe, self.password));
            line(format!("protocol = {:?}", if self.version == Version::V5 { "5" } else { "3.1.1" }));
            if let (true, Some(ca)) = (broker.starts_with("mqtts"), &self.ca_file) {
                line(format!("ca_file = {ca:?}"));
            }
        }
        self.uplinks.iter().for_each(|interface| line(format!("[[uplink]]\ninterface = {interface:?}")));
        for target in &self.targets {
            line(format!("[[target]]\nname = {:?}\nkind = {:?}\nhost = {:?}", target.name, target.kind, target.host));
            target.port.into_iter().for_each(|port| line(format!("port = {port}")));
            line(format!("tags = {:?}\nperiod_ms = {}\ncount = {}", target.tags, target.period_ms, target.count));
            line(format!("interval_ms = 20\ntimeout_ms = {}", target.timeout_ms));
        }
        out
    }
}

impl CollectorConfig {
    /// Takes from `broker` over its loopback listener.
    pub fn new(dir: &Path, broker: &Mosquitto) -> Self {
        CollectorConfig {
            data_dir: dir.join("collector"),
            broker: format!("mqtt://127.0.0.1:{}", broker.plain_port()),
            ca_file: None,
            version: Version::V5,
            http_port: free_port(),
            extra: String::new(),
        }
    }

    pub fn to_toml(&self) -> String {
        let (user, password) = COLLECTOR;
        let mut out = format!("data_dir = {:?}\n[mqtt]\nurl = {:?}\n", self.data_dir, self.broker);
        out += &format!(
            "username = {user:?}\npassword = {password:?}\nprotocol = {}\n",
            if self.version == Version::V5 { 5 } else { 311 }
        );
        if let Some(ca) = &self.ca_file {
            out += &format!("ca_file = {ca:?}\n");
        }
        out += &format!("[http]\nlisten = \"127.0.0.1:{}\"\n", self.http_port);
        out += &self.extra;
        out
    }
}

/// A port that was free a moment ago; kept over restarts, so it cannot be 0.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    listener.local_addr().expect("a bound socket has an address").port()
}
