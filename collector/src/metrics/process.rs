//! What this process costs, from `/proc/self`. Absent where the system does not say.

use super::family::{counter, gauge};
use prometheus::proto::MetricFamily;

/// `utime` and `stime` of `stat`, counted after the name in parentheses, which may hold blanks.
const UTIME: usize = 11;
/// `rss` of `stat`, in pages.
const RSS: usize = 21;

pub fn families() -> Vec<MetricFamily> {
    let mut families = Vec::new();
    if let Some((cpu_s, rss_bytes)) = stat() {
        families.push(counter("phusong_process_cpu_seconds_total", "Processor time used.").of(cpu_s));
        families.push(gauge("phusong_process_resident_memory_bytes", "Memory in use.").of(rss_bytes));
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        families.push(gauge("phusong_process_open_fds", "Open file descriptors.").of(entries.count() as f64));
    }
    families
}

fn stat() -> Option<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<f64>().ok();
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let page = rustix::param::page_size() as f64;
    Some(((number(UTIME)? + number(UTIME + 1)?) / ticks, number(RSS)? * page))
}
