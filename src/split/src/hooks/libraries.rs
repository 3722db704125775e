//! The MPI library of the standard ABI, whichever file a program finds under its name, is `mana`'s stub.
//!
//! ```text
//!   built with mpicc_abi of some MPI:  NEEDED libmpi_abi.so.1, RUNPATH that MPI     ld.so opens  THAT/lib/libmpi_abi.so.1
//!   built elsewhere, no RUNPATH here                                                ld.so finds nothing
//!                                                                      both get     the stub
//! ```
//!
//! So such programs run unmodified. Who opens a file of that name as ld.so does, for reading and close-on-exec, gets the stub,
//! too: nothing tells them apart.
//!
//! The library of an MPI's own ABI cannot be exchanged so, and a program that loads one is not seen at its work: that such a file
//! was opened is noted, and a checkpoint looks whether it is mapped.

use std::ffi::CString;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::paths::strip;
use super::{SystemCall, pass};

/// The names that the standard ABI's library has (MPI-5.0 chapter 20), with the NUL behind.
const NAMES: [&[u8]; 3] = [
    b"libmpi_abi.so.1\0",
    b"libmpi_abi.so.0\0",
    b"libmpi_abi.so\0",
];

/// How the names of libraries begin that are some MPI's own. The last is the standard ABI's, where there is no stub.
pub const OTHER_MPIS: [&str; 7] = [
    "libmpi.so",
    "libmpich.so",
    "libmpi_cray.so",
    "libmpi_gnu",
    "libmpicxx.so",
    "libmpi_cxx.so",
    "libmpi_abi.so",
];

/// Whether the program has opened a file of such a name.
static OTHER: AtomicBool = AtomicBool::new(false);

/// Whether the program may have loaded an MPI itself: it has opened a file of such a name, as ld.so does.
#[must_use]
pub fn may_have_other_mpi() -> bool {
    OTHER.load(Relaxed)
}

/// How ld.so opens libraries.
const AS_LOADER: i32 = libc::O_RDONLY | libc::O_CLOEXEC;

/// The stub's path, stated before any hook runs.
static STUB: OnceLock<CString> = OnceLock::new();

/// States where the stub is. Only the first statement counts.
pub fn set_stub(path: CString) {
    let _ = STUB.set(path);
}

/// What an open(2) or openat(2) that gave `result` is to give.
pub(super) fn opened(call: &SystemCall, result: i64) -> i64 {
    let (path, flags) = match call.number {
        libc::SYS_open => (call.args[0], call.args[1]),
        libc::SYS_openat => (call.args[1], call.args[2]),
        _ => return result,
    };
    // With any other error the kernel may not have read the path.
    let is_read = result >= 0 || result == -i64::from(libc::ENOENT);
    if flags as i32 != AS_LOADER || !is_read {
        return result;
    }
    let name = last_part(path as *const u8);
    let given = match STUB.get() {
        Some(stub) if is_stubs(name) => instead(stub, result),
        _ => None,
    };
    if given.is_none() && result >= 0 && is_other(name) {
        OTHER.store(true, Relaxed);
    }
    given.unwrap_or(result)
}

/// The stub, under the number that another file has been opened with, or the next one; `None` if it cannot be opened.
fn instead(stub: &CString, result: i64) -> Option<i64> {
    let flags = AS_LOADER as u64;
    let opened = pass(libc::SYS_open, [stub.as_ptr() as u64, flags, 0, 0, 0, 0]);
    if opened < 0 {
        return None;
    }
    if result < 0 {
        return Some(opened);
    }
    let close_on_exec = libc::O_CLOEXEC as u64;
    let moved = pass(
        libc::SYS_dup3,
        [opened as u64, result as u64, close_on_exec, 0, 0, 0],
    );
    pass(libc::SYS_close, [opened as u64, 0, 0, 0, 0, 0]);
    (moved >= 0).then_some(moved)
}

/// The last part of a NUL-terminated path, which the kernel has read.
pub(super) fn last_part(path: *const u8) -> *const u8 {
    let (mut name, mut at) = (path, path);
    loop {
        // SAFETY: inside the string, whose end is the NUL.
        match unsafe { at.read() } {
            0 => return name,
            b'/' => name = at.wrapping_add(1),
            _ => {}
        }
        at = at.wrapping_add(1);
    }
}

/// Whether a name is that of some MPI's library.
fn is_other(name: *const u8) -> bool {
    OTHER_MPIS
        .iter()
        .any(|other| strip(name, other.as_bytes()).is_some())
}

/// Whether a name is one of the standard ABI's library.
fn is_stubs(name: *const u8) -> bool {
    NAMES.iter().any(|known| strip(name, known).is_some())
}

#[cfg(test)]
mod tests {
    use super::{is_stubs, last_part};

    #[test]
    fn knows_the_library_by_the_last_part_of_its_path() {
        let is = |path: &std::ffi::CStr| is_stubs(last_part(path.as_ptr().cast()));
        for path in [
            c"/opt/mpich/lib/libmpi_abi.so.1",
            c"libmpi_abi.so.0",
            c"../lib/libmpi_abi.so",
        ] {
            assert!(is(path), "{path:?}");
        }
        for path in [
            c"/opt/libmpi_abi.so.1/libc.so.6",
            c"/lib/libmpi_abi.so.12",
            c"/lib/xlibmpi_abi.so.1",
            c"",
            c"/",
        ] {
            assert!(!is(path), "{path:?}");
        }
    }
}
