//! Predefined objects other than datatypes: their handle in each ABI.
//!
//! MPICH's handles are bit fields (kind and index), Open MPI's are the addresses of data symbols, the standard ABI's
//! are small numbers (MPI 5.0 section 20.3.3). Each row is checked against the headers by the tests.

use crate::predefined::Mpich::{self, Always};

/// One predefined object.
#[derive(Debug, Clone, Copy)]
pub struct ObjectRow {
    /// The name in `mpi.h`.
    pub name: &'static str,
    /// The standard ABI's handle.
    pub standard: u16,
    /// The MPICH ABI's handle.
    pub mpich: Mpich,
    /// The data symbol whose address is Open MPI's handle; empty if Open MPI has none.
    pub open_mpi: &'static str,
}

const fn object(
    name: &'static str,
    standard: u16,
    mpich: Mpich,
    open_mpi: &'static str,
) -> ObjectRow {
    ObjectRow {
        name,
        standard,
        mpich,
        open_mpi,
    }
}

/// Every predefined handle of the standard ABI that is no datatype.
#[rustfmt::skip] // a row a line
pub static OBJECTS: &[ObjectRow] = &[
    // Operations.
    object("MPI_OP_NULL", 0x20, Always(0x1800_0000), "ompi_mpi_op_null"),
    object("MPI_SUM", 0x21, Always(0x5800_0003), "ompi_mpi_op_sum"),
    object("MPI_MIN", 0x22, Always(0x5800_0002), "ompi_mpi_op_min"),
    object("MPI_MAX", 0x23, Always(0x5800_0001), "ompi_mpi_op_max"),
    object("MPI_PROD", 0x24, Always(0x5800_0004), "ompi_mpi_op_prod"),
    object("MPI_BAND", 0x28, Always(0x5800_0006), "ompi_mpi_op_band"),
    object("MPI_BOR", 0x29, Always(0x5800_0008), "ompi_mpi_op_bor"),
    object("MPI_BXOR", 0x2a, Always(0x5800_000a), "ompi_mpi_op_bxor"),
    object("MPI_LAND", 0x30, Always(0x5800_0005), "ompi_mpi_op_land"),
    object("MPI_LOR", 0x31, Always(0x5800_0007), "ompi_mpi_op_lor"),
    object("MPI_LXOR", 0x32, Always(0x5800_0009), "ompi_mpi_op_lxor"),
    object("MPI_MINLOC", 0x38, Always(0x5800_000b), "ompi_mpi_op_minloc"),
    object("MPI_MAXLOC", 0x39, Always(0x5800_000c), "ompi_mpi_op_maxloc"),
    object("MPI_REPLACE", 0x3c, Always(0x5800_000d), "ompi_mpi_op_replace"),
    object("MPI_NO_OP", 0x3d, Always(0x5800_000e), "ompi_mpi_op_no_op"),
    // Communicators and groups. MPICH has no symbol for the null session before version 4, but no session either.
    object("MPI_COMM_NULL", 0x100, Always(0x0400_0000), "ompi_mpi_comm_null"),
    object("MPI_COMM_WORLD", 0x101, Always(0x4400_0000), "ompi_mpi_comm_world"),
    object("MPI_COMM_SELF", 0x102, Always(0x4400_0001), "ompi_mpi_comm_self"),
    object("MPI_GROUP_NULL", 0x108, Always(0x0800_0000), "ompi_mpi_group_null"),
    object("MPI_GROUP_EMPTY", 0x109, Always(0x4800_0000), "ompi_mpi_group_empty"),
    // Windows, files, sessions, messages.
    object("MPI_WIN_NULL", 0x110, Always(0x2000_0000), "ompi_mpi_win_null"),
    object("MPI_FILE_NULL", 0x118, Always(0), "ompi_mpi_file_null"),
    object("MPI_SESSION_NULL", 0x120, Always(0x3800_0000), "ompi_mpi_instance_null"),
    object("MPI_MESSAGE_NULL", 0x128, Always(0x2c00_0000), "ompi_message_null"),
    object("MPI_MESSAGE_NO_PROC", 0x129, Always(0x6c00_0000), "ompi_message_no_proc"),
    // Infos, error handlers, requests.
    object("MPI_INFO_NULL", 0x130, Always(0x1c00_0000), "ompi_mpi_info_null"),
    object("MPI_INFO_ENV", 0x131, Always(0x5c00_0001), "ompi_mpi_info_env"),
    object("MPI_ERRHANDLER_NULL", 0x140, Always(0x1400_0000), "ompi_mpi_errhandler_null"),
    object("MPI_ERRORS_ARE_FATAL", 0x141, Always(0x5400_0000), "ompi_mpi_errors_are_fatal"),
    object("MPI_ERRORS_ABORT", 0x142, Always(0x5400_0003), "ompi_mpi_errors_abort"),
    object("MPI_ERRORS_RETURN", 0x143, Always(0x5400_0001), "ompi_mpi_errors_return"),
    object("MPI_REQUEST_NULL", 0x180, Always(0x2c00_0000), "ompi_request_null"),
];
