//! The modem's own satellite receiver, as `GetLocation` shows it.
//!
//! In: what ModemManager remembers of GPS. Out: a [`Fix`] when it moved on. Refuses to know: how the receiver is
//! switched on. Limits: ModemManager keeps sentences for 30 s and more, so only a clock that went on since the last
//! look is of now.

use super::nmea;
use super::value::Value;
use super::words::{NMEA, RAW};
use crate::device::position::Fix;
use phusong_protocol::PlaceSource;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Receiver {
    /// Its UTC at the last look, as it says it.
    clock: Option<String>,
}

impl Receiver {
    pub fn fix(&mut self, places: &BTreeMap<u32, Value>, now_mono_ms: u64) -> Option<Fix> {
        let raw = places.get(&RAW).map(Value::props).unwrap_or_default();
        let sentences = places.get(&NMEA).and_then(Value::text);
        let valid = sentences.and_then(nmea::rmc);
        // Where there are sentences, they say whether there is a fix.
        let void = sentences.is_some_and(|text| text.contains("RMC,")) && valid.is_none();
        let clock = valid.as_ref().map(|rmc| rmc.utc_ms.to_string()).or_else(|| raw.owned("utc-time"))?;
        let before = self.clock.replace(clock.clone());
        if void || before.is_none_or(|before| before == clock) {
            return None;
        }
        let (lat, lon) = match &valid {
            Some(rmc) => (rmc.lat, rmc.lon),
            None => (raw.real("latitude")?, raw.real("longitude")?),
        };
        let good = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
        good.then_some(Fix {
            at_mono_ms: now_mono_ms,
            lat,
            lon,
            accuracy_m: None,
            altitude_m: raw.real("altitude").map(|metres| metres as f32),
            speed_mps: valid.as_ref().and_then(|rmc| rmc.speed_mps),
            track_deg: valid.as_ref().and_then(|rmc| rmc.track_deg),
            source: PlaceSource::Modem,
            utc_ms: valid.as_ref().map(|rmc| rmc.utc_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(clock: &str) -> BTreeMap<u32, Value> {
        let entry = |key: &str, value| (Value::Text(key.into()), value);
        let all = vec![
            entry("utc-time", Value::Text(clock.into())),
            entry("latitude", Value::Real(21.5)),
            entry("longitude", Value::Real(104.25)),
        ];
        BTreeMap::from([(RAW, Value::Map(all))])
    }

    #[test]
    fn what_was_remembered_is_no_fix_and_what_moved_on_is_one() {
        let mut receiver = Receiver::default();
        assert_eq!(receiver.fix(&raw("120000"), 10), None, "nobody knows how old the first is");
        assert_eq!(receiver.fix(&raw("120000"), 20), None, "the same again");
        let fix = receiver.fix(&raw("120005"), 30).expect("its clock went on");
        assert_eq!((fix.lat, fix.lon, fix.at_mono_ms, fix.accuracy_m), (21.5, 104.25, 30, None));
        let mut void = raw("120010");
        void.insert(NMEA, Value::Text("$GPRMC,120010,V,,,,,,,280224,,,N*00".into()));
        assert_eq!(receiver.fix(&void, 40), None, "the receiver itself says that it has none");
    }
}
