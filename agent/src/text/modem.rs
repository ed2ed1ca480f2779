//! What `check` and `spool status` say about a modem: is it there, its SIM, where it is registered, its signal.
//!
//! In: a [`ModemState`]. Out: both languages. Refuses to know: how it was read. Limits: the set.

use super::{Advice, Said};
use crate::device::modem::{ModemState, Registered};
use crate::modems::tracker::in_service;
use phusong_protocol::{BearerState, RegistrationStat, ServiceState, SimState, Technology};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModemText {
    Gone {
        name: String,
        why: String,
    },
    /// Nothing was said of it in time.
    Quiet {
        name: String,
    },
    There {
        name: String,
        model: String,
        interface: String,
    },
    SimReady {
        name: String,
        plmn: String,
    },
    SimBad {
        name: String,
        state: SimState,
    },
    Registered {
        name: String,
        plmn: String,
        technology: String,
        roaming: bool,
    },
    Limited {
        name: String,
        plmn: String,
    },
    NoService {
        name: String,
        searching: bool,
    },
    Denied {
        name: String,
        cause: String,
    },
    NoBearer {
        name: String,
        cause: String,
    },
    Signal {
        name: String,
        cells: String,
    },
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Good,
    /// What a probe is there to measure.
    Warning(Advice),
    Fault(Advice),
}

impl ModemText {
    /// Everything worth a line, in the order of cause and effect.
    pub fn of(name: &str, state: &ModemState) -> Vec<(Weight, ModemText)> {
        let name = name.to_owned();
        if !state.present {
            let line = match &state.trouble {
                Some(why) => ModemText::Gone { name, why: why.clone() },
                None => ModemText::Quiet { name },
            };
            return vec![(Weight::Fault(Advice::Modem), line)];
        }
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        let (model, interface) = (or_dash(&state.identity.model), or_dash(&state.identity.interface));
        let mut lines = vec![(Weight::Good, ModemText::There { name: name.clone(), model, interface })];
        if let Some(sim) = state.sim.as_ref().map(|known| &known.value) {
            lines.push(match sim.state {
                SimState::Ready => (Weight::Good, ModemText::SimReady { name: name.clone(), plmn: or_dash(&sim.plmn) }),
                other => (Weight::Fault(Advice::Sim), ModemText::SimBad { name: name.clone(), state: other }),
            });
        }
        lines.extend(state.registration.as_ref().map(|known| registration(&name, &known.value)));
        if let Some(bearer) = state.bearer.as_ref().filter(|known| known.value.state == BearerState::Refused) {
            let cause = bearer.value.cause.map_or("-".into(), |cause| format!("ESM {cause}"));
            lines.push((Weight::Fault(Advice::Bearer), ModemText::NoBearer { name: name.clone(), cause }));
        }
        if let Some(signal) = state.signal.as_ref().filter(|known| !known.value.cells.is_empty()) {
            let level = |dbm: Option<f32>, word: &str| dbm.map(|dbm| format!(" {word} {dbm:.0} dBm"));
            let cells = signal.value.cells.iter().map(|cell| {
                let technology = technology(cell.technology);
                let band = cell.band.as_ref().map(|band| format!(" {band}"));
                let level = level(cell.rsrp_dbm, "RSRP").or(level(cell.rscp_dbm, "RSCP"));
                let level = level.or(cell.rssi_dbm.map(|dbm| format!(" RSSI {dbm:.0} dBm")));
                let sinr = cell.sinr_db.map(|db| format!(" SINR {db:.0} dB"));
                format!("{technology}{}", [band, level, sinr].into_iter().flatten().collect::<String>())
            });
            let cells = cells.collect::<Vec<String>>().join(", ");
            lines.push((Weight::Good, ModemText::Signal { name, cells }));
        }
        lines
    }
}

fn registration(name: &str, registered: &Registered) -> (Weight, ModemText) {
    let name = name.to_owned();
    let plmn = registered.plmn.clone().unwrap_or_else(|| "-".into());
    if in_service(registered) {
        let roaming = matches!(registered.stat, RegistrationStat::Roaming | RegistrationStat::RoamingSmsOnly);
        let technology = technology(registered.technology).to_owned();
        return (Weight::Good, ModemText::Registered { name, plmn, technology, roaming });
    }
    let limited = registered.service == Some(ServiceState::Limited);
    let line = match registered.stat {
        RegistrationStat::Denied => {
            let cause = registered.reject_cause.map_or("-".into(), |cause| format!("EMM {cause}"));
            return (Weight::Fault(Advice::Sim), ModemText::Denied { name, cause });
        }
        _ if limited => ModemText::Limited { name, plmn },
        stat => ModemText::NoService { name, searching: stat == RegistrationStat::Searching },
    };
    (Weight::Warning(Advice::Coverage), line)
}

fn technology(technology: Option<Technology>) -> &'static str {
    match technology {
        Some(Technology::Gsm) => "2G",
        Some(Technology::Umts) => "3G",
        Some(Technology::Lte) => "4G",
        Some(Technology::NrNsa) => "5G NSA",
        Some(Technology::NrSa) => "5G SA",
        Some(Technology::Nr) => "5G",
        _ => "-",
    }
}

