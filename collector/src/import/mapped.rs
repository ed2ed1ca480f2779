//! From one line of a mapped CSV to one sample.
//!
//! In: a map whose columns were found in a heading, a line. Out: a sample whose id is its content, so that the same
//! line twice is one; or what is wrong with which field. Refuses to know: files, probes' places. A line that says a
//! service state of `none` or `limited` and no level is a registration; any other names a cell.

use super::map::{Field, Map, Slot, Source};
use crate::phones;
use csv::StringRecord;
use phusong_protocol::{
    Clock, Neighbours, Outcome, Place, PlaceSource, ProbeId, RadioCell, RadioReading, Reading, RegistrationReading,
    RegistrationStat, Sample, ServiceState, Technology, Uplink,
};
use std::borrow::Cow;
use std::sync::Arc;

/// Android's 68 % radius to the 95 % one of the wire.
const RADIUS_95: f64 = 1.62;
const TECHNOLOGIES: [(&str, Technology); 7] = [
    ("gsm", Technology::Gsm),
    ("umts", Technology::Umts),
    ("lte", Technology::Lte),
    ("nr", Technology::Nr),
    ("nr_nsa", Technology::NrNsa),
    ("nr_sa", Technology::NrSa),
    ("other", Technology::Other),
];
const STATES: [(&str, ServiceState); 4] = [
    ("none", ServiceState::None),
    ("limited", ServiceState::Limited),
    ("home", ServiceState::Home),
    ("roaming", ServiceState::Roaming),
];

/// A map on the columns of one file.
pub struct Mapped {
    map: Map,
    time: Vec<usize>,
    fields: Vec<Bound>,
}

struct Bound {
    field: Field,
    /// `None`: its value stands in the map.
    column: Option<usize>,
}

/// A cell as its line says it.
#[derive(Default)]
struct Line {
    lat: Option<f64>,
    lon: Option<f64>,
    accuracy_m: Option<f64>,
    speed_mps: Option<f64>,
    interface: Option<String>,
    sim_plmn: Option<String>,
    serving_plmn: Option<String>,
    state: Option<ServiceState>,
    mcc: Option<i64>,
    mnc: Option<i64>,
    cell: RadioCell,
}

impl Mapped {
    /// `heading` as the file has it.
    pub fn new(map: Map, heading: &StringRecord) -> Result<Self, String> {
        let find = |name: &str| {
            let at = heading.iter().position(|column| column.trim() == name);
            at.ok_or_else(|| {
                let all = heading.iter().map(str::trim).collect::<Vec<_>>().join("`, `");
                format!("the file has no column `{name}`; it has `{all}`")
            })
        };
        let time = map.time_columns.iter().map(|name| find(name)).collect::<Result<_, _>>()?;
        let bind = |field: &Field| match &field.from {
            Source::Column(name) => Ok(Bound { field: field.clone(), column: Some(find(name)?) }),
            Source::Value(_) => Ok(Bound { field: field.clone(), column: None }),
        };
        let fields = map.fields.iter().map(bind).collect::<Result<_, String>>()?;
        Ok(Mapped { map, time, fields })
    }

