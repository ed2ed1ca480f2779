//! Votes: what one device says of one operator in one resolution-12 child during one quarter of an hour.
//!
//! In: what a moving probe heard, with the child it was in; or the windows of a fixed one. Out: [`Vote`]s. The majority of
//! alive and dead bins of ten seconds; a tie gives none, and what says nothing never votes. Refuses to know: H3 (a child is
//! a number), the store. Any order and copies of the same observations give the same votes.

use crate::grade::{Graded, Service};
use crate::modem::{Bin, State};
use crate::observation::{NetworkId, SampleId};
use crate::policy::Policy;
use crate::radio::{CellKey, Height, Look, Technologies};
use crate::signal::{BIN_MS, Radio, is_reacquiring, reacquired};
use crate::window::{WINDOW_MS, Window};
use std::collections::{BTreeMap, BTreeSet};

pub const QUARTER_MS: i64 = 900_000;
/// Windows of a quarter.
pub const WINDOWS: i64 = QUARTER_MS / WINDOW_MS;

/// Where a reading belongs: indoors is a layer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    Outdoor,
    Indoor,
    Vehicle,
    Unknown,
}

/// What moved, and so how long its votes live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    Fixed,
    Survey,
    Moving,
}

/// Where a moving probe was, where that is certain enough to vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    pub child: u64,
    pub layer: Layer,
    /// Faster than a survey may be graded.
    pub fast: bool,
    /// An antenna that sees what a handset does not.
    pub external: bool,
    pub survey: bool,
}

/// How a test ended on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tested {
    pub answered: bool,
    pub transfer: bool,
}

/// One observation of a moving probe.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub look: Look,
    /// Something of the modem itself; else it only carries `tested`.
    pub radio: bool,
    pub network: NetworkId,
    pub spot: Option<Spot>,
    pub tested: Option<Tested>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    pub network: NetworkId,
    pub child: u64,
    pub layer: Layer,
    pub source: Source,
    pub alive: u32,
    pub dead: u32,
    /// Medians in tenths of a dBm, as read and as a handset outdoors would have read it.
    pub level: Option<i16>,
    pub reference: Option<i16>,
    pub fast: bool,
    pub external: bool,
    pub yes: Technologies,
    pub no: Technologies,
    pub serving: Option<CellKey>,
    pub setup: Option<i64>,
}

impl Vote {
    pub const fn is_alive(&self) -> bool {
        self.alive > self.dead
    }
}

/// Votes of one moving probe in a quarter, by network, child and layer. `heard`: from [`crate::signal::BEFORE_MS`] before
/// the quarter to [`crate::signal::REACQUIRING_MS`] behind it.
pub fn moving(heard: &[Heard], quarter: i64, policy: &Policy) -> Vec<Vote> {
    let mut modems: BTreeMap<(NetworkId, u32), Vec<&Heard>> = BTreeMap::new();
    for one in heard {
        modems.entry((one.network, one.look.device)).or_default().push(one);
    }
    let inside = |at_ms: i64| at_ms.div_euclid(QUARTER_MS) == quarter;
    let mut tallies: BTreeMap<(NetworkId, u64, Layer), Tally> = BTreeMap::new();
    for ((network, device), of) in &mut modems {
        of.sort_by_key(|one| (one.look.at_ms, one.look.id));
        of.dedup_by_key(|one| (one.look.at_ms, one.look.id));
        let found = reacquired(of.iter().filter(|one| one.radio).map(|one| &one.look));
        let mut state = State::default();
        for one in of.iter() {
            if one.radio {
                state.take(&one.look);
            }
            let Some(spot) = one.spot.filter(|_| inside(one.look.at_ms)) else { continue };
            let tally = tallies.entry((*network, spot.child, spot.layer)).or_default();
            tally.spots.insert(spot);
            tally.tested.extend(one.tested);
            if one.radio {
                // The network was there before the modem found it.
                let bin = match state.bin(one.look.at_ms, policy) {
                    Bin::Dead if is_reacquiring(&found, one.look.at_ms) => Bin::Nothing,
                    bin => bin,
                };
                tally.look(one, *device, bin);
            }
        }
    }
    tallies
        .into_iter()
        .filter_map(|((network, child, layer), tally)| tally.vote(network, child, layer, policy))
        .collect()
}

#[derive(Default)]
struct Tally {
    spots: BTreeSet<Spot>,
    tested: Vec<Tested>,
    /// The last state in each bin of each modem.
    bins: BTreeMap<(u32, i64), Bin>,
    levels: Vec<i16>,
    references: Vec<i16>,
    yes: Technologies,
    no: Technologies,
    serving: BTreeMap<CellKey, u32>,
    setup: Option<(i64, SampleId, i64)>,
}

