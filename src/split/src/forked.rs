//! A process that the program has forked: what it has of the lower half, whose threads have stayed behind.
//!
//! ```text
//!   begin   at once: whose process, thread and descriptors these are       nothing is started: most forks execute something soon
//!   wake    when there is a checkpoint: descriptors of the old lower half go, threads can be made again
//! ```
//!
//! Whoever makes a checkpoint finds it among its parent's children. When its parent ends it is among nobody's, so the kernel is told to
//! send it the checkpoint signal then (`PR_SET_PDEATHSIG`), and it wakes.

#![expect(
    unsafe_code,
    reason = "system calls; closes descriptors by their numbers"
)]
// # Safety
// `begin` and `wake` with the lower TLS live, on the process' only thread; the rest in hooks and signal handlers, with any TLS or none:
// no allocation, no lock, no panic.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use crate::error::Result;
use crate::thread::Tid;
use crate::{descriptors, hooks, lender, signals, sys, thread, timers};

/// Whether this process sleeps, and is woken when its parent ends.
static IS_WATCHING: AtomicBool = AtomicBool::new(false);
/// The timer of [`try_again_soon`].
static TIMER: AtomicI32 = AtomicI32::new(NO_TIMER);
const NO_TIMER: i32 = -1;
/// How long a call of the lower half's is given, in which the signal has found this process.
const SOON_NS: i64 = 5_000_000;

/// This process has just been forked, by the one with the kernel's number `parent`.
pub fn begin(parent: Tid) {
    thread::keep_own_block();
    descriptors::begin_in_child();
    timers::forget();
    hooks::count_as_child(true);
    TIMER.store(NO_TIMER, Ordering::Relaxed);
    IS_WATCHING.store(true, Ordering::Relaxed);
    watch_parent(true);
    // SAFETY: takes no pointer.
    let parent_now = unsafe { sys::raw(libc::SYS_getppid, [0; 6]) };
    if parent_now != i64::from(parent) {
        try_again_soon();
    }
}

/// Whether this process sleeps.
pub(crate) fn is_watching() -> bool {
    IS_WATCHING.load(Ordering::Relaxed) && descriptors::is_this_process()
}

/// Has the kernel send this process the checkpoint signal when its parent ends, or not: what it executes must not get one.
pub(crate) fn watch_parent(watch: bool) {
    let signal = signals::checkpoint_signal().filter(|_| watch).unwrap_or(0);
    let args = [libc::PR_SET_PDEATHSIG as u64, signal as u64, 0, 0, 0, 0];
    // SAFETY: takes no pointer. Where a filter of the program's forbids it, a checkpoint finds the process if its parent lives.
    unsafe { sys::raw(libc::SYS_prctl, args) };
}

/// The checkpoint signal has found this process where it cannot wake: it is sent once more.
pub(crate) fn try_again_soon() {
    let Some(signal) = signals::checkpoint_signal() else {
        return;
    };
    let mut timer = TIMER.load(Ordering::Relaxed);
    if timer == NO_TIMER {
        let Some(made) = timers::make_own(signal) else {
            return;
        };
        timer = made;
        TIMER.store(timer, Ordering::Relaxed);
    }
    timers::set_own(timer, SOON_NS);
}

/// Makes this process one that has a lower half of its own; the number `kept` stays open. What held the others is to be forgotten.
///
/// # Errors
/// [`crate::Error::Os`] when no thread can be made.
pub fn wake(kept: Option<RawFd>) -> Result<()> {
    IS_WATCHING.store(false, Ordering::Relaxed);
    watch_parent(false);
    let timer = TIMER.swap(NO_TIMER, Ordering::Relaxed);
    if timer != NO_TIMER {
        timers::delete_own(timer);
    }
    for number in descriptors::lower_halfs() {
        if Some(number) != kept && !descriptors::stays_open(number) {
            // SAFETY: a number of the lower half that was; its owners were threads that are not here, or are forgotten.
            unsafe { sys::raw(libc::SYS_close, [number as u64, 0, 0, 0, 0, 0]) };
            descriptors::gone(number);
        }
    }
    lender::start_again()
}
