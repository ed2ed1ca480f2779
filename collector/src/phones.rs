//! Phones as probes: records of the app Network Survey become samples.
//!
//! In: its messages, lines of its CSV logs, rows of its GeoPackage logs. Out: samples, each under an identity made of
//! the record's own, so that a message and its line in a log are one. Refuses to know: the broker, files, the store.
//! `docs/phones.md` says which field becomes what. The files below stand in the order of the data.

mod message;

mod field;
mod plmn;
mod record;
pub mod stamp;
mod state;

mod sims;

#[cfg(test)]
mod tests;

pub use field::{Data, Field, Kind, Row, Value};
pub use message::{NoMessage, decode, is_one};
pub use plmn::{joined as plmn, strings as plmn_parts};
pub use record::{Bad, sample};
pub use sims::Sims;

use phusong_protocol::ProbeId;

/// The topics of phones, as a collector subscribes to them.
pub const FILTERS: [&str; 5] =
    ["ns/+/gsm_message", "ns/+/umts_message", "ns/+/lte_message", "ns/+/nr_message", "ns/+/device_status_message"];

/// The probe of a phone's topic, `ns/<probe>/<record>`.
pub fn probe_of(topic: &str) -> Option<ProbeId> {
    let mut parts = topic.split('/');
    let (root, probe, _record) = (parts.next()?, parts.next()?, parts.next()?);
    if root != "ns" || parts.next().is_some() {
        return None;
    }
    probe.parse().ok()
}

/// What the app is told: everything that it publishes lies below.
pub fn topic_prefix(probe: &ProbeId) -> String {
    format!("ns/{probe}/")
}
