//! Error classes of the three ABIs, and what a class becomes in another.
//!
//! A native call returns a *code*; `MPI_Error_class` turns it into the library's *class*; this table turns that into
//! the standard ABI's class, which is all the application ever sees. Classes that the standard lacks become
//! `MPI_ERR_OTHER`, as MPI 5.0 section 9.4 says of implementation-defined errors.

use crate::{
    Family,
    values::{ABSENT, ValueSet},
};

/// The standard ABI's `MPI_SUCCESS`, zero in every ABI.
pub const MPI_SUCCESS: i32 = 0;
/// The standard ABI's `MPI_ERR_OTHER`.
pub const MPI_ERR_OTHER: i32 = 16;
/// The standard ABI's `MPI_ERR_UNSUPPORTED_OPERATION`.
pub const MPI_ERR_UNSUPPORTED_OPERATION: i32 = 55;

/// The standard's class for a native class.
#[must_use]
pub fn class_from_native(family: Family, native_class: i32) -> i32 {
    ERROR_CLASSES
        .from_native(family, native_class)
        .unwrap_or(MPI_ERR_OTHER)
}

/// The native class for a standard one; the family's `MPI_ERR_OTHER` where it has no such class.
#[must_use]
pub fn class_to_native(family: Family, standard_class: i32) -> i32 {
    let native = |class| ERROR_CLASSES.to_native(family, class);
    native(standard_class)
        .or_else(|| native(MPI_ERR_OTHER))
        .unwrap_or(MPI_ERR_OTHER)
}

macro_rules! classes {
    ($($name:ident $standard:expr, $mpich:expr, $open_mpi:expr;)*) => {
        /// Every error class of MPI 5.0 and of its tool interface.
        pub static ERROR_CLASSES: ValueSet = ValueSet {
            title: "error class",
            rows: &[$(crate::values::row(stringify!($name), $standard, $mpich, $open_mpi)),*],
        };
    };
}

