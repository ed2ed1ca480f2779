//! `[[modem]]`: which modems are read, by which way, how often.
//!
//! In: the tables of the file. Out: [`ModemConfig`]s with every default. Refuses to know: ports, daemons. Limits: 8
//! modems.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How a modem is read. One owner per port: where ModemManager runs, it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModemSource {
    /// Over D-Bus; not in the slim build.
    ModemManager,
    /// AT commands over `device`.
    At,
    /// `termux-telephony-cellinfo` and its siblings on an Android phone.
    Termux,
    /// Any program that prints our JSON, one object a line.
    Command,
}

/// One modem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModemConfig {
    pub name: String,
    pub source: ModemSource,
    /// The serial port of `at`; of `modemmanager` the modem's physical device or IMEI, absent: every modem it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<PathBuf>,
    /// The network interface whose uplink it carries; absent: what the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Of `at`: speaks for the modem where it names itself wrongly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Of `command`: the program and its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Between readings of the serving cell.
    #[serde(default = "default_signal_ms")]
    pub signal_ms: u64,
    #[serde(default = "default_neighbours_ms")]
    pub neighbours_ms: u64,
    /// Between scans for operators; absent: only on demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_ms: Option<u64>,
}

fn default_signal_ms() -> u64 {
    30_000
}

fn default_neighbours_ms() -> u64 {
    300_000
}