    /// Columns of the heading that nothing is read from.
    pub fn unused<'a>(&self, heading: &'a StringRecord) -> Vec<&'a str> {
        let used = |at: usize| self.time.contains(&at) || self.fields.iter().any(|bound| bound.column == Some(at));
        heading.iter().enumerate().filter(|(at, _)| !used(*at)).map(|(_, name)| name).collect()
    }

    pub fn sample(&self, record: &StringRecord, probe: &ProbeId) -> Result<Sample, String> {
        let wall_ms = self.time(record)?;
        let mut line = Line::default();
        for bound in &self.fields {
            let text = match (&bound.field.from, bound.column) {
                (_, Some(column)) => record.get(column).unwrap_or_default().trim(),
                (Source::Value(value), None) => value.as_str(),
                (Source::Column(_), None) => continue,
            };
            if text.is_empty() || bound.field.absent.iter().any(|absent| absent == text) {
                continue;
            }
            let word = bound.field.values.get(text).map_or(text, String::as_str);
            self.put(&mut line, &bound.field, word)?;
        }
        let (uplink, reading) = line.reading()?;
        let sample = Sample {
            seq: 0,
            boot_id: None,
            mono_ms: None,
            wall_ms,
            clock: Clock { synced: true, age_s: None },
            place: line.place().map(Arc::new),
            setup: None,
            uplink: Some(Arc::new(uplink)),
            target: None,
            outcome: Outcome::Reading(reading),
        };
        sample.check().map_err(|violation| violation.to_string())?;
        Ok(sample.with_foreign_id(probe))
    }

    fn time(&self, record: &StringRecord) -> Result<i64, String> {
        let part = |at: &usize| record.get(*at).unwrap_or_default().trim();
        let text = match &self.time[..] {
            [one] => Cow::Borrowed(part(one)),
            several => Cow::Owned(several.iter().map(part).collect::<Vec<_>>().join(" ")),
        };
        let read = self.map.clock.read(&text);
        read.ok_or_else(|| format!("time is `{}`: it is not as time.format says", cut(&text)))
    }

    fn put(&self, line: &mut Line, field: &Field, text: &str) -> Result<(), String> {
        let slot = field.slot;
        if let Some(bounds) = slot.bounds() {
            let number = self.number(field, text, bounds)?;
            line.number(slot, number);
            return Ok(());
        }
        let plmn = || phones::plmn(text).ok_or_else(|| wrong(slot, text, "write MCC and MNC, as 452-04"));
        match slot {
            Slot::Interface => line.interface = Some(text.to_owned()),
            Slot::SimPlmn => line.sim_plmn = Some(plmn()?),
            Slot::ServingPlmn => line.serving_plmn = Some(plmn()?),
            Slot::Band => line.cell.band = Some(text.to_owned()),
            Slot::ServiceState => {
                let known = STATES.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
                let words = "write none, limited, home or roaming, or translate it by `values`";
                line.state = Some(known.ok_or_else(|| wrong(slot, text, words))?.1);
            }
            Slot::Technology => {
                let known = TECHNOLOGIES.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
                let words = "write gsm, umts, lte, nr, nr_nsa, nr_sa or other, or translate it by `values`";
                line.cell.technology = Some(known.ok_or_else(|| wrong(slot, text, words))?.1);
            }
            _ => {
                line.cell.serving = Some(match text.to_ascii_lowercase().as_str() {
                    "true" | "1" | "yes" => true,
                    "false" | "0" | "no" => false,
                    _ => return Err(wrong(slot, text, "write true or false, or translate it by `values`")),
                });
            }
        }
        Ok(())
    }

    fn number(&self, field: &Field, text: &str, (low, high): (f64, f64)) -> Result<f64, String> {
        let slot = field.slot;
        let read = if field.base == 16 {
            let digits = text.trim_start_matches("0x").trim_start_matches("0X");
            // Below 2^53 every whole number is exact; the bounds lie below.
            u64::from_str_radix(digits, 16).ok().filter(|value| *value < 1 << 53).map(|value| value as f64)
        } else if self.map.decimal_comma && text.contains(',') {
            text.replacen(',', ".", 1).parse().ok()
        } else {
            text.parse().ok()
        };
        let read = read.filter(|number: &f64| number.is_finite()).ok_or_else(|| wrong(slot, text, "write a number"))?;
        let number = read * field.scale + field.offset;
        if !(low..=high).contains(&number) {
            return Err(format!("{} is {number}; it lies between {low} and {high}", slot.name()));
        }
        Ok(number)
    }
}

