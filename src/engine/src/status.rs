//! `MPI_Status` as the application holds it (32 bytes, standard ABI), filled by us so that it stays readable under
//! another MPI: a byte count and a cancelled flag, nothing native.
//!
//! ```text
//!   int:  0      1     2      3           4..5             6..7
//!         SOURCE TAG   ERROR  cancelled   count_bytes i64  reserved (0)
//! ```
//!
//! Images hold such words (in application memory), so the layout is frozen.

use mana_native::StatusFields;
use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

/// How an operation ended, in the standard's numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// Rank of the sender in the communicator.
    pub source: i32,
    /// Tag of the message.
    pub tag: i32,
    /// Error class, `MPI_SUCCESS` when all went well.
    pub error: i32,
    /// Bytes of data received.
    pub count_bytes: i64,
    /// Whether the operation was cancelled.
    pub cancelled: bool,
}

impl Completion {
    /// The empty status (MPI-5.0 section 3.7.3).
    pub const EMPTY: Self = Self {
        source: mpi::MPI_ANY_SOURCE,
        tag: mpi::MPI_ANY_TAG,
        error: mpi::MPI_SUCCESS,
        count_bytes: 0,
        cancelled: false,
    };

    /// What a receive from `MPI_PROC_NULL` reports (MPI-5.0 section 3.11).
    pub const PROC_NULL: Self = Self {
        source: mpi::MPI_PROC_NULL,
        ..Self::EMPTY
    };

    /// The status of a message.
    pub fn message(source: i32, tag: i32, count_bytes: i64) -> Self {
        Self {
            source,
            tag,
            count_bytes,
            ..Self::EMPTY
        }
    }

    /// The status of an operation on a file that moved so many bytes.
    pub fn file(count_bytes: i64) -> Self {
        Self {
            count_bytes,
            ..Self::EMPTY
        }
    }

    /// The words of an `MPI_Status`.
    pub fn words(&self) -> [i32; 8] {
        [
            self.source,
            self.tag,
            self.error,
            i32::from(self.cancelled),
            self.count_bytes as i32,
            (self.count_bytes >> 32) as i32,
            0,
            0,
        ]
    }

    /// Reads the words of an `MPI_Status` back.
    pub fn from_words(words: [i32; 8]) -> Self {
        Self {
            source: words[0],
            tag: words[1],
            error: words[2],
            cancelled: words[3] != 0,
            count_bytes: i64::from(words[4] as u32) | i64::from(words[5]) << 32,
        }
    }
}

impl From<StatusFields> for Completion {
    fn from(native: StatusFields) -> Self {
        Self {
            source: native.source,
            tag: native.tag,
            error: native.error_class,
            count_bytes: native.count_bytes,
            cancelled: native.cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_beyond_32_bits() {
        let status = Completion {
            count_bytes: (7 << 32) | 0xffff_fff0,
            cancelled: true,
            ..Completion::message(3, 9, 0)
        };
        assert_eq!(Completion::from_words(status.words()), status);
    }
}
