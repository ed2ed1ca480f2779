//! Votes of what moved, quarter by quarter, and of fixed probes from their windows.
//!
//! In: touched quarters, judged windows. Out: rows of `vote`. Refuses to know: SQL; the judgement is
//! `phusong_coverage::vote`'s. A quarter whose observations may be gone keeps its votes; of those only surveys that are
//! younger than a vote's life still add some. Limits: those of `Options`.

use super::{Derive, Progress};
use crate::store::StoreError;
use crate::store::derived::{PlaceSpan, Touch, VoteKey, Walked};
use phusong_coverage::Policy;
use phusong_coverage::observation::NetworkId;
use phusong_coverage::signal::{BEFORE_MS, REACQUIRING_MS};
use phusong_coverage::vote::{self, QUARTER_MS, Source, Spot, Vote, WINDOWS};
use phusong_coverage::window::WindowNo;
use phusong_protocol::ReadingKind;
use std::collections::BTreeSet;
use std::time::Instant;

const DAY_MS: i64 = 86_400_000;
/// Of one re-timed stretch: a year.
const QUARTERS: i64 = 366 * 96;

impl Derive {
    /// Which quarters something on the way may change: its own, the next while what it said still holds, the one before
    /// while it tells what a modem was about to find; and a word about a survey those that the survey lasted.
    pub(super) fn note_way(&self, touch: &Touch) -> Result<(), StoreError> {
        // A re-timed stretch does not say what lay in it.
        let retimed = touch.first_ms != touch.last_ms;
        let walks = touch.placed || (retimed && self.shelf.has_walked(touch.probe)?);
        if !walks {
            return Ok(());
        }
        let mut span = (touch.first_ms, touch.last_ms);
        if retimed || touch.kind == ReadingKind::Position.code() {
            span = self.ground.survey_reach(touch.probe, span)?;
        }
        let quarter = |ms: i64| ms.div_euclid(QUARTER_MS);
        let (first, last) = (quarter(span.0 - REACQUIRING_MS), quarter(span.1 + BEFORE_MS));
        (first..=last.min(first + QUARTERS)).try_for_each(|quarter| self.shelf.touch_quarter(touch.probe, quarter))
    }

    /// Computes touched quarters again, until the budget is spent.
    pub(super) fn ways(&mut self, started: Instant, as_of_ms: i64, progress: &mut Progress) -> Result<(), StoreError> {
        let touched = self.shelf.touched_quarters(self.options.places)?;
        progress.more |= touched.len() >= self.options.places;
        for (probe, quarter) in touched {
            if started.elapsed() > self.options.budget {
                progress.more = true;
                return Ok(());
            }
            self.shelf.untouch_quarter(probe, quarter)?;
            self.quarter(probe, quarter, as_of_ms)?;
            progress.stretches += 1;
        }
        Ok(())
    }

    /// Where a probe stood at a moment.
    pub(super) fn place_at(&self, probe: i64, at_ms: i64) -> Option<i64> {
        let places = self.by_probe.get(&probe)?.iter().map(|at| &self.places[*at]);
        let here = |place: &&PlaceSpan| place.from_ms <= at_ms && place.to_ms.is_none_or(|to_ms| to_ms > at_ms);
        places.filter(here).map(|place| place.id).last()
    }

    /// One quarter of a moving probe again.
    pub(super) fn quarter(&mut self, probe: i64, quarter: i64, as_of_ms: i64) -> Result<(), StoreError> {
        let (from_ms, to_ms) = (quarter * QUARTER_MS, (quarter + 1) * QUARTER_MS);
        let shelf = &mut self.shelf;
        let policy = self.policies.at(from_ms);
        let range_ms = (from_ms - BEFORE_MS, to_ms + REACQUIRING_MS);
        let walked = self.ground.walked(probe, range_ms, policy, |name| shelf.network(name))?;
        let cellular: Vec<Walked> = walked.into_iter().filter(|one| one.network != NetworkId::NONE).collect();
        let votes = vote::moving(&cellular, quarter, policy);
        let sealed = to_ms <= self.options.retention.sealed_before_ms(as_of_ms);
        let key = VoteKey { probe, quarter, place: None };
        let young = |vote: &Vote| from_ms + life_ms(vote.source, policy) > as_of_ms;
        let mut kept: Vec<Vote> = votes.into_iter().filter(young).collect();
        if sealed {
            kept.retain(|vote| vote.source == Source::Survey);
        }
        self.shelf.put_votes(key, &kept, policy.version, |source| from_ms + life_ms(source, policy), sealed)
    }

    /// The quarters that touched windows of a fixed probe lie in.
    pub(super) fn fixed_votes(
        &mut self,
        place: &PlaceSpan,
        touched: (i64, i64),
        networks: &BTreeSet<NetworkId>,
        as_of_ms: i64,
    ) -> Result<(), StoreError> {
        let mut cellular = BTreeSet::new();
        for network in networks {
            if *network != NetworkId::NONE && !self.is_link(*network)? {
                cellular.insert(*network);
            }
        }
        let Some(child) = place.child.filter(|_| !cellular.is_empty()) else { return Ok(()) };
        // What is judged by windows before it may change behind the touched ones, too.
        let last = touched.1 + self.policies.newest().look_back;
        let (first, last) = (touched.0.div_euclid(WINDOWS), last.div_euclid(WINDOWS));
        let stored = self.shelf.windows(place.id, first * WINDOWS, (last + 1) * WINDOWS)?;
        for quarter in first..=last {
            let from_ms = quarter * QUARTER_MS;
            let policy = self.policies.at(from_ms);
            let until_ms = from_ms + life_ms(Source::Fixed, policy);
            let mut votes = Vec::new();
            for (network, of) in stored.iter().filter(|(network, _)| cellular.contains(network)) {
                let inside = |no: i64| no.div_euclid(WINDOWS) == quarter;
                let of: Vec<_> = of.iter().filter(|one| inside(one.window.no)).collect();
                let setup = of.iter().rev().find_map(|one| one.window.radio.as_ref().and_then(|radio| radio.setup));
                let (layer, external) = self.ground.environment(setup)?;
                let spot = Spot { child, layer, fast: false, external, survey: false };
                let judged: Vec<_> = of.iter().map(|one| (&one.window, &one.graded)).collect();
                votes.extend(vote::fixed(&judged, *network, spot));
            }
            if until_ms <= as_of_ms {
                votes.clear();
            }
            let sealed =
                WindowNo((quarter + 1) * WINDOWS).start_ms() <= self.options.retention.sealed_before_ms(as_of_ms);
            let key = VoteKey { probe: place.probe, quarter, place: Some(place.id) };
            if !sealed {
                self.shelf.put_votes(key, &votes, policy.version, |_| until_ms, false)?;
            }
        }
        Ok(())
    }
}

const fn life_ms(source: Source, policy: &Policy) -> i64 {
    match source {
        Source::Survey => policy.survey_days * DAY_MS,
        Source::Fixed | Source::Moving => policy.probe_days * DAY_MS,
    }
}
