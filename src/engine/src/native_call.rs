//! Calling the native library: the one place where a native function is entered with words as arguments.
//!
//! # Safety
//! The lower half's TLS is live. The native library allocates, takes locks and may call back (user operations).
//! Each caller passes the arguments of the function's prototype, handles and constants already translated; the
//! words' meaning is checked by the call sites' reading of the function table, not by the compiler.
#![expect(
    unsafe_code,
    reason = "enters the native MPI library; see # Safety above"
)]

use mana_native::Native;
use mana_table::FnId;
use mana_table::constants as mpi;

use crate::error::MpiError;

/// The address of an output word. Native handles may be 4 bytes wide: the word must be zero before the call.
pub fn out(word: &mut u64) -> u64 {
    std::ptr::from_mut(word) as u64
}

/// Calls `function` and returns the native code.
#[inline(always)]
pub fn raw(native: &Native, function: FnId, arguments: &[u64]) -> i32 {
    // SAFETY: see the module's # Safety: arguments follow the prototype.
    unsafe { native.call(function, arguments) }.0
}

/// Calls `function`; an error comes back in the standard's classes, with the native library's text.
#[inline(always)]
pub fn call(native: &Native, function: FnId, arguments: &[u64]) -> Result<(), MpiError> {
    match raw(native, function, arguments) {
        0 => Ok(()),
        code => Err(failure(native, function, code)),
    }
}

/// Why a call did not succeed: the library may lack the function altogether.
#[cold]
fn failure(native: &Native, function: FnId, code: i32) -> MpiError {
    if native.has(function) {
        return error(native, function, code);
    }
    MpiError::new(
        mpi::MPI_ERR_UNSUPPORTED_OPERATION,
        format!(
            "{} is missing in the MPI library below ({})",
            function.name(),
            native.version()
        ),
    )
}

/// What a native error code means.
pub fn error(native: &Native, function: FnId, code: i32) -> MpiError {
    let class = native.error_class(mana_native::NativeCode(code));
    let text = native.error_string(mana_native::NativeCode(code));
    MpiError::new(class, format!("{}: {text}", function.name()))
}

/// Native handles as an array argument: words that hold 4-byte or 8-byte handles, as the library's ABI has them.
pub fn handle_array(native: &Native, handles: &[u64]) -> Vec<u64> {
    if !mana_native::NativeDatatype::is_narrow(native.family()) {
        return handles.to_vec();
    }
    let mut words = vec![0_u64; handles.len().div_ceil(2)];
    for (at, handle) in handles.iter().enumerate() {
        words[at / 2] |= (handle & 0xffff_ffff) << (32 * (at % 2));
    }
    words
}
