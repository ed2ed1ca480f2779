//! The agent about itself: one `health` reading.
//!
//! In: the spool's status, the time since the start, the data directory. Out: a [`HealthReading`]. Refuses to know:
//! when it is due. Limits: a handful of one-line files.

use crate::device::load;
use crate::spool::SpoolStatus;
use phusong_protocol::HealthReading;
use std::path::Path;

pub fn reading(spool: &SpoolStatus, uptime_ms: u64, data_dir: &Path) -> HealthReading {
    HealthReading {
        uptime_s: u32::try_from(uptime_ms / 1000).unwrap_or(u32::MAX),
        spool_samples: spool.waiting(),
        spool_bytes: spool.bytes,
        spool_bound_bytes: spool.max_bytes,
        spool_refused: spool.refused,
        sync_failures: spool.sync_failures,
        quarantined: spool.quarantined,
        rss_bytes: load::rss_bytes(),
        disk_free_bytes: load::disk_free_bytes(data_dir),
        // Payload bytes are known, bytes at the interface are not yet counted: absent rather than too low.
        report_bytes: None,
        probe_bytes: None,
        load1: load::load1(),
        temperature_c: load::temperature_c(),
    }
}
