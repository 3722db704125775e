//! Every integer constant of the three ABIs, one row a name and one column an ABI.
//!
//! ```text
//!   name of the standard      standard ABI   MPICH ABI   Open MPI ABI
//!   MPI_THREAD_MULTIPLE           4096            3            3
//!   MPI_COMBINER_VALUE_INDEX       117           20         ABSENT
//! ```
//!
//! Rows stand in sets, and a value only has a meaning within its set. The standard's column is MPI 5.0 section 20
//! (the ABI), the others are what `mpi.h` of MPICH 3–5, Intel MPI and Open MPI 4–5 say: both legacy ABIs are
//! frozen. `tests/constants_match_headers.rs` compiles a C program against each header and compares every row.

use crate::Family;

/// The limit that `MPI_Error_string` needs.
pub(crate) const MAX_ERROR_STRING: &str = "MPI_MAX_ERROR_STRING";

/// Marks a name that an ABI does not have.
pub const ABSENT: i32 = i32::MIN;

/// One constant of MPI and its value in each ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The constant's name in `mpi.h`.
    pub name: &'static str,
    standard: i32,
    mpich: i32,
    open_mpi: i32,
}

impl Row {
    /// The value in `family`'s ABI, or `None` if that ABI has no such constant.
    #[must_use]
    pub const fn value(&self, family: Family) -> Option<i32> {
        let value = match family {
            Family::StandardAbi => self.standard,
            Family::Mpich => self.mpich,
            Family::OpenMpi => self.open_mpi,
        };
        if value == ABSENT { None } else { Some(value) }
    }
}

pub(crate) const fn row(name: &'static str, standard: i32, mpich: i32, open_mpi: i32) -> Row {
    Row {
        name,
        standard,
        mpich,
        open_mpi,
    }
}

/// The values one kind of argument can have, for instance the thread levels.
#[derive(Debug, Clone, Copy)]
pub struct ValueSet {
    /// What the set holds, for messages.
    pub title: &'static str,
    /// Its rows.
    pub rows: &'static [Row],
}

impl ValueSet {
    /// The native value for the standard ABI's `value`; `None` if the set or the family does not have it.
    #[must_use]
    pub fn to_native(&self, family: Family, value: i32) -> Option<i32> {
        self.rows
            .iter()
            .find(|row| row.standard == value)?
            .value(family)
    }

    /// The standard ABI's value for a native one; `None` if the set does not have it.
    #[must_use]
    pub fn from_native(&self, family: Family, value: i32) -> Option<i32> {
        Some(
            self.rows
                .iter()
                .find(|row| row.value(family) == Some(value))?
                .standard,
        )
    }

    /// Translates a bit mask (`MPI_MODE_*`) bit by bit. `None` if a bit of `mask` has no native counterpart.
    #[must_use]
    pub fn mask_to_native(&self, family: Family, mask: i32) -> Option<i32> {
        self.translate_mask(mask, |row| Some(row.standard), |row| row.value(family))
    }

    /// The reverse of [`ValueSet::mask_to_native`].
    #[must_use]
    pub fn mask_from_native(&self, family: Family, mask: i32) -> Option<i32> {
        self.translate_mask(mask, |row| row.value(family), |row| Some(row.standard))
    }

    fn translate_mask(
        &self,
        mask: i32,
        from: impl Fn(&Row) -> Option<i32>,
        to: impl Fn(&Row) -> Option<i32>,
    ) -> Option<i32> {
        let mut left = mask;
        let mut translated = 0;
        for row in self.rows {
            let Some(bit) = from(row).filter(|bit| left & bit != 0) else {
                continue;
            };
            translated |= to(row)?;
            left &= !bit;
        }
        (left == 0).then_some(translated)
    }
}

