//! Steering: rewriting the upper half's system-call instructions so that the virtualised calls come to the hook.
//!
//! ```text
//!   in the program's text            in a trampoline page near it          in the lower half
//!     mov  $9,%eax    -> jmp ------->  mov  $9,%eax
//!     syscall                          lea  -128(%rsp),%rsp (red zone)
//!     cmp  …          <--------------  call *hook slot(gate)  ----------->  arch::syscall_hook
//!                        jmp           lea  128(%rsp),%rsp    <-----------    hooks::dispatch
//! ```
//!
//! Every executable file mapping is scanned once, when it is mapped. Text and trampolines are part of the image; all
//! they know of the lower half is the gate's fixed address.
//!
//! [`sites`] finds the instructions and decides about each, [`trampoline`] encodes, this file changes memory.

#![expect(unsafe_code, reason = "reads and patches the text of the upper half")]
// # Safety
// Runs in the loader and in the mmap hook, with any TLS or none: no allocation, no libc, no panic. The mapping is new:
// nobody executes it yet, so patching it needs no synchronisation.

mod sites;
mod trampoline;

use std::ops::Range;

use crate::sys::{self, Errno};
use crate::window::{self, Request, page_up};
pub(crate) use sites::LIBC_CANCELLABLE;
use sites::{Verdict, judge, system_calls};
pub(crate) use trampoline::{
    AFTER_OFFSET, AFTER_TO_RETURN, CALL_BYTES, CHANGED_OFFSET, FRAME_BYTES, JUMP_FROM_AFTER,
    JUMP_FROM_CHANGED, JUMP_FROM_LEAVE, LEAVE_OFFSET, RESTORE_FIRST, SYSCALL_OF_AFTER,
    SYSCALL_OF_CHANGED, TO_LEAVE,
};

/// What a scan did and found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Sites that go to the hook now.
    pub(crate) steered: usize,
    /// System-call instructions whose number the scan cannot tell: reason to arm the backstop.
    pub(crate) unknown: usize,
}

/// Makes the instruction decoder build its tables, which allocates. Called once by the loader, so that the hooks'
/// decoding never does.
pub(crate) fn prepare() {
    let _ = judge(&[0xb8, 9, 0, 0, 0, 0x0f, 0x05], 5);
}

/// Scans and patches the private executable mapping `text`, whose protection is `prot`.
///
/// # Safety
/// `text` is mapped readable with `prot`, privately, holds code of the upper half, and nothing executes or writes it
/// until this returns.
pub(crate) unsafe fn steer(text: Range<usize>, prot: i32) -> Result<Scan, Errno> {
    // SAFETY: the caller's promise.
    let code = unsafe { std::slice::from_raw_parts(text.start as *const u8, text.len()) };
    let mut scan = Scan::default();
    let mut found = Found::default();
    for (nth, at) in system_calls(code).enumerate() {
        match judge(code, at) {
            Verdict::Steer { start } => {
                scan.steered += 1;
                found.note(nth, at - start);
            }
            Verdict::Unknown => scan.unknown += 1,
            Verdict::Harmless | Verdict::NotCode => {}
        }
    }
    if scan.steered > 0 {
        // SAFETY: the caller's promise.
        unsafe { patch(text, prot, scan.steered, &found)? };
    }
    Ok(scan)
}

/// What [`judge`] said of the occurrences of `0f 05` in a text, in their order: judging is most of a scan's time.
struct Found([u8; Self::KNOWN]);

impl Found {
    /// Of so many it is known; a C library has some 600. Later ones are judged again.
    const KNOWN: usize = 2048;

    /// The `nth` is to be steered, from so many bytes before it on.
    fn note(&mut self, nth: usize, before_bytes: usize) {
        if let Some(place) = self.0.get_mut(nth) {
            // Not 0: the jump needs room before the system call.
            *place = u8::try_from(before_bytes).unwrap_or_default();
        }
    }

    /// Where the code that moves begins, for the `nth`, which is at `at`. `None`: it stays as it is.
    fn start(&self, nth: usize, code: &[u8], at: usize) -> Option<usize> {
        match self.0.get(nth) {
            Some(0) => None,
            Some(before_bytes) => Some(at - usize::from(*before_bytes)),
            None => match judge(code, at) {
                Verdict::Steer { start } => Some(start),
                _ => None,
            },
        }
    }
}

impl Default for Found {
    fn default() -> Self {
        Self([0; Self::KNOWN])
    }
}

