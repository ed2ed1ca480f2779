//! The domain of Phủ Sóng: what the numbers mean. The files below stand in the order of the data.
//!
//! In: plain values. Out: plain values. Refuses to know: clocks (time is an argument), files, sockets, async, serde,
//! the wire. `clippy.toml` beside this crate enforces it.

// `for` over a hash map, which a list of methods cannot catch.
#![warn(clippy::iter_over_hash_type)]

mod modem;
mod place;
mod policy;
mod units;

pub mod observation;
pub mod radio;
pub mod rtt;
pub mod signal;
pub mod window;

pub mod grade;

pub mod blind;
pub mod blocked;
pub mod gap;
pub mod remote;

pub mod cause;
pub mod interruption;

pub mod recompute;

pub mod case;
pub mod hamlet;
pub mod vote;

pub use place::{Place, PlaceError, PlaceId};
pub use policy::{Policies, Policy};
pub use units::{BitsPerSecond, Bytes, Db, Dbm, Micros, Millis};
