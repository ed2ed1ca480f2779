//! How long what is kept, and how the rest goes.
//!
//! In: days per kind of row. Out: rows that are gone, a few at a time: from `phusong.db` through the ingest writer's own
//! connection ([`Pruner`]), from `derived.db` through the derive thread's ([`prune_derived`]). Refuses to know: who
//! calls when, configuration files. Never touched: the registry, the areas, epochs, boots and the ledger, which are
//! kept for ever; a pruned id stays committed. `docs/retention.md` says the same to an operator.

mod derived;
mod ground;

pub use derived::{Pruned, prune_derived};
pub use ground::{Pruner, StepLimits};

pub(super) const DAY_MS: i64 = 86_400_000;
/// Kept beyond the days that are promised, so that whoever reads a row that is not sealed yet finds it.
const GRACE_MS: i64 = DAY_MS;
/// The newest event may lie so far before the clock that pruning goes by; see [`trusted_now`].
const AHEAD_MS: i64 = DAY_MS;

/// Days for which rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Observations of every kind, and the stretches that were re-timed.
    pub raw_days: u32,
    /// Windows, facts and interruptions.
    pub derived_days: u32,
    /// What is told to consumers.
    pub changes_days: u32,
    /// Dead letters, after their replay.
    pub replayed_letters_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        // Three years of windows are what a report compares; changes outlive the oldest sample that may arrive.
        Retention { raw_days: 90, derived_days: 1_095, changes_days: 400, replayed_letters_days: 90 }
    }
}

impl Retention {
    /// What happened before this moment is sealed: its observations may be gone, so windows that begin before it are
    /// not folded again.
    pub fn sealed_before_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(days(self.raw_days))
    }

    /// Observations before this moment are removed: by event time, or by arrival where that is uncertain.
    fn raw_before_ms(&self, now_ms: i64) -> i64 {
        self.sealed_before_ms(now_ms).saturating_sub(GRACE_MS)
    }

    fn derived_before_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(days(self.derived_days))
    }

    fn changes_before_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(days(self.changes_days))
    }

    fn letters_before_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(days(self.replayed_letters_days))
    }
}

/// The clock that pruning goes by: this machine's, but at most a day ahead of the newest event that is certain. A clock
/// that leaps years ahead must not take everything with it. Without any such event the machine's own clock counts.
fn trusted_now(now_ms: i64, newest_event_ms: Option<i64>) -> i64 {
    newest_event_ms.map_or(now_ms, |newest| now_ms.min(newest.saturating_add(AHEAD_MS)))
}

fn days(days: u32) -> i64 {
    i64::from(days) * DAY_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    #[test]
    fn a_row_is_removed_only_well_after_its_window_was_sealed() {
        let retention = Retention::default();
        assert_eq!(retention.sealed_before_ms(NOW), NOW - 90 * DAY_MS);
        assert_eq!(retention.raw_before_ms(NOW), NOW - 91 * DAY_MS);
    }

    #[test]
    fn a_clock_that_leaps_ahead_is_held_back_by_the_newest_event() {
        for (newest, trusted) in [
            (None, NOW),
            (Some(NOW), NOW),
            (Some(NOW - DAY_MS / 2), NOW),
            (Some(NOW - 900 * DAY_MS), NOW - 899 * DAY_MS),
        ] {
            assert_eq!(trusted_now(NOW, newest), trusted, "{newest:?}");
        }
    }
}
