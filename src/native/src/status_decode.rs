//! Decoding a native status into the standard's terms.
//!
//! # Safety
//! The lower half's TLS is live; the standard ABI's statuses are decoded by MPI calls that neither block nor call back.

use crate::status::{self, StatusBuf, StatusFields};
use crate::{Family, Native, NativeCode};
use mana_table::fns;

/// The standard ABI's `MPI_BYTE`.
const STANDARD_MPI_BYTE: u64 = 0x247;

impl Native {
    /// Reads a status that the library filled: by its layout where the ABI fixes it, else by asking the library.
    #[must_use]
    pub fn decode_status(&self, status: &StatusBuf) -> StatusFields {
        let raw = status::read(self.family(), status);
        let (count_bytes, cancelled) = raw.received.unwrap_or_else(|| self.ask_received(*status));
        StatusFields {
            source: self.rank_from_native(raw.source),
            tag: self.tag_from_native(raw.tag),
            error_class: self.error_class(NativeCode(raw.error)),
            count_bytes,
            cancelled,
        }
    }

    /// Byte count and cancelled flag of a status of the standard ABI, whose words for them are the library's own.
    fn ask_received(&self, mut status: StatusBuf) -> (i64, bool) {
        debug_assert_eq!(self.family(), Family::StandardAbi);
        let (mut count_bytes, mut cancelled) = (0_i64, 0_i32);
        let address = status.address();
        // SAFETY: MPI_Get_elements_c(const MPI_Status *, MPI_Datatype, MPI_Count *), in the standard ABI's handles.
        let counted = unsafe {
            let count = (&raw mut count_bytes) as u64;
            self.call(
                fns::MPI_GET_ELEMENTS_C,
                &[address, STANDARD_MPI_BYTE, count],
            )
        };
        // SAFETY: MPI_Test_cancelled(const MPI_Status *, int *).
        let tested = unsafe {
            self.call(
                fns::MPI_TEST_CANCELLED,
                &[address, (&raw mut cancelled) as u64],
            )
        };
        debug_assert!(counted.is_success() && tested.is_success());
        (count_bytes, cancelled != 0)
    }
}
