//! Stands in for the service that keeps a clock right, on machines where none runs.
//!
//! In: the agent's own `adjtimex`, which this stands in front of. Out: the kernel's answer; with `PHUSONG_WITNESS_SYNCED`
//! set it says that the clock is in sync to 5 ms. Refuses to know: what the time is; it sets nothing.

use libc::{c_int, timex};

const MAXERROR_US: i64 = 5_000;

/// Stands in front of libc's adjtimex.
///
/// # Safety
/// As libc's: `buffer` points to a `timex`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adjtimex(buffer: *mut timex) -> c_int {
    // SAFETY: the caller's buffer, as it was given.
    let state = unsafe { libc::syscall(libc::SYS_adjtimex, buffer) } as c_int;
    if state < 0 || std::env::var_os("PHUSONG_WITNESS_SYNCED").is_none() {
        return state;
    }
    // SAFETY: the kernel has just written to it.
    let answer = unsafe { &mut *buffer };
    answer.status &= !libc::STA_UNSYNC;
    answer.maxerror = MAXERROR_US;
    libc::TIME_OK
}
