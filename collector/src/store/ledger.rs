//! The ledger: which ids of an epoch are committed, and why others are not missing.
//!
//! Sets of sequence numbers as disjoint ranges in a table; what is merged here is committed together with the rows
//! it speaks of. Nothing is kept in memory, so its size has no bound but the disk's: a probe that publishes only
//! every tenth id makes one range for each.

use super::error::StoreError;
use super::observation::Explained;
use super::read::unsigned;
use phusong_protocol::Ranges;
use rusqlite::{Connection, OptionalExtension, params};

/// What a range says of its ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Committed = 0,
    Dropped = 1,
    Replaced = 2,
    DeadLetter = 3,
    /// Any of the above: what is not in it is missing.
    Accounted = 9,
}

impl Kind {
    const fn code(self) -> i64 {
        self as i64
    }
}

impl From<Explained> for Kind {
    fn from(why: Explained) -> Self {
        match why {
            Explained::Dropped => Kind::Dropped,
            Explained::Replaced => Kind::Replaced,
            Explained::DeadLetter => Kind::DeadLetter,
        }
    }
}

/// The whole set.
pub fn read(db: &Connection, epoch: i64, kind: Kind) -> Result<Ranges, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT first, last FROM ledger WHERE epoch_ref = ?1 AND kind = ?2 ORDER BY first")?;
    let mut rows = statement.query(params![epoch, kind.code()])?;
    let mut set = Ranges::new();
    while let Some(row) = rows.next()? {
        set.insert(unsigned(row.get(0)?), unsigned(row.get(1)?));
    }
    Ok(set)
}

pub fn contains(db: &Connection, epoch: i64, kind: Kind, seq: i64) -> Result<bool, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT last FROM ledger WHERE epoch_ref = ?1 AND kind = ?2 AND first <= ?3 ORDER BY first DESC LIMIT 1",
    )?;
    let last: Option<i64> = statement.query_row(params![epoch, kind.code(), seq], |row| row.get(0)).optional()?;
    Ok(last.is_some_and(|last| last >= seq))
}

/// The highest id of the set.
pub fn top(db: &Connection, epoch: i64, kind: Kind) -> Result<Option<i64>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT last FROM ledger WHERE epoch_ref = ?1 AND kind = ?2 ORDER BY first DESC LIMIT 1")?;
    Ok(statement.query_row(params![epoch, kind.code()], |row| row.get(0)).optional()?)
}

/// Adds `first..=last`; says how many ids are new to the set.
pub fn merge(db: &Connection, epoch: i64, kind: Kind, first: i64, last: i64) -> Result<i64, StoreError> {
    let mut touching = Vec::new();
    {
        let mut statement = db.prepare_cached(
            "SELECT first, last FROM ledger WHERE epoch_ref = ?1 AND kind = ?2 AND first <= ?3 ORDER BY first DESC",
        )?;
        let mut rows = statement.query(params![epoch, kind.code(), last.saturating_add(1)])?;
        while let Some(row) = rows.next()? {
            let known: (i64, i64) = (row.get(0)?, row.get(1)?);
            // Ranges are disjoint, so that in descending order none after this one reaches up to `first`.
            if known.1 < first.saturating_sub(1) {
                break;
            }
            touching.push(known);
        }
    }
    let whole = touching.iter().fold((first, last), |w, known| (w.0.min(known.0), w.1.max(known.1)));
    let size = |range: (i64, i64)| (range.1 - range.0).saturating_add(1);
    let before = touching.iter().fold(0i64, |n, known| n.saturating_add(size(*known)));
    match touching.as_slice() {
        [only] if *only == whole => return Ok(0),
        // The common case: the range grows at its end.
        [only] if only.0 == whole.0 => {
            db.prepare_cached("UPDATE ledger SET last = ?4 WHERE epoch_ref = ?1 AND kind = ?2 AND first = ?3")?
                .execute(params![epoch, kind.code(), whole.0, whole.1])?;
        }
        _ => {
            let mut delete =
                db.prepare_cached("DELETE FROM ledger WHERE epoch_ref = ?1 AND kind = ?2 AND first = ?3")?;
            for known in &touching {
                delete.execute(params![epoch, kind.code(), known.0])?;
            }
            db.prepare_cached("INSERT INTO ledger (epoch_ref, kind, first, last) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![epoch, kind.code(), whole.0, whole.1])?;
        }
    }
    Ok(size(whole).saturating_sub(before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn empty() -> Connection {
        let db = Connection::open_in_memory().expect("memory");
        db.execute_batch(super::super::migrate::known()[0].1).expect("the schema is valid");
        db.execute_batch(
            "INSERT INTO site VALUES (1, 's'); INSERT INTO probe (id, name, site_ref, created_ms) VALUES (1, 'p', 1, 0);
             INSERT INTO epoch (id, probe_ref, epoch) VALUES (1, 1, 5);",
        )
        .expect("one epoch");
        db
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_table_is_the_set_whatever_the_order(adds in prop::collection::vec((0i64..200, 0i64..20), 1..60)) {
            let db = empty();
            let mut model = Ranges::new();
            for (first, len) in adds {
                let before = model.count();
                model.insert(first as u64, (first + len) as u64);
                let added = merge(&db, 1, Kind::Committed, first, first + len).expect("a healthy database");
                prop_assert_eq!(added as u64, model.count() - before);
                prop_assert_eq!(&read(&db, 1, Kind::Committed).expect("a healthy database"), &model);
            }
            let top = top(&db, 1, Kind::Committed).expect("a healthy database");
            prop_assert_eq!(top.map(|t| t as u64), model.last());
            for seq in 0..230i64 {
                let found = contains(&db, 1, Kind::Committed, seq).expect("a healthy database");
                prop_assert_eq!(found, model.contains(seq as u64));
            }
        }
    }

    #[test]
    fn a_range_up_to_the_last_number_does_not_overflow() {
        let db = empty();
        assert_eq!(merge(&db, 1, Kind::Dropped, 0, i64::MAX).expect("a healthy database"), i64::MAX);
        assert_eq!(merge(&db, 1, Kind::Dropped, 5, i64::MAX).expect("a healthy database"), 0);
    }
}
