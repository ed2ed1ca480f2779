//! The registry: which probes may send, of which site, standing where since when.
//!
//! [`Registry`] is what ingest asks; [`Registrar`] changes it, from any process, also beside a running collector
//! (which reads it anew after any other process has written). Refuses to know passwords: those are the broker's.

use super::error::StoreError;
use super::open;
use super::writer::ProbeRef;
use phusong_coverage::Place;
use phusong_protocol::{ProbeId, SiteId};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::collections::HashMap;
use std::path::Path;

/// Bytes of a label.
const LABEL_BYTES: usize = 128;

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
    pub place: Option<Place>,
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
    #[error("nothing to change: give a site, a place or a label")]
    Nothing,
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

/// Changes the registry, each change in a transaction of its own.
pub struct Registrar {
    db: Connection,
}

impl Registrar {
    /// Opens the database of a data directory that a collector has made.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Ok(Registrar { db: open::connect_existing(&open::database(dir))? })
    }

    pub fn add(&mut self, new: &NewProbe, now_ms: i64) -> Result<(), RegistryError> {
        check_label(new.label.as_deref())?;
        let change = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(known) = find(&change, &new.probe)? {
            return Err(RegistryError::Known { probe: new.probe.clone(), site: known.site });
        }
        let site = site_ref(&change, &new.site)?;
        change.execute(
            "INSERT INTO probe (name, site_ref, created_ms, label) VALUES (?1, ?2, ?3, ?4)",
            params![new.probe.as_str(), site, now_ms, new.label],
        )?;
        let probe = change.last_insert_rowid();
        if let Some(place) = new.place {
            put_place(&change, probe, place, new.label.as_deref(), now_ms)?;
        }
        Ok(change.commit()?)
    }

    /// Moves a probe to another site, another place, or both. What it sent before stays where it was measured.
    pub fn relocate(
        &mut self,
        probe: &ProbeId,
        site: Option<&SiteId>,
        place: Option<Place>,
        label: Option<&str>,
        now_ms: i64,
    ) -> Result<(), RegistryError> {
        check_label(label)?;
        if site.is_none() && place.is_none() && label.is_none() {
            return Err(RegistryError::Nothing);
        }
        let change = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let known = active(&change, probe)?;
        if let Some(site) = site {
            let site = site_ref(&change, site)?;
            change.execute("UPDATE probe SET site_ref = ?2 WHERE id = ?1", params![known.id, site])?;
        }
        if let Some(label) = label {
            change.execute("UPDATE probe SET label = ?2 WHERE id = ?1", params![known.id, label])?;
        }
        if let Some(place) = place {
            put_place(&change, known.id, place, label, now_ms)?;
        }
        Ok(change.commit()?)
    }

    /// From now on its batches are refused. Nothing that it sent is removed, and its id is never given again.
    pub fn retire(&mut self, probe: &ProbeId, now_ms: i64) -> Result<(), RegistryError> {
        let change = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let known = active(&change, probe)?;
        change.execute("UPDATE probe SET retired_ms = ?2 WHERE id = ?1", params![known.id, now_ms])?;
        Ok(change.commit()?)
    }

    /// Takes back the suspicion of a cloned identity after somebody has looked.
    pub fn clear_clone_suspicion(&mut self, probe: &ProbeId) -> Result<(), RegistryError> {
        let changed =
            self.db.execute("UPDATE probe SET clone_suspected_ms = NULL WHERE name = ?1", [probe.as_str()])?;
        if changed == 0 { Err(RegistryError::Unknown { probe: probe.clone() }) } else { Ok(()) }
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

fn put_place(db: &Connection, probe: i64, place: Place, label: Option<&str>, now_ms: i64) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO probe_place (probe_ref, from_ms, lat, lon, label) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (probe_ref, from_ms) DO UPDATE SET lat = excluded.lat, lon = excluded.lon, label = excluded.label",
        params![probe, now_ms, place.lat(), place.lon(), label],
    )?;
    Ok(())
}

fn check_label(label: Option<&str>) -> Result<(), RegistryError> {
    match label {
        Some(label) if label.len() > LABEL_BYTES => Err(RegistryError::Label { bytes: label.len() }),
        _ => Ok(()),
    }
}
