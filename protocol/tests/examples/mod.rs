//! One sample of every kind, with every optional field used somewhere: what golden files and tests are made of.

use phusong_protocol::*;
use std::sync::Arc;

pub const EPOCH: Epoch = Epoch(0x0123_4567_89ab_cdef);

pub fn probe() -> ProbeId {
    "na-chen-1".parse().expect("a good name")
}

fn place() -> Place {
    Place {
        lat: 21.86444,
        lon: 105.54361,
        accuracy_m: Some(12.5),
        source: PlaceSource::Gps,
        fix_age_s: Some(1.5),
        speed_mps: Some(0.5),
    }
}

fn setup() -> Setup {
    Setup {
        environment: Environment::Outdoor,
        height_m: Some(4.0),
        antenna: Some(Antenna::External),
        gain_dbi: Some(5.0),
        cable_loss_db: Some(1.5),
        device_model: Some("EG25-G".into()),
        bands: Some(vec!["B3".into(), "B28".into()]),
        offset_db: Some(-0.5),
        calibrated_at_ms: Some(1_790_000_000_000),
    }
}

fn uplink() -> Uplink {
    Uplink {
        interface: "wwan0".into(),
        provider: None,
        sim_plmn: Some("452-04".into()),
        serving_plmn: Some("452-04".into()),
        roaming: Some(false),
        service_state: Some(ServiceState::Home),
        technology: Some(Technology::Lte),
        rrc: Some(Rrc::Connected),
        self_load: Some(false),
    }
}

fn target() -> Target {
    Target {
        name: "vnnic".into(),
        host: "203.119.8.106".into(),
        address: Some([203, 119, 8, 106].into()),
        tags: vec![Tag::Domestic, Tag::PublicService],
    }
}

fn cell() -> RadioCell {
    RadioCell {
        technology: Some(Technology::Lte),
        mcc: Some("452".into()),
        mnc: Some("04".into()),
        cell_id: Some(0x79D_903),
        tac: Some(0x1F00),
        pci: Some(321),
        arfcn: Some(1750),
        band: Some("B3".into()),
        rsrp_dbm: Some(-97.0),
        rsrq_db: Some(-9.5),
        sinr_db: Some(11.0),
        sinr_raw: Some(11.0),
        rssi_dbm: Some(-66.0),
        serving: Some(true),
        doubtful: vec!["sinr_db".into()],
        ..RadioCell::default()
    }
}

fn latency() -> LatencyReading {
    LatencyReading { sent: 5, rtt_us: vec![41_000, 39_500, 44_210], lost: vec![1, 3] }
}

fn summary() -> SummaryReading {
    SummaryReading {
        of: Attempt::Latency,
        rounds: 2,
        first_mono_ms: 900_000,
        last_mono_ms: 1_190_000,
        sent: 20,
        received: 18,
        min_us: Some(38_000),
        p10_us: Some(38_500),
        p50_us: Some(41_000),
        p90_us: Some(55_000),
        p95_us: Some(61_000),
        p99_us: Some(70_000),
        max_us: Some(71_000),
        mean_us: Some(43_000),
        sd_us: Some(7_000),
        jitter_us: Some(2_500),
        loss_bursts: 1,
        longest_burst: 2,
        sketch: Sketch::of([38_000, 41_000, 71_000]),
        replaces: Replaced { epoch: EPOCH, ranges: [3, 4, 9].into_iter().collect() },
    }
}

fn throughput() -> ThroughputReading {
    ThroughputReading {
        down_bps: Some(34_790_000),
        up_bps: Some(25_180_000),
        bytes: 12_000_000,
        elapsed_ms: 10_000,
        early: false,
        method: "http".into(),
    }
}

