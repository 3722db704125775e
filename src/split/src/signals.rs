//! The application's signal handlers and signal mask, seen from a process with two TLSs per thread.
//!
//! A signal can interrupt a thread in either half. The kernel therefore never gets the application's handler, only one
//! entry of ours for all signals, which looks where the thread was:
//!
//! ```text
//!   interrupted          FS      entry does
//!   upper code           upper   jumps to the handler; nothing of ours is on the stack
//!   crossing, hook, vdso upper   marks a callback, calls the handler, unmarks
//!   lower code           lower   the same with FS := upper around the call
//!   a lower thread       other   hands the signal to the main thread and blocks all signals here
//! ```
//!
//! Flags, masks and the restorer stay in the kernel, which is the only record of them; here is one word per signal, the
//! handler. A fork copies both, and a vfork child that resets dispositions before exec cannot spoil its parent's.
//!
//! The checkpoint signal is not the application's: its handler cannot be replaced (EINVAL, as for SIGKILL; setting it to
//! the default or to be ignored succeeds and does nothing) and it never enters a thread's signal mask.

#![expect(
    unsafe_code,
    reason = "signal system calls, and calls to the application's handlers"
)]
// # Safety
// The hooks and the signal entry run with the upper TLS live (the entry also with the lower one): no TLS, no
// allocation, no panic, raw system calls only. `export`, `import` and `spawn_lower` run with the lower TLS live.

use std::ops::Range;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::thread;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::thread::{CallbackMark, ThreadBlock, adopt};
use crate::{arch, call_again, cancellation, numbers, seccomp, sys, window};

/// Signals are numbered 1 to 64.
const SIGNAL_MAX: i32 = 64;
/// Size of the kernel's signal set in bytes, which its system calls want to be told.
const SIGSET_BYTES: u64 = 8;

/// The kernel's `struct sigaction` (not libc's).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct KernelAction {
    handler: u64,
    flags: u64,
    restorer: u64,
    mask: u64,
}

const SIG_DFL: u64 = 0;
const SIG_IGN: u64 = 1;
/// SA_RESTORER of <asm/signal.h>: `restorer` is set. x86-64 has no other way to return from a handler.
const SA_RESTORER: u64 = 0x0400_0000;

/// The application's handler of each signal: what the entry calls.
static HANDLERS: [AtomicU64; SIGNAL_MAX as usize + 1] =
    [const { AtomicU64::new(SIG_DFL) }; SIGNAL_MAX as usize + 1];

/// The checkpoint signal, 0 while there is none.
static CHECKPOINT_SIGNAL: AtomicI32 = AtomicI32::new(0);

/// The checkpoint signal, once [`crate::park::install`] has set one.
#[must_use]
pub fn checkpoint_signal() -> Option<i32> {
    match CHECKPOINT_SIGNAL.load(Ordering::Relaxed) {
        0 => None,
        signal => Some(signal),
    }
}

/// The bit of the checkpoint signal in a kernel signal set, 0 while there is none.
pub(crate) fn checkpoint_bit() -> u64 {
    checkpoint_signal().map_or(0, |signal| 1 << (signal - 1))
}

fn kernel_sigaction(signal: i32, new: *const KernelAction, old: *mut KernelAction) -> i64 {
    // SAFETY: null or pointers to the kernel's structure; what the new action runs is this module's own entry, a
    // disposition without code, or the caller's own handler.
    unsafe {
        sys::raw(
            libc::SYS_rt_sigaction,
            [signal as u64, new as u64, old as u64, SIGSET_BYTES, 0, 0],
        )
    }
}

/// Changes this thread's signal mask (`how` as in sigprocmask(2)) and returns the old one.
pub(crate) fn change_mask(how: i32, mask: u64) -> u64 {
    let mut old = 0_u64;
    let args = [
        how as u64,
        (&raw const mask) as u64,
        (&raw mut old) as u64,
        SIGSET_BYTES,
        0,
        0,
    ];
    // SAFETY: reads and writes one word each.
    unsafe { sys::raw(libc::SYS_rt_sigprocmask, args) };
    old
}

