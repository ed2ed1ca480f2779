//! What derivation reads of the ground state: new rows since a mark, places, and one place's observations as the domain
//! sees them.
//!
//! In: `phusong.db`, read-only. Out: touched stretches, attempts, facts. Refuses to know: windows, what was derived.
//! Limits: rows of one look are bounded by the caller.

use super::modems::Modems;
use super::radio::{How, Modem};
use super::speeds::Speed;
use super::translate::{Context, Heard, Row, translate};
use crate::store::error::StoreError;
use crate::store::open;
use phusong_coverage::Policies;
use phusong_coverage::observation::{Attempt, Fact, NetworkId, Role, SampleId, TargetId};
use phusong_coverage::radio::Look;
use phusong_protocol::{Epoch, Outcome, Place, PlaceSource, Reading, ReadingKind, Setup, Tag, Target, Uplink};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

/// A summary's last attempt may lie so long after its midpoint that this much is read beyond a window.
const SLACK_MS: i64 = 10 * 60_000;

/// A fixed position of one probe and its time.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceSpan {
    pub id: i64,
    pub probe: i64,
    pub from_ms: i64,
    pub to_ms: Option<i64>,
    pub area: Option<i64>,
    pub supply: Option<String>,
    /// The resolution-12 child that it stands in.
    pub child: Option<u64>,
}

/// One new or re-timed stretch of a probe's observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    pub probe: i64,
    pub first_ms: i64,
    pub last_ms: i64,
    pub kind: u16,
    /// It carries a position of its own.
    pub placed: bool,
}

/// What a place's observations say.
#[derive(Debug, Default)]
pub struct PlaceHeard {
    pub attempts: BTreeMap<NetworkId, Vec<Attempt>>,
    pub facts: Vec<Fact>,
    pub speeds: Vec<Speed>,
    pub undated: BTreeMap<NetworkId, Vec<i64>>,
    /// What modems said.
    pub looks: BTreeMap<NetworkId, Vec<Look>>,
    /// What the newest attempt said of its technology, by the wire's number, and when.
    pub technologies: BTreeMap<NetworkId, (i64, i64)>,
}

pub struct Ground {
    pub(super) db: Connection,
    /// Target rows: the smallest row of the same name, and its role.
    targets: HashMap<i64, (TargetId, Role)>,
    /// By row.
    uplinks: HashMap<i64, Known>,
    setups: HashMap<i64, Setup>,
}

/// What an uplink's row says.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub network: Option<String>,
    pub self_load: bool,
    technology: Option<i64>,
    pub modem: Modem,
}