macro_rules! sets {
    ($($(#[$doc:meta])* $ident:ident $title:literal { $($name:ident $standard:expr, $mpich:expr, $open_mpi:expr;)* })*) => {
        $($(#[$doc])* pub static $ident: ValueSet = ValueSet {
            title: $title,
            rows: &[$(row(stringify!($name), $standard, $mpich, $open_mpi)),*],
        };)*
        /// All sets, for the tests and for `mana doctor`.
        pub static ALL: &[&ValueSet] = &[$(&$ident),*];
    };
}

sets! {
    /// Wildcards and sentinels among rank arguments.
    RANKS "rank" {
        MPI_ANY_SOURCE -1, -2, -1;
        MPI_PROC_NULL -3, -1, -2;
        MPI_ROOT -4, -3, -4;
    }
    /// The wildcard among tags.
    TAGS "tag" {
        MPI_ANY_TAG -2, -1, -1;
    }
    /// The one value for "no value", the same everywhere.
    UNDEFINED "undefined" {
        MPI_UNDEFINED -32766, -32766, -32766;
    }
    /// Levels of thread support, in rising order.
    THREAD_LEVELS "thread level" {
        MPI_THREAD_SINGLE 0, 0, 0;
        MPI_THREAD_FUNNELED 1024, 1, 1;
        MPI_THREAD_SERIALIZED 2048, 2, 2;
        MPI_THREAD_MULTIPLE 4096, 3, 3;
    }
    /// Results of comparing communicators and groups.
    COMPARISONS "comparison result" {
        MPI_IDENT 201, 0, 0;
        MPI_CONGRUENT 202, 1, 1;
        MPI_SIMILAR 203, 2, 2;
        MPI_UNEQUAL 204, 3, 3;
    }
    /// Kinds of virtual topology.
    TOPOLOGIES "topology kind" {
        MPI_CART 211, 2, 1;
        MPI_GRAPH 212, 1, 2;
        MPI_DIST_GRAPH 213, 3, 3;
    }
    /// What `MPI_Comm_split_type` can split by.
    SPLIT_TYPES "split type" {
        MPI_COMM_TYPE_SHARED 221, 1, 0;
        MPI_COMM_TYPE_HW_UNGUIDED 222, 3, 12;
        MPI_COMM_TYPE_HW_GUIDED 223, 2, 13;
        MPI_COMM_TYPE_RESOURCE_GUIDED 224, 4, ABSENT;
    }
    /// Kinds of passive-target lock.
    LOCK_TYPES "lock type" {
        MPI_LOCK_EXCLUSIVE 301, 234, 1;
        MPI_LOCK_SHARED 302, 235, 2;
    }
    /// How a window came to be.
    WINDOW_FLAVORS "window flavor" {
        MPI_WIN_FLAVOR_CREATE 311, 1, 1;
        MPI_WIN_FLAVOR_ALLOCATE 312, 2, 2;
        MPI_WIN_FLAVOR_DYNAMIC 313, 3, 3;
        MPI_WIN_FLAVOR_SHARED 314, 4, 4;
    }
    /// Memory models of windows.
    WINDOW_MODELS "window memory model" {
        MPI_WIN_UNIFIED 321, 2, 0;
        MPI_WIN_SEPARATE 322, 1, 1;
    }
    /// Assertions of window synchronisation: bits.
    WINDOW_ASSERTIONS "window assertion" {
        MPI_MODE_NOCHECK 1024, 1024, 1;
        MPI_MODE_NOPRECEDE 2048, 8192, 2;
        MPI_MODE_NOPUT 4096, 4096, 4;
        MPI_MODE_NOSTORE 8192, 2048, 8;
        MPI_MODE_NOSUCCEED 16384, 16384, 16;
    }
    /// Modes of opening a file: bits.
    FILE_MODES "file mode" {
        MPI_MODE_APPEND 1, 128, 128;
        MPI_MODE_CREATE 2, 1, 1;
        MPI_MODE_DELETE_ON_CLOSE 4, 16, 16;
        MPI_MODE_EXCL 8, 64, 64;
        MPI_MODE_RDONLY 16, 2, 2;
        MPI_MODE_RDWR 32, 8, 8;
        MPI_MODE_SEQUENTIAL 64, 256, 256;
        MPI_MODE_UNIQUE_OPEN 128, 32, 32;
        MPI_MODE_WRONLY 256, 4, 4;
    }
    /// What a file offset counts from.
    SEEKS "seek origin" {
        MPI_SEEK_CUR 401, 602, 602;
        MPI_SEEK_END 402, 604, 604;
        MPI_SEEK_SET 403, 600, 600;
    }
    /// The displacement that means "where the file pointer is". It is an `MPI_Offset`.
    DISPLACEMENTS "file displacement" {
        MPI_DISPLACEMENT_CURRENT -1, -54278278, -54278278;
    }
    /// Storage orders of subarray and darray types.
    ORDERS "array order" {
        MPI_ORDER_C 12, 56, 0;
        MPI_ORDER_FORTRAN 15, 57, 1;
    }
    /// Distributions of a darray type.
    DISTRIBUTIONS "array distribution" {
        MPI_DISTRIBUTE_NONE 16, 123, 2;
        MPI_DISTRIBUTE_BLOCK 17, 121, 0;
        MPI_DISTRIBUTE_CYCLIC 18, 122, 1;
    }
    /// The distribution argument that means "the default".
    DISTRIBUTION_ARGUMENTS "distribution argument" {
        MPI_DISTRIBUTE_DFLT_DARG 19, -49767, -1;
    }
    /// Constructors of a datatype.
    COMBINERS "combiner" {
        MPI_COMBINER_NAMED 101, 1, 0;
        MPI_COMBINER_DUP 102, 2, 1;
        MPI_COMBINER_CONTIGUOUS 103, 3, 2;
        MPI_COMBINER_VECTOR 104, 4, 3;
        MPI_COMBINER_HVECTOR 105, 6, 5;
        MPI_COMBINER_INDEXED 106, 7, 6;
        MPI_COMBINER_HINDEXED 107, 9, 8;
        MPI_COMBINER_INDEXED_BLOCK 108, 10, 9;
        MPI_COMBINER_HINDEXED_BLOCK 109, 19, 18;
        MPI_COMBINER_STRUCT 110, 12, 11;
        MPI_COMBINER_SUBARRAY 111, 13, 12;
        MPI_COMBINER_DARRAY 112, 14, 13;
        MPI_COMBINER_F90_REAL 113, 15, 14;
        MPI_COMBINER_F90_COMPLEX 114, 16, 15;
        MPI_COMBINER_F90_INTEGER 115, 17, 16;
        MPI_COMBINER_RESIZED 116, 18, 17;
        MPI_COMBINER_VALUE_INDEX 117, 20, ABSENT;
    }
    /// Classes for `MPI_Type_match_size`.
    TYPE_CLASSES "type class" {
        MPI_TYPECLASS_INTEGER 192, 2, 1;
        MPI_TYPECLASS_REAL 193, 1, 2;
        MPI_TYPECLASS_COMPLEX 194, 3, 3;
    }
    /// Attribute keys of communicators and windows that MPI defines, and the invalid one.
    ATTRIBUTE_KEYS "attribute key" {
        MPI_KEYVAL_INVALID 0, 0x2400_0000, -1;
        MPI_TAG_UB 501, 0x6440_0001, 0;
        MPI_IO 502, 0x6440_0005, 2;
        MPI_HOST 503, 0x6440_0003, 1;
        MPI_WTIME_IS_GLOBAL 504, 0x6440_0007, 3;
        MPI_APPNUM 505, 0x6440_000d, 4;
        MPI_LASTUSEDCODE 506, 0x6440_000b, 5;
        MPI_UNIVERSE_SIZE 507, 0x6440_0009, 6;
        MPI_WIN_BASE 601, 0x6600_0001, 7;
        MPI_WIN_DISP_UNIT 602, 0x6600_0005, 9;
        MPI_WIN_SIZE 603, 0x6600_0003, 8;
        MPI_WIN_CREATE_FLAVOR 604, 0x6600_0007, 10;
        MPI_WIN_MODEL 605, 0x6600_0009, 11;
    }
    /// Sizes of string buffers in bytes, with the terminating zero. (`MPI_BSEND_OVERHEAD` is no fact of an ABI: Intel's
    /// is another than MPICH's. The standard ABI's 512 covers all.)
    LIMITS "limit" {
        MPI_MAX_DATAREP_STRING 128, 128, 128;
        MPI_MAX_ERROR_STRING 512, 512, 256;
        MPI_MAX_INFO_KEY 256, 255, 36;
        MPI_MAX_INFO_VAL 1024, 1024, 256;
        MPI_MAX_LIBRARY_VERSION_STRING 8192, 8192, 256;
        MPI_MAX_OBJECT_NAME 128, 128, 64;
        MPI_MAX_PORT_NAME 1024, 256, 1024;
        MPI_MAX_PROCESSOR_NAME 256, 128, 256;
        MPI_MAX_STRINGTAG_LEN 1024, 256, 1024;
        MPI_MAX_PSET_NAME_LEN 1024, 256, 512;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILIES: [Family; 3] = [Family::StandardAbi, Family::Mpich, Family::OpenMpi];

    #[test]
    fn a_value_is_said_once_in_each_set_and_family() {
        for set in ALL.iter().filter(|set| set.title != "limit") {
            for family in FAMILIES {
                for row in set.rows {
                    let Some(value) = row.value(family) else {
                        continue;
                    };
                    assert_eq!(
                        set.from_native(family, value),
                        row.value(Family::StandardAbi),
                        "{} of {family}",
                        row.name
                    );
                }
            }
        }
    }

    #[test]
    fn masks_go_there_and_back_and_refuse_unknown_bits() {
        for family in FAMILIES {
            for set in [&FILE_MODES, &WINDOW_ASSERTIONS] {
                let all = set
                    .rows
                    .iter()
                    .filter_map(|row| row.value(Family::StandardAbi))
                    .sum();
                let native = set
                    .mask_to_native(family, all)
                    .expect("every bit has a counterpart");
                assert_eq!(set.mask_from_native(family, native), Some(all));
                assert_eq!(set.mask_to_native(family, 1 << 20), None);
            }
        }
    }
}
