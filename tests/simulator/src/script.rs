//! What one probe lives through, in the order of time.
//!
//! In: stops and spells from the draw. Out: a [`Script`] of runs that a device plays. Refuses to know: truth, samples.
//! Limits: spells of one probe are disjoint; stops never lie inside one.

use crate::plan::{DAY_MS, HOUR_MS, MINUTE_MS};
use fastrand::Rng;

/// Why a run of the agent ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The supply was gone, or the process was killed: what was not durable is gone.
    Cut,
    InOrder,
}

/// An interval in which the agent does not run.
#[derive(Debug, Clone)]
pub struct Stop {
    pub at_ms: i64,
    pub ending: Ending,
    /// Starts that died at once, before it stayed up: begin and end.
    pub vain: Vec<(i64, i64)>,
    /// When it has power again, or when the agent is started again.
    pub back_ms: i64,
    pub same_boot: bool,
}

impl Stop {
    pub fn cut(at_ms: i64, back_ms: i64) -> Self {
        Stop { at_ms, ending: Ending::Cut, vain: Vec::new(), back_ms, same_boot: false }
    }
}

/// One start of the agent until its end.
#[derive(Debug, Clone)]
pub struct Run {
    pub begins_ms: i64,
    pub ends_ms: i64,
    pub ending: Ending,
    /// Whether the run before ended in order, and in the same boot; `None` for the first.
    pub before: Option<(Ending, bool)>,
    /// Where the boot's monotonic clock stood at zero.
    pub boot_ms: i64,
    /// When the clock is set; `None` never.
    pub synced_ms: Option<i64>,
    /// How far the wall clock lies behind until then.
    pub behind_ms: i64,
}

/// What is wrong with the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing beyond the gateway answers; the modem may say so at once.
    Backhaul { unreachable: bool },
    /// Not even the gateway answers; the cable may be dead, too.
    Gateway { carrier: bool },
    /// One host answers nobody.
    Host(usize),
    /// Too many share the cell: much is lost and all is slow.
    Crowded,
}

#[derive(Debug, Clone, Copy)]
pub struct Spell {
    pub from_ms: i64,
    pub to_ms: i64,
    pub fault: Fault,
}

/// Everything that happens to one probe.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub runs: Vec<Run>,
    pub spells: Vec<Spell>,
    /// What its mains input sees while it runs.
    pub mains: Vec<(i64, bool)>,
    /// When nothing of it reaches the broker.
    pub undelivered: Vec<(i64, i64)>,
}

impl Script {
    /// When a message sent at `at_ms` can arrive.
    pub fn path_open_ms(&self, at_ms: i64) -> i64 {
        let after = self.undelivered.partition_point(|(_, to)| *to <= at_ms);
        self.undelivered.get(after).filter(|(from, _)| *from <= at_ms).map_or(at_ms, |(_, to)| *to)
    }

    pub fn sort(&mut self) {
        self.spells.sort_by_key(|spell| spell.from_ms);
        self.mains.sort_unstable();
        self.undelivered.sort_unstable();
    }
}

/// Makes runs of stops. `timeless`: in about every second boot after the first the clock is never set.
pub fn runs(start_ms: i64, end_ms: i64, mut stops: Vec<Stop>, timeless: bool, rng: &mut Rng) -> Vec<Run> {
    stops.sort_by_key(|stop| stop.at_ms);
    let boot_ms = start_ms - rng.i64(MINUTE_MS..20 * DAY_MS);
    let mut run = Run {
        begins_ms: start_ms + rng.i64(0..MINUTE_MS),
        ends_ms: end_ms,
        ending: Ending::InOrder,
        before: None,
        boot_ms,
        synced_ms: Some(boot_ms + 1_000),
        behind_ms: 0,
    };
    let mut runs = Vec::new();
    for stop in stops {
        run.ends_ms = stop.at_ms;
        run.ending = stop.ending;
        let next = after(&run, &stop, timeless, rng);
        runs.push(run.clone());
        let mut before = (stop.ending, stop.same_boot);
        for (begins_ms, ends_ms) in stop.vain {
            let vain = Run { begins_ms, ends_ms, ending: Ending::Cut, before: Some(before), ..run.clone() };
            runs.push(vain);
            before = (Ending::Cut, true);
        }
        run = Run { before: Some(before), ends_ms: end_ms, ending: Ending::InOrder, ..next };
    }
    runs.push(run);
    runs
}

fn after(run: &Run, stop: &Stop, timeless: bool, rng: &mut Rng) -> Run {
    if stop.same_boot {
        return Run { begins_ms: stop.back_ms, ..run.clone() };
    }
    let boot_ms = stop.back_ms;
    let begins_ms = boot_ms + rng.i64(15_000..45_000);
    // Without a battery the clock stands where it was last written to disk, once an hour.
    let written_ms = stop.at_ms - rng.i64(0..HOUR_MS);
    let never = timeless && rng.bool();
    let wait_ms = if rng.u8(0..4) == 0 { rng.i64(5_000..15_000) } else { rng.i64(15_000..10 * MINUTE_MS) };
    Run {
        begins_ms,
        boot_ms,
        synced_ms: (!never).then_some(boot_ms + wait_ms),
        behind_ms: boot_ms - written_ms,
        ..run.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_follow_each_other_and_a_new_boot_has_a_clock_that_lies_behind() {
        let mut rng = Rng::with_seed(3);
        let crash = Stop { same_boot: true, vain: vec![(205_000, 206_000)], ..Stop::cut(200_000, 300_000) };
        let runs = runs(0, DAY_MS, vec![Stop::cut(20 * HOUR_MS, 22 * HOUR_MS), crash], false, &mut rng);
        assert_eq!(runs.len(), 4);
        assert!(runs.windows(2).all(|pair| pair[0].ends_ms < pair[1].begins_ms));
        assert_eq!(runs[2].before, Some((Ending::Cut, true)));
        assert_eq!(runs[3].before, Some((Ending::Cut, false)));
        assert_eq!(runs[0].boot_ms, runs[2].boot_ms);
        assert!((2 * HOUR_MS..3 * HOUR_MS).contains(&runs[3].behind_ms), "{:?}", runs[3]);
        let script = Script { undelivered: vec![(10, 20), (30, 40)], ..Script::default() };
        let arrivals = [9, 10, 19, 20, 35, 50].map(|at| script.path_open_ms(at));
        assert_eq!(arrivals, [9, 20, 20, 20, 40, 50]);
    }
}
