//! Whether a survey may start: a pure question about facts.
//!
//! In: [`Facts`]. Out: every [`Refusal`], so that all of them are mended before the second try. Refuses to know: how the
//! facts were found. Limits: [`ROOM_BYTES`].

use super::journal::is_name;
use super::pace::FRESH_MS;
use super::{NOTE_BYTES, Refusal};

/// A week of walking, its spool, and what else the device writes meanwhile.
pub const ROOM_BYTES: u64 = 1_000_000_000;

/// What stands around a survey that is to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub name: String,
    pub note: Option<String>,
    /// A survey of this name was walked already.
    pub name_taken: bool,
    /// The survey that runs.
    pub running: Option<String>,
    pub has_receiver: bool,
    pub fix_age_ms: Option<u64>,
    /// The kernel's clock is in sync, or the receiver gives the time.
    pub has_time: bool,
    pub has_setup: bool,
    pub free_bytes: Option<u64>,
    /// There is a modem, or an uplink and a target.
    pub can_measure: bool,
    /// A modem searches for operators.
    pub scans: bool,
}

pub fn refusals(facts: &Facts) -> Vec<Refusal> {
    if let Some(name) = &facts.running {
        return vec![Refusal::Running { name: name.clone() }];
    }
    let mut refused = Vec::new();
    if !is_name(&facts.name) {
        refused.push(Refusal::BadName);
    } else if facts.name_taken {
        refused.push(Refusal::NameTaken { name: facts.name.clone() });
    }
    refused.extend(long(facts.note.as_deref()));
    refused.extend(without_fix(facts.has_receiver, facts.fix_age_ms));
    if !facts.has_time {
        refused.push(Refusal::NoTime);
    }
    if !facts.has_setup {
        refused.push(Refusal::NoSetup);
    }
    match facts.free_bytes {
        None => refused.push(Refusal::RoomUnknown),
        Some(free_bytes) if free_bytes < ROOM_BYTES => {
            refused.push(Refusal::NoRoom { free_bytes, needed_bytes: ROOM_BYTES });
        }
        Some(_) => {}
    }
    if !facts.can_measure {
        refused.push(Refusal::NothingToMeasure);
    }
    if facts.scans {
        refused.push(Refusal::Scanning);
    }
    refused
}

/// Why nothing can be said about where we are.
pub fn without_fix(has_receiver: bool, fix_age_ms: Option<u64>) -> Option<Refusal> {
    match fix_age_ms {
        _ if !has_receiver => Some(Refusal::NoReceiver),
        None => Some(Refusal::NoFix),
        Some(age_ms) if age_ms > FRESH_MS => Some(Refusal::OldFix { age_s: age_ms / 1_000 }),
        Some(_) => None,
    }
}

pub fn long(note: Option<&str>) -> Option<Refusal> {
    note.is_some_and(|note| note.len() > NOTE_BYTES).then_some(Refusal::LongNote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survey_starts_only_where_every_point_of_it_would_count() {
        let good = Facts {
            name: "ban-moi".into(),
            note: None,
            name_taken: false,
            running: None,
            has_receiver: true,
            fix_age_ms: Some(FRESH_MS),
            has_time: true,
            has_setup: true,
            free_bytes: Some(ROOM_BYTES),
            can_measure: true,
            scans: false,
        };
        let check = |change: &dyn Fn(&mut Facts), wanted: &[Refusal]| {
            let mut facts = good.clone();
            change(&mut facts);
            assert_eq!(refusals(&facts), wanted, "{facts:?}");
        };
        let no_room = Refusal::NoRoom { free_bytes: 999_999_999, needed_bytes: ROOM_BYTES };
        check(&|_| {}, &[]);
        check(&|f| f.name = "Bản Mới".into(), &[Refusal::BadName]);
        check(&|f| f.name_taken = true, &[Refusal::NameTaken { name: "ban-moi".into() }]);
        check(&|f| f.note = Some("x".repeat(401)), &[Refusal::LongNote]);
        check(&|f| f.has_receiver = false, &[Refusal::NoReceiver]);
        check(&|f| f.fix_age_ms = None, &[Refusal::NoFix]);
        check(&|f| f.fix_age_ms = Some(5_001), &[Refusal::OldFix { age_s: 5 }]);
        check(&|f| f.has_time = false, &[Refusal::NoTime]);
        check(&|f| f.has_setup = false, &[Refusal::NoSetup]);
        check(&|f| f.free_bytes = Some(999_999_999), &[no_room]);
        check(&|f| f.free_bytes = None, &[Refusal::RoomUnknown]);
        check(&|f| f.can_measure = false, &[Refusal::NothingToMeasure]);
        check(&|f| f.scans = true, &[Refusal::Scanning]);
        check(&|f| f.running = Some("a".into()), &[Refusal::Running { name: "a".into() }]);
        check(
            &|f| (f.has_time, f.has_setup, f.fix_age_ms) = (false, false, None),
            &[Refusal::NoFix, Refusal::NoTime, Refusal::NoSetup],
        );
    }
}
