//! Buffers for buffered sends (MPI 4.1 section 3.6).

use serde::{Deserialize, Serialize};

use crate::address::UpperAddress;

/// A buffer that the application attached to the process, a communicator or a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AttachedBuffer {
    /// Where it is; 2 is MPI_BUFFER_AUTOMATIC, memory that the library provides.
    pub address: UpperAddress,
    /// Its size in bytes.
    pub size_bytes: i64,
}
