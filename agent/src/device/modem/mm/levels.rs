//! Levels and cells as ModemManager tells them: `Modem.Signal`, `GetCellInfo`, bands, access technologies.
//!
//! In: dictionaries with dB and dBm in doubles. Out: [`RadioCell`]s. Refuses to know: whether a level is still true.
//! Limits: a value that the standard's reports cannot hold is a sentinel of some modem, and left out.

use super::value::Props;
use phusong_protocol::{RadioCell, Technology, limits};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// What the reports of TS 36.133, 38.133, 25.133 and 45.008 can hold, a little wider than any of them. Some modems say
/// 0, -32768 or the largest negative number for "unknown".
const RSRP: RangeInclusive<f64> = -157.0..=-29.0;
const RSRQ: RangeInclusive<f64> = -44.0..=21.0;
const SNR: RangeInclusive<f64> = -30.0..=50.0;
const RSSI: RangeInclusive<f64> = -140.0..=-20.0;
const RSCP: RangeInclusive<f64> = -125.0..=-20.0;
const ECIO: RangeInclusive<f64> = -33.0..=0.0;

/// `MMModemAccessTechnology`, a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access(pub u32);

const GSM: u32 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4;
const UMTS: u32 = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9;
/// LTE-M and NB-IoT with it.
const LTE: u32 = 1 << 14 | 1 << 16 | 1 << 17;
const NR: u32 = 1 << 15;
const ANY: u32 = u32::MAX;

impl Access {
    fn has(self, bits: u32) -> bool {
        self.0 != ANY && self.0 & bits != 0
    }

    /// The technology that a registration is in.
    pub fn main(self) -> Option<Technology> {
        let all = [(NR, self.nr()), (LTE, Technology::Lte), (UMTS, Technology::Umts), (GSM, Technology::Gsm)];
        all.into_iter().find(|(bits, _)| self.has(*bits)).map(|(_, technology)| technology)
    }

    /// Which 5G it is: with LTE beside it, the leg of an NSA attachment.
    fn nr(self) -> Technology {
        match (self.has(NR), self.has(LTE)) {
            (true, true) => Technology::NrNsa,
            (true, false) => Technology::NrSa,
            (false, _) => Technology::Nr,
        }
    }
}

/// The dictionaries of `Modem.Signal` that hold anything.
pub fn of_signal(signal: &Props) -> BTreeMap<&'static str, Props> {
    let named = ["Gsm", "Umts", "Lte", "Nr5g"].into_iter();
    named.filter_map(|name| Some((name, signal.get(name)?.props())).filter(|(_, props)| !props.is_empty())).collect()
}

/// The technologies that have a dictionary, filled or not.
pub fn shown(signal: Option<&Props>) -> Vec<Technology> {
    let all =
        [("Gsm", Technology::Gsm), ("Umts", Technology::Umts), ("Lte", Technology::Lte), ("Nr5g", Technology::Nr)];
    let has = |name: &str| signal.is_some_and(|signal| signal.get(name).is_some());
    all.into_iter().filter(|(name, _)| has(name)).map(|(_, technology)| technology).collect()
}

/// One cell for each technology with a level. What is known of the access rules out what was left from before.
pub fn cells(levels: &BTreeMap<&'static str, Props>, access: Access) -> Vec<RadioCell> {
    let nr = if access.has(NR) || !levels.contains_key("Lte") { access.nr() } else { Technology::Nr };
    let all = [
        ("Gsm", GSM, Technology::Gsm),
        ("Umts", UMTS, Technology::Umts),
        ("Lte", LTE, Technology::Lte),
        ("Nr5g", NR, nr),
    ];
    let known = access.0 != 0 && access.0 != ANY;
    let heard = all.into_iter().filter(|(_, bits, _)| !known || access.has(*bits));
    heard.filter_map(|(name, _, technology)| one(levels.get(name)?, technology)).collect()
}

