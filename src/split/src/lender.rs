//! Where the lower TLS of an upper thread comes from: a pthread of the lower half that does nothing but own it.
//!
//! ```text
//!   upper thread, first crossing         factory thread                lender thread
//!   WANTED := MADE + 1, wake ──────────> sleeps on WANTED
//!   sleeps on MADE                       pthread_create ─────────────> makes a block with its own FS base
//!                                        MADE += 1, wake <──────────── sleeps for ever
//!   claims a free block <─────────────── sleeps on WANTED
//! ```
//!
//! The caller cannot create the pthread itself: it has no TLS of the lower libc yet. No internals of libc are touched;
//! whatever the lower half's libraries keep per thread is set up and laid out by libc itself.

#![expect(unsafe_code, reason = "futex system calls")]
// # Safety
// `obtain` runs with the upper TLS live: raw system calls and atomics only. The factory and the lenders are ordinary
// threads of the lower half with all signals blocked.

use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::error::{Error, Result};
use crate::thread::{ThreadBlock, begin_with_nobody, make_block};
use crate::{arch, signals, sys};

/// How many lenders there should be.
static WANTED: AtomicU32 = AtomicU32::new(0);
/// How many lenders there are.
static MADE: AtomicU32 = AtomicU32::new(0);
/// The process the factory runs in; a forked child has none.
static FACTORY_PID: AtomicI32 = AtomicI32::new(0);

/// Lenders run no code: the least stack that libc accepts will do.
const LENDER_STACK_BYTES: usize = 64 << 10;

/// Starts the factory thread, once. Call it before any upper code runs, on the thread that will run it or create those
/// that do.
///
/// # Errors
/// [`Error::Os`] when no thread can be created.
pub fn start() -> Result<()> {
    begin_with_nobody();
    if FACTORY_PID.swap(sys::getpid(), Ordering::AcqRel) == sys::getpid() {
        return Ok(());
    }
    let (running, runs) = mpsc::channel();
    let body = move || {
        // `start` waits for this.
        let _ = running.send(());
        factory();
    };
    signals::spawn_lower("mana-factory", 0, body).map_err(|source| Error::Os {
        what: "creating the thread that makes lower-half TLS blocks".into(),
        source,
    })?;
    // What it maps for itself is there before any upper code runs.
    runs.recv()
        .expect("the factory sends before it does anything else");
    Ok(())
}

/// The same in a forked process, which has none of the lenders there were.
///
/// # Errors
/// As for [`start`].
pub(crate) fn start_again() -> Result<()> {
    WANTED.store(0, Ordering::Release);
    MADE.store(0, Ordering::Release);
    start()
}

fn factory() {
    loop {
        let wanted = WANTED.load(Ordering::Acquire);
        while MADE.load(Ordering::Relaxed) < wanted {
            make_lender();
            MADE.fetch_add(1, Ordering::Release);
            wake_all(&MADE);
        }
        wait_while(&WANTED, wanted);
    }
}

fn make_lender() {
    let (ready, made) = mpsc::channel();
    let lender = move || {
        make_block(arch::read_fs());
        // The factory waits for this; it fails only when the factory is gone, with the process.
        let _ = ready.send(());
        loop {
            thread::park();
        }
    };
    if let Err(error) = signals::spawn_lower("mana-lender", LENDER_STACK_BYTES, lender) {
        // The thread that waits for the block has no TLS to say this with.
        eprintln!(
            "mana: cannot create a thread to lend its thread-local storage: {error} (ulimit -u?)"
        );
        std::process::abort();
    }
    made.recv().expect("the lender sends before it parks");
}

/// Whether this is a forked process, which has no factory.
pub(crate) fn is_forked() -> bool {
    FACTORY_PID.load(Ordering::Acquire) != sys::getpid()
}

/// Repeats `claim` until it yields a block, and asks the factory for one more whenever it does not.
pub(crate) fn obtain(claim: impl Fn() -> Option<&'static ThreadBlock>) -> &'static ThreadBlock {
    if let Some(block) = claim() {
        return block;
    }
    if is_forked() {
        sys::die(
            "mana: a forked process calls MPI in a new thread, which is not possible: it must exec first\n",
        );
    }
    loop {
        let made = MADE.load(Ordering::Acquire);
        if let Some(block) = claim() {
            return block;
        }
        // Another thread may have taken the one that was made for this one: so each asks again for one more than there
        // are, not once for one more than were asked for.
        WANTED.fetch_max(made + 1, Ordering::AcqRel);
        wake_all(&WANTED);
        wait_while(&MADE, made);
    }
}

/// Sleeps until `word` differs from `value`; may return early.
pub(crate) fn wait_while(word: &AtomicU32, value: u32) {
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    let args = [
        word.as_ptr() as u64,
        operation as u64,
        u64::from(value),
        0,
        0,
        0,
    ];
    // SAFETY: a futex word that outlives the call; no time limit. EAGAIN and EINTR are early returns.
    unsafe { sys::raw(libc::SYS_futex, args) };
}

/// Wakes everyone who sleeps on `word`.
pub(crate) fn wake_all(word: &AtomicU32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    let args = [
        word.as_ptr() as u64,
        operation as u64,
        i32::MAX as u64,
        0,
        0,
        0,
    ];
    // SAFETY: wakes sleepers on an address, nothing else.
    unsafe { sys::raw(libc::SYS_futex, args) };
}
