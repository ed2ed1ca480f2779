//! A map of columns: what a CSV of another tool means.
//!
//! In: a TOML file. Out: a checked [`Map`], or the key that is wrong and what would be right. Refuses to know: rows.
//! `docs/import.md` explains every key.

use super::clock::{self, Clock};
use serde::Deserialize;
use std::collections::BTreeMap;

const MAP_BYTES: usize = 64 * 1024;

/// What a column, or a value for the whole file, says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    Lat,
    Lon,
    AccuracyM,
    Accuracy68M,
    SpeedMps,
    Interface,
    SimPlmn,
    ServingPlmn,
    ServiceState,
    Technology,
    Mcc,
    Mnc,
    CellId,
    Tac,
    Lac,
    Pci,
    Arfcn,
    Band,
    Serving,
    RsrpDbm,
    RsrqDb,
    SinrDb,
    RssiDbm,
    RscpDbm,
    EcioDb,
}

impl Slot {
    pub const ALL: [(Slot, &'static str); 25] = [
        (Slot::Lat, "lat"),
        (Slot::Lon, "lon"),
        (Slot::AccuracyM, "accuracy_m"),
        (Slot::Accuracy68M, "accuracy_68_m"),
        (Slot::SpeedMps, "speed_mps"),
        (Slot::Interface, "interface"),
        (Slot::SimPlmn, "sim_plmn"),
        (Slot::ServingPlmn, "serving_plmn"),
        (Slot::ServiceState, "service_state"),
        (Slot::Technology, "technology"),
        (Slot::Mcc, "mcc"),
        (Slot::Mnc, "mnc"),
        (Slot::CellId, "cell_id"),
        (Slot::Tac, "tac"),
        (Slot::Lac, "lac"),
        (Slot::Pci, "pci"),
        (Slot::Arfcn, "arfcn"),
        (Slot::Band, "band"),
        (Slot::Serving, "serving"),
        (Slot::RsrpDbm, "rsrp_dbm"),
        (Slot::RsrqDb, "rsrq_db"),
        (Slot::SinrDb, "sinr_db"),
        (Slot::RssiDbm, "rssi_dbm"),
        (Slot::RscpDbm, "rscp_dbm"),
        (Slot::EcioDb, "ecio_db"),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// What its number may be; `None` for a text.
    pub const fn bounds(self) -> Option<(f64, f64)> {
        Some(match self {
            Slot::Lat => (-90.0, 90.0),
            Slot::Lon => (-180.0, 180.0),
            Slot::AccuracyM | Slot::Accuracy68M => (0.0, 1e7),
            Slot::SpeedMps => (0.0, 1_000.0),
            Slot::Mcc => (100.0, 999.0),
            Slot::Mnc => (0.0, 999.0),
            Slot::CellId => (0.0, 68_719_476_735.0),
            Slot::Tac => (0.0, 16_777_215.0),
            Slot::Lac => (0.0, 65_535.0),
            Slot::Pci => (0.0, 1_007.0),
            Slot::Arfcn => (0.0, 3_279_165.0),
            Slot::RsrpDbm => (-160.0, -20.0),
            Slot::RsrqDb => (-50.0, 25.0),
            Slot::SinrDb => (-30.0, 50.0),
            Slot::RssiDbm => (-150.0, 0.0),
            Slot::RscpDbm => (-140.0, -20.0),
            Slot::EcioDb => (-40.0, 10.0),
            _ => return None,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    delimiter: Option<String>,
    decimal: Option<String>,
    comment: Option<String>,
    #[serde(default)]
    skip_lines: u32,
    time: clock::Settings,
    fields: BTreeMap<String, FieldText>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldText {
    column: Option<String>,
    value: Option<toml::Value>,
    unit: Option<String>,
    scale: Option<f64>,
    offset: Option<f64>,
    base: Option<u32>,
    #[serde(default)]
    absent: Vec<String>,
    #[serde(default)]
    values: BTreeMap<String, String>,
}

/// One field: where it comes from, and how its text becomes its value.
#[derive(Debug, Clone)]
pub struct Field {
    pub slot: Slot,
    pub from: Source,
    pub scale: f64,
    pub offset: f64,
    /// 10, or 16 of hexadecimal identities.
    pub base: u32,
    /// Texts that mean that nothing is known.
    pub absent: Vec<String>,
    /// The text of the file, and the word that it stands for.
    pub values: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    Column(String),
    Value(String),
}

#[derive(Debug, Clone)]
pub struct Map {
    pub delimiter: u8,
    pub decimal_comma: bool,
    pub comment: Option<u8>,
    pub skip_lines: u32,
    pub time_columns: Vec<String>,
    pub clock: Clock,
    pub fields: Vec<Field>,
}

impl Map {
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAP_BYTES {
            return Err(format!("{} bytes; a map has at most {MAP_BYTES}", text.len()));
        }
        let text: Text = toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
        let clock = Clock::of(&text.time)?;
        let time_columns = match (text.time.column, text.time.columns) {
            (Some(column), None) => vec![column],
            (None, Some(columns)) if !columns.is_empty() => columns,
            _ => return Err("time: write column = \"..\", or columns = [\"..\", \"..\"]".into()),
        };
        let fields = text.fields.iter().map(|(key, field)| read(key, field)).collect::<Result<Vec<_>, _>>()?;
        let has = |slot| fields.iter().any(|field: &Field| field.slot == slot);
        if has(Slot::Lat) != has(Slot::Lon) {
            return Err("fields: lat and lon stand together or not at all".into());
        }
        if has(Slot::Mcc) != has(Slot::Mnc) {
            return Err("fields: mcc and mnc stand together or not at all".into());
        }
        let levels = Slot::ALL.map(|(slot, _)| slot).into_iter().filter(|slot| *slot >= Slot::RsrpDbm);
        if !levels.chain([Slot::ServiceState]).any(has) {
            return Err(
                "fields: nothing is measured: map rsrp_dbm, rssi_dbm, rscp_dbm or service_state at least".into()
            );
        }
        Ok(Map {
            delimiter: one("delimiter", text.delimiter.as_deref(), b',')?,
            decimal_comma: match text.decimal.as_deref() {
                None | Some(".") => false,
                Some(",") => true,
                Some(other) => return Err(format!("decimal: `{other}` is not known: write \".\" or \",\"")),
            },
            comment: text.comment.as_deref().map(|text| one("comment", Some(text), b'#')).transpose()?,
            skip_lines: text.skip_lines,
            time_columns,
            clock,
            fields,
        })
    }
}

fn one(key: &str, text: Option<&str>, default: u8) -> Result<u8, String> {
    match text {
        None => Ok(default),
        Some("tab" | "\t") => Ok(b'\t'),
        Some(text) if text.len() == 1 => Ok(text.as_bytes()[0]),
        Some(text) => {
            Err(format!("{key}: `{text}` is not one ASCII character; write \";\", \",\", \"tab\" or the like"))
        }
    }
}

fn read(key: &str, text: &FieldText) -> Result<Field, String> {
    let slot = Slot::ALL.iter().find(|(_, name)| *name == key).map(|(slot, _)| *slot);
    let slot = slot.ok_or_else(|| {
        let all = Slot::ALL.map(|(_, name)| name).join(", ");
        format!("fields.{key} is not known; these are: {all}")
    })?;
    let from = match (&text.column, &text.value) {
        (Some(column), None) => Source::Column(column.clone()),
        (None, Some(toml::Value::String(value))) => Source::Value(value.clone()),
        (None, Some(value @ (toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_)))) => {
            Source::Value(value.to_string())
        }
        _ => return Err(format!("fields.{key}: write column = \"..\", or value = .. for the whole file")),
    };
    let is_number = slot.bounds().is_some();
    if !is_number && (text.scale.is_some() || text.offset.is_some() || text.unit.is_some() || text.base.is_some()) {
        return Err(format!("fields.{key} is a text: unit, scale, offset and base are of numbers"));
    }
    let unit = match (slot, text.unit.as_deref()) {
        (_, None) => 1.0,
        (Slot::SpeedMps, Some("m/s")) | (Slot::AccuracyM | Slot::Accuracy68M, Some("m")) => 1.0,
        (Slot::SpeedMps, Some("km/h")) => 1.0 / 3.6,
        (Slot::SpeedMps, Some("kn")) => 1_852.0 / 3_600.0,
        (Slot::AccuracyM | Slot::Accuracy68M, Some("km")) => 1_000.0,
        (slot, Some("dB" | "dBm")) if slot >= Slot::RsrpDbm => 1.0,
        (slot, Some("0.1 dB" | "0.1 dBm")) if slot >= Slot::RsrpDbm => 0.1,
        (_, Some(unit)) => {
            return Err(format!(
                "fields.{key}: the unit `{unit}` is not known here: m/s, km/h, kn of a speed, m, km of an accuracy, dB, dBm, \
                 0.1 dB, 0.1 dBm of a level; or give scale and offset"
            ));
        }
    };
    let base = text.base.unwrap_or(10);
    if !matches!(base, 10 | 16) {
        return Err(format!("fields.{key}.base: {base} is not known: write 10 or 16"));
    }
    Ok(Field {
        slot,
        from,
        scale: unit * text.scale.unwrap_or(1.0),
        offset: text.offset.unwrap_or(0.0),
        base,
        absent: text.absent.clone(),
        values: text.values.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "[time]\ncolumn = \"t\"\nformat = \"unix_s\"\n";

    #[test]
    fn names_and_slots_agree() {
        for (at, (slot, name)) in Slot::ALL.into_iter().enumerate() {
            assert_eq!((slot as usize, slot.name()), (at, name));
        }
    }

    #[test]
    fn a_map_that_is_wrong_says_where_and_what_would_be_right() {
        let rsrp = "[fields.rsrp_dbm]\ncolumn = \"RSRP\"\n";
        assert!(Map::parse(&format!("{TIME}{rsrp}")).is_ok());
        for (text, says) in [
            (format!("{TIME}[fields.rsrp]\ncolumn = \"RSRP\"\n"), "fields.rsrp is not known; these are: lat"),
            (format!("{TIME}[fields.rsrp_dbm]\n"), "fields.rsrp_dbm: write column"),
            (format!("{TIME}{rsrp}unit = \"volt\"\n"), "the unit `volt` is not known here"),
            (format!("{TIME}{rsrp}[fields.lat]\ncolumn = \"x\"\n"), "lat and lon stand together"),
            (format!("{TIME}[fields.lat]\ncolumn = \"x\"\n[fields.lon]\ncolumn = \"y\"\n"), "nothing is measured"),
            (format!("{TIME}{rsrp}[fields.technology]\nvalue = \"lte\"\nscale = 2.0\n"), "technology is a text"),
            (format!("decimal = \"'\"\n{TIME}{rsrp}"), "decimal: `'` is not known"),
            (format!("delimiter = \"ab\"\n{TIME}{rsrp}"), "delimiter: `ab` is not one"),
            (format!("{TIME}{rsrp}[fields.cell_id]\ncolumn = \"c\"\nbase = 8\n"), "base: 8 is not known"),
            (rsrp.to_owned(), "missing field `time`"),
            (format!("colour = 1\n{TIME}{rsrp}"), "unknown field `colour`"),
        ] {
            let error = Map::parse(&text).expect_err(says);
            assert!(error.contains(says), "{error}");
        }
    }
}