/// Every kind of reading once.
pub fn readings() -> Vec<Reading> {
    let http = HttpReading {
        status: 200,
        total_us: 210_000,
        dns_us: Some(20_000),
        connect_us: Some(41_000),
        tls_us: Some(90_000),
        first_byte_us: Some(180_000),
        body_bytes: Some(4_096),
    };
    let registration = RegistrationReading {
        cell: Some(Box::new(cell())),
        reject_cause: Some(15),
        raw: Some("+CEREG: 2,3".into()),
        ..RegistrationReading::new(RegistrationStat::Denied)
    };
    let entry = ScanEntry { plmn: "452-01".into(), name: Some("MobiFone".into()), technology: Some(Technology::Lte) };
    let position = PositionReading {
        lat: 21.86444,
        lon: 105.54361,
        accuracy_m: Some(8.0),
        source: PlaceSource::Gps,
        altitude_m: Some(152.0),
        mark: None,
        survey: None,
    };
    let health = HealthReading {
        uptime_s: 3_600,
        spool_samples: 120,
        spool_bytes: 40_960,
        spool_bound_bytes: 268_435_456,
        rss_bytes: Some(6_000_000),
        disk_free_bytes: Some(2_000_000_000),
        load1: Some(0.25),
        temperature_c: Some(51.5),
        ..HealthReading::default()
    };
    let prev = Some(Previous { epoch: Epoch(0xfedc_ba98_7654_3210), last_seq: 41 });
    // The golden files were written before there was `period_ms`.
    let (version, period_ms) = ("0.1.0".into(), None);
    let boot = BootReading { prev, start: 7, clean: false, same_boot: Some(false), version, period_ms };
    vec![
        Reading::Latency(latency()),
        Reading::Tcp(TcpReading { connect_us: 42_000 }),
        Reading::Dns(DnsReading { query_us: 23_000, rcode: 0, answers: 2, truncated: None }),
        Reading::Http(http),
        Reading::Throughput(throughput()),
        Reading::LoadedLatency(LoadedLatencyReading { idle_rtt_us: 40_000, loaded: latency() }),
        Reading::Radio(RadioReading {
            cells: vec![cell()],
            raw: Some("+CESQ: 99,99,255,255,21,44".into()),
            ..RadioReading::default()
        }),
        Reading::Registration(registration),
        Reading::Neighbours(Neighbours { cells: vec![cell(), RadioCell::default()], raw: None }),
        Reading::Scan(Scan { entries: vec![entry], elapsed_ms: 121_000, raw: None }),
        Reading::Position(position),
        Reading::Power(PowerReading { mains: Some(false), undervoltage: Some(true), battery_ratio: Some(0.5) }),
        Reading::Link(LinkReading { interface: "wwan0".into(), up: true, has_address: true }),
        Reading::Boot(boot),
        Reading::Clock(ClockReading { true_unix_ms: 1_795_000_000_123, err_ms: 12, source: "kernel".into() }),
        Reading::Health(health),
        Reading::Summary(summary()),
        Reading::Drop(DropReading { class: DropClass::Raw, epoch: EPOCH, ranges: Ranges::of(100, 220) }),
    ]
}

/// One sample per reading and two failures, in one epoch.
pub fn samples() -> Vec<Sample> {
    let refused = Failure {
        of: Attempt::Tcp,
        kind: FailureKind::Refused,
        detail: Some("cổng 443 từ chối".into()),
        sent: Some(1),
        elapsed_us: Some(40_900),
    };
    let timeout =
        Failure { of: Attempt::Latency, kind: FailureKind::Timeout, detail: None, sent: Some(10), elapsed_us: None };
    let outcomes =
        readings().into_iter().map(Outcome::Reading).chain([refused, timeout].into_iter().map(Outcome::Failure));
    let setup = setup();
    let id = setup.id();
    let boot_id: BootId = "3f2504e0-4f89-41d3-9a0c-0305e82c3301".parse().expect("a good UUID");
    outcomes
        .enumerate()
        .map(|(i, outcome)| Sample {
            seq: 10 + 3 * i as u64,
            boot_id: Some(boot_id),
            mono_ms: Some(1_000_000 + 250 * i as u64),
            wall_ms: 1_795_000_000_000 + 250 * i as i64,
            clock: Clock { synced: i > 2, age_s: (i > 2).then_some(30 + i as u32) },
            place: (i % 3 == 0).then(|| Arc::new(place())),
            setup: Some(Arc::new(SetupRef { id, full: (i == 0).then(|| setup.clone()) })),
            uplink: (i % 4 != 3).then(|| Arc::new(uplink())),
            target: (i % 2 == 0).then(|| Arc::new(target())),
            outcome,
        })
        .collect()
}
