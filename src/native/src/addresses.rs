//! Addresses that mean something else than memory: `MPI_IN_PLACE`, `MPI_STATUS_IGNORE` and their like.

use crate::{Family, int};

/// The special addresses of one ABI, as its `mpi.h` defines them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// `MPI_BOTTOM`.
    pub bottom: u64,
    /// `MPI_IN_PLACE`.
    pub in_place: u64,
    /// `MPI_STATUS_IGNORE`.
    pub status_ignore: u64,
    /// `MPI_STATUSES_IGNORE`.
    pub statuses_ignore: u64,
    /// `MPI_UNWEIGHTED`.
    pub unweighted: u64,
    /// `MPI_WEIGHTS_EMPTY`.
    pub weights_empty: u64,
    /// `MPI_BUFFER_AUTOMATIC`, where the ABI has it (MPI 4.1).
    pub buffer_automatic: Option<u64>,
    /// `MPI_ERRCODES_IGNORE`.
    pub errcodes_ignore: u64,
    /// `MPI_ARGV_NULL`; `MPI_ARGVS_NULL` is the same.
    pub argv_null: u64,
}

impl Addresses {
    /// The addresses of `family`. The MPICH ABI keeps `MPI_UNWEIGHTED` and `MPI_WEIGHTS_EMPTY` in variables of the
    /// library; what is in them is given as `mpich_variables`, which the other families ignore.
    #[must_use]
    pub const fn of(family: Family, mpich_variables: [u64; 2]) -> Self {
        match family {
            Family::StandardAbi => Self {
                bottom: 0,
                in_place: 1,
                status_ignore: 0,
                statuses_ignore: 0,
                unweighted: 10,
                weights_empty: 11,
                buffer_automatic: Some(2),
                errcodes_ignore: 0,
                argv_null: 0,
            },
            Family::Mpich => Self {
                bottom: 0,
                in_place: int(-1),
                status_ignore: 1,
                statuses_ignore: 1,
                unweighted: mpich_variables[0],
                weights_empty: mpich_variables[1],
                buffer_automatic: Some(int(-2)),
                errcodes_ignore: 0,
                argv_null: 0,
            },
            Family::OpenMpi => Self {
                bottom: 0,
                in_place: 1,
                status_ignore: 0,
                statuses_ignore: 0,
                unweighted: 2,
                weights_empty: 3,
                buffer_automatic: None,
                errcodes_ignore: 0,
                argv_null: 0,
            },
        }
    }
}
