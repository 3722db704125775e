//! The places where a call is to put its results: none is a null pointer, and a call that fails leaves null handles there.
//!
//! ```text
//!   MPI_Comm_split(comm, color, key, newcomm)   bits 0b1000 of its slot: parameter 3 must not be null
//!                                               failed: *newcomm = MPI_COMM_NULL
//! ```
//!
//! Only single results count: buffers may be null (`MPI_BOTTOM`), statuses too (`MPI_STATUS_IGNORE`), and arrays where
//! they have no elements.

use mana_table::constants as mpi;
use mana_table::{Direction, FUNCTIONS, Function, Kind, Length, Param, SLOT_COUNT};

use crate::args::Args;
use crate::error::{Call, MpiError};

/// By slot: a bit for each parameter that must not be null.
static NEEDED: [u16; SLOT_COUNT] = needed();

const fn needed() -> [u16; SLOT_COUNT] {
    let mut by_slot = [0; SLOT_COUNT];
    let mut at = 0;
    while at < FUNCTIONS.len() {
        by_slot[FUNCTIONS[at].id.0 as usize] = needed_by(&FUNCTIONS[at]);
        at += 1;
    }
    by_slot
}

const fn needed_by(row: &Function) -> u16 {
    if takes_null(row.name) {
        return 0;
    }
    let (mut bits, mut at) = (0, 0);
    while at < row.params.len() && at < u16::BITS as usize {
        if is_single_result(&row.params[at]) {
            bits |= 1 << at;
        }
        at += 1;
    }
    bits
}

/// The tools interface lets callers leave out what they do not want to know, and libraries let them do so with
/// `MPI_Init_thread`'s `provided`; the functions of `mana.h` say themselves what they take.
const fn takes_null(name: &str) -> bool {
    let name = name.as_bytes();
    starts_with(name, b"MPI_T_")
        || starts_with(name, b"MPI_Init_thread")
        || !starts_with(name, b"MPI_")
}

const fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
    let mut at = 0;
    while at < prefix.len() {
        if at >= name.len() || name[at] != prefix[at] {
            return false;
        }
        at += 1;
    }
    true
}

const fn is_single_result(param: &Param) -> bool {
    matches!(param.direction, Direction::Out)
        && matches!(param.length, Length::Scalar)
        && !matches!(
            param.kind,
            Kind::Buffer | Kind::Status | Kind::F08Status | Kind::String | Kind::Strings
        )
}

/// Refuses a call of `slot` that leaves out a place for a result.
#[inline(always)]
pub fn check(a: &Args<'_>, slot: usize) -> Call {
    let mut bits = NEEDED[slot];
    while bits != 0 {
        let at = bits.trailing_zeros() as usize;
        if a.is_null(at) {
            return missing(a, at);
        }
        bits &= bits - 1;
    }
    Ok(())
}

#[cold]
fn missing(a: &Args<'_>, at: usize) -> Call {
    Err(MpiError::argument(format!(
        "`{}`, where the result goes, is a null pointer",
        a.row().params[at].name
    )))
}

/// A call failed: there is no new communicator or datatype. (MPICH does so, and programs look.)
#[cold]
pub fn clear(a: &mut Args<'_>) {
    for (at, param) in a.row().params.iter().enumerate() {
        let null = match (param.direction, param.length, param.kind) {
            (Direction::Out, Length::Scalar, Kind::Comm) => mpi::MPI_COMM_NULL,
            (Direction::Out, Length::Scalar, Kind::Datatype) => mpi::MPI_DATATYPE_NULL,
            _ => continue,
        };
        a.set_handle(at, null);
    }
}

#[cfg(test)]
mod tests {
    use mana_table::fns;

    use super::NEEDED;

    #[test]
    fn results_are_needed_and_statuses_and_buffers_are_not() {
        let needed = |function: mana_table::FnId| NEEDED[function.0 as usize];
        assert_eq!(needed(fns::MPI_COMM_SPLIT), 0b1000);
        assert_eq!(needed(fns::MPI_TEST), 0b010);
        assert_eq!(needed(fns::MPI_RECV), 0);
        assert_eq!(needed(fns::MPI_TESTSOME), 0b00100);
        assert_eq!(needed(fns::MPI_GET_PROCESSOR_NAME), 0b10);
        assert_eq!(needed(fns::MPI_INIT_THREAD), 0);
        assert_eq!(needed(fns::MPI_T_INIT_THREAD), 0);
    }
}
