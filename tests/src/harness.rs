//! Real processes, real sockets, deadlines instead of sleeps.
//!
//! One room a thing: [`TempDir`] deletes itself, [`wait`] is the only place that waits, [`Service`] is a child process,
//! [`Mosquitto`] the broker as it is deployed, [`MqttClient`] a bare client, [`Proxy`] stands between a client and the
//! broker and loses what it is told to lose, [`VirtualModem`] and [`ModemManager`] are a radio, [`Lab`] puts them
//! together, [`Report`] says what came of it.

mod tempdir;
pub mod wait;

mod http;
mod process;

mod mosquitto;
mod mqtt;
pub mod packet;
mod proxy;

mod gpsd;
mod modem_manager;
pub mod virtual_modem;

mod flood;

mod prometheus;
mod remote_write;

mod configs;
mod lab;
pub mod netns;
pub mod tmpfs;

mod bench;
mod report;
mod samples;

pub use bench::{bench_dir, median};
pub use configs::{AgentConfig, CollectorConfig, TargetConfig};
pub use flood::{Flood, Messages};
pub use gpsd::Gpsd;
pub use http::{get, metrics};
pub use lab::{Agent, Collector, Lab};
pub use modem_manager::ModemManager;
pub use mosquitto::Mosquitto;
pub use mqtt::{Login, Message, MqttClient, Refused, Version};
pub use process::{Service, binary, repository};
pub use prometheus::{BACKFILL, Prometheus};
pub use proxy::{Counts, Policy, Proxy};
pub use remote_write::Series;
pub use report::{Bound, Report, skip_test};
pub use samples::Source;
pub use tempdir::TempDir;
pub use virtual_modem::VirtualModem;
