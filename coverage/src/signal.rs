//! The time-weighted state of a network's radio at one place: bins of ten seconds, never samples.
//!
//! In: looks of any number of modems, in any order and with copies. Out: a [`Radio`] for each window. An observation
//! holds until the next of its modem, 90 s at most; what a modem reports when it changes holds as long as the modem is
//! looked at; a block holds until it is lifted. Modems weigh the same; bins that are paused, unobserved or say nothing are
//! not counted. Refuses to know: whether transfers succeeded; `grade.rs` does.

use crate::modem::{Bin, State};
use crate::observation::SampleId;
use crate::policy::{Policies, Policy};
use crate::radio::{Bearer, Block, CellKey, Height, Look, Registration, Sim, Technologies, height};
use crate::window::{EVIDENCE, WINDOW_MS, Window, WindowNo};
use std::collections::{BTreeMap, BTreeSet};

pub const BIN_MS: i64 = 10_000;
/// How long one observation is believed [J].
pub const HOLD_MS: i64 = 90_000;
/// How long a modem that was not found is taken to be gone without being looked for again [J].
pub const GONE_MS: i64 = 10 * 60_000;
/// A scan is given up after that.
pub const SCAN_MS: i64 = 5 * 60_000;
/// What may matter to a bin lies at most so long before it, but for the last word about registration and ability.
pub const BEFORE_MS: i64 = 10 * 60_000;
const BINS: i64 = WINDOW_MS / BIN_MS;
/// A modem that was without service needs so long to find it: it had coverage already [J].
pub const REACQUIRING_MS: i64 = 30_000;
/// Cells that one window names.
pub const CELLS: usize = 16;
const BLOCKS: [Block; 4] = [Block::Sim, Block::Denied, Block::Bearer, Block::Gone];

/// One window of one network. Shares are thousandths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Radio {
    /// Of the counted time: registered with a level that is enough, or none known.
    pub alive: u16,
    /// No service for long enough, or limited service.
    pub dead: u16,
    /// Below the dead level.
    pub low: u16,
    /// Closely above it.
    pub marginal: u16,
    /// Of the counted time: below the weak level, whatever else.
    pub weak: u16,
    /// Of the window: bins that were counted.
    pub counted: u16,
    /// What kept it from testing for most of the blocked time, and for how much of the window.
    pub block: Option<(Block, u16)>,
    /// A data bearer was given.
    pub bearer: bool,
    /// Median level in tenths of a dBm, and as a handset outdoors would have read it.
    pub level: Option<i16>,
    pub reference: Option<i16>,
    /// The cell that served longest, and all that were seen.
    pub serving: Option<CellKey>,
    pub cells: Vec<CellKey>,
    /// Modems that had something to say.
    pub modems: u8,
    pub yes: Technologies,
    pub no: Technologies,
    pub setup: Option<i64>,
    /// The first looks that said dead, low or blocked.
    pub evidence: Vec<SampleId>,
}

impl Radio {
    /// Counted states, in thousandths: 0 or about 1000.
    pub const fn all(&self) -> u16 {
        self.alive + self.dead + self.low + self.marginal
    }
}

/// Adds what the radio said to the windows `first` to `last`. `looks`: of one network, from [`BEFORE_MS`] before the
/// first window, and the last word of each modem before that.
pub fn overlay(all: &mut BTreeMap<WindowNo, Window>, looks: &[Look], (first, last): (i64, i64), policies: &Policies) {
    if looks.is_empty() {
        return;
    }
    let inside = |no: &WindowNo| (first..=last).contains(&no.0);
    let mut modems: BTreeMap<u32, Vec<&Look>> = BTreeMap::new();
    for look in looks {
        modems.entry(look.device).or_default().push(look);
    }
    let seen = looks.iter().filter(|look| !look.said.hearsay).map(|look| WindowNo::of(look.at_ms));
    let wanted: BTreeSet<WindowNo> = seen.chain(all.keys().copied()).filter(inside).collect();
    let mut sums: BTreeMap<WindowNo, Sum> = BTreeMap::new();
    for of in modems.values_mut() {
        of.sort_by_key(|look| (look.at_ms, look.id));
        of.dedup_by_key(|look| (look.at_ms, look.id));
        modem(of, &wanted, policies, &mut sums);
    }
    for (no, sum) in sums {
        let span = sum.looked;
        let Some(radio) = sum.finish() else { continue };
        let window = all.entry(no).or_insert_with(|| Window::new(no));
        window.take_radio(radio, span);
    }
}

