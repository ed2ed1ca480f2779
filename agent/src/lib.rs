//! The agent of Phủ Sóng: device -> probe -> sample -> spool -> MQTT.
//!
//! In: a configuration file and the device it runs on. Out: samples, durable in the spool, then at the collector.
//! Refuses to know: coverage (what a sample means), the collector's store. The modules stand in the data's order.
//! Limits: one thread, every queue bounded, every wait with a deadline.

pub mod config;
pub mod text;

pub mod device;

pub mod plan;
pub mod probe;
pub mod schedule;

pub mod attempt;
pub mod budget;
pub mod sampler;
pub mod summary;

pub mod health;
pub mod modems;
pub mod positions;
pub mod record;
pub mod watchers;

pub mod disk;
pub mod sabotage;
pub mod spool;
pub mod spooler;

pub mod tls;

pub mod mqtt;
pub mod publish;

pub mod trial;

pub mod survey;

pub mod control;
pub mod start;
pub mod status;

pub mod aim;
pub mod calibrate;

pub mod agent;
pub mod cli;
pub mod logging;
pub mod notify;
