//! User-defined reduction operations.
//!
//! ```text
//!   native library --calls--> trampoline N (lower half) --call_upper--> the application's function
//!     int or MPI_Count          counts and handles of the form the application's function takes
//! ```
//!
//! A native operation carries no state, so each live user operation has a trampoline of its own, from a pool. The
//! trampoline gives the application our handle of the datatype. An operation that the application has freed stays
//! while a collective uses it: [`hold`], [`release`].
//!
//! # Safety
//! A trampoline runs inside the native library, lower TLS live, with the library's locks held and none of ours: it
//! takes no lock under which the library is called.
#![expect(
    unsafe_code,
    reason = "functions called by the native library, calling into the upper half"
)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mana_native::Native;
use mana_record_replay::address::{CallbackLanguage, UpperAddress};
use mana_record_replay::handle::OpHandle;
use mana_record_replay::op::UserOp;
use mana_split::crossing::call_upper;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::engine::{native, state, try_native};
use crate::error::MpiError;
use crate::{native_call, publish};

/// How many user operations can be alive at once.
const POOL: usize = 256;

/// What is behind one trampoline.
struct Place {
    /// Address of the application's function; 0: the place is free.
    function: AtomicU64,
    /// Whether that function takes an `MPI_Count` (`MPI_Op_create_c`).
    takes_count: AtomicBool,
    /// Handle of the operation.
    owner: AtomicU64,
    /// The native operation over the trampoline.
    native: AtomicU64,
}

/// The places, by number of the trampoline.
static PLACES: [Place; POOL] = [const {
    Place {
        function: AtomicU64::new(0),
        takes_count: AtomicBool::new(false),
        owner: AtomicU64::new(0),
        native: AtomicU64::new(0),
    }
}; POOL];

/// The C prototypes `MPI_User_function` and `MPI_User_function_c` (MPI-5.0 section 6.9.5), which differ in what the
/// third argument, the length, points to.
type UserFunction = unsafe extern "C" fn(u64, u64, *const u8, *const u8);

/// Trampoline number `N`; `LARGE`: the library passes an `MPI_Count`.
unsafe extern "C" fn trampoline<const N: usize, const LARGE: bool>(
    input: u64,
    inout: u64,
    len: *const u8,
    datatype: *const u8,
) {
    let Some(native) = try_native() else { return };
    // SAFETY: the library passes the length and datatype of the prototype of which the operation was made.
    let arguments = unsafe {
        if LARGE {
            native.operation_arguments_c(len.cast(), datatype)
        } else {
            native.operation_arguments(len.cast(), datatype)
        }
    };
    combine(
        &PLACES[N],
        [input, inout],
        arguments.count,
        publish::datatype_of_native(native, arguments.datatype),
    );
}

/// Calls the application's function.
fn combine(place: &Place, [input, inout]: [u64; 2], mut count: i64, mut datatype: u64) {
    let mut int_count = count as i32;
    let len = if place.takes_count.load(Ordering::Acquire) {
        (&raw mut count) as u64
    } else {
        (&raw mut int_count) as u64
    };
    let words = [input, inout, len, (&raw mut datatype) as u64];
    // SAFETY: the application registered this function with MPI_Op_create or MPI_Op_create_c, of the prototype that
    // `takes_count` says; no lock of ours is held.
    unsafe { call_upper(place.function.load(Ordering::Acquire) as usize, &words) };
}

/// All trampolines that the library gives an `int`.
static TRAMPOLINES: [UserFunction; POOL] = trampolines::<false>();
/// All trampolines that the library gives an `MPI_Count`.
static LARGE_TRAMPOLINES: [UserFunction; POOL] = trampolines::<true>();

macro_rules! sixteen {
    ($table:ident, $at:expr) => {
        $table[$at] = trampoline::<{ $at }, LARGE>;
        $table[$at + 1] = trampoline::<{ $at + 1 }, LARGE>;
        $table[$at + 2] = trampoline::<{ $at + 2 }, LARGE>;
        $table[$at + 3] = trampoline::<{ $at + 3 }, LARGE>;
        $table[$at + 4] = trampoline::<{ $at + 4 }, LARGE>;
        $table[$at + 5] = trampoline::<{ $at + 5 }, LARGE>;
        $table[$at + 6] = trampoline::<{ $at + 6 }, LARGE>;
        $table[$at + 7] = trampoline::<{ $at + 7 }, LARGE>;
        $table[$at + 8] = trampoline::<{ $at + 8 }, LARGE>;
        $table[$at + 9] = trampoline::<{ $at + 9 }, LARGE>;
        $table[$at + 10] = trampoline::<{ $at + 10 }, LARGE>;
        $table[$at + 11] = trampoline::<{ $at + 11 }, LARGE>;
        $table[$at + 12] = trampoline::<{ $at + 12 }, LARGE>;
        $table[$at + 13] = trampoline::<{ $at + 13 }, LARGE>;
        $table[$at + 14] = trampoline::<{ $at + 14 }, LARGE>;
        $table[$at + 15] = trampoline::<{ $at + 15 }, LARGE>;
    };
}

