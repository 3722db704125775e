//! What an image holds about one thread of the upper half besides its memory.
//!
//! ```text
//!   on the thread's own stack, in the image's memory     here
//!     Signal: the kernel's signal frame ◄─────────────── its address
//!             (all registers, signal mask, FPU/AVX)
//!     Cross:  the CrossFrame of the call under way ◄──── its address, signal mask, floating-point modes
//!   both:                                                FS base, clear-tid address, robust list, alternate stack, name,
//!                                                        pending signals, scheduling; on the main thread, timers
//! ```
//!
//! Invariant: nothing here points into the lower half.

#![expect(unsafe_code, reason = "asks the kernel about the calling thread")]
// # Safety
// `capture_*` run on the thread itself, with the lower TLS live.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::arch::{self, FloatModes};
use crate::error::{Error, Result};
use crate::frame::CrossFrame;
use crate::pending::{self, PendingSignal};
use crate::scheduling::{self, Scheduling};
use crate::thread::{ThreadBlock, Tid};
use crate::timers::{self, Timers};
use crate::{numbers, signals, sys};

/// How a restart sets a thread going again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resume {
    /// Interrupted in upper code: return from the signal whose frame is on the thread's stack.
    Signal {
        /// Address of the kernel's `ucontext`.
        ucontext: u64,
    },
    /// Waiting in a call into the lower half: make the call again, or return its result if it was completed.
    Cross {
        /// Address of the [`CrossFrame`].
        frame: u64,
        /// The thread's signal mask, as the kernel's set.
        signal_mask: u64,
        /// Rounding and the like, which a call preserves.
        modes: FloatModes,
    },
}

/// An alternate signal stack, sigaltstack(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlternateStack {
    /// Lowest address.
    pub start: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// SS_DISABLE or SS_AUTODISARM.
    pub flags: i32,
}

/// One thread of the upper half, for the image; see the module's picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadImage {
    /// The number by which the upper half knows this thread, since its libc keeps it: the kernel's number at birth, also
    /// after a restart.
    pub tid: Tid,
    /// Whether this is the process' main thread.
    pub is_main: bool,
    /// FS base in the upper half.
    pub upper_fs: u64,
    /// Where the kernel stores 0 when the thread ends, set_tid_address(2).
    pub clear_tid_address: u64,
    /// Head of the robust futex list and its length in bytes, get_robust_list(2).
    pub robust_list: (u64, u64),
    /// Its alternate signal stack.
    pub alternate_stack: AlternateStack,
    /// Its name in /proc, prctl(2) PR_GET_NAME, without the final NUL.
    pub name: Vec<u8>,
    /// The XSAVE components (bits of XCR0) that its signal frame holds in use: a processor must have them.
    pub xsave_components: u64,
    /// The system call that it was waiting in, where that can be seen.
    #[serde(default)]
    pub waits_in: Option<i64>,
    /// Whether that is for a lock whose owner inherits its priority, which after a restart nobody gives on.
    #[serde(default)]
    pub waits_for_heir: bool,
    /// How it goes on.
    pub resume: Resume,
    /// Signals that it blocks and that have been sent to it; on the main thread, to the process too.
    #[serde(default)]
    pub pending: Vec<PendingSignal>,
    /// What the program has told the scheduler about it.
    #[serde(default)]
    pub scheduling: Option<Scheduling>,
    /// The process' timers, on the main thread.
    #[serde(default)]
    pub timers: Option<Timers>,
}

/// The kernel's thread names have 16 bytes with their NUL.
const NAME_BYTES: usize = 16;
/// SS_ONSTACK: reported while running on the stack, refused when set.
const SS_ONSTACK: i32 = 1;

/// Describes the calling thread, which waits in the handler of `frame`.
///
/// # Errors
/// [`Error::InCallback`] when upper code runs on top of the lower half on this thread, and [`Error::Os`] when the kernel
/// does not answer (PR_GET_TID_ADDRESS needs CONFIG_CHECKPOINT_RESTORE).
pub fn capture_cross(frame: &CrossFrame) -> Result<ThreadImage> {
    let block = ThreadBlock::current().ok_or(Error::NotAnUpperThread)?;
    if block.in_callback() {
        return Err(Error::InCallback { tid: block.tid() });
    }
    let resume = Resume::Cross {
        frame: std::ptr::from_ref(frame) as u64,
        signal_mask: signals::change_mask(libc::SIG_BLOCK, 0),
        modes: FloatModes::read(),
    };
    capture(block, resume, 0)
}

