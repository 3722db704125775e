//! The end of the process.
//!
//! ```text
//!   exit() of the upper half -> its handlers, its libraries' finalisers -> the stub's finaliser -> here
//!                                                                            lower half's exit handlers
//!                            -> upper stdio is flushed -> exit_group
//! ```
//!
//! A native program's exit also runs the exit handlers of its MPI library: MPICH 5 takes leave of the launcher in one,
//! and a rank that leaves without is taken for dead and its neighbours are killed. The upper half's `exit_group` would
//! skip them.
//!
//! # Safety
//! Lower TLS live, on the thread that called `exit`. Afterwards the lower half's libraries are finalised: no MPI call
//! is allowed any more, and the hooks, which use no library, still work.
#![expect(unsafe_code, reason = "calls libc's __cxa_finalize")]

use std::sync::OnceLock;

use crate::life;

unsafe extern "C" {
    /// Runs the exit handlers of a library, of all for null (Linux Standard Base, `__cxa_finalize`).
    fn __cxa_finalize(library: *mut libc::c_void);
}

/// The process that initialised MPI: a child that it forks does not own the library.
static OWNER: OnceLock<u32> = OnceLock::new();

/// MPI was initialised in this process.
pub fn own() {
    let _ = OWNER.set(std::process::id());
}

/// Runs the lower half's exit handlers, if the native library was started in this very process.
pub fn leave() {
    if OWNER.get() != Some(&std::process::id()) {
        return;
    }
    if let Err(error) = life::take_down_unused() {
        tracing::warn!("MPI_Finalize at the exit of the process: {}", error.message);
    }
    // SAFETY: the program is exiting, so no other thread uses MPI any more (MPI-5.0 section 11.2.2), and the lower
    // half's threads do not touch the libraries' data.
    unsafe { __cxa_finalize(std::ptr::null_mut()) };
}