impl Ground {
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let db = open::connect_reader(&open::database(dir))?;
        db.pragma_update(None, "cache_size", -32_768)?;
        Ok(Ground { db, targets: HashMap::new(), uplinks: HashMap::new(), setups: HashMap::new() })
    }

    /// From here on, until [`Ground::free`], every answer is of one moment.
    pub fn hold(&self) -> Result<(), StoreError> {
        Ok(self.db.execute_batch("BEGIN")?)
    }

    pub fn free(&self) {
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("COMMIT")
        {
            tracing::debug!("ending a read transaction: {error}");
        }
    }

    /// New observations after `after` in the order of commits, at most `limit`; and the mark for the next look.
    pub fn arrived(&self, after: i64, limit: usize) -> Result<(Vec<Touch>, i64), StoreError> {
        let sql = "SELECT id, probe_ref, at_ms, kind, place IS NOT NULL FROM observation WHERE id > ?1
                    ORDER BY id LIMIT ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(params![after, limit as i64])?;
        let (mut found, mut mark) = (Vec::new(), after);
        while let Some(row) = rows.next()? {
            mark = row.get(0)?;
            let at_ms = row.get(2)?;
            let (probe, kind, placed) = (row.get(1)?, row.get(3)?, row.get(4)?);
            found.push(Touch { probe, first_ms: at_ms, last_ms: at_ms, kind, placed });
        }
        Ok((found, mark))
    }

    pub fn retimed(&self, after: i64, limit: usize) -> Result<(Vec<Touch>, i64), StoreError> {
        let sql = "SELECT id, probe_ref, first_ms, last_ms FROM retimed WHERE id > ?1 ORDER BY id LIMIT ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(params![after, limit as i64])?;
        let (mut found, mut mark) = (Vec::new(), after);
        while let Some(row) = rows.next()? {
            mark = row.get(0)?;
            let kind = ReadingKind::Boot.code();
            let (probe, first_ms, last_ms) = (row.get(1)?, row.get(2)?, row.get(3)?);
            found.push(Touch { probe, first_ms, last_ms, kind, placed: false });
        }
        Ok((found, mark))
    }

    pub fn places(&self) -> Result<Vec<PlaceSpan>, StoreError> {
        let sql =
            "SELECT id, probe_ref, from_ms, to_ms, area_ref, supply, lat, lon FROM place ORDER BY probe_ref, from_ms";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(PlaceSpan {
                id: row.get(0)?,
                probe: row.get(1)?,
                from_ms: row.get(2)?,
                to_ms: row.get(3)?,
                area: row.get(4)?,
                supply: row.get(5)?,
                child: super::walked::child(row.get(6)?, row.get(7)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether an agent ever reported itself for this probe: only then is it due.
    pub fn has_agent(&self, probe: i64) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM epoch WHERE probe_ref = ?1 AND start IS NOT NULL)";
        Ok(self.db.prepare_cached(sql)?.query_row([probe], |row| row.get(0))?)
    }

    /// By area: the oldest row of its hamlet's code, and of the code two levels above, 0 where there is none.
    pub fn hamlets(&self) -> Result<HashMap<i64, (i64, i64)>, StoreError> {
        let oldest = "(SELECT min(b.id) FROM area b WHERE b.code = (SELECT c.code FROM area c WHERE c.id = ";
        let sql = format!(
            "SELECT a.id, {oldest} a.id)), coalesce({oldest} p.parent_ref)), 0)
               FROM area a LEFT JOIN area p ON p.id = a.parent_ref"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Everything of one place between two times. `network` gives a network's number for its name; `before`: the last
    /// words of its modems before that, ascending.
    pub fn heard(
        &mut self,
        place: &PlaceSpan,
        (from_ms, to_ms): (i64, i64),
        before: &[Fact],
        policies: &Policies,
        mut network: impl FnMut(&str) -> Result<NetworkId, StoreError>,
    ) -> Result<PlaceHeard, StoreError> {
        let from_ms = from_ms.max(place.from_ms);
        let to_ms = to_ms.saturating_add(SLACK_MS).min(place.to_ms.unwrap_or(i64::MAX));
        let rows = self.rows(place.probe, (from_ms, to_ms), false)?;
        let (mut heard, mut raws) = (PlaceHeard::default(), HashSet::new());
        let mut summaries = Vec::new();
        let mut modems = Modems::new(before);
        for (row, _) in &rows {
            let (target, role) = match row.target {
                Some(id) => self.target(id)?,
                None => (TargetId(0), Role::Service),
            };
            let uplink = row.uplink.map(|id| self.uplink(id)).transpose()?;
            let name = uplink.as_ref().and_then(|uplink| uplink.network.as_deref());
            let mut network = name.map_or(Ok(NetworkId::NONE), &mut network)?;
            if let Some(uplink) = &uplink {
                network = modems.network(uplink.modem.device, network);
                if row.certain && network != NetworkId::NONE {
                    let setup = row.setup.map(|id| self.setup(id)).transpose()?.flatten();
                    let how = How { id: row.setup, setup: setup.as_ref() };
                    modems.take(row, network, &uplink.modem, how, policies, &mut heard);
                }
                if uplink.self_load {
                    continue;
                }
            }
            if let Some(technology) = uplink.and_then(|uplink| uplink.technology) {
                let newest = heard.technologies.entry(network).or_insert((row.at_ms, technology));
                *newest = (*newest).max((row.at_ms, technology));
            }
            if let Outcome::Reading(Reading::Throughput(reading)) = &row.outcome
                && row.certain
            {
                let id = SampleId { epoch: row.epoch.0, seq: row.seq };
                heard.speeds.push(Speed::of(reading, row.at_ms, id, network));
            }
            match translate(row, Context { network, target, role }) {
                Heard::Nothing => {}
                Heard::Undated => heard.undated.entry(network).or_default().push(row.at_ms),
                Heard::Facts(facts) => heard.facts.extend(facts),
                Heard::Attempt(attempt) => {
                    if attempt.id.epoch != 0 && !matches!(row.outcome, Outcome::Failure(_)) {
                        raws.insert(attempt.id);
                    }
                    heard.attempts.entry(network).or_default().push(attempt);
                }
                Heard::Summary(attempt, replaced) => summaries.push((attempt, replaced)),
            }
        }
        super::translate::settle(&mut heard.attempts, &raws, summaries);
        heard.facts.sort_unstable();
        modems.finish(&mut heard.looks);
        Ok(heard)
    }

    pub(super) fn setup(&mut self, id: i64) -> Result<Option<Setup>, StoreError> {
        if let Some(known) = self.setups.get(&id) {
            return Ok(Some(known.clone()));
        }
        let sql = "SELECT content FROM setup WHERE id = ?1";
        let content: Option<Vec<u8>> = self.db.prepare_cached(sql)?.query_row([id], |row| row.get(0))?;
        // One that is named before it came stays unknown until it does.
        let Some(content) = content else { return Ok(None) };
        let setup: Setup = minicbor::decode(&content).map_err(|e| content_error("setup", id, &e))?;
        self.setups.insert(id, setup.clone());
        Ok(Some(setup))
    }

    /// Those that carry a position of their own, or those that were taken where the probe stands.
    pub(super) fn rows(
        &self,
        probe: i64,
        (from_ms, to_ms): (i64, i64),
        placed: bool,
    ) -> Result<Vec<(Row, Option<Place>)>, StoreError> {
        // Latency, TCP, DNS, HTTP, throughput rounds; radio, registration, neighbours, scans; power, link, boot;
        // summaries; failures. What carries a position of its own was measured elsewhere.
        let mut statement = self.db.prepare_cached(
            "SELECT o.id, e.epoch, o.seq, o.at_ms, o.at_state, o.mono_ms, o.kind, o.target_ref, o.uplink_ref, o.body,
                    o.setup_ref, o.place
               FROM observation o JOIN epoch e ON e.id = o.epoch_ref
              WHERE o.probe_ref = ?1 AND o.at_ms >= ?2 AND o.at_ms < ?3 AND o.kind IN (1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 17, 64)
              ORDER BY o.at_ms, e.epoch, o.seq",
        )?;
        let mut rows = statement.query(params![probe, from_ms, to_ms])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let bad = |e: phusong_protocol::Violation| StoreError::Content {
                table: "observation",
                row: id,
                detail: e.to_string(),
            };
            let place = row.get_ref(11)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
            let place: Option<Place> =
                place.map(minicbor::decode).transpose().map_err(|e| content_error("observation", id, &e))?;
            let place = place.filter(|place| place.source != PlaceSource::Fixed);
            if place.is_some() != placed {
                continue;
            }
            let body = row.get_ref(9)?.as_blob().map_err(rusqlite::Error::from)?;
            let row = Row {
                epoch: Epoch(row.get::<_, i64>(1)? as u64),
                seq: row.get::<_, i64>(2)? as u64,
                at_ms: row.get(3)?,
                certain: row.get::<_, i64>(4)? > 0,
                mono_ms: row.get(5)?,
                target: row.get(7)?,
                uplink: row.get(8)?,
                setup: row.get(10)?,
                outcome: Outcome::from_cbor(row.get(6)?, body).map_err(bad)?,
            };
            found.push((row, place));
        }
        Ok(found)
    }

    fn target(&mut self, id: i64) -> Result<(TargetId, Role), StoreError> {
        if let Some(known) = self.targets.get(&id) {
            return Ok(*known);
        }
        let sql = "SELECT t.content, (SELECT min(s.id) FROM target s WHERE s.name = t.name AND s.host = t.host)
                     FROM target t WHERE t.id = ?1";
        let (content, first): (Vec<u8>, i64) =
            self.db.prepare_cached(sql)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let target: Target = minicbor::decode(&content).map_err(|e| content_error("target", id, &e))?;
        let role = if target.tags.contains(&Tag::Gateway) {
            Role::Gateway
        } else if target.tags.contains(&Tag::Loudspeaker) {
            Role::Loudspeaker
        } else {
            Role::Service
        };
        self.targets.insert(id, (TargetId(first), role));
        Ok((TargetId(first), role))
    }

    pub(super) fn uplink(&mut self, id: i64) -> Result<Known, StoreError> {
        if let Some(known) = self.uplinks.get(&id) {
            return Ok(known.clone());
        }
        let sql = "SELECT content FROM uplink WHERE id = ?1";
        let content: Vec<u8> = self.db.prepare_cached(sql)?.query_row([id], |row| row.get(0))?;
        let uplink: Uplink = minicbor::decode(&content).map_err(|e| content_error("uplink", id, &e))?;
        let known = Known {
            network: super::translate::network_name(&uplink),
            self_load: uplink.self_load == Some(true),
            technology: uplink.technology.map(super::words::technology),
            modem: Modem::of(&uplink),
        };
        self.uplinks.insert(id, known.clone());
        Ok(known)
    }
}

fn content_error(table: &'static str, row: i64, error: &minicbor::decode::Error) -> StoreError {
    StoreError::Content { table, row, detail: error.to_string() }
}
