//! The predefined datatypes: handle, name, size, alignment and what they hold, on x86-64 Linux with gfortran's kinds.
//!
//! ```text
//!   MPI_DOUBLE_INT   = struct { double @0, int @8 }    size 12, alignment 8, so extent 16
//! ```
//!
//! Handles are those of the MPI 5.0 standard ABI. Sizes of C types are the System V x86-64 ABI's; default Fortran types are
//! gfortran's (INTEGER, REAL, LOGICAL of 4 bytes). external32 sizes are from MPI 4.1 section 14.5.2.
//!
//! MPI-3 removed MPI_LB and MPI_UB (MPI-2.2 section 4.1.7), so the ABI has no handles for them; old programs still use them.
//! Theirs are our own, two that the ABI leaves free, and they are markers of [`super::body`], as MPI_Type_create_resized is.

use std::sync::OnceLock;

use super::body::Body;
use super::layout::Layout;
use crate::handle::DatatypeHandle;

/// What the elements of a predefined datatype are. Decides which reductions apply (MPI 4.1 section 6.9.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Integers of C.
    CInteger,
    /// Integers of Fortran.
    FortranInteger,
    /// Reals of either language.
    Float,
    /// Complex numbers.
    Complex,
    /// Truth values.
    Logical,
    /// MPI_BYTE.
    Byte,
    /// Printable characters, for which no reduction is defined.
    Character,
    /// MPI_AINT, MPI_COUNT, MPI_OFFSET.
    MultiLanguage,
    /// A value and an index, for MPI_MINLOC and MPI_MAXLOC.
    Pair,
    /// MPI_PACKED.
    Packed,
    /// MPI_LB: no data, where a type that has it begins.
    LowerBound,
    /// MPI_UB: no data, where a type that has it ends.
    UpperBound,
}

/// A predefined datatype.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Predefined {
    /// Its handle.
    pub handle: DatatypeHandle,
    /// Its name, which `MPI_Type_get_name` returns unless the application renames it.
    pub name: &'static str,
    /// Bytes of data in one.
    pub size_bytes: u8,
    /// Its alignment in a C struct, in bytes.
    pub alignment_bytes: u8,
    /// What its elements are.
    pub class: Class,
    /// Bytes in the external32 representation.
    pub external32_bytes: u8,
    /// Of a pair: (offset, handle) of its two halves.
    pub parts: Option<[(u8, DatatypeHandle); 2]>,
}

use Class::{
    Byte, CInteger, Character, Complex, Float, FortranInteger, Logical, LowerBound, MultiLanguage,
    Packed, Pair, UpperBound,
};

const fn row(
    value: u16,
    name: &'static str,
    size_bytes: u8,
    alignment_bytes: u8,
    class: Class,
    external32_bytes: u8,
    parts: Option<[(u8, u16); 2]>,
) -> Predefined {
    let handle = DatatypeHandle::predefined(value);
    let parts = match parts {
        Some([(a, first), (b, second)]) => Some([
            (a, DatatypeHandle::predefined(first)),
            (b, DatatypeHandle::predefined(second)),
        ]),
        None => None,
    };
    Predefined {
        handle,
        name,
        size_bytes,
        alignment_bytes,
        class,
        external32_bytes,
        parts,
    }
}

