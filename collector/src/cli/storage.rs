//! `storage forecast`: how large the store will become with this retention, and when the disk would be full.
//!
//! In: the configuration, also of one that does not run yet. Out: a few lines, or JSON. Works beside a running collector.

use super::output::print;
use crate::collector::retention;
use crate::config::Config;
use crate::store::{Forecast, Readers, forecast};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What the store comes to at its present pace.
    Forecast {
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let Command::Forecast { json } = command;
    let reader = Readers::of(&config.data_dir).connect()?;
    let probes = reader.probes()?.iter().filter(|probe| probe.retired_ms.is_none()).count();
    let forecast = forecast(probes as u64, &reader, &retention(config))?;
    if json {
        return print(&serde_json::to_string(&forecast)?);
    }
    print(&text(&forecast, config))
}

fn text(forecast: &Forecast, config: &Config) -> String {
    let days = &config.retention;
    let full = match forecast.days_until_full {
        None => "never at this pace".to_owned(),
        Some(days) => format!("in {days} days at this pace"),
    };
    let basis = if forecast.measured {
        "measured on the rows of the last week"
    } else {
        "partly assumed: too little has come yet, so the default mix of a probe stands in"
    };
    let fields = [
        ("now", bytes(forecast.bytes_now)),
        ("a day", bytes(forecast.bytes_per_day)),
        (
            "at most",
            format!(
                "{}, with {} days raw, {} derived",
                bytes(forecast.bytes_at_steady_state),
                days.raw_days,
                days.derived_days
            ),
        ),
        ("disk free", bytes(forecast.disk_free_bytes)),
        ("disk full", full),
        ("samples", format!("{} a day of {} bytes", forecast.observations_per_day, forecast.bytes_per_observation)),
        ("windows", format!("{} a day of {} bytes", forecast.windows_per_day, forecast.bytes_per_window)),
        ("basis", basis.to_owned()),
    ];
    let lines: Vec<String> = fields.iter().map(|(name, value)| format!("{name:<10} {value}")).collect();
    lines.join("\n")
}

/// For a person: 1.5 GB, in powers of ten as disks are sold.
fn bytes(n: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.into_iter().find(|(unit, _)| n >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", n as f64 / unit as f64),
        None => format!("{n} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_disks_are_sold() {
        for (n, shown) in [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (9_876_543_210, "9.9 GB")] {
            assert_eq!(bytes(n), shown);
        }
    }
}
