//! `[position]`, `[power]` and `[survey]`: the receiver, the supply, and the walk.
//!
//! In: the tables of the file. Out: types with every default, or the complaint about a value. Refuses to know: sockets,
//! pins, programs. Limits: the constants below, each with its reason.

use phusong_protocol::limits;
use serde::{Deserialize, Serialize};

/// Where gpsd listens unless somebody moved it.
pub const GPSD: &str = "127.0.0.1:2947";
/// A program's arguments: more is a script's task.
pub const COMMAND_PARTS: usize = 16;
/// Of `power.command_ms`: faster starts programs for nothing, slower misses the mains that fail.
pub const COMMAND_MS: std::ops::RangeInclusive<u64> = 500..=600_000;

/// Who knows where the probe is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PositionSource {
    /// It stands where `[place]` and the registry say.
    #[default]
    Fixed,
    /// A receiver that gpsd reads.
    Gpsd,
    /// The receiver of a modem.
    Modem,
}

/// `[position]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PositionConfig {
    pub source: PositionSource,
    /// `host:port`.
    pub gpsd: String,
}

/// `[power]`: a mains input besides what the kernel shows by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PowerConfig {
    /// Number of an input line under `/sys/class/gpio` that is high while there is mains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpio: Option<u32>,
    /// The line is low while there is mains.
    pub gpio_active_low: bool,
    /// A program that prints 1 or 0, or ends with 0 while there is mains and with 1 while there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Between two runs of it.
    pub command_ms: u64,
}

/// `[survey]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SurveyConfig {
    /// The `[[target]]` that is asked at each point; absent: the first that is no gateway and loads nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Run on entering a hole and on leaving one, which `PHUSONG_HOLE` (enter, leave) tells it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hole_command: Vec<String>,
}

impl Default for PositionConfig {
    fn default() -> Self {
        PositionConfig { source: PositionSource::Fixed, gpsd: GPSD.into() }
    }
}

impl Default for PowerConfig {
    fn default() -> Self {
        PowerConfig { gpio: None, gpio_active_low: false, command: Vec::new(), command_ms: 10_000 }
    }
}

impl PositionConfig {
    /// Whether its samples say where they were taken.
    pub fn is_mobile(&self) -> bool {
        self.source != PositionSource::Fixed
    }

    /// The complaint: "position.key: what would be right".
    pub fn check(&self, has_place: bool) -> Result<(), String> {
        let port = self.gpsd.rsplit_once(':').map(|(host, port)| (host.is_empty(), port.parse::<u16>()));
        if self.gpsd.len() > limits::STRING_BYTES || !matches!(port, Some((false, Ok(1..)))) {
            return Err("position.gpsd : must be host:port, as \"127.0.0.1:2947\"".into());
        }
        if self.is_mobile() && has_place {
            return Err("position.source : a probe with a receiver has no fixed [place]; remove one of the two".into());
        }
        Ok(())
    }
}

impl PowerConfig {
    pub fn check(&self) -> Result<(), String> {
        command("power.command", &self.command)?;
        if self.gpio.is_none() && self.gpio_active_low {
            return Err("power.gpio_active_low : says nothing without `gpio`; remove it or name the line".into());
        }
        if !COMMAND_MS.contains(&self.command_ms) {
            let (min, max) = (COMMAND_MS.start(), COMMAND_MS.end());
            return Err(format!("power.command_ms : must be between {min} and {max}"));
        }
        Ok(())
    }
}

impl SurveyConfig {
    /// `targets` are the names of those that can be asked at each point.
    pub fn check(&self, targets: &[&str]) -> Result<(), String> {
        command("survey.hole_command", &self.hole_command)?;
        match &self.target {
            Some(name) if !targets.contains(&name.as_str()) => {
                Err("survey.target : must be the name of a [[target]] of kind icmp, tcp or dns".into())
            }
            _ => Ok(()),
        }
    }
}

fn command(field: &str, parts: &[String]) -> Result<(), String> {
    let long = parts.iter().any(|part| part.len() > 4 * limits::STRING_BYTES);
    if parts.len() > COMMAND_PARTS || long || parts.first().is_some_and(|program| program.is_empty()) {
        return Err(format!("{field} : must be a program and at most {} arguments", COMMAND_PARTS - 1));
    }
    Ok(())
}