classes! {
    MPI_SUCCESS 0, 0, 0;
    MPI_ERR_BUFFER 1, 1, 1;
    MPI_ERR_COUNT 2, 2, 2;
    MPI_ERR_TYPE 3, 3, 3;
    MPI_ERR_TAG 4, 4, 4;
    MPI_ERR_COMM 5, 5, 5;
    MPI_ERR_RANK 6, 6, 6;
    MPI_ERR_REQUEST 7, 19, 7;
    MPI_ERR_ROOT 8, 7, 8;
    MPI_ERR_GROUP 9, 8, 9;
    MPI_ERR_OP 10, 9, 10;
    MPI_ERR_TOPOLOGY 11, 10, 11;
    MPI_ERR_DIMS 12, 11, 12;
    MPI_ERR_ARG 13, 12, 13;
    MPI_ERR_UNKNOWN 14, 13, 14;
    MPI_ERR_TRUNCATE 15, 14, 15;
    MPI_ERR_OTHER 16, 15, 16;
    MPI_ERR_INTERN 17, 16, 17;
    MPI_ERR_PENDING 18, 18, 19;
    MPI_ERR_IN_STATUS 19, 17, 18;
    MPI_ERR_ACCESS 20, 20, 20;
    MPI_ERR_AMODE 21, 21, 21;
    MPI_ERR_ASSERT 22, 53, 22;
    MPI_ERR_BAD_FILE 23, 22, 23;
    MPI_ERR_BASE 24, 46, 24;
    MPI_ERR_CONVERSION 25, 23, 25;
    MPI_ERR_DISP 26, 52, 26;
    MPI_ERR_DUP_DATAREP 27, 24, 27;
    MPI_ERR_FILE_EXISTS 28, 25, 28;
    MPI_ERR_FILE_IN_USE 29, 26, 29;
    MPI_ERR_FILE 30, 27, 30;
    MPI_ERR_INFO_KEY 31, 29, 31;
    MPI_ERR_INFO_NOKEY 32, 31, 32;
    MPI_ERR_INFO_VALUE 33, 30, 33;
    MPI_ERR_INFO 34, 28, 34;
    MPI_ERR_IO 35, 32, 35;
    MPI_ERR_KEYVAL 36, 48, 36;
    MPI_ERR_LOCKTYPE 37, 47, 37;
    MPI_ERR_NAME 38, 33, 38;
    MPI_ERR_NO_MEM 39, 34, 39;
    MPI_ERR_NOT_SAME 40, 35, 40;
    MPI_ERR_NO_SPACE 41, 36, 41;
    MPI_ERR_NO_SUCH_FILE 42, 37, 42;
    MPI_ERR_PORT 43, 38, 43;
    MPI_ERR_QUOTA 44, 39, 44;
    MPI_ERR_READ_ONLY 45, 40, 45;
    MPI_ERR_RMA_ATTACH 46, 56, 69;
    MPI_ERR_RMA_CONFLICT 47, 49, 46;
    MPI_ERR_RMA_RANGE 48, 55, 68;
    MPI_ERR_RMA_SHARED 49, 57, 71;
    MPI_ERR_RMA_SYNC 50, 50, 47;
    MPI_ERR_SERVICE 51, 41, 48;
    MPI_ERR_SIZE 52, 51, 49;
    MPI_ERR_SPAWN 53, 42, 50;
    MPI_ERR_UNSUPPORTED_DATAREP 54, 43, 51;
    MPI_ERR_UNSUPPORTED_OPERATION 55, 44, 52;
    MPI_ERR_WIN 56, 45, 53;
    MPI_ERR_RMA_FLAVOR 57, 58, 70;
    MPI_ERR_PROC_ABORTED 58, 76, 74;
    MPI_ERR_VALUE_TOO_LARGE 59, 77, 79;
    MPI_ERR_SESSION 60, 75, 78;
    MPI_ERR_ERRHANDLER 61, 80, ABSENT;
    MPI_ERR_ABI 62, 81, ABSENT;
    MPI_T_ERR_CANNOT_INIT 1001, 61, 56;
    MPI_T_ERR_NOT_ACCESSIBLE 1002, 79, ABSENT;
    MPI_T_ERR_NOT_INITIALIZED 1003, 60, 55;
    MPI_T_ERR_NOT_SUPPORTED 1004, 78, ABSENT;
    MPI_T_ERR_MEMORY 1005, 59, 54;
    MPI_T_ERR_INVALID 1006, 74, 72;
    MPI_T_ERR_INVALID_INDEX 1007, 62, 57;
    MPI_T_ERR_INVALID_ITEM 1008, 63, 58;
    MPI_T_ERR_INVALID_SESSION 1009, 67, 62;
    MPI_T_ERR_INVALID_HANDLE 1010, 64, 59;
    MPI_T_ERR_INVALID_NAME 1011, 73, 73;
    MPI_T_ERR_OUT_OF_HANDLES 1012, 65, 60;
    MPI_T_ERR_OUT_OF_SESSIONS 1013, 66, 61;
    MPI_T_ERR_CVAR_SET_NOT_NOW 1014, 68, 63;
    MPI_T_ERR_CVAR_SET_NEVER 1015, 69, 64;
    MPI_T_ERR_PVAR_NO_WRITE 1016, 71, 66;
    MPI_T_ERR_PVAR_NO_STARTSTOP 1017, 70, 65;
    MPI_T_ERR_PVAR_NO_ATOMIC 1018, 72, 67;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_differ_between_the_abis_are_translated() {
        assert_eq!(class_from_native(Family::Mpich, 14), 15, "MPI_ERR_TRUNCATE");
        assert_eq!(class_from_native(Family::OpenMpi, 53), 56, "MPI_ERR_WIN");
        assert_eq!(class_to_native(Family::Mpich, 56), 45, "MPI_ERR_WIN");
    }

    #[test]
    fn a_class_the_other_side_lacks_becomes_other() {
        assert_eq!(
            class_from_native(Family::Mpich, 101),
            MPI_ERR_OTHER,
            "MPIX_ERR_PROC_FAILED"
        );
        assert_eq!(class_to_native(Family::OpenMpi, 62), 16, "MPI_ERR_ABI");
    }
}
