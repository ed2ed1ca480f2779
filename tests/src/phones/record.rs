//! Records of the app and the three forms in which it gives them away.
//!
//! In: fields by the names of its messages. Out: JSON, CSV, GeoPackage. The names of columns and the shape of the files
//! are those of messaging API 1.6 and of the app's own logs.

use anyhow::Result;
use rusqlite::{Connection, ToSql, params_from_iter};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::Path;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// One record.
#[derive(Debug, Clone)]
pub struct Record {
    pub kind: &'static str,
    pub at_ms: i64,
    fields: Map<String, Value>,
}

/// A moment as phones in Vietnam write it.
pub fn stamp(ms: i64) -> String {
    let seven = UtcOffset::from_hms(7, 0, 0).expect("there is such a zone");
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).expect("a moment of this century");
    at.to_offset(seven).format(&Rfc3339).expect("it is within four digits of years")
}

impl Record {
    pub fn new(kind: &'static str, number: u32, at_ms: i64, fields: &Value) -> Self {
        let common = json!({
            "deviceSerialNumber": "d41a", "deviceTime": stamp(at_ms), "missionId": "NS d41a 20261122-100000",
            "recordNumber": number,
        });
        let mut all = common.as_object().expect("an object").clone();
        all.extend(fields.as_object().expect("an object").clone());
        Record { kind, at_ms, fields: all }
    }

    /// A serving LTE cell of Viettel in slot 1, at a place.
    pub fn lte(number: u32, at_ms: i64) -> Self {
        let fields = json!({
            "groupNumber": 3, "latitude": 21.8644, "longitude": 105.5436, "altitude": 120.5, "accuracy": 10, "speed": 1.5,
            "mcc": 452, "mnc": 4, "tac": 20_881, "eci": 79_221_507, "earfcn": 1_450, "pci": 331, "rsrp": -101.0,
            "rsrq": -11.0, "snr": 6.0, "signalStrength": -71.0, "ta": 2, "servingCell": true,
            "lteBandwidth": "MHZ_20", "provider": "Viettel", "slot": 1,
        });
        Self::new("LteRecord", number, at_ms, &fields)
    }

    pub fn nr(number: u32, at_ms: i64) -> Self {
        let fields = json!({
            "groupNumber": 4, "latitude": 21.8650, "longitude": 105.5440, "accuracy": 8, "mcc": 452, "mnc": 4, "tac": 1_000,
            "nci": "68719476735", "narfcn": 640_704, "pci": 1_007, "ssRsrp": -95.0, "ssRsrq": -11.0, "ssSinr": 12.5,
            "servingCell": true, "slot": 1,
        });
        Self::new("NrRecord", number, at_ms, &fields)
    }

    /// Registered at home, or refused with a cause.
    pub fn state(number: u32, at_ms: i64, reject_cause: u16) -> Self {
        let cell = json!({ "mcc": 452, "mnc": 4, "tac": 20_881, "eci": 79_221_507, "earfcn": 1_450, "pci": 331 });
        let info = json!({ "domain": "PS", "accessNetworkTechnology": "LTE", "roaming": false,
                           "rejectCause": reject_cause, "cellIdentityLte": cell });
        let fields = json!({ "latitude": 21.8644, "longitude": 105.5436, "accuracy": 10, "simState": "READY",
                             "simOperator": "45204", "slot": 1, "networkRegistrationInfo": [info] });
        Self::new("PhoneState", number, at_ms, &fields)
    }

    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.fields.insert(field.to_owned(), value);
        self
    }

    pub fn topic(&self) -> &'static str {
        match self.kind {
            "GsmRecord" => "gsm_message",
            "UmtsRecord" => "umts_message",
            "LteRecord" => "lte_message",
            "NrRecord" => "nr_message",
            _ => "device_status_message",
        }
    }

    /// What is published, under the name that the phone was given.
    pub fn message(&self, name: &str) -> Vec<u8> {
        let mut data = self.fields.clone();
        data.insert("deviceName".to_owned(), json!(name));
        json!({ "version": "1.6.0", "messageType": self.kind, "data": data }).to_string().into_bytes()
    }

    fn text(&self, field: &str) -> String {
        // The app writes zeros where it knows nothing of these.
        let zero = ["latitude", "longitude", "altitude", "speed"].contains(&field);
        match self.fields.get(field) {
            Some(Value::String(text)) => text.clone(),
            Some(list @ Value::Array(_)) => list.to_string(),
            Some(value) => value.to_string(),
            None if zero => "0.0".to_owned(),
            None if field == "accuracy" => "0".to_owned(),
            None => String::new(),
        }
    }
}

/// A CSV log of records of one kind.
pub struct CsvLog(String);

const COMMON: &str = "deviceTime,latitude,longitude,altitude,speed,accuracy,missionId,recordNumber,";

impl CsvLog {
    fn columns(kind: &str) -> String {
        let own = match kind {
            "LteRecord" => {
                "groupNumber,mcc,mnc,tac,eci,earfcn,pci,rsrp,rsrq,ta,servingCell,lteBandwidth,provider,signalStrength,cqi,\
                 slot,snr,deviceSerialNumber"
            }
            "NrRecord" => {
                "groupNumber,mcc,mnc,tac,nci,narfcn,pci,ssRsrp,ssRsrq,ssSinr,csiRsrp,csiRsrq,csiSinr,ta,servingCell,provider,\
                 slot,deviceSerialNumber"
            }
            _ => "simState,simOperator,networkRegistrationInfo,deviceSerialNumber,slot,nonTerrestrialNetwork",
        };
        format!("{COMMON}{own}")
    }

