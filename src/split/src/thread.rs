//! A TLS of the lower half for every thread of the upper half.
//!
//! ```text
//!   upper thread                        lower half
//!   FS = its own TLS (upper libc)       ThreadBlock <── %gs, stays over the whole life of the thread
//!                                         upper_fs    the TLS to come back to; tells whose block it is
//!                                         lower_fs ──> TLS of a pthread parked for ever (see `lender`),
//!                                                      lent to the upper thread while it is in the lower half
//!                                         park stack  where it waits when a checkpoint interrupts it
//! ```
//!
//! clone(2) copies %gs, so a new thread starts with its creator's block; its FS differs from the block's `upper_fs`, and
//! its first crossing takes the slow path here ([`adopt`]). libc gives the stack and TLS of a dead thread to the next
//! one: then the block with that FS is the right one. It must be taken, too, before anybody may use it, or its owner would be a
//! dead thread and others could take it; so a new thread forgets its creator's block ([`forget_inherited`]). Blocks are never
//! freed, those of dead threads are reused as they are: what the lower half keeps in thread-locals and in the engine's slot
//! outlives the upper thread.
//!
//! Invariant: no two living threads use one block. Who takes one says so in its `owner`, which never has a value twice, and
//! only if that still is what it was when its thread was seen to be gone.

#![expect(
    unsafe_code,
    reason = "blocks are shared with assembly by address and live for ever"
)]
// # Safety
// `adopt` and everything it calls run with the upper TLS live: no TLS, no allocation, no panic, raw system calls only,
// and all signals but the checkpoint signal blocked, so that a handler cannot come back in. `ThreadBlock`'s methods
// touch its atomics only and are good anywhere.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use crate::signals::{MaskGuard, alternate_stack};
use crate::{arch, lender, numbers, sys, window};

/// Number of a kernel thread.
pub type Tid = i32;

/// What the lower half keeps for one thread of the upper half; see the module's picture.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct ThreadBlock {
    pub(crate) upper_fs: AtomicU64,
    pub(crate) lower_fs: AtomicU64,
    /// Not 0 while a crossing is under way; of nested ones, the outer ones do not count.
    pub(crate) inside: AtomicU64,
    /// Stack pointer at the innermost callback into the upper half, 0 when there is none.
    callback_mark: AtomicU64,
    /// An [`Owner`].
    owner: AtomicU64,
    pub(crate) interrupted: AtomicBool,
    pub(crate) blocks_signals: AtomicBool,
    pub(crate) park_stack_top: u64,
    engine_slot: AtomicPtr<c_void>,
    next: AtomicPtr<ThreadBlock>,
}

/// The newest of all blocks; they are linked through `next` and never unlinked.
static NEWEST: AtomicPtr<ThreadBlock> = AtomicPtr::new(ptr::null_mut());
/// The block of the process' main thread.
static MAIN: AtomicPtr<ThreadBlock> = AtomicPtr::new(ptr::null_mut());

/// `upper_fs` of a block nobody uses.
const FREE: u64 = 0;

/// Who uses a block: the number of the thread, 0 before the first, below how often the block has changed hands. A thread's number
/// or FS base alone would not do: both come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner(u64);

impl Owner {
    const NOBODY: Self = Self(0);

    fn tid(self) -> Tid {
        self.0 as Tid
    }

    /// `tid` after this one.
    fn followed_by(self, tid: Tid) -> Self {
        Self((self.0 >> 32).wrapping_add(1) << 32 | u64::from(tid as u32))
    }

    /// Whether the thread is gone.
    fn is_gone(self) -> bool {
        !sys::thread_exists(self.tid())
    }
}

/// Room for what runs on a parked thread: the interrupt handler, which may write an image.
const PARK_STACK_BYTES: usize = 1 << 20;

