//! [`Native`]: one opened MPI library, called by function number, with everything that differs between ABIs behind
//! conversions.
//!
//! ```text
//!   engine:  call(fns::MPI_SEND, &[buffer, int(count), type.raw(), int(rank_to_native(dest)), ..., comm.raw()])
//!              │ functions[slot]            one load: looked up by dlsym when the library was opened
//!              ▼
//!   libmpi:  MPI_Send -> NativeCode -> error_class() -> the standard's class
//! ```
//!
//! # Safety
//! The lower half's TLS is live in every call. Calls into MPI may allocate, block and call back; they must not be
//! made from a signal handler.

use crate::addresses::Addresses;
use crate::error_classes::{self, MPI_ERR_OTHER, MPI_ERR_UNSUPPORTED_OPERATION, MPI_SUCCESS};
use crate::predefined::Predefined;
use crate::values::{self, ValueSet};
use crate::{Error, Family, Identity, Launcher, Vendor, shape};
use mana_table::{FnId, fns};
use std::path::{Path, PathBuf};

/// What a native function returned: the library's own error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct NativeCode(pub i32);

impl NativeCode {
    /// `MPI_SUCCESS`, zero everywhere.
    pub const SUCCESS: Self = Self(MPI_SUCCESS);

    /// Whether the call succeeded.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 == MPI_SUCCESS
    }
}

/// An `int` argument: sign-extended, so that the callee finds it in the low half.
#[inline(always)]
#[must_use]
pub const fn int(value: i32) -> u64 {
    value as i64 as u64
}

/// An opened MPI library. It is never unloaded.
#[derive(Debug)]
pub struct Native {
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) version: String,
    /// Addresses by slot number; 0 where the library has no such function.
    pub(crate) functions: Box<[u64]>,
    pub(crate) addresses: Addresses,
    pub(crate) predefined: Predefined,
    pub(crate) launcher: Launcher,
    pub(crate) crashes_in_own_swap: bool,
}

impl Native {
    /// The library's ABI.
    #[must_use]
    pub fn family(&self) -> Family {
        self.identity.family
    }

    /// The library's maker.
    #[must_use]
    pub fn vendor(&self) -> Vendor {
        self.identity.vendor
    }

    /// The library's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first line of `MPI_Get_library_version`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What started this process.
    #[must_use]
    pub fn launcher(&self) -> &Launcher {
        &self.launcher
    }

    /// The special addresses of the library's ABI.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The library's predefined handles.
    #[must_use]
    pub fn predefined(&self) -> &Predefined {
        &self.predefined
    }

    /// Whether the library has the function.
    #[inline]
    #[must_use]
    pub fn has(&self, function: FnId) -> bool {
        self.address_of(function) != 0
    }

    #[inline(always)]
    fn address_of(&self, function: FnId) -> u64 {
        self.functions
            .get(usize::from(function.0))
            .copied()
            .unwrap_or(0)
    }

    /// Calls a native function. A function that the library lacks returns the native
    /// `MPI_ERR_UNSUPPORTED_OPERATION`; ask [`Native::has`] first where there is something else to do.
    ///
    /// # Safety
    /// `args` are the native function's arguments: handles by `raw()`, `int`s by [`int`], addresses valid for what
    /// the function does with them, `MPI_Aint`, `MPI_Offset` and `MPI_Count` as they are.
    ///
    /// # Panics
    /// If there are more than 16 arguments, which no MPI function has.
    #[inline(always)]
    pub unsafe fn call(&self, function: FnId, args: &[u64]) -> NativeCode {
        let address = self.address_of(function);
        if address == 0 {
            return self.unsupported(function);
        }
        // SAFETY: `address` is the MPI function, the caller vouches for the arguments.
        NativeCode(unsafe { shape::call(address, args) } as i32)
    }

    /// Calls one of the functions that return an `MPI_Aint`: `MPI_Aint_add` or `MPI_Aint_diff`. `None` if the
    /// library lacks it.
    ///
    /// # Safety
    /// As for [`Native::call`], and the function returns an `MPI_Aint`.
    #[inline]
    pub unsafe fn call_aint(&self, function: FnId, args: &[u64]) -> Option<i64> {
        let address = self.address_of(function);
        // SAFETY: `address` is the MPI function, the caller vouches for the arguments.
        (address != 0).then(|| unsafe { shape::call(address, args) } as i64)
    }

