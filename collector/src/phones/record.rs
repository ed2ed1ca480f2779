//! From one record to one sample.
//!
//! In: a record of a kind, as message, CSV line or GeoPackage row. Out: a sample with the record's own identity, the
//! same whatever it came by, or what is wrong with which field. Refuses to know: where it came from, which SIM was in
//! the phone. Absent is absent: a position of 0, 0, a speed or an accuracy of 0 are what the app writes for none, and
//! 2147483647 is Android's word for it.

use super::field::{Field, Kind, Row, Value};
use super::state;
use super::{plmn, stamp};
use phusong_protocol::{
    Clock, Neighbours, Outcome, Place, PlaceSource, PowerReading, ProbeId, RadioCell, RadioReading, Reading, Sample,
    Technology, Uplink, foreign_seq,
};
use std::borrow::Cow;
use std::sync::Arc;

/// Bytes of a mission's name, which only goes into the identity.
const MISSION_BYTES: usize = 256;
/// Android's 68 % radius to the 95 % one of the wire.
const RADIUS_95: f64 = 1.62;
/// Android's `CellInfo.UNAVAILABLE`.
const UNAVAILABLE: i64 = i32::MAX as i64;
/// SINR cannot lie below RSRQ + 10.8 dB, less an allowance (noise and interference are part of RSSI).
const SINR_ABOVE_RSRQ_DB: f64 = 10.8 - 3.0;

/// Why a record is not taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Bad {
    #[error("{field} is missing")]
    Missing { field: &'static str },
    #[error("{field} is `{found}`: {wanted}")]
    Wrong { field: &'static str, found: String, wanted: &'static str },
    #[error("{field} is {found}; it lies between {low} and {high}")]
    Range { field: &'static str, found: f64, low: f64, high: f64 },
    #[error("the record names no cell and no level")]
    Nothing,
}

/// A record with its names at hand.
pub(super) struct Reader<'a, R> {
    pub kind: Kind,
    pub row: &'a R,
}

/// The sample that a record stands for, under the id of the record.
pub fn sample(kind: Kind, row: &impl Row, probe: &ProbeId) -> Result<Sample, Bad> {
    let reader = Reader { kind, row };
    let wall_ms = reader.time()?;
    let seq = foreign_seq(probe, &identity(&reader, wall_ms)?);
    let (uplink, reading) = match kind {
        Kind::PhoneState => state::registration(&reader)?,
        Kind::DeviceStatus => (None, battery(&reader)?),
        Kind::Gsm | Kind::Umts | Kind::Lte | Kind::Nr => cell(&reader)?,
    };
    Ok(Sample {
        seq,
        boot_id: None,
        mono_ms: None,
        wall_ms,
        clock: Clock { synced: true, age_s: None },
        place: reader.place()?.map(Arc::new),
        setup: None,
        uplink: uplink.map(Arc::new),
        target: None,
        outcome: Outcome::Reading(reading),
    })
}

/// What a message and its line in a log have in common: type, mission, number, and the time to the millisecond, which
/// is what a GeoPackage keeps of it.
fn identity(reader: &Reader<'_, impl Row>, wall_ms: i64) -> Result<Vec<u8>, Bad> {
    let mission = reader.text(Field::Mission).unwrap_or_default();
    if mission.len() > MISSION_BYTES {
        let found = mission.chars().take(20).collect();
        return Err(Bad::Wrong { field: "missionId", found, wanted: "at most 256 bytes are taken" });
    }
    let number = reader.whole(Field::Number, 0, i64::MAX / 2)?.unwrap_or(0);
    let mut content = Vec::with_capacity(64);
    content.extend(b"network-survey\0");
    content.extend(reader.kind.message_type().as_bytes());
    content.push(0);
    content.extend(mission.as_bytes());
    content.push(0);
    content.extend(number.to_be_bytes());
    content.extend(wall_ms.to_be_bytes());
    Ok(content)
}

/// What numbers a technology has; anything beyond is a mistake of the source.
struct Numbers {
    technology: Technology,
    area: i64,
    cell: i64,
    channel: i64,
    pci: i64,
}

const fn numbers(kind: Kind) -> Numbers {
    let (technology, area, cell, channel, pci) = match kind {
        Kind::Gsm => (Technology::Gsm, 0xFFFF, 0xFFFF, 1023, 511),
        Kind::Umts => (Technology::Umts, 0xFFFF, 0xFFF_FFFF, 16_383, 511),
        Kind::Lte => (Technology::Lte, 0xFF_FFFF, 0xFFF_FFFF, 262_143, 503),
        _ => (Technology::NrSa, 0xFF_FFFF, 0xF_FFFF_FFFF, 3_279_165, 1_007),
    };
    Numbers { technology, area, cell, channel, pci }
}

