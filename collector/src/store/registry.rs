//! The registry: which probes may send, of which site, standing where from when to when.
//!
//! [`Registry`] is what ingest asks; [`Registrar`] changes it, from any process, also beside a running collector
//! (which reads it anew after any other process has written). Refuses to know passwords: those are the broker's; and
//! how a hamlet is found: that is `areas`'.

mod many;

pub use many::{Entry, ManyError};

use super::areas::{self, Hamlets};
use super::error::StoreError;
use super::open;
use super::read::Reader;
use super::writer::ProbeRef;
use phusong_coverage::Place;
use phusong_protocol::{ProbeId, SiteId};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::collections::HashMap;
use std::path::Path;

/// Bytes of a label.
const LABEL_BYTES: usize = 128;
/// Bytes of the name of a power supply.
const SUPPLY_BYTES: usize = 64;

/// One registered probe, as ingest sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    pub probe: ProbeRef,
    pub site: SiteId,
    pub retired: bool,
}

/// Every probe of the installation.
#[derive(Debug, Clone, Default)]
pub struct Registry(HashMap<ProbeId, Registered>);

/// A probe that is to be registered.
#[derive(Debug, Clone, PartialEq)]
pub struct NewProbe {
    pub probe: ProbeId,
    pub site: SiteId,
    pub label: Option<String>,
    /// Where a fixed probe stands; a mobile one has none.
    pub place: Option<Standing>,
}

/// Where a fixed probe stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    pub at: Place,
    /// The code of its hamlet, if a person said so; else it is found by position.
    pub hamlet: Option<String>,
    /// Which power supply it hangs on, if known.
    pub supply: Option<String>,
}

/// What changes with a probe; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Move {
    pub site: Option<SiteId>,
    pub label: Option<String>,
    /// With a position the probe stands elsewhere from now on: the old place ends, a new one begins.
    pub at: Option<Place>,
    /// Of the new place, or without a position of the one where it stands.
    pub hamlet: Option<String>,
    pub supply: Option<String>,
}

