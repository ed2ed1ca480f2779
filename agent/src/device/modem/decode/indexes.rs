//! `+CESQ` and `+CSQ`: indexes of bins (TS 27.007 8.5 and 8.69, TS 36.133, TS 38.133).
//!
//! In: a line. Out: the lower bound of each bin; of the open bins at both ends their boundary, `clipped`. Refuses to
//! know: vendors. Limits: none.

use super::line::Line;
use super::{Clipped, Decoded, Kind, values};
use phusong_protocol::Technology;

/// A table of bins: `first + index * step` is the lower bound of bin `index`.
pub(super) struct Bins {
    pub first: f32,
    pub step: f32,
    /// The last index that means a level.
    pub last: u32,
    /// Whether the last bin has no upper end.
    pub open_top: bool,
    /// What index 0 reads as: the boundary below which it lies.
    pub lowest: f32,
}

const RXLEV: Bins = Bins { first: -111.0, step: 1.0, last: 63, open_top: true, lowest: -110.0 };
const RSCP: Bins = Bins { first: -121.0, step: 1.0, last: 96, open_top: true, lowest: -120.0 };
const ECNO: Bins = Bins { first: -24.5, step: 0.5, last: 49, open_top: true, lowest: -24.0 };
const RSRQ: Bins = Bins { first: -20.0, step: 0.5, last: 34, open_top: true, lowest: -19.5 };
const RSRP: Bins = Bins { first: -141.0, step: 1.0, last: 97, open_top: true, lowest: -140.0 };
const SS_RSRQ: Bins = Bins { first: -43.5, step: 0.5, last: 127, open_top: true, lowest: -43.0 };
// 127 is of thresholds, not of readings.
const SS_RSRP: Bins = Bins { first: -157.0, step: 1.0, last: 126, open_top: true, lowest: -156.0 };
const SS_SINR: Bins = Bins { first: -23.5, step: 0.5, last: 127, open_top: true, lowest: -23.0 };
const CSQ: Bins = Bins { first: -113.0, step: 2.0, last: 31, open_top: true, lowest: -113.0 };

impl Bins {
    /// The level of an index; `None` for "unknown" and for what is out of the table.
    pub(super) fn read(&self, text: &str, to: &mut Decoded) -> Option<f32> {
        let index = values::within(text, 0..=self.last)?;
        if index == 0 {
            to.clip(Clipped::Below);
            return Some(self.lowest);
        }
        if index == self.last && self.open_top {
            to.clip(Clipped::Above);
        }
        // In tenths, so that the sum is the number that was meant: -20.2 + 66 / 5 is -7.0.
        let tenths = (self.first * 10.0).round() + index as f32 * (self.step * 10.0).round();
        Some(tenths / 10.0)
    }
}

pub(super) fn cesq(line: &Line, all: &mut Vec<Decoded>) {
    if line.fields.len() < 2 || line.raw.contains('(') {
        return;
    }
    let before = all.len();
    let object =
        |technology| Decoded { technology: Some(technology), serving: Some(true), ..Decoded::new(Kind::Signal, line) };
    let mut gsm = object(Technology::Gsm);
    gsm.rssi_dbm = RXLEV.read(line.text(0), &mut gsm);
    let mut umts = object(Technology::Umts);
    umts.rscp_dbm = RSCP.read(line.text(2), &mut umts);
    umts.ecio_db = ECNO.read(line.text(3), &mut umts);
    let mut lte = object(Technology::Lte);
    lte.rsrq_db = RSRQ.read(line.text(4), &mut lte);
    lte.rsrp_dbm = RSRP.read(line.text(5), &mut lte);
    let mut nr = object(Technology::Nr);
    nr.rsrq_db = SS_RSRQ.read(line.text(6), &mut nr);
    nr.rsrp_dbm = SS_RSRP.read(line.text(7), &mut nr);
    nr.sinr_db = SS_SINR.read(line.text(8), &mut nr);
    all.extend([gsm, umts, lte, nr].into_iter().filter(Decoded::has_level));
    if all.len() == before && line.fields.iter().any(|field| values::count(field.text).is_some()) {
        all.push(Decoded::without_values(Kind::Signal, "unknown", line));
    }
}

/// The reply does not say of which technology; 100 to 199 are TD-SCDMA, the rest is an extension of one vendor.
pub(super) fn csq(line: &Line, all: &mut Vec<Decoded>) {
    let Some(index) = values::count(line.text(0)) else { return };
    let mut one = Decoded::new(Kind::Signal, line);
    one.rssi_dbm = CSQ.read(line.text(0), &mut one);
    if one.rssi_dbm.is_some() {
        one.serving = Some(true);
    } else {
        one.state = Some("unknown".into());
        if !matches!(index, 99 | 199 | 255) {
            one.doubt("rssi_dbm");
        }
    }
    all.push(one);
}