const fn trampolines<const LARGE: bool>() -> [UserFunction; POOL] {
    let mut table: [UserFunction; POOL] = [trampoline::<0, LARGE>; POOL];
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

/// Creates a user operation and returns its handle. `large`: by `MPI_Op_create_c`.
pub fn create(function: u64, commutes: bool, large: bool) -> Result<u64, MpiError> {
    let native = native()?;
    let language = if large {
        CallbackLanguage::CLarge
    } else {
        CallbackLanguage::C
    };
    let op = UserOp {
        function: UpperAddress(function),
        commutes,
        language,
    };
    let handle = state().objects.ops.insert(op)?;
    make(native, handle, &op).inspect_err(|_| {
        // Nothing uses it yet: the free cannot fail and leaves nothing below.
        let _ = state().objects.ops.free(handle);
    })?;
    Ok(u64::from(handle.word()))
}

/// Makes the native operation of a user operation, over a free trampoline.
fn make(native: &Native, handle: OpHandle, op: &UserOp) -> Result<(), MpiError> {
    let free = |place: &Place| {
        place
            .function
            .compare_exchange(0, op.function.0, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    };
    let Some(number) = PLACES.iter().position(free) else {
        return Err(MpiError::new(
            mpi::MPI_ERR_NO_MEM,
            format!("more than {POOL} user operations are alive"),
        ));
    };
    let place = &PLACES[number];
    let takes_count = op.language == CallbackLanguage::CLarge;
    place.takes_count.store(takes_count, Ordering::Release);
    // A library without MPI_Op_create_c never passes more than an int holds: the trampoline widens it.
    let (function, trampoline) = if takes_count && native.has(fns::MPI_OP_CREATE_C) {
        (fns::MPI_OP_CREATE_C, LARGE_TRAMPOLINES[number])
    } else {
        (fns::MPI_OP_CREATE, TRAMPOLINES[number])
    };
    let mut below = 0_u64;
    let arguments = [
        trampoline as usize as u64,
        u64::from(op.commutes),
        native_call::out(&mut below),
    ];
    native_call::call(native, function, &arguments)
        .inspect_err(|_| place.function.store(0, Ordering::Release))?;
    place.native.store(below, Ordering::Release);
    place
        .owner
        .store(u64::from(handle.word()), Ordering::Release);
    Ok(())
}

/// Frees a user operation; the native one goes when no collective uses it any more.
pub fn free(handle: OpHandle) -> Result<(), MpiError> {
    let gone = state().objects.ops.free(handle)?;
    if gone.is_some() {
        forget(handle)
    } else {
        Ok(())
    }
}

/// The user operation behind an argument word; `None` for a predefined one and for what is none.
pub fn user_op(handle: u64) -> Option<OpHandle> {
    OpHandle::from_word(handle)
        .ok()
        .filter(|op| !op.is_predefined())
}

/// A collective begins to use an operation.
pub fn hold(handle: OpHandle) -> Result<(), MpiError> {
    Ok(state().objects.ops.hold(handle)?)
}

/// A collective that held the operation is over.
pub fn release(handle: OpHandle) {
    let released = state().objects.ops.release(handle);
    gone(handle, released);
}

/// Frees the native operation if nothing uses the operation any more: `released` is what the table gave back.
pub fn gone(handle: OpHandle, released: Option<UserOp>) {
    if released.is_some()
        && let Err(error) = forget(handle)
    {
        tracing::warn!("an operation that was freed stays in the MPI library: {error}");
    }
}

/// Frees the native operation of a user operation that is gone.
fn forget(handle: OpHandle) -> Result<(), MpiError> {
    let Some(place) = place_of(u64::from(handle.word())) else {
        return Ok(());
    };
    let mut below = place.native.load(Ordering::Acquire);
    place.owner.store(0, Ordering::Release);
    native_call::call(native()?, fns::MPI_OP_FREE, &[native_call::out(&mut below)])?;
    place.function.store(0, Ordering::Release);
    Ok(())
}

/// The place of an operation.
fn place_of(handle: u64) -> Option<&'static Place> {
    PLACES
        .iter()
        .find(|place| place.owner.load(Ordering::Acquire) == handle)
}

/// The native operation behind an argument word; one that is none of ours goes down as the null operation, which the
/// native library refuses where it matters.
pub fn native_op(native: &Native, handle: u64) -> u64 {
    if let Some(below) = native.predefined().op(handle) {
        return below.raw();
    }
    match place_of(handle).filter(|_| handle != 0) {
        Some(place) => place.native.load(Ordering::Acquire),
        None => native
            .predefined()
            .op(mpi::MPI_OP_NULL)
            .map_or(0, |null| null.raw()),
    }
}

/// Makes all native operations anew, at a restart.
pub fn rebuild(native: &Native) -> Result<(), MpiError> {
    let ops: Vec<_> = {
        let state = state();
        state
            .objects
            .ops
            .by_birth()
            .into_iter()
            .map(|(handle, op)| (handle, *op))
            .collect()
    };
    ops.iter()
        .try_for_each(|(handle, op)| make(native, *handle, op))
}
