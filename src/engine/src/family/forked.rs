//! Children that the program has forked and that have not executed anything: dormant until there is a checkpoint.
//!
//! ```text
//!   fork ──> with the engine's locks held, so that the child finds them free        one thread, no agent: dormant
//!   the root stops its family, finds the child among its processes, and sends it the checkpoint signal
//!        ──> in the handler: sockets of the parent's lower half go, an agent starts, it joins: a member like any other
//!   its parent ends ──> the kernel sends it that signal, before nobody finds it any more
//! ```

#![expect(unsafe_code, reason = "fork")]
// # Safety
// `fork` runs on a thread of the program, in the lower half, on its parking stack; `wake` on such a thread that the checkpoint signal has
// interrupted in upper code.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};

use mana_split::descriptors::Reserved;
use mana_split::forked;
use mana_split::numbers::is_taken;
use mana_split::thread::Tid;

use super::{member, register, root};
use crate::engine::{State, restore_state, state};
use crate::error::EngineError;
use crate::{alone, checkpoint, cut, forwarded_signal, messages, surroundings};

/// Whether this process has been forked and has no agent yet.
static IS_DORMANT: AtomicBool = AtomicBool::new(false);

/// Whether this process has been forked and has no agent yet.
pub fn is_dormant() -> bool {
    IS_DORMANT.load(Ordering::Relaxed)
}

/// Forks, as fork(2) does; a negative number is an error's.
pub fn fork() -> i32 {
    // What threads of the lower half may hold; in the order in which they take it.
    let held = (
        state(),
        cut::hold(),
        checkpoint::hold(),
        root::hold(),
        member::hold(),
        register::hold(),
    );
    let parent = std::process::id() as Tid;
    let pid = fork_anew();
    let error = std::io::Error::last_os_error();
    if pid == 0 {
        IS_DORMANT.store(true, Ordering::Relaxed);
        forked::begin(parent);
    }
    drop(held);
    match pid {
        -1 => -error.raw_os_error().unwrap_or(libc::EAGAIN),
        pid => pid,
    }
}

/// Forks until the child has a number that stands for nobody else to the program.
fn fork_anew() -> Tid {
    loop {
        // SAFETY: the lower libc sees to its own locks, and those of this process' other threads are held by `fork`.
        let pid = unsafe { libc::fork() };
        let child = if pid == 0 {
            std::process::id() as Tid
        } else {
            pid
        };
        if pid < 0 || !is_taken(child) {
            return pid;
        }
        // SAFETY: neither takes a pointer, nor leaves the program a child that it does not know of.
        unsafe {
            if pid == 0 {
                libc::_exit(0);
            }
            libc::waitpid(pid, std::ptr::null_mut(), 0);
        }
    }
}

/// Becomes a member. Where that cannot be, the program runs on, and the root does without it.
pub fn wake() {
    if !IS_DORMANT.swap(false, Ordering::Relaxed) {
        return;
    }
    match join() {
        Ok(()) => {}
        Err(EngineError::Os { source, .. }) if source.kind() == ErrorKind::ConnectionRefused => {
            tracing::debug!(
                "the program has ended that started this one, which runs on without checkpoints"
            );
        }
        Err(error) => tracing::warn!(
            "this child of the program cannot be part of checkpoints: {}",
            crate::entry::with_causes(&error)
        ),
    }
}

fn join() -> Result<(), EngineError> {
    cut::forget();
    root::forget();
    member::forget();
    register::forget();
    forwarded_signal::forget();
    // A child has no part in its parent's MPI.
    restore_state(State::default());
    forked::wake(messages::number())?;
    let reserved = Reserved::below(None)?;
    member::become_one();
    let socket = member::connect()?;
    alone::begin_as_member(socket)?;
    surroundings::settle(reserved)
}
