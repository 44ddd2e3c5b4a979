//! Prints the frequency of this machine's time stamp counter in kHz.
//!
//! Guests of QEMU's translator read this counter and must be told its frequency when they boot.
//! It is measured against `CLOCK_MONOTONIC_RAW`, which no time server slews: two readings, each the
//! tightest of many, 200 ms apart, so the error is below one part in a million.

use std::arch::x86_64::_rdtsc;
use std::process::ExitCode;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(200);
const TRIES: usize = 200;

/// The counter and the clock at one moment.
struct Reading {
    ticks: u64,
    nanos: u64,
}

fn clock() -> Option<u64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is valid for a timespec during the call (clock_gettime(2)).
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_RAW, &raw mut time) };
    let nanos =
        u64::try_from(time.tv_sec).ok()? * 1_000_000_000 + u64::try_from(time.tv_nsec).ok()?;
    (result == 0).then_some(nanos)
}

fn counter() -> u64 {
    // SAFETY: every x86-64 processor has the instruction; Linux lets programs use it unless a
    // process forbids it to itself (prctl(2), PR_SET_TSC).
    unsafe { _rdtsc() }
}

/// Reads the clock between two readings of the counter; the pair that lies closest together was
/// not interrupted.
fn read() -> Option<Reading> {
    let mut best: Option<(u64, Reading)> = None;
    for _ in 0..TRIES {
        let before = counter();
        let nanos = clock()?;
        let width = counter().wrapping_sub(before);
        if best
            .as_ref()
            .is_none_or(|(narrowest, _)| width < *narrowest)
        {
            let ticks = before + width / 2;
            best = Some((width, Reading { ticks, nanos }));
        }
    }
    best.map(|(_, reading)| reading)
}

fn measure() -> Option<u64> {
    let first = read()?;
    std::thread::sleep(INTERVAL);
    let second = read()?;
    let ticks = u128::from(second.ticks.checked_sub(first.ticks)?);
    let nanos = u128::from(second.nanos.checked_sub(first.nanos)?);
    u64::try_from((ticks * 1_000_000 + nanos / 2) / nanos.max(1)).ok()
}

fn main() -> ExitCode {
    if let Some(khz) = measure() {
        println!("{khz}");
        ExitCode::SUCCESS
    } else {
        eprintln!("wrenn-tsc: the clock or the counter went backwards");
        ExitCode::FAILURE
    }
}
