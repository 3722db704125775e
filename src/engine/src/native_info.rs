//! Hints for the library below: where they decide what it does (where to spawn processes, under which name to publish a
//! port), an info object is made below for the time of the call.

use std::ffi::CStr;

use mana_native::Native;
use mana_record_replay::info::Info;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::error::MpiError;
use crate::native_call;

/// A native info object, freed when dropped.
pub struct NativeInfo {
    native: &'static Native,
    handle: u64,
    owned: bool,
}

impl NativeInfo {
    /// The hints below; the native null handle if there are none. A key that the library cannot take (Open MPI's keys have
    /// 36 bytes at most) is left out: it could not know it either.
    pub fn new(native: &'static Native, hints: &Info) -> Result<Self, MpiError> {
        if hints.is_empty() {
            let null = native.predefined().info(mpi::MPI_INFO_NULL);
            return Ok(Self {
                native,
                handle: null.map_or(0, |null| null.raw()),
                owned: false,
            });
        }
        let mut handle = 0_u64;
        native_call::call(
            native,
            fns::MPI_INFO_CREATE,
            &[native_call::out(&mut handle)],
        )?;
        let info = Self {
            native,
            handle,
            owned: true,
        };
        for (key, value) in hints.iter() {
            info.set(key, value);
        }
        Ok(info)
    }

    fn set(&self, key: &CStr, value: &CStr) {
        let arguments = [self.handle, key.as_ptr() as u64, value.as_ptr() as u64];
        if let Err(error) = native_call::call(self.native, fns::MPI_INFO_SET, &arguments) {
            tracing::debug!(?key, "a hint is not passed on: {}", error.message);
        }
    }

    /// The native handle.
    pub fn raw(&self) -> u64 {
        self.handle
    }
}

impl Drop for NativeInfo {
    fn drop(&mut self) {
        if self.owned {
            // Failing to free a hint has no consequence that anybody could act upon.
            let _ = native_call::call(
                self.native,
                fns::MPI_INFO_FREE,
                &[native_call::out(&mut self.handle)],
            );
        }
    }
}
