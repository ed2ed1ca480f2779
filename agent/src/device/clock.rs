//! The two clocks of the device, what the kernel knows of their truth, and when that is worth a `clock` sample.
//!
//! In: the kernel's clocks and `adjtimex`. Out: [`Now`]s, [`ClockReading`]s, the [`Clock`] of each sample, and the
//! persisted floor of time. Refuses to know: NTP; whoever disciplines the kernel's clock is believed. Limits: the
//! watch is asked every few seconds, so a step is noticed that late.

use phusong_protocol::{Clock, ClockReading};
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since boot, suspended time included.
    pub mono_ms: u64,
    pub wall_ms: i64,
    pub kernel: Kernel,
}

/// What the kernel says about its wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kernel {
    pub synced: bool,
    pub err_ms: u32,
}

pub fn mono_ms() -> u64 {
    millis(clock_gettime(ClockId::Boottime)) as u64
}

pub fn wall_ms() -> i64 {
    millis(clock_gettime(ClockId::Realtime))
}

fn millis(time: Timespec) -> i64 {
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

pub fn now() -> Now {
    Now { mono_ms: mono_ms(), wall_ms: wall_ms(), kernel: kernel().unwrap_or_default() }
}

/// `None` where a sandbox forbids the question (systemd's `ProtectClock=`); the clock then counts as not synced.
#[allow(unsafe_code)] // No safe wrapper of adjtimex exists among our dependencies.
pub fn kernel() -> Option<Kernel> {
    // SAFETY: `timex` is plain data, for which zeroes are valid; `modes` = 0 makes the call read-only.
    let (state, timex) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut timex), timex)
    };
    if state < 0 {
        return None;
    }
    let synced = timex.status & libc::STA_UNSYNC == 0;
    // Rounded up, and never 0: reading two clocks one after the other costs that much.
    let err_ms = u32::try_from(timex.maxerror.max(0) / 1000).unwrap_or(u32::MAX).saturating_add(1);
    Some(Kernel { synced, err_ms })
}

/// What each sample says about the clock, shared with everybody who makes samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockState {
    /// When the kernel was last seen in sync in this boot.
    pub synced_at_mono_ms: Option<u64>,
}

impl ClockState {
    pub fn at(&self, mono_ms: u64) -> Clock {
        match self.synced_at_mono_ms {
            None => Clock { synced: false, age_s: None },
            Some(at) => {
                let age_s = mono_ms.saturating_sub(at) / 1000;
                Clock { synced: true, age_s: Some(u32::try_from(age_s).unwrap_or(u32::MAX)) }
            }
        }
    }
}

/// Decides when an anchor is due: first sync, every `anchor_ms`, after each step.
#[derive(Debug, Clone)]
pub struct ClockWatch {
    anchor_ms: u64,
    step_ms: u64,
    state: ClockState,
    /// Wall clock minus boot clock when last looked.
    offset_ms: Option<i64>,
    anchored_at_mono_ms: Option<u64>,
}

impl ClockWatch {
    pub fn new(anchor_ms: u64, step_ms: u64) -> Self {
        ClockWatch { anchor_ms, step_ms, state: ClockState::default(), offset_ms: None, anchored_at_mono_ms: None }
    }

    pub fn state(&self) -> ClockState {
        self.state
    }

    /// Looks at the clocks; an anchor that is due belongs to `now.mono_ms`.
    pub fn observe(&mut self, now: &Now) -> Option<ClockReading> {
        let offset_ms = now.wall_ms.saturating_sub(now.mono_ms as i64);
        let stepped = self.offset_ms.is_some_and(|before| before.abs_diff(offset_ms) >= self.step_ms);
        self.offset_ms = Some(offset_ms);
        if !now.kernel.synced {
            if stepped {
                // Somebody set the clock by hand: what was known of its truth is gone.
                self.state.synced_at_mono_ms = None;
                self.anchored_at_mono_ms = None;
            }
            return None;
        }
        self.state.synced_at_mono_ms = Some(now.mono_ms);
        let fresh = |at: u64| now.mono_ms.saturating_sub(at) < self.anchor_ms;
        if !stepped && self.anchored_at_mono_ms.is_some_and(fresh) {
            return None;
        }
        self.anchored_at_mono_ms = Some(now.mono_ms);
        Some(ClockReading { true_unix_ms: now.wall_ms, err_ms: now.kernel.err_ms, source: "kernel".into() })
    }
}

/// The latest time that is known to have passed, kept over power cuts on devices without a clock battery.
#[derive(Debug, Clone)]
pub struct Floor {
    file: PathBuf,
    known_ms: i64,
    /// The boot clock when `known_ms` was known.
    at_mono_ms: u64,
}

