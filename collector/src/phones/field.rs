//! The fields of Network Survey's records that are taken, and what each source calls them.
//!
//! In: a kind of record and a field. Out: its name in messages and CSV logs, and in GeoPackage logs. Refuses to know:
//! values. Names as of messaging API 1.6 and of the app's logs of that time; what is not listed is left where it is.

use serde_json::{Map, Value as Json};

/// The kinds of records that become samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Gsm,
    Umts,
    Lte,
    Nr,
    PhoneState,
    DeviceStatus,
}

impl Kind {
    pub const ALL: [Kind; 6] = [Kind::Gsm, Kind::Umts, Kind::Lte, Kind::Nr, Kind::PhoneState, Kind::DeviceStatus];

    /// As messages say it; the identity of a record is made of it, whatever it came by.
    pub const fn message_type(self) -> &'static str {
        match self {
            Kind::Gsm => "GsmRecord",
            Kind::Umts => "UmtsRecord",
            Kind::Lte => "LteRecord",
            Kind::Nr => "NrRecord",
            Kind::PhoneState => "PhoneState",
            Kind::DeviceStatus => "DeviceStatus",
        }
    }

    pub fn of_message(message_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.message_type() == message_type)
    }

    /// Its table in a GeoPackage log; the state of the device is not logged there.
    pub const fn table(self) -> Option<&'static str> {
        match self {
            Kind::Gsm => Some("GSM_MESSAGE"),
            Kind::Umts => Some("UMTS_MESSAGE"),
            Kind::Lte => Some("LTE_MESSAGE"),
            Kind::Nr => Some("NR_MESSAGE"),
            Kind::PhoneState => Some("PHONE_STATE_MESSAGE"),
            Kind::DeviceStatus => None,
        }
    }

    /// A column that no other kind's CSV log has, beside `deviceTime`.
    const fn mark(self) -> &'static str {
        match self {
            Kind::Gsm => "bsic",
            Kind::Umts => "uarfcn",
            Kind::Lte => "earfcn",
            Kind::Nr => "narfcn",
            Kind::PhoneState => "simState",
            Kind::DeviceStatus => "batteryLevelPercent",
        }
    }

    /// The kind of a CSV log with these columns.
    pub fn of_columns<'a>(columns: impl Iterator<Item = &'a str> + Clone) -> Option<Self> {
        let has = |name: &str| columns.clone().any(|column| column == name);
        if !has("deviceTime") {
            return None;
        }
        Self::ALL.into_iter().find(|kind| has(kind.mark()))
    }

    pub const fn is_cell(self) -> bool {
        matches!(self, Kind::Gsm | Kind::Umts | Kind::Lte | Kind::Nr)
    }
}

/// What is read of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    Time,
    Latitude,
    Longitude,
    Speed,
    Accuracy,
    Mission,
    Number,
    Mcc,
    Mnc,
    /// Location or tracking area.
    Area,
    Cell,
    Channel,
    /// Physical cell identity; of UMTS the primary scrambling code.
    Pci,
    /// RSRP or SS-RSRP.
    Rsrp,
    Rsrq,
    Sinr,
    Rssi,
    Rscp,
    EcNo,
    Serving,
    Slot,
    SimState,
    SimOperator,
    Registrations,
    Battery,
}

impl Field {
    pub const ALL: [Field; 25] = [
        Field::Time,
        Field::Latitude,
        Field::Longitude,
        Field::Speed,
        Field::Accuracy,
        Field::Mission,
        Field::Number,
        Field::Mcc,
        Field::Mnc,
        Field::Area,
        Field::Cell,
        Field::Channel,
        Field::Pci,
        Field::Rsrp,
        Field::Rsrq,
        Field::Sinr,
        Field::Rssi,
        Field::Rscp,
        Field::EcNo,
        Field::Serving,
        Field::Slot,
        Field::SimState,
        Field::SimOperator,
        Field::Registrations,
        Field::Battery,
    ];

