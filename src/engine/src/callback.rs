//! Calling functions that the application registered: attribute callbacks, error handlers, restart callbacks.
//!
//! # Safety
//! Lower TLS live, on the upper stack of a thread of the application, inside a call of its own. No lock may be held:
//! the function may call MPI again. While it runs the thread does not park, so a checkpoint waits for it.
#![expect(
    unsafe_code,
    reason = "calls functions of the application; see # Safety above"
)]

use mana_record_replay::address::UpperAddress;
use mana_split::crossing::call_upper;

/// Calls `function` and returns its word. The words are the arguments of the prototype it was registered with.
pub fn word(function: UpperAddress, words: &[u64]) -> u64 {
    // SAFETY: an address that the application registered as a function of the prototype the caller fills in; callers
    // hold no lock (see the module).
    unsafe { call_upper(function.0 as usize, words) }
}

/// As [`word`], for a function that returns an `int`.
pub fn status(function: UpperAddress, words: &[u64]) -> i32 {
    word(function, words) as i32
}

/// Whether the calling thread is inside such a function: it cannot be checkpointed before that returns.
pub fn is_running() -> bool {
    mana_split::thread::ThreadBlock::current()
        .is_some_and(mana_split::thread::ThreadBlock::in_callback)
}