/// Describes the calling thread, which the checkpoint signal interrupted in upper code.
pub(crate) fn capture_signal(
    block: &ThreadBlock,
    context: *const libc::ucontext_t,
) -> Result<ThreadImage> {
    // SAFETY: the kernel's signal frame, which stays until the handler returns.
    let components = unsafe { arch::xsave_components_in_use((*context).uc_mcontext.fpregs.cast()) };
    let resume = Resume::Signal {
        ucontext: context as u64,
    };
    // SAFETY: as above; the thread was in upper code.
    let (waits_in, operation) = unsafe { (call_to_be_made(&*context), second_argument(&*context)) };
    Ok(ThreadImage {
        waits_in,
        waits_for_heir: waits_in == Some(libc::SYS_futex) && inherits(operation),
        ..capture(block, resume, components)?
    })
}

fn second_argument(context: &libc::ucontext_t) -> i64 {
    context.uc_mcontext.gregs[libc::REG_RSI as usize]
}

/// Whether a futex(2) operation waits for a lock whose owner inherits the priority of those who do.
fn inherits(operation: i64) -> bool {
    matches!(
        operation as i32 & libc::FUTEX_CMD_MASK,
        libc::FUTEX_LOCK_PI | libc::FUTEX_LOCK_PI2 | libc::FUTEX_WAIT_REQUEUE_PI
    )
}

/// The system call that the thread is about to make, or make again: RIP is at its instruction.
///
/// # Safety
/// RIP was in code that can be read.
unsafe fn call_to_be_made(context: &libc::ucontext_t) -> Option<i64> {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    let registers = &context.uc_mcontext.gregs;
    let rip = registers[libc::REG_RIP as usize] as usize;
    if rip % 4096 == 4095 {
        return None; // the next page need not be there
    }
    // SAFETY: the caller's promise; both bytes are on one page.
    let code = unsafe { *(rip as *const [u8; 2]) };
    (code == SYSCALL).then_some(registers[libc::REG_RAX as usize])
}

fn capture(block: &ThreadBlock, resume: Resume, xsave_components: u64) -> Result<ThreadImage> {
    let tid = sys::gettid();
    let is_main = tid == sys::getpid();
    let (pending, timers) = if is_main {
        let (pending, timers) = pending_and_timers()?;
        (pending, Some(timers))
    } else {
        (pending::pending()?, None)
    };
    Ok(ThreadImage {
        tid: numbers::tid_of_upper(tid),
        is_main,
        upper_fs: block.upper_fs(),
        clear_tid_address: clear_tid_address()?,
        robust_list: robust_list()?,
        alternate_stack: alternate_stack()?,
        name: name()?,
        xsave_components,
        waits_in: None,
        waits_for_heir: false,
        resume,
        pending,
        scheduling: scheduling::changed()?,
        timers,
    })
}

/// How often [`pending_and_timers`] looks again: one with an interval of less time than that takes is at fault itself.
const LOOKS: usize = 10;

/// The process' pending signals and timers of one moment: one that ends between the two looks would have sent its signal
/// twice, or never. (A signal of a timer to another thread may do so; that thread's were looked at when it stopped.)
fn pending_and_timers() -> Result<(Vec<PendingSignal>, Timers)> {
    let mut timers = timers::export()?;
    let mut looks = 0;
    loop {
        let pending = pending::pending()?;
        let now = timers::export()?;
        looks += 1;
        if looks == LOOKS || !now.have_ended_since(&timers) {
            return Ok((pending, now));
        }
        timers = now;
    }
}

fn ask(what: &str, number: i64, args: [u64; 6]) -> Result<()> {
    // SAFETY: the callers below ask for one structure each, through a pointer to a local of its type.
    unsafe { sys::call(number, args) }
        .map(drop)
        .map_err(|errno| Error::raw(what, errno))
}

fn clear_tid_address() -> Result<u64> {
    let what = "prctl(PR_GET_TID_ADDRESS), which needs a kernel with CONFIG_CHECKPOINT_RESTORE,";
    sys::clear_tid_address().map_err(|errno| Error::raw(what, errno))
}

