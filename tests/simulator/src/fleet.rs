//! The probes: what each is called, where it stands, what feeds it, by which provider or SIM it leaves.
//!
//! In: the plan. Out: [`Member`]s for the draw and the devices, [`Registration`]s for a collector. Refuses to know:
//! events. Limits: two probes in each hamlet, one uplink each; a scene leaves one hamlet without any.

use crate::geography::{self, Position};
use crate::plan::{HAMLETS, Plan};
use crate::scene::Scene;
use phusong_protocol::{ProbeId, SiteId};
use serde::{Deserialize, Serialize};

const SITE: &str = "thanh-dinh";
const PROVIDERS: [&str; 2] = ["viettel-ftth", "vnpt-ftth"];
/// Operators by hamlet, with MCC and MNC of their SIMs.
const OPERATORS: [Operator; 3] = [
    Operator { name: "viettel", plmn: "452-04" },
    Operator { name: "vinaphone", plmn: "452-02" },
    Operator { name: "mobifone", plmn: "452-01" },
];
const SUPPLIES: [&str; 2] = ["A", "B"];
/// Every third probe has a mains input.
const MAINS_EVERY: usize = 3;

/// What the registry is told about a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    pub probe: ProbeId,
    pub site: SiteId,
    pub lat: f64,
    pub lon: f64,
    /// Code of the hamlet's area.
    pub hamlet: String,
    /// Probes of one hamlet on different supplies lose power apart.
    pub supply: String,
    pub from_ms: i64,
}

/// The registry learns that a probe has another place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Move {
    pub probe: ProbeId,
    pub at_ms: i64,
    pub lat: f64,
    pub lon: f64,
    pub hamlet: String,
}

/// Whose SIM a probe has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator {
    pub name: &'static str,
    pub plmn: &'static str,
}

/// One probe.
#[derive(Debug, Clone)]
pub struct Member {
    pub probe: ProbeId,
    pub site: SiteId,
    pub hamlet: usize,
    /// Which of its hamlet's two.
    pub twin: usize,
    pub place: Position,
    /// Of its fixed link, where it has no SIM.
    pub provider: &'static str,
    pub sim: Option<Operator>,
    pub mains_input: bool,
    /// Nobody ever put it up.
    pub absent: bool,
}

impl Member {
    pub fn code(&self) -> String {
        geography::code(self.hamlet)
    }

    pub fn network(&self) -> String {
        self.sim.map_or_else(|| format!("fixed:{}", self.provider), |sim| sim.name.to_owned())
    }
}

/// All probes, two by two.
pub fn members(plan: &Plan) -> Vec<Member> {
    let mut rng = fastrand::Rng::with_seed(plan.seed ^ 0xF1EE7);
    let site: SiteId = SITE.parse().expect("a constant identifier");
    let scene = Scene::of(plan);
    let shows = |hamlet: usize, of: fn(&Scene) -> usize| scene.as_ref().is_some_and(|scene| of(scene) == hamlet);
    let mut members = Vec::new();
    for (hamlet, at) in HAMLETS.iter().enumerate().take(plan.hamlets) {
        for (twin, provider) in PROVIDERS.into_iter().enumerate() {
            let name = format!("{}-{}", at.slug, twin + 1);
            members.push(Member {
                probe: name.parse().expect("slugs are identifiers of at most 30 characters"),
                site: site.clone(),
                hamlet,
                twin,
                place: somewhere(hamlet, twin, &mut rng),
                provider,
                sim: (plan.cellular && twin == 1).then_some(OPERATORS[hamlet % OPERATORS.len()]),
                mains_input: members.len() % MAINS_EVERY == 0 || shows(hamlet, |scene| scene.blind),
                absent: shows(hamlet, |scene| scene.unmeasured),
            });
        }
    }
    members
}

/// In its own half of the hamlet, so that twins never stand at one place.
fn somewhere(hamlet: usize, twin: usize, rng: &mut fastrand::Rng) -> Position {
    let east = rng.f64() * 0.9 + 0.1;
    let north = rng.f64() * 2.0 - 1.0;
    geography::inside(hamlet, if twin == 0 { -east } else { east }, north)
}

/// Where a probe goes when it is carried away: elsewhere in its own half.
pub fn elsewhere(member: &Member, at_ms: i64, rng: &mut fastrand::Rng) -> Move {
    let place = somewhere(member.hamlet, member.twin, rng);
    Move { probe: member.probe.clone(), at_ms, lat: place.lat, lon: place.lon, hamlet: member.code() }
}

pub fn registrations(plan: &Plan, members: &[Member]) -> Vec<Registration> {
    let registration = |member: &Member| Registration {
        probe: member.probe.clone(),
        site: member.site.clone(),
        lat: member.place.lat,
        lon: member.place.lon,
        hamlet: member.code(),
        supply: SUPPLIES[member.twin].into(),
        from_ms: plan.start_ms,
    };
    members.iter().filter(|member| !member.absent).map(registration).collect()
}