impl ThreadBlock {
    const fn new(lower_fs: u64, park_stack_top: u64) -> Self {
        Self {
            upper_fs: AtomicU64::new(FREE),
            lower_fs: AtomicU64::new(lower_fs),
            inside: AtomicU64::new(0),
            callback_mark: AtomicU64::new(0),
            owner: AtomicU64::new(Owner::NOBODY.0),
            interrupted: AtomicBool::new(false),
            blocks_signals: AtomicBool::new(false),
            park_stack_top,
            engine_slot: AtomicPtr::new(ptr::null_mut()),
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The block of the calling thread, if it is a thread of the upper half that has crossed: on either side of the
    /// gate, in either TLS. None on the lower half's own threads.
    #[must_use]
    pub fn current() -> Option<&'static Self> {
        let block = arch::read_gs() as *const Self;
        // SAFETY: %gs is 0 or the address of a block, and blocks live for ever.
        let block = unsafe { block.as_ref()? };
        // A thread that the lower half created during a crossing has its creator's %gs, but a TLS of its own.
        let fs = arch::read_fs();
        (fs == block.lower_fs() || fs == block.upper_fs()).then_some(block)
    }

    /// All blocks ever made, those of dead threads included.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        let mut next = NEWEST.load(Ordering::Acquire);
        std::iter::from_fn(move || {
            // SAFETY: null or a block, which lives for ever.
            let block = unsafe { next.as_ref()? };
            next = block.next.load(Ordering::Acquire);
            Some(block)
        })
    }

    /// Kernel's number of the thread that uses this block; 0 before its first use.
    #[must_use]
    pub fn tid(&self) -> Tid {
        self.owner().tid()
    }

    /// Acquired, so that what it has left in the block is seen.
    fn owner(&self) -> Owner {
        Owner(self.owner.load(Ordering::Acquire))
    }

    /// FS base of the thread in the upper half.
    #[must_use]
    pub fn upper_fs(&self) -> u64 {
        self.upper_fs.load(Ordering::Relaxed)
    }

    /// FS base of the thread in the lower half.
    #[must_use]
    pub fn lower_fs(&self) -> u64 {
        self.lower_fs.load(Ordering::Relaxed)
    }

    /// Whether the checkpoint signal interrupted this thread and its interrupt handler has not returned yet.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }

    /// Whether the thread, in the lower half, blocks all signals for a moment: it is the upper half's all the same.
    pub(crate) fn blocks_signals(&self) -> bool {
        self.blocks_signals.load(Ordering::Acquire)
    }

    /// A word for the engine's use. It stays with the block: the next thread that gets the block finds it.
    #[must_use]
    pub fn engine_slot(&self) -> &AtomicPtr<c_void> {
        &self.engine_slot
    }

    /// Whether the upper half's code runs on top of lower-half frames now: a callback, or a signal handler of the
    /// application that interrupted the lower half. Such a thread must not be saved, for it returns to addresses that no
    /// other process has. Call it on the block's own thread.
    #[must_use]
    pub fn in_callback(&self) -> bool {
        self.in_callback_at(arch::stack_pointer())
    }

    /// [`ThreadBlock::in_callback`] of the context with stack pointer `sp`. The mark of a callback that was left with
    /// longjmp is recognised by the stack having unwound beyond it, and cleared.
    pub(crate) fn in_callback_at(&self, sp: u64) -> bool {
        let mark = self.callback_mark.load(Ordering::Relaxed);
        if mark == 0 {
            return false;
        }
        let left = match (
            alternate_stack().contains(&mark),
            alternate_stack().contains(&sp),
        ) {
            (true, false) => true,
            (false, true) => false,
            _ => sp > mark,
        };
        if left {
            self.callback_mark.store(0, Ordering::Relaxed);
        }
        !left
    }

    /// Makes this the block of the calling thread, which has taken it or for which it was taken.
    fn own(&self) {
        let owner = self.owner();
        let tid = sys::gettid();
        if owner.tid() != tid {
            // Whoever took it lives, so nobody else changes this.
            self.owner
                .store(owner.followed_by(tid).0, Ordering::Release);
        }
        self.callback_mark.store(0, Ordering::Relaxed);
        self.interrupted.store(false, Ordering::Relaxed);
        self.blocks_signals.store(false, Ordering::Relaxed);
        self.inside.store(0, Ordering::Relaxed);
        // SAFETY: this thread's block from here on.
        unsafe { arch::write_gs(ptr::from_ref(self) as u64) };
    }

    /// Makes this the block of the calling thread, whose upper half has FS base `upper_fs`: for a restored thread.
    pub(crate) fn own_as(&self, upper_fs: u64) {
        self.upper_fs.store(upper_fs, Ordering::Relaxed);
        self.own();
    }

