//! ModemManager's properties in our words.
//!
//! In: properties of modem, SIM, bearer, location. Out: what a source says. Refuses to know: D-Bus, time, what was said
//! before. Limits: a field that is missing, unknown or out of its range is absent.

use super::causes;
use super::levels::{self, Access};
use super::link::Interfaces;
use super::value::{Props, Value};
use crate::device::modem::{Bearer, Identity, Registered, Sim};
use phusong_protocol::{
    BearerState, RadioCell, RegistrationStat, ScanEntry, ServiceState, SimState, Technology, limits,
};

/// `MMModemState`.
pub const FAILED: i64 = -1;
pub const LOCKED: i64 = 2;
pub const DISABLED: i64 = 3;
pub const ENABLED: i64 = 6;
/// `MMModemLocationSource`.
pub const CELL: u32 = 1;
pub const RAW: u32 = 1 << 1;
pub const NMEA: u32 = 1 << 2;
pub const UNMANAGED: u32 = 1 << 4;
/// `MMModemPortType`.
const NET: i64 = 2;

/// `signal`: of `Modem.Signal`; one that has no dictionary for 5G can never show it.
pub fn identity(modem: &Props, signal: Option<&Props>) -> Identity {
    let ports = modem.list("Ports").iter().map(Value::list);
    let net = ports.filter(|port| port.get(1).and_then(Value::int) == Some(NET));
    let interface = net.filter_map(|port| port.first()?.text()).next().map(str::to_owned);
    // `MMModemMode`; all bits set is "any", which says nothing.
    let allowed = modem.list("CurrentModes").first().and_then(Value::int).unwrap_or(0);
    let modes =
        [(1 << 1, Technology::Gsm), (1 << 2, Technology::Umts), (1 << 3, Technology::Lte), (1 << 4, Technology::Nr)];
    let able = modes.into_iter().filter(|(bit, _)| allowed & bit != 0 && allowed != i64::from(u32::MAX));
    Identity {
        source: "modemmanager".into(),
        manufacturer: modem.owned("Manufacturer"),
        model: modem.owned("Model"),
        firmware: modem.owned("Revision"),
        interface,
        able: able.map(|(_, technology)| technology).collect(),
        bands: modem.list("CurrentBands").iter().filter_map(|band| levels::band(band.int()?)).collect(),
        shows: levels::shown(signal),
    }
}

/// Whether a configured `device` means this modem: its place in the machine, its IMEI, or one of its ports.
pub fn is_device(modem: &Props, device: &str) -> bool {
    let port = device.strip_prefix("/dev/");
    let mut ports = modem.list("Ports").iter().filter_map(|port| port.list().first()?.text());
    [modem.text("Device"), modem.text("EquipmentIdentifier")].contains(&Some(device))
        || port.is_some_and(|port| ports.any(|one| one == port))
}

/// What ModemManager calls the modem's place, short: `1-2` of `/sys/devices/.../usb1/1-2`.
pub fn own_name(modem: &Props) -> String {
    let place = modem.text("Device").and_then(|device| device.rsplit('/').next()).unwrap_or("modem");
    place.chars().take(32).collect()
}

/// Why it does not work at all, where the SIM is not the reason.
pub fn broken(modem: &Props) -> Option<String> {
    let failed = modem.int("State") == Some(FAILED) && sim_of_failure(modem).is_none();
    let why = match modem.int("StateFailedReason") {
        Some(4) => "its capabilities are unknown",
        _ => "for an unknown reason",
    };
    failed.then(|| format!("ModemManager could not bring it up: {why}"))
}

fn sim_of_failure(modem: &Props) -> Option<SimState> {
    match (modem.int("State"), modem.int("StateFailedReason")) {
        // `MMModemStateFailedReason`: SIM missing, SIM error, eSIM without profiles.
        (Some(FAILED), Some(2 | 5)) => Some(SimState::Absent),
        (Some(FAILED), Some(3)) => Some(SimState::Failure),
        _ => None,
    }
}

