//! Numbers of processes and threads as the upper half sees them: after a restart they are what they were.
//!
//! ```text
//!   the program knows    7    12   13   40        libc's copies, mutexes' owners, files called after a number …
//!                        │    │    │    │
//!   the kernel knows    210  214  215   40        restored threads have new ones; threads made later are as they are
//! ```
//!
//! Both ways lead along one permutation: the pairs of the restored threads, completed so that nothing else has two names. A
//! thread made later that the kernel calls 12 would be the second 12; it is 214 to the program, a number that no longer stands
//! for anybody there. Its libc is told before it does anything (`forget_inherited` in [`crate::thread`]).
//!
//! A number is translated only where it stands for a thread of this process, or for a process that was restored together with this
//! one: other children and processes have the kernel's.
//! Numbers come again (soon, where /proc/sys/kernel/pid_max is 32768): once a restored process is over, those of its are others'.
//! What a process waits for is one of its children, so it is not taken for another restored process of that number; nor is a child that
//! it sends a signal to. Forks do not get such a number ([`is_taken`]).
//! A forked child has a number of its own; of the pairs it knows its parent's, as its parent does.

#![expect(unsafe_code, reason = "reads what a restart has left; system calls")]
// # Safety
// Called by hooks and signal handlers with any TLS or none: no allocation, no lock, no panic. `set` runs with the lower TLS
// live, before any upper code.

use std::ffi::{CString, c_char};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};

use serde::{Deserialize, Serialize};

use crate::thread::Tid;
use crate::{hooks, sys, window};

/// What a restart has found.
struct Numbers {
    /// The process, which is its main thread.
    process: Pair,
    /// Its threads.
    threads: Vec<Pair>,
}

/// Two numbers of one thread.
#[derive(Debug, Clone, Copy)]
struct Pair {
    upper: Tid,
    kernel: Tid,
}

/// A process that a restart has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renumbered {
    /// What the program calls it.
    pub upper: Tid,
    /// What the kernel calls it.
    pub kernel: Tid,
    /// What the kernel calls its parent; 0 if that is no process of the program's.
    pub parent: Tid,
}

/// The same, until it is over: then its numbers are those of others, who come and go.
struct Relative {
    is: Renumbered,
    is_over: AtomicBool,
}

impl Relative {
    fn is_left(&self) -> bool {
        !self.is_over.load(Ordering::Acquire)
    }

    fn is_own_child(&self) -> bool {
        self.is.parent == sys::getpid() && self.is_left()
    }
}

/// Processes that a restart has made together with this one.
struct Family {
    relatives: Vec<Relative>,
    /// The same for what this process executes: [`VARIABLE`], `NAME=upper:kernel:parent,…`.
    in_words: CString,
}

/// Null if there are none.
static FAMILY: AtomicPtr<Family> = AtomicPtr::new(std::ptr::null_mut());

/// States what the processes are called that a restart has made, by the program and by the kernel; before [`set`].
pub fn set_family(restored: &[Renumbered]) {
    let text: Vec<String> = restored
        .iter()
        .map(|one| format!("{}:{}:{}", one.upper, one.kernel, one.parent))
        .collect();
    let relatives = restored.iter().map(|&is| Relative {
        is,
        is_over: AtomicBool::new(false),
    });
    let family = Family {
        relatives: relatives.collect(),
        // There is no NUL in it.
        in_words: CString::new(format!("{VARIABLE}={}", text.join(","))).unwrap_or_default(),
    };
    FAMILY.store(Box::into_raw(Box::new(family)), Ordering::Release);
    hooks::numbers_of_children_differ();
}

/// The variable by which a program that one of them executes knows them, too.
pub(crate) const VARIABLE: &str = "MANA_NUMBERS";

/// That variable; `None` without a family.
pub(crate) fn in_words() -> Option<*const c_char> {
    stated().map(|family| family.in_words.as_ptr())
}