/// What is added up over the modems of one window.
#[derive(Default)]
struct Sum {
    shares: [f64; 5],
    counted: u32,
    modems: u32,
    blocked: [u32; 4],
    bearer: bool,
    levels: Vec<i16>,
    references: Vec<i16>,
    serving: BTreeMap<CellKey, u32>,
    cells: BTreeSet<CellKey>,
    yes: Technologies,
    no: Technologies,
    setup: Option<(i64, SampleId, i64)>,
    evidence: BTreeSet<(i64, SampleId)>,
    looked: Option<(i64, i64)>,
}

impl Sum {
    fn look(&mut self, look: &Look, telling: bool) {
        let said = &look.said;
        self.looked =
            Some(self.looked.map_or((look.at_ms, look.at_ms), |(a, b)| (a.min(look.at_ms), b.max(look.at_ms))));
        self.yes = self.yes.and(said.yes);
        self.no = self.no.and(said.no);
        self.cells.extend(said.serving.iter().chain(&said.neighbours));
        if let Some(setup) = said.setup {
            self.setup = self.setup.max(Some((look.at_ms, look.id, setup)));
        }
        if telling {
            self.evidence.insert((look.at_ms, look.id));
        }
    }

    fn finish(self) -> Option<Radio> {
        let blocked: u32 = self.blocked.iter().sum();
        if self.modems == 0 && blocked == 0 && self.looked.is_none() {
            return None;
        }
        let modems = f64::from(self.modems.max(1));
        let [alive, dead, low, marginal, weak] = self.shares.map(|share| (share / modems * 1_000.0).round() as u16);
        let bins = |n: u32, modems: u32| (n * 1_000 / (BINS as u32 * modems.max(1))).min(1_000) as u16;
        // Strictly more: of equals the first.
        let most = (0..BLOCKS.len()).rev().max_by_key(|at| self.blocked[*at]).filter(|at| self.blocked[*at] > 0);
        let longest = self.serving.iter().map(|(cell, bins)| (*bins, std::cmp::Reverse(*cell))).max();
        Some(Radio {
            alive,
            dead,
            low,
            marginal,
            weak,
            counted: bins(self.counted, self.modems),
            block: most.map(|at| (BLOCKS[at], bins(blocked, 1))),
            bearer: self.bearer,
            level: median(self.levels),
            reference: median(self.references),
            serving: longest.map(|(_, cell)| cell.0),
            cells: self.cells.into_iter().take(CELLS).collect(),
            modems: self.modems.min(255) as u8,
            yes: self.yes,
            no: self.no,
            setup: self.setup.map(|(_, _, setup)| setup),
            evidence: self.evidence.into_iter().map(|(_, id)| id).take(EVIDENCE).collect(),
        })
    }
}

fn median(mut of: Vec<i16>) -> Option<i16> {
    of.sort_unstable();
    (!of.is_empty()).then(|| of[(of.len() - 1) / 2])
}

/// Whether a look by itself speaks against the network or for a block.
fn telling(look: &Look, policy: &Policy) -> bool {
    let said = &look.said;
    use Registration::{Registered, Unregistered};
    let unserved = |word: Option<Registration>| word.is_some_and(|word| !matches!(word, Registered | Unregistered));
    let low = said.level.flatten().is_some_and(|level| height(&level, policy) == Height::Low);
    let blocked = said.change.sim == Some(Sim::Bad) || said.change.bearer == Some(Bearer::Refused) || said.gone;
    !said.void && (unserved(said.change.registered) || unserved(said.beside) || low || blocked)
}

