//! What world is to be made.
//!
//! In: numbers from a caller. Out: a checked [`Plan`]. Refuses to know: how any of it is drawn. Limits: 400 days, 18
//! hamlets, both refused beyond that.

use serde::Serialize;

pub const MINUTE_MS: i64 = 60_000;
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Older samples are dead letters.
const DAYS: u32 = 400;
/// A scene shows so many hamlets, and reaches so far back.
pub const SCENE_HAMLETS: usize = 5;
pub const SCENE_MS: i64 = 3 * HOUR_MS;

/// One of the hamlets that Thanh Định had until 2019.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hamlet {
    pub name: &'static str,
    /// What its probes are called after.
    pub slug: &'static str,
}

const fn hamlet(name: &'static str, slug: &'static str) -> Hamlet {
    Hamlet { name, slug }
}

/// The names are real, everything else about these hamlets is synthetic.
pub const HAMLETS: [Hamlet; 18] = [
    hamlet("Bản Piềng", "ban-pieng"),
    hamlet("Hùng Lập", "hung-lap"),
    hamlet("Nà Họ", "na-ho"),
    hamlet("Khuẩn Nghè", "khuan-nghe"),
    hamlet("Nạ Chía", "na-chia"),
    hamlet("Thẩm Thia", "tham-thia"),
    hamlet("Thẩm Quẩn", "tham-quan"),
    hamlet("Bản Cái Thanh Trung", "ban-cai-thanh-trung"),
    hamlet("Bản Cái Thanh Xuân", "ban-cai-thanh-xuan"),
    hamlet("Khảu Rị", "khau-ri"),
    hamlet("Nạ Mao", "na-mao"),
    hamlet("Pài Trận", "pai-tran"),
    hamlet("Khảu Cuộng", "khau-cuong"),
    hamlet("Cỏ Bánh", "co-banh"),
    hamlet("Nà Chèn", "na-chen"),
    hamlet("Văn Lang", "van-lang"),
    hamlet("Đồng Chua", "dong-chua"),
    hamlet("Keo En", "keo-en"),
];

/// How often things happen, in 30 days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rates {
    /// Power cuts of each hamlet.
    pub power_per_hamlet: f64,
    /// Backhaul cuts of each hamlet, one provider each.
    pub backhaul_per_hamlet: f64,
    /// Dead gateways of each hamlet, one probe each.
    pub gateway_per_hamlet: f64,
    /// Deaths of the agent that last, and such that a restart mends at once, of each probe.
    pub crash_per_probe: f64,
    pub restart_per_probe: f64,
    /// Dead targets of the whole commune.
    pub remote: f64,
    /// Three hours without delivery, of each hamlet and of the whole commune.
    pub delay_per_hamlet: f64,
    pub delay: f64,
    /// Probes that are carried to another place.
    pub moves: f64,
    /// Probes whose clock is not set in some boots; not per time.
    pub timeless_probes: usize,
    /// Share of TCP and HTTP rounds that fail alone, for no reason.
    pub stray_failures: f64,
}

impl Default for Rates {
    fn default() -> Self {
        Rates {
            power_per_hamlet: 3.0,
            backhaul_per_hamlet: 2.6,
            gateway_per_hamlet: 1.6,
            crash_per_probe: 0.9,
            restart_per_probe: 2.0,
            remote: 24.0,
            delay_per_hamlet: 1.5,
            delay: 1.0,
            moves: 4.0,
            timeless_probes: 2,
            stray_failures: 0.0004,
        }
    }
}

impl Rates {
    /// Nothing ever happens.
    pub fn quiet() -> Self {
        Rates {
            power_per_hamlet: 0.0,
            backhaul_per_hamlet: 0.0,
            gateway_per_hamlet: 0.0,
            crash_per_probe: 0.0,
            restart_per_probe: 0.0,
            remote: 0.0,
            delay_per_hamlet: 0.0,
            delay: 0.0,
            moves: 0.0,
            timeless_probes: 0,
            stray_failures: 0.0,
        }
    }

    fn all(&self) -> [f64; 10] {
        let probes = [self.crash_per_probe, self.restart_per_probe, self.moves, self.stray_failures];
        let hamlets = [self.power_per_hamlet, self.backhaul_per_hamlet, self.gateway_per_hamlet];
        let [a, b, c, d] = probes;
        let [e, f, g] = hamlets;
        [a, b, c, d, e, f, g, self.remote, self.delay_per_hamlet, self.delay]
    }
}

