//! One probe: where it stood, what its clock says, how late its samples come.

use super::Views;
use crate::store::error::StoreError;
use rusqlite::{OptionalExtension, params};

/// Where a fixed probe stood, from when to when.
#[derive(Debug, Clone, PartialEq)]
pub struct Stay {
    pub id: i64,
    pub from_ms: i64,
    /// `None`: it stands there still.
    pub to_ms: Option<i64>,
    pub lat: f64,
    pub lon: f64,
    pub label: Option<String>,
    pub hamlet_code: Option<String>,
    pub hamlet_name: Option<String>,
    pub supply: Option<String>,
}

/// What is known of a probe's clock and of its delivery.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Contact {
    /// Bound of the error of the newest boot's best anchor; `None`: it has none.
    pub anchor_err_ms: Option<i64>,
    /// Longest time from event to arrival, of what was measured since `since_ms` at a certain time.
    pub delay_max_ms: Option<i64>,
}

impl Views {
    /// The row of a probe by its name.
    pub fn probe_ref(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT id FROM main.probe WHERE name = ?1";
        Ok(self.db().query_row(sql, [name], |row| row.get(0)).optional()?)
    }

    /// Newest first.
    pub fn places_of(&self, probe: i64) -> Result<Vec<Stay>, StoreError> {
        let sql = "SELECT w.id, w.from_ms, w.to_ms, w.lat, w.lon, w.label, a.code, a.name, w.supply
                     FROM main.place w LEFT JOIN main.area a ON a.id = w.area_ref
                    WHERE w.probe_ref = ?1 ORDER BY w.from_ms DESC LIMIT 100";
        let mut statement = self.db().prepare(sql)?;
        let rows = statement.query_map([probe], |row| {
            Ok(Stay {
                id: row.get(0)?,
                from_ms: row.get(1)?,
                to_ms: row.get(2)?,
                lat: row.get(3)?,
                lon: row.get(4)?,
                label: row.get(5)?,
                hamlet_code: row.get(6)?,
                hamlet_name: row.get(7)?,
                supply: row.get(8)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn contact(&self, probe: i64, since_ms: i64) -> Result<Contact, StoreError> {
        let anchor = "SELECT err_ms FROM main.boot WHERE probe_ref = ?1 ORDER BY id DESC LIMIT 1";
        let delay = "SELECT max(received_ms - at_ms) FROM main.observation INDEXED BY observation_time
                      WHERE probe_ref = ?1 AND at_ms >= ?2 AND at_state > 0";
        Ok(Contact {
            anchor_err_ms: self.db().query_row(anchor, [probe], |row| row.get(0)).optional()?.flatten(),
            delay_max_ms: self.db().query_row(delay, params![probe, since_ms], |row| row.get(0))?,
        })
    }
}
