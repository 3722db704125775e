//! Memory that the lower half makes for the upper half: it lies in the window, so an image holds it and a restart
//! brings it back at the same address.
//!
//! ```text
//!   allocate(bytes) -> start:  | bytes, rounded up to whole pages, zeroed, readable and writable |
//!   share(fd, bytes) -> start: | the same, of a file, shared with all processes that map it      |
//! ```
//!
//! Who allocates keeps the length: nothing is written beside the memory that the application gets.

#![expect(unsafe_code, reason = "unmaps memory that the application was given")]
// # Safety
// Either TLS may be live; nothing here allocates on a heap, except an error on its way out (lower TLS).

use std::os::fd::{AsRawFd, BorrowedFd};

use crate::error::{Error, Result};
use crate::sys;
use crate::window::{self, Request, page_up};

/// Maps `bytes` (at least a page) of zeroed memory in the window and returns its address, a multiple of the page size.
///
/// # Errors
/// [`Error::Os`] when the kernel or the window has no room.
pub fn allocate(bytes: usize) -> Result<usize> {
    let request = Request::anonymous(page_up(bytes.max(1)), libc::PROT_READ | libc::PROT_WRITE);
    window::map(&request).map_err(|errno| Error::raw("mapping memory for the program", errno))
}

/// Maps `bytes` of the file behind `fd` in the window, shared, and returns the address.
///
/// # Errors
/// [`Error::Os`] when the kernel or the window has no room, or the file cannot be mapped so.
pub fn share(fd: BorrowedFd<'_>, bytes: usize) -> Result<usize> {
    window::map(&shared(fd, bytes)).map_err(|errno| Error::raw("mapping shared memory", errno))
}

/// As [`share`], in place of the private memory that a restart has put at `start`.
///
/// # Safety
/// Nobody uses that memory meanwhile, and what the program is to find there is in the file.
///
/// # Errors
/// [`Error::Os`] when the file cannot be mapped so.
pub unsafe fn share_at(fd: BorrowedFd<'_>, start: usize, bytes: usize) -> Result<()> {
    let request = shared(fd, bytes);
    let flags = request.flags | libc::MAP_FIXED;
    // SAFETY: the caller's promise.
    unsafe { sys::mmap(start, request.len, request.prot, flags, request.fd, 0) }
        .map(drop)
        .map_err(|errno| Error::raw("mapping shared memory again", errno))
}

fn shared(fd: BorrowedFd<'_>, bytes: usize) -> Request {
    Request {
        len: page_up(bytes.max(1)),
        prot: libc::PROT_READ | libc::PROT_WRITE,
        flags: libc::MAP_SHARED,
        fd: fd.as_raw_fd(),
        offset: 0,
    }
}

/// Unmaps what [`allocate`] or [`share`] gave for the same `bytes`.
///
/// # Safety
/// Neither half uses the memory any more.
///
/// # Errors
/// [`Error::Os`] when the kernel refuses; then the memory stays.
pub unsafe fn release(start: usize, bytes: usize) -> Result<()> {
    let bytes = page_up(bytes.max(1));
    // SAFETY: the caller's promise.
    unsafe { sys::munmap(start, bytes) }
        .map_err(|errno| Error::raw("unmapping memory of the program", errno))?;
    window::give_back(start..start + bytes);
    Ok(())
}
