//! The lower half's side of a crossing: which handler serves which slot, and calls back into the upper half.
//!
//! ```text
//!   upper code ──jmp *slot(gate)──> entry (assembly) ──FS := lower──> HANDLERS[slot](&mut CrossFrame) ──> u64
//!        ^                                                                   │
//!        └── function <──FS := upper── call_upper(function, arguments) <─────┘     user ops, error handlers …
//! ```
//!
//! A handler runs on the caller's stack with the thread's own lower TLS: it may allocate, lock and call the real
//! libraries. Its result goes to the caller in rax; a function that returns a double must be a local slot.

#![expect(
    unsafe_code,
    reason = "calls function pointers of the other half and exchanges the FS base around them"
)]
// # Safety
// Handlers run with the lower TLS live. `call_upper` has the upper TLS live between its two `write_fs`, where it does
// nothing but the call.

use std::sync::atomic::{AtomicPtr, Ordering};

use crate::arch;
use crate::frame::CrossFrame;
use crate::gate::GATE_SLOTS;
use crate::thread::{CallbackMark, ThreadBlock};

/// A function of the lower half that serves one slot. Its result is the caller's.
pub type Handler = unsafe extern "C" fn(&mut CrossFrame) -> u64;

/// Read by the entry assembly on every crossing.
pub(crate) static HANDLERS: [AtomicPtr<()>; GATE_SLOTS] =
    [const { AtomicPtr::new(unknown_slot as *mut ()) }; GATE_SLOTS];

/// Sets the handlers of slots 0 up to the length of `handlers`. Call it before any upper code runs.
///
/// # Panics
/// When there are more handlers than the gate has slots.
pub fn set_handlers(handlers: &'static [Handler]) {
    assert!(
        handlers.len() <= GATE_SLOTS,
        "{} handlers for {GATE_SLOTS} slots",
        handlers.len()
    );
    for (entry, &handler) in HANDLERS.iter().zip(handlers) {
        entry.store(handler as *mut (), Ordering::Relaxed);
    }
}

unsafe extern "C" fn unknown_slot(frame: &mut CrossFrame) -> u64 {
    eprintln!(
        "mana: the program calls function number {}, which this mana does not have: its libmana_stub is newer; \
         run it with the mana it was installed with, or a later one",
        frame.slot()
    );
    std::process::abort()
}

/// The address of a slot's crossing entry: for a local function that cannot give the answer itself.
#[must_use]
pub fn entry_address(slot: u16) -> usize {
    arch::crossing_entry(usize::from(slot), crate::gate::FsSwitch::detect())
}

/// Calls a function of the upper half from a handler: integer and pointer arguments, integer result.
///
/// While the function runs, the thread does not park: a checkpoint waits until the callback has returned.
///
/// # Safety
/// `function` is an address in the upper half of a function that takes `arguments` in this order as integers or
/// pointers. The caller is on a thread of the upper half, inside a handler; it holds no lock that the function may come
/// back for.
///
/// # Panics
/// On a thread that has no upper half, for instance one that the MPI library created.
pub unsafe fn call_upper(function: usize, arguments: &[u64]) -> u64 {
    let block = ThreadBlock::current()
        .expect("a callback into the application needs a thread of the application");
    let mark = CallbackMark::set(block);
    let (upper_fs, lower_fs) = (block.upper_fs(), block.lower_fs());
    // SAFETY: both are this thread's own bases (`current` has checked it); the function's contract is the caller's
    // promise; nothing in between uses thread-locals.
    let result = unsafe {
        arch::write_fs(upper_fs);
        let result = arch::call_with_arguments(function, arguments.as_ptr(), arguments.len());
        arch::write_fs(lower_fs);
        result
    };
    drop(mark);
    result
}
