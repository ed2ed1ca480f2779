//! `[[modem]]` and `[radio_check]`: which modems are read, by which way, how often; and what may be fetched to see 5G.
//!
//! In: the tables of the file. Out: [`ModemConfig`]s and a [`RadioCheckConfig`] with every default, and which rules they
//! break. Refuses to know: ports, daemons. Limits: [`MODEMS`] modems.

use super::Config;
use super::check::Found;
use super::locate::Step;
use super::problem::Rule;
use crate::probe::http;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// More than a multi-SIM router holds.
pub const MODEMS: usize = 8;
/// Modems answer no faster; what is said holds for 90 s, so a slower look would leave holes.
pub const SIGNAL_MS: RangeInclusive<u64> = 1_000..=60_000;
/// A list is a command of its own, and a site that vanishes is seen within a window.
pub const NEIGHBOURS_MS: RangeInclusive<u64> = 10_000..=3_600_000;
/// A scan takes minutes in which the modem does nothing else.
pub const SCAN_MS: RangeInclusive<u64> = 3_600_000..=2_592_000_000;
/// More than one an hour only costs.
pub const CHECKS_PER_DAY: RangeInclusive<u8> = 1..=24;
/// The most that one check may take: TLS, headers and a buffer that nobody reads included. Reserved before it begins.
pub const CHECK_BYTES: u64 = 1_600_000;

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

/// `[radio_check]`: a paced download that keeps a modem connected for ten seconds. Without it "no 5G" cannot be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RadioCheckConfig {
    /// At least 1.3 MB, as `garbage.php?ckSize=2` of a bandwidth test's back end.
    pub url: String,
    #[serde(default = "default_per_day")]
    pub per_day: u8,
    /// The most that all checks of one uplink take in a month, apart from the bandwidth tests.
    #[serde(default = "default_month_bytes")]
    pub month_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

fn default_per_day() -> u8 {
    2
}

/// What 31 days of the default pace download. A check reserves [`CHECK_BYTES`] and gives back what it did not take.
fn default_month_bytes() -> u64 {
    80_000_000
}

fn default_signal_ms() -> u64 {
    30_000
}

fn default_neighbours_ms() -> u64 {
    300_000
}

/// Every rule of `[[modem]]` and `[radio_check]`.
pub(super) fn check(config: &Config, found: &mut Found<'_>) {
    if config.modems.len() > MODEMS {
        found.add(&[Step::Key("modem"), Step::Item(MODEMS)], Rule::TooMany { max: MODEMS });
    }
    for (i, modem) in config.modems.iter().enumerate() {
        let at = |key| [Step::Key("modem"), Step::Item(i), Step::Key(key)];
        one(modem, &at, found);
        if let Some(first) = config.modems[..i].iter().position(|m| m.name == modem.name) {
            let line = found.line_of(&[Step::Key("modem"), Step::Item(first), Step::Key("name")]);
            found.add(&at("name"), Rule::DuplicateOf { line });
        }
        let same_port = |m: &ModemConfig| m.device.is_some() && m.device == modem.device;
        if let Some(first) = config.modems[..i].iter().position(same_port) {
            let line = found.line_of(&[Step::Key("modem"), Step::Item(first), Step::Key("device")]);
            found.add(&at("device"), Rule::DuplicateOf { line });
        }
    }
    let Some(radio) = &config.radio_check else { return };
    let at = |key| [Step::Key("radio_check"), Step::Key(key)];
    match http::Url::parse(&radio.url) {
        None => found.add(&at("url"), Rule::HttpUrl),
        Some(url) if !url.tls && radio.ca_file.is_some() => found.add(&at("ca_file"), Rule::CaWithoutHttps),
        Some(_) => {}
    }
    found.within(&at("per_day"), &radio.per_day, CHECKS_PER_DAY);
    found.within(&at("month_bytes"), &radio.month_bytes, CHECK_BYTES..=super::check::MONTH_BYTES_MAX);
}

fn one<'a>(modem: &ModemConfig, at: &dyn Fn(&'a str) -> [Step<'a>; 3], found: &mut Found<'_>) {
    let good = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if !(1..=32).contains(&modem.name.len()) || !modem.name.bytes().all(good) {
        found.add(&at("name"), Rule::Name);
    }
    if modem.interface.as_deref().is_some_and(|name| !super::check::is_interface(name)) {
        found.add(&at("interface"), Rule::InterfaceName);
    }
    found.text(&at("model"), modem.model.as_deref());
    found.within(&at("signal_ms"), &modem.signal_ms, SIGNAL_MS);
    found.within(&at("neighbours_ms"), &modem.neighbours_ms, NEIGHBOURS_MS);
    if let Some(scan_ms) = &modem.scan_ms {
        found.within(&at("scan_ms"), scan_ms, SCAN_MS);
    }
    let (source, needed) = (modem.source, |key: &'static str| Rule::NeededBy { key, source: modem.source.word() });
    if source == ModemSource::At && modem.device.is_none() {
        found.add(&at("source"), needed("device"));
    }
    if source == ModemSource::Command && modem.command.is_empty() {
        found.add(&at("source"), needed("command"));
    }
    let unused = [
        ("device", modem.device.is_some() && !matches!(source, ModemSource::At | ModemSource::ModemManager)),
        ("command", !modem.command.is_empty() && source != ModemSource::Command),
        ("model", modem.model.is_some() && source != ModemSource::At),
    ];
    for (key, _) in unused.into_iter().filter(|(_, given)| *given) {
        found.add(&at(key), Rule::NotOf { source: source.word() });
    }
    if source == ModemSource::ModemManager && !cfg!(feature = "modemmanager") {
        found.add(&at("source"), Rule::NotInThisBuild { source: source.word() });
    }
}

impl ModemSource {
    pub fn word(self) -> &'static str {
        match self {
            ModemSource::ModemManager => "modemmanager",
            ModemSource::At => "at",
            ModemSource::Termux => "termux",
            ModemSource::Command => "command",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::throughput::paced;

    #[test]
    fn checks_of_a_month_cost_80_mb_and_each_reserves_more_than_it_downloads() {
        assert_eq!(default_month_bytes(), 80_000_000);
        let downloaded = 31 * u64::from(default_per_day()) * paced::BYTES;
        assert!(downloaded.abs_diff(default_month_bytes()) * 100 < default_month_bytes(), "{downloaded}");
        // The buffer, and one twentieth for headers and acknowledgements.
        const { assert!(CHECK_BYTES > (paced::BYTES + 160 * 1024) / 20 * 21) };
    }
}
