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
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the caller's promise.
    unsafe { share_part_at(fd, 0, start, bytes, prot) }
}

/// As [`share_at`], of the file from `offset` on, and with this protection (`PROT_` bits of mmap(2)).
///
/// # Safety
/// As for [`share_at`].
///
/// # Errors
/// [`Error::Os`] when the file cannot be mapped so.
pub unsafe fn share_part_at(
    fd: BorrowedFd<'_>,
    offset: u64,
    start: usize,
    bytes: usize,
    prot: i32,
) -> Result<()> {
    let flags = libc::MAP_SHARED | libc::MAP_FIXED;
    // SAFETY: the caller's promise.
    unsafe {
        sys::mmap(
            start,
            page_up(bytes.max(1)),
            prot,
            flags,
            fd.as_raw_fd(),
            offset,
        )
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};
    use std::os::fd::AsFd;

    #[test]
    fn shared_memory_is_the_file_and_replaces_private_memory() {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(8192).unwrap();
        let first = share(file.as_fd(), 8192).unwrap();
        let second = allocate(8192).unwrap();
        assert!(window::contains(first) && window::contains(second));
        // SAFETY: mapped just now, unused.
        unsafe { share_at(file.as_fd(), second, 8192).unwrap() };
        // SAFETY: both are mapped, writable and as long; nobody else knows of them.
        unsafe {
            ((first + 5000) as *mut u8).write_volatile(7);
            assert_eq!(((second + 5000) as *const u8).read_volatile(), 7);
        }
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!((bytes.len(), bytes[5000]), (8192, 7));
        for start in [first, second] {
            // SAFETY: no longer used.
            unsafe { release(start, 8192).unwrap() };
        }
    }
}
