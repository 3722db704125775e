//! Puts a saved upper half back into a fresh process.
//!
//! ```text
//!   main thread of the new mana                       one kernel thread per other ThreadImage
//!   map_region, fill, protect_region  (the engine)
//!   resume_all: lend a TLS, clone ──────────────────> %gs, and what `ThreadImage::apply` gives it
//!               its own thread's state                   │
//!               ───────────── barrier: all exist, the numbers are known, the timers are set ─────────────
//!               FS := upper                           FS := upper
//!               rt_sigreturn, or the call again       rt_sigreturn, or the call again
//! ```
//!
//! Invariant: no upper code runs before every thread exists, so an application never sees half of its threads.
//!
//! libc keeps a thread's number in its descriptor and in the locks it holds, so the upper half goes on using the old
//! numbers: see [`crate::numbers`].

#![expect(
    unsafe_code,
    reason = "maps memory at given addresses, makes threads, leaves for upper code"
)]
// # Safety
// All of it runs with the lower TLS live: the main thread's own, and a lent one in each thread it makes. The last thing a
// thread does here is to set FS to the upper TLS and leave. All signals but the checkpoint signal are blocked until then.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Result};
use crate::frame::CrossFrame;
use crate::lender::{wait_while, wake_all};
use crate::thread::{ThreadBlock, Tid, block_for_restored, register_main};
use crate::thread_image::{Resume, ThreadImage, missing_processor_features};
use crate::{arch, children, numbers, signals, sys};

/// Maps `bytes` of writable private memory at `start`, to be filled with a region of the image; perhaps such that grows downwards.
///
/// # Errors
/// [`Error::Os`] when something is mapped there already (EEXIST) or memory is short.
pub fn map_region(start: usize, bytes: usize, grows_down: bool) -> Result<()> {
    let growing = if grows_down { libc::MAP_GROWSDOWN } else { 0 };
    let flags = libc::MAP_PRIVATE
        | libc::MAP_ANONYMOUS
        | libc::MAP_NORESERVE
        | libc::MAP_FIXED_NOREPLACE
        | growing;
    let what = || {
        format!(
            "mapping the region {start:#x}-{:#x} of the image",
            start + bytes
        )
    };
    // SAFETY: MAP_FIXED_NOREPLACE replaces nothing.
    let mapped = unsafe {
        sys::mmap(
            start,
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            -1,
            0,
        )
    }
    .map_err(|errno| Error::Os {
        what: what(),
        source: errno.into(),
    })?;
    if mapped != start {
        // A kernel before 4.17 takes the flag for a hint.
        return Err(Error::Os {
            what: what(),
            source: std::io::Error::from_raw_os_error(libc::EEXIST),
        });
    }
    Ok(())
}

/// Gives a filled region its protection (`PROT_` bits of mmap(2)).
///
/// # Errors
/// [`Error::Os`] when the kernel refuses, for instance writable and executable memory under SELinux.
pub fn protect_region(start: usize, bytes: usize, protection: i32) -> Result<()> {
    // SAFETY: a region of the image, in which no code runs yet.
    unsafe { sys::mprotect(start, bytes, protection) }
        .map(drop)
        .map_err(|errno| Error::Os {
            what: format!(
                "protecting the region {start:#x}-{:#x} of the image",
                start + bytes
            ),
            source: errno.into(),
        })
}

/// Sets a restored upper half going: the main thread's image on this thread, the others on new ones. Memory, gate and
/// signal actions are in place already. Returns only if that fails, before any upper code has run.
///
/// # Errors
/// [`Error::Restore`] when `threads` has no main thread or more than one, or needs registers this processor lacks;
/// [`Error::Os`] when a thread cannot be made or set up.
///
/// # Panics
/// When not called on the process' main thread.
pub fn resume_all(threads: Vec<ThreadImage>) -> Result<std::convert::Infallible> {
    let missing = missing_processor_features(&threads);
    if !missing.is_empty() {
        return Err(Error::Restore {
            why: format!(
                "this processor lacks {}, which was in use",
                missing.join(", ")
            ),
        });
    }
    let (mut main, others): (Vec<_>, Vec<_>) =
        threads.into_iter().partition(|thread| thread.is_main);
    let (Some(main), true) = (main.pop(), main.is_empty()) else {
        return Err(Error::Restore {
            why: "the image must have exactly one main thread".into(),
        });
    };

    // The checkpoint signal stays open: it is what makes these threads count as the upper half's, so that a checkpoint
    // requested now waits for them. Its handler returns at once until they are in upper code.
    signals::change_mask(libc::SIG_SETMASK, !signals::checkpoint_bit());
    let block = register_main();
    block.own_as(main.upper_fs);
    main.apply()?;

    let mut pairs = vec![(main.tid, sys::gettid())];
    let barrier: &'static Barrier = Box::leak(Box::new(Barrier::default()));
    for image in others {
        let old = image.tid;
        pairs.push((old, start_thread(image, barrier)?));
    }
    barrier.wait_for_ready(pairs.len() - 1)?;
    numbers::set(&pairs);
    if let Some(timers) = &main.timers {
        timers.import()?;
    }
    children::tell()?;
    barrier.open();
    // SAFETY: this thread's block has the image's FS base; its stack is in place.
    unsafe { go(&main, block) }
}

