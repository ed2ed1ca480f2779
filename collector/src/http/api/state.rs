//! The states of hamlets at one moment: what the list, the detail and the map all show.
//!
//! In: the tree, the places, their last known windows, what is open. Out: [`Hamlet`]s by code. A hamlet's level is that
//! of its best cellular network; links of fixed providers are shown beside and never make it.

use super::when::{utc, utc_of};
use super::words::{GradeWord, hex, is_cellular, nfc};
use crate::http::problem::Problem;
use crate::store::views::{self, AreaNode, AreaTree, HamletPlace, InterruptionQuery, InterruptionRow, KnownRow, Views};
use phusong_coverage::Policy;
use phusong_coverage::grade::Grade;
use phusong_coverage::hamlet::{HamletState, LastKnown, state};
use phusong_coverage::interruption::Kind;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// Open interruptions that are looked at in one answer.
const OPEN: usize = 10_000;

/// What is open now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Open {
    pub key: String,
    pub case: i64,
    pub place: i64,
    pub probe: Option<String>,
    #[schema(format = DateTime)]
    pub from: String,
    pub from_ms: i64,
    pub cause: String,
    pub confidence: String,
}

/// What bandwidth tests of the last 24 hours found; those that were stopped early count for nothing.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Throughput {
    /// Median, bits per second; null: that direction was not measured.
    pub down_bps: Option<u64>,
    pub up_bps: Option<u64>,
    /// When the newest test began.
    #[schema(format = DateTime)]
    pub at: String,
    pub at_ms: i64,
    /// Tests, at most one for each place and hour.
    pub n: usize,
}

impl From<views::Throughput> for Throughput {
    fn from(found: views::Throughput) -> Self {
        let views::Throughput { down_bps, up_bps, at_ms, n } = found;
        Throughput { down_bps, up_bps, at: utc(at_ms), at_ms, n }
    }
}

/// A hamlet on one network.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NetworkState {
    /// An operator, or `fixed:` and a provider; empty: samples that named none.
    pub network: String,
    pub grade: GradeWord,
    /// 0 unknown, 1 dead, 2 weak, 3 good.
    pub level: u8,
    /// Why: the reason of the newest window that has this grade.
    pub reason: Option<String>,
    /// Some places are dead and some are not.
    pub places_disagree: bool,
    /// Places that had something to say in the last quarter of an hour.
    pub n: usize,
    /// The end of the newest known window, however old.
    #[schema(format = DateTime)]
    pub last_known_at: Option<String>,
    pub last_known_at_ms: Option<i64>,
    /// Null: no test that counts in the last 24 hours.
    pub throughput: Option<Throughput>,
    pub open_gaps: Vec<Open>,
    pub open_blinds: Vec<Open>,
}

/// A leaf of the tree with its state now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Hamlet {
    pub code: String,
    pub name: String,
    pub label: String,
    /// Code of the area above.
    pub parent: Option<String>,
    pub lat: Option<f64>,
    pub lon: Option<f64>,
    pub radius_m: Option<f64>,
    pub population: Option<i64>,
    /// Of its best cellular network.
    pub grade: GradeWord,
    /// 0 unknown, 1 dead, 2 weak, 3 good.
    pub level: u8,
    /// Which network that is; null where none is known.
    pub network: Option<String>,
    /// Networks of mobile operators.
    pub networks: Vec<NetworkState>,
    /// Fixed links, and samples that named no network.
    pub links: Vec<NetworkState>,
    /// Blinds of whole places: nothing came from them.
    pub open_blinds: Vec<Open>,
    /// Places where a probe stands now.
    pub places: usize,
}

/// Everything that states are made of, read once.
pub struct Scene {
    pub tree: AreaTree,
    /// By the code of the hamlet.
    places: BTreeMap<String, Vec<HamletPlace>>,
    known: BTreeMap<i64, Vec<KnownRow>>,
    open: BTreeMap<i64, Vec<InterruptionRow>>,
    /// By the code of the hamlet and the network.
    speeds: BTreeMap<(String, String), Throughput>,
    now_ms: i64,
}

impl Scene {
    pub fn look(views: &Views, now_ms: i64) -> Result<Self, Problem> {
        let places = views.places_now()?;
        let ids: Vec<i64> = places.iter().map(|place| place.id).collect();
        let mut scene = Scene {
            tree: views.area_tree(Some(now_ms))?,
            places: BTreeMap::new(),
            known: BTreeMap::new(),
            open: BTreeMap::new(),
            speeds: BTreeMap::new(),
            now_ms,
        };
        for row in views.last_known(&ids)? {
            scene.known.entry(row.place).or_default().push(row);
        }
        let kinds = vec![Kind::Gap, Kind::Blind];
        let open = InterruptionQuery { kinds, places: Some(ids), open: Some(true), limit: OPEN, ..Default::default() };
        for row in views.interruptions(&open)? {
            scene.open.entry(row.spot.place).or_default().push(row);
        }
        for speed in views.hamlet_speeds(now_ms)? {
            scene.speeds.insert((speed.hamlet, speed.network), speed.throughput.into());
        }
        for place in places {
            scene.places.entry(place.hamlet.clone()).or_default().push(place);
        }
        Ok(scene)
    }

