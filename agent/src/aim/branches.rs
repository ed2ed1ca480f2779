//! The receiving branches of the modem against one another: a cable that is loose, cut or full of water shows here.
//!
//! In: the modem's own lines beside its signal. Out: the levels of its branches, and which one is too far below the best.
//! Refuses to know: how a modem is asked for them; most cannot be. Limits: a branch that is not in use is absent and says
//! nothing.

use crate::device::modem::ModemState;
use crate::device::modem::decode::decode;

/// Between branches of one antenna on one mast; more than that is a cable, a connector or a broken element.
pub const SUSPECT_DB: f32 = 10.0;

/// A branch that hears much less than the best one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suspect {
    /// From 1.
    pub branch: usize,
    pub below_db: f32,
}

/// Of the serving cell, in the modem's order; empty where it does not say.
pub fn of(state: &ModemState) -> Vec<Option<f32>> {
    let raw = state.signal.as_ref().and_then(|signal| signal.value.raw.as_deref()).unwrap_or_default();
    // Only lines that can hold them: everything else was decoded where it was read.
    let lines = raw.lines().filter(|line| line.trim_start().starts_with("+QRSRP"));
    let model = state.identity.model.as_deref();
    lines
        .flat_map(|line| decode(line, model))
        .map(|said| said.branches_dbm)
        .find(|all| !all.is_empty())
        .unwrap_or_default()
}

/// The worst branch, if it is more than [`SUSPECT_DB`] below the best.
pub fn suspect(branches_dbm: &[Option<f32>]) -> Option<Suspect> {
    let known = || branches_dbm.iter().enumerate().filter_map(|(n, dbm)| dbm.map(|dbm| (n + 1, dbm)));
    let best = known().map(|(_, dbm)| dbm).max_by(f32::total_cmp)?;
    let (branch, worst) = known().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let below_db = best - worst;
    (below_db > SUSPECT_DB).then_some(Suspect { branch, below_db })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::modem::Signal;
    use crate::device::modem::picture::Known;

    #[test]
    fn the_levels_of_the_branches_stand_in_the_modems_own_lines() {
        let of = |raw: &str| {
            let value = Signal { cells: Vec::new(), rrc: None, raw: Some(raw.into()) };
            super::of(&ModemState { signal: Some(Known { at_mono_ms: 1, value }), ..ModemState::default() })
        };
        let quectel = "+QENG: \"servingcell\",\"NOCONN\"\n+QRSRP: -98,-112,-32768,-140,LTE";
        assert_eq!(of(quectel), [Some(-98.0), Some(-112.0), None, None]);
        assert_eq!(of("+CESQ: 99,99,255,255,20,44"), []);
        assert_eq!(super::of(&ModemState::default()), []);
    }

    #[test]
    fn a_branch_more_than_ten_db_below_the_best_is_suspect() {
        let check = |branches: &[Option<f32>], wanted: Option<(usize, f32)>| {
            assert_eq!(suspect(branches).map(|s| (s.branch, s.below_db)), wanted, "{branches:?}");
        };
        check(&[], None);
        check(&[None, None], None);
        check(&[Some(-100.0)], None);
        check(&[Some(-100.0), Some(-110.0)], None);
        check(&[Some(-100.0), Some(-110.5)], Some((2, 10.5)));
        check(&[Some(-115.0), None, Some(-98.0), Some(-110.0)], Some((1, 17.0)));
    }
}
