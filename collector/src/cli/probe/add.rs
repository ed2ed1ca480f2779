//! `probe add|join|password`: a probe is registered and gets what it logs in with, shown once.
//!
//! In: a name and a place, or a file of many. Out: rows of the registry; a code, or a password and its line. Refuses to
//! know: how a code is drawn. With the embedded broker a code holds a one-time secret; with an external one, which
//! exchanges nothing, the lasting password. First the registry, then the secret: if the second fails, `probe join`
//! makes another.

use super::invite::{Invitation, Shown, show};
use super::stand::Known;
use super::way::{External, Way, embedded};
use super::{At, bulk, registrar};
use crate::cli::output::print;
use crate::config::Config;
use crate::credentials::{Credentials, OFFER_MS};
use crate::password;
use crate::store::{NewProbe, Readers};
use anyhow::{Context, bail};
use phusong_protocol::{ProbeId, SiteId};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Add {
    /// 1 to 32 of a-z, 0-9 and '-'; unique in the installation.
    #[arg(required_unless_present = "from")]
    name: Option<ProbeId>,
    /// The site it belongs to, of the same letters; without it, the only one there is, else its commune's.
    #[arg(long)]
    site: Option<SiteId>,
    /// Words for people, as "Nhà văn hóa Nà Chèn".
    #[arg(long)]
    label: Option<String>,
    #[command(flatten)]
    place: At,
    /// The code of its hamlet; without a position its own point is taken, without it the hamlet is found by position.
    #[arg(long, value_name = "CODE")]
    hamlet: Option<String>,
    /// Which power supply it hangs on, as "lo-471": probes on another one tell a local power cut from a failed network.
    #[arg(long)]
    supply: Option<String>,
    #[command(flatten)]
    many: bulk::Many,
    #[command(flatten)]
    to: PasswordTo,
    #[command(flatten)]
    paper: Paper,
    #[command(flatten)]
    external: External,
}

#[derive(Debug, clap::Args)]
pub struct Join {
    name: ProbeId,
    #[command(flatten)]
    to: PasswordTo,
    #[command(flatten)]
    paper: Paper,
    #[command(flatten)]
    external: External,
}

#[derive(Debug, clap::Args)]
pub struct Password {
    name: ProbeId,
    #[command(flatten)]
    to: PasswordTo,
}

#[derive(Debug, Clone, clap::Args)]
pub struct PasswordTo {
    /// Mosquitto's password file: the probe's line is written there.
    #[arg(long, value_name = "FILE")]
    pub passwd_file: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What only a code has.
#[derive(Debug, Clone, clap::Args)]
pub struct Paper {
    /// Writes the QR code there, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub fn add(config: &Config, add: Add, now_ms: i64) -> anyhow::Result<()> {
    let Some(name) = add.name else {
        return bulk::add(config, &add.many, add.site.as_ref(), &add.to, &add.external, now_ms);
    };
    if add.many.is_asked() {
        bail!("--from takes the names from its file; leave {name} out, or add it alone");
    }
    let mut registrar = registrar(&config.data_dir)?;
    let known = Known::read(&config.data_dir)?;
    let stands = known.stand(add.place.place()?, add.hamlet.clone(), add.supply, now_ms)?;
    let (site, assumed) = match add.site {
        Some(site) => (site, false),
        None => (known.site(add.hamlet.as_deref(), now_ms)?, true),
    };
    // What cannot be said is found before anything is registered.
    let way = Way::of(config, &add.external)?;
    let at = stands.standing.as_ref().map(|standing| standing.at);
    let new = NewProbe { probe: name.clone(), site: site.clone(), label: add.label, place: stands.standing };
    registrar.add(&new, now_ms)?;
    let mut heading = format!("Probe {name} of site {site} is registered.\n");
    if assumed {
        heading += &format!("  site {site}: nobody named one (--site)\n");
    }
    if let (Some(hamlet), Some(at)) = (&stands.point_of, at) {
        heading += &format!("  position {at}: the point of {hamlet} itself, for nobody gave one (--lat, --lon)\n");
    }
    let mut fields = Map::new();
    fields.insert("lat".into(), json!(at.map(phusong_coverage::Place::lat)));
    fields.insert("lon".into(), json!(at.map(phusong_coverage::Place::lon)));
    fields.insert("point_of".into(), json!(stands.point_of));
    give(config, &way, &Given { name: &name, site: &site, heading, fields }, &add.to, &add.paper, now_ms)
}

pub fn join(config: &Config, join: &Join, now_ms: i64) -> anyhow::Result<()> {
    let site = registered(config, &join.name)?;
    let way = Way::of(config, &join.external)?;
    let heading = format!("A new code for probe {} of site {site}; the one before is void.\n", join.name);
    give(
        config,
        &way,
        &Given { name: &join.name, site: &site, heading, fields: Map::new() },
        &join.to,
        &join.paper,
        now_ms,
    )
}

pub fn password(config: &Config, of: &Password) -> anyhow::Result<()> {
    registered(config, &of.name)?;
    let (password, line) = lasting(config, &of.name, &of.to)?;
    say_password(config, &of.name, None, &password, &line, &of.to)
}

/// The site of a probe that may send.
pub fn registered(config: &Config, name: &ProbeId) -> anyhow::Result<SiteId> {
    let known = Readers::of(&config.data_dir).connect()?.probes()?;
    match known.iter().find(|row| row.probe == name.as_str()) {
        Some(row) if row.retired_ms.is_some() => bail!("probe {name} was retired; add one under a new name"),
        Some(row) => Ok(row.site.parse()?),
        None => bail!("probe {name} is not registered: `probe add {name} --site SITE`"),
    }
}

/// What is known of a probe that gets a code.
struct Given<'a> {
    name: &'a ProbeId,
    site: &'a SiteId,
    heading: String,
    fields: Map<String, Value>,
}