/// The cell that a record names, without its levels.
pub(super) fn identified(reader: &Reader<'_, impl Row>) -> Result<RadioCell, Bad> {
    let bounds = numbers(reader.kind);
    let (mcc, mnc) = reader.network()?.unzip();
    let area = reader.whole(Field::Area, 0, bounds.area)?.and_then(|area| u32::try_from(area).ok());
    let old = matches!(reader.kind, Kind::Gsm | Kind::Umts);
    Ok(RadioCell {
        technology: Some(bounds.technology),
        mcc,
        mnc,
        cell_id: reader.whole(Field::Cell, 0, bounds.cell)?.map(i64::unsigned_abs),
        tac: area.filter(|_| !old),
        lac: area.filter(|_| old),
        pci: reader.whole(Field::Pci, 0, bounds.pci)?.and_then(|pci| u16::try_from(pci).ok()),
        arfcn: reader.whole(Field::Channel, 0, bounds.channel)?.and_then(|channel| u32::try_from(channel).ok()),
        ..RadioCell::default()
    })
}

fn cell(reader: &Reader<'_, impl Row>) -> Result<(Option<Uplink>, Reading), Bad> {
    let serving = reader.truth(Field::Serving)?;
    let is_serving = serving == Some(true);
    let db = |field, low, high| reader.level(field, low, high);
    let mut cell = RadioCell {
        rsrp_dbm: db(Field::Rsrp, -160.0, -20.0)?,
        rsrq_db: db(Field::Rsrq, -50.0, 25.0)?,
        rssi_dbm: db(Field::Rssi, -150.0, 0.0)?,
        rscp_dbm: db(Field::Rscp, -140.0, -20.0)?,
        ecio_db: db(Field::EcNo, -40.0, 10.0)?,
        serving,
        ..identified(reader)?
    };
    if reader.kind == Kind::Nr && !is_serving {
        // A neighbour does not say whether it stands alone. A serving one does: NSA arrives as an LTE record only.
        cell.technology = Some(Technology::Nr);
    }
    sinr(reader, &mut cell)?;
    let levels = [cell.rsrp_dbm, cell.rsrq_db, cell.rssi_dbm, cell.rscp_dbm, cell.ecio_db, cell.sinr_db];
    if cell.cell_id.is_none() && cell.pci.is_none() && levels.iter().all(Option::is_none) {
        return Err(Bad::Nothing);
    }
    let network = cell.mcc.as_ref().zip(cell.mnc.as_ref()).filter(|_| is_serving);
    let uplink = Uplink {
        serving_plmn: network.map(|(mcc, mnc)| format!("{mcc}-{mnc}")),
        technology: cell.technology.filter(|_| is_serving),
        ..Uplink::bare(reader.interface()?)
    };
    let reading = if is_serving {
        Reading::Radio(RadioReading { cells: vec![cell], ..RadioReading::default() })
    } else {
        Reading::Neighbours(Neighbours { cells: vec![cell], raw: None })
    };
    Ok((Some(uplink), reading))
}

/// Devices differ in the scale of an LTE SNR; what cannot be true is kept as the device's own number.
fn sinr(reader: &Reader<'_, impl Row>, cell: &mut RadioCell) -> Result<(), Bad> {
    let Some(db) = reader.level(Field::Sinr, -400.0, 400.0)? else { return Ok(()) };
    let low = cell.rsrq_db.map_or(-30.0, |rsrq| (f64::from(rsrq) + SINR_ABOVE_RSRQ_DB).max(-30.0));
    if (low..=50.0).contains(&f64::from(db)) {
        cell.sinr_db = Some(db);
    } else {
        cell.sinr_raw = Some(db);
        cell.doubtful = vec!["sinr_db".into()];
    }
    Ok(())
}

fn battery(reader: &Reader<'_, impl Row>) -> Result<Reading, Bad> {
    let percent = reader.whole(Field::Battery, 0, 100)?.ok_or(Bad::Missing { field: "batteryLevelPercent" })?;
    Ok(Reading::Power(PowerReading { battery_ratio: Some(percent as f32 / 100.0), ..PowerReading::default() }))
}