fn robust_list() -> Result<(u64, u64)> {
    sys::robust_list().map_err(|errno| Error::raw("get_robust_list", errno))
}

fn alternate_stack() -> Result<AlternateStack> {
    let mut stack = libc::stack_t {
        ss_sp: std::ptr::null_mut(),
        ss_flags: 0,
        ss_size: 0,
    };
    ask(
        "sigaltstack",
        libc::SYS_sigaltstack,
        [0, (&raw mut stack) as u64, 0, 0, 0, 0],
    )?;
    Ok(AlternateStack {
        start: stack.ss_sp as u64,
        bytes: stack.ss_size as u64,
        flags: stack.ss_flags & !SS_ONSTACK,
    })
}

fn name() -> Result<Vec<u8>> {
    let mut name = [0_u8; NAME_BYTES];
    ask(
        "prctl(PR_GET_NAME)",
        libc::SYS_prctl,
        [
            libc::PR_GET_NAME as u64,
            name.as_mut_ptr() as u64,
            0,
            0,
            0,
            0,
        ],
    )?;
    let end = name
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(NAME_BYTES);
    Ok(name[..end].to_vec())
}

impl ThreadImage {
    /// Gives the calling kernel thread everything of this image that the kernel keeps per thread; its signal mask and
    /// registers follow when it resumes. The calling thread's block is its own already.
    pub(crate) fn apply(&self) -> Result<()> {
        let stack = self.alternate_stack;
        let stack = libc::stack_t {
            ss_sp: stack.start as *mut libc::c_void,
            ss_flags: stack.flags,
            ss_size: stack.bytes as usize,
        };
        let mut name = [0_u8; NAME_BYTES];
        name[..self.name.len().min(NAME_BYTES - 1)]
            .copy_from_slice(&self.name[..self.name.len().min(NAME_BYTES - 1)]);
        let (head, bytes) = self.robust_list;
        ask(
            "set_tid_address",
            libc::SYS_set_tid_address,
            [self.clear_tid_address, 0, 0, 0, 0, 0],
        )?;
        if bytes != 0 {
            ask(
                "set_robust_list",
                libc::SYS_set_robust_list,
                [head, bytes, 0, 0, 0, 0],
            )?;
        }
        ask(
            "sigaltstack",
            libc::SYS_sigaltstack,
            [(&raw const stack) as u64, 0, 0, 0, 0, 0],
        )?;
        let args = [libc::PR_SET_NAME as u64, name.as_ptr() as u64, 0, 0, 0, 0];
        ask("prctl(PR_SET_NAME)", libc::SYS_prctl, args)?;
        self.scheduling.map_or(Ok(()), |given| given.apply())?;
        pending::queue(&self.pending)
    }

    /// The address below which the thread's stack is free to be overwritten: where its frame lies.
    #[must_use]
    pub fn frame_address(&self) -> u64 {
        match self.resume {
            Resume::Signal { ucontext } => ucontext,
            Resume::Cross { frame, .. } => frame,
        }
    }
}

/// Names of the XSAVE components, by bit of XCR0 (Intel SDM volume 1, 13.1).
const XSAVE_NAMES: [&str; 20] = [
    "x87", "SSE", "AVX", "MPX", "MPX", "AVX-512", "AVX-512", "AVX-512", "PT", "PKU", "PASID",
    "CET", "CET", "HDC", "UINTR", "LBR", "HWP", "AMX", "AMX", "APX",
];

/// The processor features, by name, whose register contents `threads` need and this processor (or kernel) lacks.
#[must_use]
pub fn missing_processor_features(threads: &[ThreadImage]) -> Vec<&'static str> {
    let needed = threads
        .iter()
        .fold(0, |all, thread| all | thread.xsave_components);
    let missing = needed & !arch::xsave_components_enabled();
    let mut names: Vec<_> = bits(missing)
        .map(|bit| {
            XSAVE_NAMES
                .get(bit)
                .copied()
                .unwrap_or("an XSAVE component unknown to mana")
        })
        .collect();
    names.dedup();
    names
}

fn bits(mask: u64) -> impl Iterator<Item = usize> {
    let all: Range<usize> = 0..64;
    all.filter(move |bit| mask >> bit & 1 == 1)
}
