//! What the machine uses, from `/proc`; sampled only when somebody asks.

use serde_json::{json, Value};
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Remembers the processor times of the last call, to tell the share since.
#[derive(Default)]
pub struct Metrics {
    last: Mutex<(u64, u64)>,
}

impl Metrics {
    /// The present use.
    pub fn sample(&self) -> Value {
        let (busy, total) = processor_times();
        let (busy_before, total_before) = std::mem::replace(
            &mut *self.last.lock().unwrap_or_else(PoisonError::into_inner),
            (busy, total),
        );
        let span = total.saturating_sub(total_before).max(1);
        let share = busy.saturating_sub(busy_before) as f64 / span as f64;
        let (memory_total, memory_free, cache) = memory();
        let used = memory_total.saturating_sub(memory_free);
        let (disk_used, disk_total) = disk();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        json!({
            "ts": SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            "cpu_count": processors,
            "cpu_used_pct": (share * 10_000.0).round() / 100.0,
            "mem_total": memory_total,
            "mem_used": used,
            "mem_cache": cache,
            "mem_total_mib": memory_total >> 20,
            "mem_used_mib": used >> 20,
            "disk_used": disk_used,
            "disk_total": disk_total,
        })
    }
}

/// Busy and all ticks of all processors (`proc_stat(5)`).
fn processor_times() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<u64> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|n| n.parse().ok())
        .collect();
    let total: u64 = ticks.iter().sum();
    let idle = ticks.get(3).unwrap_or(&0) + ticks.get(4).unwrap_or(&0);
    (total.saturating_sub(idle), total)
}

/// Total, available and cached bytes (`proc_meminfo(5)`).
fn memory() -> (u64, u64, u64) {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let of = |name: &str| {
        text.lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))
            .and_then(|v| v.trim().trim_end_matches(" kB").parse::<u64>().ok())
            .unwrap_or(0)
            << 10
    };
    (of("MemTotal"), of("MemAvailable"), of("Cached"))
}

/// Used and all bytes of the root disk (`statvfs(3)`).
fn disk() -> (u64, u64) {
    // SAFETY: all-zero bytes are a valid statvfs, and the path is a valid C string.
    let (result, stat) = unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(c"/".as_ptr(), &raw mut stat), stat)
    };
    if result != 0 {
        return (0, 0);
    }
    let total = stat.f_blocks * stat.f_frsize;
    (total - stat.f_bfree * stat.f_frsize, total)
}