/// Writes the trampolines of the `count` steered sites in `text`, which are `found`, then the jumps to them.
///
/// # Safety
/// As for [`steer`].
unsafe fn patch(text: Range<usize>, prot: i32, count: usize, found: &Found) -> Result<(), Errno> {
    let bytes = page_up(count * trampoline::MAX_BYTES);
    let page = map_near(&text, bytes)?;
    let writable = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: nobody executes the text yet (the caller's promise). It becomes a private copy where it is written.
    unsafe { sys::mprotect(text.start, text.len(), writable)? };
    // SAFETY: mapped readable and writable, in no other use until this returns.
    let code = unsafe { std::slice::from_raw_parts_mut(text.start as *mut u8, text.len()) };
    // SAFETY: mapped above, `bytes` long, ours alone.
    let trampolines = unsafe { std::slice::from_raw_parts_mut(page as *mut u8, bytes) };

    // Patching does not disturb later verdicts: it changes bytes of the site itself only. Nor their order: a jump's bytes
    // 0f 05 come before the site's own, and are not looked at any more.
    let (mut next, mut nth, mut at) = (0, 0, 0);
    loop {
        let Some(distance) = system_calls(&code[at..]).next() else {
            break;
        };
        at += distance;
        if let Some(start) = found.start(nth, code, at)
            && let Some(room) = trampolines.get_mut(next..next + trampoline::MAX_BYTES)
        {
            let places = trampoline::Places {
                trampoline: page + next,
                from: text.start + start,
                back: text.start + at + sites::SYSCALL_BYTES,
            };
            if let Some(jump) = trampoline::encode(room, &code[start..at], places) {
                code[start..start + jump.len()].copy_from_slice(&jump);
                next += trampoline::MAX_BYTES;
            }
        }
        at += sites::SYSCALL_BYTES;
        nth += 1;
    }
    // SAFETY: both ranges are ours; what was written is complete.
    unsafe {
        sys::mprotect(text.start, text.len(), prot)?;
        sys::mprotect(page, bytes, libc::PROT_READ | libc::PROT_EXEC)?;
    }
    Ok(())
}

/// How far a 32-bit jump reaches, with room for the text's and the trampolines' own length.
const REACH_BYTES: usize = (1 << 31) - (1 << 28);
/// Distance between two places that [`map_near`] tries.
const PROBE_BYTES: usize = 1 << 20;

/// Maps `bytes` for trampolines within reach of `text`: in the window when that is near, else beside the text.
fn map_near(text: &Range<usize>, bytes: usize) -> Result<usize, Errno> {
    let request = Request::anonymous(bytes, libc::PROT_READ | libc::PROT_WRITE);
    let page = window::map(&request)?;
    if page.abs_diff(text.start).max(page.abs_diff(text.end)) < REACH_BYTES {
        return Ok(page);
    }
    // SAFETY: mapped just now, unused.
    unsafe { sys::munmap(page, bytes)? };
    window::give_back(page..page + bytes);
    let mut place = page_up(text.end);
    while place < text.start + REACH_BYTES {
        match window::map_exactly(place, &request) {
            Err(Errno::EXIST) => place += PROBE_BYTES,
            Err(errno) => return Err(errno),
            Ok(page) => {
                if !window::contains(page) {
                    window::add_extra(page..page + bytes)?;
                }
                return Ok(page);
            }
        }
    }
    Err(Errno::NOMEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Maps `code` as a file's text would be, steers it, and returns its address.
    fn steered(code: &[u8]) -> (usize, Scan) {
        let len = page_up(code.len());
        let page =
            window::map(&Request::anonymous(len, libc::PROT_READ | libc::PROT_WRITE)).unwrap();
        // SAFETY: just mapped, long enough; not executed meanwhile.
        unsafe {
            std::ptr::copy_nonoverlapping(code.as_ptr(), page as *mut u8, code.len());
            let prot = libc::PROT_READ | libc::PROT_EXEC;
            sys::mprotect(page, len, prot).unwrap();
            (page, steer(page..page + len, prot).unwrap())
        }
    }

    #[test]
    fn patches_the_virtualised_site_only() {
        // getuid (102); mmap (9) with an instruction between; ret.
        let code = b"\xb8\x66\0\0\0\x0f\x05\xb8\x09\0\0\0\x31\xff\x0f\x05\xc3";
        let (page, scan) = steered(code);
        assert_eq!(
            scan,
            Scan {
                steered: 1,
                unknown: 0
            }
        );
        // SAFETY: mapped readable by `steered`.
        let now = unsafe { std::slice::from_raw_parts(page as *const u8, code.len()) };
        assert_eq!(now[..7], code[..7], "getuid stays");
        assert_eq!(now[7], 0xe9, "the mov has become a jump");
        assert_eq!(now[12..], code[12..], "nothing else changes");
        let trampoline = page + 12 + i32::from_le_bytes(now[8..12].try_into().unwrap()) as usize;
        assert!(window::contains(trampoline));
        // SAFETY: the trampoline page is readable.
        let first = unsafe { std::slice::from_raw_parts(trampoline as *const u8, 7) };
        assert_eq!(
            first, b"\xb8\x09\0\0\0\x31\xff",
            "it begins with the instructions it stands for"
        );
    }
}
