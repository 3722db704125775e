//! The checkpoint signal: how a thread that is busy in upper code comes to take part in a checkpoint.
//!
//! ```text
//!   agent thread            upper thread
//!   signal_upper_threads ─> kernel puts its registers on its stack (the signal frame), calls `on_checkpoint_signal`
//!                             not in upper code, or in a callback?  return: the engine or the next signal sees to it
//!                             FS := lower ; onto its parking stack in the lower half
//!                             interrupt handler(&Interrupted) ── takes part in the checkpoint, `capture` …
//!                             FS := upper ; back onto its stack ; return from the signal
//! ```
//!
//! While the interrupt handler runs, the thread's upper stack does not change, and all that a restart needs of its
//! registers is in the frame.
//!
//! A thread belongs to the upper half if it does not block the checkpoint signal (the hooks keep the application from
//! blocking it, and the lower half's threads block all signals), or does so in a system call of upper code. A thread of a library in the lower half that does not is
//! corrected when the signal first finds it.
//!
//! A system call that the signal interrupts is restarted by the kernel where SA_RESTART does that (signal(7)), and by
//! `call_again` in all other cases that it knows.

#![expect(unsafe_code, reason = "a signal handler that changes stack and TLS")]
// # Safety
// `on_checkpoint_signal` runs with either TLS live: no TLS, no allocation, no panic until it has switched to the lower
// one. The interrupt handler runs with the lower TLS live on a stack of the lower half, all signals but the checkpoint
// signal blocked: it may allocate and lock, for the thread was not in the lower half.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::{fs, io};

use crate::error::{Error, Result};
use crate::proc_status::Status;
use crate::thread::{ThreadBlock, Tid, adopt};
use crate::thread_image::{ThreadImage, capture_signal};
use crate::{arch, call_again, descriptors, forked, scheduling, signals, sys, window};

/// A thread that the checkpoint signal interrupted in upper code; given to the interrupt handler on that thread.
#[derive(Debug)]
pub struct Interrupted {
    block: &'static ThreadBlock,
    context: *mut libc::ucontext_t,
}

impl Interrupted {
    /// The thread's block.
    #[must_use]
    pub fn block(&self) -> &'static ThreadBlock {
        self.block
    }

    /// Describes the thread for the image.
    ///
    /// # Errors
    /// [`Error::Os`] when the kernel does not answer.
    pub fn capture(&self) -> Result<ThreadImage> {
        capture_signal(self.block, self.context)
    }
}

/// What runs on a thread that the checkpoint signal interrupted. The thread goes on when it returns.
pub type InterruptHandler = fn(&Interrupted);

static INTERRUPT_HANDLER: OnceLock<InterruptHandler> = OnceLock::new();

/// Sets the checkpoint signal and what it runs, once, on the main thread before any upper code runs.
///
/// # Errors
/// [`Error::CheckpointSignal`] when `signal` is none that a handler can have, [`Error::Os`] when the kernel refuses it.
///
/// # Panics
/// When called twice.
pub fn install(signal: i32, handler: InterruptHandler) -> Result<()> {
    let fault = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGSYS,
    ];
    if !(1..=64).contains(&signal)
        || fault.contains(&signal)
        || [libc::SIGKILL, libc::SIGSTOP].contains(&signal)
    {
        return Err(Error::CheckpointSignal { signal });
    }
    assert!(
        INTERRUPT_HANDLER.set(handler).is_ok(),
        "the interrupt handler is set once"
    );
    scheduling::start();
    signals::install_checkpoint_handler(signal, on_checkpoint_signal)
}

