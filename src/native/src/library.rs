//! A native MPI library loaded into this process, and its symbols as addresses.
//!
//! It is opened with RTLD_NOW | RTLD_LOCAL: its `MPI_*` names must not become visible to anything else here, least
//! of all to the plugins of another MPI. It is never closed: MPIs leave threads and exit handlers behind.
//!
//! # Safety
//! Loading runs the library's initialisers on the calling thread, with the lower half's TLS live; they may allocate.

use crate::Error;
use libloading::os::unix::{Library as Loaded, RTLD_LOCAL, RTLD_NOW};
use std::ffi::CString;
use std::path::Path;

/// A loaded library.
#[derive(Debug)]
pub(crate) struct Library {
    loaded: std::mem::ManuallyDrop<Loaded>,
}

impl Library {
    /// Loads the library at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        // A name without a slash would be searched for; we always mean a file.
        let path = std::path::absolute(path).map_err(|source| Error::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        // SAFETY: the initialisers of an MPI library are meant to run in any program that links it, before main.
        let loaded = unsafe { Loaded::open(Some(&path), RTLD_NOW | RTLD_LOCAL) };
        loaded
            .map(|loaded| Self {
                loaded: std::mem::ManuallyDrop::new(loaded),
            })
            .map_err(|error| Error::Load {
                path: path.clone(),
                message: error.to_string(),
            })
    }

    /// The address of a function or data symbol.
    pub(crate) fn address(&self, name: &str) -> Option<u64> {
        let name = CString::new(name).ok()?;
        // SAFETY: only the symbol's address is taken; what type it has is for the caller to know.
        let symbol = unsafe {
            self.loaded
                .get::<*mut std::ffi::c_void>(name.as_bytes_with_nul())
        };
        Some(symbol.ok()?.into_raw() as u64).filter(|&address| address != 0)
    }

    /// The address of an MPI function, by its name or its profiling name.
    pub(crate) fn function(&self, name: &str) -> Option<u64> {
        self.address(name)
            .or_else(|| self.address(&format!("P{name}")))
    }
}