    /// Takes the block for the calling thread, whose upper half has FS base `fs`, if its owner still is the one that was `seen`.
    fn claim(&self, seen: Owner, fs: u64) -> bool {
        let next = seen.followed_by(sys::gettid());
        let taken = self
            .owner
            .compare_exchange(seen.0, next.0, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        if taken {
            self.upper_fs.store(fs, Ordering::Release);
        }
        taken
    }

    /// Takes the block of a thread that is gone, and had FS base `fs`. A thread that has changed its own FS base finds its own.
    fn claim_again(&self, fs: u64) -> bool {
        let owner = self.owner();
        self.upper_fs() == fs
            && (owner.tid() == sys::gettid() || owner.is_gone())
            && self.claim(owner, fs)
    }

    /// Takes a block that nobody has used yet.
    fn claim_fresh(&self, fs: u64) -> bool {
        self.owner() == Owner::NOBODY && self.claim(Owner::NOBODY, fs)
    }

    /// Takes the block of a thread that is gone and was not inside the lower half when it went.
    fn claim_abandoned(&self, fs: u64) -> bool {
        let owner = self.owner();
        owner != Owner::NOBODY
            && self.inside.load(Ordering::Relaxed) == 0
            && owner.is_gone()
            && self.claim(owner, fs)
    }
}

/// Marks the calling thread as being in a callback while it lives.
pub(crate) struct CallbackMark<'a> {
    block: &'a ThreadBlock,
    previous: u64,
}

impl<'a> CallbackMark<'a> {
    pub(crate) fn set(block: &'a ThreadBlock) -> Self {
        Self {
            block,
            previous: block
                .callback_mark
                .swap(arch::stack_pointer(), Ordering::Relaxed),
        }
    }
}

impl Drop for CallbackMark<'_> {
    fn drop(&mut self) {
        self.block
            .callback_mark
            .store(self.previous, Ordering::Relaxed);
    }
}

/// The block of threads that have none yet. No thread owns it; only `own` and the crossing's comparison look at it.
static NOBODYS: ThreadBlock = ThreadBlock::new(0, 0);

/// Gives the calling thread, and those that it will create, a block that is nobody's, so that the entries find one: the
/// first crossing adopts a real one.
pub(crate) fn begin_with_nobody() {
    if arch::read_gs() == 0 {
        // SAFETY: a block that lives for ever.
        unsafe { arch::write_gs((&raw const NOBODYS) as u64) };
    }
}

/// A new thread forgets the block of its creator, which may have had the FS base that is this thread's now. Called on a thread
/// of the upper half when it changes its signal mask: that is what libc's threads do first.
pub(crate) fn forget_inherited() {
    let block = arch::read_gs() as *const ThreadBlock;
    // SAFETY: %gs is 0 or the address of a block, and blocks live for ever.
    let is_mine = unsafe { block.as_ref() }.is_none_or(|block| block.tid() == sys::gettid());
    // A forked process goes on with the block of the thread that forked.
    if !is_mine && !lender::is_forked() {
        // SAFETY: as above.
        unsafe { arch::write_gs((&raw const NOBODYS) as u64) };
        numbers::tell_new_thread();
    }
}

/// Makes a block whose lower TLS has FS base `lower_fs` and adds it to the list. Runs with the lower TLS live.
pub(crate) fn make_block(lower_fs: u64) -> &'static ThreadBlock {
    let block = Box::leak(Box::new(ThreadBlock::new(
        lower_fs,
        new_stack(PARK_STACK_BYTES),
    )));
    let mut newest = NEWEST.load(Ordering::Relaxed);
    loop {
        block.next.store(newest, Ordering::Relaxed);
        match NEWEST.compare_exchange_weak(newest, block, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return block,
            Err(now) => newest = now,
        }
    }
}

/// A stack with a guard page below; returns its top. Pages that are never touched cost nothing.
fn new_stack(bytes: usize) -> u64 {
    // SAFETY: a fresh anonymous mapping, and its first page made inaccessible.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        let base = sys::mmap(
            0,
            bytes + window::PAGE_BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            -1,
            0,
        )
        .expect("room for a parking stack");
        sys::mprotect(base, window::PAGE_BYTES, libc::PROT_NONE)
            .expect("a guard page below a parking stack");
        (base + window::PAGE_BYTES + bytes) as u64
    }
}

/// The process has been forked: the calling thread is its main thread and its only one, so there is no block but its own.
pub(crate) fn keep_own_block() {
    if let Some(block) = ThreadBlock::current() {
        block.own();
        block.next.store(ptr::null_mut(), Ordering::Release);
        let own = ptr::from_ref(block).cast_mut();
        NEWEST.store(own, Ordering::Release);
        MAIN.store(own, Ordering::Release);
    }
}