/// `card`: the properties of the SIM object, once they were read.
pub fn sim(modem: &Props, card: Option<&Props>) -> Option<Sim> {
    let state = modem.int("State")?;
    // `MMModemLock`. A second PIN is asked for by nothing that concerns us; locks of the device refuse this SIM.
    let lock = modem.int("UnlockRequired").unwrap_or(0);
    let locked = match lock {
        1 | 3 | 5 => Some(SimState::Ready),
        2 => Some(SimState::Pin),
        4 => Some(SimState::Puk),
        6..=16 => Some(SimState::Failure),
        _ => None,
    };
    let said = match sim_of_failure(modem) {
        Some(failure) => failure,
        None if state < LOCKED => return None,
        None => locked.unwrap_or(SimState::Unknown),
    };
    let plmn = card
        .and_then(|card| card.text("OperatorIdentifier"))
        .and_then(plmn_of)
        .map(|(mcc, mnc)| format!("{mcc}-{mnc}"));
    let operator = card.and_then(|card| card.owned("OperatorName"));
    let raw = format!("state {state}, failed {}, lock {lock}", modem.bits("StateFailedReason"));
    Some(Sim { state: said, plmn, operator, raw: Some(raw) })
}

/// "45204": the length of the MNC is that of the rest.
pub fn plmn_of(code: &str) -> Option<(String, String)> {
    let good = (5..=6).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| (code[..3].to_owned(), code[3..].to_owned()))
}

pub fn stat(three: &Props) -> Option<RegistrationStat> {
    use RegistrationStat as S;
    Some(match three.int("RegistrationState")? {
        0 => S::Idle,
        // 9 and 10: CSFB not preferred.
        1 | 9 => S::Home,
        2 => S::Searching,
        3 => S::Denied,
        5 | 10 => S::Roaming,
        6 => S::HomeSmsOnly,
        7 => S::RoamingSmsOnly,
        8 => S::EmergencyOnly,
        11 => S::Rlos,
        _ => S::Unknown,
    })
}

pub fn serves(stat: RegistrationStat) -> bool {
    use RegistrationStat as S;
    matches!(stat, S::Home | S::Roaming | S::HomeSmsOnly | S::RoamingSmsOnly)
}

/// `camps`: levels came in since it lost its registration, so some cell is heard. `place`: of `GetLocation`.
pub fn registered(all: &Interfaces, place: Option<&RadioCell>, camps: bool) -> Option<Registered> {
    let (modem, three) = (all.get("Modem")?, all.get("Modem.Modem3gpp")?);
    let stat = stat(three)?;
    let serves = serves(stat);
    let service = match stat {
        RegistrationStat::Home | RegistrationStat::HomeSmsOnly => Some(ServiceState::Home),
        RegistrationStat::Roaming | RegistrationStat::RoamingSmsOnly => Some(ServiceState::Roaming),
        RegistrationStat::EmergencyOnly => Some(ServiceState::Limited),
        // Not of one that is refused: whose cell it hears is not said, and it may be that of its own network.
        RegistrationStat::Idle | RegistrationStat::Searching if camps => Some(ServiceState::Limited),
        _ => None,
    };
    let code = three.text("OperatorCode").filter(|_| serves).and_then(plmn_of);
    let technology = Access(modem.bits("AccessTechnologies")).main().filter(|_| serves);
    // Where the modem is registered, and nothing of where it was before.
    let cell = place.filter(|_| serves).map(|place| RadioCell { technology, serving: Some(true), ..place.clone() });
    let raw = format!(
        "state {}, registration {}, access {:#x}, packet service {}",
        modem.int("State").unwrap_or(0),
        three.bits("RegistrationState"),
        modem.bits("AccessTechnologies"),
        three.bits("PacketServiceState")
    );
    Some(Registered {
        stat,
        service,
        plmn: code.map(|(mcc, mnc)| format!("{mcc}-{mnc}")),
        technology,
        cell,
        // Since 1.24; its numbers are those of TS 24.008.
        reject_cause: three
            .get("NetworkRejection")
            .filter(|_| stat == RegistrationStat::Denied)
            .and_then(|rejection| rejection.props().int("error"))
            .and_then(|cause| u16::try_from(cause).ok())
            .filter(|cause| (2..=127).contains(cause)),
        raw: Some(raw),
    })
}

