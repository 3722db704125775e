//! Spawning a thread that never runs a signal handler.
//!
//! # Safety
//! Lower half only, its TLS live. The calling thread's mask is changed for the moment of the spawn and put
//! back whatever happens; a signal that arrives meanwhile stays pending until then.
use std::thread::{Builder, JoinHandle};

/// Starts a thread with all signals blocked from its first instruction on: a mask set by the thread itself
/// would come too late for a signal that the kernel delivers to it at birth.
pub(crate) fn spawn_without_signals(
    name: String,
    body: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let before = change_mask(all_signals());
    let spawned = Builder::new().name(name).spawn(body);
    change_mask(before);
    spawned
}

fn all_signals() -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: sigfillset(3) initialises the set it is given, which is large enough by its type.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        set.assume_init()
    }
}

fn change_mask(to: libc::sigset_t) -> libc::sigset_t {
    let mut before = std::mem::MaybeUninit::uninit();
    // SAFETY: both pointers are to sets that live across the call; pthread_sigmask(3) fails only for a bad
    // `how`, and otherwise fills in the old mask.
    unsafe {
        let failed = libc::pthread_sigmask(libc::SIG_SETMASK, &raw const to, before.as_mut_ptr());
        assert_eq!(failed, 0, "SIG_SETMASK is a valid way to change a mask");
        before.assume_init()
    }
}
