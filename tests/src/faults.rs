//! The fault rounds: what was measured is accounted for, whatever fails.
//!
//! In: real agents, collectors and brokers, killed, starved and cut off; a simulated week of power cuts. Out: for every
//! round an account in which each sample that a witness saw become durable is stored, replaced, dropped by policy, a
//! dead letter, or lost. Refuses to know: how agent and collector do it. Limits: one probe a round.

pub mod account;
mod held;
pub mod witness_log;

pub mod sim_probe;
pub mod week;

pub mod week_store;

pub mod small_disk;
pub mod tap;

pub mod bench;

pub mod rounds;
pub mod self_tests;

pub mod command;
