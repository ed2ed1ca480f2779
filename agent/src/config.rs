//! The agent's configuration as types, with every default in this file and nowhere else.
//!
//! In: the text of one TOML file. Out: a [`Config`] that passed every rule, or the [`Problem`]s with file, line, field
//! and what would be right. Refuses to know: what the values are used for. Limits: 256 KiB of text, 64 targets,
//! 8 uplinks, 8 modems, 8 brokers, 20 problems shown at once.

mod check;
mod locate;
mod modem;
mod position;
mod problem;
mod throughput;

pub use check::{DB as SETUP_DB, HEIGHT_M as SETUP_HEIGHT_M};
pub use modem::{CHECK_BYTES, ModemConfig, ModemSource, RadioCheckConfig};
pub use position::{PositionConfig, PositionSource, PowerConfig, SurveyConfig};
pub use problem::{Problem, Problems, Rule};
pub use throughput::Direction;

use crate::mqtt::{BrokerConfig, Protocol};
use crate::publish::PublishConfig;
use crate::spool::SpoolConfig;
use anyhow::Context;
use phusong_protocol::{Antenna, Environment, ProbeId, Setup, SiteId, Tag, Technology};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where the configuration is looked for when `--config` does not say.
pub const DEFAULT_FILE: &str = "/etc/phusong/agent.toml";
/// A longer file is a mistake: 64 targets need about 16 KiB.
pub const FILE_BYTES: u64 = 256 * 1024;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub site: SiteId,
    pub probe: ProbeId,
    #[serde(default = "default_data_dir")]
    pub data_dir: PathBuf,
    #[serde(default)]
    pub language: Language,
    #[serde(default)]
    pub spool: SpoolConfig,
    #[serde(default)]
    pub publish: PublishConfig,
    #[serde(default)]
    pub schedule: ScheduleConfig,
    #[serde(default)]
    pub clock: ClockConfig,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<SetupConfig>,
    #[serde(default)]
    pub position: PositionConfig,
    #[serde(default)]
    pub power: PowerConfig,
    #[serde(default)]
    pub survey: SurveyConfig,
    #[serde(default, rename = "broker")]
    pub brokers: Vec<BrokerTable>,
    #[serde(default, rename = "uplink", skip_serializing_if = "Vec::is_empty")]
    pub uplinks: Vec<UplinkConfig>,
    #[serde(default, rename = "modem", skip_serializing_if = "Vec::is_empty")]
    pub modems: Vec<ModemConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radio_check: Option<RadioCheckConfig>,
    #[serde(default = "default_targets", rename = "target")]
    pub targets: Vec<TargetConfig>,
}

/// One `[[broker]]` table: a [`BrokerConfig`] whose password may stand in a file of its own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerTable {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    #[serde(default)]
    pub protocol: Protocol,
}

/// The language of messages to a person. Logs are English.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    Vi,
    En,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    Icmp,
    Tcp,
    Dns,
    Http,
    Throughput,
}

/// What a `dns` target asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Record {
    A,
    Aaaa,
    Ns,
    Soa,
    Txt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Family {
    /// The first address that the resolver gives.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "4")]
    V4,
    #[serde(rename = "6")]
    V6,
}

/// What to measure against, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetConfig {
    pub name: String,
    pub kind: TargetKind,
    /// A name, an address, or the words `gateway` and `resolver`, which stand for what the system uses now. Of an
    /// `http` target the URL, of a `throughput` target the one that its back end stands under.
    pub host: String,
    /// Of `dns`: absent for 53.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `dns` only, absent: [`QUERY`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// `dns` only, absent: [`RECORD`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
    /// `http` only; any other answer is somebody else's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_status: Option<u16>,
    /// `http` only: a text that the body holds, or it is somebody else's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_body: Option<String>,
    /// `http` only, the most that is read of the body. Absent: [`BODY_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u32>,
    /// `https://` only: PEM file of the authorities to trust instead of the built-in public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// From here to `on_cellular` `throughput` only, see `config/throughput.rs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_max: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_cellular: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Absent: what [`default_period_ms`] says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_ms: Option<u64>,
    #[serde(default = "default_count")]
    pub count: u16,
    #[serde(default = "default_interval_ms")]
    pub interval_ms: u64,
    /// Absent: [`TIMEOUT_MS`], or [`TIMEOUT_HTTP_MS`] of an `http` or `throughput` target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default)]
    pub family: Family,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UplinkKind {
    #[default]
    Fixed,
    Cellular,
}

