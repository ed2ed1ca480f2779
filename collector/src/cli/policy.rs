//! `policy list|show|add`: the versions of the thresholds, each from its day on.
//!
//! In: a TOML file of what differs from the product's. Out: the next version; versions in words and as JSON. Adding one
//! changes nothing that was judged before: that is `recompute`. Works beside a running collector.

use super::output::{print, table};
use super::when;
use crate::areas::show_day;
use crate::config::Config;
use crate::derive::policies::{Version, Versions, json};
use crate::store::derived::{Shelf, database};
use crate::store::{Readers, StoreError};
use anyhow::bail;
use clap::Subcommand;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists all versions.
    List {
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Shows every threshold of a version.
    Show {
        version: u32,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Adds a version. From its day on it judges what is measured; what was judged before stays.
    Add {
        /// TOML: `effective_from = "2026-12-01"`, and the thresholds that differ from the product's.
        file: PathBuf,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { json } => list(&versions(config)?, json),
        Command::Show { version, json } => {
            let versions = versions(config)?;
            let Some(found) = versions.find(version) else {
                bail!("there is no policy {version}; `policy list` shows those that are");
            };
            if json { print(&object(found, true).to_string()) } else { print(&words(found)) }
        }
        Command::Add { file, json } => {
            let mut version = Version::read(&file)?;
            let shelf = shelf(config)?;
            version.policy.version = shelf.add_policy(version.policy.effective_from_ms, &version.content())?;
            if json { print(&object(&version, false).to_string()) } else { print(&added(&version)) }
        }
    }
}

/// What the collector derives into.
fn shelf(config: &Config) -> anyhow::Result<Shelf> {
    // Says what to do where the collector never ran.
    drop(Readers::of(&config.data_dir).connect()?);
    Ok(Shelf::open(&config.data_dir, when::now_ms())?)
}

fn versions(config: &Config) -> anyhow::Result<Versions> {
    drop(Readers::of(&config.data_dir).connect()?);
    let mut shelf = Shelf::passing()?;
    match shelf.take(&config.data_dir, &[]) {
        // Nothing was derived yet: the product's alone.
        Err(StoreError::Missing { path }) if path == database(&config.data_dir) => {}
        taken => taken?,
    }
    Ok(Versions::load(&shelf)?)
}

/// The product's holds from the beginning of time.
fn day(version: &Version) -> Option<String> {
    let ms = version.policy.effective_from_ms;
    (ms != i64::MIN).then(|| show_day(ms))
}

fn object(version: &Version, whole: bool) -> Value {
    let number = |(key, value): (&str, f64)| (key.to_owned(), json(value));
    let differs: Map<String, Value> = version.differs().map(number).collect();
    let mut object = json!({
        "version": version.policy.version,
        "effective_from": day(version),
        "differs": differs,
        "note": version.note,
        "source": version.source,
    });
    if whole {
        object["thresholds"] = Value::Object(version.values().map(number).collect());
    }
    object
}

fn list(versions: &Versions, json: bool) -> anyhow::Result<()> {
    if json {
        return versions.all.iter().try_for_each(|version| print(&object(version, false).to_string()));
    }
    let in_force = versions.policies(when::now_ms()).at(when::now_ms()).version;
    let cells = versions.all.iter().map(|version| {
        let differs: Vec<String> = version.differs().map(|(key, value)| format!("{key} = {value}")).collect();
        vec![
            version.policy.version.to_string(),
            day(version).unwrap_or_else(|| "always".into()),
            if version.policy.version == in_force { "in force".into() } else { String::new() },
            differs.join(", "),
            version.note.clone().unwrap_or_default(),
        ]
    });
    print(&table(&["version", "from", "", "differs from the product's", "note"], &cells.collect::<Vec<_>>()))
}

fn words(version: &Version) -> String {
    let differs: Vec<&str> = version.differs().map(|(key, _)| key).collect();
    let mut lines = vec![
        format!("policy {} from {}", version.policy.version, day(version).unwrap_or_else(|| "always".into())),
        format!("  {:<20} {}", "note", version.note.as_deref().unwrap_or_default()),
        format!("  {:<20} {}", "source", version.source.as_deref().unwrap_or_default()),
    ];
    lines.extend(version.values().map(|(key, value)| {
        let mark = if differs.contains(&key) { "  (differs from the product's)" } else { "" };
        format!("  {key:<20} {value}{mark}")
    }));
    lines.join("\n")
}

fn added(version: &Version) -> String {
    let (number, day) = (version.policy.version, day(version).unwrap_or_default());
    let now = if version.policy.effective_from_ms > when::now_ms() {
        "until then nothing changes".to_owned()
    } else {
        format!(
            "what was judged already stays as it is; `recompute --since {day} --dry-run` says what it would change, \
             `recompute --since {day}` does it"
        )
    };
    format!("policy {number} holds from {day} on; {now}")
}
