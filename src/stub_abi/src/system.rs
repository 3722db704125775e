//! The few system calls of the initialiser, with Rust types.
//!
//! # Safety
//!
//! No TLS, no errno, no allocation: results come back as values. Slices are handed to the kernel for
//! the length of a call only.

use core::ffi::c_char;

use crate::arch::{number, system_call};

/// Exit status for "could not be started", as shells use it.
const COULD_NOT_START: usize = 127;
const STANDARD_ERROR: usize = 2;
const AT_FDCWD: usize = -100_isize as usize;
const O_CLOEXEC: usize = 0o2_000_000;

/// A Linux error number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub u16);

fn value(result: isize) -> Result<usize, Errno> {
    match usize::try_from(result) {
        Ok(value) => Ok(value),
        Err(_) => Err(Errno(result.unsigned_abs() as u16)),
    }
}

/// An open file, closed when dropped.
pub struct File(usize);

impl File {
    /// Opens a file for reading; `path` ends with a NUL.
    pub fn open(path: &core::ffi::CStr) -> Result<File, Errno> {
        let arguments = [AT_FDCWD, path.as_ptr() as usize, O_CLOEXEC, 0, 0, 0];
        // SAFETY: the path is a C string that lives through the call.
        value(unsafe { system_call::<{ number::OPENAT }>(arguments) }).map(File)
    }

    /// Reads up to `buffer.len()` bytes; 0 at the end of the file.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let arguments = [self.0, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0];
        // SAFETY: the kernel writes at most `buffer.len()` bytes into the buffer.
        value(unsafe { system_call::<{ number::READ }>(arguments) })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: closes the descriptor that this value alone owns.
        let _ = unsafe { system_call::<{ number::CLOSE }>([self.0, 0, 0, 0, 0, 0]) };
    }
}

/// Reads a symbolic link's target into `buffer`; returns its length.
pub fn read_link(path: &core::ffi::CStr, buffer: &mut [u8]) -> Result<usize, Errno> {
    let arguments = [
        path.as_ptr() as usize,
        buffer.as_mut_ptr() as usize,
        buffer.len(),
        0,
        0,
        0,
    ];
    // SAFETY: the path is a C string; the kernel writes at most `buffer.len()` bytes.
    value(unsafe { system_call::<{ number::READLINK }>(arguments) })
}

/// New zeroed memory that stays until the process ends or becomes another program; without it, the
/// process ends here.
pub fn memory(size_bytes: usize) -> &'static mut [u8] {
    const READ_WRITE: usize = 0x3;
    const PRIVATE_ANONYMOUS: usize = 0x22;
    let arguments = [0, size_bytes, READ_WRITE, PRIVATE_ANONYMOUS, usize::MAX, 0];
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing else.
    let Ok(address) = value(unsafe { system_call::<{ number::MMAP }>(arguments) }) else {
        fail(&[b"libmana_stub: no memory to start mana\n"])
    };
    // SAFETY: the mapping has this size, is zeroed, and belongs to this slice alone for ever.
    unsafe { core::slice::from_raw_parts_mut(address as *mut u8, size_bytes) }
}

/// Becomes another program; returns only if that failed, and why.
///
/// # Safety
/// `arguments` and `environment` must be arrays of C strings that end with a null pointer.
pub unsafe fn execute(
    path: &core::ffi::CStr,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> Errno {
    let arguments = [
        path.as_ptr() as usize,
        arguments as usize,
        environment as usize,
        0,
        0,
        0,
    ];
    // SAFETY: the path is a C string, the arrays are what the caller promised; the kernel only reads.
    let result = unsafe { system_call::<{ number::EXECVE }>(arguments) };
    Errno(result.unsigned_abs() as u16)
}

/// Writes the parts of a message to standard error. What cannot be written is lost: there is nobody
/// else to tell.
pub fn say(parts: &[&[u8]]) {
    for part in parts {
        let mut rest: &[u8] = part;
        while !rest.is_empty() {
            let arguments = [STANDARD_ERROR, rest.as_ptr() as usize, rest.len(), 0, 0, 0];
            // SAFETY: the kernel reads at most `rest.len()` bytes.
            let Ok(written) = value(unsafe { system_call::<{ number::WRITE }>(arguments) }) else {
                return;
            };
            rest = rest.get(written..).unwrap_or(&[]);
        }
    }
}

/// Says the last words and ends the process with the status of a program that could not be started.
pub fn fail(parts: &[&[u8]]) -> ! {
    say(parts);
    loop {
        // SAFETY: ends all threads of the process; nothing runs after it.
        unsafe { system_call::<{ number::EXIT_GROUP }>([COULD_NOT_START, 0, 0, 0, 0, 0]) };
    }
}
