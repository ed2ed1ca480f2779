//! Samples as an agent makes them, without an agent: for bad input, floods and measurements.
//!
//! In: a probe's name and a seed. Out: samples with rising `seq`, and batches of them. The mix of [`Source::full_batch`]
//! is that of a village probe with two uplinks: per five minutes eight summaries (each standing for five rounds that
//! stay in the spool), a radio reading per minute and uplink, now and then a failure, one health sample.

use phusong_protocol::{
    Attempt, BootId, BootReading, Clock, ClockReading, Epoch, Failure, FailureKind, HealthReading, LatencyReading,
    Outcome, Previous, ProbeId, RadioCell, RadioReading, Ranges, Reading, Replaced, Sample, Sketch, SummaryReading,
    Tag, Target, Technology, Uplink, encode_batch, limits,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Rounds folded into one summary.
const ROUNDS: u64 = 5;
const WINDOW_MS: u64 = 300_000;

pub struct Source {
    pub probe: ProbeId,
    pub epoch: Epoch,
    pub seq: u64,
    boot: BootId,
    mono_ms: u64,
    /// Wall clock at `mono_ms` 0.
    booted_ms: i64,
    random: fastrand::Rng,
    uplinks: Vec<Arc<Uplink>>,
    targets: Vec<Arc<Target>>,
    waiting: VecDeque<Sample>,
}

impl Source {
    /// A probe that booted a while ago, so that nothing it says lies in the future.
    pub fn new(probe: &str, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        Source {
            probe: probe.parse().expect("a test names its probes right"),
            epoch: Epoch(random.u64(1..)),
            seq: 0,
            boot: BootId(random.u128(..).to_be_bytes()),
            mono_ms: 60_000,
            booted_ms: i64::try_from(now).expect("far from overflow") - 300 * 86_400_000,
            uplinks: uplinks(),
            targets: targets(),
            waiting: VecDeque::new(),
            random,
        }
    }

    /// Booted so that its clock stands at `unix_ms` now.
    pub fn at(mut self, unix_ms: i64) -> Self {
        self.booted_ms = unix_ms - i64::try_from(self.mono_ms).expect("a short time");
        self
    }

    /// The next sample around `outcome`, a second after the one before.
    pub fn sample(&mut self, outcome: Outcome) -> Sample {
        self.mono_ms += 1_000;
        let seq = self.seq;
        self.seq += 1;
        Sample {
            seq,
            boot_id: Some(self.boot),
            mono_ms: Some(self.mono_ms),
            wall_ms: self.wall_ms(),
            clock: Clock { synced: true, age_s: Some(60) },
            place: None,
            setup: None,
            uplink: None,
            target: None,
            outcome,
        }
    }

    /// The first sample of an epoch.
    pub fn boot(&mut self, prev: Option<Previous>) -> Sample {
        let (version, same_boot) = ("0.1.0".into(), Some(false));
        let reading = BootReading { prev, start: 1, clean: true, same_boot, version, period_ms: None };
        self.sample(Outcome::Reading(Reading::Boot(reading)))
    }

    /// An anchor: without one, times are uncertain.
    pub fn clock(&mut self) -> Sample {
        let true_unix_ms = self.wall_ms() + 1_000;
        let reading = ClockReading { true_unix_ms, err_ms: 5, source: "kernel".into() };
        self.sample(Outcome::Reading(Reading::Clock(reading)))
    }

    pub fn latency(&mut self) -> Sample {
        let rtt_us = (0..3).map(|_| self.random.u32(8_000..60_000)).collect();
        let reading = LatencyReading { sent: 3, rtt_us, lost: Vec::new() };
        let sample = self.sample(Outcome::Reading(Reading::Latency(reading)));
        self.on_link(sample, 0, 0)
    }

    pub fn failure(&mut self) -> Sample {
        let kind = if self.random.bool() { FailureKind::Timeout } else { FailureKind::Unreachable };
        let failure = Failure { of: Attempt::Latency, kind, detail: None, sent: Some(10), elapsed_us: Some(3_000_000) };
        let (uplink, target) = (self.random.usize(..self.uplinks.len()), self.random.usize(..self.targets.len()));
        let sample = self.sample(Outcome::Failure(failure));
        self.on_link(sample, uplink, target)
    }

    pub fn batch(&self, samples: &[Sample]) -> Vec<u8> {
        encode_batch(&self.probe, self.epoch, samples)
    }

    /// A batch as full as the bounds allow, and how many samples it holds. What did not fit comes in the next one.
    pub fn full_batch(&mut self) -> (Vec<u8>, usize) {
        if self.seq == 0 {
            let first = [self.boot(None), self.clock()];
            self.waiting.extend(first);
        }
        while self.waiting.len() < limits::BATCH_SAMPLES {
            let window = self.window();
            self.waiting.extend(window);
        }
        // Size grows with the count: the largest count that fits is found by halving.
        let samples = self.waiting.make_contiguous();
        let (mut fits, mut too_many) = (1, limits::BATCH_SAMPLES + 1);
        while fits + 1 < too_many {
            let count = fits.midpoint(too_many);
            let bytes = encode_batch(&self.probe, self.epoch, &samples[..count]).len();
            if bytes <= limits::BATCH_BYTES {
                fits = count;
            } else {
                too_many = count;
            }
        }
        let bytes = encode_batch(&self.probe, self.epoch, &samples[..fits]);
        self.waiting.drain(..fits);
        (bytes, fits)
    }

    /// Five minutes of a probe, in the order of `seq`.
    fn window(&mut self) -> Vec<Sample> {
        let pairs: Vec<(usize, usize)> =
            (0..self.uplinks.len()).flat_map(|u| (0..self.targets.len()).map(move |t| (u, t))).collect();
        let first_raw = self.seq;
        let start_ms = self.mono_ms;
        self.seq += ROUNDS * pairs.len() as u64;
        let mut out = Vec::new();
        for minute in 0..5 {
            self.mono_ms = start_ms + minute * 60_000;
            for uplink in 0..self.uplinks.len() {
                let reading = self.radio();
                let sample = self.sample(Outcome::Reading(Reading::Radio(reading)));
                out.push(Sample { uplink: Some(Arc::clone(&self.uplinks[uplink])), ..sample });
            }
        }
        if self.random.u8(..4) == 0 {
            out.push(self.failure());
        }
        self.mono_ms = start_ms + WINDOW_MS;
        for (number, (uplink, target)) in pairs.iter().enumerate() {
            let raws = (0..ROUNDS).map(|round| first_raw + round * pairs.len() as u64 + number as u64);
            let reading = self.summary(start_ms, raws);
            let sample = self.sample(Outcome::Reading(Reading::Summary(reading)));
            out.push(self.on_link(sample, *uplink, *target));
        }
        let health =
            HealthReading { uptime_s: 300, rss_bytes: Some(9_000_000), load1: Some(0.2), ..Default::default() };
        out.push(self.sample(Outcome::Reading(Reading::Health(health))));
        out
    }

    fn summary(&mut self, start_ms: u64, raws: impl Iterator<Item = u64>) -> SummaryReading {
        let base = self.random.u32(8_000..40_000);
        let mut rtts: Vec<u32> = (0..50).map(|_| base + self.random.u32(..base)).collect();
        let sketch = Sketch::of(rtts.iter().copied());
        rtts.sort_unstable();
        let mut ranges = Ranges::new();
        raws.for_each(|seq| ranges.insert(seq, seq));
        SummaryReading {
            of: Attempt::Latency,
            rounds: 5,
            first_mono_ms: start_ms,
            last_mono_ms: start_ms + WINDOW_MS - 60_000,
            sent: 50,
            received: 50,
            min_us: Some(rtts[0]),
            p10_us: Some(rtts[5]),
            p50_us: Some(rtts[25]),
            p90_us: Some(rtts[45]),
            p95_us: Some(rtts[47]),
            p99_us: Some(rtts[49]),
            max_us: Some(rtts[49]),
            mean_us: Some(rtts.iter().sum::<u32>() / 50),
            sd_us: Some(base / 4),
            jitter_us: Some(base / 8),
            loss_bursts: 0,
            longest_burst: 0,
            sketch,
            replaces: Replaced { epoch: self.epoch, ranges },
        }
    }

    fn radio(&mut self) -> RadioReading {
        let rsrp = -70.0 - f32::from(self.random.u8(..50));
        let cell = RadioCell {
            technology: Some(Technology::Lte),
            mcc: Some("452".into()),
            mnc: Some("04".into()),
            cell_id: Some(20_000_000 + self.random.u64(..8)),
            tac: Some(4_021),
            pci: Some(self.random.u16(..504)),
            arfcn: Some(1_650),
            band: Some("B3".into()),
            rsrp_dbm: Some(rsrp),
            rsrq_db: Some(-11.0),
            sinr_db: Some(f32::from(self.random.u8(..25))),
            serving: Some(true),
            ..RadioCell::default()
        };
        RadioReading { cells: vec![cell], ..RadioReading::default() }
    }

    fn on_link(&self, sample: Sample, uplink: usize, target: usize) -> Sample {
        let (uplink, target) = (Arc::clone(&self.uplinks[uplink]), Arc::clone(&self.targets[target]));
        Sample { uplink: Some(uplink), target: Some(target), ..sample }
    }

    fn wall_ms(&self) -> i64 {
        self.booted_ms + i64::try_from(self.mono_ms).expect("a short time")
    }
}

fn uplinks() -> Vec<Arc<Uplink>> {
    let cellular = |interface: &str, plmn: &str| Uplink {
        interface: interface.into(),
        provider: None,
        sim_plmn: Some(plmn.into()),
        serving_plmn: Some(plmn.into()),
        roaming: Some(false),
        service_state: None,
        technology: Some(Technology::Lte),
        rrc: None,
        self_load: None,
    };
    vec![Arc::new(cellular("wwan0", "452-04")), Arc::new(cellular("wwan1", "452-01"))]
}

fn targets() -> Vec<Arc<Target>> {
    let target = |name: &str, host: &str, tag: Tag| {
        Arc::new(Target { name: name.into(), host: host.into(), address: host.parse().ok(), tags: vec![tag] })
    };
    vec![
        target("gateway", "192.0.2.1", Tag::Gateway),
        target("domestic", "198.51.100.7", Tag::Domestic),
        target("foreign", "203.0.113.9", Tag::Foreign),
        target("portal", "198.51.100.80", Tag::PublicService),
    ]
}
