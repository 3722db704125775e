//! Memory that the lower half makes for the upper half: it lies in the window, so an image holds it and a restart
//! brings it back at the same address.
//!
//! ```text
//!   allocate(bytes) -> start:  | bytes, rounded up to whole pages, zeroed, readable and writable |
//! ```
//!
//! Who allocates keeps the length: nothing is written beside the memory that the application gets.

#![expect(unsafe_code, reason = "unmaps memory that the application was given")]
// # Safety
// Either TLS may be live; nothing here allocates on a heap, except an error on its way out (lower TLS).

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

/// Unmaps what [`allocate`] gave for the same `bytes`.
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
