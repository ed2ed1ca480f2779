//! From what a modem said on the wire to a look of the domain.
//!
//! In: one row's outcome, the link that it belongs to, how it was taken. Out: what it says, or nothing. Pure. Refuses to
//! know: what was said before. Degrades per field: whatever a modem leaves out stays unsaid.

use phusong_coverage::radio::{
    Bearer, CellKey, Change, Generation, Level, Registration, Said, Sim, Technologies, height,
};
use phusong_coverage::{Db, Dbm, Policy};
use phusong_protocol::{
    Antenna, Attempt as Tried, BearerState, Environment, FailureKind, Outcome, RadioCell, RadioReading, Reading,
    RegistrationReading, RegistrationStat, Rrc, ServiceState, Setup, SimState, Taken, Technology, TechnologyCheck,
    Uplink,
};

/// EMM causes of the subscription (TS 24.301 9.9.3.9): unknown or illegal SIM or device, services not allowed [M].
const SUBSCRIPTION: [u16; 6] = [2, 3, 5, 6, 7, 8];

/// What an uplink's row says of a modem.
#[derive(Debug, Clone, PartialEq)]
pub struct Modem {
    /// The same for the same interface, on any machine: FNV-1a, 32 bits.
    pub device: u32,
    pub sim_plmn: Option<String>,
    serving_plmn: Option<String>,
    service: Option<ServiceState>,
    technology: Option<Technology>,
    connected: bool,
}

impl Modem {
    pub fn of(uplink: &Uplink) -> Self {
        let hash = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        Modem {
            device: uplink.interface.as_bytes().iter().fold(0x811c_9dc5, hash),
            sim_plmn: uplink.sim_plmn.clone(),
            serving_plmn: uplink.serving_plmn.clone(),
            service: uplink.service_state,
            technology: uplink.technology,
            connected: uplink.rrc == Some(Rrc::Connected),
        }
    }

    fn beside(&self) -> Option<Registration> {
        Some(match self.service? {
            ServiceState::None => Registration::NoService,
            ServiceState::Limited => self.limited(),
            ServiceState::Home | ServiceState::Roaming => Registration::Registered,
        })
    }

    /// Emergency calls alone: camped on another operator's cell, where its own does not reach. On a cell of its own it is
    /// refused more than that.
    fn limited(&self) -> Registration {
        let own = self.serving_plmn.as_ref().zip(self.sim_plmn.as_ref()).is_some_and(|(a, b)| same(a, b));
        if own { Registration::Denied } else { Registration::Limited }
    }

    /// Of a device that does not tell its SIM: the operator that serves it, where it says that it is at home there.
    /// Without that word it may be tolerated on the cell of anybody.
    pub fn presumed(&self) -> Option<&str> {
        let is_home = self.service == Some(ServiceState::Home);
        self.serving_plmn.as_deref().filter(|_| is_home).map(super::translate::operator)
    }

    /// Nobody said whose cell it is that serves; another network's level says nothing of ours.
    fn foreign(&self, cell: &RadioCell) -> bool {
        let of_cell = cell.mcc.as_ref().zip(cell.mnc.as_ref()).map(|(mcc, mnc)| format!("{mcc}-{mnc}"));
        let serving = of_cell.or_else(|| self.serving_plmn.clone());
        self.service.is_none() && serving.zip(self.sim_plmn.as_ref()).is_some_and(|(a, b)| !same(&a, b))
    }
}

/// Whether two PLMNs are of one operator.
fn same(a: &str, b: &str) -> bool {
    super::translate::operator(a) == super::translate::operator(b)
}

/// How something was taken, in the store's numbering.
#[derive(Debug, Clone, Copy, Default)]
pub struct How<'a> {
    pub id: Option<i64>,
    pub setup: Option<&'a Setup>,
}

/// `None`: it says nothing of a modem.
pub fn said(outcome: &Outcome, modem: &Modem, how: How<'_>, policy: &Policy) -> Option<Said> {
    let said = Said { beside: modem.beside(), setup: how.id, ..Said::default() };
    match outcome {
        Outcome::Reading(Reading::Radio(reading)) => Some(radio(reading, modem, how, policy, said)),
        Outcome::Reading(Reading::Registration(reading)) => Some(registration(reading, modem, said)),
        Outcome::Reading(Reading::Neighbours(reading)) => {
            Some(Said { neighbours: reading.cells.iter().filter_map(key).collect(), ..said })
        }
        Outcome::Reading(Reading::Scan(scan)) => Some(Said { scan_ms: Some(scan.elapsed_ms.into()), ..said }),
        // One that came to nothing kept the modem busy all the same.
        Outcome::Failure(failure) if failure.of == Tried::Scan && failure.kind != FailureKind::DeviceMissing => {
            let scan_ms = failure.elapsed_us.map(|us| i64::from(us / 1_000));
            Some(Said { scan_ms, ..said })
        }
        Outcome::Failure(failure) if failure.kind == FailureKind::DeviceMissing => {
            let hearsay = !matches!(failure.of, Tried::Radio | Tried::Registration | Tried::Neighbours | Tried::Scan);
            (hearsay || failure.of != Tried::Scan).then(|| Said { gone: true, hearsay, ..Said::default() })
        }
        // A summary's stamps are those of its last round; what stands beside it may be older.
        Outcome::Reading(Reading::Summary(_)) => None,
        _ => said.beside.is_some().then_some(said),
    }
}

