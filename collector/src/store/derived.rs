//! What is derived from the observations, in a file of its own: `derived.db`. Writing it never touches `phusong.db`, so
//! that deriving never holds up ingest.
//!
//! In: domain values. Out: rows, and what is to be computed again. Refuses to know: how anything is derived.

mod codec;
mod modems;
mod radio;
mod translate;
mod words;

mod cells;
mod counters;
mod facts;
mod ground;
mod marks;
mod missing;
mod newest;
mod policies;
pub mod read;
mod shelf;
mod speeds;
mod votes;
mod walked;

pub use counters::{HamletWindow, KnownWindow, RTT_BOUNDS_US, RTT_BUCKETS, RttCounts};
pub use ground::{Ground, PlaceHeard, PlaceSpan, Touch};
pub use missing::LOST_MS;
pub use newest::ProbeNews;
pub use policies::{CONTENT_BYTES, PolicyRow};
pub use shelf::{Filed, PlaceState, Shelf, StoredWindow, database, span};
pub use speeds::Speed;
pub use translate::is_cellular;
pub use votes::{LAYERS, SOURCES, VoteKey};
pub use walked::{Walked, hex};
pub use words::{cause as cause_word, confidence as confidence_word};