    #[cold]
    fn unsupported(&self, function: FnId) -> NativeCode {
        tracing::debug!(name = function.name(), library = %self.path.display(), "the native library lacks a function");
        NativeCode(error_classes::class_to_native(
            self.family(),
            MPI_ERR_UNSUPPORTED_OPERATION,
        ))
    }

    /// `MPI_Wtime`, in seconds.
    #[inline]
    #[must_use]
    pub fn wtime(&self) -> f64 {
        // SAFETY: opening made sure that the library has it; it takes nothing and returns a double.
        unsafe { shape::call_f64(self.address_of(fns::MPI_WTIME)) }
    }

    /// `MPI_Wtick`, in seconds.
    #[must_use]
    pub fn wtick(&self) -> f64 {
        // SAFETY: as for `wtime`.
        unsafe { shape::call_f64(self.address_of(fns::MPI_WTICK)) }
    }

    /// The address of a native function, for a caller that keeps it (a `Local` slot). `None` if the library lacks it.
    #[must_use]
    pub fn function_address(&self, function: FnId) -> Option<u64> {
        Some(self.address_of(function)).filter(|&address| address != 0)
    }

    /// The standard's error class of a native code; `MPI_SUCCESS` for success.
    #[must_use]
    pub fn error_class(&self, code: NativeCode) -> i32 {
        if code.is_success() {
            return MPI_SUCCESS;
        }
        let mut class = 0_i32;
        // SAFETY: MPI_Error_class(int, int *).
        let result = unsafe {
            self.call(
                fns::MPI_ERROR_CLASS,
                &[int(code.0), (&raw mut class) as u64],
            )
        };
        if result.is_success() {
            error_classes::class_from_native(self.family(), class)
        } else {
            MPI_ERR_OTHER
        }
    }

    /// The native class for one of the standard's, to be returned to the library from a callback.
    pub fn class_to_native(&self, standard_class: i32) -> NativeCode {
        NativeCode(error_classes::class_to_native(
            self.family(),
            standard_class,
        ))
    }

    /// The library's text for a native code.
    #[must_use]
    pub fn error_string(&self, code: NativeCode) -> String {
        let text = self.text(values::MAX_ERROR_STRING, |buffer, length| {
            // SAFETY: MPI_Error_string(int, char *, int *); the buffer is as long as this ABI says it must be.
            unsafe { self.call(fns::MPI_ERROR_STRING, &[int(code.0), buffer, length]) }
        });
        text.unwrap_or_else(|| format!("native error {}", code.0))
    }

    /// Runs a function that fills a string buffer of the size `limit` names and sets its length.
    pub(crate) fn text(
        &self,
        limit: &str,
        fill: impl FnOnce(u64, u64) -> NativeCode,
    ) -> Option<String> {
        let mut buffer = vec![0_u8; self.limit_bytes(limit)? + 1];
        let mut length = 0_i32;
        let code = fill(buffer.as_mut_ptr() as u64, (&raw mut length) as u64);
        let text = buffer.get(..usize::try_from(length).ok()?)?;
        code.is_success()
            .then(|| String::from_utf8_lossy(text).into_owned())
    }

    /// One of `MPI_MAX_*` in bytes, as the library's ABI has it. `None` for another name.
    #[must_use]
    pub fn limit_bytes(&self, name: &str) -> Option<usize> {
        let row = values::LIMITS.rows.iter().find(|row| row.name == name)?;
        usize::try_from(row.value(self.family())?).ok()
    }

    /// Fails if the launcher started more ranks than `MPI_COMM_WORLD` has: then the library did not understand it.
    ///
    /// # Errors
    /// [`Error::WorldSize`], which names both.
    pub fn check_world_size(&self, size: u32) -> Result<(), Error> {
        // A launcher that tells no number has at least the ranks up to this one.
        let at_least = self.launcher.rank.map(|rank| rank + 1);
        match self.launcher.ranks.or(at_least) {
            Some(launched) if launched > 1 && size == 1 => Err(Error::WorldSize {
                launcher: self.launcher.kind.to_string(),
                evidence: self.launcher.evidence_text(),
                launched,
                size,
                path: self.path.clone(),
                version: self.version.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Translates a value of one of [`values`]' sets to the library's ABI; `None` if it has no such value.
    #[must_use]
    pub fn to_native(&self, set: &ValueSet, value: i32) -> Option<i32> {
        set.to_native(self.family(), value)
    }

    /// Translates a native value to the standard's; `None` if it is none of the set's.
    #[must_use]
    pub fn from_native(&self, set: &ValueSet, value: i32) -> Option<i32> {
        set.from_native(self.family(), value)
    }
}