impl From<Place> for Standing {
    fn from(at: Place) -> Self {
        Standing { at, hamlet: None, supply: None }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("probe {probe} is registered already, at site {site}; ids are unique in an installation")]
    Known { probe: ProbeId, site: String },
    #[error("probe {probe} is not registered; `probe list` shows those that are")]
    Unknown { probe: ProbeId },
    #[error("probe {probe} was retired; give the device a new id")]
    Retired { probe: ProbeId },
    #[error("the label has {bytes} bytes; at most {LABEL_BYTES} are allowed")]
    Label { bytes: usize },
    #[error("the name of the power supply has {bytes} bytes; at most {SUPPLY_BYTES} are allowed")]
    Supply { bytes: usize },
    #[error("nothing to change: give a site, a place or a label")]
    Nothing,
    #[error("probe {probe} stands nowhere: give its position with --lat and --lon")]
    Nowhere { probe: ProbeId },
    #[error("probe {probe} stands where it does since {from_ms} ms, which is later than now: set this machine's clock")]
    Backwards { probe: ProbeId, from_ms: i64 },
    #[error("there is no area {code}; `areas list` shows those that are")]
    NoArea { code: String },
    #[error("area {code} was no hamlet at that time: {why}")]
    NoHamlet { code: String, why: &'static str },
    #[error("a place cannot begin {ms} ms after 1970: write a moment between 2000 and now")]
    Since { ms: i64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for RegistryError {
    fn from(error: rusqlite::Error) -> Self {
        RegistryError::Store(error.into())
    }
}

impl Registry {
    pub fn get(&self, probe: &ProbeId) -> Option<&Registered> {
        self.0.get(probe)
    }

    /// The name behind a row; for messages to people.
    pub fn name(&self, probe: ProbeRef) -> Option<&ProbeId> {
        self.0.iter().find(|(_, known)| known.probe == probe).map(|(name, _)| name)
    }

    pub(super) fn load(db: &Connection) -> Result<Self, StoreError> {
        let mut rows = db.prepare_cached(
            "SELECT p.name, p.id, s.name, p.retired_ms IS NOT NULL FROM probe p JOIN site s ON s.id = p.site_ref",
        )?;
        let mut all = HashMap::new();
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let probe = ProbeRef(row.get(1)?);
            let (name, site): (String, String) = (row.get(0)?, row.get(2)?);
            let bad = |detail: String| StoreError::Content { table: "probe", row: probe.0, detail };
            let name: ProbeId = name.parse().map_err(|e| bad(format!("{e}")))?;
            let site: SiteId = site.parse().map_err(|e| bad(format!("{e}")))?;
            all.insert(name, Registered { probe, site, retired: row.get(3)? });
        }
        Ok(Registry(all))
    }
}

impl Reader {
    /// Whether a probe of this name was retired; nobody else is.
    pub fn is_retired(&self, probe: &str) -> Result<bool, StoreError> {
        let sql = "SELECT retired_ms IS NOT NULL FROM probe WHERE name = ?1";
        let found = self.db.prepare_cached(sql)?.query_row([probe], |row| row.get(0)).optional()?;
        Ok(found.unwrap_or(false))
    }
}

/// Changes the registry, each change in a transaction of its own.
pub struct Registrar {
    pub(super) db: Connection,
}

impl Registrar {
    /// Opens the database of a data directory that a collector has made.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Ok(Registrar { db: open::connect_existing(&open::database(dir))? })
    }

    pub fn add(&mut self, new: &NewProbe, now_ms: i64) -> Result<(), RegistryError> {
        let change = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        insert(&Hamlets::of(&change), new, now_ms, now_ms)?;
        Ok(change.commit()?)
    }

    /// Moves a probe to another site, another place, or both. What it sent before stays where it was measured.
    pub fn relocate(&mut self, probe: &ProbeId, to: &Move, now_ms: i64) -> Result<(), RegistryError> {
        check_label(to.label.as_deref())?;
        if *to == Move::default() {
            return Err(RegistryError::Nothing);
        }
        let change = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let known = active(&change, probe)?;
        if let Some(site) = &to.site {
            let site = site_ref(&change, site)?;
            change.execute("UPDATE probe SET site_ref = ?2 WHERE id = ?1", params![known.id, site])?;
        }
        if let Some(label) = &to.label {
            change.execute("UPDATE probe SET label = ?2 WHERE id = ?1", params![known.id, label])?;
        }
        let open = standing(&change, known.id)?;
        match (to.at, open) {
            (Some(_), Some(open)) if now_ms < open.from_ms => {
                return Err(RegistryError::Backwards { probe: probe.clone(), from_ms: open.from_ms });
            }
            (Some(at), open) => {
                close_place(&change, open, now_ms)?;
                let standing = Standing { at, hamlet: to.hamlet.clone(), supply: to.supply.clone() };
                open_place(&Hamlets::of(&change), known.id, &standing, to.label.as_deref(), now_ms)?;
            }
            (None, Some(open)) => correct_place(&change, open, to)?,
            (None, None) if to.hamlet.is_some() || to.supply.is_some() => {
                return Err(RegistryError::Nowhere { probe: probe.clone() });
            }
            (None, None) => {}
        }
        Ok(change.commit()?)
    }

    /// From now on its batches are refused. Nothing that it sent is removed, and its id is never given again.
    pub fn retire(&mut self, probe: &ProbeId, now_ms: i64) -> Result<(), RegistryError> {
        let change = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let known = active(&change, probe)?;
        change.execute("UPDATE probe SET retired_ms = ?2 WHERE id = ?1", params![known.id, now_ms])?;
        if let Some(open) = standing(&change, known.id)? {
            let end = "UPDATE place SET to_ms = ?2 WHERE id = ?1";
            change.execute(end, params![open.id, now_ms.max(open.from_ms)])?;
        }
        Ok(change.commit()?)
    }

    /// Takes back the suspicion of a cloned identity after somebody has looked.
    pub fn clear_clone_suspicion(&mut self, probe: &ProbeId) -> Result<(), RegistryError> {
        let changed =
            self.db.execute("UPDATE probe SET clone_suspected_ms = NULL WHERE name = ?1", [probe.as_str()])?;
        if changed == 0 { Err(RegistryError::Unknown { probe: probe.clone() }) } else { Ok(()) }
    }
}

/// One new probe, standing where it does since `from_ms`.
fn insert(hamlets: &Hamlets<'_>, new: &NewProbe, from_ms: i64, now_ms: i64) -> Result<(), RegistryError> {
    check_label(new.label.as_deref())?;
    let db = hamlets.db;
    if let Some(known) = find(db, &new.probe)? {
        return Err(RegistryError::Known { probe: new.probe.clone(), site: known.site });
    }
    let site = site_ref(db, &new.site)?;
    db.prepare_cached("INSERT INTO probe (name, site_ref, created_ms, label) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![new.probe.as_str(), site, now_ms, new.label])?;
    let probe = db.last_insert_rowid();
    match &new.place {
        Some(place) => open_place(hamlets, probe, place, new.label.as_deref(), from_ms),
        None => Ok(()),
    }
}

struct Known {
    id: i64,
    site: String,
    retired: bool,
}

fn find(db: &Connection, probe: &ProbeId) -> Result<Option<Known>, StoreError> {
    let sql = "SELECT p.id, s.name, p.retired_ms IS NOT NULL FROM probe p JOIN site s ON s.id = p.site_ref
               WHERE p.name = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok(Known { id: row.get(0)?, site: row.get(1)?, retired: row.get(2)? });
    Ok(db.query_row(sql, [probe.as_str()], read).optional()?)
}

fn active(db: &Connection, probe: &ProbeId) -> Result<Known, RegistryError> {
    match find(db, probe)? {
        None => Err(RegistryError::Unknown { probe: probe.clone() }),
        Some(known) if known.retired => Err(RegistryError::Retired { probe: probe.clone() }),
        Some(known) => Ok(known),
    }
}

fn site_ref(db: &Connection, site: &SiteId) -> Result<i64, StoreError> {
    db.execute("INSERT INTO site (name) VALUES (?1) ON CONFLICT (name) DO NOTHING", [site.as_str()])?;
    Ok(db.query_row("SELECT id FROM site WHERE name = ?1", [site.as_str()], |row| row.get(0))?)
}

/// The place where a probe stands now.
#[derive(Clone, Copy)]
struct Open {
    id: i64,
    from_ms: i64,
}

fn standing(db: &Connection, probe: i64) -> Result<Option<Open>, StoreError> {
    let sql = "SELECT id, from_ms FROM place WHERE probe_ref = ?1 AND to_ms IS NULL";
    Ok(db.query_row(sql, [probe], |row| Ok(Open { id: row.get(0)?, from_ms: row.get(1)? })).optional()?)
}

/// A place that began this very millisecond never was.
fn close_place(db: &Connection, open: Option<Open>, now_ms: i64) -> Result<(), StoreError> {
    match open {
        Some(open) if open.from_ms == now_ms => db.execute("DELETE FROM place WHERE id = ?1", [open.id])?,
        Some(open) => db.execute("UPDATE place SET to_ms = ?2 WHERE id = ?1", params![open.id, now_ms])?,
        None => 0,
    };
    Ok(())
}

fn open_place(
    hamlets: &Hamlets<'_>,
    probe: i64,
    standing: &Standing,
    label: Option<&str>,
    from_ms: i64,
) -> Result<(), RegistryError> {
    check_supply(standing.supply.as_deref())?;
    let area = match &standing.hamlet {
        Some(code) => Some(areas::hamlet(hamlets.db, code, from_ms)?),
        None => hamlets.at(standing.at, from_ms)?,
    };
    hamlets.db.execute(
        "INSERT INTO place (probe_ref, from_ms, lat, lon, label, area_ref, area_fixed, supply)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            probe,
            from_ms,
            standing.at.lat(),
            standing.at.lon(),
            label,
            area,
            standing.hamlet.is_some(),
            standing.supply
        ],
    )?;
    Ok(())
}

/// What is said of a place without moving the probe holds from the place's beginning.
fn correct_place(db: &Connection, open: Open, to: &Move) -> Result<(), RegistryError> {
    if let Some(code) = &to.hamlet {
        let area = areas::hamlet(db, code, open.from_ms)?;
        db.execute("UPDATE place SET area_ref = ?2, area_fixed = 1 WHERE id = ?1", params![open.id, area])?;
    }
    if let Some(supply) = &to.supply {
        check_supply(Some(supply))?;
        db.execute("UPDATE place SET supply = ?2 WHERE id = ?1", params![open.id, supply])?;
    }
    Ok(())
}

fn check_label(label: Option<&str>) -> Result<(), RegistryError> {
    match label {
        Some(label) if label.len() > LABEL_BYTES => Err(RegistryError::Label { bytes: label.len() }),
        _ => Ok(()),
    }
}

fn check_supply(supply: Option<&str>) -> Result<(), RegistryError> {
    match supply {
        Some(supply) if supply.len() > SUPPLY_BYTES => Err(RegistryError::Supply { bytes: supply.len() }),
        _ => Ok(()),
    }
}
