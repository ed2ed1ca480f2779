//! Sets the scene: what a map has to show at one moment, whatever else was drawn.
//!
//! In and out: as the module above. Limits: around that moment nothing drawn happens to the hamlets of the scene, and
//! nothing that is common to the whole commune.

use super::Draw;
use crate::plan::{HOUR_MS, MINUTE_MS, SCENE_MS};
use crate::scene::Scene;
use crate::script::{Fault, Spell, Stop};
use crate::truth::{Cause, Evidence, TruthKind};

/// What has not ended yet, ends so long after the moment.
const AHEAD_MS: i64 = 6 * HOUR_MS;
/// Since when, before the moment.
const DEAD_MS: i64 = 40 * MINUTE_MS;
const BLIND_MS: i64 = 50 * MINUTE_MS;
const WEAK_MS: i64 = 100 * MINUTE_MS;
/// The gap that is over: its beginning and end.
const GAP_MS: (i64, i64) = (150 * MINUTE_MS, 95 * MINUTE_MS);
/// The batteries of the two probes without power last so long.
const BATTERY_MS: [i64; 2] = [2 * MINUTE_MS, 3 * MINUTE_MS];

impl Draw<'_> {
    pub(super) fn stage(&mut self, scene: &Scene) {
        let (now_ms, until_ms) = (scene.now_ms, scene.now_ms + AHEAD_MS);
        for hamlet in [scene.gap, scene.blind, scene.weak, scene.dead] {
            for probe in [hamlet * 2, hamlet * 2 + 1] {
                self.busy[probe].push((now_ms - SCENE_MS, until_ms));
            }
        }
        let modem = |hamlet: usize| hamlet * 2 + 1;
        let backhaul = Fault::Backhaul { unreachable: false };

        let (gap, span) = (modem(scene.gap), (now_ms - GAP_MS.0, now_ms - GAP_MS.1));
        self.spell(gap, span, backhaul);
        self.tell(gap, (TruthKind::Gap, Cause::Backhaul), span, &[Evidence::LinkUp, Evidence::LateArrival]);

        // Its reports leave by the hamlet's fixed line: a dead network is known while it is dead.
        let (dead, span) = (modem(scene.dead), (now_ms - DEAD_MS, until_ms));
        self.stage_spell(dead, span, backhaul);
        self.tell(dead, (TruthKind::Gap, Cause::Backhaul), span, &[Evidence::LinkUp]);

        let (weak, span) = (modem(scene.weak), (now_ms - WEAK_MS, until_ms));
        self.stage_spell(weak, span, Fault::Crowded);
        self.tell(weak, (TruthKind::Weak, Cause::Congestion), span, &[Evidence::EchoesLost]);

        self.stage_power(scene.blind, (now_ms - BLIND_MS, until_ms));
    }

    /// A spell during which reports arrive all the same.
    fn stage_spell(&mut self, probe: usize, (from_ms, to_ms): (i64, i64), fault: Fault) {
        self.scripts[probe].spells.push(Spell { from_ms, to_ms, fault });
    }

    /// The hamlet has no mains, both of its probes say so and run on for a while.
    fn stage_power(&mut self, hamlet: usize, (cut_ms, back_ms): (i64, i64)) {
        for (twin, battery_ms) in BATTERY_MS.into_iter().enumerate() {
            let (probe, stop_ms) = (hamlet * 2 + twin, cut_ms + battery_ms);
            self.scripts[probe].mains.push((cut_ms, false));
            self.stops[probe].push(Stop::cut(stop_ms, back_ms));
            let evidence = [
                Evidence::UncleanReboot,
                Evidence::MainsInput,
                Evidence::OtherMainsInput,
                Evidence::OtherSupplyStopped,
            ];
            self.tell(probe, (TruthKind::Blind, Cause::Power), (stop_ms, back_ms), &evidence);
        }
    }
}
