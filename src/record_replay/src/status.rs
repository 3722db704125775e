//! Statuses as values: what `MPI_Status` says, independent of any MPI's layout.

use serde::{Deserialize, Serialize};

use crate::abi::{ANY_SOURCE, ANY_TAG, PROC_NULL};

/// A status. The engine writes it into the application's 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// MPI_SOURCE.
    pub source: i32,
    /// MPI_TAG.
    pub tag: i32,
    /// MPI_ERROR: a code of the standard ABI.
    pub error: i32,
    /// Bytes received: what `MPI_Get_count` and `MPI_Get_elements` divide.
    pub bytes: u64,
    /// What `MPI_Test_cancelled` says.
    pub cancelled: bool,
}

impl Status {
    /// The empty status (MPI 4.1 section 3.7.3): of null and inactive requests and, its source and tag aside, of sends.
    pub const EMPTY: Self = Self {
        source: ANY_SOURCE,
        tag: ANY_TAG,
        error: 0,
        bytes: 0,
        cancelled: false,
    };

    /// The status of a receive from MPI_PROC_NULL (MPI 4.1 section 3.10).
    pub const PROC_NULL: Self = Self {
        source: PROC_NULL,
        ..Self::EMPTY
    };
}

impl Default for Status {
    fn default() -> Self {
        Self::EMPTY
    }
}