impl Line {
    fn number(&mut self, slot: Slot, number: f64) {
        let cell = &mut self.cell;
        match slot {
            Slot::Lat => self.lat = Some(number),
            Slot::Lon => self.lon = Some(number),
            Slot::AccuracyM => self.accuracy_m = Some(number),
            Slot::Accuracy68M => self.accuracy_m = Some(number * RADIUS_95),
            Slot::SpeedMps => self.speed_mps = Some(number),
            // Within their bounds they fit.
            Slot::Mcc => self.mcc = Some(number as i64),
            Slot::Mnc => self.mnc = Some(number as i64),
            Slot::CellId => cell.cell_id = Some(number as u64),
            Slot::Tac => cell.tac = Some(number as u32),
            Slot::Lac => cell.lac = Some(number as u32),
            Slot::Pci => cell.pci = Some(number as u16),
            Slot::Arfcn => cell.arfcn = Some(number as u32),
            Slot::RsrpDbm => cell.rsrp_dbm = Some(number as f32),
            Slot::RsrqDb => cell.rsrq_db = Some(number as f32),
            Slot::SinrDb => cell.sinr_db = Some(number as f32),
            Slot::RssiDbm => cell.rssi_dbm = Some(number as f32),
            Slot::RscpDbm => cell.rscp_dbm = Some(number as f32),
            _ => cell.ecio_db = Some(number as f32),
        }
    }

    fn reading(&mut self) -> Result<(Uplink, Reading), String> {
        if let Some((mcc, mnc)) = self.mcc.zip(self.mnc) {
            (self.cell.mcc, self.cell.mnc) = phones::plmn_parts(mcc, mnc).unzip();
        }
        let own = self.cell.mcc.as_ref().zip(self.cell.mnc.as_ref()).map(|(mcc, mnc)| format!("{mcc}-{mnc}"));
        if let (None, Some((mcc, mnc))) = (&own, self.serving_plmn.as_ref().and_then(|plmn| plmn.split_once('-'))) {
            (self.cell.mcc, self.cell.mnc) = (Some(mcc.to_owned()), Some(mnc.to_owned()));
        }
        let cell = std::mem::take(&mut self.cell);
        let levels = [cell.rsrp_dbm, cell.rscp_dbm, cell.rssi_dbm, cell.rsrq_db, cell.sinr_db, cell.ecio_db];
        let heard = levels.iter().any(Option::is_some);
        let serves = cell.serving != Some(false);
        let mut uplink = Uplink {
            interface: self.interface.take().unwrap_or_else(|| "import".to_owned()),
            provider: None,
            sim_plmn: self.sim_plmn.take(),
            serving_plmn: self.serving_plmn.take().or(own).filter(|_| serves),
            roaming: None,
            service_state: self.state,
            technology: cell.technology.filter(|_| serves),
            rrc: None,
            self_load: None,
        };
        let reading = match (heard, self.state) {
            (true, _) if serves => {
                let cell = RadioCell { serving: Some(true), ..cell };
                Reading::Radio(RadioReading { cells: vec![cell], ..RadioReading::default() })
            }
            (true, _) => Reading::Neighbours(Neighbours { cells: vec![cell], raw: None }),
            (false, None) => return Err("the line says no level and no service state".to_owned()),
            (false, Some(state)) => {
                let stat = match state {
                    ServiceState::None => RegistrationStat::Unknown,
                    ServiceState::Limited => RegistrationStat::EmergencyOnly,
                    ServiceState::Home => RegistrationStat::Home,
                    ServiceState::Roaming => RegistrationStat::Roaming,
                };
                if state == ServiceState::None {
                    (uplink.serving_plmn, uplink.technology) = (None, None);
                }
                Reading::Registration(RegistrationReading::new(stat))
            }
        };
        Ok((uplink, reading))
    }

    fn place(&self) -> Option<Place> {
        let (lat, lon) = self.lat.zip(self.lon)?;
        Some(Place {
            lat,
            lon,
            accuracy_m: self.accuracy_m.map(|metres| metres as f32),
            source: PlaceSource::Gps,
            fix_age_s: None,
            speed_mps: self.speed_mps.map(|speed| speed as f32),
        })
    }
}

fn wrong(slot: Slot, text: &str, wanted: &str) -> String {
    format!("{} is `{}`: {wanted}", slot.name(), cut(text))
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}