/// Everything a new thread needs; it is never freed, since the thread leaves for upper code.
struct Start {
    image: ThreadImage,
    block: &'static ThreadBlock,
    barrier: &'static Barrier,
}

fn start_thread(image: ThreadImage, barrier: &'static Barrier) -> Result<Tid> {
    let block = block_for_restored(image.upper_fs);
    let start = Box::leak(Box::new(Start {
        image,
        block,
        barrier,
    }));
    let flags = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SYSVSEM
        | libc::CLONE_SETTLS;
    // SAFETY: the block's parking stack and lent TLS are the new thread's alone; `start` lives for ever. clone copies %gs,
    // which is set to the new thread's block for that long, so that there is no moment without.
    let tid = unsafe {
        let own_block = arch::read_gs();
        arch::write_gs(std::ptr::from_ref(block) as u64);
        let tid = libc::clone(
            run_thread,
            block.park_stack_top as *mut c_void,
            flags,
            std::ptr::from_mut(start).cast(),
            std::ptr::null_mut::<Tid>(),
            block.lower_fs() as *mut c_void,
        );
        arch::write_gs(own_block);
        tid
    };
    if tid < 0 {
        Err(Error::os("clone of a restored thread"))
    } else {
        Ok(tid)
    }
}

extern "C" fn run_thread(start: *mut c_void) -> i32 {
    // SAFETY: `start_thread` passes a leaked `Start`.
    let Start {
        image,
        block,
        barrier,
    } = unsafe { &*start.cast::<Start>() };
    block.own_as(image.upper_fs);
    barrier.ready(image.apply());
    barrier.wait();
    // SAFETY: this thread's block has the image's FS base; its stack is in place.
    unsafe { go(image, block) }
}

/// Leaves for upper code.
///
/// # Safety
/// The image's memory is in place, and the calling thread is the one that `image` describes.
unsafe fn go(image: &ThreadImage, block: &ThreadBlock) -> ! {
    // SAFETY: the caller's promise. After `write_fs` no thread-local is touched: the two functions are assembly and what
    // prepares it.
    unsafe {
        arch::write_fs(block.upper_fs());
        match image.resume {
            Resume::Signal { ucontext } => {
                // A `mana` from before used another signal, so this one may have been blocked.
                let mask = &raw mut (*(ucontext as *mut libc::ucontext_t)).uc_sigmask;
                *mask.cast::<u64>() &= !signals::checkpoint_bit();
                arch::return_from_signal(ucontext)
            }
            Resume::Cross {
                frame,
                signal_mask,
                modes,
            } => arch::resume_frame(
                &*(frame as *const CrossFrame),
                modes,
                signal_mask & !signals::checkpoint_bit(),
            ),
        }
    }
}

/// Where the restored threads wait for each other.
#[derive(Default)]
struct Barrier {
    ready: AtomicU32,
    failed: std::sync::Mutex<Option<Error>>,
    open: AtomicU32,
}

impl Barrier {
    fn ready(&self, outcome: Result<()>) {
        if let Err(error) = outcome {
            *self
                .failed
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
        }
        self.ready.fetch_add(1, Ordering::Release);
        wake_all(&self.ready);
    }

    fn wait_for_ready(&self, count: usize) -> Result<()> {
        loop {
            let ready = self.ready.load(Ordering::Acquire);
            if ready as usize == count {
                break;
            }
            wait_while(&self.ready, ready);
        }
        let failed = self
            .failed
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        failed.map_or(Ok(()), Err)
    }

    fn open(&self) {
        self.open.store(1, Ordering::Release);
        wake_all(&self.open);
    }

    fn wait(&self) {
        while self.open.load(Ordering::Acquire) == 0 {
            wait_while(&self.open, 0);
        }
    }
}
