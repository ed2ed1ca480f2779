//! Observations for readers: listed by time or tailed in the order of commits.

use super::error::StoreError;
use super::read::Reader;
use super::timing::AtState;
use phusong_protocol::{BootId, Clock, Epoch, Outcome, Place, ProbeId, Target, Uplink};
use rusqlite::{Row, ToSql, named_params};

/// Which observations. Everything that is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct ObservationQuery {
    pub probe: Option<ProbeId>,
    /// Event time from here on.
    pub since_ms: Option<i64>,
    /// The kind's number on the wire ([`phusong_protocol::ReadingKind::code`], 64 for a failure).
    pub kind: Option<u16>,
    /// Committed after the row with this id: what a tail asks for.
    pub after_id: Option<i64>,
    /// At most so many: the newest by event time, or with `after_id` the next in the order of commits.
    pub limit: u32,
}

/// One observation with its surroundings.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservationRow {
    /// Grows in the order of commits.
    pub id: i64,
    pub site: String,
    pub probe: String,
    pub epoch: Epoch,
    pub seq: u64,
    pub at_ms: i64,
    pub at_state: AtState,
    pub received_ms: i64,
    pub boot_id: Option<BootId>,
    pub mono_ms: Option<u64>,
    pub wall_ms: i64,
    pub clock: Clock,
    pub place: Option<Place>,
    pub target: Option<Target>,
    pub uplink: Option<Uplink>,
    /// The number of the set-up.
    pub setup: Option<u32>,
    pub outcome: Outcome,
}

pub(super) const COLUMNS: &str = "
    SELECT o.id, s.name, p.name, e.epoch, o.seq, o.at_ms, o.at_state, o.received_ms, b.boot_id, o.mono_ms, o.wall_ms,
           o.synced, o.sync_age_s, o.place, t.content, u.content, n.number, o.kind, o.body
      FROM observation o
      JOIN probe p ON p.id = o.probe_ref JOIN site s ON s.id = p.site_ref JOIN epoch e ON e.id = o.epoch_ref
      LEFT JOIN boot b ON b.id = o.boot_ref LEFT JOIN target t ON t.id = o.target_ref
      LEFT JOIN uplink u ON u.id = o.uplink_ref LEFT JOIN setup n ON n.id = o.setup_ref
     WHERE TRUE";

impl Reader {
    /// The id of the observation that was committed last; 0 when there is none.
    pub fn newest_id(&self) -> Result<i64, StoreError> {
        Ok(self.db.query_row("SELECT coalesce(max(id), 0) FROM observation", [], |row| row.get(0))?)
    }

    /// Oldest first by event time, or with `after_id` in the order of commits.
    pub fn observations(&self, query: &ObservationQuery) -> Result<Vec<ObservationRow>, StoreError> {
        let probe = query.probe.as_ref().map(|probe| probe.as_str());
        let mut sql = COLUMNS.to_string();
        let mut named: Vec<(&str, &dyn ToSql)> = Vec::new();
        let limit = named_params! {":limit": query.limit};
        named.extend(limit);
        if probe.is_some() {
            sql += " AND o.probe_ref = (SELECT id FROM probe WHERE name = :probe)";
            named.push((":probe", &probe));
        }
        if query.since_ms.is_some() {
            sql += " AND o.at_ms >= :since";
            named.push((":since", &query.since_ms));
        }
        if query.kind.is_some() {
            sql += " AND o.kind = :kind";
            named.push((":kind", &query.kind));
        }
        if query.after_id.is_some() {
            sql += " AND o.id > :after ORDER BY o.id LIMIT :limit";
            named.push((":after", &query.after_id));
        } else {
            sql += " ORDER BY o.at_ms DESC, o.id DESC LIMIT :limit";
        }
        let mut statement = self.db.prepare(&sql)?;
        let mut rows = statement.query(named.as_slice())?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        if query.after_id.is_none() {
            found.reverse();
        }
        Ok(found)
    }
}

pub(super) fn read(row: &Row<'_>) -> Result<ObservationRow, StoreError> {
    let id: i64 = row.get(0)?;
    let bad = |detail: String| StoreError::Content { table: "observation", row: id, detail };
    let boot_id: Option<Vec<u8>> = row.get(8)?;
    let boot_id =
        boot_id.map(|b| b.try_into().map(BootId).map_err(|_| bad("a boot id has 16 bytes".into()))).transpose()?;
    let body: Vec<u8> = row.get(18)?;
    Ok(ObservationRow {
        id,
        site: row.get(1)?,
        probe: row.get(2)?,
        epoch: Epoch(row.get::<_, i64>(3)? as u64),
        seq: row.get::<_, i64>(4)? as u64,
        at_ms: row.get(5)?,
        at_state: AtState::from_code(row.get(6)?),
        received_ms: row.get(7)?,
        boot_id,
        mono_ms: row.get::<_, Option<i64>>(9)?.and_then(|ms| u64::try_from(ms).ok()),
        wall_ms: row.get(10)?,
        clock: Clock { synced: row.get(11)?, age_s: row.get(12)? },
        place: cbor(row.get(13)?).map_err(&bad)?,
        target: cbor(row.get(14)?).map_err(&bad)?,
        uplink: cbor(row.get(15)?).map_err(&bad)?,
        setup: row.get(16)?,
        outcome: Outcome::from_cbor(row.get(17)?, &body).map_err(|e| bad(e.to_string()))?,
    })
}

fn cbor<T: for<'b> minicbor::Decode<'b, ()>>(bytes: Option<Vec<u8>>) -> Result<Option<T>, String> {
    bytes.map(|bytes| minicbor::decode(&bytes).map_err(|e| e.to_string())).transpose()
}
