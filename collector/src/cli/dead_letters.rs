//! `dead-letters list|show|replay`: what could not be accepted, why, and once more.
//!
//! In: filters, an id. Out: rows, or one letter with its bytes. A replay takes each letter as if it came now: after
//! an upgrade that knows the reading, or after the registry was put right. Limits: [`PAGE`] letters a look.

use super::import::beside;
use super::output::{print, table};
use super::when;
use crate::config::Config;
use crate::ingest::{Counters, Engine, Replay};
use crate::store::{Letter, LetterQuery, Reader, Readers, Reason};
use anyhow::Context;
use clap::Subcommand;
use phusong_protocol::ProbeId;
use serde_json::json;
use std::sync::Arc;

/// Letters of one look at the store.
const PAGE: u32 = 1_000;
/// Bytes of a letter that are shown to a person.
const SHOWN_BYTES: usize = 1_024;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists them, oldest first.
    List(Filters),
    /// Shows one with its bytes.
    Show {
        id: i64,
        /// Only the bytes, as they came, for a file.
        #[arg(long)]
        raw: bool,
    },
    /// Takes them once more, as if they came now.
    Replay(Filters),
}

#[derive(Debug, clap::Args)]
pub struct Filters {
    /// Of this probe only.
    #[arg(long)]
    probe: Option<ProbeId>,
    /// For this reason only: rejected, conflict, wrong_site, ...
    #[arg(long, value_parser = reason)]
    reason: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = PAGE)]
    limit: u32,
    /// One JSON object per line.
    #[arg(long)]
    json: bool,
}

fn reason(name: &str) -> Result<String, String> {
    if Reason::ALL.iter().any(|reason| reason.name() == name) {
        return Ok(name.to_owned());
    }
    let names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    Err(format!("`{name}` is no reason: write one of {}", names.join(", ")))
}

pub fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(filters) => {
            let letters = find(&Readers::of(&config.data_dir).connect()?, &filters)?;
            list(&letters, filters.json)
        }
        Command::Show { id, raw } => {
            let letter = Readers::of(&config.data_dir).connect()?.letter(id)?;
            show(&letter.with_context(|| format!("there is no dead letter {id}; `dead-letters list` shows them"))?, raw)
        }
        Command::Replay(filters) => replay(config, &filters),
    }
}

fn find(reader: &Reader, filters: &Filters) -> anyhow::Result<Vec<Letter>> {
    let mut found: Vec<Letter> = Vec::new();
    while (found.len() as u32) < filters.limit {
        let query = LetterQuery {
            probe: filters.probe.clone(),
            reason: filters.reason.clone(),
            replayed: false,
            after_id: found.last().map_or(0, |letter| letter.id),
            limit: PAGE.min(filters.limit - found.len() as u32),
        };
        let page = reader.letters(&query)?;
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    Ok(found)
}

fn list(letters: &[Letter], json: bool) -> anyhow::Result<()> {
    if json {
        return letters.iter().try_for_each(|letter| print(&to_json(letter).to_string()));
    }
    let row = |letter: &Letter| {
        vec![
            letter.id.to_string(),
            when::show(letter.received_ms),
            format!("{}/{}", letter.site, letter.probe),
            letter.reason.clone(),
            letter.copies.to_string(),
            letter.bytes.to_string(),
            letter.detail.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = letters.iter().map(row).collect();
    print(&table(&["id", "received (UTC)", "probe", "reason", "copies", "bytes", "detail"], &rows))
}

fn to_json(letter: &Letter) -> serde_json::Value {
    json!({
        "id": letter.id,
        "received_ms": letter.received_ms,
        "site": letter.site,
        "probe": letter.probe,
        "reason": letter.reason,
        "detail": letter.detail,
        "bytes": letter.bytes,
        "copies": letter.copies,
    })
}

fn show(letter: &Letter, raw: bool) -> anyhow::Result<()> {
    use std::io::Write;
    if raw {
        return Ok(std::io::stdout().lock().write_all(&letter.raw)?);
    }
    let fields = [
        ("letter", letter.id.to_string()),
        ("received", format!("{} UTC", when::show(letter.received_ms))),
        ("topic", format!("phusong/v1/{}/{}/batch", letter.site, letter.probe)),
        ("reason", letter.reason.clone()),
        ("detail", letter.detail.clone()),
        ("copies", letter.copies.to_string()),
        ("bytes", letter.raw.len().to_string()),
    ];
    let lines: Vec<String> = fields.iter().map(|(name, value)| format!("{name:<9} {value}")).collect();
    print(&lines.join("\n"))?;
    print(&hex(&letter.raw[..letter.raw.len().min(SHOWN_BYTES)]))
}

fn replay(config: &Config, filters: &Filters) -> anyhow::Result<()> {
    let readers = Readers::of(&config.data_dir);
    let letters = find(&readers.connect()?, filters)?;
    let mut engine = Engine::new(beside(config)?.0, Arc::new(Counters::default()));
    let (mut accepted, mut dead, mut stored) = (0, 0, 0);
    for letter in &letters {
        let what = engine.replay(&readers.connect()?, letter.id, when::now_ms());
        match what.with_context(|| format!("dead letter {}", letter.id))? {
            Replay::Accepted { stored: rows, .. } => {
                accepted += 1;
                stored += rows;
            }
            Replay::StillDead => dead += 1,
            // Another replay runs beside this one.
            Replay::Before | Replay::Unknown => {}
        }
    }
    if filters.json {
        let answer = json!({"accepted": accepted, "still_dead": dead, "stored": stored});
        return print(&answer.to_string());
    }
    print(&format!("{accepted} dead letters accepted ({stored} samples stored), {dead} still not acceptable"))
}

/// Sixteen bytes a line, as hexadecimal and as text.
fn hex(bytes: &[u8]) -> String {
    let line = |(number, chunk): (usize, &[u8])| {
        let digits: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let visible = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        let text: String = chunk.iter().map(visible).collect();
        format!("{:06x}  {:<47}  {text}", number * 16, digits.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_with_their_place_and_their_text() {
        let shown = hex(b"{\"v\":1}\x00\xff0123456789");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "000000  7b 22 76 22 3a 31 7d 00 ff 30 31 32 33 34 35 36  {\"v\":1}..0123456");
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["000010", "37", "38", "39", "789"]);
    }
}
