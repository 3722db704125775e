//! The values of the MPI 5.0 standard ABI that descriptors are made of.
//!
//! Only what this crate's rules need: wildcards, sentinels, comparison results, topology and combiner names, string
//! limits. The application sees exactly these values whatever MPI runs below (MPI 5.0, chapter "Application Binary
//! Interface"); `mana_native` translates them.

/// Receive from any rank.
pub const ANY_SOURCE: i32 = -1;
/// Receive with any tag.
pub const ANY_TAG: i32 = -2;
/// The rank of nobody: a send to it or a receive from it does nothing.
pub const PROC_NULL: i32 = -3;
/// The root's own side of an intercommunicator collective.
pub const ROOT: i32 = -4;
/// "No such number": the answer of queries that have none.
pub const UNDEFINED: i32 = -32766;

/// Same object, or same members in the same order (groups).
pub const IDENT: i32 = 201;
/// Communicators with the same group and different contexts.
pub const CONGRUENT: i32 = 202;
/// Same members in another order.
pub const SIMILAR: i32 = 203;
/// Other members.
pub const UNEQUAL: i32 = 204;

/// `MPI_Topo_test`: Cartesian.
pub const CART: i32 = 211;
/// `MPI_Topo_test`: graph.
pub const GRAPH: i32 = 212;
/// `MPI_Topo_test`: distributed graph.
pub const DIST_GRAPH: i32 = 213;

/// Row-major arrays in `MPI_Type_create_subarray` and `_darray`.
pub const ORDER_C: i32 = 12;
/// Column-major arrays.
pub const ORDER_FORTRAN: i32 = 15;
/// A dimension of a darray that is not distributed.
pub const DISTRIBUTE_NONE: i32 = 16;
/// Block distribution of a darray's dimension.
pub const DISTRIBUTE_BLOCK: i32 = 17;
/// Cyclic distribution of a darray's dimension.
pub const DISTRIBUTE_CYCLIC: i32 = 18;
/// The default distribution argument.
pub const DISTRIBUTE_DFLT_DARG: i32 = 19;

/// `MPI_Type_match_size`: integers.
pub const TYPECLASS_INTEGER: i32 = 192;
/// `MPI_Type_match_size`: reals.
pub const TYPECLASS_REAL: i32 = 193;
/// `MPI_Type_match_size`: complex numbers.
pub const TYPECLASS_COMPLEX: i32 = 194;

/// Room for an info key with its terminating NUL, in bytes.
pub const MAX_INFO_KEY: usize = 256;
/// Room for an info value with its terminating NUL, in bytes.
pub const MAX_INFO_VAL: usize = 1024;
/// Room for an object's name with its terminating NUL, in bytes.
pub const MAX_OBJECT_NAME: usize = 128;
/// Room for an error string with its terminating NUL, in bytes.
pub const MAX_ERROR_STRING: usize = 512;
/// The largest predefined error code; dynamic classes and codes lie above it.
pub const ERR_LASTCODE: i32 = 0x3fff;

/// The smallest handle value that is not predefined.
pub const FIRST_USER_HANDLE: u32 = 4096;
