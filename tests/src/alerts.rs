//! What `make alerts-smoke` is made of: the way from a probe in a hamlet to a message, with everything on it real.
//!
//! In: the shipped rules and Alertmanager's configuration. Out: probes that are steered, monitors that run, a sink that
//! remembers. Refuses to know how alerts are judged: that is `src/bin/alerts_smoke.rs`'s.

pub mod field;
pub mod look;
pub mod monitors;
pub mod pace;
pub mod sink;
