//! `+CREG`, `+CGREG`, `+CEREG`, `+C5GREG`: asked for or not, with and without what stands behind the state.
//!
//! In: `[<n>,]<stat>[,<area>,<cell>[,<AcT>..]]` (TS 27.007 7.2, 10.1.20, 10.1.22, 10.1.47). Out: stat, area, cell, act,
//! the cause of a rejection. Whether `<n>` is there has to be seen from what follows; where it cannot be seen, nothing
//! is claimed. Refuses to know: which of the four counts. Limits: none.

use super::line::{Field, Line, text};
use super::{Decoded, Kind, Reject, values};
use phusong_protocol::Technology;

/// The `<AcT>` of LTE on a 5G core.
const OF_FIVE_OVER_LTE: u8 = 10;

pub(super) fn registration(line: &Line, all: &mut Vec<Decoded>) {
    let Some((stat, place)) = head(&line.fields) else { return };
    let mut one = Decoded::new(Kind::Registration, line);
    one.stat = stat;
    let place = without_routing_area(place);
    let act = text(&place, 2);
    one.act = values::act(act);
    let of_five = line.name.eq_ignore_ascii_case("+C5GREG");
    let of_packet_core = of_five || line.name.eq_ignore_ascii_case("+CEREG");
    let cell = values::hex(text(&place, 1));
    one.technology = technology(one.act, cell, of_packet_core, of_five);
    // Two digits can be a routing area behind which the line was cut; no cell of LTE or 5G is so small.
    let cell = cell.filter(|_| !of_packet_core || text(&place, 1).len() > 2);
    let tracking = of_packet_core || one.technology.is_some_and(|t| t == Technology::Lte || values::is_nr(t));
    let at = text(&place, 0);
    let area = match (tracking, one.technology) {
        // A 5G core has areas of 24 bits, whatever radio leads to it.
        (true, _) if of_five || one.act == Some(OF_FIVE_OVER_LTE) => values::area_of_five(at),
        // Without an AcT: the widest that the command can mean.
        (true, technology) => values::area(at, technology),
        (false, technology) => values::area(at, technology.or(Some(Technology::Gsm))),
    };
    // Zeros for both stand for "none", and so do ones; a cell 0 within an area can be.
    let cell = values::cell_id(cell, one.technology);
    one.cell_id = cell.filter(|cell| !matches!(cell, 0 | 0xffff) || area.is_some());
    if tracking {
        one.tac = area;
    } else {
        one.lac = area;
    }
    one.reject = reject(line, &place);
    if one.stat.is_some() || one.cell_id.is_some() || area.is_some() || one.act.is_some() {
        all.push(one);
    }
}

/// What the `<AcT>` means in this command. An LTE core has neither GSM nor UTRAN (TS 27.007, 10.1.22), and a cell of more
/// than 16 bits is none of GSM.
fn technology(act: Option<u8>, cell: Option<u64>, of_packet_core: bool, of_five: bool) -> Option<Technology> {
    let wide = values::cell_id(cell, None).is_some_and(|cell| cell > 0xffff);
    match act? {
        // Modems of LTE-M print it for that.
        8 => ((of_packet_core && !of_five) || wide).then_some(Technology::Lte),
        0..=6 if of_packet_core => None,
        0 | 1 | 3 if wide => None,
        act => values::technology_of_act(act),
    }
}

/// The state and the fields behind it. `None`: it cannot be said which field is which.
fn head<'a, 'b>(fields: &'b [Field<'a>]) -> Option<(Option<u8>, &'b [Field<'a>])> {
    let first = fields.first()?;
    let second = match fields.get(1) {
        None => return Some((Some(values::stat(first.text)?), &[])),
        Some(second) => second,
    };
    if second.text.is_empty() {
        // `2,,` or `3,,,7,0,15`: a state and no place. With a place behind it either the state or the area is missing.
        let behind = text(fields, 3);
        let no_cell = behind.is_empty() || (behind.len() <= 2 && values::act(behind).is_some());
        let no_place = fields.len() > 2 && text(fields, 2).is_empty() && no_cell;
        return no_place.then_some((Some(values::stat(first.text)?), &fields[1..]));
    }
    // An area has four digits or more, or quotes; a state has neither.
    let is_stat = !second.quoted && second.text.len() <= 3 && values::stat(second.text).is_some();
    let is_mode = first.text.is_empty() || values::within(first.text, 0..=5).is_some();
    if is_stat && is_mode {
        return Some((values::stat(second.text), &fields[2..]));
    }
    // An area: six digits at most, padded to eight; some firmware prints its zeros as spaces.
    let hex = second.text.len() <= 8 && second.text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b' ');
    if !hex {
        return None;
    }
    let stat = values::stat(first.text);
    (stat.is_some() || first.text.is_empty()).then_some((stat, &fields[1..]))
}

/// Some modems put the routing area (two digits) between area and cell: `2CA8, 20, B5583D, 7`.
fn without_routing_area<'a>(place: &[Field<'a>]) -> Vec<Field<'a>> {
    let third = text(place, 2);
    let third_is_cell = (4..=9).contains(&third.len()) && values::hex(third).is_some();
    // The cell itself can be missing.
    let second = text(place, 1);
    let fourth_is_act = place.len() == 4 && values::act(text(place, 3)).is_some();
    let third_is_gap = third.is_empty() && !second.is_empty() && fourth_is_act;
    if second.len() <= 2 && (third_is_cell || third_is_gap) {
        return place.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, field)| *field).collect();
    }
    place.to_vec()
}

/// Mode 3 and above: `<cause_type>,<reject_cause>` behind what the command says of the cell.
fn reject(line: &Line, place: &[Field]) -> Option<Reject> {
    let at = match line.name.to_ascii_uppercase().as_str() {
        // A routing area stands before them.
        "+CGREG" if place.len() > 5 => 4,
        // The allowed slices stand before them.
        "+C5GREG" => 5,
        _ => 3,
    };
    let standard = match text(place, at) {
        "0" => true,
        "1" => false,
        _ => return None,
    };
    let cause = values::within(text(place, at + 1), 1..=255)?;
    Some(Reject { standard, cause: u16::try_from(cause).ok()? })
}
