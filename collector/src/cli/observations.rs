//! `observations list` and `observations tail`: what has been measured, from the store, as a reader.
//!
//! In: filters. Out: one line each, oldest first. Works beside a running collector and never disturbs it: each look
//! is one short read. Limits: `--limit`, and [`PAGE`] rows a look.

use super::output::{self, paint, print};
use super::{describe, when};
use crate::config::Config;
use crate::store::{AtState, ObservationQuery, ObservationRow, Readers};
use clap::Subcommand;
use phusong_protocol::{ProbeId, ReadingKind};
use std::time::Duration;

/// Rows of one look at the store.
const PAGE: u32 = 1_000;
/// How often a tail looks: faster than a person notices, slower than a commit costs.
const LOOK: Duration = Duration::from_millis(300);
/// The number of a failure on the wire, beside the kinds of readings.
const FAILURE: u16 = 64;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The newest by event time, oldest first.
    List(Filters),
    /// The last ones, then each as it is committed, until Ctrl-C.
    Tail(Filters),
}

#[derive(Debug, clap::Args)]
pub struct Filters {
    /// Of this probe only.
    #[arg(long)]
    probe: Option<ProbeId>,
    /// Not older than this: 15m, 2h, 3d, 2026-11-22 or 2026-11-22T10:00:00Z (event time, UTC).
    #[arg(long, value_parser = when::parse, value_name = "TIME")]
    since: Option<i64>,
    /// Of this kind only: latency, tcp, summary, failure, ...
    #[arg(long, value_parser = kind)]
    kind: Option<u16>,
    /// At most so many; of a tail: so many to begin with.
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// One JSON object per line.
    #[arg(long)]
    json: bool,
}

fn kind(name: &str) -> Result<u16, String> {
    if name == "failure" {
        return Ok(FAILURE);
    }
    let known = ReadingKind::ALL.into_iter().find(|kind| kind.name() == name);
    known.map(ReadingKind::code).ok_or_else(|| {
        let names: Vec<&str> = ReadingKind::ALL.into_iter().map(ReadingKind::name).chain(["failure"]).collect();
        format!("`{name}` is no kind: write one of {}", names.join(", "))
    })
}

pub fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let readers = Readers::of(&config.data_dir);
    match command {
        Command::List(filters) => list(&readers, &filters),
        Command::Tail(filters) => super::runtime()?.block_on(tail(&readers, &filters)),
    }
}

impl Filters {
    fn query(&self) -> ObservationQuery {
        ObservationQuery {
            probe: self.probe.clone(),
            since_ms: self.since,
            kind: self.kind,
            after_id: None,
            limit: self.limit,
        }
    }
}

fn list(readers: &Readers, filters: &Filters) -> anyhow::Result<()> {
    let rows = readers.connect()?.observations(&filters.query())?;
    rows.iter().try_for_each(|row| show(row, filters.json))
}

async fn tail(readers: &Readers, filters: &Filters) -> anyhow::Result<()> {
    // The order of these two reads: a row committed between them is shown twice rather than never.
    let mut after = readers.connect()?.newest_id()?;
    list(readers, filters)?;
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            _ = &mut interrupted => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
        loop {
            let query = ObservationQuery { after_id: Some(after), limit: PAGE, ..filters.query() };
            let rows = readers.connect()?.observations(&query)?;
            rows.iter().try_for_each(|row| show(row, filters.json))?;
            after = rows.last().map_or(after, |row| row.id);
            if rows.len() < PAGE as usize {
                break;
            }
        }
    }
}

fn show(row: &ObservationRow, json: bool) -> anyhow::Result<()> {
    if json {
        return print(&describe::to_json(row).to_string());
    }
    print(&line(row, output::colours()))
}

fn line(row: &ObservationRow, colours: bool) -> String {
    let doubt = if row.at_state == AtState::Uncertain { "?" } else { " " };
    let target = row.target.as_ref().map_or("", |target| target.name.as_str());
    let uplink = row.uplink.as_ref().map_or("", |uplink| uplink.interface.as_str());
    let result = output::cut(&describe::result(&row.outcome));
    let probe = output::cut(&format!("{}/{}", row.site, row.probe));
    format!(
        "{}{doubt} {probe:<24} {:<13} {:<14} {:<8} {}",
        when::show(row.at_ms),
        describe::kind(&row.outcome),
        output::cut(target),
        output::cut(uplink),
        paint(&result, describe::colour(&row.outcome), colours),
    )
}