impl Tally {
    fn look(&mut self, one: &Heard, device: u32, bin: Bin) {
        let (look, said) = (&one.look, &one.look.said);
        self.bins.insert((device, look.at_ms.div_euclid(BIN_MS)), bin);
        if let Some(level) = said.level.flatten().filter(|_| !said.void) {
            self.levels.push((level.dbm.get() * 10.0).round() as i16);
            self.references.extend(level.correction.map(|by| ((level.dbm + by).get() * 10.0).round() as i16));
        }
        self.yes = self.yes.and(said.yes);
        self.no = self.no.and(said.no);
        if let Some(cell) = said.serving {
            *self.serving.entry(cell).or_default() += 1;
        }
        if let Some(setup) = said.setup {
            self.setup = self.setup.max(Some((look.at_ms, look.id, setup)));
        }
    }

    fn vote(self, network: NetworkId, child: u64, layer: Layer, policy: &Policy) -> Option<Vote> {
        let failed = self.tested.iter().filter(|tested| !tested.answered);
        let transfer = failed.clone().any(|tested| tested.transfer);
        let ok = self.tested.iter().any(|tested| tested.answered);
        let fail = !ok && transfer && failed.clone().count() >= policy.fail_attempts as usize;
        let refuted = ok && failed.count() == 0;
        let known = self.levels.len() == self.references.len();
        let (mut alive, mut dead) = (0, 0);
        for bin in self.bins.values() {
            match bin {
                Bin::Alive | Bin::Level(Height::Weak | Height::Fine) => alive += 1,
                Bin::Dead if refuted => alive += 1,
                Bin::Dead => dead += 1,
                // A level of an unknown set-up decides nothing.
                Bin::Level(_) if !known && !ok && !fail => {}
                Bin::Level(Height::Low) if ok => alive += 1,
                Bin::Level(Height::Low) => dead += 1,
                Bin::Level(Height::Marginal) if fail => dead += 1,
                Bin::Level(Height::Marginal) => alive += 1,
                Bin::Unobserved | Bin::Nothing | Bin::Blocked(_) => {}
            }
        }
        let longest = self.serving.iter().map(|(cell, n)| (*n, std::cmp::Reverse(*cell))).max();
        let source = if self.spots.iter().any(|spot| spot.survey) { Source::Survey } else { Source::Moving };
        (alive != dead).then(|| Vote {
            network,
            child,
            layer,
            source,
            alive,
            dead,
            level: median(self.levels),
            reference: median(self.references),
            fast: self.spots.iter().any(|spot| spot.fast),
            external: self.spots.iter().any(|spot| spot.external),
            yes: self.yes,
            no: self.no.without(self.yes),
            serving: longest.map(|(_, cell)| cell.0),
            setup: self.setup.map(|(_, _, setup)| setup),
        })
    }
}

fn median(mut of: Vec<i16>) -> Option<i16> {
    of.sort_unstable();
    (!of.is_empty()).then(|| of[(of.len() - 1) / 2])
}