/// Blocks all signals of the calling thread while it lives, the checkpoint signal excepted: a thread that blocks that one
/// counts as the lower half's, and its handler returns at once from code of the lower half.
pub(crate) struct MaskGuard(u64);

impl MaskGuard {
    pub(crate) fn block_all() -> Self {
        Self(change_mask(libc::SIG_BLOCK, !checkpoint_bit()))
    }
}

impl Drop for MaskGuard {
    fn drop(&mut self) {
        change_mask(libc::SIG_SETMASK, self.0);
    }
}

/// The calling thread's alternate signal stack, empty if it has none.
pub(crate) fn alternate_stack() -> Range<u64> {
    let mut stack = libc::stack_t {
        ss_sp: std::ptr::null_mut(),
        ss_flags: 0,
        ss_size: 0,
    };
    // SAFETY: a query that fills in `stack`.
    unsafe {
        sys::raw(
            libc::SYS_sigaltstack,
            [0, (&raw mut stack) as u64, 0, 0, 0, 0],
        )
    };
    if stack.ss_flags & libc::SS_DISABLE != 0 {
        return 0..0;
    }
    stack.ss_sp as u64..stack.ss_sp as u64 + stack.ss_size as u64
}

/// Starts a thread of the lower half: all its signals are blocked, so it neither takes the application's signals nor
/// counts as one of the application's threads. `stack_bytes` 0 means the default. Call it with the lower TLS live.
///
/// # Errors
/// As [`thread::Builder::spawn`].
pub fn spawn_lower<T: Send + 'static>(
    name: &str,
    stack_bytes: usize,
    body: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<thread::JoinHandle<T>> {
    let mut builder = thread::Builder::new().name(name.into());
    if stack_bytes != 0 {
        builder = builder.stack_size(stack_bytes);
    }
    with_all_blocked(|| builder.spawn(body))
}

/// How often [`with_all_blocked`] has begun: [`crate::park::upper_threads`] looks again when that changes.
pub(crate) static BLOCKINGS: AtomicU64 = AtomicU64::new(0);

/// Runs `body` with all signals blocked, so that the threads it creates block them too: for calls into libraries that
/// start threads of their own. An application's thread goes on counting as one. Call it with the lower TLS live.
pub fn with_all_blocked<T>(body: impl FnOnce() -> T) -> T {
    let flag = ThreadBlock::current().map(|block| &block.blocks_signals);
    let before = flag.is_some_and(|flag| flag.swap(true, Ordering::AcqRel));
    BLOCKINGS.fetch_add(1, Ordering::AcqRel);
    let old = change_mask(libc::SIG_BLOCK, !0);
    let result = body();
    change_mask(libc::SIG_SETMASK, old);
    if let Some(flag) = flag {
        flag.store(before, Ordering::Release);
    }
    result
}

// ---- What the application asks for -------------------------------------------------------------------------------

/// rt_sigaction(2) of the upper half: the kernel gets our entry, the application sees its own handler.
#[must_use]
pub fn hook_rt_sigaction(args: [u64; 6]) -> i64 {
    let [signal, new, old, size, ..] = args;
    let signal = signal as i32;
    if size != SIGSET_BYTES || !(1..=SIGNAL_MAX).contains(&signal) {
        return -i64::from(libc::EINVAL);
    }
    // SAFETY: pointers of the application, null or valid, as natively: libc copies through them itself.
    let new = unsafe { (new as *const KernelAction).as_ref() };
    let (result, previous) = if checkpoint_signal() == Some(signal) {
        let refused = new.is_some_and(|new| new.handler > SIG_IGN);
        (
            if refused { -i64::from(libc::EINVAL) } else { 0 },
            KernelAction::default(),
        )
    } else {
        set_action(signal, new)
    };
    // SAFETY: as above.
    let old = unsafe { (old as *mut KernelAction).as_mut() };
    if let (0, Some(old)) = (result, old) {
        *old = previous;
    }
    result
}