    pub fn of(records: &[Record]) -> Self {
        let kind = records.first().map_or("LteRecord", |record| record.kind);
        let columns = Self::columns(kind);
        let mut text = format!("# Created by Network Survey version=1.33\r\n# CSV Version=0.3.0\r\n{columns}\r\n");
        for record in records {
            let cell = |name: &str| {
                let value = record.text(name);
                let quoted = value.contains([',', '"']);
                if quoted { format!("\"{}\"", value.replace('"', "\"\"")) } else { value }
            };
            let line: Vec<String> = columns.split(',').map(cell).collect();
            writeln!(text, "{}\r", line.join(",")).expect("memory takes it");
        }
        CsvLog(text)
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    pub fn write(&self, file: &Path) -> Result<()> {
        Ok(std::fs::write(file, &self.0)?)
    }
}

/// A GeoPackage log: the app's tables of LTE, NR and states, as SQLite.
pub struct GeoLog(Connection);

/// Of which message, its name, its columns with their types.
type Table = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const TABLES: [Table; 3] = [
    (
        "LteRecord",
        "LTE_MESSAGE",
        &[
            ("deviceSerialNumber", "deviceSerialNumber"),
            ("Time", "deviceTime"),
            ("MissionId", "missionId"),
            ("RecordNumber", "recordNumber"),
            ("speed", "speed"),
            ("accuracy", "accuracy"),
            ("GroupNumber", "groupNumber"),
            ("Serving Cell", "servingCell"),
            ("Provider", "provider"),
            ("slot", "slot"),
            ("MCC", "mcc"),
            ("MNC", "mnc"),
            ("TAC", "tac"),
            ("ECI", "eci"),
            ("DL_EARFCN", "earfcn"),
            ("Phys_Cell_ID", "pci"),
            ("RSRP", "rsrp"),
            ("RSRQ", "rsrq"),
            ("TA", "ta"),
            ("DL_Bandwidth", "bandwidth"),
            ("signalStrength", "signalStrength"),
            ("cqi", "cqi"),
            ("snr", "snr"),
        ],
    ),
    (
        "NrRecord",
        "NR_MESSAGE",
        &[
            ("deviceSerialNumber", "deviceSerialNumber"),
            ("deviceTime", "deviceTime"),
            ("latitude", "nothing"),
            ("longitude", "nothing"),
            ("missionId", "missionId"),
            ("recordNumber", "recordNumber"),
            ("groupNumber", "groupNumber"),
            ("speed", "speed"),
            ("accuracy", "accuracy"),
            ("mcc", "mcc"),
            ("mnc", "mnc"),
            ("tac", "tac"),
            ("nci", "nci"),
            ("narfcn", "narfcn"),
            ("pci", "pci"),
            ("ssRsrp", "ssRsrp"),
            ("ssRsrq", "ssRsrq"),
            ("ssSinr", "ssSinr"),
            ("servingCell", "servingCell"),
            ("provider", "provider"),
            ("slot", "slot"),
        ],
    ),
    (
        "PhoneState",
        "PHONE_STATE_MESSAGE",
        &[
            ("deviceSerialNumber", "deviceSerialNumber"),
            ("Time", "deviceTime"),
            ("MissionId", "missionId"),
            ("RecordNumber", "recordNumber"),
            ("speed", "speed"),
            ("accuracy", "accuracy"),
            ("latitude", "latitude"),
            ("longitude", "longitude"),
            ("simState", "simState"),
            ("simOperator", "simOperator"),
            ("slot", "slot"),
            ("networkRegistrationInfo", "networkRegistrationInfo"),
        ],
    ),
];

impl GeoLog {
    pub fn create(file: &Path) -> Result<Self> {
        let db = Connection::open(file)?;
        // "GPKG", as the standard says of the header.
        db.execute_batch("PRAGMA application_id = 1196444487;")?;
        for (_, table, columns) in TABLES {
            let columns: Vec<String> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            db.execute_batch(&format!(
                "CREATE TABLE {table} (id INTEGER PRIMARY KEY AUTOINCREMENT, geom BLOB, {})",
                columns.join(", ")
            ))?;
        }
        Ok(GeoLog(db))
    }

    pub fn add(&self, record: &Record) -> Result<()> {
        let (_, table, columns) = TABLES.iter().find(|(kind, ..)| *kind == record.kind).expect("one of three");
        let degrees = |field: &str| record.fields.get(field).and_then(Value::as_f64).unwrap_or(0.0);
        let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(point(degrees("longitude"), degrees("latitude")))];
        for (_, field) in *columns {
            values.push(match record.fields.get(*field) {
                _ if *field == "deviceTime" => Box::new(record.at_ms),
                Some(Value::Bool(value)) => Box::new(*value),
                Some(Value::Number(number)) if number.is_i64() => Box::new(number.as_i64()),
                Some(Value::Number(number)) => Box::new(number.as_f64()),
                Some(Value::String(text)) if *field == "nci" => Box::new(text.parse::<i64>()?),
                Some(Value::String(text)) => Box::new(text.clone()),
                Some(other) => Box::new(other.to_string()),
                None if ["speed", "accuracy"].contains(field) => Box::new(0),
                None => Box::new(Option::<i64>::None),
            });
        }
        let names: Vec<String> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let marks = vec!["?"; values.len()].join(", ");
        let sql = format!("INSERT INTO {table} (geom, {}) VALUES ({marks})", names.join(", "));
        self.0.execute(&sql, params_from_iter(values.iter()))?;
        Ok(())
    }
}

/// A point with height, little-endian, without an envelope.
fn point(lon: f64, lat: f64) -> Vec<u8> {
    let mut bytes = vec![b'G', b'P', 0, 1];
    bytes.extend(4_326_u32.to_le_bytes());
    bytes.push(1);
    bytes.extend(1_001_u32.to_le_bytes());
    [lon, lat, 120.5].iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    bytes
}