/// The vote of a fixed probe from the judged windows of one network in one quarter. `spot`: by the set-up of the newest.
pub fn fixed(windows: &[(&Window, &Graded)], network: NetworkId, spot: Spot) -> Option<Vote> {
    let (mut alive, mut dead) = (0u32, 0u32);
    for (window, graded) in windows {
        let bins =
            |share: u16, radio: &Radio| u32::from(share) * u32::from(radio.counted) * (WINDOW_MS / BIN_MS) as u32;
        let service = graded.service;
        match window.radio.as_deref() {
            Some(radio) if radio.all() > 0 => {
                let refuted = service == Service::Ok && window.unanswered() == 0 && window.link_down == 0;
                let known = radio.level.is_none() || radio.reference.is_some() || service != Service::Untested;
                let low = if known { bins(radio.low, radio) } else { 0 };
                let marginal = if known { bins(radio.marginal, radio) } else { 0 };
                let lost = bins(radio.dead, radio);
                alive += bins(radio.alive, radio);
                *(if refuted { &mut alive } else { &mut dead }) += lost;
                *(if service == Service::Ok { &mut alive } else { &mut dead }) += low;
                *(if service == Service::Fail { &mut dead } else { &mut alive }) += marginal;
            }
            _ => match service {
                Service::Ok => alive += 1_000_000 * (WINDOW_MS / BIN_MS) as u32,
                Service::Fail => dead += 1_000_000 * (WINDOW_MS / BIN_MS) as u32,
                Service::Untested => {}
            },
        }
    }
    let (alive, dead) = (alive.div_ceil(1_000_000), dead.div_ceil(1_000_000));
    let radios = || windows.iter().filter_map(|(window, _)| window.radio.as_deref());
    let mut serving: BTreeMap<CellKey, u32> = BTreeMap::new();
    radios().filter_map(|radio| radio.serving).for_each(|cell| *serving.entry(cell).or_default() += 1);
    let longest = serving.iter().map(|(cell, n)| (*n, std::cmp::Reverse(*cell))).max();
    let yes = radios().fold(Technologies::default(), |all, radio| all.and(radio.yes));
    let no = radios().fold(Technologies::default(), |all, radio| all.and(radio.no));
    (alive != dead).then(|| Vote {
        network,
        child: spot.child,
        layer: spot.layer,
        source: Source::Fixed,
        alive,
        dead,
        level: median(radios().filter_map(|radio| radio.level).collect()),
        reference: median(radios().filter_map(|radio| radio.reference).collect()),
        fast: false,
        external: spot.external,
        yes,
        no: no.without(yes),
        serving: longest.map(|(_, cell)| cell.0),
        setup: radios().filter_map(|radio| radio.setup).next_back(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::{Generation, Level, Registration, Said};
    use crate::units::{Db, Dbm};

    fn heard(at_s: i64, child: u64, dbm: Option<f32>, tested: Option<Tested>) -> Heard {
        let level =
            dbm.map(|dbm| Level { generation: Generation::Lte, dbm: Dbm::new(dbm), correction: Some(Db::new(3.0)) });
        let beside = Some(if dbm.is_some() { Registration::Registered } else { Registration::NoService });
        let said = Said { beside, level: Some(level), ..Said::default() };
        let look = Look { at_ms: at_s * 1_000, id: SampleId { epoch: 1, seq: at_s as u64 }, device: 1, said };
        let spot = Spot { child, layer: Layer::Outdoor, fast: false, external: false, survey: true };
        Heard { look, radio: true, network: NetworkId(1), spot: Some(spot), tested }
    }

    fn walk(child: u64, dbm: Option<f32>, from_s: i64, to_s: i64) -> Vec<Heard> {
        (from_s..to_s).step_by(5).map(|at_s| heard(at_s, child, dbm, None)).collect()
    }

    fn states(heard: &[Heard]) -> Vec<(u64, bool, u32, u32)> {
        let votes = moving(heard, 0, &Policy::default());
        votes.iter().map(|vote| (vote.child, vote.is_alive(), vote.alive, vote.dead)).collect()
    }

    #[test]
    fn the_majority_of_bins_votes_once_for_each_child_and_a_tie_does_not() {
        let good = Some(-90.0);
        let ok = Some(Tested { answered: true, transfer: false });
        let failed = Some(Tested { answered: false, transfer: true });
        let both = |a: Vec<Heard>, b: Vec<Heard>| a.into_iter().chain(b).collect::<Vec<_>>();
        for (name, heard, wanted) in [
            ("good", walk(5, good, 0, 60), vec![(5, true, 6, 0)]),
            ("two children", both(walk(5, good, 0, 30), walk(6, good, 30, 60)), vec![(5, true, 3, 0), (6, true, 3, 0)]),
            ("low", walk(5, Some(-125.0), 0, 60), vec![(5, false, 0, 6)]),
            (
                "low, and a test was answered",
                both(walk(5, Some(-125.0), 0, 60), vec![heard(61, 5, Some(-125.0), ok)]),
                vec![(5, true, 7, 0)],
            ),
            ("marginal", walk(5, Some(-118.0), 0, 60), vec![(5, true, 6, 0)]),
            (
                "marginal, and tests failed",
                (0..4).map(|n| heard(n * 10, 5, Some(-118.0), failed)).collect(),
                vec![(5, false, 0, 4)],
            ),
            ("a tie", both(walk(5, good, 0, 30), walk(5, Some(-125.0), 30, 60)), vec![]),
            // Thirty seconds without service say nothing yet.
            ("a hole", both(walk(5, good, 0, 30), walk(5, None, 30, 120)), vec![(5, false, 3, 6)]),
            // The modem finds the network at 120: it had been there for half a minute, and a minute before it had not.
            (
                "a hole, and the modem registers again",
                both(walk(5, None, 0, 120), walk(6, good, 120, 150)),
                vec![(5, false, 0, 6), (6, true, 3, 0)],
            ),
            ("it registers again in the next quarter", both(walk(5, None, 840, 900), walk(6, good, 900, 930)), vec![]),
            ("another quarter", walk(5, good, 900, 960), vec![]),
        ] {
            assert_eq!(states(&heard), wanted, "{name}");
            let mut again = heard.clone();
            again.extend(heard.iter().step_by(3).cloned());
            again.reverse();
            assert_eq!(states(&again), wanted, "{name}, in another order and with copies");
        }
        let vote = &moving(&walk(5, good, 0, 60), 0, &Policy::default())[0];
        assert_eq!((vote.level, vote.reference, vote.source), (Some(-900), Some(-870), Source::Survey));
    }
}
