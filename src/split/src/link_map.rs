//! The libraries that the lower half's dynamic loader has loaded.

#![expect(unsafe_code, reason = "dl_iterate_phdr calls back with C pointers")]
// # Safety
// Lower TLS only: the loader's lock is taken, vectors grow.

use std::ffi::{CStr, OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Their paths (dl_iterate_phdr(3)); the executable and the vdso have none.
pub(crate) fn library_paths() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    // SAFETY: `collect` takes what dl_iterate_phdr passes on: the pointer to `paths`, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(collect), (&raw mut paths).cast()) };
    paths
}

unsafe extern "C" fn collect(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    paths: *mut c_void,
) -> c_int {
    // SAFETY: `library_paths` passes a vector that nobody else uses during the call.
    let paths = unsafe { &mut *paths.cast::<Vec<PathBuf>>() };
    // SAFETY: the loader passes a valid structure with a NUL-terminated name.
    let name = unsafe { CStr::from_ptr((*info).dlpi_name) };
    if !name.is_empty() {
        paths.push(PathBuf::from(OsStr::from_bytes(name.to_bytes())));
    }
    0
}
