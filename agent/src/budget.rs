//! What bandwidth tests may take of an uplink in a month: pure counting. `budget/file.rs` keeps it on disk.
//!
//! In: what was taken so far, a month, what is wanted. Out: yes, or how much is left. Refuses to know: files, clocks,
//! who asks. Limits: [`ENTRIES`] pairs of interface and month; the oldest month goes first.
//!
//! A month is one of Vietnam (UTC+7, no summer time), as that of every report. All tests of one uplink share one count:
//! another name for a target is no second budget. A month that the clock has left stays known, so that a clock that
//! runs ahead for a while and is set back finds what was spent before.

mod file;

pub use file::{BudgetError, Ledger, Reserved};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A year on eight uplinks, with room for months of a wrong clock.
pub const ENTRIES: usize = 128;
const VIETNAM_MS: i64 = 7 * 3_600_000;
const DAY_MS: i64 = 86_400_000;
const VERSION: u32 = 1;

/// A month of Vietnam: months since the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i64);

/// There is not enough left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{used} of {bound} bytes of {month} are spent; a test may take {wanted}")]
pub struct Spent {
    pub month: Month,
    pub used: u64,
    pub bound: u64,
    pub wanted: u64,
}

/// Bytes by month and interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    months: BTreeMap<(Month, String), u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    v: u32,
    months: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    month: String,
    interface: String,
    bytes: u64,
}

impl Month {
    pub fn of(unix_ms: i64) -> Self {
        // Days of the proleptic Gregorian calendar since 1 March of the year 0, in eras of 400 years.
        let days = unix_ms.saturating_add(VIETNAM_MS).div_euclid(DAY_MS) + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year + year / 4 - year / 100);
        // 0 is March.
        let month = (5 * day_of_year + 2) / 153;
        Month((era * 400 + year) * 12 + month + 2)
    }

    fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let (year, month): (i64, i64) = (year.parse().ok()?, month.parse().ok()?);
        ((0..=999_999).contains(&year) && (1..=12).contains(&month)).then_some(Month(year * 12 + month - 1))
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

impl Tally {
    /// `None`: the text is no tally of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let written: Written = serde_json::from_str(text).ok().filter(|written: &Written| written.v == VERSION)?;
        let entry = |entry: Entry| Some(((Month::parse(&entry.month)?, entry.interface), entry.bytes));
        Some(Tally { months: written.months.into_iter().map(entry).collect::<Option<_>>()? })
    }

    pub fn text(&self) -> String {
        let entry = |((month, interface), bytes): (&(Month, String), &u64)| Entry {
            month: month.to_string(),
            interface: interface.clone(),
            bytes: *bytes,
        };
        let written = Written { v: VERSION, months: self.months.iter().map(entry).collect() };
        serde_json::to_string(&written).expect("texts and numbers can be written")
    }

    pub fn used(&self, month: Month, interface: &str) -> u64 {
        self.months.get(&(month, interface.to_owned())).copied().unwrap_or(0)
    }

    /// Counts `wanted` bytes as spent, or says that they are more than is left of `bound`.
    pub fn take(&mut self, month: Month, interface: &str, wanted: u64, bound: u64) -> Result<(), Spent> {
        let used = self.used(month, interface);
        let after = used.checked_add(wanted).filter(|after| *after <= bound);
        let after = after.ok_or(Spent { month, used, bound, wanted })?;
        self.months.insert((month, interface.to_owned()), after);
        while self.months.len() > ENTRIES {
            let oldest = self.months.keys().find(|key| key.0 != month).cloned();
            let Some(oldest) = oldest else { break };
            self.months.remove(&oldest);
        }
        Ok(())
    }

    /// What was taken and not spent.
    pub fn give_back(&mut self, month: Month, interface: &str, unused: u64) {
        if let Some(used) = self.months.get_mut(&(month, interface.to_owned())) {
            *used = used.saturating_sub(unused);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn months_begin_at_midnight_in_vietnam() {
        for (unix_ms, month) in [
            (0, "1970-01"),
            (1_796_057_999_999, "2026-11"),
            (1_796_058_000_000, "2026-12"),
            (1_798_736_400_000, "2027-01"),
            (1_709_139_600_000, "2024-02"),
            (1_709_226_000_000, "2024-03"),
            (951_757_199_999, "2000-02"),
            (-62_167_244_400_000, "0000-01"),
        ] {
            assert_eq!(Month::of(unix_ms).to_string(), month, "{unix_ms}");
            assert_eq!(Month::parse(month), Some(Month::of(unix_ms)));
        }
        for text in ["", "2026", "2026-13", "2026-00", "-1-01", "a-01"] {
            assert_eq!(Month::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_taken_and_given_back_no_month_of_an_uplink_is_exceeded(
            tests in prop::collection::vec((0..3i64, 0..2usize, 0..60u64, 0..60u64), 0..200),
        ) {
            const BOUND: u64 = 100;
            let mut tally = Tally::default();
            let mut spent: BTreeMap<(i64, usize), u64> = BTreeMap::new();
            for (month, uplink, wanted, really) in tests {
                let (at, name, really) = (Month(month), ["eth0", "wwan0"][uplink], really.min(wanted));
                let left = BOUND - spent.get(&(month, uplink)).unwrap_or(&0);
                let taken = tally.take(at, name, wanted, BOUND);
                prop_assert_eq!(taken.is_ok(), wanted <= left);
                if taken.is_ok() {
                    tally.give_back(at, name, wanted - really);
                    *spent.entry((month, uplink)).or_default() += really;
                }
                tally = Tally::parse(&tally.text()).expect("its own text");
                prop_assert!(spent.values().all(|bytes| *bytes <= BOUND));
                prop_assert_eq!(tally.used(at, name), spent.get(&(month, uplink)).copied().unwrap_or(0));
            }
        }
    }

    #[test]
    fn months_without_end_do_not_grow_the_tally_and_the_newest_stay() {
        let mut tally = Tally::default();
        for month in 0..1_000 {
            assert_eq!(tally.take(Month(month), "eth0", 1, 1), Ok(()));
        }
        assert_eq!((tally.months.len(), tally.used(Month(999), "eth0"), tally.used(Month(1), "eth0")), (ENTRIES, 1, 0));
    }

    #[test]
    fn what_is_no_tally_is_not_read_as_an_empty_one() {
        let month = r#"{"month":"2026-11","interface":"eth0","bytes":1}"#;
        assert!(Tally::parse(&format!(r#"{{"v":1,"months":[{month}]}}"#)).is_some());
        for text in
            ["", "{}", r#"{"v":2,"months":[]}"#, r#"{"v":1,"months":[{"month":"x","interface":"a","bytes":1}]}"#]
        {
            assert_eq!(Tally::parse(text), None, "{text}");
        }
    }
}