    /// The leaves, by code; with `area` those below it, `None` if there is no such area now.
    pub fn leaves(&self, area: Option<&str>) -> Option<Vec<&AreaNode>> {
        let below: Option<BTreeSet<i64>> = match area {
            Some(code) => Some(self.tree.below(code)?),
            None => None,
        };
        let inside = |node: &&AreaNode| below.as_ref().is_none_or(|below| below.contains(&node.id));
        Some(self.tree.nodes().iter().filter(|node| self.tree.is_leaf(node)).filter(inside).collect())
    }

    pub fn places(&self, code: &str) -> &[HamletPlace] {
        self.places.get(code).map_or(&[], Vec::as_slice)
    }

    pub fn hamlet(&self, node: &AreaNode) -> Hamlet {
        let places = self.places(&node.code);
        let known = || places.iter().flat_map(|place| self.known.get(&place.id).into_iter().flatten());
        let open: Vec<&InterruptionRow> =
            places.iter().flat_map(|place| self.open.get(&place.id).into_iter().flatten()).collect();
        let of_networks = open.iter().filter_map(|row| row.network.clone());
        let names: BTreeSet<String> = known().map(|row| row.network.clone()).chain(of_networks).collect();
        let states = names.into_iter().map(|network| {
            let rows: Vec<&KnownRow> = known().filter(|row| row.network == network).collect();
            let throughput = self.speeds.get(&(node.code.clone(), network.clone())).cloned();
            self.network(network, &rows, &open, throughput)
        });
        let (networks, links): (Vec<_>, Vec<_>) = states.partition(|state| is_cellular(&state.network));
        let best = networks.iter().filter(|state| state.level > 0).max_by_key(|state| state.level);
        Hamlet {
            code: node.code.clone(),
            name: nfc(node.name.clone()),
            label: nfc(node.label.clone()),
            parent: self.tree.parent_code(node).map(str::to_owned),
            lat: node.lat,
            lon: node.lon,
            radius_m: node.radius_m,
            population: node.population,
            grade: best.map_or(GradeWord::Unknown, |state| state.grade),
            level: best.map_or(0, |state| state.level),
            network: best.map(|state| state.network.clone()),
            networks,
            links,
            open_blinds: opened(open.iter().filter(|row| row.kind == "blind" && row.network.is_none())),
            places: places.len(),
        }
    }

    fn network(
        &self,
        network: String,
        rows: &[&KnownRow],
        open: &[&InterruptionRow],
        throughput: Option<Throughput>,
    ) -> NetworkState {
        let known: Vec<LastKnown> = rows.iter().map(|row| LastKnown { grade: row.grade, end_ms: row.end_ms }).collect();
        let HamletState { grade, places_disagree, n } = state(&known, self.now_ms, &Policy::default());
        let because = rows.iter().filter(|row| row.grade == grade && grade != Grade::Unknown);
        let of_known = rows.iter().filter(|row| row.grade != Grade::Unknown);
        let last_known_at_ms = of_known.map(|row| row.end_ms).max();
        let of_kind = |kind: &'static str| {
            opened(open.iter().filter(|row| row.kind == kind && row.network.as_ref() == Some(&network)))
        };
        NetworkState {
            grade: grade.into(),
            level: GradeWord::from(grade).level(),
            reason: because.max_by_key(|row| row.end_ms).and_then(|row| row.reason).map(str::to_owned),
            places_disagree,
            n,
            last_known_at: utc_of(last_known_at_ms),
            last_known_at_ms,
            throughput,
            open_gaps: of_kind("gap"),
            open_blinds: of_kind("blind"),
            network,
        }
    }
}

fn opened<'a>(rows: impl Iterator<Item = &'a &'a InterruptionRow>) -> Vec<Open> {
    let open = |row: &InterruptionRow| Open {
        key: hex(row.key),
        case: row.case,
        place: row.spot.place,
        probe: row.spot.probe.clone(),
        from: utc(row.from_ms),
        from_ms: row.from_ms,
        cause: row.cause.clone(),
        confidence: row.confidence.clone(),
    };
    rows.map(|row| open(row)).collect()
}
