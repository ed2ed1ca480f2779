//! `import FILE [--acks FILE]`: takes a spool that came as a file, beside a running collector or without one.
//!
//! In: what `phusong-agent spool export` wrote. Out: rows, and the file for `phusong-agent spool ack`. Importing a
//! file twice changes nothing.

use super::output::print;
use super::when;
use crate::collector::store_options;
use crate::config::Config;
use crate::import;
use crate::store::{Store, StoreError};
use anyhow::{Context, bail};
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Import {
    /// The exported spool.
    file: PathBuf,
    /// Where to write the acknowledgements for `phusong-agent spool ack`; default: FILE.acks.
    #[arg(long, value_name = "FILE")]
    acks: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(config: &Config, args: &Import) -> anyhow::Result<()> {
    let shown = args.file.display();
    let from = File::open(&args.file).with_context(|| format!("{shown}: give the file that `spool export` wrote"))?;
    let acks = args.acks.clone().unwrap_or_else(|| {
        let mut name = args.file.clone().into_os_string();
        name.push(".acks");
        name.into()
    });
    let store = beside(config)?;
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

/// The store for writing, whether a collector runs or not.
pub fn beside(config: &Config) -> anyhow::Result<Store> {
    match Store::open(&config.data_dir, store_options(config), when::now_ms()) {
        Err(StoreError::InUse { .. }) => Ok(Store::open_beside(&config.data_dir, store_options(config))?),
        other => Ok(other?),
    }
}