/// Makes the calling thread, the process' main thread in the lower half, the upper half's main thread as well: its own
/// TLS is the lower TLS. Its upper FS is learnt at its first crossing.
///
/// # Panics
/// On any other thread.
pub fn register_main() -> &'static ThreadBlock {
    assert_eq!(
        sys::gettid(),
        sys::getpid(),
        "register_main runs on the process' main thread"
    );
    let known = MAIN.load(Ordering::Acquire);
    // SAFETY: null or a block, which lives for ever.
    let block = unsafe { known.as_ref() }.unwrap_or_else(|| make_block(arch::read_fs()));
    // Not FREE, so that no other thread claims it; no TLS has this address.
    block.own_as(u64::MAX);
    MAIN.store(ptr::from_ref(block).cast_mut(), Ordering::Release);
    block
}

/// The slow path of a crossing: finds or gets the block of the calling thread, whose FS base in the upper half is `fs`,
/// and points %gs to it.
pub(crate) extern "C" fn adopt(fs: u64) -> *const ThreadBlock {
    let mask = MaskGuard::block_all();
    let block = find(fs);
    block.own();
    drop(mask);
    block
}

fn find(fs: u64) -> &'static ThreadBlock {
    // SAFETY: null or a block, which lives for ever.
    let main = unsafe { MAIN.load(Ordering::Acquire).as_ref() };
    if let Some(main) = main
        && sys::gettid() == sys::getpid()
    {
        main.upper_fs.store(fs, Ordering::Relaxed);
        return main;
    }
    // Its thread is dead: libc gave its TLS to this one. Others may be after the block, too.
    if let Some(block) = ThreadBlock::all().find(|block| block.claim_again(fs)) {
        return block;
    }
    lender::obtain(|| claim_unused(fs, main))
}

/// A block that was never used or whose thread is gone, now with upper FS base `fs`.
fn claim_unused(fs: u64, main: Option<&ThreadBlock>) -> Option<&'static ThreadBlock> {
    let is_main = |block: &ThreadBlock| main.is_some_and(|main| ptr::eq(main, block));
    let fresh = || ThreadBlock::all().find(|block| block.claim_fresh(fs));
    let abandoned =
        || ThreadBlock::all().find(|block| !is_main(block) && block.claim_abandoned(fs));
    fresh().or_else(abandoned)
}

/// A block for a thread that a restart makes; its lower TLS is free to be used.
pub(crate) fn block_for_restored(upper_fs: u64) -> &'static ThreadBlock {
    lender::obtain(|| ThreadBlock::all().find(|block| block.claim_fresh(upper_fs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block between its claim and its first use was once taken for one whose thread had gone: two threads then shared a
    /// TLS of the lower half.
    #[test]
    fn a_block_is_claimed_by_one_thread_at_a_time() {
        let block = ThreadBlock::new(0, 0);
        assert!(block.claim_fresh(0x1000));
        assert!(!block.claim_fresh(0x2000));
        assert!(!block.claim_abandoned(0x2000), "this thread lives");
        its_thread_ends(&block);
        assert!(block.claim_abandoned(0x2000));
        assert_eq!(block.upper_fs(), 0x2000);
        its_thread_ends(&block);
        assert!(
            !block.claim_again(0x1000),
            "its old FS base finds it no more"
        );
        assert!(block.claim_again(0x2000));
    }

    /// One thread sees that the owner is gone; before it takes the block, another one comes, which was given the TLS of the dead
    /// thread, so that all but the times the block has changed hands is as it was.
    #[test]
    fn a_block_that_was_taken_meanwhile_is_not_taken_again() {
        let block = ThreadBlock::new(0, 0);
        assert!(block.claim_fresh(0x1000));
        its_thread_ends(&block);
        let seen = block.owner();
        assert!(seen.is_gone());
        assert!(block.claim_again(0x1000));
        assert!(!block.claim(seen, 0x2000));
        its_thread_ends(&block);
        assert!(
            !block.claim(seen, 0x2000),
            "of the same number, but not the same"
        );
    }

    fn its_thread_ends(block: &ThreadBlock) {
        let no_thread = block.owner().followed_by(i32::MAX);
        block.owner.store(no_thread.0, Ordering::Relaxed);
    }
}
