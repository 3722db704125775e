//! Addresses in the application's half of the process.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An address in the upper half: a buffer or a function of the application. Never dereferenced in this crate; after a
/// restart it is the same address, because the upper half comes back where it was.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpperAddress(pub u64);

impl UpperAddress {
    /// MPI_BOTTOM and the C null pointer.
    pub const NULL: Self = Self(0);

    /// Whether it is zero.
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for UpperAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "upper {:#x}", self.0)
    }
}

/// The calling convention of an application's callback. Decides which types the callback is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum CallbackLanguage {
    /// Handles by value or pointer, `int` counts.
    #[default]
    C,
    /// As C, with `MPI_Count` counts (the `_c` functions).
    CLarge,
    /// Everything by reference, INTEGER handles, attribute values as INTEGER(KIND=MPI_ADDRESS_KIND).
    Fortran,
    /// The deprecated MPI-1 attribute functions: attribute values as default INTEGER.
    FortranOld,
}
