//! `MPI_Compare_and_swap` of eight bytes at the calling process itself, where the library below crashes in it
//! ([`Native::crashes_in_own_swap`]).
//!
//! ```text
//!   of another rank of this node    native: the target is asked, and compares and exchanges     an instruction
//!   of the process itself           here                                                        the same one
//! ```
//!
//! Open MPI's osc/rdma holds no lock of its own for the native ones either: what goes to one place at the same time is the
//! same operation, or `MPI_NO_OP` (the hint `accumulate_ops`, MPI-5.0 section 12.2.1). Between nodes a network card may do
//! the native ones, whose atomics need not be ones for the processor: there it is refused.
//!
//! # Safety
//! Lower TLS live. The application says where its window and buffers are, as it says it to the library below.
#![expect(
    unsafe_code,
    reason = "the word is in the memory of an application's window"
)]

use std::sync::atomic::{AtomicU64, Ordering};

use mana_native::Native;
use mana_table::{constants as mpi, fns};

use crate::args::Args;
use crate::error::MpiError;
use crate::lock_places::Places;
use crate::own_window::{self, Elements};
use crate::p2p;
use crate::rma_shape::Shape;
use crate::windows::Win;

/// What is compared and swapped here.
const WORD_BYTES: u64 = 8;

/// Serves the call if it is one in which the library ends the process; whether it was.
pub fn serve(
    native: &Native,
    a: &Args<'_>,
    shape: &Shape,
    win: &Win,
    target: i32,
) -> Result<bool, MpiError> {
    let is_own = target == win.comm.rank() && a.row().id == fns::MPI_COMPARE_AND_SWAP;
    if !is_own || !native.crashes_in_own_swap() {
        return Ok(false);
    }
    if p2p::datatype(a.raw(shape.datatype))?.size_bytes() != WORD_BYTES as i64 {
        return Ok(false);
    }
    let (Some(expected), Some(result)) = (own_window::comparand(a), own_window::result(a)) else {
        return Ok(false);
    };
    let word = own_window::target(a, win)?;
    if !word.address.is_multiple_of(WORD_BYTES) || matches!(win.locks, Places::Network(_)) {
        return Err(refused(native));
    }
    let before = swap(&word, expected.word()?, own_window::origin(a).word()?);
    result.put_word(before)?;
    Ok(true)
}

/// Sets what is at `word` to `wanted` if it is `expected`; what it was.
fn swap(word: &Elements, expected: u64, wanted: u64) -> u64 {
    // SAFETY: aligned, in memory of the application's that its window is said to have; see # Safety.
    let place = unsafe { AtomicU64::from_ptr(word.address as *mut u64) };
    let (Ok(before) | Err(before)) =
        place.compare_exchange(expected, wanted, Ordering::SeqCst, Ordering::SeqCst);
    before
}

fn refused(native: &Native) -> MpiError {
    MpiError::new(
        mpi::MPI_ERR_UNSUPPORTED_OPERATION,
        format!(
            "MPI_Compare_and_swap of eight bytes at the calling process itself: {} crashes there with MPI_THREAD_MULTIPLE, and \
             mana does it only in aligned memory of a window whose ranks are all on one node. OMPI_MCA_osc=ucx chooses another \
             component, any other MPI does it",
            native.version()
        ),
    )
}