unsafe extern "C" fn on_checkpoint_signal(
    _signal: i32,
    _info: *mut libc::siginfo_t,
    context: *mut libc::ucontext_t,
) {
    let fs = arch::read_fs();
    if !window::contains(fs as usize) {
        if ThreadBlock::current().is_none() {
            // SAFETY: the kernel's frame of the signal being delivered.
            stray(unsafe { &mut *context });
        }
        return found_elsewhere(); // in the lower half: the engine sees the request at its next safe point
    }
    if !descriptors::is_this_process() {
        return; // a child of vfork(2), in its parent's memory
    }
    // SAFETY: as above.
    let registers = unsafe { &(*context).uc_mcontext.gregs };
    if !window::is_upper(registers[libc::REG_RIP as usize] as usize) {
        return found_elsewhere(); // between the halves; the next signal finds it elsewhere
    }
    let block = ThreadBlock::current().unwrap_or_else(|| {
        // SAFETY: `adopt` returns a block, which lives for ever.
        unsafe { &*adopt(fs) }
    });
    if block.in_callback_at(registers[libc::REG_RSP as usize] as u64) {
        return found_elsewhere();
    }
    // SAFETY: the frame of this very signal, whose handler blocks all others; RIP was in upper code.
    let ended = unsafe { call_again::make_again(context) };
    let mut interrupted = Interrupted { block, context };
    // SAFETY: this thread's own bases; its lower TLS and parking stack are not in use, because it was in upper code and
    // in no callback; a second checkpoint signal finds RIP in the lower half and returns above.
    unsafe {
        arch::write_fs(block.lower_fs());
        arch::call_on_stack(
            (&raw mut interrupted).cast(),
            run_interrupt_handler,
            block.park_stack_top,
        );
        arch::write_fs(fs);
        if let Some(ended) = ended {
            call_again::catch_up(context, ended);
        }
    }
}

/// The signal has found a thread where it cannot take part. Nobody sends another one to a process that nobody knows.
fn found_elsewhere() {
    if forked::is_watching() {
        forked::try_again_soon();
    }
}

unsafe extern "C" fn run_interrupt_handler(interrupted: *mut libc::c_void) {
    // SAFETY: `on_checkpoint_signal` passes its local, which outlives this call.
    let interrupted = unsafe { &*interrupted.cast::<Interrupted>() };
    let handler = INTERRUPT_HANDLER
        .get()
        .expect("set before the signal's handler was installed");
    interrupted.block.interrupted.store(true, Ordering::Release);
    handler(interrupted);
    interrupted
        .block
        .interrupted
        .store(false, Ordering::Release);
}

/// Runs `body` on the calling thread's parking stack and comes back: for a thread that waits inside a call, so that its
/// upper stack, which an image holds, does not change while it waits.
///
/// # Panics
/// On a thread without upper half. Not to be nested, nor to be called from an interrupt handler, which runs there already.
pub fn on_parking_stack(body: impl FnOnce()) {
    unsafe extern "C" fn run<F: FnOnce()>(body: *mut libc::c_void) {
        // SAFETY: `on_parking_stack` passes its own Option, which outlives the call.
        if let Some(body) = unsafe { (*body.cast::<Option<F>>()).take() } {
            body();
        }
    }
    fn enter<F: FnOnce()>(body: &mut Option<F>, top: u64) {
        // SAFETY: the stack is this thread's and not in use (see the function's contract); a panic ends the process.
        unsafe { arch::call_on_stack(std::ptr::from_mut(body).cast(), run::<F>, top) };
    }
    let block = ThreadBlock::current().expect("only threads of the upper half park");
    enter(&mut Some(body), block.park_stack_top);
}

/// A thread of the lower half that was created with signals open: it blocks them from here on and counts as what it is.
fn stray(context: &mut libc::ucontext_t) {
    // The upper half's main thread, before its libc has set up a TLS and after it ends, is no stray: it has a block.
    let is_main = sys::gettid() == sys::getpid();
    if !is_main {
        signals::block_all_after(context);
    }
}

/// The upper half's threads: the process' main thread and those that do not block the checkpoint signal, or do so for a
/// moment inside the lower half ([`signals::with_all_blocked`]).
///
/// # Errors
/// [`Error::Os`] when /proc cannot be read.
pub fn upper_threads() -> Result<Vec<Tid>> {
    loop {
        let blockings = signals::BLOCKINGS.load(Ordering::Acquire);
        let upper = scan_threads()?;
        // Otherwise a thread may have begun to block its signals between the two looks that `scan_threads` takes.
        if signals::BLOCKINGS.load(Ordering::Acquire) == blockings {
            return Ok(upper);
        }
    }
}