/// Makes the secret and shows the code with it.
fn give(
    config: &Config,
    way: &Way,
    given: &Given<'_>,
    to: &PasswordTo,
    paper: &Paper,
    now_ms: i64,
) -> anyhow::Result<()> {
    let shown = Shown { json: to.json, svg: paper.svg.as_deref() };
    let Given { name, site, heading, fields } = given;
    let mut fields = fields.clone();
    fields.insert("username".into(), json!(name));
    fields.insert("site".into(), json!(site));
    fields.insert("passwd_file".into(), json!(to.passwd_file));
    if way.embedded && to.passwd_file.is_none() {
        let failed = || format!("there is no code yet; try again: `probe join {name}`");
        let secret =
            Credentials::open(&config.data_dir).and_then(|all| all.offer(name, now_ms)).with_context(failed)?;
        let invitation = Invitation::new(way, site, name, &secret, Some(now_ms + OFFER_MS))?;
        fields.insert("password".into(), Value::Null);
        fields.insert("passwd_line".into(), Value::Null);
        return show(way, &invitation, fields, heading, shown);
    }
    let (password, line) = lasting(config, name, to)?;
    let invitation = Invitation::new(way, site, name, &password, None)?;
    fields.insert("password".into(), json!(password));
    fields.insert("passwd_line".into(), json!(line));
    let heading = format!("{heading}{}\n", in_words(config, name, &password, &line, to));
    show(way, &invitation, fields, &heading, shown)
}

/// A lasting password and its line, where the broker finds it.
pub fn lasting(config: &Config, name: &ProbeId, to: &PasswordTo) -> anyhow::Result<(String, String)> {
    if embedded(config) && to.passwd_file.is_none() {
        let mut made = Credentials::open(&config.data_dir)?.lasting_all(std::slice::from_ref(name))?;
        let password = made.remove(0);
        let line = password::line(name.as_str(), &password)?;
        return Ok((password, line));
    }
    let password = password::generate()?;
    let line = password::line(name.as_str(), &password)?;
    if let Some(file) = &to.passwd_file {
        password::put_line(file, name.as_str(), &line)
            .with_context(|| format!("the password was not written; try again: `probe password {name}`"))?;
    }
    Ok((password, line))
}

fn say_password(
    config: &Config,
    name: &ProbeId,
    site: Option<&SiteId>,
    password: &str,
    line: &str,
    to: &PasswordTo,
) -> anyhow::Result<()> {
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
    print(&in_words(config, name, password, line, to))
}

fn in_words(config: &Config, name: &ProbeId, password: &str, line: &str, to: &PasswordTo) -> String {
    let mut text = format!("  username  {name}\n  password  {password}\n");
    text += "The password is shown this once; write it into the agent's configuration.\n";
    text += &match &to.passwd_file {
        Some(file) => {
            format!("Its line is in {}; now let the broker read it: systemctl reload mosquitto", file.display())
        }
        None if embedded(config) => "The embedded broker knows it already.".into(),
        None => format!("Line for Mosquitto's password file (then: systemctl reload mosquitto):\n{line}"),
    };
    text
}
