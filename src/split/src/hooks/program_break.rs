//! brk(2): the upper half has a break of its own, as the kernel's is the lower half's.
//!
//! ```text
//!   0x2800_0000_0000                break
//!   |  the program's data segment -> |  free, or others' mappings, which it stops at          the middle of the window
//! ```
//!
//! Mappings begin at the window's front, so there is room. In between are none of the program's: what is below the break is its own, page
//! by page, and goes with the window's memory into the image. Two threads that move it at the same time claim disjoint parts. As in all hooks
//! there is no allocation, no lock and no panic.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::memory::tell_unmap;
use super::pass;
use crate::window::{self, PAGE_BYTES, Request, page_up};

/// Where the segment begins.
const START: usize = window::WINDOW_START + (window::WINDOW_END - window::WINDOW_START) / 2;
/// The break of a program that has learned, from an earlier `mana`, that there is none.
const NONE: usize = window::WINDOW_START;

static BREAK: AtomicUsize = AtomicUsize::new(START);

/// The break, for an image; `None` if it cannot be moved.
pub(crate) fn export() -> Option<u64> {
    match BREAK.load(Ordering::Acquire) {
        NONE => None,
        at => Some(at as u64),
    }
}

/// What [`export`] has said.
pub(crate) fn import(at: Option<u64>) {
    let at = at.map_or(NONE, |at| at as usize);
    BREAK.store(at, Ordering::Release);
}

/// brk(2): the break as it is then. It is where it was if the program asks for too much, or for something else.
pub(super) fn brk(wanted: usize) -> i64 {
    let now = BREAK.load(Ordering::Acquire);
    if now == NONE || !(START..window::WINDOW_END).contains(&wanted) {
        return now as i64;
    }
    let claimed = BREAK.compare_exchange(now, wanted, Ordering::AcqRel, Ordering::Acquire);
    let moved = match claimed {
        Ok(_) if wanted < now => {
            give_back(page_up(wanted), page_up(now));
            true
        }
        Ok(_) => grow(page_up(now), page_up(wanted)),
        Err(_) => false,
    };
    if moved {
        return wanted as i64;
    }
    // Unless another thread has gone on from there.
    let _ = BREAK.compare_exchange(wanted, now, Ordering::AcqRel, Ordering::Acquire);
    BREAK.load(Ordering::Acquire) as i64
}

/// Maps the pages in between, if there are any.
fn grow(from: usize, to: usize) -> bool {
    let memory = Request::anonymous(to - from, libc::PROT_READ | libc::PROT_WRITE);
    from == to || window::map_exactly(from, &memory).is_ok()
}

fn give_back(from: usize, to: usize) {
    if from < to {
        tell_unmap(from, to - from);
        pass(
            libc::SYS_munmap,
            [from as u64, (to - from) as u64, 0, 0, 0, 0],
        );
    }
}

const _: () = assert!(START.is_multiple_of(PAGE_BYTES));