fn one(level: &Props, technology: Technology) -> Option<RadioCell> {
    let cell = RadioCell {
        technology: Some(technology),
        rsrp_dbm: within(level, "rsrp", RSRP),
        rsrq_db: within(level, "rsrq", RSRQ),
        sinr_db: within(level, "snr", SNR).or_else(|| within(level, "sinr", SNR)),
        rssi_dbm: within(level, "rssi", RSSI),
        rscp_dbm: within(level, "rscp", RSCP),
        ecio_db: within(level, "ecio", ECIO),
        ..RadioCell::default()
    };
    (cell != RadioCell { technology: Some(technology), ..RadioCell::default() }).then_some(cell)
}

fn within(level: &Props, key: &str, range: RangeInclusive<f64>) -> Option<f32> {
    level.real(key).filter(|value| range.contains(value)).map(|value| value as f32)
}

/// The dictionaries as they came, for whoever doubts.
pub fn raw(levels: &BTreeMap<&'static str, Props>) -> String {
    let one = |(name, props): (&&str, &Props)| {
        let values = props.0.keys().filter_map(|key| Some(format!("{key}={}", props.real(key)?)));
        format!("{name} {}", values.collect::<Vec<_>>().join(" "))
    };
    levels.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// `GetCellInfo`: serving cells and neighbours, each with what the modem gave.
pub fn of_cells(found: &[Props], access: Access) -> Vec<RadioCell> {
    found.iter().filter_map(|cell| of_cell(cell, access)).take(limits::CELLS).collect()
}

fn of_cell(found: &Props, access: Access) -> Option<RadioCell> {
    // `MMCellType`.
    let technology = match found.int("cell-type")? {
        2 => Technology::Gsm,
        3 => Technology::Umts,
        5 => Technology::Lte,
        6 => access.nr(),
        _ => return None,
    };
    let hex = |key: &str| found.text(key).and_then(|text| u64::from_str_radix(text, 16).ok());
    let area =
        |key: &str| hex(key).filter(|area| ![0, 0xFFFE].contains(area)).and_then(|area| u32::try_from(area).ok());
    let channel = ["earfcn", "nrarfcn", "uarfcn", "arfcn"].into_iter().find_map(|key| found.int(key));
    let plmn = found.text("operator-id").and_then(super::words::plmn_of);
    let code = hex("physical-ci").or_else(|| found.int("psc").and_then(|code| u64::try_from(code).ok()));
    // Index 0 and 63 are open bins (TS 45.008 8.1.4).
    let rx = found.real("rx-level").filter(|level| (1.0..=62.0).contains(level)).map(|level| level as f32 - 111.0);
    let level = one(found, technology).unwrap_or_default();
    Some(RadioCell {
        technology: Some(technology),
        mcc: plmn.as_ref().map(|(mcc, _)| mcc.clone()),
        mnc: plmn.map(|(_, mnc)| mnc),
        cell_id: hex("ci").filter(|id| ![0, 0xFFFF_FFFF].contains(id)),
        tac: area("tac"),
        lac: area("lac"),
        pci: code.and_then(|code| u16::try_from(code).ok()).filter(|code| *code <= 1_007),
        arfcn: channel.and_then(|channel| u32::try_from(channel).ok()),
        rssi_dbm: rx,
        serving: found.flag("serving"),
        ..level
    })
}

/// Adds to each level what is known of its serving cell: identity from `of_cells`, else the place of registration.
pub fn named(mut cells: Vec<RadioCell>, serving: &[RadioCell], place: Option<&RadioCell>) -> Vec<RadioCell> {
    for cell in &mut cells {
        cell.serving = Some(true);
        let mut same = serving.iter().filter(|known| known.technology == cell.technology);
        // Two serving cells of a technology are an aggregate: which of them the level is of is not said.
        let known = same.next().filter(|_| same.next().is_none());
        // The leg of an NSA attachment has no identity of its own.
        let place = place.filter(|_| cell.technology != Some(Technology::NrNsa));
        for from in [known, place].into_iter().flatten() {
            cell.mcc = cell.mcc.take().or_else(|| from.mcc.clone());
            cell.mnc = cell.mnc.take().or_else(|| from.mnc.clone());
            cell.cell_id = cell.cell_id.or(from.cell_id);
            cell.tac = cell.tac.or(from.tac);
            cell.lac = cell.lac.or(from.lac);
            cell.pci = cell.pci.or(from.pci);
            cell.arfcn = cell.arfcn.or(from.arfcn);
        }
    }
    cells
}

/// `MMModemBand` of LTE and NR: "B3", "n78".
pub fn band(code: i64) -> Option<String> {
    match code {
        31..=115 => Some(format!("B{}", code - 30)),
        301..=599 => Some(format!("n{}", code - 300)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::Value;
    use super::*;

    fn props(all: &[(&str, f64)]) -> Props {
        Props(all.iter().map(|(key, value)| ((*key).to_owned(), Value::Real(*value))).collect())
    }

    #[test]
    fn an_unknown_value_is_absent_whatever_the_modem_calls_it() {
        let cases = [
            ("rsrp", -97.0, Some(-97.0)),
            ("rsrp", 0.0, None),
            ("rsrp", f64::MIN, None),
            ("rsrp", f64::NEG_INFINITY, None),
            ("rsrp", -32_768.0, None),
            ("rsrp", -3_276.8, None),
            ("rsrp", f64::NAN, None),
        ];
        for (key, value, expected) in cases {
            let levels = BTreeMap::from([("Lte", props(&[(key, value)]))]);
            let cells = cells(&levels, Access(LTE));
            assert_eq!(cells.first().and_then(|cell| cell.rsrp_dbm), expected, "{key}={value}");
        }
    }

    #[test]
    fn five_g_is_named_by_what_stands_beside_it() {
        let (lte, nr) = (("Lte", props(&[("rsrp", -85.0)])), ("Nr5g", props(&[("rsrp", -96.0), ("snr", 18.0)])));
        let both = BTreeMap::from([lte.clone(), nr.clone()]);
        let only = BTreeMap::from([nr]);
        let cases = [
            (&both, LTE | NR, vec![Technology::Lte, Technology::NrNsa]),
            // What is left of a leg that is gone.
            (&both, LTE, vec![Technology::Lte]),
            (&only, NR, vec![Technology::NrSa]),
            (&both, 0, vec![Technology::Lte, Technology::Nr]),
            (&only, 0, vec![Technology::Nr]),
        ];
        for (levels, access, expected) in cases {
            let said: Vec<_> = cells(levels, Access(access)).iter().filter_map(|cell| cell.technology).collect();
            assert_eq!(said, expected, "{access:#x}");
        }
        let place = RadioCell { cell_id: Some(7), pci: None, ..RadioCell::default() };
        let named = named(cells(&both, Access(LTE | NR)), &[], Some(&place));
        assert_eq!(named.iter().map(|cell| cell.cell_id).collect::<Vec<_>>(), [Some(7), None]);
    }

    #[test]
    fn cells_are_read_with_identities_in_hexadecimal() {
        let text = |key: &str, value: &str| (key.to_owned(), Value::Text(value.into()));
        let cell = Props(BTreeMap::from([
            ("cell-type".into(), Value::Int(5)),
            ("serving".into(), Value::Bool(true)),
            text("operator-id", "45204"),
            text("tac", "1F00"),
            text("ci", "79D903"),
            text("physical-ci", "127"),
            ("earfcn".into(), Value::Int(1_350)),
            ("rsrp".into(), Value::Real(-97.0)),
        ]));
        let read = of_cells(&[cell], Access(LTE));
        let expected = RadioCell {
            technology: Some(Technology::Lte),
            mcc: Some("452".into()),
            mnc: Some("04".into()),
            cell_id: Some(0x79_D903),
            tac: Some(0x1F00),
            pci: Some(295),
            arfcn: Some(1_350),
            rsrp_dbm: Some(-97.0),
            serving: Some(true),
            ..RadioCell::default()
        };
        assert_eq!(read, [expected]);
        assert_eq!(
            (band(33), band(378), band(557), band(256), band(5)),
            (Some("B3".into()), Some("n78".into()), Some("n257".into()), None, None)
        );
    }
}