/// What world is to be made; the same plan makes the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Plan {
    pub seed: u64,
    /// When it begins, milliseconds since 1970 UTC.
    pub start_ms: i64,
    pub days: u32,
    /// The first so many of [`HAMLETS`].
    pub hamlets: usize,
    /// Sends nothing by which a cause could be told: no supply, link or gateway samples, no details of a start.
    pub strip_evidence: bool,
    pub rates: Rates,
    /// The second probe of each hamlet leaves by a SIM.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cellular: bool,
    /// When somebody looks at the map: the scene is set for that moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scene_ms: Option<i64>,
}

/// Why there is no such world.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    #[error("days = {0}: must lie between 1 and {DAYS}, the oldest that a collector takes")]
    Days(u32),
    #[error("hamlets = {0}: must lie between 1 and {count}", count = HAMLETS.len())]
    Hamlets(usize),
    #[error("start_ms = {0}: must lie between 1970 and 2200")]
    Start(i64),
    #[error("a rate of {0}: must lie between 0 and 10,000 in 30 days")]
    Rate(f64),
    #[error("stray_failures = {0}: a share must lie between 0 and 1")]
    Share(f64),
    #[error("a scene shows cellular networks: it needs cellular probes")]
    SceneFixed,
    #[error("a scene needs at least {SCENE_HAMLETS} hamlets, not {0}")]
    SceneHamlets(usize),
    #[error("a scene needs at least {hours} h before it", hours = SCENE_MS / HOUR_MS)]
    SceneEarly,
}

impl Plan {
    /// All 18 hamlets with the usual rates.
    pub fn new(seed: u64, start_ms: i64, days: u32) -> Self {
        let (hamlets, rates) = (HAMLETS.len(), Rates::default());
        Plan { seed, start_ms, days, hamlets, strip_evidence: false, rates, cellular: false, scene_ms: None }
    }

    pub fn end_ms(&self) -> i64 {
        self.start_ms + i64::from(self.days) * DAY_MS
    }

    pub fn check(&self) -> Result<(), PlanError> {
        if !(1..=DAYS).contains(&self.days) {
            return Err(PlanError::Days(self.days));
        }
        if !(1..=HAMLETS.len()).contains(&self.hamlets) {
            return Err(PlanError::Hamlets(self.hamlets));
        }
        if !(0..230 * 365 * DAY_MS).contains(&self.start_ms) {
            return Err(PlanError::Start(self.start_ms));
        }
        if !(0.0..=1.0).contains(&self.rates.stray_failures) {
            return Err(PlanError::Share(self.rates.stray_failures));
        }
        if let Some(scene_ms) = self.scene_ms {
            if !self.cellular {
                return Err(PlanError::SceneFixed);
            }
            if self.hamlets < SCENE_HAMLETS {
                return Err(PlanError::SceneHamlets(self.hamlets));
            }
            if scene_ms < self.start_ms + SCENE_MS {
                return Err(PlanError::SceneEarly);
            }
        }
        match self.rates.all().into_iter().find(|rate| !(0.0..=10_000.0).contains(rate)) {
            Some(rate) => Err(PlanError::Rate(rate)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_plan_is_refused_with_what_would_be_right() {
        let good = Plan::new(1, 1_790_000_000_000, 30);
        assert_eq!(good.check(), Ok(()));
        let quiet = Rates::quiet();
        for (plan, says) in [
            (Plan { days: 0, ..good }, "between 1 and 400"),
            (Plan { hamlets: 19, ..good }, "between 1 and 18"),
            (Plan { start_ms: -1, ..good }, "between 1970"),
            (Plan { rates: Rates { remote: f64::NAN, ..quiet }, ..good }, "between 0 and 10,000"),
            (Plan { rates: Rates { stray_failures: 1.5, ..quiet }, ..good }, "between 0 and 1"),
            (Plan { scene_ms: Some(good.end_ms()), ..good }, "cellular probes"),
            (Plan { scene_ms: Some(good.end_ms()), cellular: true, hamlets: 4, ..good }, "at least 5 hamlets"),
            (Plan { scene_ms: Some(good.start_ms + HOUR_MS), cellular: true, ..good }, "at least 3 h"),
        ] {
            let error = plan.check().expect_err(says).to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
