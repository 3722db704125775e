//! Queries that are answered without switching halves: the gate's slot leads straight here.
//!
//! # Safety
//! The *upper* TLS is live: nothing here may allocate, panic, take a lock or touch a thread-local. What cannot be
//! answered from the published tables is handed to the slot's crossing entry, which does it properly (and raises
//! errors).
#![expect(
    unsafe_code,
    reason = "C functions called straight from the application, on its TLS"
)]

use std::sync::atomic::{AtomicI64, Ordering};

use mana_split::crossing::entry_address;
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use crate::publish;
use crate::status::Completion;

/// Functions with a local answer, for the gate: slot and address.
pub fn functions() -> [(FnId, usize); 8] {
    [
        (fns::MPI_COMM_RANK, comm_rank as *const () as usize),
        (fns::MPI_COMM_SIZE, comm_size as *const () as usize),
        (fns::MPI_TYPE_SIZE, type_size as *const () as usize),
        (fns::MPI_GET_COUNT, get_count as *const () as usize),
        (fns::MPI_WTIME, wtime as *const () as usize),
        (fns::MPI_WTICK, wtick as *const () as usize),
        (fns::MPI_AINT_ADD, aint_add as *const () as usize),
        (fns::MPI_AINT_DIFF, aint_diff as *const () as usize),
    ]
}

/// Enters the slot's crossing with the same two arguments.
///
/// # Safety
/// The function of the slot takes two integer or pointer arguments and returns an `int`.
unsafe fn cross2(function: FnId, first: u64, second: u64) -> i32 {
    // SAFETY: the entry has the C prototype of the slot's function, two words here.
    let entry: extern "C" fn(u64, u64) -> i32 =
        unsafe { std::mem::transmute(entry_address(function.0)) };
    entry(first, second)
}

/// `MPI_Comm_rank(comm, rank)`.
extern "C" fn comm_rank(comm: u64, rank: *mut i32) -> i32 {
    match publish::comm(comm) {
        Some(slot) if !rank.is_null() => {
            // SAFETY: the prototype promises an `int` to write to.
            unsafe { rank.write(slot.rank()) };
            mpi::MPI_SUCCESS
        }
        // SAFETY: MPI_Comm_rank takes two words.
        _ => unsafe { cross2(fns::MPI_COMM_RANK, comm, rank as u64) },
    }
}

/// `MPI_Comm_size(comm, size)`.
extern "C" fn comm_size(comm: u64, size: *mut i32) -> i32 {
    match publish::comm(comm) {
        Some(slot) if !size.is_null() => {
            // SAFETY: the prototype promises an `int` to write to.
            unsafe { size.write(slot.size()) };
            mpi::MPI_SUCCESS
        }
        // SAFETY: MPI_Comm_size takes two words.
        _ => unsafe { cross2(fns::MPI_COMM_SIZE, comm, size as u64) },
    }
}

/// `MPI_Type_size(datatype, size)`.
extern "C" fn type_size(datatype: u64, size: *mut i32) -> i32 {
    match publish::datatype(datatype) {
        Some(slot) if !size.is_null() => {
            // SAFETY: the prototype promises an `int` to write to.
            unsafe { size.write(i32::try_from(slot.size_bytes()).unwrap_or(mpi::MPI_UNDEFINED)) };
            mpi::MPI_SUCCESS
        }
        // SAFETY: MPI_Type_size takes two words.
        _ => unsafe { cross2(fns::MPI_TYPE_SIZE, datatype, size as u64) },
    }
}

/// `MPI_Get_count(status, datatype, count)`: `MPI_UNDEFINED` unless the bytes are whole elements (MPI-5.0 3.2.5).
extern "C" fn get_count(status: *const [i32; 8], datatype: u64, count: *mut i32) -> i32 {
    let Some(slot) = publish::datatype(datatype) else {
        // SAFETY: the entry has MPI_Get_count's prototype: three words.
        let entry: extern "C" fn(u64, u64, u64) -> i32 =
            unsafe { std::mem::transmute(entry_address(fns::MPI_GET_COUNT.0)) };
        return entry(status as u64, datatype, count as u64);
    };
    // SAFETY: the prototype promises a status to read.
    let bytes = Completion::from_words(unsafe { status.read_unaligned() }).count_bytes;
    // SAFETY: the prototype promises an `int` to write to.
    unsafe { count.write(whole_elements(bytes, slot.size_bytes())) };
    mpi::MPI_SUCCESS
}

/// How many elements of `size_bytes` make `bytes`; `MPI_UNDEFINED` when that is no whole number or no `int`.
pub fn whole_elements(bytes: i64, size_bytes: i64) -> i32 {
    match (bytes, size_bytes) {
        (0, _) => 0,
        (_, size) if size > 0 && bytes % size == 0 => {
            i32::try_from(bytes / size).unwrap_or(mpi::MPI_UNDEFINED)
        }
        _ => mpi::MPI_UNDEFINED,
    }
}

/// `MPI_Wtime`: seconds of `CLOCK_MONOTONIC`, by the vdso.
extern "C" fn wtime() -> f64 {
    monotonic_ns() as f64 * 1e-9
}

/// What is added to `CLOCK_MONOTONIC`, in nanoseconds, so that time goes on where it was at the checkpoint.
static CLOCK_OFFSET_NS: AtomicI64 = AtomicI64::new(0);

/// `CLOCK_MONOTONIC` as the program sees it, in nanoseconds.
pub fn monotonic_ns() -> i64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime writes one timespec; it touches errno only on failure, which these arguments exclude.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec * 1_000_000_000 + now.tv_nsec + CLOCK_OFFSET_NS.load(Ordering::Relaxed)
}

/// Lets the program's clock go on from `then_ns`, its value at the checkpoint.
pub fn set_clock_origin(then_ns: i64) {
    CLOCK_OFFSET_NS.fetch_add(then_ns - monotonic_ns(), Ordering::Relaxed);
}

/// `MPI_Wtick`: the clock's resolution, one nanosecond.
extern "C" fn wtick() -> f64 {
    1e-9
}

/// `MPI_Aint_add`.
extern "C" fn aint_add(base: i64, displacement: i64) -> i64 {
    base.wrapping_add(displacement)
}

/// `MPI_Aint_diff`.
extern "C" fn aint_diff(first: i64, second: i64) -> i64 {
    first.wrapping_sub(second)
}
