//! The predefined datatypes of MPI 5.0: their handle in each ABI, their size, and what may stand in for one that a
//! library lacks.
//!
//! Optional and Fortran types come and go with how a library was built (an Open MPI without a Fortran compiler has
//! no usable `MPI_INTEGER`), but an image made where they exist must restart where they do not. A *stand-in* has the
//! same size and the same arithmetic, so that it can replace the type in every call between ranks of one job.

use crate::predefined::Mpich::{self, Always, Recent, Version5};

/// One predefined datatype.
#[derive(Debug, Clone, Copy)]
pub struct DatatypeRow {
    /// The name in `mpi.h`.
    pub name: &'static str,
    /// The standard ABI's handle.
    pub standard: u16,
    /// The MPICH ABI's handle and which of its libraries have it.
    pub mpich: Mpich,
    /// The data symbol whose address is Open MPI's handle; empty if Open MPI has none.
    pub open_mpi: &'static str,
    /// `MPI_Type_size` on x86-64 Linux; 0 for the null handle.
    pub size_bytes: u8,
    /// The standard handle of a type with the same size and arithmetic, or 0.
    pub stand_in: u16,
}

const fn datatype(
    name: &'static str,
    standard: u16,
    mpich: Mpich,
    open_mpi: &'static str,
    size_bytes: u8,
    stand_in: u16,
) -> DatatypeRow {
    DatatypeRow {
        name,
        standard,
        mpich,
        open_mpi,
        size_bytes,
        stand_in,
    }
}

// Standard handles that stand in for others.
const INT8: u16 = 0x240;
const INT16: u16 = 0x248;
const INT32: u16 = 0x250;
const INT64: u16 = 0x258;
const CHAR: u16 = 0x243;
const FLOAT: u16 = 0x210;
const DOUBLE: u16 = 0x214;
const FLOAT_COMPLEX: u16 = 0x212;
const DOUBLE_COMPLEX: u16 = 0x216;
const LONG_DOUBLE_COMPLEX: u16 = 0x224;
const TWO_INTS: u16 = 0x22b;
const C_BOOL: u16 = 0x238;
const NONE: u16 = 0;

