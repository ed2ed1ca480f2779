//! What each maker's own commands answer: `+QENG` and `+QCAINFO`, `+CPSI`, `^HCSQ` and `^SYSINFOEX`.

use super::state::{Cell, Family, NrLeg, Rat, Service, SimCard, State};

/// The lines of a reply; `None` where this maker has no such command.
pub fn answer(family: Family, state: &State, connected: bool, command: &str) -> Option<Vec<String>> {
    match (family, command) {
        (Family::Quectel | Family::QuectelLte, _) => quectel(family, state, connected, command),
        (Family::Simcom, "+CPSI?") => Some(cpsi(state)),
        (Family::Huawei, "^HCSQ?") => Some(vec![hcsq(state)]),
        (Family::Huawei, "^SYSINFOEX") => Some(vec![sysinfoex(state)]),
        _ => None,
    }
}

fn quectel(family: Family, state: &State, connected: bool, command: &str) -> Option<Vec<String>> {
    match command {
        "+QENG=\"servingcell\"" => Some(serving(family, state, connected)),
        "+QENG=\"neighbourcell\"" => Some(state.neighbours.iter().map(|cell| neighbour(state, cell)).collect()),
        "+QCAINFO" => Some(carriers(state)),
        "+QRSRP" => Some(branches(state)),
        "+QNWINFO" => Some(vec![match &state.cell {
            Some(c) => format!("+QNWINFO: \"FDD LTE\",\"{}{}\",\"LTE BAND {}\",{}", c.mcc, c.mnc, c.band, c.arfcn),
            None => "+QNWINFO: No Service".into(),
        }]),
        "+QSIMSTAT?" => Some(vec![format!("+QSIMSTAT: 1,{}", u8::from(state.sim != SimCard::Absent))]),
        _ => None,
    }
}

fn serving(family: Family, state: &State, connected: bool) -> Vec<String> {
    let word = match state.service() {
        Service::None => return vec!["+QENG: \"servingcell\",\"SEARCH\"".into()],
        Service::Limited => "LIMSRV",
        Service::Full if connected => "CONNECT",
        Service::Full => "NOCONN",
    };
    let Some(cell) = &state.cell else { return vec![format!("+QENG: \"servingcell\",\"{word}\"")] };
    let Cell { mcc, mnc, pci, arfcn, band, level_dbm, quality_db, sinr_db, .. } = cell;
    let rssi = cell.rssi_dbm();
    match cell.rat {
        Rat::Lte => {
            let who = format!("\"LTE\",\"FDD\",{mcc},{mnc},{:X},{pci},{arfcn},{band},5,5,{:X}", cell.id, cell.tac);
            let lte = if family == Family::Quectel {
                format!("{who},{level_dbm},{quality_db},{rssi},{sinr_db},11,-,37")
            } else {
                format!("{who},{level_dbm},{quality_db},{rssi},{sinr_db},37")
            };
            match &state.leg {
                None => vec![format!("+QENG: \"servingcell\",\"{word}\",{lte}")],
                Some(leg) => {
                    vec![format!("+QENG: \"servingcell\",\"{word}\""), format!("+QENG: {lte}"), nsa(cell, leg)]
                }
            }
        }
        Rat::NrSa => vec![format!(
            "+QENG: \"servingcell\",\"{word}\",\"NR5G-SA\",\"TDD\",{mcc},{mnc},{:X},{pci},{:X},{arfcn},{band},12,\
             {level_dbm},{quality_db},{sinr_db},1,-",
            cell.id, cell.tac
        )],
        Rat::Umts => vec![format!(
            "+QENG: \"servingcell\",\"{word}\",\"WCDMA\",{mcc},{mnc},{:X},{:X},{arfcn},{pci},0,{level_dbm},{quality_db},\
             -,-,-,-,-",
            cell.tac, cell.id
        )],
        Rat::Gsm => vec![format!(
            "+QENG: \"servingcell\",\"{word}\",\"GSM\",{mcc},{mnc},{:X},{:X},{pci},{arfcn},-,{level_dbm},255,0,0,30,30,1,\
             -,-,-,-,-,-,-,-,-,-",
            cell.tac, cell.id
        )],
    }
}

fn nsa(cell: &Cell, leg: &NrLeg) -> String {
    let NrLeg { pci, arfcn, band, rsrp_dbm, rsrq_db, sinr_db } = leg;
    let Cell { mcc, mnc, .. } = cell;
    format!("+QENG: \"NR5G-NSA\",{mcc},{mnc},{pci},{rsrp_dbm},{sinr_db},{rsrq_db},{arfcn},{band},12,1")
}

fn neighbour(state: &State, cell: &Cell) -> String {
    let same = state.cell.as_ref().is_some_and(|serving| serving.arfcn == cell.arfcn);
    let Cell { pci, arfcn, level_dbm, quality_db, sinr_db, .. } = cell;
    let rssi = cell.rssi_dbm();
    let (kind, tail) = if same { ("intra", "7,8,4,255") } else { ("inter", "5,10,12") };
    format!("+QENG: \"neighbourcell {kind}\",\"LTE\",{arfcn},{pci},{quality_db},{level_dbm},{rssi},{sinr_db},20,{tail}")
}