/// What the value of [`VARIABLE`] says; nothing where it says something else.
pub(crate) fn from_words(value: &str) -> Vec<Renumbered> {
    let one = |text: &str| {
        let mut numbers = text.split(':').map(|number| number.parse().ok());
        Some(Renumbered {
            upper: numbers.next()??,
            kernel: numbers.next()??,
            parent: numbers.next()??,
        })
    };
    let all: Option<Vec<_>> = value.split(',').map(one).collect();
    all.unwrap_or_default()
}

fn stated() -> Option<&'static Family> {
    // SAFETY: null or a leaked box, of which nothing but atomics is written any more.
    unsafe { FAMILY.load(Ordering::Acquire).as_ref() }
}

fn family() -> &'static [Relative] {
    stated().map_or(&[], |family| &family.relatives)
}

/// Null until a restart.
static NUMBERS: AtomicPtr<Numbers> = AtomicPtr::new(std::ptr::null_mut());

/// Whether the program sees these numbers. Not one from an older image, whose calls that tell or take them are not steered.
static GO_ON: AtomicBool = AtomicBool::new(true);

/// Whether this process' program goes on with its numbers over restarts; part of an image.
pub(crate) fn export() -> bool {
    GO_ON.load(Ordering::Relaxed)
}

/// What [`export`] has said.
pub(crate) fn import(go_on: bool) {
    GO_ON.store(go_on, Ordering::Relaxed);
}

/// States what the restored threads are called, by the program and by the kernel, the main thread first.
pub(crate) fn set(pairs: &[(Tid, Tid)]) {
    let mut threads = pairs.iter().map(|&(upper, kernel)| Pair { upper, kernel });
    let Some(process) = threads.next() else {
        return;
    };
    let threads = std::iter::once(process).chain(threads).collect();
    let numbers = Box::leak(Box::new(Numbers { process, threads }));
    NUMBERS.store(numbers, Ordering::Release);
    if GO_ON.load(Ordering::Relaxed) {
        hooks::numbers_differ();
    }
}

fn numbers() -> Option<&'static Numbers> {
    // SAFETY: null or a leaked box that is not written any more.
    unsafe { NUMBERS.load(Ordering::Acquire).as_ref() }
}

/// The same, where the program sees them.
fn seen() -> Option<&'static Numbers> {
    numbers().filter(|_| GO_ON.load(Ordering::Relaxed))
}

impl Numbers {
    /// Whether this is the restored process, and not a child of it.
    fn is_here(&self) -> bool {
        sys::getpid() == self.process.kernel
    }

    /// The program's number for what the kernel calls `tid`.
    fn upper(&self, tid: Tid) -> Tid {
        if let Some(pair) = self.threads.iter().find(|pair| pair.kernel == tid) {
            return pair.upper;
        }
        // Whoever has that number to the program already has left its own one free. No number comes twice on this way, for
        // its beginning is no thread's.
        let mut upper = tid;
        while let Some(pair) = self.threads.iter().find(|pair| pair.upper == upper) {
            upper = pair.kernel;
        }
        upper
    }

    /// The way back.
    fn kernel(&self, tid: Tid) -> Tid {
        if let Some(pair) = self.threads.iter().find(|pair| pair.upper == tid) {
            return pair.kernel;
        }
        let mut kernel = tid;
        while let Some(pair) = self.threads.iter().find(|pair| pair.kernel == kernel) {
            kernel = pair.upper;
        }
        kernel
    }
}

/// The kernel's number of the thread, or main thread and with it process, that the upper half calls `tid`.
#[must_use]
pub fn tid_of_kernel(tid: Tid) -> Tid {
    let Some(numbers) = numbers().filter(|_| tid > 0) else {
        return tid;
    };
    if !numbers.is_here() {
        return process_of_kernel(tid);
    }
    let kernel = numbers.kernel(tid);
    // It stands for somebody else once its thread is gone.
    if kernel != tid && sys::thread_exists(kernel) {
        kernel
    } else {
        process_of_kernel(tid)
    }
}

/// The number by which the upper half knows the thread of this process with the kernel's number `tid`.
#[must_use]
pub fn tid_of_upper(tid: Tid) -> Tid {
    match numbers() {
        Some(numbers) if numbers.is_here() => numbers.upper(tid),
        _ => process_of_upper(tid),
    }
}

