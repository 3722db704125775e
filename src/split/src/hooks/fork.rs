//! fork(2), where what children do is part of checkpoints: the child gets a lower half that works.
//!
//! ```text
//!   the program's libc: clone(SIGCHLD …) ──> FS := lower, parking stack ──> the engine takes its locks, the lower libc forks
//!                                                                                parent: as ever
//!                                                                                child:  one thread, `crate::forked::begin`
//!                       <── FS := upper ─────────────────────────────────────────┘
//! ```
//!
//! With a plain system call the child would find the locks of the lower half as other threads of its parent had left them.
//! Calls with flags of their own, and vfork(2), are the kernel's.

#![expect(
    unsafe_code,
    reason = "exchanges the FS base, writes numbers where the application wants them"
)]
// # Safety
// As for all hooks, until FS is the lower half's; then the thread's lower TLS and parking stack, which are not in use: it is in upper
// code. All signals but the checkpoint signal are blocked, and that finds the thread in the lower half.

use std::ffi::c_void;
use std::sync::OnceLock;

use super::{Outcome, SystemCall, from_here_on, pass};
use crate::signals::MaskGuard;
use crate::thread::{ThreadBlock, adopt};
use crate::{arch, descriptors, sys};

/// Those whose sites have trampolines, and that come here where forks are followed.
pub(super) const STEERED: [i64; 2] = [libc::SYS_clone, libc::SYS_fork];

/// Forks: zero in the child, its number in the parent, or a negative error number.
type Handler = fn() -> i32;

static HANDLER: OnceLock<Handler> = OnceLock::new();

/// Has forks of the program made by `handler`, in the lower half. Only the first statement counts.
pub fn follow_forks(handler: Handler) {
    let _ = HANDLER.set(handler);
    from_here_on(&STEERED);
}

/// Flags of libc's fork: numbers are written to these places, and cleared when the child ends.
const PARENT_SETTID: u64 = libc::CLONE_PARENT_SETTID as u64;
const CHILD_SETTID: u64 = libc::CLONE_CHILD_SETTID as u64;
const CHILD_CLEARTID: u64 = libc::CLONE_CHILD_CLEARTID as u64;

/// clone(2) or fork(2).
pub(super) fn dispatch(call: &SystemCall) -> Outcome {
    let [flags, stack, parent_tid, child_tid, ..] = match call.number {
        libc::SYS_clone => call.args,
        _ => [libc::SIGCHLD as u64, 0, 0, 0, 0, 0],
    };
    let others = flags & !(PARENT_SETTID | CHILD_SETTID | CHILD_CLEARTID);
    let is_fork = others == libc::SIGCHLD as u64 && stack == 0;
    let Some(handler) = HANDLER.get() else {
        return Outcome::unchanged(call);
    };
    if !is_fork || !descriptors::is_this_process() {
        return Outcome::unchanged(call);
    }
    let result = in_lower_half(*handler);
    let write = |place: u64, number: i32| {
        // SAFETY: the application's word, by clone(2)'s contract.
        unsafe { (place as *mut i32).write(number) };
    };
    if result > 0 && flags & PARENT_SETTID != 0 {
        write(parent_tid, result);
    }
    if result == 0 {
        if flags & CHILD_SETTID != 0 {
            write(child_tid, sys::gettid());
        }
        // The lower libc has set its own.
        let cleared = if flags & CHILD_CLEARTID != 0 {
            child_tid
        } else {
            0
        };
        pass(libc::SYS_set_tid_address, [cleared, 0, 0, 0, 0, 0]);
    }
    Outcome::done(i64::from(result))
}

struct Fork {
    handler: Handler,
    result: i32,
}

fn in_lower_half(handler: Handler) -> i32 {
    unsafe extern "C" fn run(fork: *mut c_void) {
        // SAFETY: `in_lower_half` passes its own, which outlives the call, in both processes.
        let fork = unsafe { &mut *fork.cast::<Fork>() };
        fork.result = (fork.handler)();
    }
    let fs = arch::read_fs();
    let block = ThreadBlock::current().unwrap_or_else(|| {
        // SAFETY: `adopt` returns a block, which lives for ever.
        unsafe { &*adopt(fs) }
    });
    let mut fork = Fork { handler, result: 0 };
    let mask = MaskGuard::block_all();
    // SAFETY: this thread's own bases and stack, see above.
    unsafe {
        arch::write_fs(block.lower_fs());
        arch::call_on_stack((&raw mut fork).cast(), run, block.park_stack_top);
        arch::write_fs(fs);
    }
    drop(mask);
    fork.result
}
