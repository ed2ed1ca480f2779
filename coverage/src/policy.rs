//! The thresholds of every judgement, in one versioned value.
//!
//! In: configuration. Out: plain numbers with their sources. Refuses to know: files. [J] is our judgement; the numbers
//! of `Policy::default` are product defaults and no law.

use crate::units::{Db, Dbm, Micros};

/// What decides. Every stored result names the version it was judged by.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub version: u32,
    /// Windows that begin before it are judged by the version before this one.
    pub effective_from_ms: i64,
    /// Share of the observed time above which a window without signal is Dead [J].
    pub dead_share: f64,
    /// A success needs no company; a failure needs so many targets and attempts [J].
    pub fail_targets: usize,
    pub fail_attempts: u32,
    /// Missed when the lower Wilson bound (95 %) lies above it. Product default: 5 %.
    pub loss_target: f64,
    pub loss_echoes_min: u32,
    /// Product default: p95 <= 150 ms.
    pub rtt_target: Micros,
    pub rtt_values_min: u32,
    /// How many windows a weak grade may look back for enough values [J].
    pub look_back: i64,
    /// So many of the last `of` known windows open and close a gap [J].
    pub open_dead: usize,
    pub close_alive: usize,
    pub of: usize,
    /// Longer runs of Unknown end a gap, and what was counted for opening one [J].
    pub unknown_run: i64,
    /// Consecutive silent windows that make a blind [J].
    pub blind_windows: i64,
    /// Consecutive windows in which one target alone is silent [J].
    pub remote_windows: usize,
    /// Two devices that stop so close together stopped for one reason [J].
    pub together_ms: i64,
    /// A last known window older than this says nothing about now [J].
    pub stale_ms: i64,
    /// Levels below which a radio is dead, unless a transfer succeeds. LTE: the lowest level at which cells of common
    /// settings may be selected [M]; NR: the same at 30 kHz, derived; UMTS (RSCP) and GSM (RxLev) [J].
    pub dead_lte: Dbm,
    pub dead_nr: Dbm,
    pub dead_umts: Dbm,
    pub dead_gsm: Dbm,
    /// Levels below which it is weak [J].
    pub weak_lte: Dbm,
    pub weak_nr: Dbm,
    pub weak_umts: Dbm,
    pub weak_gsm: Dbm,
    /// So close to the dead level a service result decides [J].
    pub marginal: Db,
    /// No service for so long is dead; less is a change of cells [J].
    pub no_service_ms: i64,
    /// After a reset of the modem nothing is counted for so long [J].
    pub reset_ms: i64,
    /// A technology is absent when this much downlink for this long did not bring it [J].
    pub check_bps: u64,
    pub check_ms: u32,
    /// The usual cell is gone after so many windows without it [J].
    pub site_windows: usize,
    /// What a vehicle takes from a level [J].
    pub vehicle: Db,
    /// A position votes when its 95 % radius is at most this, and its age [J].
    pub position_radius_m: f64,
    pub position_age_ms: i64,
    /// The same when it moves faster than this [J].
    pub moving_age_ms: i64,
    pub moving_kmh: f64,
    /// Votes of what moved faster are kept and marked [J].
    pub survey_kmh: f64,
    /// How long votes live [J].
    pub survey_days: i64,
    pub probe_days: i64,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            version: 1,
            effective_from_ms: i64::MIN,
            dead_share: 0.6,
            fail_targets: 2,
            fail_attempts: 3,
            loss_target: 0.05,
            loss_echoes_min: 50,
            rtt_target: Micros::new(150_000),
            rtt_values_min: 20,
            look_back: 12,
            open_dead: 3,
            close_alive: 3,
            of: 5,
            unknown_run: 6,
            blind_windows: 3,
            remote_windows: 3,
            together_ms: 120_000,
            stale_ms: 15 * 60_000,
            dead_lte: Dbm::new(-121.0),
            dead_nr: Dbm::new(-118.0),
            dead_umts: Dbm::new(-110.0),
            dead_gsm: Dbm::new(-104.0),
            weak_lte: Dbm::new(-105.0),
            weak_nr: Dbm::new(-105.0),
            weak_umts: Dbm::new(-95.0),
            weak_gsm: Dbm::new(-95.0),
            marginal: Db::new(6.0),
            no_service_ms: 30_000,
            reset_ms: 120_000,
            check_bps: 1_000_000,
            check_ms: 10_000,
            site_windows: 3,
            vehicle: Db::new(8.0),
            position_radius_m: 50.0,
            position_age_ms: 5_000,
            moving_age_ms: 2_000,
            moving_kmh: 10.0,
            survey_kmh: 20.0,
            survey_days: 365,
            probe_days: 30,
        }
    }
}

/// The policies of an installation, each from its day on.
#[derive(Debug, Clone, PartialEq)]
pub struct Policies(Vec<Policy>);

impl Policies {
    /// The oldest holds for everything before its own day, too.
    pub fn new(mut policies: Vec<Policy>) -> Self {
        if policies.is_empty() {
            policies.push(Policy::default());
        }
        policies.sort_by_key(|policy| (policy.effective_from_ms, policy.version));
        Policies(policies)
    }

    pub fn at(&self, ms: i64) -> &Policy {
        let after = self.0.partition_point(|policy| policy.effective_from_ms <= ms);
        &self.0[after.saturating_sub(1)]
    }

    pub fn newest(&self) -> &Policy {
        &self.0[self.0.len() - 1]
    }
}

impl Default for Policies {
    fn default() -> Self {
        Policies::new(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_is_judged_by_the_policy_of_its_day() {
        let second = Policy { version: 2, effective_from_ms: 1_000, ..Policy::default() };
        let policies = Policies::new(vec![second, Policy::default()]);
        let version = |ms| policies.at(ms).version;
        assert_eq!([version(i64::MIN), version(999), version(1_000), version(9_999)], [1, 1, 2, 2]);
        assert_eq!(policies.newest().version, 2);
    }
}
