//! Draws what stops an agent: power, crashes, being carried away.
//!
//! In and out: as the module above. Limits: a restart that a supervisor makes within seconds is no interruption and
//! stands in no truth.

use super::{Draw, log_uniform};
use crate::plan::{HOUR_MS, MINUTE_MS};
use crate::script::{Ending, Stop};
use crate::truth::{Cause, Evidence, TruthKind};

/// A boot takes this long at most; nothing else happens to the probe meanwhile.
const BOOT_MS: i64 = MINUTE_MS;
/// A supervisor starts a dead agent again this often before it gives up.
const VAIN_STARTS: i64 = 5;
const CARRIED_MS: i64 = 30 * MINUTE_MS;
/// Probes of one hamlet that stop within this time stopped for the same reason.
const TOGETHER_MS: i64 = 120_000;

impl Draw<'_> {
    /// The hamlet has no mains, or one of its two supplies has none. Routers and modems have batteries: what still runs
    /// is still served.
    pub(super) fn power_cut(&mut self) {
        let first = self.hamlet() * 2;
        let hit = match self.rng.u8(0..5) {
            0 => vec![first + self.rng.usize(0..2)],
            _ => vec![first, first + 1],
        };
        let lasts_ms = log_uniform(&mut self.rng, 4 * MINUTE_MS, 7 * HOUR_MS);
        let Some(cut_ms) = self.room(&hit, lasts_ms + BOOT_MS) else { return };
        let back_ms = cut_ms + lasts_ms;
        let mut ends: Vec<(usize, i64)> = Vec::new();
        for probe in &hit {
            let (mains_input, seconds) = (self.members[*probe].mains_input, self.rng.i64(0..8_000));
            let runs_on_ms = if mains_input { self.rng.i64(MINUTE_MS..5 * MINUTE_MS) } else { seconds };
            if mains_input {
                self.scripts[*probe].mains.push((cut_ms, false));
            }
            if cut_ms + runs_on_ms < back_ms {
                ends.push((*probe, cut_ms + runs_on_ms));
            } else {
                // Its battery lasted longer than the cut.
                self.scripts[*probe].mains.push((back_ms, true));
            }
        }
        for (probe, at_ms) in &ends {
            let others: Vec<usize> = hit.iter().copied().filter(|other| other != probe).collect();
            let mut evidence = vec![Evidence::UncleanReboot];
            evidence.extend(self.members[*probe].mains_input.then_some(Evidence::MainsInput));
            let other_input = others.iter().any(|other| self.members[*other].mains_input);
            evidence.extend(other_input.then_some(Evidence::OtherMainsInput));
            let together = |(other, end): &(usize, i64)| other != probe && end.abs_diff(*at_ms) <= TOGETHER_MS as u64;
            evidence.extend(ends.iter().any(together).then_some(Evidence::OtherSupplyStopped));
            self.stops[*probe].push(Stop::cut(*at_ms, back_ms));
            self.tell(*probe, (TruthKind::Blind, Cause::Power), (*at_ms, back_ms), &evidence);
        }
    }

    /// The agent dies and stays dead until somebody starts it again.
    pub(super) fn crash(&mut self) {
        let probe = self.probe();
        let lasts_ms = log_uniform(&mut self.rng, 20 * MINUTE_MS, 6 * HOUR_MS);
        let Some(at_ms) = self.room(&[probe], lasts_ms) else { return };
        let back_ms = at_ms + lasts_ms;
        let tries = if self.rng.bool() { VAIN_STARTS } else { 0 };
        let vain: Vec<(i64, i64)> = (1..=tries).map(|n| (at_ms + n * 5_000, at_ms + n * 5_000 + 1_500)).collect();
        let silent_ms = vain.last().map_or(at_ms, |(_, end)| *end);
        self.stops[probe].push(Stop { vain, same_boot: true, ..Stop::cut(at_ms, back_ms) });
        self.tell(probe, (TruthKind::Blind, Cause::Device), (silent_ms, back_ms), &[Evidence::SameBootRestart]);
    }

    /// The agent dies and its supervisor starts it again: no interruption.
    pub(super) fn restart(&mut self) {
        let probe = self.probe();
        let lasts_ms = self.rng.i64(2_000..20_000);
        let Some(at_ms) = self.room(&[probe], lasts_ms) else { return };
        self.stops[probe].push(Stop { same_boot: true, ..Stop::cut(at_ms, at_ms + lasts_ms) });
    }

    /// Somebody carries the probe to another house of the hamlet.
    pub(super) fn moved(&mut self) {
        let probe = self.probe();
        let Some(at_ms) = self.room(&[probe], CARRIED_MS + BOOT_MS) else { return };
        let (back_ms, in_order) = (at_ms + CARRIED_MS, self.rng.bool());
        let ending = if in_order { Ending::InOrder } else { Ending::Cut };
        self.stops[probe].push(Stop { ending, ..Stop::cut(at_ms, back_ms) });
        let reboot = if in_order { Evidence::CleanReboot } else { Evidence::UncleanReboot };
        self.tell(probe, (TruthKind::Blind, Cause::Moved), (at_ms, back_ms), &[reboot, Evidence::PlaceChanged]);
        self.carried(probe, at_ms + CARRIED_MS / 2);
    }
}
