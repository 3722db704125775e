//! The window: the part of the address space where all of the upper half lives.
//!
//! ```text
//!   0x2000_0000_0000                 next                          0x3000_0000_0000
//!   |  program, ld.so, stack, libs …  |  free: the next mapping ->  |
//! ```
//!
//! Membership of a half is an address comparison. New mappings go to `next`, which only grows, is handed back when the
//! newest mapping goes, and starts over from the front at the end. The kernel is the judge of what is free
//! (MAP_FIXED_NOREPLACE): there is no table of mappings that could get out of date.
//!
//! What cannot live in the window (a program linked to fixed addresses, MAP_32BIT) is listed as an *extra range*.

#![expect(unsafe_code, reason = "places the upper half's mappings")]
// # Safety
// Called from hooks: any TLS or none may be live, so nothing allocates, panics or uses libc. All state is atomics.

use std::ops::Range;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

use crate::sys::{self, Errno, SysResult};

/// First address of the window.
pub const WINDOW_START: usize = 0x2000_0000_0000;
/// End of the window.
pub const WINDOW_END: usize = 0x3000_0000_0000;

/// Size of a page in bytes: x86-64 has one.
pub(crate) const PAGE_BYTES: usize = 4096;
/// Mappings at least this long start on such a boundary, so that transparent huge pages work in them.
const HUGE_BYTES: usize = 2 << 20;
/// Longest step over occupied addresses; only after a wrap-around are there any.
const SKIP_MAX_BYTES: usize = 1 << 30;

/// Room that is left before memory that grows downwards, for as far as stacks usually may and the gap that the kernel insists on.
const GROWTH_BYTES: usize = 64 << 20;

static NEXT: AtomicUsize = AtomicUsize::new(WINDOW_START);

/// Whether `addr` is in the window.
#[must_use]
pub fn contains(addr: usize) -> bool {
    (WINDOW_START..WINDOW_END).contains(&addr)
}

/// Whether `addr` belongs to the upper half: in the window or in an extra range.
#[must_use]
pub fn is_upper(addr: usize) -> bool {
    contains(addr) || EXTRA.iter().any(|extra| extra.contains(addr))
}

/// Whether a mapping is the upper half's. One outside the window that grows downwards begins before what is listed.
pub(crate) fn has_upper(range: &Range<usize>) -> bool {
    is_upper(range.start) || is_upper(range.end - 1)
}

/// Where the next mapping goes.
pub(crate) fn next() -> usize {
    NEXT.load(Relaxed)
}

/// Continues where another process's window stopped.
pub(crate) fn set_next(addr: usize) {
    NEXT.store(addr.clamp(WINDOW_START, WINDOW_END), Relaxed);
}

/// Rounds up to whole pages; saturates at the last page.
pub(crate) fn page_up(bytes: usize) -> usize {
    align_up(bytes, PAGE_BYTES)
}

fn align_up(value: usize, align: usize) -> usize {
    value.saturating_add(align - 1) & !(align - 1)
}

/// What to map; the arguments of mmap(2) without the address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) len: usize,
    pub(crate) prot: i32,
    pub(crate) flags: i32,
    pub(crate) fd: i32,
    pub(crate) offset: u64,
}

impl Request {
    /// Private anonymous memory.
    pub(crate) fn anonymous(len: usize, prot: i32) -> Self {
        Self {
            len,
            prot,
            flags: libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            fd: -1,
            offset: 0,
        }
    }

    fn align_bytes(&self) -> usize {
        if self.flags & libc::MAP_HUGETLB != 0 {
            let shift = (self.flags >> libc::MAP_HUGE_SHIFT) & libc::MAP_HUGE_MASK;
            return if shift == 0 { HUGE_BYTES } else { 1 << shift };
        }
        if self.len >= HUGE_BYTES {
            HUGE_BYTES
        } else {
            PAGE_BYTES
        }
    }
}

/// Maps `request` at a free place of the window and returns the address.
pub(crate) fn map(request: &Request) -> SysResult {
    map_aligned(request, request.align_bytes())
}

/// [`map`] with a start that is a multiple of `align` bytes, a power of two.
pub(crate) fn map_aligned(request: &Request, align: usize) -> SysResult {
    let unit = if request.flags & libc::MAP_HUGETLB != 0 {
        align
    } else {
        PAGE_BYTES
    };
    let len = align_up(request.len, unit);
    if len == 0 || len > WINDOW_END - WINDOW_START {
        return Err(if len == 0 {
            Errno(libc::EINVAL)
        } else {
            Errno::NOMEM
        });
    }
    let room = if request.flags & libc::MAP_GROWSDOWN != 0 {
        GROWTH_BYTES
    } else {
        0
    };
    let (mut wraps, mut misses) = (0, 0);
    loop {
        let current = NEXT.load(Relaxed);
        let start = align_up(current.saturating_add(room), align);
        let end = start.saturating_add(len);
        if end > WINDOW_END {
            wraps += 1;
            if wraps == 3 {
                return Err(Errno::NOMEM);
            }
            // Lost races are harmless: somebody else moved on.
            let _ = NEXT.compare_exchange(current, WINDOW_START, SeqCst, Relaxed);
            continue;
        }
        if NEXT
            .compare_exchange(current, end, SeqCst, Relaxed)
            .is_err()
        {
            continue;
        }
        match map_exactly(start, request) {
            Err(Errno::EXIST) => {
                misses += 1;
                let skip = (PAGE_BYTES << (misses / 4).min(18)).min(SKIP_MAX_BYTES);
                let _ = NEXT.compare_exchange(
                    end,
                    end.saturating_add(skip - PAGE_BYTES),
                    SeqCst,
                    Relaxed,
                );
            }
            Err(errno) => {
                give_back(start..end);
                return Err(errno);
            }
            mapped => return mapped,
        }
    }
}

