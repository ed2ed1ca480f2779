//! What is done about a modem that does not answer: it is said, then the port is opened anew, then the modem is reset.
//!
//! In: when it answered, the time. Out: what is due. Refuses to know: ports, commands, service: a modem without a network
//! answers and is left alone. Limits: nothing is reset before [`SILENT_MS`], and not again before [`PACE_MS`], which
//! doubles up to [`PACE_MOST_MS`] while it does not help.

/// From here on it is said.
const TELL_MS: u64 = 10_000;
const TELL_AGAIN_MS: u64 = 60_000;
/// From here on something is done.
pub const SILENT_MS: u64 = 300_000;
/// Between the opening of the port and the reset.
const BETWEEN_MS: u64 = 60_000;
pub const PACE_MS: u64 = 1_800_000;
pub const PACE_MOST_MS: u64 = 21_600_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    Wait,
    Tell { for_ms: u64 },
    Reopen,
    SoftReset,
}

#[derive(Debug)]
pub struct Silence {
    answered_at: u64,
    told_at: Option<u64>,
    reopened_at: Option<u64>,
    /// No reset before.
    not_before: u64,
    pace_ms: u64,
}

impl Silence {
    pub fn new(now: u64) -> Self {
        Silence { answered_at: now, told_at: None, reopened_at: None, not_before: 0, pace_ms: PACE_MS }
    }

    pub fn answered(&mut self, now: u64) {
        self.answered_at = now;
        self.told_at = None;
        self.reopened_at = None;
        // It helped, or was not needed; a reset shortly before still counts for the pace.
        if now >= self.not_before {
            self.pace_ms = PACE_MS;
        }
    }

    /// The port was absent: that is not the modem's silence.
    pub fn appeared(&mut self, now: u64) {
        self.answered_at = now;
        self.told_at = None;
        self.reopened_at = None;
    }

    pub fn duty(&mut self, now: u64) -> Duty {
        let for_ms = now.saturating_sub(self.answered_at);
        if for_ms >= SILENT_MS && now >= self.not_before {
            match self.reopened_at {
                None => {
                    self.reopened_at = Some(now);
                    return Duty::Reopen;
                }
                Some(at) if now.saturating_sub(at) >= BETWEEN_MS => {
                    self.reopened_at = None;
                    self.not_before = now + self.pace_ms;
                    self.pace_ms = (self.pace_ms * 2).min(PACE_MOST_MS);
                    return Duty::SoftReset;
                }
                Some(_) => {}
            }
        }
        let due = self.told_at.is_none_or(|at| now.saturating_sub(at) >= TELL_AGAIN_MS);
        if for_ms >= TELL_MS && due {
            self.told_at = Some(now);
            return Duty::Tell { for_ms };
        }
        Duty::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every duty of a modem that never answers, looked for each second.
    fn duties(silence: &mut Silence, from_s: u64, to_s: u64) -> Vec<(u64, Duty)> {
        let all = (from_s..=to_s).map(|s| (s, silence.duty(s * 1_000)));
        all.filter(|(_, duty)| !matches!(duty, Duty::Wait | Duty::Tell { .. })).collect()
    }

    #[test]
    fn a_silent_modem_is_told_of_first_and_reset_by_and_by_ever_more_rarely() {
        let mut silence = Silence::new(0);
        assert_eq!(silence.duty(9_999), Duty::Wait);
        assert_eq!(silence.duty(10_000), Duty::Tell { for_ms: 10_000 });
        assert_eq!(silence.duty(11_000), Duty::Wait);
        let day = duties(&mut silence, 12, 86_400);
        let resets: Vec<u64> = day.iter().filter(|(_, duty)| *duty == Duty::SoftReset).map(|(s, _)| *s).collect();
        assert_eq!(day[..2], [(300, Duty::Reopen), (360, Duty::SoftReset)]);
        assert_eq!(resets, [360, 2_220, 5_880, 13_140, 27_600, 49_260, 70_920]);
    }

    #[test]
    fn a_modem_that_answers_is_never_reset_whatever_it_answers() {
        let mut silence = Silence::new(0);
        for s in 0..100_000 {
            silence.answered(s * 1_000);
            assert_eq!(silence.duty(s * 1_000 + 999), Duty::Wait);
        }
    }

    #[test]
    fn one_that_falls_silent_again_and_again_is_not_reset_more_often_than_the_pace() {
        let mut silence = Silence::new(0);
        let mut resets = Vec::new();
        for s in 0..20_000 {
            if s % 700 == 0 {
                silence.answered(s * 1_000);
            }
            if silence.duty(s * 1_000) == Duty::SoftReset {
                resets.push(s);
            }
        }
        assert!(resets.windows(2).all(|pair| pair[1] - pair[0] >= PACE_MS / 1_000), "{resets:?}");
        assert!(resets.len() > 3, "{resets:?}");
    }
}
