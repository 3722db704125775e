//! Handle conversions: the functions that never cross the gate.
//!
//! Invariant: every handle, predefined or made at run time, is an integer below 2^31, so that it is
//! its own Fortran handle (MPI 5.0, "Transfer of Handles") and its own integer (`MPI_Comm_toint`). A
//! status has the same eight integers in C, in `mpif.h` and in `mpi_f08`.
//!
//! # Safety
//!
//! A status pointer must be what the standard asks for; null, which stands for "ignore", is an error.

use core::ffi::c_int;

/// Defines functions from a handle to an integer.
macro_rules! to_integer {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(handle: usize) -> core::ffi::c_int {
            handle as core::ffi::c_int
        }
    };
}
pub(crate) use to_integer;

/// Defines functions from an integer to a handle.
macro_rules! from_integer {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(integer: core::ffi::c_int) -> usize {
            integer as usize
        }
    };
}
pub(crate) use from_integer;

/// Defines functions that copy a status from one language's form to another's.
macro_rules! copy_status {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            from: *const $crate::convert::Status,
            to: *mut $crate::convert::Status,
        ) -> core::ffi::c_int {
            // SAFETY: the caller's promise is the same.
            unsafe { $crate::convert::copy(from, to) }
        }
    };
}
pub(crate) use copy_status;

/// `MPI_SUCCESS` and `MPI_ERR_ARG` of the standard ABI.
const SUCCESS: c_int = 0;
const ERROR_ARGUMENT: c_int = 13;

/// A status: source, tag, error, five integers of MPI's own.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Status([c_int; 8]);

/// Copies a status; `MPI_ERR_ARG` if one of the two is `MPI_STATUS_IGNORE`.
///
/// # Safety
/// A pointer that is not null must point to a status.
pub unsafe fn copy(from: *const Status, to: *mut Status) -> c_int {
    if from.is_null() || to.is_null() {
        return ERROR_ARGUMENT;
    }
    // SAFETY: both are statuses, which are plain integers; the caller owns `to`.
    unsafe { to.write(from.read()) };
    SUCCESS
}