/// Whether a row is a modem's own and not a measurement over it.
pub fn is_modems_own(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Reading(reading) => {
            matches!(reading, Reading::Radio(_) | Reading::Registration(_) | Reading::Neighbours(_) | Reading::Scan(_))
        }
        Outcome::Failure(failure) => {
            matches!(failure.of, Tried::Radio | Tried::Registration | Tried::Neighbours | Tried::Scan)
        }
    }
}

fn radio(reading: &RadioReading, modem: &Modem, how: How<'_>, policy: &Policy, said: Said) -> Said {
    let serving = serving(&reading.cells, how, modem, policy);
    let foreign = serving.is_some_and(|(cell, _)| modem.foreign(cell));
    let connected = modem.connected || reading.taken == Some(Taken::Check);
    let void = reading.stale == Some(true) || reading.reacquiring == Some(true) || foreign;
    let unserved = matches!(modem.service, Some(ServiceState::None | ServiceState::Limited));
    let yes = match void || unserved {
        true => Technologies::default(),
        false => reading
            .cells
            .iter()
            .filter(|cell| cell.serving != Some(false))
            .fold(Technologies::default(), |all, cell| all.and(proved(cell, connected))),
    };
    let others = reading.cells.iter().filter(|cell| !serving.is_some_and(|(chosen, _)| std::ptr::eq(chosen, *cell)));
    Said {
        level: Some(serving.and_then(|(_, level)| level)),
        serving: serving.and_then(|(cell, _)| key(cell)),
        neighbours: others.filter_map(key).collect(),
        void,
        yes,
        no: reading.check.as_ref().map_or(Technologies::default(), |check| refuted(check, policy)).without(yes),
        ..said
    }
}

fn registration(reading: &RegistrationReading, modem: &Modem, said: Said) -> Said {
    use RegistrationStat as S;
    let subscription = reading.reject_cause.is_some_and(|cause| SUBSCRIPTION.contains(&cause));
    let registered = match reading.stat {
        _ if modem.service == Some(ServiceState::Limited) && reading.stat != S::Denied => Some(modem.limited()),
        S::Home | S::Roaming | S::HomeSmsOnly | S::RoamingSmsOnly => Some(Registration::Registered),
        S::Searching => Some(Registration::NoService),
        S::Denied => Some(Registration::Denied),
        S::EmergencyOnly | S::Rlos => Some(modem.limited()),
        // Neither registered nor searching: with a SIM that could be, that is no service.
        S::Idle => Some(modem.beside().unwrap_or(match reading.sim {
            Some(SimState::Ready) => Registration::NoService,
            _ => Registration::Unregistered,
        })),
        // What it was before it is no more.
        S::Unknown | S::NoSim => Some(modem.beside().unwrap_or(Registration::Unregistered)),
    };
    let sim = match reading.sim {
        _ if reading.stat == S::NoSim || (reading.stat == S::Denied && subscription) => Some(Sim::Bad),
        Some(SimState::Absent | SimState::Pin | SimState::Puk | SimState::Failure) => Some(Sim::Bad),
        Some(SimState::Ready) => Some(Sim::Ready),
        Some(SimState::Busy | SimState::Unknown) | None => {
            (registered == Some(Registration::Registered)).then_some(Sim::Ready)
        }
    };
    let bearer = reading.bearer.map(|bearer| match bearer {
        BearerState::Connected => Bearer::Up,
        BearerState::Disconnected => Bearer::Down,
        BearerState::Refused => Bearer::Refused,
    });
    // The word about the registration is the row's own.
    let beside = said.beside.filter(|_| registered.is_none());
    Said {
        change: Change { registered, sim, bearer },
        serving: reading.cell.as_deref().and_then(key),
        reset: reading.reset == Some(true),
        beside,
        ..said
    }
}