/// A link that every target is measured on, bound to its interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UplinkConfig {
    pub interface: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    #[serde(default)]
    pub kind: UplinkKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technology: Option<Technology>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    pub summary_ms: u64,
    pub health_ms: u64,
    /// Share of its period by which a round may start late, at random.
    pub jitter: f64,
    /// Rounds that may run at the same time.
    pub concurrency: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockConfig {
    pub anchor_ms: u64,
    /// A change of the wall clock against the boot clock that counts as a step.
    pub step_ms: u64,
    pub floor_ms: u64,
}

/// The fixed place of the probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceConfig {
    pub lat: f64,
    pub lon: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<f32>,
}

/// How readings are taken; becomes the wire's `setup`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SetupConfig {
    pub environment: Environment,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height_m: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub antenna: Option<Antenna>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain_dbi: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cable_loss_db: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bands: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_db: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibrated_at_ms: Option<i64>,
}

/// The tables that the installation may set from afar. A table that is absent keeps what the file says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteConfig {
    #[serde(default, rename = "target")]
    pub targets: Option<Vec<TargetConfig>>,
    #[serde(default)]
    pub schedule: Option<ScheduleConfig>,
}

// ---- Defaults. `deploy/agent.example.toml` and `docs/config.md` are tested against them. ----

/// Period on fixed links and the default route.
pub const PERIOD_FIXED_MS: u64 = 60_000;
/// Period on cellular uplinks: the monthly budget of `docs/wire.md` is counted with it.
pub const PERIOD_CELLULAR_MS: u64 = 300_000;

/// Period of `http` targets on cellular uplinks: a handshake with certificates weighs as much as an hour of echoes.
pub const PERIOD_HTTP_CELLULAR_MS: u64 = 3_600_000;
/// For one echo, handshake or query.
pub const TIMEOUT_MS: u64 = 3_000;
/// For name, connection, TLS, question and answer together.
pub const TIMEOUT_HTTP_MS: u64 = 10_000;
/// The servers of the root: every resolver holds them, so the time is that of the way and not of a recursion.
pub const QUERY: &str = ".";
pub const RECORD: Record = Record::Ns;
/// Enough for a first page, and for a text to be found in it.
pub const BODY_BYTES: u32 = 64 * 1024;

/// The period of a target that has none of its own.
pub fn default_period_ms(kind: TargetKind, uplink: UplinkKind) -> u64 {
    match (kind, uplink) {
        (TargetKind::Throughput, UplinkKind::Fixed) => throughput::PERIOD_FIXED_MS,
        (TargetKind::Throughput, UplinkKind::Cellular) => throughput::PERIOD_CELLULAR_MS,
        (_, UplinkKind::Fixed) => PERIOD_FIXED_MS,
        (TargetKind::Http, UplinkKind::Cellular) => PERIOD_HTTP_CELLULAR_MS,
        (_, UplinkKind::Cellular) => PERIOD_CELLULAR_MS,
    }
}

fn default_data_dir() -> PathBuf {
    PathBuf::from("/var/lib/phusong-agent")
}

fn default_count() -> u16 {
    10
}

fn default_interval_ms() -> u64 {
    200
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        ScheduleConfig { summary_ms: 300_000, health_ms: 300_000, jitter: 0.1, concurrency: 8 }
    }
}

impl Default for ClockConfig {
    fn default() -> Self {
        ClockConfig { anchor_ms: 6 * 3_600_000, step_ms: 500, floor_ms: 600_000 }
    }
}

impl Default for SetupConfig {
    fn default() -> Self {
        SetupConfig {
            environment: Environment::Unknown,
            height_m: None,
            antenna: None,
            gain_dbi: None,
            cable_loss_db: None,
            device_model: None,
            bands: None,
            offset_db: None,
            calibrated_at_ms: None,
        }
    }
}

fn target(name: &str, kind: TargetKind, host: &str, port: Option<u16>, tags: &[Tag]) -> TargetConfig {
    TargetConfig {
        name: name.into(),
        kind,
        host: host.into(),
        port,
        query: None,
        record: None,
        expect_status: None,
        expect_body: None,
        body_bytes: None,
        ca_file: None,
        direction: None,
        bytes_max: None,
        seconds_max: None,
        month_bytes: None,
        on_cellular: None,
        tags: tags.to_vec(),
        period_ms: None,
        count: default_count(),
        interval_ms: default_interval_ms(),
        timeout_ms: None,
        family: Family::Auto,
    }
}

