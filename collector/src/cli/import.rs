//! `import FILE..`: takes what comes as files, beside a running collector or without one.
//!
//! In: what `phusong-agent spool export` wrote, logs of phones, CSV of other tools; each is known by its content. Out:
//! rows; for a spool the file for `phusong-agent spool ack`; for logs what was refused and why. Importing a file twice
//! changes nothing.

mod logs;
mod progress;

use super::output::print;
use super::when;
use crate::collector::store_options;
use crate::config::Config;
use crate::import::{self, Format};
use crate::store::{Store, StoreError};
use anyhow::{Context, bail};
use phusong_protocol::ProbeId;
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Import {
    /// An exported spool; or logs: CSV and GeoPackage of Network Survey, any CSV with a map of its columns.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to write the acknowledgements for `phusong-agent spool ack`; default: FILE.acks.
    #[arg(long, value_name = "FILE")]
    acks: Option<PathBuf>,
    /// The mobile probe that logs are of; `phone add` registers one.
    #[arg(long, value_name = "NAME")]
    probe: Option<ProbeId>,
    /// What the columns of a CSV mean (docs/import.md).
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// The SIM of the whole log, as 452-04, where its states of the phone do not say it.
    #[arg(long, value_name = "PLMN")]
    sim_plmn: Option<String>,
    /// Stores nothing: shows what was recognised, the first rows as they would be stored, and what would be refused.
    #[arg(long)]
    preview: bool,
    /// Writes everything that was refused there, and why, as CSV.
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(config: &Config, args: &Import) -> anyhow::Result<()> {
    let recognise = |file: &PathBuf| {
        let wanted = || format!("{}: give the file that `spool export` wrote, or a log", file.display());
        let format = import::recognise(file).with_context(wanted)?;
        Ok((file.clone(), format))
    };
    let files = args.files.iter().map(recognise).collect::<anyhow::Result<Vec<_>>>()?;
    match &files[..] {
        [(file, Format::Spool)] => {
            let of_logs = args.probe.is_some() || args.map.is_some() || args.sim_plmn.is_some();
            if of_logs || args.preview || args.refused.is_some() {
                bail!(
                    "{} is a spool, which names its own probe: --probe, --map, --sim-plmn, --preview and --refused are of \
                     logs",
                    file.display()
                );
            }
            spool(config, args, file)
        }
        all if all.iter().any(|(_, format)| *format == Format::Spool) => {
            bail!("a spool is imported alone: it has its own acknowledgements")
        }
        _ if args.acks.is_some() => bail!("--acks is of spools; nothing waits for the acknowledgement of a log"),
        _ => logs::run(config, args, files),
    }
}

fn spool(config: &Config, args: &Import, file: &Path) -> anyhow::Result<()> {
    let shown = file.display();
    let from = File::open(file).with_context(|| format!("{shown}: give the file that `spool export` wrote"))?;
    let acks = args.acks.clone().unwrap_or_else(|| {
        let mut name = file.as_os_str().to_owned();
        name.push(".acks");
        name.into()
    });
    let (store, _) = beside(config)?;
    let out = File::create(&acks).with_context(|| format!("{} cannot be written", acks.display()))?;
    let mut out = BufWriter::new(out);
    let live = std::io::stderr().is_terminal();
    let progress = |batches| {
        if live {
            eprint!("\r{batches} batches");
        }
    };
    let imported = import::run(store, BufReader::new(from), &mut out, when::now_ms(), progress);
    if live {
        eprintln!();
    }
    // Also after an error: what was committed before may be forgotten by the agent.
    out.flush().and_then(|()| out.get_ref().sync_all()).with_context(|| format!("{}", acks.display()))?;
    let imported = imported.with_context(|| format!("{shown}"))?;
    if args.json {
        print(
            &json!({
                "batches": imported.batches,
                "stored": imported.stored,
                "duplicate": imported.duplicate,
                "dead_letters": imported.dead_letters,
                "unauthorised": imported.unauthorised,
                "acks": acks,
            })
            .to_string(),
        )?;
    } else {
        print(&format!(
            "{} batches: {} samples stored, {} known already, {} dead letters\nacknowledgements: {} (for `phusong-agent spool ack`)",
            imported.batches,
            imported.stored,
            imported.duplicate,
            imported.dead_letters,
            acks.display()
        ))?;
    }
    if imported.unauthorised > 0 {
        bail!(
            "{} samples are of a probe that is not registered: `probe add`, then import again",
            imported.unauthorised
        );
    }
    Ok(())
}

/// The store for writing, and whether a collector runs beside.
pub fn beside(config: &Config) -> anyhow::Result<(Store, bool)> {
    match Store::open(&config.data_dir, store_options(config), when::now_ms()) {
        Err(StoreError::InUse { .. }) => Ok((Store::open_beside(&config.data_dir, store_options(config))?, true)),
        other => Ok((other?, false)),
    }
}
