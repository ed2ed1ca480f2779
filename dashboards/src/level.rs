//! The four levels: their numbers, words and colours, the same in every panel and on the web map.
//!
//! In: an edition. Out: Grafana's value mappings and thresholds. Refuses to know: which metric carries a level.

use crate::edition::Edition;
use crate::text::{self, Text};
use serde_json::{Map, Value, json};

/// Where we could not test: a colour of its own, as on the web map.
pub const BLIND: &str = "#8f7cb8";

/// As the gauges count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Unknown,
    Dead,
    Weak,
    Good,
}

impl Level {
    pub const ALL: [Level; 4] = [Level::Unknown, Level::Dead, Level::Weak, Level::Good];

    pub fn number(self) -> u8 {
        match self {
            Level::Unknown => 0,
            Level::Dead => 1,
            Level::Weak => 2,
            Level::Good => 3,
        }
    }

    /// Grey is never between red and green: what was not measured is neither.
    pub fn colour(self) -> &'static str {
        match self {
            Level::Unknown => "#8f938f",
            Level::Dead => "#c4302b",
            Level::Weak => "#f2b233",
            Level::Good => "#3fa37c",
        }
    }

    pub fn word(self) -> Text {
        match self {
            Level::Unknown => text::UNKNOWN,
            Level::Dead => text::DEAD,
            Level::Weak => text::WEAK,
            Level::Good => text::GOOD,
        }
    }

    /// The label `state` of the counters; time without a result is counted by none of them.
    pub fn state(self) -> Option<&'static str> {
        match self {
            Level::Unknown => None,
            Level::Dead => Some("dead"),
            Level::Weak => Some("weak"),
            Level::Good => Some("good"),
        }
    }
}

/// What a level is called of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Cellular,
    /// A fixed link has no signal to lose.
    FixedLink,
}

/// 0 to 3 in words and colours.
pub fn mappings(edition: &Edition, of: Of) -> Value {
    let mut options = Map::new();
    for level in Level::ALL {
        let word = if of == Of::FixedLink && level == Level::Dead { text::DISCONNECTED } else { level.word() };
        let shown = json!({"text": edition.say(word), "color": level.colour(), "index": level.number()});
        options.insert(level.number().to_string(), shown);
    }
    json!([{"type": "value", "options": options}])
}

/// A moment, or 0 where it lies before what is shown.
pub fn moments(edition: &Edition) -> Value {
    json!([{"type": "value", "options": {"0": {"text": edition.say(text::EARLIER), "index": 0}}}])
}

/// A share of measured time where there was none.
pub fn unmeasured(edition: &Edition) -> Value {
    let shown = json!({"text": edition.say(text::UNKNOWN), "color": Level::Unknown.colour(), "index": 0});
    json!([{"type": "special", "options": {"match": "nan", "result": shown}}])
}

/// The same colours where a panel wants steps.
pub fn thresholds() -> Value {
    steps(&Level::ALL.map(|level| (f64::from(level.number()), level.colour())))
}

/// Ascending steps; the first holds for everything below the second.
pub fn steps(steps: &[(f64, &str)]) -> Value {
    let first = |at: usize, from: f64| if at == 0 { Value::Null } else { json!(from) };
    let list: Vec<Value> = steps
        .iter()
        .enumerate()
        .map(|(at, (from, colour))| json!({"value": first(at, *from), "color": colour}))
        .collect();
    json!({"mode": "absolute", "steps": list})
}

/// Age of data in seconds: past 15 minutes a hamlet counts as not measured, which is never red.
pub fn ages() -> Value {
    steps(&[(0.0, Level::Good.colour()), (900.0, BLIND)])
}

/// A number of probes or places that cannot be measured.
pub fn blinds() -> Value {
    steps(&[(0.0, Level::Good.colour()), (1.0, BLIND)])
}