fn sim(state: SimState) -> (&'static str, &'static str) {
    match state {
        SimState::Ready => ("sẵn sàng", "ready"),
        SimState::Absent => ("không có SIM", "no SIM"),
        SimState::Pin => ("SIM đòi mã PIN", "the SIM asks for its PIN"),
        SimState::Puk => ("SIM bị khóa, cần mã PUK", "the SIM is locked and asks for its PUK"),
        SimState::Failure => ("SIM không hoạt động", "the SIM does not work"),
        SimState::Busy => ("SIM đang bận, hãy thử lại", "the SIM is busy; try again"),
        SimState::Unknown => ("không biết SIM có dùng được không", "nobody says whether the SIM works"),
    }
}

impl Said for ModemText {
    fn both(&self) -> (String, String) {
        match self {
            ModemText::Gone { name, why } => {
                (format!("modem {name} không có mặt: {why}"), format!("modem {name} is not there: {why}"))
            }
            ModemText::Quiet { name } => {
                (format!("modem {name} chưa trả lời gì"), format!("modem {name} has said nothing yet"))
            }
            ModemText::There { name, model, interface } => (
                format!("modem {name} ({model}) trả lời, giao diện mạng: {interface}"),
                format!("modem {name} ({model}) answers, interface: {interface}"),
            ),
            ModemText::SimReady { name, plmn } => {
                (format!("{name}: SIM của mạng {plmn} dùng được"), format!("{name}: a SIM of {plmn} is ready"))
            }
            ModemText::SimBad { name, state } => {
                let (vi, en) = sim(*state);
                (format!("{name}: {vi}"), format!("{name}: {en}"))
            }
            ModemText::Registered { name, plmn, technology, roaming } => {
                let (vi, en) = if *roaming { (" (chuyển vùng)", " (roaming)") } else { ("", "") };
                (
                    format!("{name}: đã đăng ký vào mạng {plmn}{vi}, {technology}"),
                    format!("{name}: registered at {plmn}{en}, {technology}"),
                )
            }
            ModemText::Limited { name, plmn } => (
                format!("{name}: chỉ bắt được mạng khác ({plmn}), không có dịch vụ của SIM này"),
                format!("{name}: only another network ({plmn}) is in reach; this SIM has no service"),
            ),
            ModemText::NoService { name, searching: true } => {
                (format!("{name}: đang dò sóng, chưa có mạng"), format!("{name}: searching, no network yet"))
            }
            ModemText::NoService { name, searching: false } => {
                (format!("{name}: không có dịch vụ"), format!("{name}: no service"))
            }
            ModemText::Denied { name, cause } => (
                format!("{name}: mạng từ chối SIM này ({cause})"),
                format!("{name}: the network refuses this SIM ({cause})"),
            ),
            ModemText::NoBearer { name, cause } => (
                format!("{name}: đã đăng ký nhưng mạng không cho kết nối dữ liệu ({cause})"),
                format!("{name}: registered, but the network gives no data connection ({cause})"),
            ),
            ModemText::Signal { name, cells } => {
                (format!("{name}: tín hiệu: {cells}"), format!("{name}: signal: {cells}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::modem::{Event, ModemKey, Picture, Said as Word, Signal, Sim};
    use phusong_protocol::RadioCell;

    #[test]
    fn a_modem_is_told_from_its_presence_to_its_signal_and_what_is_wrong_is_a_fault() {
        let mut picture = Picture::default();
        let mut tell = |what: Option<Event>| {
            let key = ModemKey("m".into());
            if let Some(what) = what {
                picture.hear(&Word { modem: key.clone(), at_mono_ms: 1, what });
            }
            let state = picture.modems.get(&key).cloned().unwrap_or_default();
            let lines = ModemText::of("m", &state);
            let good = lines.iter().all(|(weight, _)| *weight == Weight::Good);
            (good, lines.last().map(|(_, line)| line.both().1).unwrap_or_default())
        };
        let sim = |state| Event::Sim(Sim { state, plmn: Some("452-04".into()), operator: None, raw: None });
        let at = |stat, service, cause| {
            let plmn = Some("452-02".to_owned());
            let technology = Some(Technology::Lte);
            let registered = Registered { stat, service, plmn, technology, cell: None, reject_cause: cause, raw: None };
            Event::Registration(registered)
        };
        let cell = RadioCell {
            technology: Some(Technology::Lte),
            band: Some("B3".into()),
            rsrp_dbm: Some(-97.0),
            ..RadioCell::default()
        };
        let cells = vec![cell];
        for (what, good, line) in [
            (None, false, "modem m has said nothing yet"),
            (Some(Event::Present(Default::default())), true, "modem m (-) answers, interface: -"),
            (Some(sim(SimState::Absent)), false, "m: no SIM"),
            (Some(sim(SimState::Ready)), true, "m: a SIM of 452-04 is ready"),
            (Some(at(RegistrationStat::Denied, None, Some(8))), false, "m: the network refuses this SIM (EMM 8)"),
            (
                Some(at(RegistrationStat::Idle, Some(ServiceState::Limited), None)),
                false,
                "m: only another network (452-02) is in reach; this SIM has no service",
            ),
            (Some(at(RegistrationStat::Roaming, None, None)), true, "m: registered at 452-02 (roaming), 4G"),
            (Some(Event::Signal(Signal { cells, rrc: None, raw: None })), true, "m: signal: 4G B3 RSRP -97 dBm"),
            (Some(Event::Vanished { why: "unplugged".into() }), false, "modem m is not there: unplugged"),
        ] {
            assert_eq!(tell(what), (good, line.to_owned()));
        }
    }
}
