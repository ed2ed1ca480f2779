//! The families of `/metrics/coverage`: name, type, help. `docs/metrics.md` explains each, and a test holds it to that.

/// A family as it is announced before its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    pub name: &'static str,
    pub kind: &'static str,
    pub help: &'static str,
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "gauge", help }
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "counter", help }
}

pub const HAMLET_INFO: Family = gauge("phusong_hamlet_info", "1, with a hamlet's name and coordinates as labels.");
pub const HAMLET_COVERAGE_LEVEL: Family = gauge(
    "phusong_hamlet_coverage_level",
    "State of a hamlet on its best cellular network: 0 unknown, 1 dead, 2 weak, 3 good.",
);
pub const HAMLET_LINK_LEVEL: Family =
    gauge("phusong_hamlet_link_level", "State of a hamlet on a fixed link: 0 unknown, 1 dead, 2 weak, 3 good.");
pub const HAMLET_NETWORK_LEVEL: Family = gauge(
    "phusong_hamlet_network_level",
    "State of a hamlet on a cellular network: 0 unknown, 1 dead, 2 weak, 3 good.",
);
pub const HAMLET_STATE_SECONDS: Family = counter(
    "phusong_hamlet_state_seconds_total",
    "Time in each state on the best cellular network, known within half an hour.",
);
pub const HAMLET_LATE_STATE_SECONDS: Family =
    counter("phusong_hamlet_late_state_seconds_total", "Time in each state that was known later than half an hour.");
pub const HAMLET_RTT: Family = Family {
    name: "phusong_hamlet_rtt_seconds",
    // Nothing but a summary may carry the label `quantile`.
    kind: "summary",
    help: "Round-trip times of the newest window.",
};
pub const HAMLET_PACKET_LOSS: Family =
    gauge("phusong_hamlet_packet_loss_ratio", "Lost echoes of the newest window, of rounds with an answer.");
pub const HAMLET_THROUGHPUT: Family =
    gauge("phusong_hamlet_throughput_bits_per_second", "Median of the bandwidth tests of 24 hours.");
pub const GAPS_OPEN: Family = gauge("phusong_gaps_open", "Gaps in a network's service that last, by cause.");
pub const GAPS: Family = counter("phusong_gaps_total", "Gaps that have ended, by the cause known then.");
pub const BLINDS_OPEN: Family =
    gauge("phusong_blinds_open", "Times in which a place cannot be measured, that last. Never downtime.");
pub const BLINDS: Family =
    counter("phusong_blinds_total", "Times in which a place could not be measured, by the cause known at their end.");
pub const DELIVERY_DELAY: Family =
    gauge("phusong_delivery_delay_seconds", "From event to arrival, of a probe's newest sample.");
pub const PROBE_INFO: Family = gauge("phusong_probe_info", "1, with where a probe stands as labels.");
pub const PROBE_CLOCK_OFFSET: Family =
    gauge("phusong_probe_clock_offset_seconds", "A probe's clock less the true time.");
pub const PROBE_SPOOL_SAMPLES: Family =
    gauge("phusong_probe_spool_samples", "Samples that wait in a probe's spool for an acknowledgement.");
pub const PROBE_BATTERY: Family = gauge("phusong_probe_battery_ratio", "Charge of a probe's battery.");
pub const PROBE_DATA_USED: Family =
    gauge("phusong_probe_data_used_bytes", "Bytes for reporting and probing since a probe's agent started.");
pub const RTT: Family = Family {
    name: "phusong_rtt_seconds",
    kind: "histogram",
    help: "Round-trip times of echoes, of windows that are final.",
};
