//! When each lane is due: a fixed grid per lane, plus a jitter that is a function of the seed.
//!
//! In: periods, a seed, the time in milliseconds on a clock that counts suspended time. Out: which lanes are due, and
//! when the next one is. Refuses to know: what a lane measures, any clock. Limits: as many lanes as were given.
//!
//! Round `k` of a lane is due at `phase + k * period + jitter(seed, lane, k)`: computed from `k`, never from the round
//! before, so a late round delays no later one. After a suspend or a long stall each lane is due once, not once for
//! each round that was missed.

/// A lane's first round comes within this time of the start, so that a probe is useful soon.
pub const FIRST_ROUND_WITHIN_MS: u64 = 10_000;
/// What is measured less often than this is dear: its first round comes anywhere in its first period, so that neither a
/// device that starts again and again nor a village with power again asks for all of it at once.
pub const DEAR_MS: u64 = 3_600_000;

/// The pure schedule of all lanes.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    seed: u64,
    jitter: f64,
    lanes: Vec<LaneTimer>,
}

#[derive(Debug, Clone, PartialEq)]
struct LaneTimer {
    period_ms: u64,
    /// When round 0 is due, without its jitter.
    phase_ms: u64,
    /// The round that comes next.
    round: u64,
}

/// A lane that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub lane: usize,
    /// Rounds that were skipped since the one before, because nobody asked in time.
    pub missed: u64,
}

impl Schedule {
    /// `periods_ms` in the order of the lanes, each at least 1; `jitter` is a share of the period, below 1.
    pub fn new(periods_ms: &[u64], jitter: f64, seed: u64, now_ms: u64) -> Self {
        let lanes = periods_ms.iter().enumerate().map(|(lane, &period_ms)| {
            let spread = if period_ms > DEAR_MS { period_ms } else { period_ms.clamp(1, FIRST_ROUND_WITHIN_MS) };
            let phase_ms = now_ms.saturating_add(mix(seed, lane as u64, u64::MAX) % spread);
            LaneTimer { period_ms: period_ms.max(1), phase_ms, round: 0 }
        });
        Schedule { seed, jitter: jitter.clamp(0.0, 0.99), lanes: lanes.collect() }
    }

    /// When the next lane is due; `None` without lanes.
    pub fn next_ms(&self) -> Option<u64> {
        (0..self.lanes.len()).map(|lane| self.due_ms(lane, self.lanes[lane].round)).min()
    }

    /// The lanes that are due at `now_ms`, earliest first, each once; their next rounds lie after `now_ms`.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<Due> {
        let mut due = Vec::new();
        for lane in 0..self.lanes.len() {
            let round = self.lanes[lane].round;
            let due_ms = self.due_ms(lane, round);
            if due_ms > now_ms {
                continue;
            }
            let next = self.first_round_after(lane, now_ms).max(round + 1);
            self.lanes[lane].round = next;
            due.push((due_ms, Due { lane, missed: next - round - 1 }));
        }
        due.sort_by_key(|(due_ms, due)| (*due_ms, due.lane));
        due.into_iter().map(|(_, due)| due).collect()
    }

    fn first_round_after(&self, lane: usize, now_ms: u64) -> u64 {
        let timer = &self.lanes[lane];
        let passed = now_ms.saturating_sub(timer.phase_ms) / timer.period_ms;
        // The jitter is below one period: the round of this period may still be ahead.
        if self.due_ms(lane, passed) > now_ms { passed } else { passed + 1 }
    }

    fn due_ms(&self, lane: usize, round: u64) -> u64 {
        let timer = &self.lanes[lane];
        let share = (mix(self.seed, lane as u64, round) >> 11) as f64 / (1u64 << 53) as f64;
        let jitter_ms = (timer.period_ms as f64 * self.jitter * share) as u64;
        timer.phase_ms.saturating_add(timer.period_ms.saturating_mul(round)).saturating_add(jitter_ms)
    }
}

/// A hash of three numbers (the finaliser of SplitMix64): the same jitter for the same seed on every machine.
fn mix(seed: u64, lane: u64, round: u64) -> u64 {
    let mut z = seed ^ lane.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ round.wrapping_mul(0xD1B5_4A32_D192_ED03);
    for _ in 0..2 {
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(schedule: &mut Schedule, until_ms: u64) -> Vec<(u64, Due)> {
        let mut ran = Vec::new();
        while let Some(now) = schedule.next_ms().filter(|at| *at <= until_ms) {
            ran.extend(schedule.take_due(now).into_iter().map(|due| (now, due)));
        }
        ran
    }

    proptest! {
        #[test]
        fn every_round_stays_on_its_grid_for_ever(
            seed: u64, start in 0u64..1_000_000, period in 100u64..600_000, jitter in 0.0f64..0.5,
        ) {
            let mut schedule = Schedule::new(&[period], jitter, seed, start);
            let ran = run(&mut schedule, start + period * 50 + FIRST_ROUND_WITHIN_MS);
            let phase = ran[0].0 as f64;
            prop_assert!(ran.len() >= 50);
            for (k, (at, due)) in ran.iter().enumerate() {
                prop_assert_eq!(due.missed, 0);
                let ideal = phase + (k as u64 * period) as f64;
                prop_assert!((*at as f64 - ideal).abs() <= period as f64 * jitter + 1.0, "round {k} at {at}");
            }
        }

        #[test]
        fn the_same_seed_gives_the_same_times(seed: u64, start in 0u64..1_000_000) {
            let periods = [100, 60_000, 300_000];
            let mut one = Schedule::new(&periods, 0.1, seed, start);
            let mut two = Schedule::new(&periods, 0.1, seed, start);
            prop_assert_eq!(run(&mut one, start + 900_000), run(&mut two, start + 900_000));
        }

        #[test]
        fn after_a_suspend_each_lane_runs_once_and_then_waits(
            seed: u64, start in 0u64..1_000_000, asleep in 1u64..1_000_000_000, jitter in 0.0f64..0.5,
        ) {
            let periods = [1_000, 60_000, 300_000];
            let mut schedule = Schedule::new(&periods, jitter, seed, start);
            run(&mut schedule, start + 120_000);
            let woken = start + 120_000 + asleep;
            let due = schedule.take_due(woken);
            let mut lanes: Vec<usize> = due.iter().map(|d| d.lane).collect();
            lanes.sort_unstable();
            lanes.dedup();
            prop_assert_eq!(lanes.len(), due.len());
            prop_assert!(schedule.take_due(woken).is_empty());
            prop_assert!(schedule.next_ms().is_some_and(|at| at > woken));
        }
    }

    #[test]
    fn what_is_dear_is_not_measured_by_all_at_once() {
        const DAY_MS: u64 = 86_400_000;
        let first = |seed| Schedule::new(&[DAY_MS], 0.0, seed, 0).next_ms().expect("a lane");
        let firsts: Vec<u64> = (0..100).map(first).collect();
        assert!(firsts.iter().all(|at| *at < DAY_MS));
        assert!((30..70).contains(&firsts.iter().filter(|at| **at < DAY_MS / 2).count()));
        assert!(firsts.iter().filter(|at| **at < FIRST_ROUND_WITHIN_MS).count() < 5);
    }

    #[test]
    fn every_lane_has_its_first_round_soon_and_not_all_at_once() {
        let mut schedule = Schedule::new(&[300_000; 20], 0.0, 7, 0);
        let ran = run(&mut schedule, FIRST_ROUND_WITHIN_MS);
        assert_eq!(ran.len(), 20);
        assert!(ran.iter().any(|(at, _)| *at < 3_000) && ran.iter().any(|(at, _)| *at > 7_000));
    }
}