/// The cell that decides, with its level: of an attachment over two the anchor, else what serves best.
fn serving<'a>(
    cells: &'a [RadioCell],
    how: How<'_>,
    modem: &Modem,
    policy: &Policy,
) -> Option<(&'a RadioCell, Option<Level>)> {
    let serving = cells.iter().filter(|cell| cell.serving != Some(false));
    let anchor = cells.iter().any(|cell| cell.serving != Some(false) && cell.technology == Some(Technology::Lte));
    let leg = |cell: &&RadioCell| cell.technology == Some(Technology::NrNsa) && anchor;
    let candidates = serving.filter(|cell| !leg(cell)).map(|cell| (cell, level(cell, how, modem, policy)));
    candidates.max_by(|a, b| {
        let rank = |level: &Option<Level>| level.map(|level| (height(&level, policy), level.dbm.get()));
        rank(&a.1).partial_cmp(&rank(&b.1)).unwrap_or(std::cmp::Ordering::Equal)
    })
}

fn level(cell: &RadioCell, how: How<'_>, modem: &Modem, policy: &Policy) -> Option<Level> {
    let certain = |name: &str, value: Option<f32>| value.filter(|_| !cell.doubtful.iter().any(|field| field == name));
    let rsrp = || certain("rsrp_dbm", cell.rsrp_dbm);
    let (generation, dbm) = match cell.technology.or(modem.technology)? {
        Technology::Lte => (Generation::Lte, rsrp()?),
        Technology::NrNsa | Technology::NrSa | Technology::Nr => (Generation::Nr, rsrp()?),
        Technology::Umts => (Generation::Umts, certain("rscp_dbm", cell.rscp_dbm)?),
        Technology::Gsm => (Generation::Gsm, certain("rssi_dbm", cell.rssi_dbm)?),
        Technology::Fiber | Technology::Satellite | Technology::Wifi | Technology::Other => return None,
    };
    Some(Level { generation, dbm: Dbm::new(dbm), correction: how.setup.and_then(|setup| correction(setup, policy)) })
}

/// `rsrp_ref = rsrp - gain + cable_loss + offset`; `None` where the set-up does not say enough.
pub fn correction(setup: &Setup, policy: &Policy) -> Option<Db> {
    let gain = match (setup.antenna, setup.gain_dbi) {
        (_, Some(gain)) => gain,
        (Some(Antenna::Internal), None) => 0.0,
        (Some(Antenna::External) | None, None) => return None,
    };
    let vehicle = match setup.environment {
        Environment::Vehicle => policy.vehicle.get(),
        Environment::Unknown => return None,
        Environment::Outdoor | Environment::Indoor => 0.0,
    };
    Some(Db::new(setup.cable_loss_db.unwrap_or(0.0) - gain + setup.offset_db.unwrap_or(0.0) + vehicle))
}

/// Channel and physical identity, else the number of the cell.
pub fn key(cell: &RadioCell) -> Option<CellKey> {
    match (cell.arfcn, cell.pci, cell.cell_id) {
        (Some(arfcn), Some(pci), _) => Some(CellKey(u64::from(arfcn) << 16 | u64::from(pci))),
        (_, _, Some(id)) => Some(CellKey(1 << 62 | id)),
        _ => None,
    }
}

/// What a measured serving cell proves. An NR leg exists only while connected; icons and idle values prove nothing.
fn proved(cell: &RadioCell, connected: bool) -> Technologies {
    match cell.technology {
        Some(Technology::Gsm) if cell.rssi_dbm.is_some() => Technologies::GSM,
        Some(Technology::Umts) if cell.rscp_dbm.is_some() => Technologies::UMTS,
        Some(Technology::Lte) if cell.rsrp_dbm.is_some() => Technologies::LTE,
        Some(Technology::NrNsa) if cell.rsrp_dbm.is_some() && connected => Technologies::NR_NSA,
        Some(Technology::NrSa) if cell.rsrp_dbm.is_some() && connected => Technologies::NR_SA,
        _ => Technologies::default(),
    }
}

/// What a long enough download did not bring, of what the device could have had.
fn refuted(check: &TechnologyCheck, policy: &Policy) -> Technologies {
    // Who saw nothing at all while it was busy was not looking.
    if check.seen.is_empty() || check.down_bps < policy.check_bps || check.elapsed_ms < policy.check_ms {
        return Technologies::default();
    }
    let set = |of: &[Technology]| of.iter().fold(Technologies::default(), |all, one| all.and(names(*one)));
    let mut seen = set(&check.seen);
    if seen.has(Technologies::NR_NSA) {
        seen = seen.and(Technologies::LTE);
    }
    set(&check.able).without(seen)
}

/// 5G of which nobody says which kind may be either.
fn names(technology: Technology) -> Technologies {
    match technology {
        Technology::Gsm => Technologies::GSM,
        Technology::Umts => Technologies::UMTS,
        Technology::Lte => Technologies::LTE,
        Technology::NrNsa => Technologies::NR_NSA,
        Technology::NrSa => Technologies::NR_SA,
        Technology::Nr => Technologies::NR_NSA.and(Technologies::NR_SA),
        Technology::Fiber | Technology::Satellite | Technology::Wifi | Technology::Other => Technologies::default(),
    }
}
