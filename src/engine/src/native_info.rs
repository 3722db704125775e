//! Info objects as the library below has them, for the functions whose hints are its business (files).
//!
//! ```text
//!   Info (ours) --Scratch::new--> native info --call--> freed when the Scratch goes
//!   native info --read--> Info (ours), the native one is freed
//! ```
//!
//! Keys and values that are longer than the library allows are left out: it cannot know them.

use std::ffi::CString;

use mana_native::Native;
use mana_record_replay::info::Info;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::error::MpiError;
use crate::native_call;

/// A native info object for the length of a call.
pub struct Scratch {
    native: &'static Native,
    handle: u64,
    made: bool,
}

impl Scratch {
    /// Makes one of these pairs; without pairs it is the null info.
    pub fn new(native: &'static Native, info: &Info) -> Result<Self, MpiError> {
        if info.is_empty() {
            let null = native.predefined().info(mpi::MPI_INFO_NULL);
            return Ok(Self {
                native,
                handle: null.map_or(0, |null| null.raw()),
                made: false,
            });
        }
        Self::made(native, info)
    }

    /// As [`Scratch::new`], but never the null info, which Open MPI's `MPI_File_set_info` refuses.
    pub fn made(native: &'static Native, info: &Info) -> Result<Self, MpiError> {
        let mut handle = 0_u64;
        native_call::call(
            native,
            fns::MPI_INFO_CREATE,
            &[native_call::out(&mut handle)],
        )?;
        let scratch = Self {
            native,
            handle,
            made: true,
        };
        let fits = |text: &std::ffi::CStr, limit| {
            native
                .limit_bytes(limit)
                .is_none_or(|limit| text.count_bytes() < limit)
        };
        for (key, value) in info.iter() {
            if fits(key, "MPI_MAX_INFO_KEY") && fits(value, "MPI_MAX_INFO_VAL") {
                let words = [handle, key.as_ptr() as u64, value.as_ptr() as u64];
                native_call::call(native, fns::MPI_INFO_SET, &words)?;
            }
        }
        Ok(scratch)
    }

    /// The native handle.
    pub fn handle(&self) -> u64 {
        self.handle
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.made {
            let place = native_call::out(&mut self.handle);
            native_call::raw(self.native, fns::MPI_INFO_FREE, &[place]);
        }
    }
}

/// The pairs of a native info object, which is freed.
pub fn read(native: &'static Native, handle: u64) -> Result<Info, MpiError> {
    let scratch = Scratch {
        native,
        handle,
        made: true,
    };
    let mut keys = 0_u64;
    let place = native_call::out(&mut keys);
    native_call::call(native, fns::MPI_INFO_GET_NKEYS, &[scratch.handle, place])?;
    let mut info = Info::default();
    for n in 0..u64::from(keys as u32) {
        let key = nth_key(native, scratch.handle, n)?;
        if let Some(value) = value(native, scratch.handle, &key)? {
            info.set(&key, &value)?;
        }
    }
    Ok(info)
}

/// A zeroed buffer for a string of the length that `limit` names.
fn buffer(native: &Native, limit: &str) -> Vec<u8> {
    vec![0; native.limit_bytes(limit).unwrap_or(1024) + 1]
}

/// The text in a buffer, up to its first zero.
fn text(mut bytes: Vec<u8>) -> CString {
    let len = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(len.unwrap_or(bytes.len()));
    CString::new(bytes).unwrap_or_default()
}

fn nth_key(native: &Native, info: u64, n: u64) -> Result<CString, MpiError> {
    let mut key = buffer(native, "MPI_MAX_INFO_KEY");
    let words = [info, n, key.as_mut_ptr() as u64];
    native_call::call(native, fns::MPI_INFO_GET_NTHKEY, &words)?;
    Ok(text(key))
}

fn value(native: &Native, info: u64, key: &CString) -> Result<Option<CString>, MpiError> {
    let mut value = buffer(native, "MPI_MAX_INFO_VAL");
    let mut flag = 0_u64;
    let room = value.len() as u64 - 1;
    let words = [
        info,
        key.as_ptr() as u64,
        room,
        value.as_mut_ptr() as u64,
        native_call::out(&mut flag),
    ];
    native_call::call(native, fns::MPI_INFO_GET, &words)?;
    Ok((flag as i32 != 0).then(|| text(value)))
}
