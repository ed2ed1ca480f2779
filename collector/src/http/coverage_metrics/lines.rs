//! The lines of `/metrics/coverage`, family by family.
//!
//! In: a [`Scene`]. Out: text. Refuses to know where the figures come from. Labels are hamlets and probes of the
//! registry, communes, networks and closed sets; never a radio cell, an address or an error text.

use super::families::{self as family, Family};
use super::labels::Labels;
use super::picture::{NetworkState, Picture};
use super::text::{Gone, Text};
use crate::store::derived::{ProbeNews, RTT_BOUNDS_US};
use crate::store::views::{Figures, HamletSpeed, InterruptionFigures};
use axum::body::Bytes;
use phusong_coverage::grade::Grade;
use phusong_coverage::interruption::Kind;
use std::collections::HashMap;
use std::sync::Arc;

/// A probe reports itself every five minutes; what it said longer ago is no longer so.
pub const PROBE_STALE_MS: i64 = 3_600_000;

const STATES: [(Grade, &str); 3] =
    [(Grade::Dead, r#",state="dead""#), (Grade::Weak, r#",state="weak""#), (Grade::Good, r#",state="good""#)];
const GAP_CAUSES: [&str; 4] = ["no_coverage", "site_down", "backhaul", "unknown"];
const BLIND_CAUSES: [&str; 6] = ["power", "device", "sim", "bearer", "plan", "unknown"];
/// [`RTT_BOUNDS_US`] in seconds, and what is above.
const RTT_BOUNDS: [&str; RTT_BOUNDS_US.len() + 1] = [
    r#",le="0.02""#,
    r#",le="0.05""#,
    r#",le="0.1""#,
    r#",le="0.2""#,
    r#",le="0.5""#,
    r#",le="1""#,
    r#",le="2""#,
    r#",le="5""#,
    r#",le="10""#,
    r#",le="+Inf""#,
];

/// Everything that is shown, as of one moment.
pub struct Scene {
    pub labels: Arc<Labels>,
    pub figures: Figures,
    pub picture: Picture,
    pub speeds: Vec<HamletSpeed>,
    pub now_ms: i64,
}

type Done = Result<(), Gone>;

impl Scene {
    /// Says how many lines were written.
    pub fn write(&self, send: impl FnMut(Bytes) -> Done) -> Result<u64, Gone> {
        let mut text = Text::new(send);
        self.hamlets(&mut text)?;
        self.states(&mut text)?;
        self.echoes(&mut text)?;
        self.speeds(&mut text)?;
        for (family, kind, causes, figures) in [
            (family::GAPS_OPEN, Kind::Gap, &GAP_CAUSES[..], &self.figures.open),
            (family::GAPS, Kind::Gap, &GAP_CAUSES, &self.figures.ended),
            (family::BLINDS_OPEN, Kind::Blind, &BLIND_CAUSES, &self.figures.open),
            (family::BLINDS, Kind::Blind, &BLIND_CAUSES, &self.figures.ended),
        ] {
            self.interruptions(&mut text, family, kind, causes, figures)?;
        }
        self.probes(&mut text)?;
        self.rtts(&mut text)?;
        text.finish()
    }

    fn base(&self, hamlet: usize) -> &str {
        &self.labels.hamlets[hamlet].base
    }

    fn network(&self, network: i64) -> &str {
        self.labels.networks.get(&network).map_or(r#"network="""#, |text| &text.text)
    }

    fn hamlets<S: FnMut(Bytes) -> Done>(&self, text: &mut Text<S>) -> Done {
        let (labels, picture) = (&self.labels, &self.picture);
        announce(text, family::HAMLET_INFO, &labels.hamlets, |text, name, hamlet| {
            text.line(name, &[&hamlet.base, &hamlet.info], 1.0)
        })?;
        announce(
            text,
            family::HAMLET_COVERAGE_LEVEL,
            labels.hamlets.iter().zip(&picture.levels),
            |text, name, one| text.line(name, &[&one.0.base], *one.1),
        )?;
        let is_link =
            |state: &&NetworkState| labels.networks.get(&state.network).is_some_and(|network| !network.cellular);
        announce(text, family::HAMLET_LINK_LEVEL, picture.networks.iter().filter(is_link), |text, name, state| {
            text.line(name, &[self.base(state.hamlet), ",", self.network(state.network)], state.level)
        })?;
        announce(text, family::HAMLET_NETWORK_LEVEL, &picture.technologies, |text, name, one| {
            let (base, network) = (self.base(one.hamlet), self.network(one.network));
            text.line(name, &[base, ",", network, r#",technology=""#, one.technology, "\""], one.level)
        })
    }

    fn states<S: FnMut(Bytes) -> Done>(&self, text: &mut Text<S>) -> Done {
        // Areas that were imported anew have several rows; their seconds belong to one hamlet.
        let mut seconds: HashMap<usize, [(u64, u64); STATES.len()]> = HashMap::new();
        for one in &self.figures.states {
            let at = STATES.iter().position(|(grade, _)| *grade == one.grade);
            if let Some((hamlet, at)) = self.labels.hamlet_of_area(one.area).zip(at) {
                let sum = &mut seconds.entry(hamlet).or_default()[at];
                *sum = (sum.0 + one.in_time_s, sum.1 + one.late_s);
            }
        }
        let mut counted: Vec<usize> = seconds.keys().copied().collect();
        counted.extend((0..self.labels.hamlets.len()).filter(|hamlet| self.labels.hamlets[*hamlet].measured));
        counted.sort_unstable();
        counted.dedup();
        for (family, late) in [(family::HAMLET_STATE_SECONDS, false), (family::HAMLET_LATE_STATE_SECONDS, true)] {
            announce(text, family, &counted, |text, name, hamlet| {
                let sums = seconds.get(hamlet).copied().unwrap_or_default();
                STATES.iter().zip(sums).try_for_each(|((_, state), (in_time, later))| {
                    let value = if late { later } else { in_time };
                    text.line(name, &[self.base(*hamlet), state], value as f64)
                })
            })?;
        }
        Ok(())
    }

    fn echoes<S: FnMut(Bytes) -> Done>(&self, text: &mut Text<S>) -> Done {
        let networks = &self.picture.networks;
        let rtts = networks.iter().filter_map(|state| Some((state, state.rtt?)));
        announce(text, family::HAMLET_RTT, rtts, |text, name, (state, (median, high))| {
            let (base, network) = (self.base(state.hamlet), self.network(state.network));
            text.line(name, &[base, ",", network, r#",quantile="0.5""#], median)?;
            text.line(name, &[base, ",", network, r#",quantile="0.95""#], high)
        })?;
        let losses = networks.iter().filter_map(|state| Some((state, state.loss?)));
        announce(text, family::HAMLET_PACKET_LOSS, losses, |text, name, (state, loss)| {
            text.line(name, &[self.base(state.hamlet), ",", self.network(state.network)], loss)
        })
    }

    fn speeds<S: FnMut(Bytes) -> Done>(&self, text: &mut Text<S>) -> Done {
        // One hamlet's areas of several imports are one code, of which the first counts.
        let mut seen = std::collections::HashSet::new();
        let known = self.speeds.iter().filter_map(|one| {
            let hamlet = self.labels.hamlet_of_area(one.area)?;
            seen.insert((hamlet, one.network.as_str())).then_some((hamlet, one))
        });
        announce(text, family::HAMLET_THROUGHPUT, known, |text, name, (hamlet, one)| {
            let network = self.labels.networks.values().find(|text| text.names(&one.network));
            let Some(network) = network else { return Ok(()) };
            let both =
                [(r#",direction="down""#, one.throughput.down_bps), (r#",direction="up""#, one.throughput.up_bps)];
            both.into_iter().filter_map(|(direction, bps)| Some((direction, bps?))).try_for_each(|(direction, bps)| {
                text.line(name, &[self.base(hamlet), ",", &network.text, direction], bps as f64)
            })
        })
    }

    fn interruptions<S: FnMut(Bytes) -> Done>(
        &self,
        text: &mut Text<S>,
        family: Family,
        kind: Kind,
        causes: &[&'static str],
        figures: &[InterruptionFigures],
    ) -> Done {
        let mut sums: Vec<Vec<u64>> = vec![vec![0; causes.len()]; self.labels.communes.len()];
        for one in figures.iter().filter(|one| one.kind == kind) {
            let commune = self.labels.places.get(&one.place).map_or(0, |at| at.commune);
            // A cause outside the set is one that this kind cannot have: it is told as unknown, which is last.
            let cause = causes.iter().position(|cause| *cause == one.cause).unwrap_or(causes.len() - 1);
            sums[commune][cause] += one.n;
        }
        let communes = self.labels.communes.iter().zip(&sums).enumerate();
        let shown = communes
            .filter(|(at, (_, sums))| (1..self.labels.inhabited).contains(at) || sums.iter().any(|sum| *sum > 0));
        announce(text, family, shown, |text, name, (_, (commune, sums))| {
            causes
                .iter()
                .zip(sums)
                .try_for_each(|(cause, n)| text.line(name, &[commune, r#",cause=""#, cause, "\""], *n as f64))
        })
    }

    fn probes<S: FnMut(Bytes) -> Done>(&self, text: &mut Text<S>) -> Done {
        let probes = &self.labels.probes;
        announce(text, family::PROBE_INFO, probes, |text, name, (_, probe)| {
            text.line(name, &[&probe.probe, &probe.info], 1.0)
        })?;
        let news: HashMap<i64, &ProbeNews> = self.figures.probes.iter().map(|(id, news)| (*id, news)).collect();
        let seconds = |said: Option<(i64, i64)>| self.fresh(said).map(|ms| ms as f64 / 1e3);
        type Take<'a> = &'a dyn Fn(&ProbeNews) -> Option<f64>;
        let families: [(Family, Take<'_>); 5] = [
            (family::DELIVERY_DELAY, &|news| seconds(news.delay)),
            (family::PROBE_CLOCK_OFFSET, &|news| seconds(news.offset)),
            (family::PROBE_SPOOL_SAMPLES, &|news| self.fresh(news.health).map(|health| health.0 as f64)),
            (family::PROBE_BATTERY, &|news| self.fresh(news.battery).map(ratio)),
            (family::PROBE_DATA_USED, &|news| self.fresh(news.health).and_then(|health| Some(health.1? as f64))),
        ];
        for (family, take) in families {
            let said = probes.iter().filter_map(|(id, probe)| Some((probe, take(news.get(id)?)?)));
            announce(text, family, said, |text, name, (probe, value)| text.line(name, &[&probe.probe], value))?;
        }
        Ok(())
    }

    fn fresh<T>(&self, said: Option<(i64, T)>) -> Option<T> {
        said.filter(|(at_ms, _)| self.now_ms - at_ms <= PROBE_STALE_MS).map(|(_, value)| value)
    }

    fn rtts<S: FnMut(Bytes) -> Done>(&self, text: &mut Text<S>) -> Done {
        announce(text, family::RTT, &self.figures.rtts, |text, name, one| {
            let (province, network) = (self.labels.province(one.area), self.network(one.network));
            let labels = [province, ",", network, r#",technology=""#, one.technology, "\""];
            let mut below = 0;
            for (count, bound) in one.counts.counts.iter().zip(RTT_BOUNDS) {
                below += count;
                let labels = [labels[0], labels[1], labels[2], labels[3], labels[4], labels[5], bound];
                text.suffixed(name, "_bucket", &labels, below as f64)?;
            }
            text.suffixed(name, "_sum", &labels, one.counts.sum_us as f64 / 1e6)?;
            text.suffixed(name, "_count", &labels, below as f64)
        })
    }
}

/// A battery's ratio as it was sent, without the digits that widening it adds.
fn ratio(sent: f32) -> f64 {
    (f64::from(sent) * 1e4).round() / 1e4
}

/// A family with its lines; without any it is not announced.
fn announce<S: FnMut(Bytes) -> Done, T>(
    text: &mut Text<S>,
    family: Family,
    of: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Text<S>, &str, T) -> Done,
) -> Done {
    let mut of = of.into_iter().peekable();
    if of.peek().is_none() {
        return Ok(());
    }
    text.family(family)?;
    of.try_for_each(|one| write(text, family.name, one))
}
