//! Enumerations of the tool information interface: names for the values of integer variables.

use mana_table::constants as mpi;

use super::error;
use crate::error::MpiError;

/// An enumeration.
#[derive(Debug)]
pub struct Enum {
    /// Its name.
    pub name: &'static str,
    /// Its items.
    pub items: &'static [(i32, &'static str)],
}

/// All enumerations; the handle of one is its index plus one, the same in every life of the job.
pub static ENUMS: [Enum; 2] = [
    Enum {
        name: "mana_phase",
        items: &[(0, "idle"), (1, "converge"), (2, "stop"), (3, "write")],
    },
    Enum {
        name: "mana_compression",
        items: &[(0, "auto"), (1, "raw"), (2, "zstd")],
    },
];

/// The handle of [`ENUMS`]`[0]`, phases of a checkpoint.
pub const PHASES: u64 = 1;
/// The handle of [`ENUMS`]`[1]`, kinds of compression.
pub const COMPRESSIONS: u64 = 2;

/// The enumeration behind a handle.
pub fn by_handle(word: u64) -> Result<&'static Enum, MpiError> {
    let index = usize::try_from(word)
        .ok()
        .and_then(|word| word.checked_sub(1));
    index.and_then(|index| ENUMS.get(index)).ok_or_else(|| {
        error(
            mpi::MPI_T_ERR_INVALID_HANDLE,
            format!("{word:#x} is no enumeration"),
        )
    })
}