/// The kernel's number of the process, or process group, that the upper half calls `pid`: this one, or a child's parent.
pub(crate) fn process_of_kernel(pid: Tid) -> Tid {
    match numbers() {
        // A child of that number is meant by itself.
        Some(Numbers { process, .. }) if process.upper == pid && sys::getpid() != pid => {
            process.kernel
        }
        Some(_) => {
            let mut left = family().iter().filter(|one| one.is_left());
            let restored = left.find(|one| one.is.upper == pid && exists(one.is.kernel));
            match restored {
                // A new child that the kernel calls so is meant by its parent.
                Some(one) if one.is_own_child() || !is_child(pid) => one.is.kernel,
                _ => pid,
            }
        }
        None => pid,
    }
}

/// Whether `pid`, a number that the program knows a process of before a restart by, could be taken for a new child that the kernel calls
/// so. The same in parent and child, however the others fare meanwhile.
#[must_use]
pub fn is_taken(pid: Tid) -> bool {
    let is_ours = seen().is_some_and(|numbers| numbers.process.upper == pid);
    is_ours || family().iter().any(|one| one.is.upper == pid)
}

/// The kernel's number of the child that the upper half calls `pid`. Others may have that number by now, but no children of
/// this process.
pub(crate) fn child_of_kernel(pid: Tid) -> Tid {
    let mut children = family().iter().filter(|one| one.is_own_child());
    let restored = children.find(|one| one.is.upper == pid);
    restored.map_or(pid, |one| one.is.kernel)
}

/// The upper half's number of the child with the kernel's number `pid`.
pub(crate) fn child_of_upper(pid: Tid) -> Tid {
    let mut children = family().iter().filter(|one| one.is_own_child());
    let restored = children.find(|one| one.is.kernel == pid);
    restored.map_or(pid, |one| one.is.upper)
}

/// This process has waited for a child, by the kernel's number: if it is over, its numbers may be those of others.
pub(crate) fn waited_for(pid: Tid) {
    let mut children = family().iter().filter(|one| one.is_own_child());
    if let Some(child) = children.find(|one| one.is.kernel == pid)
        && !exists(pid)
    {
        child.is_over.store(true, Ordering::Release);
    }
}

/// Whether this process has a child that the kernel calls `pid`.
fn is_child(pid: Tid) -> bool {
    let only_look = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    let args = [
        u64::from(libc::P_PID),
        pid as u64,
        0,
        only_look as u64,
        0,
        0,
    ];
    // SAFETY: the call may do without the places that it writes to.
    let result = unsafe { sys::raw(libc::SYS_waitid, args) };
    result == 0
}

/// Whether there is a process, one that has ended and is still to be waited for included.
fn exists(pid: Tid) -> bool {
    // SAFETY: signal 0 is sent to nobody.
    let sent = unsafe { sys::raw(libc::SYS_kill, [pid as u64, 0, 0, 0, 0, 0]) };
    sent != -i64::from(libc::ESRCH)
}

/// The upper half's number of the process, or process group, with the kernel's number `pid`.
#[must_use]
pub fn process_of_upper(pid: Tid) -> Tid {
    match numbers() {
        Some(Numbers { process, .. }) if process.kernel == pid => process.upper,
        Some(_) => {
            let mut left = family().iter().filter(|one| one.is_left());
            let restored = left.find(|one| one.is.kernel == pid);
            restored.map_or(pid, |one| one.is.upper)
        }
        None => pid,
    }
}

/// Whether there are processes that a restart has made together with this one.
pub(crate) fn has_family() -> bool {
    !family().is_empty()
}

/// Whether the program's numbers are other than the kernel's.
pub(crate) fn differ() -> bool {
    seen().is_some()
}