    /// Its name in messages and CSV logs of a kind; `None` where the kind has no such field.
    pub const fn name(self, kind: Kind) -> Option<&'static str> {
        use Field as F;
        use Kind as K;
        let cell = kind.is_cell();
        Some(match (self, kind) {
            (F::Time, _) => "deviceTime",
            (F::Latitude, _) => "latitude",
            (F::Longitude, _) => "longitude",
            (F::Speed, _) => "speed",
            (F::Accuracy, _) => "accuracy",
            (F::Battery, K::DeviceStatus) => "batteryLevelPercent",
            (_, K::DeviceStatus) => return None,
            (F::Mission, _) => "missionId",
            (F::Number, _) => "recordNumber",
            (F::Slot, _) => "slot",
            (F::SimState, K::PhoneState) => "simState",
            (F::SimOperator, K::PhoneState) => "simOperator",
            (F::Registrations, K::PhoneState) => "networkRegistrationInfo",
            (F::Mcc, _) if cell => "mcc",
            (F::Mnc, _) if cell => "mnc",
            (F::Serving, _) if cell => "servingCell",
            (F::Area, K::Gsm | K::Umts) => "lac",
            (F::Area, K::Lte | K::Nr) => "tac",
            (F::Cell, K::Gsm) => "ci",
            (F::Cell, K::Umts) => "cid",
            (F::Cell, K::Lte) => "eci",
            (F::Cell, K::Nr) => "nci",
            (F::Channel, K::Gsm) => "arfcn",
            (F::Channel, K::Umts) => "uarfcn",
            (F::Channel, K::Lte) => "earfcn",
            (F::Channel, K::Nr) => "narfcn",
            (F::Pci, K::Umts) => "psc",
            (F::Pci, K::Lte | K::Nr) => "pci",
            (F::Rsrp, K::Lte) => "rsrp",
            (F::Rsrp, K::Nr) => "ssRsrp",
            (F::Rsrq, K::Lte) => "rsrq",
            (F::Rsrq, K::Nr) => "ssRsrq",
            (F::Sinr, K::Lte) => "snr",
            (F::Sinr, K::Nr) => "ssSinr",
            (F::Rssi, K::Gsm | K::Umts | K::Lte) => "signalStrength",
            (F::Rscp, K::Umts) => "rscp",
            (F::EcNo, K::Umts) => "ecno",
            _ => return None,
        })
    }

    /// Its column in a GeoPackage log, without regard to case. Positions stand in the geometry there.
    pub const fn column(self, kind: Kind) -> Option<&'static str> {
        use Field as F;
        use Kind as K;
        match (self, kind) {
            (F::Latitude | F::Longitude, _) => None,
            (F::Time, K::Gsm | K::Umts | K::Lte | K::PhoneState) => Some("Time"),
            (F::Cell, K::Gsm) => Some("CID"),
            (F::Cell, K::Umts) => Some("Cell ID"),
            (F::Channel, K::Lte) => Some("DL_EARFCN"),
            (F::Pci, K::Lte) => Some("Phys_Cell_ID"),
            (F::Rssi, K::Gsm | K::Umts) => Some("Signal Strength"),
            (F::Serving, K::Gsm | K::Umts | K::Lte) => Some("Serving Cell"),
            _ => self.name(kind),
        }
    }
}

/// One value as its source holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    Text(&'a str),
    Int(i64),
    Real(f64),
    Bool(bool),
    Json(&'a Json),
}

/// One record of whatever source.
pub trait Row {
    /// `None` where the source says nothing.
    fn get(&self, field: Field) -> Option<Value<'_>>;
}

/// The `data` of a message.
pub struct Data<'a> {
    pub kind: Kind,
    pub fields: &'a Map<String, Json>,
}

impl Row for Data<'_> {
    fn get(&self, field: Field) -> Option<Value<'_>> {
        Some(match self.fields.get(field.name(self.kind)?)? {
            Json::Null => return None,
            Json::Bool(value) => Value::Bool(*value),
            Json::String(text) => Value::Text(text),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::Int(whole),
                None => Value::Real(number.as_f64()?),
            },
            other => Value::Json(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_log_is_known_by_its_columns() {
        let cell = ["deviceTime", "latitude", "longitude", "mcc", "mnc"];
        for kind in Kind::ALL {
            let all: Vec<&str> = Field::ALL.iter().filter_map(|field| field.name(kind)).chain(["bsic"; 1]).collect();
            let own = all.iter().copied().filter(|name| *name != "bsic" || kind == Kind::Gsm);
            assert_eq!(Kind::of_columns(own), Some(kind));
        }
        assert_eq!(Kind::of_columns(cell.into_iter()), None);
        assert_eq!(Kind::of_columns(["Time", "earfcn"].into_iter()), None);
    }
}