fn scan_threads() -> Result<Vec<Tid>> {
    let failed = |source| Error::Os {
        what: "reading /proc/self/task".into(),
        source,
    };
    // Before the masks are read: who unblocks meanwhile is in one of the two.
    let mut known: Vec<Tid> = ThreadBlock::all()
        .filter(|block| block.blocks_signals())
        .map(ThreadBlock::tid)
        .collect();
    known.push(sys::getpid());
    let mut upper = Vec::new();
    for entry in fs::read_dir("/proc/self/task").map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let tid = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.parse().ok());
        let status = match fs::read_to_string(path.join("status")) {
            Ok(status) => status,
            // It ended meanwhile.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    || error.raw_os_error() == Some(libc::ESRCH) =>
            {
                continue;
            }
            Err(error) => return Err(failed(error)),
        };
        let status = Status::from_text(status);
        if let Some(tid) = tid
            && status.is_alive()
            && (known.contains(&tid)
                || status.signals("SigBlk:") & signals::checkpoint_bit() == 0
                || waits_in_upper_code(&path))
        {
            upper.push(tid);
        }
    }
    Ok(upper)
}

/// Whether a thread waits in a system call of upper code: one that blocks the checkpoint signal has been told so by the call
/// (pselect(2), epoll_pwait(2)). It is no thread of the lower half, and the checkpoint waits until its call is over.
fn waits_in_upper_code(task: &Path) -> bool {
    let Ok(call) = fs::read_to_string(task.join("syscall")) else {
        return false;
    };
    // Number, arguments, stack pointer, instruction pointer; of a thread that runs, one word.
    let rip = call.split_whitespace().last();
    let rip = rip.and_then(|rip| usize::from_str_radix(rip.strip_prefix("0x")?, 16).ok());
    rip.is_some_and(window::is_upper)
}

/// Sends the checkpoint signal to the upper half's threads, those apart that it has interrupted already, and returns all
/// of the upper half's threads. Which of them it found in upper code shows when their interrupt handlers run: repeat it
/// until all take part.
///
/// # Errors
/// [`Error::Os`] when /proc cannot be read; [`Error::CheckpointSignal`] before [`install`].
pub fn signal_upper_threads() -> Result<Vec<Tid>> {
    let signal = signals::checkpoint_signal().ok_or(Error::CheckpointSignal { signal: 0 })?;
    let upper = upper_threads()?;
    let interrupted: Vec<Tid> = ThreadBlock::all()
        .filter(|block| block.interrupted())
        .map(ThreadBlock::tid)
        .collect();
    for &tid in upper.iter().filter(|tid| !interrupted.contains(tid)) {
        // SAFETY: sends a signal whose handler is installed. ESRCH: it ended meanwhile.
        unsafe {
            sys::raw(
                libc::SYS_tgkill,
                [sys::getpid() as u64, tid as u64, signal as u64, 0, 0, 0],
            )
        };
    }
    Ok(upper)
}

/// Whether another process runs the file of this one: a `mana`, or what a program under it has forked.
#[must_use]
pub fn is_mana(pid: Tid) -> bool {
    let file = |pid: &str| {
        let file = fs::metadata(format!("/proc/{pid}/exe"));
        file.map(|file| (file.dev(), file.ino()))
    };
    file("self").is_ok_and(|own| file(&pid.to_string()).is_ok_and(|other| own == other))
}

/// Sends the checkpoint signal to a process that has been forked by a program under this `mana` and has executed nothing, which takes
/// it, unless one is still on its way: they queue up. Whether it is such a process.
pub fn wake(pid: Tid) -> bool {
    let status = Status::of(pid);
    let has = |set| status.signals(set) & signals::checkpoint_bit() != 0;
    if !has("SigCgt:") || !is_mana(pid) {
        return false;
    }
    if let Some(signal) = signals::checkpoint_signal().filter(|_| !has("SigPnd:")) {
        // SAFETY: takes no pointer. ESRCH: it has ended meanwhile.
        unsafe {
            sys::raw(
                libc::SYS_tgkill,
                [pid as u64, pid as u64, signal as u64, 0, 0, 0],
            )
        };
    }
    true
}
