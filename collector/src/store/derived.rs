//! What is derived from the observations, in a file of its own: `derived.db`. Writing it never touches `phusong.db`, so
//! that deriving never holds up ingest.
//!
//! In: domain values. Out: rows, and what is to be computed again. Refuses to know: how anything is derived.

mod codec;
mod translate;
mod words;

mod ground;
mod policies;
pub mod read;
mod shelf;

pub use ground::{Ground, PlaceHeard, PlaceSpan, Touch};
pub use policies::{CONTENT_BYTES, PolicyRow};
pub use shelf::{Filed, PlaceState, Shelf, StoredWindow, database, span};
pub use words::{cause as cause_word, confidence as confidence_word};
