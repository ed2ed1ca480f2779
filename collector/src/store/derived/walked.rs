//! What moving probes observed, as the domain's votes want it: each row with the child that it was taken in.
//!
//! In: `phusong.db`, read-only; positions that samples carry. Out: [`Walked`]. Refuses to know: what becomes of them.
//! A position that is not certain enough leaves a row without a child: it is heard and does not vote.

use super::ground::Ground;
use super::radio::{How, is_modems_own, said};
use super::translate::{Context, Heard, Row, translate};
use crate::store::error::StoreError;
use h3o::{CellIndex, LatLng, Resolution};
use phusong_coverage::Policy;
use phusong_coverage::observation::{Ended, NetworkId, Role, SampleId, TargetId};
use phusong_coverage::radio::{Look, Registration};
use phusong_coverage::vote::{Layer, Spot, Tested};
use phusong_protocol::{Antenna, Environment, Outcome, Place, Reading, Setup, Taken};
use std::collections::BTreeMap;

/// Votes are cast in children of this resolution, about 300 m².
const CHILD: Resolution = Resolution::Twelve;
const KMH: f64 = 3.6;

/// One observation on a way.
pub type Walked = phusong_coverage::vote::Heard;

/// The child that a point lies in; `None` for what is no point.
pub fn child(lat: f64, lon: f64) -> Option<u64> {
    LatLng::new(lat, lon).ok().map(|point| point.to_cell(CHILD).into())
}

/// The middle of a child, latitude and longitude in degrees.
pub fn centre(child: u64) -> (f64, f64) {
    CellIndex::try_from(child).map_or((0.0, 0.0), |cell| {
        let point = LatLng::from(cell);
        (point.lat(), point.lng())
    })
}

/// The ancestor by which a hex is called: resolution 9.
pub fn hex(child: u64) -> Option<u64> {
    CellIndex::try_from(child).ok()?.parent(Resolution::Nine).map(u64::from)
}

impl Ground {
    /// Everything that a probe observed on its way between two times.
    pub fn walked(
        &mut self,
        probe: i64,
        (from_ms, to_ms): (i64, i64),
        policy: &Policy,
        mut network: impl FnMut(&str) -> Result<NetworkId, StoreError>,
    ) -> Result<Vec<Walked>, StoreError> {
        let marks = self.marks(probe, (from_ms, to_ms))?;
        let (mut found, mut networks) = (Vec::new(), BTreeMap::new());
        for (row, place) in self.rows(probe, (from_ms, to_ms), true)? {
            let Some(place) = place.filter(|_| row.certain) else { continue };
            let Some(uplink) = row.uplink.map(|id| self.uplink(id)).transpose()? else { continue };
            let device = uplink.modem.device;
            let named = uplink.network.as_deref().or(uplink.modem.presumed());
            if let Some(name) = named.filter(|name| super::translate::is_cellular(name)) {
                networks.insert(device, network(name)?);
            }
            // What names no network any more belongs to the last one of its modem.
            let Some(network) = networks.get(&device).copied() else { continue };
            let setup = row.setup.map(|id| self.setup(id)).transpose()?.flatten();
            let how = How { id: row.setup, setup: setup.as_ref() };
            let heard = said(&row.outcome, &uplink.modem, how, policy);
            let tested = if uplink.self_load { None } else { tested(&row) };
            if heard.is_none() && tested.is_none() {
                continue;
            }
            let radio = heard.is_some() && (is_modems_own(&row.outcome) || !uplink.self_load);
            let mut said = heard.unwrap_or_default();
            // A phone calls a cell serving when it is registered there.
            if row.epoch.0 == 0 && said.beside.is_none() && serves(&row.outcome) {
                said.beside = Some(Registration::Registered);
            }
            if said.level.flatten().is_some_and(|level| level.correction.is_none()) {
                // Of a set-up that is not known the service counts, and no level.
                said.level = Some(None);
            }
            let spot = spot(&place, row.epoch.0 == 0, policy).map(|(child, fast)| {
                let (layer, external) = environment(setup.as_ref());
                // The set-up says it; a mark only where there is none.
                let marked = setup.is_none() && marks.is_indoors(row.at_ms);
                let layer = if marked { Layer::Indoor } else { layer };
                let survey = is_survey(&row.outcome) || marks.is_survey(row.at_ms);
                Spot { child, layer, fast, external, survey }
            });
            let id = SampleId { epoch: row.epoch.0, seq: row.seq };
            let look = Look { at_ms: row.at_ms, id, device: uplink.modem.device, said };
            found.push(Walked { look, radio, network, spot, tested });
        }
        Ok(found)
    }

    /// By the set-up of a fixed probe, in the store's numbering: its layer, and whether its antenna is external.
    pub fn environment(&mut self, setup: Option<i64>) -> Result<(Layer, bool), StoreError> {
        let setup = setup.map(|id| self.setup(id)).transpose()?.flatten();
        Ok(environment(setup.as_ref()))
    }
}

fn environment(setup: Option<&Setup>) -> (Layer, bool) {
    let layer = setup.map_or(Layer::Unknown, |setup| match setup.environment {
        Environment::Outdoor => Layer::Outdoor,
        Environment::Indoor => Layer::Indoor,
        Environment::Vehicle => Layer::Vehicle,
        Environment::Unknown => Layer::Unknown,
    });
    (layer, setup.is_some_and(|setup| setup.antenna == Some(Antenna::External)))
}

fn serves(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Reading(Reading::Radio(radio)) if radio.cells.iter().any(|cell| cell.serving == Some(true)))
}

/// The child of a position that is certain enough, and whether it moved faster than a survey may. Records of phones and
/// imports (`foreign`) are stamped with where they were when they were made, and say no age.
fn spot(place: &Place, foreign: bool, policy: &Policy) -> Option<(u64, bool)> {
    let kmh = place.speed_mps.map_or(0.0, |mps| f64::from(mps) * KMH);
    let age_ms = if kmh > policy.moving_kmh { policy.moving_age_ms } else { policy.position_age_ms };
    let near = place.accuracy_m.is_some_and(|radius| f64::from(radius) <= policy.position_radius_m);
    let fresh = place.fix_age_s.map_or(foreign, |age_s| f64::from(age_s) * 1_000.0 <= age_ms as f64);
    if !near || !fresh {
        return None;
    }
    Some((child(place.lat, place.lon)?, kmh > policy.survey_kmh))
}

/// Without a cell a survey's registration stands for its radio.
fn is_survey(outcome: &Outcome) -> bool {
    let taken = match outcome {
        Outcome::Reading(Reading::Radio(radio)) => radio.taken,
        Outcome::Reading(Reading::Registration(registration)) => registration.taken,
        _ => None,
    };
    taken == Some(Taken::Survey)
}

/// How a test on the way ended; summaries stand for more than one spot and say nothing here.
fn tested(row: &Row) -> Option<Tested> {
    if matches!(row.outcome, Outcome::Reading(Reading::Summary(_))) {
        return None;
    }
    let context = Context { network: NetworkId(1), target: TargetId(0), role: Role::Service };
    let Heard::Attempt(attempt) = translate(row, context) else { return None };
    match attempt.ended {
        Ended::Answered => Some(Tested { answered: true, transfer: attempt.layer.is_transfer() }),
        Ended::Unanswered => Some(Tested { answered: false, transfer: attempt.layer.is_transfer() }),
        Ended::LinkDown | Ended::Portal | Ended::NotTried => None,
    }
}
