//! `probe add|password|list|move|retire|trust`: who may send, standing where.
//!
//! In: names and places. Out: rows of the registry, and the credentials for the broker, shown once. Works beside a
//! running collector, which reads the registry anew after each change.

use super::output::{print, table};
use super::when;
use crate::config::Config;
use crate::password;
use crate::store::{self, NewProbe, ProbeRow, Readers, Registrar, Standing, Store, StoreError, StoreOptions};
use anyhow::{Context, bail};
use clap::Subcommand;
use phusong_coverage::Place;
use phusong_protocol::{ProbeId, SiteId};
use serde_json::json;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Registers a probe and makes its password.
    Add(Add),
    /// Makes a new password for a registered probe.
    Password(Password),
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
pub struct Add {
    /// 1 to 32 of a-z, 0-9 and '-'; unique in the installation.
    name: ProbeId,
    /// The site it belongs to, of the same letters.
    #[arg(long)]
    site: SiteId,
    /// Words for people, as "Nhà văn hóa Nà Chèn".
    #[arg(long)]
    label: Option<String>,
    #[command(flatten)]
    place: At,
    /// The code of its hamlet; without it, the hamlet is found by position.
    #[arg(long, value_name = "CODE", requires = "lat")]
    hamlet: Option<String>,
    /// Which power supply it hangs on, as "lo-471": probes on another one tell a local power cut from a failed network.
    #[arg(long, requires = "lat")]
    supply: Option<String>,
    #[command(flatten)]
    to: PasswordTo,
}

#[derive(Debug, clap::Args)]
pub struct Password {
    name: ProbeId,
    #[command(flatten)]
    to: PasswordTo,
}

#[derive(Debug, clap::Args)]
struct PasswordTo {
    /// Mosquitto's password file: the probe's line is written there.
    #[arg(long, value_name = "FILE")]
    passwd_file: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
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
        Command::Add(add) => {
            let place = add.place.place()?.map(|at| Standing { at, hamlet: add.hamlet, supply: add.supply });
            let new = NewProbe { probe: add.name.clone(), site: add.site.clone(), label: add.label, place };
            registrar(&config.data_dir)?.add(&new, now)?;
            give_password(&add.name, Some(&add.site), &add.to)
        }
        Command::Password(of) => {
            let known = Readers::of(&config.data_dir).connect()?.probes()?;
            match known.iter().find(|row| row.probe == of.name.as_str()) {
                Some(row) if row.retired_ms.is_some() => {
                    bail!("probe {} was retired; add one under a new name", of.name)
                }
                Some(_) => give_password(&of.name, None, &of.to),
                None => bail!("probe {} is not registered: `probe add {} --site SITE`", of.name, of.name),
            }
        }
        Command::List { json } => list(&Readers::of(&config.data_dir).connect()?.probes()?, json),
        Command::Move(to) => {
            let Move { name, site, label, place, hamlet, supply } = to;
            let also = if site.is_some() { "; give the new site to its agent too, its topic holds it" } else { "" };
            let change = store::Move { site, label, at: place.place()?, hamlet, supply };
            registrar(&config.data_dir)?.relocate(&name, &change, now)?;
            print(&format!("probe {name} is moved{also}"))
        }
        Command::Retire { name } => {
            registrar(&config.data_dir)?.retire(&name, now)?;
            print(&format!("probe {name} is retired; now remove its line from the broker's password file"))
        }
        Command::Trust { name } => {
            registrar(&config.data_dir)?.clear_clone_suspicion(&name)?;
            print(&format!("probe {name} is trusted again"))
        }
    }
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
        if std::fs::metadata(&path)?.uid() != owner.uid() {
            std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid()))?;
        }
    }
    Ok(())
}

fn give_password(name: &ProbeId, site: Option<&SiteId>, to: &PasswordTo) -> anyhow::Result<()> {
    let password = password::generate()?;
    let line = password::line(name.as_str(), &password)?;
    if let Some(file) = &to.passwd_file {
        password::put_line(file, name.as_str(), &line)
            .with_context(|| format!("the password was not written; try again: `probe password {name}`"))?;
    }
    if to.json {
        let answer = json!({
            "username": name,
            "site": site,
            "password": password,
            "passwd_line": line,
            "passwd_file": to.passwd_file,
        });
        return print(&answer.to_string());
    }
    let mut text = String::new();
    if let Some(site) = site {
        text += &format!("Probe {name} of site {site} is registered.\n");
    }
    text += &format!("  username  {name}\n  password  {password}\n");
    text += "The password is shown this once; write it into the agent's configuration.\n";
    text += &match &to.passwd_file {
        Some(file) => {
            format!("Its line is in {}; now let the broker read it: systemctl reload mosquitto", file.display())
        }
        None => format!("Line for Mosquitto's password file (then: systemctl reload mosquitto):\n{line}"),
    };
    print(&text)
}

fn list(rows: &[ProbeRow], json: bool) -> anyhow::Result<()> {
    if json {
        return rows.iter().try_for_each(|row| print(&to_json(row).to_string()));
    }
    let cells: Vec<Vec<String>> = rows.iter().map(to_cells).collect();
    print(&table(
        &["probe", "site", "label", "place", "hamlet", "last contact (UTC)", "missing", "dead letters", "note"],
        &cells,
    ))
}

fn to_cells(row: &ProbeRow) -> Vec<String> {
    let note = match (row.retired_ms, row.clone_suspected_ms) {
        (Some(_), _) => "retired",
        (None, Some(_)) => "identity used by two devices?",
        (None, None) => "",
    };
    vec![
        row.probe.clone(),
        row.site.clone(),
        row.label.clone().unwrap_or_default(),
        row.place.map(|place| place.to_string()).unwrap_or_default(),
        row.hamlet.as_ref().map(|hamlet| format!("{} {}", hamlet.code, hamlet.name)).unwrap_or_default(),
        row.last_contact_ms.map_or_else(|| "never".into(), when::show),
        row.missing.to_string(),
        row.dead_letters.to_string(),
        note.into(),
    ]
}

fn to_json(row: &ProbeRow) -> serde_json::Value {
    json!({
        "probe": row.probe,
        "site": row.site,
        "label": row.label,
        "lat": row.place.map(Place::lat),
        "lon": row.place.map(Place::lon),
        "hamlet": row.hamlet.as_ref().map(|hamlet| &hamlet.code),
        "hamlet_name": row.hamlet.as_ref().map(|hamlet| &hamlet.name),
        "supply": row.supply,
        "created_ms": row.created_ms,
        "retired_ms": row.retired_ms,
        "last_contact_ms": row.last_contact_ms,
        "missing": row.missing,
        "clone_suspected_ms": row.clone_suspected_ms,
        "dead_letters": row.dead_letters,
        "dead_letter_bytes": row.dead_letter_bytes,
    })
}