/// Two of its four branches have an antenna, the second 3 dB below the first.
fn branches(state: &State) -> Vec<String> {
    let line = |level: i32, word| format!("+QRSRP: {level},{},-32768,-32768,{word}", level - 3);
    let cell = state.cell.as_ref().filter(|cell| matches!(cell.rat, Rat::Lte | Rat::NrSa));
    let own = cell.map(|cell| line(cell.level_dbm, if cell.rat == Rat::Lte { "LTE" } else { "NR5G" }));
    own.into_iter().chain(state.leg.as_ref().map(|leg| line(leg.rsrp_dbm, "NR5G"))).collect()
}

fn carriers(state: &State) -> Vec<String> {
    let Some(cell) = &state.cell else { return vec![] };
    let Cell { pci, arfcn, band, level_dbm, quality_db, sinr_db, .. } = cell;
    let first = match cell.rat {
        Rat::Lte => format!(
            "+QCAINFO: \"PCC\",{arfcn},100,\"LTE BAND {band}\",1,{pci},{level_dbm},{quality_db},{},{sinr_db}",
            cell.rssi_dbm()
        ),
        Rat::NrSa => format!("+QCAINFO: \"PCC\",{arfcn},12,\"NR5G BAND {band}\",{pci}"),
        Rat::Umts | Rat::Gsm => return vec![],
    };
    let leg = state.leg.as_ref().map(|leg| {
        format!(
            "+QCAINFO: \"SCC\",{},12,\"NR5G BAND {}\",{},{},{}",
            leg.arfcn, leg.band, leg.pci, leg.rsrp_dbm, leg.rsrq_db
        )
    });
    std::iter::once(first).chain(leg).collect()
}

/// Levels of LTE and of NR in tenths, as a SIM8200 prints them; RSSNR in whole dB.
fn cpsi(state: &State) -> Vec<String> {
    let Some(cell) = &state.cell else { return vec!["+CPSI: NO SERVICE,Online".into()] };
    let Cell { mcc, mnc, tac, id, pci, arfcn, band, level_dbm, quality_db, sinr_db, .. } = cell;
    let rssi = cell.rssi_dbm();
    let first = match cell.rat {
        Rat::Lte => format!(
            "+CPSI: LTE,Online,{mcc}-{mnc},0x{tac:X},{id},{pci},EUTRAN-BAND{band},{arfcn},5,5,{},{},{},{sinr_db}",
            quality_db * 10,
            level_dbm * 10,
            rssi * 10
        ),
        Rat::NrSa => format!(
            "+CPSI: NR5G_SA,Online,{mcc}-{mnc},0x{tac:X},{id},{pci},NR5G_BAND{band},{arfcn},{},{},{}",
            level_dbm * 10,
            quality_db * 10,
            sinr_db * 10
        ),
        Rat::Umts => format!(
            "+CPSI: WCDMA,Online,{mcc}-{mnc},0x{tac:X},{id},WCDMA IMT 2000,{pci},{arfcn},0,{quality_db},{level_dbm},33,52,500"
        ),
        Rat::Gsm => format!("+CPSI: GSM,Online,{mcc}-{mnc},0x{tac:x},{id},{arfcn} EGSM 900,{level_dbm},2110,42-42"),
    };
    let leg = state.leg.as_ref().map(|leg| {
        let NrLeg { pci, arfcn, band, rsrp_dbm, rsrq_db, sinr_db } = leg;
        format!("+CPSI: NR5G_NSA,{pci},NR5G_BAND{band},{arfcn},{},{},{sinr_db}", rsrp_dbm * 10, rsrq_db * 10)
    });
    std::iter::once(first).chain(leg).collect()
}

fn hcsq(state: &State) -> String {
    let Some(cell) = &state.cell else { return "^HCSQ: \"NOSERVICE\"".into() };
    let (rssi, level) = ((cell.rssi_dbm() + 121).clamp(0, 96), cell.level_dbm);
    match cell.rat {
        Rat::Gsm => format!("^HCSQ: \"GSM\",{rssi}"),
        Rat::Umts => {
            format!(
                "^HCSQ: \"WCDMA\",{rssi},{},{}",
                (level + 121).clamp(0, 96),
                ((cell.quality_db + 33) * 2).clamp(0, 65)
            )
        }
        Rat::Lte | Rat::NrSa => format!(
            "^HCSQ: \"LTE\",{rssi},{},{},{}",
            (level + 141).clamp(0, 97),
            // -20.2 + v/5: the value whose reading is nearest.
            ((cell.sinr_db * 10 + 202) / 2).clamp(0, 251),
            ((cell.quality_db + 20) * 2).clamp(0, 34)
        ),
    }
}

fn sysinfoex(state: &State) -> String {
    let service = match state.service() {
        Service::None => 0,
        Service::Limited => 1,
        Service::Full => 2,
    };
    let domain = if state.attached() { 3 } else { 0 };
    let sim = match state.sim {
        SimCard::Ready => 1,
        SimCard::Absent => 255,
        _ => 0,
    };
    let (mode, sub) = match state.cell.as_ref().map(|cell| cell.rat) {
        None => ("0,\"NO SERVICE\"", "0,\"NO SERVICE\""),
        Some(Rat::Gsm) => ("1,\"GSM\"", "3,\"EDGE\""),
        Some(Rat::Umts) => ("3,\"WCDMA\"", "41,\"WCDMA\""),
        Some(Rat::Lte | Rat::NrSa) => ("6,\"LTE\"", "101,\"LTE\""),
    };
    format!("^SYSINFOEX:{service},{domain},{},{sim},,{mode},{sub}", u8::from(state.stat == 5))
}
