//! The one insert statement, and how a row is bound to it. Ingest and the bare loop of the benchmark share it, so that
//! the two are compared on the same work.

use super::error::StoreError;
use rusqlite::{CachedStatement, Connection};

const INSERT: &str = "
    INSERT INTO observation (id, probe_ref, epoch_ref, seq, at_ms, at_state, received_ms, boot_ref, mono_ms, wall_ms,
                             synced, sync_age_s, kind, target_ref, uplink_ref, setup_ref, place, body)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
    ON CONFLICT (epoch_ref, seq) DO NOTHING";

/// A row of `observation` as it is bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Row<'a> {
    pub id: i64,
    pub probe: i64,
    pub epoch: i64,
    pub seq: i64,
    pub at_ms: i64,
    pub at_state: i64,
    pub received_ms: i64,
    pub boot: Option<i64>,
    pub mono_ms: Option<i64>,
    pub wall_ms: i64,
    pub synced: bool,
    pub sync_age_s: Option<u32>,
    pub kind: u16,
    pub target: Option<i64>,
    pub uplink: Option<i64>,
    pub setup: Option<i64>,
    pub place: Option<&'a [u8]>,
    pub body: &'a [u8],
}

/// The compiled statement, for as many rows as one likes.
pub struct Insert<'db>(CachedStatement<'db>);

impl<'db> Insert<'db> {
    pub fn new(db: &'db Connection) -> Result<Self, StoreError> {
        Ok(Insert(db.prepare_cached(INSERT)?))
    }

    /// False when the id is there already.
    pub fn row(&mut self, row: &Row<'_>) -> Result<bool, StoreError> {
        let to = &mut self.0;
        to.raw_bind_parameter(1, row.id)?;
        to.raw_bind_parameter(2, row.probe)?;
        to.raw_bind_parameter(3, row.epoch)?;
        to.raw_bind_parameter(4, row.seq)?;
        to.raw_bind_parameter(5, row.at_ms)?;
        to.raw_bind_parameter(6, row.at_state)?;
        to.raw_bind_parameter(7, row.received_ms)?;
        to.raw_bind_parameter(8, row.boot)?;
        to.raw_bind_parameter(9, row.mono_ms)?;
        to.raw_bind_parameter(10, row.wall_ms)?;
        to.raw_bind_parameter(11, row.synced)?;
        to.raw_bind_parameter(12, row.sync_age_s)?;
        to.raw_bind_parameter(13, row.kind)?;
        to.raw_bind_parameter(14, row.target)?;
        to.raw_bind_parameter(15, row.uplink)?;
        to.raw_bind_parameter(16, row.setup)?;
        to.raw_bind_parameter(17, row.place)?;
        to.raw_bind_parameter(18, row.body)?;
        Ok(to.raw_execute()? > 0)
    }
}