impl<'a, R: Row> Reader<'a, R> {
    pub fn name(&self, field: Field) -> &'static str {
        field.name(self.kind).unwrap_or("record")
    }

    fn get(&self, field: Field) -> Option<Value<'a>> {
        self.row.get(field).filter(|value| !matches!(value, Value::Text(text) if text.trim().is_empty()))
    }

    pub fn text(&self, field: Field) -> Option<Cow<'a, str>> {
        Some(match self.get(field)? {
            Value::Text(text) => Cow::Borrowed(text.trim()),
            Value::Int(value) => Cow::Owned(value.to_string()),
            Value::Real(value) => Cow::Owned(value.to_string()),
            Value::Bool(value) => Cow::Owned(value.to_string()),
            Value::Json(value) => Cow::Owned(value.to_string()),
        })
    }

    pub fn wrong(&self, field: Field, wanted: &'static str) -> Bad {
        let found = self.text(field).unwrap_or_default().chars().take(60).collect();
        Bad::Wrong { field: self.name(field), found, wanted }
    }

    fn number(&self, field: Field) -> Result<Option<f64>, Bad> {
        let number = match self.get(field) {
            None => return Ok(None),
            Some(Value::Int(value)) => Some(value as f64),
            Some(Value::Real(value)) => Some(value),
            Some(Value::Text(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        let number = number.filter(|number: &f64| number.is_finite());
        let number = number.ok_or_else(|| self.wrong(field, "write a number"))?;
        Ok(Some(number).filter(|number| *number != UNAVAILABLE as f64))
    }

    pub fn whole(&self, field: Field, low: i64, high: i64) -> Result<Option<i64>, Bad> {
        let whole = match self.get(field) {
            None => return Ok(None),
            Some(Value::Int(value)) => Some(value),
            Some(Value::Real(value)) if value.fract() == 0.0 && value.abs() < 1e15 => Some(value as i64),
            Some(Value::Text(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        let whole = whole.ok_or_else(|| self.wrong(field, "write a whole number"))?;
        if whole == UNAVAILABLE || whole == i64::MAX {
            return Ok(None);
        }
        if !(low..=high).contains(&whole) {
            let (found, low, high) = (whole as f64, low as f64, high as f64);
            return Err(Bad::Range { field: self.name(field), found, low, high });
        }
        Ok(Some(whole))
    }

    fn level(&self, field: Field, low: f64, high: f64) -> Result<Option<f32>, Bad> {
        let Some(number) = self.number(field)? else { return Ok(None) };
        if !(low..=high).contains(&number) {
            return Err(Bad::Range { field: self.name(field), found: number, low, high });
        }
        Ok(Some(number as f32))
    }

    fn truth(&self, field: Field) -> Result<Option<bool>, Bad> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(Value::Int(0)) | Some(Value::Text("false" | "0")) => Ok(Some(false)),
            Some(Value::Int(1)) | Some(Value::Text("true" | "1")) => Ok(Some(true)),
            Some(_) => Err(self.wrong(field, "write true or false")),
        }
    }

    fn time(&self) -> Result<i64, Bad> {
        let wanted = "write it as 2026-11-22T10:00:00.123+07:00";
        match self.get(Field::Time) {
            None => Err(Bad::Missing { field: self.name(Field::Time) }),
            Some(Value::Int(ms)) if ms > 0 => Ok(ms),
            Some(Value::Text(text)) => stamp::rfc3339_ms(text.trim()).ok_or_else(|| self.wrong(Field::Time, wanted)),
            Some(_) => Err(self.wrong(Field::Time, wanted)),
        }
    }

    /// "phone" of a phone that does not tell its slots apart.
    pub fn interface(&self) -> Result<String, Bad> {
        let slot = self.whole(Field::Slot, 0, 1_000_000)?;
        Ok(slot.map_or_else(|| "phone".to_owned(), |slot| format!("slot{slot}")))
    }

    fn network(&self) -> Result<Option<(String, String)>, Bad> {
        let mcc = self.whole(Field::Mcc, 0, 999)?.filter(|mcc| *mcc != 0);
        let mnc = self.whole(Field::Mnc, 0, 999)?;
        let Some((mcc, mnc)) = mcc.zip(mnc) else { return Ok(None) };
        plmn::strings(mcc, mnc).map(Some).ok_or_else(|| self.wrong(Field::Mcc, "an MCC has three digits, as 452"))
    }

    fn place(&self) -> Result<Option<Place>, Bad> {
        let (lat, lon) = (self.number(Field::Latitude)?, self.number(Field::Longitude)?);
        // Zero is what the app writes for none; the one point that this loses lies in the sea.
        let (lat, lon) = match lat.zip(lon) {
            Some(at) if at != (0.0, 0.0) => at,
            _ => return Ok(None),
        };
        for (field, degrees, most) in [(Field::Latitude, lat, 90.0), (Field::Longitude, lon, 180.0)] {
            if degrees.abs() > most {
                return Err(Bad::Range { field: self.name(field), found: degrees, low: -most, high: most });
            }
        }
        let radius_68 = self.level(Field::Accuracy, 0.0, 1e7)?.filter(|radius| *radius > 0.0);
        Ok(Some(Place {
            lat,
            lon,
            accuracy_m: radius_68.map(|radius| (f64::from(radius) * RADIUS_95) as f32),
            source: PlaceSource::Gps,
            fix_age_s: None,
            speed_mps: self.level(Field::Speed, 0.0, 1_000.0)?.filter(|speed| *speed > 0.0),
        }))
    }
}
