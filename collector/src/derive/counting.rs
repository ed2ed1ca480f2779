//! Counts a hamlet's windows: seconds in each state, echoes by their time; once, when they are first final and known.
//!
//! In: a place whose windows or whose finality changed, and the time. Out: counters, in the transaction of the change.
//! Refuses to know: SQL, labels. A hamlet's window is counted when all of its places are final there, or [`PATIENCE_MS`]
//! after its end by those that are; what comes later changes nothing. Its state is that of its best cellular network;
//! fixed links are counted apart, by their echoes alone. Limits: [`WAITING`] windows of a hamlet at a time.

use super::{Derive, place};
use crate::store::StoreError;
use crate::store::derived::{HamletWindow, KnownWindow, PlaceSpan, RttCounts, is_cellular};
use phusong_coverage::grade::Grade;
use phusong_coverage::hamlet::{LastKnown, state};
use phusong_coverage::observation::NetworkId;
use phusong_coverage::window::WindowNo;
use std::collections::{BTreeMap, HashMap};

/// Windows that became final within so long after their end are told apart from later ones.
const IN_TIME_MS: i64 = 30 * 60_000;
/// So long after its end a window waits for a place that is not final: counting it is then still in time.
const PATIENCE_MS: i64 = 25 * 60_000;
/// Windows of a hamlet that are looked at in one go: two weeks.
const WAITING: usize = 4_032;
/// Hamlets in one step whose windows wait for nothing but time.
const DUE: usize = 256;

/// Which hamlet an area is, and its province.
pub(super) type Hamlets = HashMap<i64, (i64, i64)>;

impl Derive {
    /// The hamlet of a place; areas that were imported under a new row since are the same hamlet.
    fn hamlet(&self, place: &PlaceSpan) -> Option<i64> {
        place.area.map(|area| self.hamlets.get(&area).map_or(area, |hamlet| hamlet.0))
    }

    /// Whenever the places changed.
    pub(super) fn look_at_hamlets(&mut self) -> Result<(), StoreError> {
        self.hamlets = self.ground.hamlets()?;
        self.by_hamlet.clear();
        for (at, place) in self.places.iter().enumerate() {
            if let Some(hamlet) = self.hamlet(place) {
                self.by_hamlet.entry(hamlet).or_default().push(at);
            }
        }
        Ok(())
    }

    /// After windows of a place were computed again. A recompute counts nothing.
    pub(super) fn count(&mut self, place: &PlaceSpan, touched: (i64, i64), as_of_ms: i64) -> Result<(), StoreError> {
        let Some(hamlet) = self.hamlet(place).filter(|_| self.silent.is_none()) else { return Ok(()) };
        for (network, no) in self.shelf.known_numbers(place.id, touched)? {
            let window = HamletWindow { area: hamlet, link: self.is_link(network)?, no };
            self.shelf.wait_to_count(window, WindowNo(no).end_ms() + PATIENCE_MS)?;
        }
        self.count_hamlet(hamlet, as_of_ms)
    }

    /// Hamlets for which time alone decides.
    pub(super) fn count_due(&mut self, as_of_ms: i64) -> Result<(), StoreError> {
        for hamlet in self.shelf.areas_due(as_of_ms, DUE)? {
            self.count_hamlet(hamlet, as_of_ms)?;
        }
        Ok(())
    }

    pub(super) fn is_link(&mut self, network: NetworkId) -> Result<bool, StoreError> {
        if let Some(known) = self.links.get(&network) {
            return Ok(*known);
        }
        let link = !is_cellular(&self.shelf.network_name(network)?.unwrap_or_default());
        self.links.insert(network, link);
        Ok(link)
    }

    fn count_hamlet(&mut self, hamlet: i64, as_of_ms: i64) -> Result<(), StoreError> {
        let waiting = self.shelf.waiting(hamlet, WAITING)?;
        if waiting.is_empty() {
            return Ok(());
        }
        let places: Vec<PlaceSpan> =
            self.by_hamlet.get(&hamlet).into_iter().flatten().map(|at| self.places[*at].clone()).collect();
        let mut final_until = HashMap::new();
        for place in &places {
            let until_ms = self.shelf.place_state(place.id)?.final_until_ms;
            final_until.insert(place.id, until_ms.unwrap_or(i64::MIN).max(as_of_ms - place::FINAL_MS));
        }
        for (window, look_ms) in waiting {
            let (start_ms, end_ms) = (WindowNo(window.no).start_ms(), WindowNo(window.no).end_ms());
            let stood = |place: &&PlaceSpan| place.from_ms < end_ms && place.to_ms.is_none_or(|to_ms| to_ms > start_ms);
            let all: Vec<&PlaceSpan> = places.iter().filter(stood).collect();
            let settled = |place: &&PlaceSpan| final_until.get(&place.id).is_some_and(|until_ms| *until_ms >= end_ms);
            let all_settled = all.iter().all(settled);
            if !all_settled && as_of_ms < end_ms + PATIENCE_MS {
                continue;
            }
            // Most windows that wait belong to a place of which nothing is final: those cost no look at the store.
            let (mut known, mut any_settled) = (Vec::new(), false);
            let readable = if all.is_empty() || all.iter().any(settled) { &all[..] } else { &[] };
            for place in readable {
                for one in self.shelf.known_window(place.id, window.no)? {
                    if self.is_link(one.network)? == window.link {
                        any_settled |= settled(place);
                        known.push(one);
                    }
                }
            }
            if any_settled {
                self.count_one(window, &known, as_of_ms)?;
            } else if known.is_empty() && readable.len() == all.len() {
                self.shelf.wait_no_more(window)?;
            } else if look_ms <= as_of_ms {
                self.shelf.wait_longer(window, end_ms + place::FINAL_MS)?;
            }
        }
        Ok(())
    }

    fn count_one(&mut self, window: HamletWindow, known: &[KnownWindow], as_of_ms: i64) -> Result<(), StoreError> {
        let end_ms = WindowNo(window.no).end_ms();
        let grade = if window.link { None } else { best(known, end_ms, self.policies.at(end_ms)) };
        let late = as_of_ms - end_ms > IN_TIME_MS;
        let sealed = WindowNo::of(self.options.retention.sealed_before_ms(as_of_ms)).0;
        self.shelf.count_window(window, grade, late, sealed)?;
        let province = self.hamlets.get(&window.area).map_or(0, |hamlet| hamlet.1);
        let mut echoes: BTreeMap<(NetworkId, i64), RttCounts> = BTreeMap::new();
        for one in known {
            echoes.entry((one.network, one.technology)).or_default().add(&one.rtts);
        }
        for ((network, technology), counts) in echoes {
            self.shelf.count_rtts(province, network, technology, &counts)?;
        }
        Ok(())
    }
}

/// The state of the best network, as a hamlet's level is made.
fn best(known: &[KnownWindow], end_ms: i64, policy: &phusong_coverage::Policy) -> Option<Grade> {
    let mut networks: BTreeMap<NetworkId, Vec<LastKnown>> = BTreeMap::new();
    for one in known {
        networks.entry(one.network).or_default().push(LastKnown { grade: one.grade, end_ms });
    }
    networks.values().map(|of| state(of, end_ms, policy).grade).max().filter(|grade| *grade != Grade::Unknown)
}
