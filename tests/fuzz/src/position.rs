//! What gpsd says.

use phusong_agent::device::gpsd::{Ear, Heard, parse};

/// What is read lies on the earth, and a position is never said to be younger than it is.
pub fn gpsd(data: &[u8]) {
    let mut ear = Ear::default();
    for (n, line) in String::from_utf8_lossy(data).lines().enumerate() {
        let now = n as u64 * 1_000;
        let Some(report) = parse(line) else { continue };
        if let Some(Heard::Fix(fix)) = ear.hear(report, now) {
            assert!(fix.lat.abs() <= 90.0 && fix.lon.abs() <= 180.0 && fix.at_mono_ms <= now, "{fix:?}");
            assert!(fix.accuracy_m.is_none_or(|m| m.is_finite() && m > 0.0), "{fix:?}");
            assert!(fix.speed_mps.is_none_or(|v| v >= 0.0) && fix.utc_ms.is_none_or(|ms| ms >= 0), "{fix:?}");
        }
    }
}
