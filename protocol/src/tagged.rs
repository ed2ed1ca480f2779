//! Reads a [`Reading`] from JSON: an object whose `kind` says which fields follow.
//!
//! Where `kind` comes first, as in everything that we write, the fields are read as they come; serde's derived code
//! would gather them all in memory before it looks at the first. Any other order is read by way of a JSON value.

use crate::kind::{Reading, ReadingKind};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

const KIND: &str = "kind";

impl<'de> Deserialize<'de> for Reading {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Tagged)
    }
}

struct Tagged;

impl<'de> Visitor<'de> for Tagged {
    type Value = Reading;

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("a reading: an object with its `kind` and the fields of that kind")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Reading, A::Error> {
        let Some(first) = map.next_key::<Cow<'_, str>>()? else { return Err(A::Error::missing_field(KIND)) };
        if first == KIND {
            let kind = kind(&map.next_value::<Cow<'_, str>>()?)?;
            return reading(kind, MapAccessDeserializer::new(map));
        }
        let mut fields = serde_json::Map::new();
        fields.insert(first.into_owned(), map.next_value()?);
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if fields.insert(name, value).is_some() {
                return Err(A::Error::custom("a field of the reading stands there twice"));
            }
        }
        let named = fields.remove(KIND).ok_or_else(|| A::Error::missing_field(KIND))?;
        let named = named.as_str().ok_or_else(|| A::Error::custom("`kind` must be a text"))?;
        reading(kind(named)?, Value::Object(fields)).map_err(A::Error::custom)
    }
}

fn kind<E: Error>(name: &str) -> Result<ReadingKind, E> {
    let known = ReadingKind::ALL.into_iter().find(|kind| kind.name() == name);
    known.ok_or_else(|| E::custom(format_args!("unknown kind of reading `{name}`")))
}

fn reading<'de, D: Deserializer<'de>>(kind: ReadingKind, fields: D) -> Result<Reading, D::Error> {
    use ReadingKind as K;
    Ok(match kind {
        K::Latency => Reading::Latency(Deserialize::deserialize(fields)?),
        K::Tcp => Reading::Tcp(Deserialize::deserialize(fields)?),
        K::Dns => Reading::Dns(Deserialize::deserialize(fields)?),
        K::Http => Reading::Http(Deserialize::deserialize(fields)?),
        K::Throughput => Reading::Throughput(Deserialize::deserialize(fields)?),
        K::LoadedLatency => Reading::LoadedLatency(Deserialize::deserialize(fields)?),
        K::Radio => Reading::Radio(Deserialize::deserialize(fields)?),
        K::Registration => Reading::Registration(Deserialize::deserialize(fields)?),
        K::Neighbours => Reading::Neighbours(Deserialize::deserialize(fields)?),
        K::Scan => Reading::Scan(Deserialize::deserialize(fields)?),
        K::Position => Reading::Position(Deserialize::deserialize(fields)?),
        K::Power => Reading::Power(Deserialize::deserialize(fields)?),
        K::Link => Reading::Link(Deserialize::deserialize(fields)?),
        K::Boot => Reading::Boot(Deserialize::deserialize(fields)?),
        K::Clock => Reading::Clock(Deserialize::deserialize(fields)?),
        K::Health => Reading::Health(Deserialize::deserialize(fields)?),
        K::Summary => Reading::Summary(Deserialize::deserialize(fields)?),
        K::Drop => Reading::Drop(Deserialize::deserialize(fields)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::PowerReading;

    #[test]
    fn any_order_reads_the_same_and_a_mistake_is_named() {
        let read = |text: &str| serde_json::from_str::<Reading>(text).map_err(|e| e.to_string());
        let latency = r#""sent":3,"rtt_us":[1200,1300,1250]"#;
        let first = read(&format!(r#"{{"kind":"latency",{latency}}}"#)).expect("kind first");
        assert_eq!(read(&format!(r#"{{{latency},"kind":"latency"}}"#)), Ok(first));
        for (text, says) in [
            ("{}".to_owned(), "kind"),
            (r#"{"kind":"smell"}"#.to_owned(), "`smell`"),
            (format!(r#"{{{latency},"kind":7}}"#), "must be a text"),
            (format!(r#"{{{latency},"sent":4,"kind":"latency"}}"#), "twice"),
            (format!(r#"{{"kind":"latency",{latency},"kind":"latency"}}"#), "kind"),
            (format!(r#"{{"kind":"latency",{latency},"colour":1}}"#), "colour"),
            (format!(r#"{{{latency},"colour":1,"kind":"latency"}}"#), "colour"),
        ] {
            let error = read(&text).expect_err(&text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let power = Reading::Power(PowerReading { mains: Some(false), ..PowerReading::default() });
        let text = serde_json::to_string(&power).expect("JSON");
        assert!(text.starts_with(r#"{"kind":"power""#), "{text}");
        assert_eq!(serde_json::from_str::<Reading>(&text).expect(&text), power);
    }
}