/// Sets (if `new`) and reports the action of a signal, with the application's handler in place of our entry.
fn set_action(signal: i32, new: Option<&KernelAction>) -> (i64, KernelAction) {
    let handler = &HANDLERS[signal as usize];
    let mut previous_handler = handler.load(Ordering::Relaxed);
    let mut previous = KernelAction::default();
    let result = match new.copied() {
        None => kernel_sigaction(signal, std::ptr::null(), &raw mut previous),
        Some(mut new) => {
            new.mask &= !checkpoint_bit();
            let has_code = new.handler > SIG_IGN;
            if has_code {
                // Before the kernel can deliver the signal to it. Until then the old action's signals reach the new
                // handler, as they would a moment later.
                previous_handler = handler.swap(new.handler, Ordering::Relaxed);
                new.handler = arch::signal_entry_address();
            }
            let result = kernel_sigaction(signal, &raw const new, &raw mut previous);
            if has_code && result != 0 {
                handler.store(previous_handler, Ordering::Relaxed);
            }
            result
        }
    };
    if previous.handler == arch::signal_entry_address() {
        previous.handler = previous_handler;
    } else if previous.handler > SIG_IGN {
        previous = KernelAction::default(); // the lower half's own handler is none of the application's business
    }
    (result, previous)
}

// ---- Delivery ----------------------------------------------------------------------------------------------------

/// Called by the entry: the handler to jump to if the thread was in upper code, 0 if [`deliver_from_lower`] is to run.
pub(crate) unsafe extern "C" fn direct_handler(
    signal: i32,
    info: *mut libc::siginfo_t,
    context: *mut libc::ucontext_t,
) -> u64 {
    // SAFETY: the kernel's, in the frame of the signal being delivered.
    unsafe { numbers::tell_sender(info) };
    // SAFETY: the kernel's frame of the signal being delivered.
    let rip = unsafe { (*context).uc_mcontext.gregs[libc::REG_RIP as usize] } as usize;
    if window::is_upper(rip) && window::contains(arch::read_fs() as usize) {
        if signal == cancellation::SIGCANCEL {
            // SAFETY: as above.
            unsafe { cancellation::show_site(context) };
        }
        // SAFETY: as above; RIP is in upper code.
        unsafe { call_again::leave_no_number(context) };
        HANDLERS[signal as usize].load(Ordering::Relaxed)
    } else {
        0
    }
}

/// Called by the entry for a signal that found the thread outside upper code: the handler runs as a callback.
pub(crate) unsafe extern "C" fn deliver_from_lower(
    signal: i32,
    info: *mut libc::siginfo_t,
    context: *mut libc::ucontext_t,
) {
    let fs = arch::read_fs();
    let block = if window::contains(fs as usize) {
        ThreadBlock::current().unwrap_or_else(|| {
            // SAFETY: `adopt` returns a block, which lives for ever.
            unsafe { &*adopt(fs) }
        })
    } else if let Some(block) = ThreadBlock::current() {
        block
    } else {
        // SAFETY: the kernel's frame of the signal being delivered.
        return unsafe { hand_over(signal, info, &mut *context) };
    };
    let handler = HANDLERS[signal as usize].load(Ordering::Relaxed);
    // SAFETY: what the application installed: a handler takes these three arguments or the first of them.
    let handler: unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::ucontext_t) =
        unsafe { std::mem::transmute(handler as usize) };
    let mark = CallbackMark::set(block);
    // SAFETY: this thread's own bases; the context of the interrupted code is in the kernel's frame, FS apart, which is
    // put back here.
    unsafe {
        arch::write_fs(block.upper_fs());
        handler(signal, info, context);
        arch::write_fs(fs);
    }
    drop(mark);
}

/// A signal for the application reached a thread that the lower half's libraries created without blocking signals: the
/// main thread gets it, and this thread no further one. A fault is not handed on: blocked, it ends the process at the
/// faulting instruction.
unsafe fn hand_over(signal: i32, info: *mut libc::siginfo_t, context: &mut libc::ucontext_t) {
    // SAFETY: the kernel's own structures.
    unsafe {
        block_all_after(context);
        // si_code is positive when the kernel itself raised the signal.
        let synchronous = matches!(
            signal,
            libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE | libc::SIGILL | libc::SIGTRAP
        );
        if synchronous && (*info).si_code > 0 {
            return;
        }
        let pid = sys::getpid() as u64;
        if sys::raw(
            libc::SYS_rt_tgsigqueueinfo,
            [pid, pid, signal as u64, info as u64, 0, 0],
        ) != 0
        {
            // Only a process may not forge a kernel's siginfo; without it, then.
            sys::raw(libc::SYS_tgkill, [pid, pid, signal as u64, 0, 0, 0]);
        }
    }
}

