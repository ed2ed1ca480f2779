//! `probe add|join|password|list|move|retire|trust`: who may send, standing where.
//!
//! In: names and places. Out: rows of the registry, and what a probe logs in with, shown once. Works beside a
//! running collector, which reads the registry anew after each change.

pub(super) mod add;
mod bulk;
pub(super) mod invite;
mod list;
pub(super) mod qr;
pub(super) mod stand;
pub(super) mod way;

use super::output::print;
use super::when;
use crate::config::Config;
use crate::credentials::Credentials;
use crate::store::{self, Readers, Registrar, RegistryError, Store, StoreError, StoreOptions};
use anyhow::Context;
use clap::Subcommand;
use phusong_coverage::Place;
use phusong_protocol::{ProbeId, SiteId};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Registers a probe, or a file of many, and makes the code with which it joins.
    Add(Box<add::Add>),
    /// Makes a new code for a registered probe: its device was replaced, or the code is too old.
    Join(add::Join),
    /// Makes a new password for a registered probe.
    Password(add::Password),
    /// Lists all probes, retired ones too.
    List {
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Moves a probe to another site or place, or gives it another label.
    Move(Move),
    /// Refuses a probe from now on. What it sent stays; its name is never given again.
    Retire { name: ProbeId },
    /// Takes back the suspicion that two devices use this identity, after somebody has looked.
    Trust { name: ProbeId },
}

#[derive(Debug, clap::Args)]
pub struct Move {
    name: ProbeId,
    #[arg(long)]
    site: Option<SiteId>,
    #[arg(long)]
    label: Option<String>,
    #[command(flatten)]
    place: At,
    /// The code of its hamlet; without a position it corrects the place where the probe stands.
    #[arg(long, value_name = "CODE")]
    hamlet: Option<String>,
    /// Which power supply it hangs on; without a position it corrects the place where the probe stands.
    #[arg(long)]
    supply: Option<String>,
}

/// Where a fixed probe stands.
#[derive(Debug, Clone, Copy, clap::Args)]
struct At {
    /// Degrees north (WGS 84).
    #[arg(long, requires = "lon", allow_hyphen_values = true)]
    lat: Option<f64>,
    /// Degrees east.
    #[arg(long, requires = "lat", allow_hyphen_values = true)]
    lon: Option<f64>,
}

impl At {
    fn place(self) -> anyhow::Result<Option<Place>> {
        self.lat.zip(self.lon).map(|(lat, lon)| Ok(Place::new(lat, lon)?)).transpose()
    }
}

pub fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let now = when::now_ms();
    match command {
        Command::Add(add) => add::add(config, *add, now),
        Command::Join(join) => add::join(config, &join, now),
        Command::Password(of) => add::password(config, &of),
        Command::List { json } => list::list(&Readers::of(&config.data_dir).connect()?.probes()?, json),
        Command::Move(to) => {
            let Move { name, site, label, place, hamlet, supply } = to;
            let also = if site.is_some() { "; give the new site to its agent too, its topic holds it" } else { "" };
            let change = store::Move { site, label, at: place.place()?, hamlet, supply };
            registrar(&config.data_dir)?.relocate(&name, &change, now)?;
            print(&format!("probe {name} is moved{also}"))
        }
        Command::Retire { name } => retire(config, &name, now),
        Command::Trust { name } => {
            registrar(&config.data_dir)?.clear_clone_suspicion(&name)?;
            print(&format!("probe {name} is trusted again"))
        }
    }
}

/// Also of one that was retired before: its credentials may have outlived a crash.
fn retire(config: &Config, name: &ProbeId, now: i64) -> anyhow::Result<()> {
    let retired = registrar(&config.data_dir)?.retire(name, now);
    if matches!(retired, Ok(()) | Err(RegistryError::Retired { .. })) && way::embedded(config) {
        Credentials::open(&config.data_dir)?.remove(name, now)?;
    }
    retired?;
    if way::embedded(config) {
        return print(&format!("probe {name} is retired; its password and its code are void"));
    }
    print(&format!("probe {name} is retired; now remove its line from the broker's password file"))
}

/// Registering before the first start makes the database.
pub fn registrar(dir: &Path) -> anyhow::Result<Registrar> {
    match Registrar::open(dir) {
        Err(StoreError::Missing { .. }) => {}
        other => return Ok(other?),
    }
    drop(Store::open(dir, StoreOptions::default(), when::now_ms())?);
    keep_owner(dir).with_context(|| format!("giving the new database to the owner of {}", dir.display()))?;
    Ok(Registrar::open(dir)?)
}

/// What root made in a service's directory is the service's.
fn keep_owner(dir: &Path) -> std::io::Result<()> {
    let owner = std::fs::metadata(dir)?;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        match std::fs::symlink_metadata(&path) {
            Ok(meta) if meta.uid() == owner.uid() || meta.is_symlink() => {}
            Ok(_) => std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid()))?,
            // The collector beside us replaced it.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// The same for what the embedded broker needs, which the first code may have made.
fn keep_broker_s_owner(data_dir: &Path) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let kept = keep_owner(data_dir).and_then(|()| keep_owner(&data_dir.join("broker")));
    kept.with_context(|| format!("giving the broker's files to the owner of {}", data_dir.display()))
}
