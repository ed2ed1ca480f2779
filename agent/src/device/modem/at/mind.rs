//! What one modem is doing, folded from its lines.
//!
//! In: objects of the decoder, in the order in which the modem said them, with the boot's clock. Out: what changed, as
//! [`Registered`], [`Signal`], [`Bearer`], [`Sim`]. Refuses to know: ports, commands, waiting. Limits: a loss of
//! registration is held back for [`SETTLE_MS`] at most, until the modem was asked about all of its domains.

use super::bounded;
use crate::device::modem::decode::{Decoded, Kind, Service};
use crate::device::modem::operator::is_other;
use crate::device::modem::{Bearer, Registered, Signal, Sim};
use phusong_protocol::{RadioCell, RegistrationStat, ServiceState, Technology};

/// A change waits so long for the other domains: a modem that falls back to 2G was not lost.
pub const SETTLE_MS: u64 = 1_000;

/// In the order in which they decide: 5G core, LTE core, packet domain, circuit domain.
pub const DOMAINS: [&str; 4] = ["+C5GREG", "+CEREG", "+CGREG", "+CREG"];
const CIRCUIT: usize = 3;

#[derive(Debug, Default)]
pub struct Mind {
    domains: [Option<Decoded>; 4],
    /// What the serving cell's reading said of the service and of the network.
    seen: Option<Seen>,
    /// The network and technology of `+COPS?`.
    operator: Option<(String, Option<Technology>)>,
    /// Of `+CEER` after a denial.
    cause: Option<u16>,
    sim: Option<Sim>,
    bearer: Option<Bearer>,
    /// All is to be told, new or not.
    sim_again: bool,
    bearer_again: bool,
    told: Option<Registered>,
    unsettled_since: Option<u64>,
}

#[derive(Debug, Default)]
struct Seen {
    service: Option<Service>,
    plmn: Option<String>,
}

pub fn stat_of(stat: u8) -> Option<RegistrationStat> {
    Some(match stat {
        0 => RegistrationStat::Idle,
        // 9 and 10: fallback to voice is not preferred there; data is.
        1 | 9 => RegistrationStat::Home,
        2 => RegistrationStat::Searching,
        3 => RegistrationStat::Denied,
        4 => RegistrationStat::Unknown,
        5 | 10 => RegistrationStat::Roaming,
        6 => RegistrationStat::HomeSmsOnly,
        7 => RegistrationStat::RoamingSmsOnly,
        8 => RegistrationStat::EmergencyOnly,
        11 => RegistrationStat::Rlos,
        _ => return None,
    })
}

fn is_registered(stat: u8) -> bool {
    matches!(stat, 1 | 5 | 6 | 7 | 9 | 10)
}

fn plmn(cell: &Decoded) -> Option<String> {
    Some(format!("{}-{}", cell.mcc.as_ref()?, cell.mnc.as_ref()?))
}

impl Mind {
    /// A line of `+CREG` or its sisters, asked for or not.
    pub fn domain(&mut self, line: &Decoded, now: u64) {
        let name = line.raw.split(':').next().unwrap_or("").trim();
        let Some(at) = DOMAINS.iter().position(|domain| domain.eq_ignore_ascii_case(name)) else { return };
        let Some(stat) = line.stat else { return };
        let registered = self.is_registered();
        let before = self.domains[at].as_ref().and_then(|before| before.stat);
        if before.is_some_and(is_registered) && !is_registered(stat) {
            // What stands below may not have heard of it yet.
            self.domains[at + 1..].fill(None);
        }
        self.domains[at] = Some(line.clone());
        if registered != self.is_registered() {
            // What was seen of the cell and of the network belongs to the state before.
            (self.seen, self.cause, self.operator) = (None, None, None);
        }
        if !self.is_denied() {
            // The next denial has a cause of its own.
            self.cause = None;
        }
        self.unsettle(now);
    }

    pub fn operator(&mut self, chosen: &Decoded, now: u64) {
        self.operator = plmn(chosen).map(|network| (network, chosen.technology));
        self.unsettle(now);
    }

    pub fn cause(&mut self, cause: u16, now: u64) {
        self.cause = Some(cause);
        self.unsettle(now);
    }

    /// Since when a change waits to be told.
    pub fn unsettled_since(&self) -> Option<u64> {
        self.unsettled_since
    }

    fn unsettle(&mut self, now: u64) {
        let changed = self.fold().is_some_and(|folded| differs(self.told.as_ref(), &folded));
        self.unsettled_since = changed.then(|| self.unsettled_since.unwrap_or(now));
    }

    /// What is to be told: at once where all domains were asked, else after [`SETTLE_MS`].
    pub fn settle(&mut self, now: u64, complete: bool) -> Option<Registered> {
        let since = self.unsettled_since?;
        if !complete && now.saturating_sub(since) < SETTLE_MS {
            return None;
        }
        self.unsettled_since = None;
        let folded = self.fold()?;
        self.told = Some(folded.clone());
        Some(folded)
    }

    fn is_denied(&self) -> bool {
        self.fold().is_some_and(|folded| folded.stat == RegistrationStat::Denied)
    }