/// Where the modem has no registration to speak of.
pub fn nowhere(stat: RegistrationStat, raw: String) -> Registered {
    Registered { stat, service: None, plmn: None, technology: None, cell: None, reject_cause: None, raw: Some(raw) }
}

/// "MCC,MNC,LAC,CI,TAC", numbers in hexadecimal; `FFFE` and 0 are areas that are none (TS 23.003 4.1).
pub fn place(text: &str) -> Option<RadioCell> {
    let fields: Vec<&str> = text.split(',').map(str::trim).collect();
    let number = |at: usize| fields.get(at).and_then(|text| u64::from_str_radix(text, 16).ok());
    let area =
        |at: usize| number(at).filter(|area| ![0, 0xFFFE].contains(area)).and_then(|area| u32::try_from(area).ok());
    let digits = |at: usize, lengths: std::ops::RangeInclusive<usize>| {
        let text = fields.get(at).filter(|text| lengths.contains(&text.len()))?;
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| (*text).to_owned())
    };
    let (mcc, mnc) = (digits(0, 3..=3)?, digits(1, 2..=3)?);
    let cell_id = number(3).filter(|id| ![0, 0xFFFF_FFFF].contains(id));
    Some(RadioCell { mcc: Some(mcc), mnc: Some(mnc), lac: area(2), cell_id, tac: area(4), ..RadioCell::default() })
}

/// Of all bearers: one that is connected, else one that was refused, else none was asked for.
pub fn bearer<'a>(bearers: impl Iterator<Item = &'a Props> + Clone) -> Bearer {
    let apn = |bearer: &Props| bearer.get("Properties").and_then(|all| all.props().owned("apn"));
    if let Some(one) = bearers.clone().find(|bearer| bearer.flag("Connected") == Some(true)) {
        let raw = (one.flag("Suspended") == Some(true)).then(|| "suspended".to_owned());
        return Bearer {
            state: BearerState::Connected,
            interface: one.owned("Interface"),
            apn: apn(one),
            cause: None,
            raw,
        };
    }
    for one in bearers {
        let error: Vec<&str> = one.list("ConnectionError").iter().filter_map(Value::text).collect();
        let Some(name) = error.first() else { continue };
        let (cause, raw) = (causes::esm(name), error.join(": "));
        return Bearer { state: BearerState::Refused, interface: None, apn: apn(one), cause, raw: Some(raw) };
    }
    Bearer { state: BearerState::Disconnected, interface: None, apn: None, cause: None, raw: None }
}

/// What `Modem3gpp.Scan` found, and how available each was, which our entries do not say.
pub fn scanned(found: &[Props]) -> (Vec<ScanEntry>, String) {
    let entry = |one: &Props| {
        let (mcc, mnc) = plmn_of(one.text("operator-code")?)?;
        let name = one.owned("operator-long").or_else(|| one.owned("operator-short"));
        let technology = Access(one.bits("access-technology")).main();
        Some(ScanEntry { plmn: format!("{mcc}-{mnc}"), name, technology })
    };
    let line = |one: &Props| {
        // `MMModem3gppNetworkAvailability`.
        let status = match one.bits("status") {
            1 => "available",
            2 => "current",
            3 => "forbidden",
            _ => "unknown",
        };
        format!("{} {:#x} {status}", one.text("operator-code").unwrap_or("?"), one.bits("access-technology"))
    };
    let raw: Vec<String> = found.iter().map(line).collect();
    (found.iter().filter_map(entry).take(limits::CELLS).collect(), raw.join("; "))
}
