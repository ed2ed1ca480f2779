//! The script of a modem's life, against the real thing on every side: ModemManager or a serial line, the agent, a
//! broker, the collector, gpsd.
//!
//! [`street`] is the way behind a modem's interface, [`case`] the script, [`agent`] one device with its modem, [`read`]
//! what the store holds of it, [`steps`] each state's values, [`holds`] what a state comes to when it lasts, [`drive`] a
//! ride through a hole.

pub mod agent;
pub mod case;
pub mod drive;
pub mod holds;
pub mod read;
pub mod steps;
pub mod street;

pub use agent::{Device, Way};
