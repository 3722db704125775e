//! Time as the upper half sees it: its steady clocks go on at a restart where they were at the cut.
//!
//! ```text
//!   the program's clock = the kernel's + offset      0 until a restart; one offset for each clock that a machine has
//! ```
//!
//! Invariant: no clock of the program runs backwards. CLOCK_MONOTONIC_COARSE, which is behind CLOCK_MONOTONIC by up to a tick,
//! has the same offset, so that is such that the coarse one goes on from where the other was.

#![expect(unsafe_code, reason = "asks the kernel for the time")]
// # Safety
// Either TLS may be live: raw system calls only, no allocation, no panic.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::{hooks, sys, vdso};

/// What is added to the kernel's CLOCK_MONOTONIC, which at another machine, or after a boot, is another one.
static OFFSET_NS: AtomicI64 = AtomicI64::new(0);
/// The same for CLOCK_MONOTONIC_RAW and CLOCK_BOOTTIME.
static RAW_OFFSET_NS: AtomicI64 = AtomicI64::new(0);
static BOOT_OFFSET_NS: AtomicI64 = AtomicI64::new(0);

/// Whether the program sees these offsets. Not one from an older image: its calls with points in time are not steered.
static GO_ON: AtomicBool = AtomicBool::new(true);

/// The program's steady clocks at the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    monotonic_ns: i64,
    raw_ns: i64,
    boot_ns: i64,
}

/// Nanoseconds in a second.
const SECOND_NS: i64 = 1_000_000_000;

fn kernel_ns(clock: libc::clockid_t) -> i64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let args = [clock as u64, (&raw mut now) as u64, 0, 0, 0, 0];
    // SAFETY: clock_gettime(2) writes one timespec.
    unsafe { sys::raw(libc::SYS_clock_gettime, args) };
    nanoseconds(now)
}

/// The time, in nanoseconds since some point.
#[must_use]
pub fn now_ns() -> i64 {
    kernel_ns(libc::CLOCK_MONOTONIC).saturating_add(OFFSET_NS.load(Ordering::Relaxed))
}

/// Makes the time go on from `then_ns`, what [`now_ns`] said at the cut.
pub fn go_on_from(then_ns: i64) {
    set(&OFFSET_NS, then_ns, libc::CLOCK_MONOTONIC_COARSE);
}

/// Makes what `offset` belongs to go on from `then_ns`, as seen by the kernel's `clock`.
fn set(offset: &AtomicI64, then_ns: i64, clock: libc::clockid_t) {
    offset.store(then_ns.saturating_sub(kernel_ns(clock)), Ordering::Relaxed);
}

/// What the program's `clock` is ahead of the kernel's, in nanoseconds.
pub(crate) fn offset_ns(clock: libc::clockid_t) -> i64 {
    let offset = match clock {
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_COARSE => &OFFSET_NS,
        libc::CLOCK_MONOTONIC_RAW => &RAW_OFFSET_NS,
        libc::CLOCK_BOOTTIME | libc::CLOCK_BOOTTIME_ALARM => &BOOT_OFFSET_NS,
        _ => return 0,
    };
    if GO_ON.load(Ordering::Relaxed) {
        offset.load(Ordering::Relaxed)
    } else {
        0
    }
}

/// The program's clocks, while it is stopped; `None` where they are the machine's.
pub(crate) fn export() -> Option<Clocks> {
    let now = |clock| kernel_ns(clock).saturating_add(offset_ns(clock));
    GO_ON.load(Ordering::Relaxed).then(|| Clocks {
        monotonic_ns: now(libc::CLOCK_MONOTONIC),
        raw_ns: now(libc::CLOCK_MONOTONIC_RAW),
        boot_ns: now(libc::CLOCK_BOOTTIME),
    })
}

/// Makes the program's clocks go on from `clocks`, before any of its threads runs.
pub(crate) fn import(clocks: Option<Clocks>) -> Result<()> {
    GO_ON.store(clocks.is_some(), Ordering::Relaxed);
    let Some(clocks) = clocks else {
        return Ok(());
    };
    go_on_from(clocks.monotonic_ns);
    set(&RAW_OFFSET_NS, clocks.raw_ns, libc::CLOCK_MONOTONIC_RAW);
    set(&BOOT_OFFSET_NS, clocks.boot_ns, libc::CLOCK_BOOTTIME);
    hooks::clocks_differ();
    vdso::clocks_differ()
}

/// What the program's steady clocks are ahead of the kernel's: CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW and CLOCK_BOOTTIME.
pub(crate) fn offsets() -> [i64; 3] {
    [
        libc::CLOCK_MONOTONIC,
        libc::CLOCK_MONOTONIC_RAW,
        libc::CLOCK_BOOTTIME,
    ]
    .map(offset_ns)
}

/// Makes them what another program's were, which has executed this one.
pub(crate) fn set_offsets(offsets_ns: [i64; 3]) -> Result<()> {
    if offsets_ns == [0; 3] {
        return Ok(());
    }
    for (offset, ns) in [&OFFSET_NS, &RAW_OFFSET_NS, &BOOT_OFFSET_NS]
        .into_iter()
        .zip(offsets_ns)
    {
        offset.store(ns, Ordering::Relaxed);
    }
    hooks::clocks_differ();
    vdso::clocks_differ()
}

/// A span of time in nanoseconds; one that is too long for that is as long as can be.
pub(crate) fn nanoseconds(span: libc::timespec) -> i64 {
    span.tv_sec
        .saturating_mul(SECOND_NS)
        .saturating_add(span.tv_nsec)
}

/// The span of so many nanoseconds.
pub(crate) fn timespec(nanoseconds: i64) -> libc::timespec {
    libc::timespec {
        tv_sec: nanoseconds / SECOND_NS,
        tv_nsec: nanoseconds % SECOND_NS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_from_where_it_was() {
        let before = now_ns();
        let boot = offset_ns(libc::CLOCK_BOOTTIME);
        go_on_from(before + 5 * SECOND_NS);
        let after = now_ns();
        assert!(after >= before + 5 * SECOND_NS && after < before + 3600 * SECOND_NS);
        go_on_from(before);
        assert!(now_ns() < after, "also back to what another machine says");
        assert_ne!(offset_ns(libc::CLOCK_MONOTONIC_COARSE), 0);
        assert_eq!(offset_ns(libc::CLOCK_BOOTTIME), boot);
        assert_eq!(offset_ns(libc::CLOCK_REALTIME), 0);
        let long = libc::timespec {
            tv_sec: i64::MAX,
            tv_nsec: 1,
        };
        assert_eq!(nanoseconds(long), i64::MAX);
        assert_eq!(nanoseconds(timespec(2_500_000_001)), 2_500_000_001);
    }
}
