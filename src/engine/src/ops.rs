//! User-defined reduction operations.
//!
//! ```text
//!   native library --calls--> trampoline N (lower half) --call_upper--> the application's function
//! ```
//!
//! A native operation carries no state, so each live user operation has a trampoline of its own, from a pool. The
//! trampoline gives the application our handle of the datatype.
//!
//! # Safety
//! A trampoline runs inside the native library, lower TLS live, with the library's locks held and none of ours: it
//! reads lock-free tables only.
#![expect(unsafe_code, reason = "functions called by the native library, calling into the upper half")]

use std::sync::atomic::{AtomicU64, Ordering};

use mana_native::Native;
use mana_record_replay::handle::OpHandle;
use mana_split::crossing::call_upper;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::engine::{native, state, try_native};
use crate::error::MpiError;
use crate::{native_call, publish};

/// How many user operations can be alive at once.
const POOL: usize = 256;

/// Address of the application's function behind each trampoline; 0: free.
static FUNCTIONS: [AtomicU64; POOL] = [const { AtomicU64::new(0) }; POOL];
/// Handle of the operation that uses each trampoline.
static OWNERS: [AtomicU64; POOL] = [const { AtomicU64::new(0) }; POOL];
/// Native operation over each trampoline.
static NATIVES: [AtomicU64; POOL] = [const { AtomicU64::new(0) }; POOL];

/// The C prototype of a user function (MPI-5.0 section 6.9.5).
type UserFunction = unsafe extern "C" fn(u64, u64, *const i32, *const u8);

/// Trampoline number `N`.
unsafe extern "C" fn trampoline<const N: usize>(input: u64, inout: u64, len: *const i32, datatype: *const u8) {
    // SAFETY: the library passes the length and datatype of the prototype.
    unsafe { combine(N, input, inout, len, datatype) }
}

/// Calls the application's function.
///
/// # Safety
/// `len` and `datatype` are what the native library passed to a user function.
unsafe fn combine(number: usize, input: u64, inout: u64, len: *const i32, datatype: *const u8) {
    let Some(native) = try_native() else { return };
    // SAFETY: the caller's contract.
    let arguments = unsafe { native.operation_arguments(len, datatype) };
    let mut count = arguments.count as i32;
    let mut handle = publish::datatype_of_native(native, arguments.datatype);
    let words = [input, inout, (&raw mut count) as u64, (&raw mut handle) as u64];
    // SAFETY: the application registered this function with MPI_Op_create, of the prototype MPI_User_function; no lock
    // of ours is held.
    unsafe { call_upper(FUNCTIONS[number].load(Ordering::Acquire) as usize, &words) };
}

/// All trampolines.
static TRAMPOLINES: [UserFunction; POOL] = trampolines();

macro_rules! sixteen {
    ($table:ident, $at:expr) => {
        $table[$at] = trampoline::<{ $at }>;
        $table[$at + 1] = trampoline::<{ $at + 1 }>;
        $table[$at + 2] = trampoline::<{ $at + 2 }>;
        $table[$at + 3] = trampoline::<{ $at + 3 }>;
        $table[$at + 4] = trampoline::<{ $at + 4 }>;
        $table[$at + 5] = trampoline::<{ $at + 5 }>;
        $table[$at + 6] = trampoline::<{ $at + 6 }>;
        $table[$at + 7] = trampoline::<{ $at + 7 }>;
        $table[$at + 8] = trampoline::<{ $at + 8 }>;
        $table[$at + 9] = trampoline::<{ $at + 9 }>;
        $table[$at + 10] = trampoline::<{ $at + 10 }>;
        $table[$at + 11] = trampoline::<{ $at + 11 }>;
        $table[$at + 12] = trampoline::<{ $at + 12 }>;
        $table[$at + 13] = trampoline::<{ $at + 13 }>;
        $table[$at + 14] = trampoline::<{ $at + 14 }>;
        $table[$at + 15] = trampoline::<{ $at + 15 }>;
    };
}

const fn trampolines() -> [UserFunction; POOL] {
    let mut table: [UserFunction; POOL] = [trampoline::<0>; POOL];
    sixteen!(table, 0);
    sixteen!(table, 16);
    sixteen!(table, 32);
    sixteen!(table, 48);
    sixteen!(table, 64);
    sixteen!(table, 80);
    sixteen!(table, 96);
    sixteen!(table, 112);
    sixteen!(table, 128);
    sixteen!(table, 144);
    sixteen!(table, 160);
    sixteen!(table, 176);
    sixteen!(table, 192);
    sixteen!(table, 208);
    sixteen!(table, 224);
    sixteen!(table, 240);
    table
}

/// Makes the native operation of a user operation.
pub fn make(native: &Native, handle: OpHandle, function: u64, commutes: bool) -> Result<(), MpiError> {
    let claimed = FUNCTIONS
        .iter()
        .position(|slot| slot.compare_exchange(0, function, Ordering::AcqRel, Ordering::Relaxed).is_ok());
    let Some(number) = claimed else {
        return Err(MpiError::new(mpi::MPI_ERR_NO_MEM, format!("more than {POOL} user operations are alive")));
    };
    let mut below = 0_u64;
    let arguments = [TRAMPOLINES[number] as u64, u64::from(commutes), native_call::out(&mut below)];
    native_call::call(native, fns::MPI_OP_CREATE, &arguments)?;
    NATIVES[number].store(below, Ordering::Release);
    OWNERS[number].store(u64::from(handle.word()), Ordering::Release);
    Ok(())
}

/// Frees the native operation of a user operation that is gone.
pub fn forget(handle: OpHandle) -> Result<(), MpiError> {
    let Some(number) = number_of(u64::from(handle.word())) else { return Ok(()) };
    let mut below = NATIVES[number].load(Ordering::Acquire);
    OWNERS[number].store(0, Ordering::Release);
    native_call::call(native()?, fns::MPI_OP_FREE, &[native_call::out(&mut below)])?;
    FUNCTIONS[number].store(0, Ordering::Release);
    Ok(())
}

/// The trampoline of an operation.
fn number_of(handle: u64) -> Option<usize> {
    OWNERS.iter().position(|owner| owner.load(Ordering::Acquire) == handle)
}

/// The native operation behind an argument word; one that is none of ours goes down as the null operation, which the
/// native library refuses where it matters.
pub fn native_op(native: &Native, handle: u64) -> u64 {
    if let Some(below) = native.predefined().op(handle) {
        return below.raw();
    }
    match number_of(handle) {
        Some(number) => NATIVES[number].load(Ordering::Acquire),
        None => native.predefined().op(mpi::MPI_OP_NULL).map_or(0, |null| null.raw()),
    }
}

/// Makes all native operations anew, at a restart.
pub fn rebuild(native: &Native) -> Result<(), MpiError> {
    let ops: Vec<_> = {
        let state = state();
        state.objects.ops.by_birth().into_iter().map(|(handle, op)| (handle, *op)).collect()
    };
    for (handle, op) in ops {
        make(native, handle, op.function.0, op.commutes)?;
    }
    Ok(())
}