    /// Whether the network says no and its line does not say why. Asked again and again: a denial may follow another.
    pub fn is_denied_without_cause(&self) -> bool {
        self.is_denied() && self.said_cause().is_none()
    }

    /// Of the lines of registration.
    fn said_cause(&self) -> Option<u16> {
        let said = self.domains[..CIRCUIT].iter().flatten().find_map(|domain| domain.reject);
        said.filter(|reject| reject.standard).map(|reject| reject.cause)
    }

    pub fn is_registered(&self) -> bool {
        is_registered_as(self.fold().as_ref())
    }

    /// All is told again, as after a reload.
    pub fn forget_told(&mut self, now: u64) {
        self.told = None;
        (self.sim_again, self.bearer_again) = (true, true);
        self.unsettle(now);
    }

    fn chosen(&self) -> Option<&Decoded> {
        let with = |wanted: fn(u8) -> bool, range: std::ops::Range<usize>| {
            self.domains[range].iter().flatten().find(|domain| domain.stat.is_some_and(wanted))
        };
        // Data counts; who is let in for voice alone is denied what is measured.
        with(is_registered, 0..CIRCUIT)
            .or_else(|| with(|stat| stat == 3, 0..CIRCUIT))
            .or_else(|| with(is_registered, CIRCUIT..4))
            .or_else(|| [3, 8, 11, 2, 0, 4].iter().find_map(|wanted| self.with_stat(*wanted)))
    }

    fn with_stat(&self, stat: u8) -> Option<&Decoded> {
        self.domains.iter().flatten().find(|domain| domain.stat == Some(stat))
    }

    fn fold(&self) -> Option<Registered> {
        let chosen = self.chosen()?;
        let number = chosen.stat?;
        let stat = stat_of(number)?;
        let registered = is_registered(number);
        let network = self.operator.as_ref().filter(|_| registered);
        let seen = self.seen.as_ref();
        let serving = network.map(|(network, _)| network.clone()).or_else(|| seen.and_then(|seen| seen.plmn.clone()));
        let technology = chosen.technology.or_else(|| network.and_then(|(_, technology)| *technology));
        let refused = self.said_cause().or(self.cause);
        Some(Registered {
            stat,
            service: self.service(stat),
            technology,
            cell: self.cell(chosen, technology, network.map(|(network, _)| network.as_str())),
            plmn: serving,
            reject_cause: refused.filter(|_| !registered),
            raw: Some(bounded(&chosen.raw)),
        })
    }

    fn cell(&self, chosen: &Decoded, technology: Option<Technology>, network: Option<&str>) -> Option<RadioCell> {
        let known = chosen.cell_id.is_some() || chosen.tac.is_some() || chosen.lac.is_some();
        let (mcc, mnc) = network.and_then(|network| network.split_once('-')).unzip();
        let (mcc, mnc) = (mcc.map(str::to_owned), mnc.map(str::to_owned));
        known.then(|| RadioCell { technology, mcc, mnc, serving: Some(true), ..chosen.cell() })
    }

    fn service(&self, stat: RegistrationStat) -> Option<ServiceState> {
        let seen = self.seen.as_ref();
        let service = seen.and_then(|seen| seen.service);
        match stat {
            // It contradicts itself, or changes just now.
            RegistrationStat::Home | RegistrationStat::Roaming if service == Some(Service::Limited) => None,
            RegistrationStat::Home => Some(ServiceState::Home),
            RegistrationStat::Roaming => Some(ServiceState::Roaming),
            RegistrationStat::EmergencyOnly | RegistrationStat::Rlos => Some(ServiceState::Limited),
            RegistrationStat::HomeSmsOnly | RegistrationStat::RoamingSmsOnly | RegistrationStat::NoSim => None,
            RegistrationStat::Idle
            | RegistrationStat::Searching
            | RegistrationStat::Denied
            | RegistrationStat::Unknown => {
                let home = self.sim.as_ref().and_then(|sim| sim.plmn.as_deref());
                let foreign = is_other(seen.and_then(|seen| seen.plmn.as_deref()), home);
                match service {
                    // Who is refused camps somewhere, also on the network that refuses him: that says nothing of it.
                    _ if stat == RegistrationStat::Denied => foreign.then_some(ServiceState::Limited),
                    Some(Service::Limited) => Some(ServiceState::Limited),
                    Some(Service::None) => Some(ServiceState::None),
                    // `stat` 4 says that the modem does not know; a foreign network alone does not either.
                    _ if foreign && stat != RegistrationStat::Unknown => Some(ServiceState::Limited),
                    _ => None,
                }
            }
        }
    }

