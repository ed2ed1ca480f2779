//! What is known of hamlets and networks now, from the figures of their places.
//!
//! In: figures, labels, the time. Out: one [`NetworkState`] for each hamlet, network and technology, one level for each
//! hamlet. Refuses to know text and SQL. A hamlet's level is that of its best cellular network, as in the API: both ask
//! [`phusong_coverage::hamlet`]. What is older than the policy allows is unknown, and has no echoes.

use super::labels::Labels;
use crate::store::views::{Figures, PlaceFigures};
use phusong_coverage::Policy;
use phusong_coverage::grade::Grade;
use phusong_coverage::hamlet::{LastKnown, state};
use phusong_coverage::rtt::Rtts;

/// A hamlet on one network, by one technology.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TechnologyState {
    pub hamlet: usize,
    pub network: i64,
    pub technology: &'static str,
    pub level: f64,
}

/// A hamlet on one network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NetworkState {
    pub hamlet: usize,
    pub network: i64,
    pub level: f64,
    /// Medians and 95th percentiles in seconds.
    pub rtt: Option<(f64, f64)>,
    pub loss: Option<f64>,
}

#[derive(Debug, Default)]
pub struct Picture {
    /// By hamlet, as they stand in the labels.
    pub levels: Vec<f64>,
    /// By hamlet and network.
    pub networks: Vec<NetworkState>,
    pub technologies: Vec<TechnologyState>,
}

impl Picture {
    pub fn new(figures: &Figures, labels: &Labels, now_ms: i64) -> Self {
        let policy = Policy::default();
        let mut picture = Picture { levels: vec![0.0; labels.hamlets.len()], ..Picture::default() };
        // Places that ended say nothing of now.
        let here = |one: &&PlaceFigures| -> Option<usize> {
            labels.places.get(&one.place).filter(|at| at.open).and_then(|at| at.hamlet)
        };
        let mut all: Vec<(usize, &PlaceFigures)> =
            figures.places.iter().filter_map(|one| Some((here(&one)?, one))).collect();
        all.sort_by_key(|(hamlet, one)| (*hamlet, one.network, one.technology));
        for of_network in all.chunk_by(|a, b| (a.0, a.1.network) == (b.0, b.1.network)) {
            let (hamlet, network) = (of_network[0].0, of_network[0].1.network);
            let level = level(of_network, now_ms, &policy);
            let (rtt, loss) = echoes(of_network, now_ms, &policy);
            picture.networks.push(NetworkState { hamlet, network, level, rtt, loss });
            if !labels.networks.get(&network).is_some_and(|text| text.cellular) {
                continue;
            }
            picture.levels[hamlet] = picture.levels[hamlet].max(level);
            for of_technology in of_network.chunk_by(|a, b| a.1.technology == b.1.technology) {
                picture.technologies.push(TechnologyState {
                    hamlet,
                    network,
                    technology: of_technology[0].1.technology,
                    level: self::level(of_technology, now_ms, &policy),
                });
            }
        }
        picture
    }
}

fn level(places: &[(usize, &PlaceFigures)], now_ms: i64, policy: &Policy) -> f64 {
    let known = |(_, one): &(usize, &PlaceFigures)| LastKnown { grade: one.grade, end_ms: one.end_ms };
    let grade = match places {
        [one] => state(&[known(one)], now_ms, policy).grade,
        many => state(&many.iter().map(known).collect::<Vec<_>>(), now_ms, policy).grade,
    };
    match grade {
        Grade::Unknown => 0.0,
        Grade::Dead => 1.0,
        Grade::Weak => 2.0,
        Grade::Good => 3.0,
    }
}

/// Of all places together: round-trip times and loss of their newest windows with echoes, as far as those are fresh.
fn echoes(places: &[(usize, &PlaceFigures)], now_ms: i64, policy: &Policy) -> (Option<(f64, f64)>, Option<f64>) {
    let fresh = places.iter().filter_map(|(_, one)| one.echoes.as_ref());
    let fresh: Vec<_> = fresh.filter(|echoes| now_ms - echoes.end_ms <= policy.stale_ms).collect();
    let (sent, received) =
        fresh.iter().fold((0, 0), |(sent, received), one| (sent + one.sent, received + one.received));
    if sent == 0 {
        return (None, None);
    }
    let mut merged = Rtts::default();
    let rtts = match fresh.as_slice() {
        [one] => &one.rtts,
        many => {
            many.iter().for_each(|one| merged.merge(&one.rtts));
            &merged
        }
    };
    let quantile = |share| rtts.quantile(share).map(|us| us.get() as f64 / 1e6);
    (quantile(0.5).zip(quantile(0.95)), Some(sent.saturating_sub(received) as f64 / sent as f64))
}
