//! How far an import is, on stderr: a bar on a terminal, else a line now and then.
//!
//! In: rows and a share of the whole. Out: text. Refuses to know: what is imported.

use crate::import::Progress;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

const BAR: usize = 30;
const REDRAW: Duration = Duration::from_millis(200);
const LINE: Duration = Duration::from_secs(10);

pub struct Bar {
    live: bool,
    started: Instant,
    said: Instant,
    drawn: bool,
}

impl Bar {
    pub fn new() -> Self {
        let now = Instant::now();
        Bar { live: std::io::stderr().is_terminal(), started: now, said: now, drawn: false }
    }

    pub fn show(&mut self, progress: Progress) {
        if self.said.elapsed() < if self.live { REDRAW } else { LINE } {
            return;
        }
        self.said = Instant::now();
        let line = line(progress, self.started.elapsed().as_secs_f64());
        if self.live {
            eprint!("\r\x1b[K[{}] {line}", bar(progress.share));
            self.drawn = true;
        } else {
            eprintln!("{line}");
        }
    }

    /// Leaves the line to whoever writes next.
    pub fn end(self) {
        if self.drawn {
            eprint!("\r\x1b[K");
        }
    }
}

fn bar(share: f64) -> String {
    let full = (share.clamp(0.0, 1.0) * BAR as f64) as usize;
    format!("{}{}", "#".repeat(full), " ".repeat(BAR - full))
}

fn line(progress: Progress, elapsed_s: f64) -> String {
    let Progress { rows, share } = progress;
    let rate = rows as f64 / elapsed_s.max(1e-3);
    let left = (share > 0.01).then(|| elapsed_s / share * (1.0 - share));
    let left = left.map(|seconds| format!(", {seconds:.0} s left")).unwrap_or_default();
    format!("{:3.0} %, {} rows, {rate:.0} rows/s{left}", share * 100.0, grouped(rows))
}

/// 1234567 -> 1,234,567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_still() {
        let half = Progress { rows: 500_000, share: 0.5 };
        assert_eq!(line(half, 5.0), " 50 %, 500,000 rows, 100000 rows/s, 5 s left");
        assert_eq!(line(Progress { rows: 0, share: 0.0 }, 1.0), "  0 %, 0 rows, 0 rows/s");
        assert_eq!((bar(0.5).matches('#').count(), bar(7.0).len(), bar(0.0).len()), (BAR / 2, BAR, BAR));
        assert_eq!((grouped(7), grouped(1_000), grouped(1_234_567)), ("7".into(), "1,000".into(), "1,234,567".into()));
    }
}
