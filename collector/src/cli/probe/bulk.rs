//! `probe add --from FILE`: many probes at once, all or none, with every wrong line named.
//!
//! In: a CSV file, or the simulator's registrations. Out: rows of the registry in one transaction; passwords and codes
//! in files of their own, readable by their owner alone. Refuses to know: how secrets are made. Everything is tried
//! before anything is kept; the secrets are durable before the probes are registered, so that after a crash the same
//! command is simply run again. Limits: those of `bulk/rows.rs`.

mod rows;

use super::add::PasswordTo;
use super::invite::{Invitation, secret_file};
use super::registrar;
use super::stand::Known;
use super::way::{External, Way, embedded};
use crate::cli::output::print;
use crate::cli::when;
use crate::config::Config;
use crate::credentials::{Credentials, OFFER_MS};
use crate::password::{self, Fresh};
use crate::store::{Entry, ManyError, NewProbe, RegistryError};
use anyhow::{Context, bail};
use phusong_protocol::{ProbeId, SiteId};
use rows::{Problem, Row};
use serde_json::json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Wrong lines that are shown at once.
const SHOWN: usize = 50;

#[derive(Debug, Clone, clap::Args)]
pub struct Many {
    /// Registers all probes of a file: CSV with a heading (probe,site,hamlet,lat,lon,supply,label,since; only probe is
    /// needed), or registrations.json of the simulator.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "lat", "lon", "hamlet", "label", "supply", "svg"])]
    from: Option<PathBuf>,
    /// Writes probe,username,password there: lasting passwords.
    #[arg(long, value_name = "FILE", requires = "from")]
    passwords_out: Option<PathBuf>,
    /// Writes probe,code,expires there.
    #[arg(long, value_name = "FILE", requires = "from")]
    codes_out: Option<PathBuf>,
}

impl Many {
    pub fn is_asked(&self) -> bool {
        self.from.is_some()
    }
}

pub fn add(
    config: &Config,
    many: &Many,
    site: Option<&SiteId>,
    to: &PasswordTo,
    external: &External,
    now_ms: i64,
) -> anyhow::Result<()> {
    let file = many.from.as_deref().context("no file was named")?;
    for out in [&many.passwords_out, &many.codes_out].into_iter().flatten() {
        if out.exists() {
            bail!("{} is there already and may hold passwords in use: remove it, or name another file", out.display());
        }
    }
    // Only a code says where the broker is.
    let way = many.codes_out.as_ref().map(|_| Way::of(config, external)).transpose()?;
    let mut registrar = registrar(&config.data_dir)?;
    let known = Known::read(&config.data_dir)?;
    let (rows, mut problems) = rows::read(file)?;
    let (lines, entries) = entries(&rows, &known, site, now_ms, &mut problems);
    // Also beside lines that are wrong already: all is said at once.
    match registrar.add_all(&entries, now_ms, true) {
        Ok(()) => {}
        Err(ManyError::Entries(wrong)) => {
            let problem = |(number, error): (usize, RegistryError)| Problem {
                line: lines[number],
                field: rows::field_of(&error),
                why: error.to_string(),
            };
            problems.extend(wrong.into_iter().map(problem));
        }
        Err(ManyError::Store(error)) => return Err(error.into()),
    }
    if !problems.is_empty() {
        return Err(told(file, problems));
    }
    let codes_until = secrets(config, way.as_ref(), many, &entries, to, now_ms)?;
    registrar.add_all(&entries, now_ms, false).context("somebody registered others meanwhile; try again")?;
    said(&entries, many, to, codes_until)
}

/// The lines that are right so far, with their numbers.
fn entries(
    rows: &[Row],
    known: &Known,
    site: Option<&SiteId>,
    now_ms: i64,
    problems: &mut Vec<Problem>,
) -> (Vec<u64>, Vec<Entry>) {
    let mut entries = Vec::with_capacity(rows.len());
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let since_ms = row.since_ms;
        let ms = since_ms.unwrap_or(now_ms);
        let stands = known.stand(row.at, row.hamlet.clone(), row.supply.clone(), ms);
        let of_site = || match row.site.as_ref().or(site) {
            Some(site) => Ok(site.clone()),
            None => known.site(row.hamlet.as_deref(), ms),
        };
        let mut wrong = |field, error: anyhow::Error| {
            problems.push(Problem { line: row.line, field, why: format!("{error:#}") });
        };
        let standing = match stands {
            Ok(stands) => stands.standing,
            Err(error) => {
                wrong("hamlet", error);
                continue;
            }
        };
        match of_site() {
            Ok(site) => {
                let (probe, label) = (row.probe.clone(), row.label.clone());
                entries.push(Entry { new: NewProbe { probe, site, label, place: standing }, since_ms });
                lines.push(row.line);
            }
            Err(error) => wrong("site", error),
        }
    }
    (lines, entries)
}

