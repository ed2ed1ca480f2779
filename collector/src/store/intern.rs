//! Targets, uplinks and set-ups that many observations share, stored once each.
//!
//! In: the context of a sample. Out: its row's number. Limits: so many of each in an installation; beyond it a
//! sample with a new one is refused, so that a sender of ever-new names cannot fill the store.

use super::error::StoreError;
use super::read::unsigned;
use super::writer::ProbeRef;
use phusong_protocol::{SetupRef, Target, Uplink};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

/// A probe's batch seldom names more targets or uplinks than this.
const RECENT: usize = 16;

/// How many of each kind an installation may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InternLimits {
    pub targets: u64,
    pub uplinks: u64,
    pub setups: u64,
}

impl Default for InternLimits {
    fn default() -> Self {
        // A nation: 11,000 communes with some targets of their own; links that change operator, technology and state.
        InternLimits { targets: 100_000, uplinks: 100_000, setups: 50_000 }
    }
}

/// The tables, as far as they were asked for.
#[derive(Default)]
pub struct Interned {
    targets: Table<Target>,
    uplinks: Table<Uplink>,
    setups: HashMap<(ProbeRef, u32), Setup>,
    setup_count: Option<u64>,
}

struct Table<T> {
    known: HashMap<Arc<T>, i64>,
    /// The samples of a batch share their contexts, by pointer even: most are found here without hashing them.
    recent: VecDeque<(Arc<T>, i64)>,
    count: Option<u64>,
}

#[derive(Clone, Copy)]
struct Setup {
    id: i64,
    whole: bool,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { known: HashMap::new(), recent: VecDeque::with_capacity(RECENT), count: None }
    }
}

/// The statements of one table.
struct Sql {
    find: &'static str,
    count: &'static str,
    add: &'static str,
}

const TARGET: Sql = Sql {
    find: "SELECT id FROM target WHERE content = ?1",
    count: "SELECT count(*) FROM target",
    add: "INSERT INTO target (content, name, host) VALUES (?1, ?2, ?3)",
};

const UPLINK: Sql = Sql {
    find: "SELECT id FROM uplink WHERE content = ?1",
    count: "SELECT count(*) FROM uplink",
    add: "INSERT INTO uplink (content, interface) VALUES (?1, ?2)",
};

impl<T: Hash + Eq + minicbor::Encode<()>> Table<T> {
    /// `None` at the bound.
    fn id(
        &mut self,
        db: &Connection,
        value: &Arc<T>,
        sql: &Sql,
        limit: u64,
        names: &[&str],
    ) -> Result<Option<i64>, StoreError> {
        if let Some((_, id)) = self.recent.iter().find(|(recent, _)| Arc::ptr_eq(recent, value)) {
            return Ok(Some(*id));
        }
        let known = self.known.get(value).copied();
        let id = match known {
            Some(id) => id,
            None => match self.find_or_add(db, value, sql, limit, names)? {
                None => return Ok(None),
                Some(id) => {
                    self.known.insert(Arc::clone(value), id);
                    id
                }
            },
        };
        if self.recent.len() >= RECENT {
            self.recent.pop_back();
        }
        self.recent.push_front((Arc::clone(value), id));
        Ok(Some(id))
    }

    fn find_or_add(
        &mut self,
        db: &Connection,
        value: &Arc<T>,
        sql: &Sql,
        limit: u64,
        names: &[&str],
    ) -> Result<Option<i64>, StoreError> {
        let content = minicbor::to_vec(value.as_ref()).expect("writing CBOR to memory cannot fail");
        let found: Option<i64> = db.prepare_cached(sql.find)?.query_row([&content], |row| row.get(0)).optional()?;
        if found.is_some() {
            return Ok(found);
        }
        let count = count(db, &mut self.count, sql.count)?;
        if *count >= limit {
            return Ok(None);
        }
        let mut add = db.prepare_cached(sql.add)?;
        add.raw_bind_parameter(1, &content)?;
        for (i, name) in names.iter().enumerate() {
            add.raw_bind_parameter(i + 2, *name)?;
        }
        add.raw_execute()?;
        *count += 1;
        Ok(Some(db.last_insert_rowid()))
    }
}

fn count<'a>(db: &Connection, counted: &'a mut Option<u64>, sql: &str) -> Result<&'a mut u64, StoreError> {
    let n = match *counted {
        Some(n) => n,
        None => unsigned(db.query_row(sql, [], |row| row.get(0))?),
    };
    Ok(counted.insert(n))
}

impl Interned {
    pub fn target(&mut self, db: &Connection, value: &Arc<Target>, limit: u64) -> Result<Option<i64>, StoreError> {
        self.targets.id(db, value, &TARGET, limit, &[&value.name, &value.host])
    }

    pub fn uplink(&mut self, db: &Connection, value: &Arc<Uplink>, limit: u64) -> Result<Option<i64>, StoreError> {
        self.uplinks.id(db, value, &UPLINK, limit, &[&value.interface])
    }

    /// A set-up is known by its number; its content follows when a sample brings it.
    pub fn setup(
        &mut self,
        db: &Connection,
        probe: ProbeRef,
        value: &SetupRef,
        limit: u64,
    ) -> Result<Option<i64>, StoreError> {
        let known = match self.setups.get(&(probe, value.id)) {
            Some(setup) => Some(*setup),
            None => db
                .prepare_cached("SELECT id, content IS NOT NULL FROM setup WHERE probe_ref = ?1 AND number = ?2")?
                .query_row(params![probe.0, value.id], |row| Ok(Setup { id: row.get(0)?, whole: row.get(1)? }))
                .optional()?,
        };
        let mut setup = match known {
            Some(setup) => setup,
            None => {
                let count = count(db, &mut self.setup_count, "SELECT count(*) FROM setup")?;
                if *count >= limit {
                    return Ok(None);
                }
                db.prepare_cached("INSERT INTO setup (probe_ref, number) VALUES (?1, ?2)")?
                    .execute(params![probe.0, value.id])?;
                *count += 1;
                Setup { id: db.last_insert_rowid(), whole: false }
            }
        };
        if let (false, Some(full)) = (setup.whole, &value.full) {
            let content = minicbor::to_vec(full).expect("writing CBOR to memory cannot fail");
            db.prepare_cached("UPDATE setup SET content = ?2 WHERE id = ?1")?.execute(params![setup.id, content])?;
            setup.whole = true;
        }
        self.setups.insert((probe, value.id), setup);
        Ok(Some(setup.id))
    }
}
