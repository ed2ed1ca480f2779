//! What a map has to show at one moment: which hamlet stands for what.
//!
//! In: the plan. Out: hamlets by their number, and the same in words for the truth file. Refuses to know: how the
//! events are made. Limits: five hamlets, each for one thing; the rest of the commune lives as drawn.

use crate::geography;
use crate::plan::{HAMLETS, Plan, SCENE_HAMLETS};
use serde::{Deserialize, Serialize};

/// Hamlets by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene {
    pub now_ms: i64,
    /// Its cellular network had a gap that is over.
    pub gap: usize,
    /// Nobody ever put up a probe.
    pub unmeasured: usize,
    /// Its probes have no power.
    pub blind: usize,
    /// Its cell is crowded.
    pub weak: usize,
    /// Its cellular network serves nobody.
    pub dead: usize,
}

/// One hamlet of the scene, for a reader of the truth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Code of its area.
    pub hamlet: String,
    pub name: String,
}

/// The scene in the truth file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SceneTruth {
    pub now_ms: i64,
    pub dead: Shown,
    pub weak: Shown,
    pub blind: Shown,
    pub unmeasured: Shown,
    pub gap: Shown,
}

impl Scene {
    /// Spread over the commune.
    pub fn of(plan: &Plan) -> Option<Scene> {
        let at = |nth: usize| nth * plan.hamlets / SCENE_HAMLETS;
        let scene = |now_ms| Scene { now_ms, gap: at(0), unmeasured: at(1), blind: at(2), weak: at(3), dead: at(4) };
        plan.scene_ms.map(scene)
    }

    pub fn truth(&self) -> SceneTruth {
        let shown = |hamlet: usize| Shown { hamlet: geography::code(hamlet), name: HAMLETS[hamlet].name.to_owned() };
        SceneTruth {
            now_ms: self.now_ms,
            dead: shown(self.dead),
            weak: shown(self.weak),
            blind: shown(self.blind),
            unmeasured: shown(self.unmeasured),
            gap: shown(self.gap),
        }
    }
}
