//! The domain of Phủ Sóng: what the numbers mean, so far units and places.
//!
//! In: plain values. Out: plain values. Refuses to know: clocks (time is an argument), files, sockets, async, serde,
//! the wire. `clippy.toml` beside this crate enforces it.

// `for` over a hash map, which a list of methods cannot catch.
#![warn(clippy::iter_over_hash_type)]

mod place;
mod units;

pub use place::{Place, PlaceError, PlaceId};
pub use units::{BitsPerSecond, Bytes, Db, Dbm, Micros, Millis};