/// Every predefined datatype of the standard ABI.
#[rustfmt::skip] // a row a line
pub static DATATYPES: &[DatatypeRow] = &[
    datatype("MPI_DATATYPE_NULL", 0x200, Always(0x0c00_0000), "ompi_mpi_datatype_null", 0, NONE),
    // Addresses, offsets, counts, and packed data.
    datatype("MPI_AINT", 0x201, Always(0x4c00_0843), "ompi_mpi_aint", 8, INT64),
    datatype("MPI_COUNT", 0x202, Always(0x4c00_0845), "ompi_mpi_count", 8, INT64),
    datatype("MPI_OFFSET", 0x203, Always(0x4c00_0844), "ompi_mpi_offset", 8, INT64),
    datatype("MPI_PACKED", 0x207, Always(0x4c00_010f), "ompi_mpi_packed", 1, NONE),
    // C integers and floating point.
    datatype("MPI_SHORT", 0x208, Always(0x4c00_0203), "ompi_mpi_short", 2, NONE),
    datatype("MPI_INT", 0x209, Always(0x4c00_0405), "ompi_mpi_int", 4, NONE),
    datatype("MPI_LONG", 0x20a, Always(0x4c00_0807), "ompi_mpi_long", 8, NONE),
    datatype("MPI_LONG_LONG", 0x20b, Always(0x4c00_0809), "ompi_mpi_long_long_int", 8, NONE),
    datatype("MPI_UNSIGNED_SHORT", 0x20c, Always(0x4c00_0204), "ompi_mpi_unsigned_short", 2, NONE),
    datatype("MPI_UNSIGNED", 0x20d, Always(0x4c00_0406), "ompi_mpi_unsigned", 4, NONE),
    datatype("MPI_UNSIGNED_LONG", 0x20e, Always(0x4c00_0808), "ompi_mpi_unsigned_long", 8, NONE),
    datatype("MPI_UNSIGNED_LONG_LONG", 0x20f, Always(0x4c00_0819), "ompi_mpi_unsigned_long_long", 8, NONE),
    datatype("MPI_FLOAT", 0x210, Always(0x4c00_040a), "ompi_mpi_float", 4, NONE),
    datatype("MPI_DOUBLE", 0x214, Always(0x4c00_080b), "ompi_mpi_double", 8, NONE),
    datatype("MPI_LONG_DOUBLE", 0x220, Always(0x4c00_100c), "ompi_mpi_long_double", 16, NONE),
    // C99 and C++ complex numbers.
    datatype("MPI_C_FLOAT_COMPLEX", 0x212, Always(0x4c00_0840), "ompi_mpi_c_float_complex", 8, NONE),
    datatype("MPI_C_DOUBLE_COMPLEX", 0x216, Always(0x4c00_1041), "ompi_mpi_c_double_complex", 16, NONE),
    datatype("MPI_C_LONG_DOUBLE_COMPLEX", 0x224, Always(0x4c00_2042), "ompi_mpi_c_long_double_complex", 32, NONE),
    datatype("MPI_CXX_FLOAT_COMPLEX", 0x213, Always(0x4c00_0834), "ompi_mpi_cxx_cplex", 8, FLOAT_COMPLEX),
    datatype("MPI_CXX_DOUBLE_COMPLEX", 0x217, Always(0x4c00_1035), "ompi_mpi_cxx_dblcplex", 16, DOUBLE_COMPLEX),
    datatype("MPI_CXX_LONG_DOUBLE_COMPLEX", 0x225, Always(0x4c00_2036), "ompi_mpi_cxx_ldblcplex", 32, LONG_DOUBLE_COMPLEX),
    // Fortran's default kinds.
    datatype("MPI_LOGICAL", 0x218, Always(0x4c00_041d), "ompi_mpi_logical", 4, INT32),
    datatype("MPI_INTEGER", 0x219, Always(0x4c00_041b), "ompi_mpi_integer", 4, INT32),
    datatype("MPI_REAL", 0x21a, Always(0x4c00_041c), "ompi_mpi_real", 4, FLOAT),
    datatype("MPI_COMPLEX", 0x21b, Always(0x4c00_081e), "ompi_mpi_cplex", 8, FLOAT_COMPLEX),
    datatype("MPI_DOUBLE_PRECISION", 0x21c, Always(0x4c00_081f), "ompi_mpi_dblprec", 8, DOUBLE),
    datatype("MPI_DOUBLE_COMPLEX", 0x21d, Always(0x4c00_1022), "ompi_mpi_dblcplex", 16, DOUBLE_COMPLEX),
    datatype("MPI_CHARACTER", 0x21e, Always(0x4c00_011a), "ompi_mpi_character", 1, CHAR),
    // Pairs of a value and a location.
    datatype("MPI_FLOAT_INT", 0x228, Always(0x8c00_0000), "ompi_mpi_float_int", 8, NONE),
    datatype("MPI_DOUBLE_INT", 0x229, Always(0x8c00_0001), "ompi_mpi_double_int", 12, NONE),
    datatype("MPI_LONG_INT", 0x22a, Always(0x8c00_0002), "ompi_mpi_long_int", 12, NONE),
    datatype("MPI_2INT", 0x22b, Always(0x4c00_0816), "ompi_mpi_2int", 8, NONE),
    datatype("MPI_SHORT_INT", 0x22c, Always(0x8c00_0003), "ompi_mpi_short_int", 6, NONE),
    datatype("MPI_LONG_DOUBLE_INT", 0x22d, Always(0x8c00_0004), "ompi_mpi_longdbl_int", 20, NONE),
    datatype("MPI_2REAL", 0x230, Always(0x4c00_0821), "ompi_mpi_2real", 8, NONE),
    datatype("MPI_2DOUBLE_PRECISION", 0x231, Always(0x4c00_1023), "ompi_mpi_2dblprec", 16, NONE),
    datatype("MPI_2INTEGER", 0x232, Always(0x4c00_0820), "ompi_mpi_2integer", 8, TWO_INTS),
    // Truth values and characters.
    datatype("MPI_C_BOOL", 0x238, Always(0x4c00_013f), "ompi_mpi_c_bool", 1, NONE),
    datatype("MPI_CXX_BOOL", 0x239, Always(0x4c00_0133), "ompi_mpi_cxx_bool", 1, C_BOOL),
    datatype("MPI_WCHAR", 0x23c, Always(0x4c00_040e), "ompi_mpi_wchar", 4, NONE),
    datatype("MPI_CHAR", 0x243, Always(0x4c00_0101), "ompi_mpi_char", 1, NONE),
    datatype("MPI_SIGNED_CHAR", 0x244, Always(0x4c00_0118), "ompi_mpi_signed_char", 1, NONE),
    datatype("MPI_UNSIGNED_CHAR", 0x245, Always(0x4c00_0102), "ompi_mpi_unsigned_char", 1, NONE),
    datatype("MPI_BYTE", 0x247, Always(0x4c00_010d), "ompi_mpi_byte", 1, NONE),
    // C99 integers of given width.
    datatype("MPI_INT8_T", 0x240, Always(0x4c00_0137), "ompi_mpi_int8_t", 1, NONE),
    datatype("MPI_UINT8_T", 0x241, Always(0x4c00_013b), "ompi_mpi_uint8_t", 1, NONE),
    datatype("MPI_INT16_T", 0x248, Always(0x4c00_0238), "ompi_mpi_int16_t", 2, NONE),
    datatype("MPI_UINT16_T", 0x249, Always(0x4c00_023c), "ompi_mpi_uint16_t", 2, NONE),
    datatype("MPI_INT32_T", 0x250, Always(0x4c00_0439), "ompi_mpi_int32_t", 4, NONE),
    datatype("MPI_UINT32_T", 0x251, Always(0x4c00_043d), "ompi_mpi_uint32_t", 4, NONE),
    datatype("MPI_INT64_T", 0x258, Always(0x4c00_083a), "ompi_mpi_int64_t", 8, NONE),
    datatype("MPI_UINT64_T", 0x259, Always(0x4c00_083e), "ompi_mpi_uint64_t", 8, NONE),
    // Fortran types of given width. A logical combines by logical operations, which a C integer has too.
    datatype("MPI_LOGICAL1", 0x2c0, Recent(0x4c00_0147), "ompi_mpi_logical1", 1, INT8),
    datatype("MPI_INTEGER1", 0x2c1, Always(0x4c00_012d), "ompi_mpi_integer1", 1, INT8),
    datatype("MPI_LOGICAL2", 0x2c8, Recent(0x4c00_0248), "ompi_mpi_logical2", 2, INT16),
    datatype("MPI_INTEGER2", 0x2c9, Always(0x4c00_022f), "ompi_mpi_integer2", 2, INT16),
    datatype("MPI_REAL2", 0x2ca, Version5(0x4c00_0226), "ompi_mpi_real2", 2, NONE),
    datatype("MPI_LOGICAL4", 0x2d0, Recent(0x4c00_0449), "ompi_mpi_logical4", 4, INT32),
    datatype("MPI_INTEGER4", 0x2d1, Always(0x4c00_0430), "ompi_mpi_integer4", 4, INT32),
    datatype("MPI_REAL4", 0x2d2, Always(0x4c00_0427), "ompi_mpi_real4", 4, FLOAT),
    datatype("MPI_COMPLEX4", 0x2d3, Version5(0x4c00_042e), "ompi_mpi_complex4", 4, NONE),
    datatype("MPI_LOGICAL8", 0x2d8, Recent(0x4c00_084a), "ompi_mpi_logical8", 8, INT64),
    datatype("MPI_INTEGER8", 0x2d9, Always(0x4c00_0831), "ompi_mpi_integer8", 8, INT64),
    datatype("MPI_REAL8", 0x2da, Always(0x4c00_0829), "ompi_mpi_real8", 8, DOUBLE),
    datatype("MPI_COMPLEX8", 0x2db, Always(0x4c00_0828), "ompi_mpi_complex8", 8, FLOAT_COMPLEX),
    datatype("MPI_LOGICAL16", 0x2e0, Version5(0x4c00_104b), "", 16, NONE),
    datatype("MPI_INTEGER16", 0x2e1, Version5(0x4c00_1032), "ompi_mpi_integer16", 16, NONE),
    datatype("MPI_REAL16", 0x2e2, Always(0x4c00_102b), "ompi_mpi_real16", 16, NONE),
    datatype("MPI_COMPLEX16", 0x2e3, Always(0x4c00_102a), "ompi_mpi_complex16", 16, DOUBLE_COMPLEX),
    datatype("MPI_COMPLEX32", 0x2eb, Always(0x4c00_202c), "ompi_mpi_complex32", 32, NONE),
];