    /// A reading of the serving cells: the vendor's reply first, then what others add.
    pub fn signal(&mut self, objects: &[Decoded], now: u64) -> Signal {
        let services = |wanted| objects.iter().any(|one| one.service == Some(wanted));
        // A 5G leg that is not there does not end the service of the other.
        let service = [Service::Limited, Service::Full, Service::None].into_iter().find(|one| services(*one));
        let plmn = objects.iter().filter(|one| one.kind == Some(Kind::Signal)).find_map(plmn);
        self.seen = Some(Seen { service, plmn });
        self.unsettle(now);
        let registered = self.fold().filter(|_| self.is_registered());
        let mut cells: Vec<RadioCell> = Vec::new();
        for one in objects.iter().filter(|one| one.kind == Some(Kind::Signal)) {
            let mut cell = one.cell();
            if cell.technology.is_none() && one.has_level() {
                cell.technology = registered.as_ref().and_then(|now| now.technology);
            }
            // 5G whose numbers nobody can read is there all the same.
            let unread = cell.technology.is_some_and(is_nr) && !one.doubtful.is_empty();
            let named = cell.pci.is_some() || cell.arfcn.is_some() || cell.cell_id.is_some();
            let is_cell = one.has_level() || named || unread;
            if !is_cell {
                continue;
            }
            cell.serving = Some(true);
            match cells.iter_mut().find(|other| same_technology(other.technology, cell.technology)) {
                Some(other) => add(other, cell),
                None => cells.push(cell),
            }
        }
        if let Some(at) = registered.as_ref().and_then(|now| now.cell.as_ref()) {
            cells.iter_mut().for_each(|cell| identify(cell, at));
        }
        let mut raw: Vec<&str> = objects.iter().map(|one| one.raw.as_str()).collect();
        raw.dedup();
        let raw = raw.join("\n");
        Signal { cells, rrc: objects.iter().find_map(Decoded::rrc), raw: (!raw.is_empty()).then(|| bounded(&raw)) }
    }

    /// What is known of the SIM, where it is new.
    pub fn sim(&mut self, sim: Sim, now: u64) -> Option<Sim> {
        let same =
            self.sim.as_ref().is_some_and(|told| Sim { raw: None, ..told.clone() } == Sim { raw: None, ..sim.clone() });
        self.sim = Some(sim.clone());
        self.unsettle(now);
        (!same || std::mem::take(&mut self.sim_again)).then_some(sim)
    }

    pub fn known_sim(&self) -> Option<&Sim> {
        self.sim.as_ref()
    }

    /// What is known of the bearer, where it is new.
    pub fn bearer(&mut self, bearer: Bearer) -> Option<Bearer> {
        let plain = |bearer: &Bearer| Bearer { raw: None, ..bearer.clone() };
        let same = self.bearer.as_ref().is_some_and(|told| plain(told) == plain(&bearer));
        self.bearer = Some(bearer.clone());
        (!same || std::mem::take(&mut self.bearer_again)).then_some(bearer)
    }
}

fn is_registered_as(now: Option<&Registered>) -> bool {
    use RegistrationStat::{Home, HomeSmsOnly, Roaming, RoamingSmsOnly};
    now.is_some_and(|now| matches!(now.stat, Home | Roaming | HomeSmsOnly | RoamingSmsOnly))
}

/// The modem's own line may read differently and mean the same.
fn differs(told: Option<&Registered>, now: &Registered) -> bool {
    told.is_none_or(|told| Registered { raw: None, ..told.clone() } != Registered { raw: None, ..now.clone() })
}

fn is_nr(technology: Technology) -> bool {
    matches!(technology, Technology::Nr | Technology::NrNsa | Technology::NrSa)
}

fn same_technology(a: Option<Technology>, b: Option<Technology>) -> bool {
    a == b
        || matches!((a, b), (Some(a), Some(b)) if is_nr(a) && is_nr(b) && (a == Technology::Nr || b == Technology::Nr))
}

/// Fills what the first reply left open.
fn add(to: &mut RadioCell, from: RadioCell) {
    to.rsrp_dbm = to.rsrp_dbm.or(from.rsrp_dbm);
    to.rsrq_db = to.rsrq_db.or(from.rsrq_db);
    if to.sinr_db.is_none() && to.sinr_raw.is_none() {
        (to.sinr_db, to.sinr_raw) = (from.sinr_db, from.sinr_raw);
    }
    to.rssi_dbm = to.rssi_dbm.or(from.rssi_dbm);
    to.rscp_dbm = to.rscp_dbm.or(from.rscp_dbm);
    to.ecio_db = to.ecio_db.or(from.ecio_db);
}

/// The registration's own cell, for replies that have levels alone. A 5G leg of an LTE attachment has no identity.
fn identify(cell: &mut RadioCell, at: &RadioCell) {
    let of_standalone = at.technology == Some(Technology::NrSa) && cell.technology == Some(Technology::Nr);
    let anchor = at.technology == Some(Technology::NrNsa) && cell.technology == Some(Technology::Lte);
    if of_standalone {
        cell.technology = at.technology;
    }
    if cell.cell_id.is_some() || cell.technology.is_none() || (cell.technology != at.technology && !anchor) {
        return;
    }
    if cell.technology == Some(Technology::NrNsa) {
        return;
    }
    cell.cell_id = at.cell_id;
    cell.tac = cell.tac.or(at.tac);
    cell.lac = cell.lac.or(at.lac);
    if cell.mcc.is_none() {
        (cell.mcc, cell.mnc) = (at.mcc.clone(), at.mnc.clone());
    }
}

#[cfg(test)]
mod tests;
