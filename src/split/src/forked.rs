//! A process that the program has forked: what it has of the lower half, whose threads have stayed behind.
//!
//! ```text
//!   begin   at once: whose process, thread and descriptors these are       nothing is started: most forks execute something soon
//!   wake    when there is a checkpoint: descriptors of the old lower half go, threads can be made again
//! ```

#![expect(unsafe_code, reason = "closes descriptors by their numbers")]
// # Safety
// Lower TLS live, on the process' only thread.

use std::os::fd::RawFd;

use crate::error::Result;
use crate::{descriptors, hooks, lender, sys, thread, timers};

/// This process has just been forked.
pub fn begin() {
    thread::keep_own_block();
    descriptors::begin_in_child();
    timers::forget();
    hooks::count_as_child(true);
}

/// Makes this process one that has a lower half of its own; the number `kept` stays open. What held the others is to be forgotten.
///
/// # Errors
/// [`crate::Error::Os`] when no thread can be made.
pub fn wake(kept: Option<RawFd>) -> Result<()> {
    for number in descriptors::lower_halfs() {
        if Some(number) != kept && !descriptors::stays_open(number) {
            // SAFETY: a number of the lower half that was; its owners were threads that are not here, or are forgotten.
            unsafe { sys::raw(libc::SYS_close, [number as u64, 0, 0, 0, 0, 0]) };
            descriptors::gone(number);
        }
    }
    lender::start_again()
}