/// All that is wrong, as far as a person reads.
fn told(file: &Path, mut problems: Vec<Problem>) -> anyhow::Error {
    problems.sort_by_key(|problem| problem.line);
    let shown = problems.iter().take(SHOWN);
    let mut lines: Vec<String> =
        shown.map(|p| format!("{}:{}: {}: {}", file.display(), p.line, p.field, p.why)).collect();
    if problems.len() > SHOWN {
        lines.push(format!("and {} more", problems.len() - SHOWN));
    }
    anyhow::anyhow!("nothing was registered; {} things are wrong:\n{}", problems.len(), lines.join("\n"))
}

/// Makes what was asked for and writes it; until when the codes hold.
fn secrets(
    config: &Config,
    way: Option<&Way>,
    many: &Many,
    entries: &[Entry],
    to: &PasswordTo,
    now_ms: i64,
) -> anyhow::Result<Option<i64>> {
    let names: Vec<ProbeId> = entries.iter().map(|entry| entry.new.probe.clone()).collect();
    let exchanged = embedded(config) && to.passwd_file.is_none();
    let wants_passwords =
        many.passwords_out.is_some() || to.passwd_file.is_some() || !exchanged && many.codes_out.is_some();
    let passwords = match (wants_passwords, exchanged) {
        (false, _) => None,
        (true, true) => Some(Credentials::open(&config.data_dir)?.lasting_all(&names)?),
        (true, false) => Some(names.iter().map(|_| password::generate()).collect::<anyhow::Result<Vec<String>>>()?),
    };
    if let (Some(file), Some(passwords)) = (&to.passwd_file, &passwords) {
        let line = |(name, password): (&'_ ProbeId, &String)| password::line(name.as_str(), password).map(Some);
        let lines = names.iter().zip(passwords).map(line).collect::<anyhow::Result<Vec<_>>>()?;
        let changes: HashMap<&str, Option<String>> = names.iter().map(ProbeId::as_str).zip(lines).collect();
        password::put_lines(file, changes, Fresh { mode: 0o640, owner: None })?;
    }
    if let (Some(file), Some(passwords)) = (&many.passwords_out, &passwords) {
        let rows =
            names.iter().zip(passwords).map(|(name, password)| [name.as_str(), name.as_str(), password.as_str()]);
        csv_file(file, ["probe", "username", "password"], rows)?;
    }
    let (Some(file), Some(way)) = (&many.codes_out, way) else { return Ok(None) };
    let until_ms = exchanged.then_some(now_ms + OFFER_MS);
    let secrets = match passwords {
        Some(passwords) if !exchanged => passwords,
        _ => Credentials::open(&config.data_dir)?.offer_all(&names, now_ms)?,
    };
    let code = |(entry, secret): (&Entry, &String)| {
        Invitation::new(way, &entry.new.site, &entry.new.probe, secret, until_ms).map(|invitation| invitation.line)
    };
    let codes = entries.iter().zip(&secrets).map(code).collect::<anyhow::Result<Vec<String>>>()?;
    let until = until_ms.map(when::show).unwrap_or_default();
    let rows = names.iter().zip(&codes).map(|(name, code)| [name.as_str(), code.as_str(), until.as_str()]);
    csv_file(file, ["probe", "code", "expires"], rows)?;
    Ok(until_ms)
}

fn csv_file<'a>(file: &Path, heading: [&str; 3], rows: impl Iterator<Item = [&'a str; 3]>) -> anyhow::Result<()> {
    let mut text = csv::Writer::from_writer(Vec::new());
    text.write_record(heading)?;
    for row in rows {
        text.write_record(row)?;
    }
    secret_file(file, &String::from_utf8(text.into_inner()?)?)
}

fn said(entries: &[Entry], many: &Many, to: &PasswordTo, codes_until: Option<i64>) -> anyhow::Result<()> {
    if to.json {
        let answer = json!({
            "registered": entries.len(),
            "passwords_out": many.passwords_out,
            "codes_out": many.codes_out,
            "passwd_file": to.passwd_file,
            "expires_ms": codes_until,
        });
        return print(&answer.to_string());
    }
    let mut text = format!("{} probes are registered.\n", entries.len());
    if let Some(file) = &many.passwords_out {
        text += &format!("  passwords  {}\n", file.display());
    }
    if let Some(file) = &many.codes_out {
        let until = codes_until.map(|ms| format!(", good until {} UTC", &when::show(ms)[..16])).unwrap_or_default();
        text += &format!("  codes      {}{until}\n", file.display());
    }
    if many.passwords_out.is_none() && many.codes_out.is_none() && to.passwd_file.is_none() {
        text += "  none can log in yet: `probe join NAME` makes a code, `probe password NAME` a password\n";
    }
    print(&text)
}