/// Maps `request` at `addr`, or fails with EEXIST when anything is there.
pub(crate) fn map_exactly(addr: usize, request: &Request) -> SysResult {
    let flags = request.flags & !libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: MAP_FIXED_NOREPLACE replaces nothing.
    let mapped = unsafe {
        sys::mmap(
            addr,
            request.len,
            request.prot,
            flags,
            request.fd,
            request.offset,
        )?
    };
    if mapped == addr {
        return Ok(addr);
    }
    // A kernel before 4.17 takes the flag for a hint; so the place was taken.
    // SAFETY: mapped just now, nobody knows the address.
    unsafe { sys::munmap(mapped, request.len)? };
    Err(Errno::EXIST)
}

/// Tells the window that `range` is free again. Only the newest mapping's room is reused at once.
pub(crate) fn give_back(range: Range<usize>) {
    if contains(range.start) {
        let _ = NEXT.compare_exchange(page_up(range.end), range.start, SeqCst, Relaxed);
    }
}

/// Number of extra ranges; a program has a few segments at fixed addresses at most.
const EXTRA_MAX: usize = 128;

/// A range outside the window; empty while `end` is 0. `end` is written last and cleared first.
struct Extra {
    start: AtomicUsize,
    end: AtomicUsize,
}

impl Extra {
    /// `end` of a slot that is being filled.
    const CLAIMED: usize = 1;

    fn contains(&self, addr: usize) -> bool {
        let end = self.end.load(SeqCst);
        addr < end && addr >= self.start.load(SeqCst)
    }

    fn range(&self) -> Option<Range<usize>> {
        let end = self.end.load(SeqCst);
        (end > Self::CLAIMED).then(|| self.start.load(SeqCst)..end)
    }
}

static EXTRA: [Extra; EXTRA_MAX] = [const {
    Extra {
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
    }
}; EXTRA_MAX];

/// Lists `range`, outside the window, as upper half's.
pub(crate) fn add_extra(range: Range<usize>) -> Result<(), Errno> {
    for extra in &EXTRA {
        if extra
            .end
            .compare_exchange(0, Extra::CLAIMED, SeqCst, SeqCst)
            .is_ok()
        {
            extra.start.store(range.start, SeqCst);
            extra.end.store(page_up(range.end), SeqCst);
            return Ok(());
        }
    }
    Err(Errno::NOMEM)
}

/// Takes the extra ranges that `range` covers off the list.
pub(crate) fn remove_extra(range: Range<usize>) {
    for extra in &EXTRA {
        if let Some(listed) = extra.range()
            && range.start <= listed.start
            && listed.end <= page_up(range.end)
        {
            extra.end.store(0, SeqCst);
        }
    }
}

/// Whether an extra range begins below 4 GiB.
pub(crate) fn has_low_extra() -> bool {
    EXTRA
        .iter()
        .filter_map(Extra::range)
        .any(|range| range.start < 1 << 32)
}

/// The extra ranges.
#[must_use]
pub fn extra_ranges() -> Vec<Range<usize>> {
    EXTRA.iter().filter_map(Extra::range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test: the window is one per process, so tests in parallel would see each other's mappings.
    #[test]
    fn maps_gives_back_and_wraps_around() {
        let small = Request::anonymous(3 * PAGE_BYTES, libc::PROT_READ);
        let a = map(&small).unwrap();
        let b = map(&small).unwrap();
        assert!(contains(a) && contains(b) && b == a + small.len);

        // SAFETY: ours, unused.
        unsafe { sys::munmap(b, small.len).unwrap() };
        give_back(b..b + small.len);
        assert_eq!(
            map(&small).unwrap(),
            b,
            "the newest block's room is used again"
        );

        let huge = map(&Request::anonymous(HUGE_BYTES + 1, libc::PROT_NONE)).unwrap();
        assert_eq!(huge % HUGE_BYTES, 0);

        set_next(WINDOW_END - PAGE_BYTES);
        let wrapped = map(&small).unwrap();
        assert!(
            wrapped > a && wrapped != b && wrapped < WINDOW_END - PAGE_BYTES,
            "{wrapped:#x} steps over what is there"
        );
        assert_eq!(map(&Request::anonymous(0, 0)), Err(Errno(libc::EINVAL)));
        assert_eq!(map(&Request::anonymous(usize::MAX, 0)), Err(Errno::NOMEM));
    }

    #[test]
    fn extra_ranges_count_as_upper() {
        assert!(!is_upper(0x40_0000));
        add_extra(0x40_0000..0x40_1001).unwrap();
        assert!(is_upper(0x40_1fff) && !is_upper(0x40_2000));
        remove_extra(0x40_0000..0x40_1000);
        assert!(is_upper(0x40_0000), "only what is covered whole goes");
        remove_extra(0x40_0000..0x50_0000);
        assert!(!is_upper(0x40_0000));
    }
}
