//! Robust locks of a thread that ends while it holds them (robust_futex in set_robust_list(2)).
//!
//! ```text
//!   the thread's list      lock -> lock -> …        one word in each: its owner's number, as libc wrote it
//!   the thread ends        the kernel walks along it, and tells those who want a lock of the owner's end: if the number is
//!                          that of the thread, which after a restart it is to the program only
//! ```
//!
//! So right before that the words are changed to the number that the kernel will look for.

#![expect(unsafe_code, reason = "walks a list in the application's memory")]
// # Safety
// Called in a hook on the thread whose list it is, with any TLS or none: no allocation, no panic, raw system calls only. The
// list is the program's to keep intact, but need not be: what cannot be read ends the walk, as in the kernel.

use std::sync::atomic::{AtomicI32, Ordering};

use crate::{numbers, sys};

/// Words of `struct robust_list_head`: the first entry, from an entry to its word, an entry that is being added or removed.
const HEAD_WORDS: u64 = 3;
/// A word's bytes.
const WORD_BYTES: u64 = size_of::<u64>() as u64;

/// ROBUST_LIST_LIMIT of <linux/futex.h>: how many entries the kernel looks at.
const ENTRIES_MAX: usize = 2048;
/// FUTEX_TID_MASK of <linux/futex.h>.
const OWNER_MASK: i32 = 0x3fff_ffff;

/// Makes the calling thread's locks name it as the kernel does.
pub(crate) fn name_as_kernel_does() {
    let kernel = sys::gettid();
    let upper = numbers::tid_of_upper(kernel);
    if upper == kernel {
        return;
    }
    let Ok((head_at, bytes)) = sys::robust_list() else {
        return;
    };
    if head_at == 0 || bytes != HEAD_WORDS * WORD_BYTES {
        return;
    }
    let word = |index: u64| read(head_at.wrapping_add(index * WORD_BYTES));
    let (Some(first), Some(offset), Some(pending)) = (word(0), word(1), word(2)) else {
        return;
    };
    // The lowest bit of a link says something about the entry that it leads to.
    let place = |link: u64| link & !1;
    let mut next = first;
    for _ in 0..ENTRIES_MAX {
        if place(next) == head_at {
            break;
        }
        rename(place(next).wrapping_add(offset), upper, kernel);
        match read(place(next)) {
            Some(link) => next = link,
            None => break,
        }
    }
    if pending != 0 {
        rename(place(pending).wrapping_add(offset), upper, kernel);
    }
}

/// Changes the owner in the word at `address`, if that is `upper`.
fn rename(address: u64, upper: i32, kernel: i32) {
    let is_aligned = (address as usize).is_multiple_of(align_of::<AtomicI32>());
    let Some(bytes) = sys::read_bytes(address).filter(|_| is_aligned) else {
        return;
    };
    let mut word = i32::from_ne_bytes(bytes);
    // SAFETY: it could be read just now, and this thread, which holds the lock, has written it.
    let lock = unsafe { &*(address as *const AtomicI32) };
    while word & OWNER_MASK == upper {
        let renamed = word & !OWNER_MASK | kernel;
        match lock.compare_exchange(word, renamed, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return,
            // Somebody has begun to wait for it.
            Err(now) => word = now,
        }
    }
}

/// The word at `address`, if that can be read.
fn read(address: u64) -> Option<u64> {
    sys::read_bytes(address).map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_threads_own_locks_are_renamed() {
        let waited_for = 1 << 31;
        for (before, after) in [(7, 210), (7 | waited_for, 210 | waited_for), (8, 8), (0, 0)] {
            let word = AtomicI32::new(before);
            rename(word.as_ptr() as u64, 7, 210);
            assert_eq!(word.into_inner(), after);
        }
        rename(8, 7, 210);
        rename(u64::MAX - 3, 7, 210);
    }

    #[test]
    fn what_cannot_be_read_is_not() {
        assert_eq!(read(std::ptr::from_ref(&77_u64) as u64), Some(77));
        assert_eq!(read(16), None);
        assert_eq!(read(u64::MAX), None);
    }
}
