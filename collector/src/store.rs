//! The store: the only place that knows SQL. SQLite in WAL mode with `synchronous=FULL`; a commit is durable.
//!
//! In: checked observations, dead letters, changes of the registry. Out: what was committed, rows for readers.
//! Refuses to know: MQTT, the encoding of batches, HTTP. One writer at a time in each process ([`Writer`]); every
//! transaction of another process is noticed and everything remembered is read anew. Readers take short read-only
//! connections ([`Readers`]). The files below stand in the order of the data.

mod error;
mod lock;
mod migrate;
mod open;

mod areas;
mod registry;

mod observation;
mod timing;

mod batch;
mod epochs;
mod insert;
mod intern;
mod ledger;
mod letters;
mod retime;
mod uplinks;
mod writer;

mod retention;

mod read;
mod read_letters;
mod read_observations;

mod forecast;

mod geopackage;

pub mod bare;
pub mod derived;

pub use areas::{AreaRow, ImportError, Imported, PlaceRow};
pub use batch::{Applied, Refusal};
pub use derived::read as views;
pub use error::StoreError;
pub use forecast::{Forecast, forecast};
pub use geopackage::{Cell, GeoPackage, GeoRow};
pub use intern::InternLimits;
pub use ledger::Kind as LedgerKind;
pub use letters::{LetterFate, LetterLimits, NewLetter, Reason};
pub use observation::{Anchor, Explained, Fact, Observation};
pub use open::{Store, StoreOptions};
pub use read::{EpochAccount, Facts, HamletName, ProbeRow, Reader, Readers};
pub use read_letters::{Letter, LetterQuery};
pub use read_observations::{ObservationQuery, ObservationRow};
pub use registry::{Entry, ManyError, Move, NewProbe, Registered, Registrar, Registry, RegistryError, Standing};
pub use retention::{Pruned, Pruner, Retention, StepLimits, prune_derived};
pub use timing::AtState;
pub use writer::{Committed, ProbeRef, Writer};
