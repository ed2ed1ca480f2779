//! A simulated commune through the real ingest and the real derivation, held against what was true.
//!
//! In: a plan of `phusong-simulator`. Out: what was found and what should have been ([`Compared`]). The world's
//! deliveries go through the collector's engine into a store on disk; only the comparer sees the truth.

mod compare;
mod world;

pub use compare::{CAUSES, Compared, Kind, compare};
pub use world::{Found, FoundKind, Outcome, live};
