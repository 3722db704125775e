//! Reduction operations: the predefined ones and the application's own (MPI 4.1 section 6.9).

use serde::{Deserialize, Serialize};

use crate::address::{CallbackLanguage, UpperAddress};
use crate::datatype::Class;
use crate::handle::{OpHandle, kind};
use crate::shared::SharedTable;

/// An operation of the application. Held by every pending reduction that uses it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UserOp {
    /// The application's function, `void (void *in, void *inout, int *len, MPI_Datatype *)`.
    pub function: UpperAddress,
    /// Whether the operands may be exchanged.
    pub commutes: bool,
    /// How the function is called.
    pub language: CallbackLanguage,
}

/// The operations of a rank that the application made.
pub type Ops = SharedTable<kind::Op, UserOp>;

/// A predefined operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PredefinedOp {
    /// Its handle.
    pub handle: OpHandle,
    /// Its name.
    pub name: &'static str,
    /// The classes of datatypes that it applies to (MPI 4.1 section 6.9.2).
    pub classes: &'static [Class],
}

use Class::{Byte, CInteger, Complex, Float, FortranInteger, Logical, MultiLanguage, Pair};

const ORDERED: &[Class] = &[CInteger, FortranInteger, Float, MultiLanguage];
const FIELD: &[Class] = &[CInteger, FortranInteger, Float, Complex, MultiLanguage];
const LOGICAL: &[Class] = &[CInteger, Logical];
const BITS: &[Class] = &[CInteger, FortranInteger, Byte, MultiLanguage];
const PAIRS: &[Class] = &[Pair];

const fn op(value: u16, name: &'static str, classes: &'static [Class]) -> PredefinedOp {
    PredefinedOp {
        handle: OpHandle::predefined(value),
        name,
        classes,
    }
}

/// The predefined operations, by rising handle. All of them commute.
pub const PREDEFINED_OPS: &[PredefinedOp] = &[
    op(0x21, "MPI_SUM", FIELD),
    op(0x22, "MPI_MIN", ORDERED),
    op(0x23, "MPI_MAX", ORDERED),
    op(0x24, "MPI_PROD", FIELD),
    op(0x28, "MPI_BAND", BITS),
    op(0x29, "MPI_BOR", BITS),
    op(0x2a, "MPI_BXOR", BITS),
    op(0x30, "MPI_LAND", LOGICAL),
    op(0x31, "MPI_LOR", LOGICAL),
    op(0x32, "MPI_LXOR", LOGICAL),
    op(0x38, "MPI_MINLOC", PAIRS),
    op(0x39, "MPI_MAXLOC", PAIRS),
    // For accumulate only (MPI 4.1 section 12.3.4): any predefined type.
    op(0x3c, "MPI_REPLACE", &[]),
    op(0x3d, "MPI_NO_OP", &[]),
];

/// The predefined operation with this handle.
#[must_use]
pub fn predefined_op(handle: OpHandle) -> Option<&'static PredefinedOp> {
    PREDEFINED_OPS.iter().find(|op| op.handle == handle)
}

impl PredefinedOp {
    /// Whether a reduction may apply it to elements of this class.
    #[must_use]
    pub fn applies_to(&self, class: Class) -> bool {
        self.classes.contains(&class)
    }
}