impl Floor {
    /// Reads `<data_dir>/last-time`; without one the floor is 1970.
    pub fn load(data_dir: &Path, mono_ms: u64) -> Self {
        let file = data_dir.join("last-time");
        let known_ms = std::fs::read_to_string(&file).ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0);
        Floor { file, known_ms, at_mono_ms: mono_ms }
    }

    /// The least that the true time can be.
    pub fn at(&self, mono_ms: u64) -> i64 {
        self.known_ms.saturating_add(mono_ms.saturating_sub(self.at_mono_ms) as i64)
    }

    /// Takes a synced clock as the truth, an unsynced one only as far as the boot clock carries.
    pub fn raise(&mut self, now: &Now, synced: bool) {
        let least = self.at(now.mono_ms);
        self.known_ms = if synced { now.wall_ms.max(least) } else { least };
        self.at_mono_ms = now.mono_ms;
    }

    /// Takes a moment that is known to have passed from elsewhere.
    pub fn at_least(&mut self, unix_ms: i64, mono_ms: u64) {
        self.known_ms = self.at(mono_ms).max(unix_ms);
        self.at_mono_ms = mono_ms;
    }

    /// Makes the floor durable.
    pub fn store(&self) -> std::io::Result<()> {
        let fresh = self.file.with_extension("new");
        let mut file = std::fs::File::create(&fresh)?;
        writeln!(file, "{}", self.known_ms)?;
        file.sync_data()?;
        std::fs::rename(&fresh, &self.file)
    }
}

/// RFC 3339 in UTC with milliseconds, by the civil calendar.
pub fn utc(unix_ms: i64) -> String {
    let (seconds, millis) = (unix_ms.div_euclid(1_000), unix_ms.rem_euclid(1_000));
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01, so that the leap day is a year's last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64, wall_ms: i64, synced: bool) -> Now {
        Now { mono_ms, wall_ms, kernel: Kernel { synced, err_ms: 5 } }
    }

    #[test]
    fn an_anchor_is_due_at_the_first_sync_then_every_period_and_after_each_step() {
        let mut watch = ClockWatch::new(10_000, 500);
        assert_eq!(watch.observe(&at(1_000, 0, false)), None);
        assert_eq!(watch.state().at(1_500), Clock { synced: false, age_s: None });
        let first = watch.observe(&at(2_000, 1_700_000_000_000, true)).expect("first sync");
        assert_eq!((first.true_unix_ms, first.err_ms, first.source.as_str()), (1_700_000_000_000, 5, "kernel"));
        assert_eq!(watch.observe(&at(11_000, 1_700_000_009_000, true)), None);
        assert!(watch.observe(&at(12_000, 1_700_000_010_000, true)).is_some(), "a period later");
        assert!(watch.observe(&at(13_000, 1_700_000_011_499, true)).is_none(), "within the step");
        assert!(watch.observe(&at(14_000, 1_700_000_013_100, true)).is_some(), "a step");
        assert_eq!(watch.state().at(17_999), Clock { synced: true, age_s: Some(3) });
    }

    #[test]
    fn a_clock_that_lost_its_source_ages_and_one_set_by_hand_is_not_synced() {
        let mut watch = ClockWatch::new(10_000, 500);
        watch.observe(&at(1_000, 1_700_000_000_000, true));
        watch.observe(&at(61_000, 1_700_000_060_000, false));
        assert_eq!(watch.state().at(61_000), Clock { synced: true, age_s: Some(60) });
        watch.observe(&at(62_000, 1_800_000_000_000, false));
        assert_eq!(watch.state().at(62_000), Clock { synced: false, age_s: None });
        assert!(watch.observe(&at(63_000, 1_700_000_062_000, true)).is_some());
    }

    #[test]
    fn the_floor_survives_and_never_falls() {
        let dir = std::env::temp_dir().join(format!("phusong-floor-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temp is writable");
        let mut floor = Floor::load(&dir, 0);
        assert_eq!(floor.at(5), 5);
        floor.raise(&at(1_000, 1_700_000_000_000, true), true);
        floor.store().expect("temp is writable");
        let mut again = Floor::load(&dir, 500);
        assert_eq!(again.at(1_500), 1_700_000_001_000);
        again.raise(&at(2_500, 7, false), false);
        assert_eq!(again.at(2_500), 1_700_000_002_000);
        again.at_least(1_600_000_000_000, 2_500);
        assert_eq!(again.at(2_500), 1_700_000_002_000);
        again.at_least(1_800_000_000_000, 3_000);
        assert_eq!(again.at(3_500), 1_800_000_000_500);
        std::fs::remove_dir_all(&dir).expect("own directory");
    }

    #[test]
    fn the_clocks_of_this_machine_can_be_read() {
        let now = now();
        assert!(now.mono_ms > 0 && now.wall_ms > 1_600_000_000_000);
    }
}
