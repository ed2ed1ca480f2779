//! The derived rows: windows, facts, interruptions with their cases and changes, marks, touched stretches.
//!
//! In: domain values. Out: the same. One connection writes; every change is in a transaction that the caller begins and
//! commits. Refuses to know: how anything was derived.

use super::{codec, words};
use crate::store::error::StoreError;
use crate::store::migrate;
use crate::store::open;
use phusong_coverage::PlaceId;
use phusong_coverage::case::{CaseId, Reconciled, Span};
use phusong_coverage::cause::Cause;
use phusong_coverage::grade::Graded;
use phusong_coverage::interruption::{Interruption, Key, Kind, Subject};
use phusong_coverage::observation::{NetworkId, SampleId, TargetId};
use phusong_coverage::window::{Window, WindowNo};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

const MIGRATIONS: [(&str, &str); 4] = [
    ("V1__derived", include_str!("migrations/V1__derived.sql")),
    ("V2__counters", include_str!("migrations/V2__counters.sql")),
    ("V3__speed", include_str!("migrations/V3__speed.sql")),
    ("V4__radio", include_str!("migrations/V4__radio.sql")),
];

/// The file beside `phusong.db`.
pub fn database(dir: &Path) -> PathBuf {
    dir.join("derived.db")
}

/// A stored window with its judgement.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredWindow {
    pub window: Window,
    pub graded: Graded,
}

/// A stored interruption with its case.
#[derive(Debug, Clone, PartialEq)]
pub struct Filed {
    pub interruption: Interruption,
    pub case: CaseId,
}

/// What is remembered of a place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlaceState {
    pub first_no: Option<i64>,
    pub last_no: Option<i64>,
    pub to_ms: Option<i64>,
    pub deadline_ms: Option<i64>,
    pub final_until_ms: Option<i64>,
}

pub struct Shelf {
    pub db: Connection,
    networks: HashMap<String, NetworkId>,
}

impl Shelf {
    pub fn open(dir: &Path, now_ms: i64) -> Result<Self, StoreError> {
        let path = database(dir);
        let mut db = open::connect(&path, OpenFlags::default())?;
        migrate::run(&mut db, &path, &MIGRATIONS, now_ms)?;
        Ok(Shelf { db, networks: HashMap::new() })
    }

    /// An empty one with the same tables, gone with its connection: a file of SQLite's own that has no name.
    pub fn passing() -> Result<Self, StoreError> {
        let db = Connection::open("")?;
        MIGRATIONS.iter().try_for_each(|(_, sql)| db.execute_batch(sql))?;
        Ok(Shelf { db, networks: HashMap::new() })
    }

    pub fn begin(&self) -> Result<(), StoreError> {
        Ok(self.db.execute_batch("BEGIN IMMEDIATE")?)
    }

    pub fn commit(&self) -> Result<(), StoreError> {
        Ok(self.db.execute_batch("COMMIT")?)
    }

    /// Also forgets what was remembered of the transaction.
    pub fn rollback(&mut self) {
        self.networks.clear();
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("ROLLBACK")
        {
            tracing::debug!("rollback: {error}");
        }
    }

    pub fn mark(&self, name: &str) -> Result<i64, StoreError> {
        let sql = "SELECT value FROM mark WHERE name = ?1";
        Ok(self.db.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?.unwrap_or(0))
    }

    pub fn set_mark(&self, name: &str, value: i64) -> Result<(), StoreError> {
        // Nothing is written where nothing changes: an idle collector must not wear out a memory card.
        let sql = "INSERT INTO mark (name, value) VALUES (?1, ?2)
                   ON CONFLICT (name) DO UPDATE SET value = ?2 WHERE value <> ?2";
        self.db.prepare_cached(sql)?.execute(params![name, value])?;
        Ok(())
    }

    pub fn count(&self, name: &str, more: i64) -> Result<(), StoreError> {
        if more != 0 {
            self.set_mark(name, self.mark(name)? + more)?;
        }
        Ok(())
    }

