//! SIMCom: `+CPSI` in all its firmwares.
//!
//! In: a line. Out: an object of the cell. RSRP, RSRQ and RSSI are tenths or whole dB by their size, and the three have
//! to agree with each other where the bandwidth is known. Refuses to know: CDMA; the tables of those that print indexes.
//! Limits: none.

use super::line::Line;
use super::scale::{self, Scale};
use super::{Decoded, Kind, Service, values};
use phusong_protocol::Technology;

pub(super) fn cpsi(line: &Line, model: Option<&str>, all: &mut Vec<Decoded>) {
    let word = line.text(0).to_ascii_uppercase();
    // `LTE-LIMITED`: the layout is that of full service.
    let system = word.strip_suffix("LIMITED").map_or(&*word, |system| system.trim_end_matches(['-', '_', ' ']));
    let mut one = match system {
        "NO SERVICE" => {
            let none = Decoded::without_values(Kind::Signal, line.text(0), line);
            Decoded { service: Some(Service::None), ..none }
        }
        s if s.starts_with("NOT IN") => Decoded::without_values(Kind::Signal, line.text(0), line),
        "GSM" => gsm(line),
        "WCDMA" => wcdma(line),
        "NR5G_SA" => standalone(line, true),
        // The newer layout names the band; in the older one numbers follow at once.
        "NR5G_NSA"
            if values::count(line.text(2)).is_some() || values::number(line.text(3)).is_some_and(|n| n < 0.0) =>
        {
            old_second_leg(line)
        }
        "NR5G_NSA" => second_leg(line),
        "NR5G" if is_second_leg(line) => old_second_leg(line),
        "NR5G" if line.text(1).starts_with(|c: char| c.is_ascii_alphabetic()) || line.text(2).contains('-') => {
            standalone(line, line.text(6).to_ascii_uppercase().contains("BAND"))
        }
        // Of which kind cannot be said.
        "NR5G" => Decoded::without_values(Kind::Signal, "unknown", line),
        s if s.starts_with("LTE") || values::is_narrow_lte(s) => lte(line, model, s.contains("NB")),
        _ => return,
    };
    if system.len() < word.len() {
        (one.state, one.service) = (Some(line.text(0).to_owned()), Some(Service::Limited));
    }
    all.push(one);
}

/// What all serving cells begin with: `<system>,<op mode>,<MCC>-<MNC>,<area>,<cell id>`.
fn head(line: &Line, technology: Technology) -> Decoded {
    let mut one = Decoded { technology: Some(technology), serving: Some(true), ..Decoded::new(Kind::Signal, line) };
    one.state = Some(line.text(1)).filter(|state| !state.is_empty()).map(str::to_owned);
    if let Some((mcc, mnc)) = line.text(2).split_once('-') {
        (one.mcc, one.mnc) = values::network(mcc.trim(), mnc.trim());
    }
    let area = values::area(line.text(3), one.technology);
    if matches!(technology, Technology::Gsm | Technology::Umts) {
        one.lac = area;
    } else {
        one.tac = area;
    }
    // Zeros for both stand for "none".
    let cell = values::cell_id(decimal(line.text(4)), one.technology);
    one.cell_id = cell.filter(|cell| *cell != 0 || area.is_some());
    one
}