/// All predefined datatypes, by rising handle.
#[rustfmt::skip]
pub const PREDEFINED: &[Predefined] = &[
    //  value  name                size, alignment, class, external32, parts
    row(0x00000201, "MPI_AINT", 8, 8, MultiLanguage, 8, None),
    row(0x00000202, "MPI_COUNT", 8, 8, MultiLanguage, 8, None),
    row(0x00000203, "MPI_OFFSET", 8, 8, MultiLanguage, 8, None),
    row(0x00000207, "MPI_PACKED", 1, 1, Packed, 1, None),
    row(0x00000208, "MPI_SHORT", 2, 2, CInteger, 2, None),
    row(0x00000209, "MPI_INT", 4, 4, CInteger, 4, None),
    row(0x0000020a, "MPI_LONG", 8, 8, CInteger, 4, None),
    row(0x0000020b, "MPI_LONG_LONG_INT", 8, 8, CInteger, 8, None),
    row(0x0000020c, "MPI_UNSIGNED_SHORT", 2, 2, CInteger, 2, None),
    row(0x0000020d, "MPI_UNSIGNED", 4, 4, CInteger, 4, None),
    row(0x0000020e, "MPI_UNSIGNED_LONG", 8, 8, CInteger, 4, None),
    row(0x0000020f, "MPI_UNSIGNED_LONG_LONG", 8, 8, CInteger, 8, None),
    row(0x00000210, "MPI_FLOAT", 4, 4, Float, 4, None),
    row(0x00000212, "MPI_C_COMPLEX", 8, 4, Complex, 8, None),
    row(0x00000213, "MPI_CXX_FLOAT_COMPLEX", 8, 4, Complex, 8, None),
    row(0x00000214, "MPI_DOUBLE", 8, 8, Float, 8, None),
    row(0x00000216, "MPI_C_DOUBLE_COMPLEX", 16, 8, Complex, 16, None),
    row(0x00000217, "MPI_CXX_DOUBLE_COMPLEX", 16, 8, Complex, 16, None),
    row(0x00000218, "MPI_LOGICAL", 4, 4, Logical, 4, None),
    row(0x00000219, "MPI_INTEGER", 4, 4, FortranInteger, 4, None),
    row(0x0000021a, "MPI_REAL", 4, 4, Float, 4, None),
    row(0x0000021b, "MPI_COMPLEX", 8, 4, Complex, 8, None),
    row(0x0000021c, "MPI_DOUBLE_PRECISION", 8, 8, Float, 8, None),
    row(0x0000021d, "MPI_DOUBLE_COMPLEX", 16, 8, Complex, 16, None),
    row(0x0000021e, "MPI_CHARACTER", 1, 1, Character, 1, None),
    row(0x00000220, "MPI_LONG_DOUBLE", 16, 16, Float, 16, None),
    row(0x00000224, "MPI_C_LONG_DOUBLE_COMPLEX", 32, 16, Complex, 32, None),
    row(0x00000225, "MPI_CXX_LONG_DOUBLE_COMPLEX", 32, 16, Complex, 32, None),
    row(0x00000228, "MPI_FLOAT_INT", 8, 4, Pair, 8, Some([(0, 0x00000210), (4, 0x00000209)])),
    row(0x00000229, "MPI_DOUBLE_INT", 12, 8, Pair, 12, Some([(0, 0x00000214), (8, 0x00000209)])),
    row(0x0000022a, "MPI_LONG_INT", 12, 8, Pair, 8, Some([(0, 0x0000020a), (8, 0x00000209)])),
    row(0x0000022b, "MPI_2INT", 8, 4, Pair, 8, Some([(0, 0x00000209), (4, 0x00000209)])),
    row(0x0000022c, "MPI_SHORT_INT", 6, 4, Pair, 6, Some([(0, 0x00000208), (4, 0x00000209)])),
    row(0x0000022d, "MPI_LONG_DOUBLE_INT", 20, 16, Pair, 20, Some([(0, 0x00000220), (16, 0x00000209)])),
    row(0x00000230, "MPI_2REAL", 8, 4, Pair, 8, Some([(0, 0x0000021a), (4, 0x0000021a)])),
    row(0x00000231, "MPI_2DOUBLE_PRECISION", 16, 8, Pair, 16, Some([(0, 0x0000021c), (8, 0x0000021c)])),
    row(0x00000232, "MPI_2INTEGER", 8, 4, Pair, 8, Some([(0, 0x00000219), (4, 0x00000219)])),
    row(0x00000238, "MPI_C_BOOL", 1, 1, Logical, 1, None),
    row(0x00000239, "MPI_CXX_BOOL", 1, 1, Logical, 1, None),
    row(0x0000023c, "MPI_WCHAR", 4, 4, Character, 2, None),
    row(0x00000240, "MPI_INT8_T", 1, 1, CInteger, 1, None),
    row(0x00000241, "MPI_UINT8_T", 1, 1, CInteger, 1, None),
    row(0x00000243, "MPI_CHAR", 1, 1, Character, 1, None),
    row(0x00000244, "MPI_SIGNED_CHAR", 1, 1, CInteger, 1, None),
    row(0x00000245, "MPI_UNSIGNED_CHAR", 1, 1, CInteger, 1, None),
    row(0x00000247, "MPI_BYTE", 1, 1, Byte, 1, None),
    row(0x00000248, "MPI_INT16_T", 2, 2, CInteger, 2, None),
    row(0x00000249, "MPI_UINT16_T", 2, 2, CInteger, 2, None),
    row(0x00000250, "MPI_INT32_T", 4, 4, CInteger, 4, None),
    row(0x00000251, "MPI_UINT32_T", 4, 4, CInteger, 4, None),
    row(0x00000258, "MPI_INT64_T", 8, 8, CInteger, 8, None),
    row(0x00000259, "MPI_UINT64_T", 8, 8, CInteger, 8, None),
    row(0x000002c0, "MPI_LOGICAL1", 1, 1, Logical, 1, None),
    row(0x000002c1, "MPI_INTEGER1", 1, 1, FortranInteger, 1, None),
    row(0x000002c8, "MPI_LOGICAL2", 2, 2, Logical, 2, None),
    row(0x000002c9, "MPI_INTEGER2", 2, 2, FortranInteger, 2, None),
    row(0x000002ca, "MPI_REAL2", 2, 2, Float, 2, None),
    row(0x000002d0, "MPI_LOGICAL4", 4, 4, Logical, 4, None),
    row(0x000002d1, "MPI_INTEGER4", 4, 4, FortranInteger, 4, None),
    row(0x000002d2, "MPI_REAL4", 4, 4, Float, 4, None),
    row(0x000002d3, "MPI_COMPLEX4", 4, 2, Complex, 4, None),
    row(0x000002d8, "MPI_LOGICAL8", 8, 8, Logical, 8, None),
    row(0x000002d9, "MPI_INTEGER8", 8, 8, FortranInteger, 8, None),
    row(0x000002da, "MPI_REAL8", 8, 8, Float, 8, None),
    row(0x000002db, "MPI_COMPLEX8", 8, 4, Complex, 8, None),
    row(0x000002e0, "MPI_LOGICAL16", 16, 16, Logical, 16, None),
    row(0x000002e1, "MPI_INTEGER16", 16, 16, FortranInteger, 16, None),
    row(0x000002e2, "MPI_REAL16", 16, 16, Float, 16, None),
    row(0x000002e3, "MPI_COMPLEX16", 16, 8, Complex, 16, None),
    row(0x000002eb, "MPI_COMPLEX32", 32, 16, Complex, 32, None),
    row(0x000002fe, "MPI_LB", 0, 1, LowerBound, 0, None),
    row(0x000002ff, "MPI_UB", 0, 1, UpperBound, 0, None),
];