    pub fn network(&mut self, name: &str) -> Result<NetworkId, StoreError> {
        if let Some(known) = self.networks.get(name) {
            return Ok(*known);
        }
        let found = self.db.prepare_cached("SELECT id FROM network WHERE name = ?1")?;
        let id: Option<i64> = { found }.query_row([name], |row| row.get(0)).optional()?;
        let id = match id {
            Some(id) => id,
            None => {
                self.db.prepare_cached("INSERT INTO network (name) VALUES (?1)")?.execute([name])?;
                self.db.last_insert_rowid()
            }
        };
        self.networks.insert(name.to_owned(), NetworkId(id));
        Ok(NetworkId(id))
    }

    /// Notes that windows are to be computed again.
    pub fn touch(&self, place: i64, first_no: i64, last_no: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO touched (place_ref, first_no, last_no) VALUES (?1, ?2, ?3)
                   ON CONFLICT (place_ref, first_no) DO UPDATE SET last_no = max(last_no, ?3)";
        self.db.prepare_cached(sql)?.execute(params![place, first_no, last_no])?;
        Ok(())
    }

    /// Stretches by place and first window; at most so many.
    pub fn touched(&self, limit: usize) -> Result<Vec<(i64, i64, i64)>, StoreError> {
        let sql = "SELECT place_ref, first_no, last_no FROM touched ORDER BY place_ref, first_no LIMIT ?1";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([limit as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn untouch(&self, place: i64, first_no: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM touched WHERE place_ref = ?1 AND first_no = ?2";
        self.db.prepare_cached(sql)?.execute([place, first_no])?;
        Ok(())
    }

    /// Windows of all networks of a place from `from` up to but without `to`.
    pub fn windows(
        &self,
        place: i64,
        from: i64,
        to: i64,
    ) -> Result<BTreeMap<NetworkId, Vec<StoredWindow>>, StoreError> {
        let mut networks = self.db.prepare_cached("SELECT network_ref FROM last_known WHERE place_ref = ?1")?;
        let networks = networks.query_map([place], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        let mut all = BTreeMap::new();
        for network in networks {
            all.insert(NetworkId(network), self.windows_of(place, NetworkId(network), from, to)?);
        }
        Ok(all)
    }

    fn windows_of(&self, place: i64, network: NetworkId, from: i64, to: i64) -> Result<Vec<StoredWindow>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT no, grade, reason, service, policy, body FROM window
              WHERE place_ref = ?1 AND network_ref = ?2 AND no >= ?3 AND no < ?4 ORDER BY no",
        )?;
        let mut rows = statement.query(params![place, network.0, from, to])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let no: i64 = row.get(0)?;
            let bytes = row.get_ref(5)?.as_blob().map_err(rusqlite::Error::from)?;
            let unread = || StoreError::Content { table: "window", row: no, detail: "its body cannot be read".into() };
            let graded = Graded {
                no,
                grade: words::grade_of(row.get(1)?),
                reason: words::reason_of(row.get(2)?),
                service: words::service_of(row.get(3)?),
                policy: row.get(4)?,
            };
            found.push(StoredWindow { window: codec::decode(no, bytes).ok_or_else(unread)?, graded });
        }
        Ok(found)
    }

    pub fn put_window(&self, place: i64, network: NetworkId, stored: &StoredWindow) -> Result<(), StoreError> {
        let sql = "INSERT INTO window (place_ref, network_ref, no, grade, reason, service, policy, body)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                   ON CONFLICT (place_ref, network_ref, no) DO UPDATE SET grade = excluded.grade,
                     reason = excluded.reason, service = excluded.service, policy = excluded.policy, body = excluded.body";
        let StoredWindow { window, graded } = stored;
        self.db.prepare_cached(sql)?.execute(params![
            place,
            network.0,
            window.no,
            words::grade(graded.grade),
            words::reason(graded.reason),
            words::service(graded.service),
            graded.policy,
            codec::encode(window)
        ])?;
        Ok(())
    }

    pub fn remove_window(&self, place: i64, network: NetworkId, no: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM window WHERE place_ref = ?1 AND network_ref = ?2 AND no = ?3";
        self.db.prepare_cached(sql)?.execute(params![place, network.0, no])?;
        Ok(())
    }

    pub fn interruptions(&self, place: i64) -> Result<Vec<Filed>, StoreError> {
        let sql = "SELECT key, kind, place_ref, network_ref, target_ref, first_no, from_ms, to_ms, end_unobserved,
                          observed_dead_s, cause, confidence, proof, evidence, cause_evidence, case_ref
                     FROM interruption WHERE place_ref = ?1 ORDER BY first_no, key";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([place], filed)?;
        Ok(rows.filter_map(Result::transpose).collect::<Result<_, _>>()?)
    }

    /// Those whose first window lies in a span.
    pub fn interruptions_from(
        &self,
        place: i64,
        kinds: &[Kind],
        network: Option<NetworkId>,
        (from, to): (i64, i64),
    ) -> Result<Vec<Filed>, StoreError> {
        let sql = "SELECT key, kind, place_ref, network_ref, target_ref, first_no, from_ms, to_ms, end_unobserved,
                          observed_dead_s, cause, confidence, proof, evidence, cause_evidence, case_ref
                     FROM interruption
                    WHERE place_ref = ?1 AND kind = ?2 AND first_no >= ?3 AND first_no < ?4 AND network_ref IS ?5";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut found = Vec::new();
        for kind in kinds {
            let asked = params![place, words::kind(*kind), from, to, network.map(|network| network.0)];
            let rows = statement.query_map(asked, filed)?;
            for row in rows {
                found.extend(row?);
            }
        }
        Ok(found)
    }

    /// Blinds of other places that began near a moment.
    pub fn blinds_near(&self, places: &[i64], ms: i64, within_ms: i64) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT from_ms FROM interruption
                    WHERE kind = 2 AND place_ref = ?1 AND from_ms BETWEEN ?2 AND ?3 AND network_ref IS NULL";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut found = Vec::new();
        for place in places {
            let rows = statement.query_map([*place, ms - within_ms, ms + within_ms], |row| row.get::<_, i64>(0))?;
            for row in rows {
                found.push(row?);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    pub fn put_interruption(&self, filed: &Filed, policy: u32) -> Result<(), StoreError> {
        let one = &filed.interruption;
        let sql = "INSERT OR REPLACE INTO interruption VALUES
                   (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
        self.db.prepare_cached(sql)?.execute(params![
            one.key.0.cast_signed(),
            words::kind(one.subject.kind),
            one.subject.place.get(),
            one.subject.network.map(|network| network.0),
            one.subject.target.map(|target| target.0),
            one.first.0,
            one.from_ms,
            one.to_ms,
            one.end_unobserved,
            one.observed_dead_s,
            words::cause(one.cause.kind),
            words::confidence(one.cause.confidence),
            words::proof(one.cause.proof),
            words::ids(&one.evidence),
            words::ids(&one.cause.evidence),
            filed.case.0,
            policy
        ])?;
        Ok(())
    }

    pub fn remove_interruption(&self, key: Key) -> Result<(), StoreError> {
        self.db.prepare_cached("DELETE FROM interruption WHERE key = ?1")?.execute([key.0.cast_signed()])?;
        Ok(())
    }

    pub fn open_case(&self, subject: &Subject, now_ms: i64) -> Result<CaseId, StoreError> {
        let sql =
            "INSERT INTO case_file (kind, place_ref, network_ref, target_ref, opened_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
        let (network, target) = (subject.network.map(|n| n.0), subject.target.map(|t| t.0));
        let row = params![words::kind(subject.kind), subject.place.get(), network, target, now_ms];
        self.db.prepare_cached(sql)?.execute(row)?;
        Ok(CaseId(self.db.last_insert_rowid()))
    }

    pub fn withdraw(&self, reconciled: &Reconciled, now_ms: i64) -> Result<(), StoreError> {
        let sql = "UPDATE case_file SET withdrawn_ms = ?2, merged_into = ?3 WHERE id = ?1";
        let mut update = self.db.prepare_cached(sql)?;
        for one in &reconciled.withdrawn {
            update.execute(params![one.case.0, now_ms, one.merged_into.map(|case| case.0)])?;
        }
        Ok(())
    }

    /// `what`: opened, changed, closed or withdrawn.
    pub fn change(&self, what: &str, filed: &Filed, now_ms: i64) -> Result<(), StoreError> {
        let one = &filed.interruption;
        let sql =
            "INSERT INTO changes (made_ms, what, key, case_ref, place_ref, network_ref, target_ref, from_ms, to_ms,
                                        cause, confidence) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        self.db.prepare_cached(sql)?.execute(params![
            now_ms,
            format!("{}_{what}", words::kind_name(one.subject.kind)),
            one.key.0.cast_signed(),
            filed.case.0,
            one.subject.place.get(),
            one.subject.network.map(|network| network.0),
            one.subject.target.map(|target| target.0),
            one.from_ms,
            one.to_ms,
            words::cause(one.cause.kind),
            words::confidence(one.cause.confidence)
        ])?;
        Ok(())
    }

    pub fn place_state(&self, place: i64) -> Result<PlaceState, StoreError> {
        let sql = "SELECT first_no, last_no, to_ms, deadline_ms, final_until_ms FROM place_state
                    WHERE place_ref = ?1";
        let read = |row: &Row<'_>| {
            Ok(PlaceState {
                first_no: row.get(0)?,
                last_no: row.get(1)?,
                to_ms: row.get(2)?,
                deadline_ms: row.get(3)?,
                final_until_ms: row.get(4)?,
            })
        };
        Ok(self.db.prepare_cached(sql)?.query_row([place], read).optional()?.unwrap_or_default())
    }

    pub fn put_place_state(&self, place: i64, state: &PlaceState) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO place_state VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let PlaceState { first_no, last_no, to_ms, deadline_ms, final_until_ms } = state;
        let row = params![place, first_no, last_no, to_ms, deadline_ms, final_until_ms];
        self.db.prepare_cached(sql)?.execute(row)?;
        Ok(())
    }

    /// Places whose deadline has passed.
    pub fn due(&self, as_of_ms: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT place_ref FROM place_state WHERE deadline_ms <= ?1 ORDER BY deadline_ms LIMIT ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map(params![as_of_ms, limit as i64], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest known window of a network; also how it is remembered that a place has this network at all.
    pub fn put_last_known(&self, place: i64, network: NetworkId) -> Result<(), StoreError> {
        let newest = "SELECT no, grade FROM window WHERE place_ref = ?1 AND network_ref = ?2 AND grade > 0
                       ORDER BY no DESC LIMIT 1";
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let found = self.db.prepare_cached(newest)?.query_row([place, network.0], read).optional()?;
        let (no, grade) = found.unwrap_or((0, 0));
        let sql = "INSERT INTO last_known VALUES (?1, ?2, ?3, ?4) ON CONFLICT (place_ref, network_ref)
                   DO UPDATE SET no = ?3, grade = ?4 WHERE no <> ?3 OR grade <> ?4";
        self.db.prepare_cached(sql)?.execute([place, network.0, no, grade])?;
        Ok(())
    }
}

/// An interruption as far as cases go.
pub fn span(one: &Interruption) -> Span {
    Span { key: one.key, from_ms: one.from_ms, to_ms: one.to_ms.unwrap_or(i64::MAX) }
}

fn filed(row: &Row<'_>) -> rusqlite::Result<Option<Filed>> {
    let Some(kind) = words::kind_of(row.get(1)?) else { return Ok(None) };
    let blob = |at| -> rusqlite::Result<Vec<SampleId>> { Ok(words::ids_of(&row.get::<_, Vec<u8>>(at)?)) };
    let text = |at| row.get::<_, String>(at);
    Ok(Some(Filed {
        interruption: Interruption {
            key: Key(row.get::<_, i64>(0)?.cast_unsigned()),
            subject: Subject {
                kind,
                place: PlaceId::new(row.get(2)?),
                network: row.get::<_, Option<i64>>(3)?.map(NetworkId),
                target: row.get::<_, Option<i64>>(4)?.map(TargetId),
            },
            first: WindowNo(row.get(5)?),
            from_ms: row.get(6)?,
            to_ms: row.get(7)?,
            end_unobserved: row.get(8)?,
            observed_dead_s: row.get(9)?,
            cause: Cause::new(
                words::cause_of(&text(10)?),
                words::confidence_of(&text(11)?),
                words::proof_of(&text(12)?),
                blob(14)?,
            ),
            evidence: blob(13)?,
        },
        case: CaseId(row.get(15)?),
    }))
}