fn decimal(text: &str) -> Option<u64> {
    let digits = (1..=11).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// `..,PCI,EUTRAN-BANDn,earfcn,dlbw,ulbw,RSRQ,RSRP,RSSI,RSSNR`
fn lte(line: &Line, model: Option<&str>, narrow_band: bool) -> Decoded {
    let mut one = head(line, Technology::Lte);
    one.pci = values::pci(line.text(5), Technology::Lte);
    one.band = values::band(line.text(6), Technology::Lte);
    one.arfcn = values::arfcn(line.text(7), Technology::Lte);
    let rssi = values::number(line.text(12));
    levels(&mut one, values::number(line.text(11)), values::number(line.text(10)), rssi);
    // A carrier of NB-IoT is one resource block, whatever stands there.
    let blocks = if narrow_band { Some(1.0) } else { scale::resource_blocks(line.text(8)) };
    if scale::consistent(&one, blocks) == Some(false) {
        ["rsrp_dbm", "rsrq_db", "rssi_dbm"].into_iter().for_each(|field| one.doubt(field));
    }
    let unknown = &[Scale::Whole, Scale::Doubled, Scale::Fifths, Scale::Tenths][..];
    let scales = match model.and_then(scale::of_model) {
        Some(Scale::Doubled) => &[Scale::Doubled][..],
        _ => unknown,
    };
    scale::sinr(&mut one, line.text(13), scales);
    one
}

/// `..,PCI,[NR5G_BANDn,]arfcn,RSRP,RSRQ,SNR`
fn standalone(line: &Line, new: bool) -> Decoded {
    let mut one = head(line, Technology::NrSa);
    one.pci = values::pci(line.text(5), Technology::NrSa);
    let arfcn = if new { 7 } else { 6 };
    if new {
        one.band = values::band(line.text(6), Technology::NrSa);
    }
    one.arfcn = values::arfcn(line.text(arfcn), Technology::NrSa);
    levels(&mut one, values::number(line.text(arfcn + 1)), values::number(line.text(arfcn + 2)), None);
    // Both were seen in the new one.
    let scales = if new { &[Scale::Whole, Scale::Tenths][..] } else { &[Scale::Whole][..] };
    snr(&mut one, line.text(arfcn + 3), scales);
    one
}

/// The 5G leg of EN-DC: `NR5G_NSA,PCI,NR5G_BANDn,arfcn,RSRP,RSRQ,SNR[,scs,bw]`
fn second_leg(line: &Line) -> Decoded {
    let mut one = leg(line);
    one.band = values::band(line.text(2), Technology::NrNsa);
    one.arfcn = values::arfcn(line.text(3), Technology::NrNsa);
    levels(&mut one, values::number(line.text(4)), values::number(line.text(5)), None);
    snr(&mut one, line.text(6), &[Scale::Whole]);
    one
}

/// Older: `NR5G,PCI,arfcn,RSRQ,RSRP,SNR in tenths`, RSRQ first; some firmware has `NR5G_NSA` before it.
fn old_second_leg(line: &Line) -> Decoded {
    let mut one = leg(line);
    one.arfcn = values::arfcn(line.text(2), Technology::NrNsa);
    levels(&mut one, values::number(line.text(4)), values::number(line.text(3)), None);
    snr(&mut one, line.text(5), &[Scale::Tenths]);
    one
}

/// With a point it is dB already.
fn snr(one: &mut Decoded, text: &str, scales: &[Scale]) {
    scale::sinr(one, text, if text.contains('.') { &[Scale::Whole] } else { scales });
}

fn leg(line: &Line) -> Decoded {
    let technology = Technology::NrNsa;
    let mut one = Decoded { technology: Some(technology), serving: Some(true), ..Decoded::new(Kind::Signal, line) };
    one.pci = values::pci(line.text(1), technology);
    one
}

/// A serving cell says its mode and its network where the leg has numbers.
fn is_second_leg(line: &Line) -> bool {
    [1, 2].into_iter().any(|at| values::count(line.text(at)).is_some())
}

/// `..,"<arfcn> <band>",RxLev,<track>,<C1-C2>`
fn gsm(line: &Line) -> Decoded {
    let mut one = head(line, Technology::Gsm);
    let arfcn = line.text(5).split_ascii_whitespace().next().unwrap_or("");
    one.arfcn = values::arfcn(arfcn, Technology::Gsm);
    one.rssi_dbm = values::rssi(values::number(line.text(6)));
    one
}

/// `..,<band>,PSC,uarfcn,SSC,EC/IO,RSCP,..`: the levels are known to come without their sign.
fn wcdma(line: &Line) -> Decoded {
    let mut one = head(line, Technology::Umts);
    one.pci = values::pci(line.text(6), Technology::Umts);
    one.arfcn = values::arfcn(line.text(7), Technology::Umts);
    let (ecio, rscp) = (values::number(line.text(9)), values::number(line.text(10)));
    one.ecio_db = values::ecio(ecio.filter(|ecio| *ecio < 0.0));
    one.rscp_dbm = values::rscp(rscp);
    for (field, said, read) in [("rscp_dbm", rscp, one.rscp_dbm), ("ecio_db", ecio, one.ecio_db)] {
        if said.is_some() && read.is_none() {
            one.doubt(field);
        }
    }
    one
}

/// Tenths or whole dB: one scale for all of them. RSRP decides, whose ranges do not meet; without it RSSI, which is whole
/// where it can be, or RSRQ where it is too large to be whole.
fn levels(one: &mut Decoded, rsrp: Option<f32>, rsrq: Option<f32>, rssi: Option<f32>) {
    let technology = one.technology.unwrap_or(Technology::Lte);
    let of = |value: Option<f32>, read: fn(Option<f32>) -> Option<f32>| match value {
        Some(_) if read(value).is_some() => Some(1.0),
        Some(tenths) if read(Some(tenths / 10.0)).is_some() => Some(10.0),
        _ => None,
    };
    let beyond = rsrq.filter(|rsrq| rsrq.abs() > 43.5).map(|_| 10.0);
    let divisor = of(rsrp, values::rsrp).or_else(|| of(rssi, values::rssi)).or(beyond);
    let read = |value: Option<f32>| Some(value? / divisor?);
    one.rsrp_dbm = values::rsrp(read(rsrp));
    one.rsrq_db = values::rsrq(read(rsrq), technology);
    one.rssi_dbm = values::rssi(read(rssi));
    // A level above zero is an index of a table.
    let indexes = rsrp.is_some_and(|level| level > 0.0);
    let other = |value: Option<f32>| Some(value? * divisor? / 10.0);
    let mixed = (one.rsrq_db.is_none() && values::rsrq(other(rsrq), technology).is_some())
        || (one.rssi_dbm.is_none() && values::rssi(other(rssi)).is_some());
    if indexes || mixed {
        (one.rsrp_dbm, one.rsrq_db, one.rssi_dbm) = (None, None, None);
        let said = [("rsrp_dbm", rsrp), ("rsrq_db", rsrq), ("rssi_dbm", rssi)];
        said.into_iter().filter(|(_, value)| value.is_some()).for_each(|(field, _)| one.doubt(field));
    }
}
