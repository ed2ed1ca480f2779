//! What is derived, for readers: ground and derived data in one read-only connection.
//!
//! In: a [`Reader`]. Out: [`Views`], whose questions stand in the files below; all of one value see the same state of
//! each database. Refuses to know HTTP and how anything is derived. Without `derived.db`, or before it has its tables,
//! the derived lists are empty.

mod areas;
mod changes;
mod hamlets;
mod interruptions;
mod metrics;
mod observations;
mod probe;
mod radio;
mod speed;

pub use areas::{AreaNode, AreaTree};
pub use changes::ChangeRow;
pub use hamlets::{HamletPlace, KnownRow, WindowRow};
pub use interruptions::{InterruptionQuery, InterruptionRow, TargetName};
pub use metrics::{
    AnyArea, DeriveCounts, Echoes, Figures, InterruptionFigures, PlaceFigures, Registry, RegistryPlace, RegistryProbe,
    RttFigures, StateFigures,
};
pub use observations::{ObservationFilter, ObservationPage};
pub use probe::{Contact, Stay};
pub use radio::{Bounds, CellRow, TECHNOLOGIES, TechnologyRow, VoteQuery, VoteRow};
pub use speed::{HamletSpeed, ProbeSpeed, Throughput};

pub use super::hex as hex_of;

use super::words;
use crate::store::error::StoreError;
use crate::store::read::Reader;
use rusqlite::Connection;

/// A read-only look at both databases. To be dropped soon, as every reader.
pub struct Views {
    reader: Reader,
    derived: bool,
}

/// Where something was measured, as the registry tells it. Absent where the registry lost it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spot {
    pub place: i64,
    pub place_label: Option<String>,
    pub lat: Option<f64>,
    pub lon: Option<f64>,
    pub probe: Option<String>,
    pub site: Option<String>,
    pub hamlet_code: Option<String>,
    pub hamlet_name: Option<String>,
}

/// The columns that [`Spot::read`] takes; [`SPOT_JOINS`] brings them to a row `x` with a `place_ref`.
const SPOT: &str = "w.label, w.lat, w.lon, p.name, s.name, a.code, a.name";
const SPOT_JOINS: &str = "
      LEFT JOIN main.place w ON w.id = x.place_ref
      LEFT JOIN main.probe p ON p.id = w.probe_ref
      LEFT JOIN main.site s ON s.id = p.site_ref
      LEFT JOIN main.area a ON a.id = w.area_ref";

impl Spot {
    /// `first`: the column at which [`SPOT`] begins.
    fn read(row: &rusqlite::Row<'_>, place: i64, first: usize) -> rusqlite::Result<Self> {
        Ok(Spot {
            place,
            place_label: row.get(first)?,
            lat: row.get(first + 1)?,
            lon: row.get(first + 2)?,
            probe: row.get(first + 3)?,
            site: row.get(first + 4)?,
            hamlet_code: row.get(first + 5)?,
            hamlet_name: row.get(first + 6)?,
        })
    }
}

impl Reader {
    /// Takes the derived database into view, if it is there.
    pub fn with_derived(self) -> Result<Views, StoreError> {
        let path = self.db.path().map(|path| std::path::Path::new(path).with_file_name("derived.db"));
        let path = path.filter(|path| path.exists());
        let mut derived = false;
        if let Some(path) = path {
            // It inherits read-only from the connection.
            self.db.execute("ATTACH ?1 AS derived", [path.to_string_lossy()])?;
            let made = "SELECT EXISTS (SELECT 1 FROM derived.sqlite_master WHERE type = 'table' AND name = 'mark')";
            derived = self.db.query_row(made, [], |row| row.get(0))?;
        }
        self.db.execute_batch("BEGIN")?;
        Ok(Views { reader: self, derived })
    }
}

impl Views {
    /// Everything that the registry and the ledger say is asked of the reader itself.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    fn db(&self) -> &Connection {
        &self.reader.db
    }

    /// The row of a network by its name.
    fn network_ref(&self, name: &str) -> Result<Option<i64>, StoreError> {
        use rusqlite::OptionalExtension;
        let sql = "SELECT id FROM derived.network WHERE name = ?1";
        Ok(self.db().query_row(sql, [name], |row| row.get(0)).optional()?)
    }
}

/// The words of a cause, for whoever has to name a right one.
pub fn cause_words() -> Vec<&'static str> {
    words::CAUSES.iter().map(|(_, word)| *word).collect()
}

/// The word of a reason as rows hold it.
fn reason_word(code: i64) -> Option<&'static str> {
    words::REASONS.iter().find(|entry| entry.0 == code).map(|entry| entry.2)
}

/// A set of rows as one parameter of `json_each`.
fn set(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("[{}]", ids.join(","))
}
