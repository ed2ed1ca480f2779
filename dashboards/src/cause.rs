//! The closed sets of causes, in words.
//!
//! In: an edition. Out: one override a cause, which names its bar. Refuses to know: how a cause is found.
//! Limits: a cause that is missing here is found by `make check-dashboards`.

use crate::edition::Edition;
use crate::field::{by_name, property};
use crate::text::{self, Text};
use serde_json::{Value, json};

/// Why a network did not serve.
const GAPS: [(&str, Text); 4] = [
    ("no_coverage", text::CAUSE_NO_COVERAGE),
    ("site_down", text::CAUSE_SITE_DOWN),
    ("backhaul", text::CAUSE_BACKHAUL),
    ("unknown", text::CAUSE_UNKNOWN),
];

/// Why we could not test.
const BLINDS: [(&str, Text); 6] = [
    ("power", text::CAUSE_POWER),
    ("device", text::CAUSE_DEVICE),
    ("sim", text::CAUSE_SIM),
    ("bearer", text::CAUSE_BEARER),
    ("plan", text::CAUSE_PLAN),
    ("unknown", text::CAUSE_UNKNOWN),
];

pub fn of_gaps(edition: &Edition) -> Vec<Value> {
    named(edition, &GAPS)
}

pub fn of_blinds(edition: &Edition) -> Vec<Value> {
    named(edition, &BLINDS)
}

fn named(edition: &Edition, causes: &[(&str, Text)]) -> Vec<Value> {
    let shown = |(cause, text): &(&str, Text)| by_name(cause, [property("displayName", json!(edition.say(*text)))]);
    causes.iter().map(shown).collect()
}
