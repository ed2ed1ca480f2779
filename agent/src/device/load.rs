//! What the agent costs and how the device bears it: memory, load, temperature, free disk.
//!
//! In: `/proc` and `/sys`. Out: numbers, or nothing where the kernel does not say. Refuses to know: the spool, the
//! wire. Limits: each file is one line or one page.

use std::path::Path;

/// Resident memory of this process.
pub fn rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Load average of the last minute.
pub fn load1() -> Option<f32> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Temperature of the first thermal zone, which is the processor's on the boards we know.
pub fn temperature_c() -> Option<f32> {
    let text = std::fs::read_to_string("/sys/class/thermal/thermal_zone0/temp").ok()?;
    text.trim().parse::<f32>().ok().map(|milli| milli / 1000.0)
}

/// Bytes that an ordinary user may still write where `path` lies.
pub fn disk_free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_this_disk_has_room() {
        assert!(rss_bytes().is_some_and(|bytes| bytes > 100_000));
        assert!(load1().is_some_and(|load| load >= 0.0));
        assert!(disk_free_bytes(Path::new("/")).is_some());
    }
}