/// The handle below which the predefined datatypes lie, and from which on.
const VALUES: std::ops::Range<usize> = 0x200..0x300;

/// The predefined datatype with this handle; MPI_DATATYPE_NULL is none.
#[must_use]
pub fn predefined(handle: DatatypeHandle) -> Option<&'static Predefined> {
    place(handle).map(|place| &PREDEFINED[place])
}

/// The layout of a predefined datatype.
#[must_use]
pub fn predefined_layout(handle: DatatypeHandle) -> Option<&'static Layout> {
    static LAYOUTS: OnceLock<Vec<Layout>> = OnceLock::new();
    let layouts = LAYOUTS.get_or_init(|| PREDEFINED.iter().map(layout_of).collect());
    place(handle).map(|place| &layouts[place])
}

/// Index into PREDEFINED: a table lookup, because `MPI_Type_size` and every send of a predefined type come here.
#[inline]
fn place(handle: DatatypeHandle) -> Option<usize> {
    const NONE: u8 = u8::MAX;
    const PLACES: [u8; VALUES.end - VALUES.start] = {
        let mut places = [NONE; VALUES.end - VALUES.start];
        let mut index = 0;
        while index < PREDEFINED.len() {
            places[PREDEFINED[index].handle.word() as usize - VALUES.start] = index as u8;
            index += 1;
        }
        places
    };
    let offset = (handle.word() as usize).checked_sub(VALUES.start)?;
    PLACES
        .get(offset)
        .copied()
        .filter(|place| *place != NONE)
        .map(usize::from)
}

fn layout_of(row: &Predefined) -> Layout {
    let Some(parts) = row.parts else {
        return Layout::of(Body::basic(row));
    };
    let halves = parts.map(|(offset, half)| {
        let half = predefined(half)
            .unwrap_or_else(|| panic!("{} is made of a type that is not in the table", row.name));
        (i64::from(offset), Body::basic(half))
    });
    let body = Body::sequence(halves.iter().map(|(offset, half)| (*offset, half)));
    Layout::of(body.unwrap_or_else(|error| panic!("{}: {error}", row.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_layouts_agree() {
        for row in PREDEFINED {
            assert_eq!(predefined(row.handle), Some(row));
            let layout = predefined_layout(row.handle).unwrap();
            assert_eq!(
                layout.size_bytes(),
                i64::from(row.size_bytes),
                "{}",
                row.name
            );
            assert_eq!(
                layout.alignment_bytes(),
                i64::from(row.alignment_bytes),
                "{}",
                row.name
            );
            let elements = match (row.class, row.parts) {
                (LowerBound | UpperBound, _) => 0,
                (_, Some(parts)) => parts.len() as i64,
                (_, None) => 1,
            };
            assert_eq!(layout.elements(), elements, "{}", row.name);
            assert_eq!(
                layout.extent() % i64::from(row.alignment_bytes),
                0,
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn the_null_handle_and_gaps_are_no_datatypes() {
        for value in [0x200, 0x204, 0x211, 0x2fd, 0x300, 0x100, 0] {
            assert_eq!(predefined(DatatypeHandle::predefined(value)), None);
        }
    }

    #[test]
    fn a_pair_is_padded_as_a_struct_in_c() {
        let extent = |value| {
            predefined_layout(DatatypeHandle::predefined(value))
                .unwrap()
                .extent()
        };
        // MPI_DOUBLE_INT, MPI_SHORT_INT, MPI_LONG_DOUBLE_INT, MPI_2INT
        assert_eq!([0x229, 0x22c, 0x22d, 0x22b].map(extent), [16, 8, 32, 8]);
    }
}