/// `looks`: of one modem, ascending.
fn modem(looks: &[&Look], wanted: &BTreeSet<WindowNo>, policies: &Policies, sums: &mut BTreeMap<WindowNo, Sum>) {
    let pauses: Vec<(i64, i64)> = looks.iter().filter_map(|look| pause(look, policies)).collect();
    let found: Vec<i64> = reacquired(looks.iter().copied());
    let (mut state, mut next) = (State::default(), 0);
    for no in wanted {
        let policy = policies.at(no.start_ms());
        let sum = sums.entry(*no).or_default();
        let (mut counts, mut weak) = ([0u32; 4], 0u32);
        for bin in 0..BINS {
            // The state that holds in the middle of the bin.
            let ms = no.start_ms() + bin * BIN_MS + BIN_MS / 2;
            while let Some(look) = looks.get(next).filter(|look| look.at_ms <= ms) {
                state.take(look);
                next += 1;
            }
            if pauses.iter().any(|(from, to)| (*from..*to).contains(&ms)) {
                continue;
            }
            let at = match state.bin(ms, policy) {
                Bin::Unobserved | Bin::Nothing => continue,
                Bin::Blocked(block) => {
                    sum.blocked[BLOCKS.iter().position(|of| *of == block).unwrap_or(0)] += 1;
                    continue;
                }
                Bin::Alive | Bin::Level(Height::Weak | Height::Fine) => 0,
                Bin::Dead if is_reacquiring(&found, ms) => continue,
                Bin::Dead => 1,
                Bin::Level(Height::Low) => 2,
                Bin::Level(Height::Marginal) => 3,
            };
            counts[at] += 1;
            weak +=
                u32::from(matches!(state.bin(ms, policy), Bin::Level(Height::Low | Height::Marginal | Height::Weak)));
            sum.bearer |= state.has_bearer();
            if let Some((level, _)) = state.level.filter(|(_, at_ms)| ms - at_ms <= HOLD_MS) {
                sum.levels.push(tenths(level.dbm.get()));
                sum.references.extend(level.correction.map(|by| tenths((level.dbm + by).get())));
            }
            if let Some((cell, _)) = state.serving.filter(|(_, at_ms)| ms - at_ms <= HOLD_MS) {
                *sum.serving.entry(cell).or_default() += 1;
            }
        }
        let counted: u32 = counts.iter().sum();
        if counted > 0 {
            let share = |n: u32| f64::from(n) / f64::from(counted);
            let all = counts.into_iter().chain([weak]);
            sum.shares.iter_mut().zip(all).for_each(|(sum, n)| *sum += share(n));
            sum.modems += 1;
            sum.counted += counted;
        }
    }
    for look in looks.iter().filter(|look| !look.said.hearsay) {
        if let Some(sum) = sums.get_mut(&WindowNo::of(look.at_ms)) {
            sum.look(look, telling(look, policies.at(look.at_ms)));
        }
    }
}

/// When a modem that was without service was registered again. `looks`: of one modem, ascending.
pub(crate) fn reacquired<'a>(looks: impl IntoIterator<Item = &'a Look>) -> Vec<i64> {
    let (mut state, mut found) = (State::default(), Vec::new());
    for look in looks {
        // What held in the time that is in question.
        let was_unserved = state.is_unserved(look.at_ms - REACQUIRING_MS);
        state.take(look);
        if was_unserved && state.is_registered(look.at_ms) {
            found.push(look.at_ms);
        }
    }
    found
}

/// Whether it registers again soon after. `found`: ascending.
pub(crate) fn is_reacquiring(found: &[i64], ms: i64) -> bool {
    let next = found.partition_point(|at_ms| *at_ms <= ms);
    found.get(next).is_some_and(|at_ms| at_ms - ms <= REACQUIRING_MS)
}

fn pause(look: &Look, policies: &Policies) -> Option<(i64, i64)> {
    if look.said.reset {
        return Some((look.at_ms, look.at_ms + policies.at(look.at_ms).reset_ms));
    }
    look.said.scan_ms.map(|elapsed_ms| (look.at_ms - elapsed_ms.clamp(0, SCAN_MS), look.at_ms))
}

