//! The house tests' own library: the harness that starts real brokers, collectors and agents.
//!
//! In: the binaries that `make build` left in the target directory. Out: processes, clients, proxies and reports that
//! the tests and the measuring programs (`src/bin/`) share. Refuses to know: how agent and collector work inside.

pub mod harness;

pub mod alerts;
pub mod dashboards;
pub mod demo;
pub mod faults;
pub mod metrics_rival;
pub mod metrics_scrape;
pub mod metrics_world;
pub mod modem_e2e;
pub mod phones;
pub mod sim_disk;
pub mod truth;
