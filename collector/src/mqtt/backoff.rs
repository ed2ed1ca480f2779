//! How long to wait before the next connection: 0.5 s, doubling to 30 s, each with jitter.
//!
//! In: a random number. Out: a duration. The collector is one client on a near network, so it comes back fast.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const MOST: Duration = Duration::from_secs(30);
/// A connection that lived this long was a good one.
const GOOD: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    pub fn new() -> Self {
        Backoff { next: FIRST }
    }

    /// The wait after a connection that lived for `lived`; `random` is within 0..1 and makes it 50 to 150 %.
    pub fn wait(&mut self, lived: Duration, random: f64) -> Duration {
        if lived >= GOOD {
            self.next = FIRST;
        }
        let wait = self.next.mul_f64(0.5 + random.clamp(0.0, 1.0));
        self.next = (self.next * 2).min(MOST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_to_its_bound_and_starts_anew_after_a_good_connection() {
        let mut backoff = Backoff::new();
        let mut waits = Vec::new();
        for _ in 0..9 {
            waits.push(backoff.wait(Duration::ZERO, 0.5).as_millis());
        }
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!(backoff.wait(GOOD, 0.0).as_millis(), 250);
    }
}
