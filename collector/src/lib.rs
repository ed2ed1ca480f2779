//! The collector: takes samples from the broker into the store, each exactly once, and acknowledges them there.
//!
//! In: MQTT batches, import files. Out: committed rows, acknowledgements, `/metrics`, the command line.
//! The modules below stand in the order of the data. Only [`store`] knows SQL, only [`broker`] and [`mqtt`] know MQTT;
//! the parts in the middle never import each other's insides and are joined in [`collector`] alone.

pub mod config;
pub mod logging;

pub mod broker;
pub mod mqtt;

pub mod phones;

pub mod ingest;

pub mod areas;
pub mod store;

pub mod derive;

pub mod import;

pub mod metrics;

pub mod http;

pub mod collector;
pub mod notify;

pub mod cli;
pub mod credentials;
pub mod password;
