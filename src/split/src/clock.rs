//! Time as the upper half's waits have spent it: CLOCK_MONOTONIC, which goes on at a restart where it was at the cut.

#![expect(unsafe_code, reason = "asks the kernel for the time")]
// # Safety
// Either TLS may be live: raw system calls only, no allocation, no panic.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::sys;

/// What is added to the kernel's clock, which at another machine, or after a boot, is another one.
static OFFSET_NS: AtomicI64 = AtomicI64::new(0);

/// Nanoseconds in a second.
const SECOND_NS: i64 = 1_000_000_000;

fn kernel_ns() -> i64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let args = [
        libc::CLOCK_MONOTONIC as u64,
        (&raw mut now) as u64,
        0,
        0,
        0,
        0,
    ];
    // SAFETY: clock_gettime(2) writes one timespec.
    unsafe { sys::raw(libc::SYS_clock_gettime, args) };
    nanoseconds(now)
}

/// The time, in nanoseconds since some point.
#[must_use]
pub fn now_ns() -> i64 {
    kernel_ns().saturating_add(OFFSET_NS.load(Ordering::Relaxed))
}

/// Makes the time go on from `then_ns`, what [`now_ns`] said at the cut.
pub fn go_on_from(then_ns: i64) {
    OFFSET_NS.store(then_ns.saturating_sub(kernel_ns()), Ordering::Relaxed);
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
        go_on_from(before + 5 * SECOND_NS);
        let after = now_ns();
        assert!(after >= before + 5 * SECOND_NS && after < before + 3600 * SECOND_NS);
        go_on_from(before);
        assert!(now_ns() < after, "also back to what another machine says");
        let long = libc::timespec {
            tv_sec: i64::MAX,
            tv_nsec: 1,
        };
        assert_eq!(nanoseconds(long), i64::MAX);
        assert_eq!(nanoseconds(timespec(2_500_000_001)), 2_500_000_001);
    }
}