/// Makes the interrupted thread continue with all signals blocked.
pub(crate) fn block_all_after(context: &mut libc::ucontext_t) {
    // SAFETY: the kernel's set is the first word of libc's larger one, and all there is in the kernel's frame.
    unsafe { (&raw mut context.uc_sigmask).cast::<u64>().write(!0) };
}

// ---- Checkpoint and restart --------------------------------------------------------------------------------------

/// What the application does with one signal; signals with the default action are left out of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalAction {
    /// Signal number.
    pub signal: i32,
    /// SIG_IGN (1) or the handler's address in the upper half.
    pub handler: u64,
    /// The kernel's SA_ flags.
    pub flags: u64,
    /// The restorer's address in the upper half.
    pub restorer: u64,
    /// Signals blocked while the handler runs, as the kernel's set.
    pub mask: u64,
}

/// The signals whose actions are the application's; SIGSYS is the backstop's while that is armed.
fn own_signals() -> impl Iterator<Item = i32> {
    (1..=SIGNAL_MAX).filter(|&signal| {
        signal != libc::SIGKILL
            && signal != libc::SIGSTOP
            && checkpoint_signal() != Some(signal)
            && !(signal == libc::SIGSYS && seccomp::is_armed())
    })
}

/// The application's signal actions, for the image.
#[must_use]
pub fn export() -> Vec<SignalAction> {
    own_signals()
        .filter_map(|signal| {
            let (
                result,
                KernelAction {
                    handler,
                    flags,
                    restorer,
                    mask,
                },
            ) = set_action(signal, None);
            (result == 0 && handler != SIG_DFL).then_some(SignalAction {
                signal,
                handler,
                flags,
                restorer,
                mask,
            })
        })
        .collect()
}

/// Gives the application the signal actions of an image; all others become the default.
///
/// # Errors
/// [`Error::Os`] when the kernel refuses one.
pub fn import(actions: &[SignalAction]) -> Result<()> {
    for signal in own_signals() {
        let new = actions
            .iter()
            .find(|action| action.signal == signal)
            .map_or(KernelAction::default(), |action| KernelAction {
                handler: action.handler,
                flags: action.flags,
                restorer: action.restorer,
                mask: action.mask,
            });
        // 32 and 33 are libc's own; the kernel takes them as any other.
        let (result, _) = set_action(signal, Some(&new));
        if result != 0 {
            let source = std::io::Error::from_raw_os_error(-result as i32);
            return Err(Error::Os {
                what: format!("restoring the action of signal {signal}"),
                source,
            });
        }
    }
    Ok(())
}

/// Installs the lower half's handler for the checkpoint signal and unblocks the signal in the calling thread.
pub(crate) fn install_checkpoint_handler(
    signal: i32,
    handler: unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::ucontext_t),
) -> Result<()> {
    CHECKPOINT_SIGNAL.store(signal, Ordering::Relaxed);
    let action = KernelAction {
        handler: handler as usize as u64,
        // NODEFER and out of the mask: a thread that blocks the checkpoint signal would count as the lower half's.
        flags: (libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_NODEFER) as u64 | SA_RESTORER,
        restorer: arch::signal_return_address(),
        mask: !checkpoint_bit(),
    };
    let result = kernel_sigaction(signal, &raw const action, std::ptr::null_mut());
    if result != 0 {
        CHECKPOINT_SIGNAL.store(0, Ordering::Relaxed);
        let source = std::io::Error::from_raw_os_error(-result as i32);
        return Err(Error::Os {
            what: format!("installing the handler of checkpoint signal {signal}"),
            source,
        });
    }
    change_mask(libc::SIG_UNBLOCK, checkpoint_bit());
    Ok(())
}