/// What a probe measures when nobody said: the way out of the house, and the provider's resolver by both kinds.
pub fn default_targets() -> Vec<TargetConfig> {
    vec![
        target("gateway", TargetKind::Icmp, "gateway", None, &[Tag::Gateway]),
        target("resolver", TargetKind::Icmp, "resolver", None, &[Tag::Domestic]),
        target("resolver-tcp", TargetKind::Tcp, "resolver", Some(53), &[Tag::Domestic]),
    ]
}

/// What `measure` does without a file: the default targets and the device itself.
pub fn targets_without_file() -> Vec<TargetConfig> {
    let mut targets = default_targets();
    targets.push(target("self", TargetKind::Icmp, "127.0.0.1", None, &[]));
    targets
}

// ---- Reading ----

impl TargetConfig {
    pub fn timeout_ms(&self) -> u64 {
        let is_page = matches!(self.kind, TargetKind::Http | TargetKind::Throughput);
        self.timeout_ms.unwrap_or(if is_page { TIMEOUT_HTTP_MS } else { TIMEOUT_MS })
    }
}

impl fmt::Debug for BrokerTable {
    /// Without the password: this ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerTable").field("url", &self.url).finish_non_exhaustive()
    }
}

impl BrokerTable {
    /// The password file is read here, so that a new password needs a reload only.
    pub fn resolve(&self) -> anyhow::Result<BrokerConfig> {
        let password = match &self.password_file {
            None => self.password.clone(),
            Some(file) => {
                let shown = file.display();
                let text = std::fs::read_to_string(file).with_context(|| format!("broker.password_file {shown}"))?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        };
        Ok(BrokerConfig {
            url: self.url.clone(),
            username: self.username.clone(),
            password,
            ca_file: self.ca_file.clone(),
            protocol: self.protocol,
        })
    }
}

impl Config {
    /// Reads and checks a file.
    pub fn load(file: &Path) -> Result<Config, Problems> {
        let name = file.display().to_string();
        let unreadable = |detail: String| Problems::one(&name, None, "", Rule::Unreadable { detail });
        let size = std::fs::metadata(file).map_err(|e| unreadable(e.to_string()))?.len();
        if size > FILE_BYTES {
            return Err(Problems::one(&name, None, "", Rule::FileTooLong { bound: FILE_BYTES }));
        }
        let text = std::fs::read_to_string(file).map_err(|e| unreadable(e.to_string()))?;
        Config::parse(&name, &text)
    }

    /// Reads and checks the text of a file called `name`.
    pub fn parse(name: &str, text: &str) -> Result<Config, Problems> {
        let config: Config = problem::read(name, text)?;
        check::whole(&config, &locate::Source::new(name, text))?;
        Ok(config)
    }

    /// The same configuration with the tables that came from afar in place of its own.
    pub fn with_remote(&self, toml: &str) -> Result<Config, Problems> {
        const NAME: &str = "remote configuration";
        if toml.len() as u64 > FILE_BYTES {
            return Err(Problems::one(NAME, None, "", Rule::FileTooLong { bound: FILE_BYTES }));
        }
        let remote: RemoteConfig = problem::read(NAME, toml)?;
        let mut config = self.clone();
        if let Some(targets) = remote.targets {
            config.targets = targets;
        }
        if let Some(schedule) = remote.schedule {
            config.schedule = schedule;
        }
        check::remote(&config, &locate::Source::new(NAME, toml))?;
        Ok(config)
    }

    /// The configuration in force as TOML, without secrets.
    pub fn show(&self) -> String {
        let mut shown = toml::Table::try_from(self).expect("every field has a TOML form");
        let brokers = shown.get_mut("broker").and_then(|b| b.as_array_mut());
        for broker in brokers.into_iter().flatten().filter_map(|b| b.as_table_mut()) {
            if let Some(password) = broker.get_mut("password") {
                *password = toml::Value::String("********".into());
            }
        }
        toml::to_string(&shown).expect("a table has a TOML form")
    }

    /// The brokers with their passwords read.
    pub fn brokers(&self) -> anyhow::Result<Vec<BrokerConfig>> {
        self.brokers.iter().map(BrokerTable::resolve).collect()
    }

    pub fn wire_setup(&self) -> Option<Setup> {
        self.setup.clone().map(|s| Setup {
            environment: s.environment,
            height_m: s.height_m,
            antenna: s.antenna,
            gain_dbi: s.gain_dbi,
            cable_loss_db: s.cable_loss_db,
            device_model: s.device_model,
            bands: s.bands,
            offset_db: s.offset_db,
            calibrated_at_ms: s.calibrated_at_ms,
        })
    }
}