/// The clock of the processor time of a process or thread (clock_getcpuclockid(3)), as the kernel calls it: the number is in it.
pub(crate) fn clock_of_kernel(clock: libc::clockid_t) -> libc::clockid_t {
    /// What kind it is, in the lowest bits: one of them is the clock of a descriptor.
    const KIND: i32 = 7;
    const OF_DESCRIPTOR: i32 = 3;
    if clock >= 0 || clock & KIND == OF_DESCRIPTOR || !differ() {
        return clock;
    }
    (!tid_of_kernel(!(clock >> 3)) << 3) | clock & KIND
}

/// Tells the calling thread, which the program has just made, what it is called, where libc keeps that: the address that the
/// kernel clears when the thread ends, to which it has written its own number.
pub(crate) fn tell_new_thread() {
    if !differ() {
        return;
    }
    let kernel = sys::gettid();
    let upper = tid_of_upper(kernel);
    if upper == kernel {
        return;
    }
    let address = sys::clear_tid_address().unwrap_or(0) as usize;
    if window::is_upper(address) && address.is_multiple_of(align_of::<AtomicI32>()) {
        // SAFETY: the program's word for this thread's number, which others may read at the same time.
        let word = unsafe { &*(address as *const AtomicI32) };
        let _ = word.compare_exchange(kernel, upper, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// Makes the sender that a signal names the one that the program knows.
///
/// # Safety
/// `info` is the signal's, and may be written.
pub(crate) unsafe fn tell_sender(info: *mut libc::siginfo_t) {
    /// Those of [`libc::siginfo_t`]'s forms that begin with the sender's number.
    const BY_PROCESSES: [i32; 4] = [
        libc::SI_USER,
        libc::SI_QUEUE,
        libc::SI_TKILL,
        libc::SI_MESGQ,
    ];
    /// Of SIGCHLD, those that the kernel gives.
    const OF_CHILDREN: std::ops::RangeInclusive<i32> = libc::CLD_EXITED..=libc::CLD_CONTINUED;
    /// Where that is.
    const SENDER_WORD: usize = 4;
    // SAFETY: the caller's promise.
    let (signal, code) = unsafe { ((*info).si_signo, (*info).si_code) };
    let of_child = signal == libc::SIGCHLD && OF_CHILDREN.contains(&code);
    if differ() && (of_child || BY_PROCESSES.contains(&code)) {
        // SAFETY: as above; a siginfo_t has 32 words.
        unsafe {
            let sender = info.cast::<Tid>().add(SENDER_WORD);
            *sender = if of_child {
                child_of_upper(*sender)
            } else {
                process_of_upper(*sender)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(pairs: &[(Tid, Tid)]) -> Numbers {
        let threads: Vec<Pair> = pairs
            .iter()
            .map(|&(upper, kernel)| Pair { upper, kernel })
            .collect();
        let process = threads[0];
        Numbers { process, threads }
    }

    #[test]
    fn nobody_has_two_names_and_no_name_stands_for_two() {
        let chains: [&[(Tid, Tid)]; 4] = [
            &[(7, 210), (12, 214), (13, 215)],
            // Numbers that are one thread's to the kernel and another one's to the program.
            &[(1, 2), (2, 3), (3, 4)],
            &[(4, 3), (3, 2), (2, 1)],
            &[(5, 6), (6, 5), (9, 9)],
        ];
        for pairs in chains {
            let numbers = numbers(pairs);
            for &(upper, kernel) in pairs {
                assert_eq!(
                    (numbers.upper(kernel), numbers.kernel(upper)),
                    (upper, kernel)
                );
            }
            let mut all: Vec<Tid> = (1..300).map(|tid| numbers.upper(tid)).collect();
            assert!((1..300).all(|tid| numbers.kernel(numbers.upper(tid)) == tid));
            all.sort_unstable();
            assert_eq!(all, Vec::from_iter(1..300));
        }
    }

    #[test]
    fn a_new_thread_whose_number_is_taken_has_the_free_one() {
        let numbers = numbers(&[(7, 210), (12, 214)]);
        assert_eq!(numbers.upper(12), 214);
        assert_eq!(numbers.kernel(214), 12);
        assert_eq!(numbers.upper(300), 300);
    }
}