fn tenths(dbm: f32) -> i16 {
    (dbm * 10.0).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::{Change, Generation, Level, Said};
    use crate::units::Dbm;
    use proptest::prelude::*;

    fn look(at_s: i64, seq: u64, said: Said) -> Look {
        Look { at_ms: at_s * 1_000, id: SampleId { epoch: 1, seq }, device: 1, said }
    }

    fn word(word: Registration) -> Said {
        Said { beside: Some(word), ..Said::default() }
    }

    fn level(dbm: f32) -> Said {
        let level = Level { generation: Generation::Lte, dbm: Dbm::new(dbm), correction: None };
        Said { beside: Some(Registration::Registered), level: Some(Some(level)), ..Said::default() }
    }

    fn sim(sim: Sim) -> Said {
        Said { change: Change { sim: Some(sim), ..Change::default() }, ..Said::default() }
    }

    fn bearer(bearer: Bearer) -> Said {
        Said { change: Change { bearer: Some(bearer), ..Change::default() }, ..Said::default() }
    }

    fn of(looks: &[Look], no: i64) -> Option<Radio> {
        let mut all = BTreeMap::new();
        overlay(&mut all, looks, (no, no), &Policies::default());
        all.remove(&WindowNo(no)).and_then(|window: Window| window.radio).map(|radio| *radio)
    }

    /// Every ten seconds from one second to another.
    fn every(from_s: i64, to_s: i64, said: &Said) -> Vec<Look> {
        (from_s..to_s).step_by(10).map(|at_s| look(at_s, at_s.unsigned_abs() + 1_000, said.clone())).collect()
    }

    #[test]
    fn each_state_of_a_modem_counts_as_what_it_is() {
        use Registration as R;
        let shares = |looks: &[Look]| of(looks, 0).map(|r| (r.alive, r.dead, r.low, r.marginal, r.counted));
        let gone = Said { gone: true, hearsay: true, ..Said::default() };
        let heard = |dbm| Said { beside: None, ..level(dbm) };
        let changed = |word| Said { change: Change { registered: Some(word), ..Change::default() }, ..Said::default() };
        let beside = |mut looks: Vec<Look>, more: Look| {
            looks.push(more);
            looks
        };
        for (name, looks, wanted) in [
            ("good", every(0, 300, &level(-90.0)), Some((1000, 0, 0, 0, 1000))),
            ("low", every(0, 300, &level(-125.0)), Some((0, 0, 1000, 0, 1000))),
            ("marginal", every(0, 300, &level(-118.0)), Some((0, 0, 0, 1000, 1000))),
            ("limited", every(0, 300, &word(R::Limited)), Some((0, 1000, 0, 0, 1000))),
            // Thirty seconds are a change of cells.
            ("no service", every(0, 300, &word(R::NoService)), Some((0, 1000, 0, 0, 900))),
            ("no service since before", every(-60, 300, &word(R::NoService)), Some((0, 1000, 0, 0, 1000))),
            (
                "a change, and looks that say nothing",
                beside(every(0, 300, &Said::default()), look(-9, 1, changed(R::NoService))),
                Some((0, 1000, 0, 0, 933)),
            ),
            ("a change, and nobody looks", vec![look(0, 1, changed(R::Registered))], Some((1000, 0, 0, 0, 300))),
            ("stale", every(0, 300, &Said { void: true, ..level(-90.0) }), Some((0, 0, 0, 0, 0))),
            (
                "limited, and the level repeats itself while nothing answers",
                every(0, 300, &Said { void: true, beside: Some(R::Limited), ..level(-90.0) }),
                Some((0, 1000, 0, 0, 1000)),
            ),
            (
                "a scan",
                beside(every(0, 300, &level(-90.0)), look(299, 9, Said { scan_ms: Some(149_000), ..Said::default() })),
                Some((1000, 0, 0, 0, 500)),
            ),
            (
                "a reset",
                beside(every(0, 300, &level(-90.0)), look(0, 9, Said { reset: true, ..Said::default() })),
                Some((1000, 0, 0, 0, 600)),
            ),
            (
                "without service, and found again",
                [every(0, 150, &word(R::NoService)), every(150, 300, &level(-90.0))].concat(),
                Some((625, 375, 0, 0, 800)),
            ),
            (
                "no longer registered, whatever it hears",
                beside(every(0, 300, &heard(-90.0)), look(0, 1, changed(R::Unregistered))),
                Some((0, 0, 0, 0, 0)),
            ),
            ("hearsay of a modem that nobody knows", every(0, 300, &gone), None),
        ] {
            assert_eq!(shares(&looks), wanted, "{name}");
        }
    }

    #[test]
    fn a_block_holds_until_it_is_lifted_and_a_missing_modem_until_it_is_seen() {
        let block = |looks: &[Look], no| of(looks, no).and_then(|radio| radio.block);
        let bad = look(-600, 1, sim(Sim::Bad));
        let mut all = BTreeMap::from([(WindowNo(5), Window::new(WindowNo(5)))]);
        overlay(&mut all, std::slice::from_ref(&bad), (5, 5), &Policies::default());
        assert_eq!(all[&WindowNo(5)].block(), Some(Block::Sim));
        assert_eq!(block(&[bad.clone(), look(150, 2, sim(Sim::Ready))], 0), Some((Block::Sim, 500)));
        // A modem that is registered has a SIM, whoever says otherwise.
        assert_eq!(block(&[bad, look(0, 2, word(Registration::Registered))], 0), Some((Block::Sim, 700)));
        // Refused by the network, and camping on a cell of it or of another.
        let denied =
            Said { change: Change { registered: Some(Registration::Denied), ..Change::default() }, ..Said::default() };
        let mut camping = every(0, 300, &word(Registration::Limited));
        camping.push(look(-1, 1, denied));
        assert_eq!(block(&camping, 0), Some((Block::Denied, 1000)));
        // Nobody is given a bearer where there is no service.
        let mut lost = every(0, 300, &word(Registration::NoService));
        lost.push(look(-600, 1, bearer(Bearer::Refused)));
        assert_eq!(of(&lost, 0).map(|radio| (radio.block, radio.dead)), Some((None, 1000)));
        let refused = look(-600, 1, bearer(Bearer::Refused));
        assert_eq!(block(&[refused.clone(), look(0, 2, sim(Sim::Ready))], 0), Some((Block::Bearer, 1000)));
        assert_eq!(block(&[refused, look(0, 2, bearer(Bearer::Up))], 0), None);
        let gone = |at_s| look(at_s, 1, Said { gone: true, ..Said::default() });
        assert_eq!(block(&[gone(-300), look(299, 2, Said::default())], 0), Some((Block::Gone, 1000)));
        assert_eq!(block(&[gone(-450), look(299, 2, Said::default())], 0), Some((Block::Gone, 500)));
        assert_eq!(block(&[gone(-300), look(0, 2, level(-90.0))], 0), None);
    }

    #[test]
    fn time_counts_and_not_how_often_was_looked() {
        // Limited for a minute, then alive: twelve looks in the first half minute weigh no more than one.
        let good = |at_s| look(at_s, at_s as u64, level(-90.0));
        let few = vec![look(0, 1, word(Registration::Limited)), good(60), good(150)];
        let mut many = few.clone();
        many.extend((1..12).map(|s| look(s * 3, s as u64 + 500, word(Registration::Limited))));
        let [few, many] = [few, many].map(|looks| of(&looks, 0).expect("it was observed"));
        assert_eq!((few.alive, few.dead), (many.alive, many.dead));
        // Half a minute of the dead one went by in finding the network again.
        assert_eq!((few.alive, few.dead), (857, 143));
        assert_eq!(of(&[look(-91, 1, level(-90.0))], 0), None);
    }

    fn said() -> impl Strategy<Value = Said> {
        prop_oneof![
            Just(word(Registration::Limited)),
            Just(word(Registration::NoService)),
            Just(level(-90.0)),
            Just(level(-119.0)),
            Just(level(-130.0)),
            Just(Said { void: true, ..Said::default() }),
        ]
    }

    proptest! {
        #[test]
        fn copies_of_a_state_while_it_holds_change_nothing(
            seen in proptest::collection::btree_map(-90..300i64, (0..3u32, said()), 1..40),
            pick in any::<prop::sample::Index>(),
        ) {
            let looks: Vec<Look> = seen.iter().map(|(at_s, (device, said))| {
                Look { device: *device, ..look(*at_s, at_s.unsigned_abs() + 1, said.clone()) }
            }).collect();
            let shares = |looks: &[Look]| of(looks, 0).map(|r| (r.alive, r.dead, r.low, r.marginal, r.weak, r.counted));
            let before = shares(&looks);
            let one = looks[pick.index(looks.len())].clone();
            let next = looks.iter().filter(|l| l.device == one.device && l.at_ms > one.at_ms).min_by_key(|l| l.at_ms);
            let mut more = looks.clone();
            // No later than it would have ended by itself, else it would observe more time; nor would a word have ended
            // that the next look leaves as it is.
            let ended = |next: &&Look| next.said.beside.is_some() || one.said.beside.is_none();
            if let Some(next) = next.filter(|next| next.at_ms <= one.at_ms + HOLD_MS).filter(ended) {
                let id = SampleId { epoch: 2, seq: 1 };
                more.push(Look { at_ms: one.at_ms + (next.at_ms - one.at_ms - 1) / 2, id, ..one.clone() });
            }
            more.push(one);
            more.reverse();
            prop_assert_eq!(shares(&more), before);
        }
    }
}
