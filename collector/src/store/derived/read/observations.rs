//! Observations by event time, newest first, with a bound on the rows that one question looks at.
//!
//! In: a filter and where the page before ended. Out: an [`ObservationPage`]. The only index is by probe and time, so
//! each probe is walked by itself and the walks are merged. A page may be short, even empty, and still have a
//! successor: then the bound [`WALK`] was reached among rows of other kinds.

use super::Views;
use crate::store::error::StoreError;
use crate::store::read_observations::{COLUMNS, ObservationRow, read};
use rusqlite::params;
use std::collections::BTreeSet;

/// Rows that one question walks over at most.
const WALK: usize = 20_000;

/// Which observations. Everything that is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct ObservationFilter {
    pub probe: Option<String>,
    /// Event time from here to before there.
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
    /// The kind's number on the wire.
    pub kind: Option<u16>,
    /// Event time and id of the last row of the page before.
    pub after: Option<(i64, i64)>,
    pub limit: usize,
}

#[derive(Debug, Clone, Default)]
pub struct ObservationPage {
    pub rows: Vec<ObservationRow>,
    /// Where the next page begins, if there may be one.
    pub next: Option<(i64, i64)>,
}

impl Views {
    pub fn observation_page(&self, filter: &ObservationFilter) -> Result<ObservationPage, StoreError> {
        let probes = self.probe_refs(filter.probe.as_deref())?;
        let share = if filter.kind.is_some() { WALK / probes.len().max(1) } else { 0 };
        let depth = share.max(filter.limit + 1);
        let mut met: Vec<(i64, i64, u16)> = Vec::new();
        // Behind it a walk was cut off: nothing is known of what comes there.
        let mut horizon: Option<(i64, i64)> = None;
        for probe in probes {
            let walk = self.walk(probe, filter, depth)?;
            if walk.len() == depth {
                horizon = horizon.max(walk.last().map(|(at_ms, id, _)| (*at_ms, *id)));
            }
            met.extend(walk);
        }
        met.retain(|(at_ms, id, kind)| {
            horizon.is_none_or(|edge| (*at_ms, *id) >= edge) && filter.kind.is_none_or(|wanted| wanted == *kind)
        });
        met.sort_unstable_by(|a, b| b.cmp(a));
        let next = if met.len() > filter.limit {
            met.truncate(filter.limit);
            met.last().map(|(at_ms, id, _)| (*at_ms, *id))
        } else {
            horizon
        };
        let rows = self.rows(met.into_iter().map(|(_, id, _)| id))?;
        Ok(ObservationPage { rows, next })
    }

    fn probe_refs(&self, name: Option<&str>) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.db().prepare("SELECT id FROM main.probe WHERE ?1 IS NULL OR name = ?1")?;
        let rows = statement.query_map([name], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Event time, id and kind of one probe's newest rows that a page may take.
    fn walk(&self, probe: i64, filter: &ObservationFilter, depth: usize) -> Result<Vec<(i64, i64, u16)>, StoreError> {
        // Without the kind, the index alone answers.
        let kind = if filter.kind.is_some() { "kind" } else { "0" };
        let sql = format!(
            "SELECT at_ms, id, {kind} FROM main.observation INDEXED BY observation_time
              WHERE probe_ref = ?1 AND at_ms >= ?2 AND at_ms < ?3 AND (at_ms, id) < (?4, ?5)
              ORDER BY at_ms DESC, id DESC LIMIT ?6"
        );
        let from_ms = filter.from_ms.unwrap_or(i64::MIN);
        let to_ms = filter.to_ms.unwrap_or(i64::MAX);
        let (at_ms, id) = filter.after.unwrap_or((i64::MAX, i64::MAX));
        let mut statement = self.db().prepare_cached(&sql)?;
        let rows = statement.query_map(params![probe, from_ms, to_ms, at_ms, id, depth as i64], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn rows(&self, ids: impl Iterator<Item = i64>) -> Result<Vec<ObservationRow>, StoreError> {
        let mut statement = self.db().prepare(&format!("{COLUMNS} AND o.id = ?1"))?;
        let mut found = Vec::new();
        for id in ids {
            let mut rows = statement.query([id])?;
            found.push(read(rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?)?);
        }
        Ok(found)
    }

    /// The newest observation of each kind, among the newest `depth` of a probe.
    pub fn newest_of_each_kind(&self, probe: i64, depth: usize) -> Result<Vec<ObservationRow>, StoreError> {
        let sql = "SELECT id, kind FROM main.observation INDEXED BY observation_time
                    WHERE probe_ref = ?1 ORDER BY at_ms DESC, id DESC LIMIT ?2";
        let mut statement = self.db().prepare(sql)?;
        let rows = statement.query_map(params![probe, depth as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let walk: Vec<(i64, u16)> = rows.collect::<Result<_, _>>()?;
        let mut seen = BTreeSet::new();
        self.rows(walk.into_iter().filter(|(_, kind)| seen.insert(*kind)).map(|(id, _)| id))
    }
}
