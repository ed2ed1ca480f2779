//! Votes as rows of `derived.db`, and quarters that are to be computed again.
//!
//! In: votes of one probe in one quarter. Out: rows, written only where they changed. Refuses to know: how votes are made
//! and what becomes of them.

use super::shelf::Shelf;
use crate::store::error::StoreError;
use phusong_coverage::observation::NetworkId;
use phusong_coverage::radio::{CellKey, Technologies};
use phusong_coverage::vote::{Layer, Source, Vote};
use rusqlite::{Row, params};

pub const LAYERS: [(i64, Layer, &str); 4] = [
    (0, Layer::Outdoor, "outdoor"),
    (1, Layer::Indoor, "indoor"),
    (2, Layer::Vehicle, "vehicle"),
    (3, Layer::Unknown, "unknown"),
];
pub const SOURCES: [(i64, Source, &str); 3] =
    [(1, Source::Fixed, "fixed"), (2, Source::Survey, "survey"), (3, Source::Moving, "moving")];

/// Whose votes, and of when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoteKey {
    pub probe: i64,
    pub quarter: i64,
    /// Of a fixed probe's place; `None`: of the probe on its way.
    pub place: Option<i64>,
}

impl Shelf {
    /// Puts these votes in place of those of the same key; `only_more`: beside them, where there is none yet.
    pub fn put_votes(
        &self,
        key: VoteKey,
        votes: &[Vote],
        policy: u32,
        expires_ms: impl Fn(Source) -> i64,
        only_more: bool,
    ) -> Result<(), StoreError> {
        let VoteKey { probe, quarter, place } = key;
        let mut wanted = votes.to_vec();
        wanted.sort_by_key(|vote| (vote.network, vote.child, vote.layer));
        if !only_more {
            if self.votes(key)? == wanted {
                return Ok(());
            }
            let gone = "DELETE FROM vote WHERE probe_ref = ?1 AND quarter = ?2 AND place_ref IS ?3";
            self.db.prepare_cached(gone)?.execute(params![probe, quarter, place])?;
        }
        let put =
            "INSERT OR IGNORE INTO vote (probe_ref, quarter, network_ref, child, layer, source, state, alive, dead,
                       level, reference, fast, external, yes, no, serving, setup_ref, place_ref, policy, expires_ms,
                       lat, lon)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
                       ?21, ?22)";
        let mut put = self.db.prepare_cached(put)?;
        for vote in &wanted {
            let (lat, lon) = super::walked::centre(vote.child);
            put.execute(params![
                probe,
                quarter,
                vote.network.0,
                vote.child.cast_signed(),
                LAYERS.iter().find(|one| one.1 == vote.layer).map_or(3, |one| one.0),
                SOURCES.iter().find(|one| one.1 == vote.source).map_or(3, |one| one.0),
                if vote.is_alive() { 2 } else { 1 },
                vote.alive,
                vote.dead,
                vote.level,
                vote.reference,
                vote.fast,
                vote.external,
                vote.yes.0,
                vote.no.0,
                vote.serving.map(|cell| cell.0.cast_signed()),
                vote.setup,
                place,
                policy,
                expires_ms(vote.source),
                lat,
                lon
            ])?;
        }
        Ok(())
    }

    /// By network, child and layer.
    pub fn votes(&self, key: VoteKey) -> Result<Vec<Vote>, StoreError> {
        let sql = "SELECT network_ref, child, layer, source, alive, dead, level, reference, fast, external, yes, no,
                          serving, setup_ref
                     FROM vote WHERE probe_ref = ?1 AND quarter = ?2 AND place_ref IS ?3";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map(params![key.probe, key.quarter, key.place], vote)?;
        let mut votes = rows.collect::<Result<Vec<_>, _>>()?;
        votes.sort_by_key(|vote| (vote.network, vote.child, vote.layer));
        Ok(votes)
    }

    pub fn touch_quarter(&self, probe: i64, quarter: i64) -> Result<(), StoreError> {
        let sql = "INSERT OR IGNORE INTO touched_quarter VALUES (?1, ?2)";
        self.db.prepare_cached(sql)?.execute([probe, quarter])?;
        Ok(())
    }

    /// Takes out at most so many, oldest first.
    pub fn touched_quarters(&self, limit: usize) -> Result<Vec<(i64, i64)>, StoreError> {
        let sql = "SELECT probe_ref, quarter FROM touched_quarter ORDER BY probe_ref, quarter LIMIT ?1";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([limit as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn untouch_quarter(&self, probe: i64, quarter: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM touched_quarter WHERE probe_ref = ?1 AND quarter = ?2";
        self.db.prepare_cached(sql)?.execute([probe, quarter])?;
        Ok(())
    }

    /// Whether a probe ever voted on its way.
    pub fn has_walked(&self, probe: i64) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM vote WHERE probe_ref = ?1 AND place_ref IS NULL)";
        Ok(self.db.prepare_cached(sql)?.query_row([probe], |row| row.get(0))?)
    }

    /// Forgets at most so many votes whose life is over.
    pub fn prune_votes(&self, now_ms: i64, limit: usize) -> Result<usize, StoreError> {
        let sql = "DELETE FROM vote WHERE id IN (
                       SELECT id FROM vote WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2)";
        Ok(self.db.prepare_cached(sql)?.execute([now_ms, limit as i64])?)
    }

    /// Adds windows in which technologies were seen or proved absent; `sign`: 1, or -1 for those that are replaced.
    pub fn count_technologies(
        &self,
        place: i64,
        network: NetworkId,
        day: i64,
        (yes, no): (Technologies, Technologies),
        sign: i64,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO technology_day VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                   ON CONFLICT (place_ref, network_ref, day, technology)
                   DO UPDATE SET yes = yes + excluded.yes, no = no + excluded.no";
        for bit in (0..5).map(|at| Technologies(1 << at)).filter(|bit| yes.has(*bit) || no.has(*bit)) {
            let n = |of: Technologies| if of.has(bit) { sign } else { 0 };
            let row = params![place, network.0, day, bit.0, n(yes), n(no)];
            self.db.prepare_cached(sql)?.execute(row)?;
        }
        Ok(())
    }
}

fn vote(row: &Row<'_>) -> rusqlite::Result<Vote> {
    let (layer, source): (i64, i64) = (row.get(2)?, row.get(3)?);
    Ok(Vote {
        network: NetworkId(row.get(0)?),
        child: row.get::<_, i64>(1)?.cast_unsigned(),
        layer: LAYERS.iter().find(|one| one.0 == layer).map_or(Layer::Unknown, |one| one.1),
        source: SOURCES.iter().find(|one| one.0 == source).map_or(Source::Moving, |one| one.1),
        alive: row.get(4)?,
        dead: row.get(5)?,
        level: row.get(6)?,
        reference: row.get(7)?,
        fast: row.get(8)?,
        external: row.get(9)?,
        yes: Technologies(row.get(10)?),
        no: Technologies(row.get(11)?),
        serving: row.get::<_, Option<i64>>(12)?.map(|cell| CellKey(cell.cast_unsigned())),
        setup: row.get(13)?,
    })
}
