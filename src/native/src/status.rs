//! Statuses: where each ABI keeps source, tag, error, byte count and the cancelled flag.
//!
//! ```text
//!   offset      0         4          8        12       16        20       24        32
//!   standard    SOURCE    TAG        ERROR    internal[5] ...............................   32 bytes
//!   MPICH       count_lo  hi|cancel  SOURCE   TAG      ERROR                                20 bytes
//!   Open MPI    SOURCE    TAG        ERROR    cancel   ucount (8 bytes)                     24 bytes
//! ```
//!
//! `hi|cancel` is the count's upper 31 bits shifted left by one, with the cancelled flag in bit 0. What the standard
//! ABI keeps in its internal words is the library's own business, so those two are asked for by MPI calls
//! (see [`crate::Native::decode_status`]).

use crate::Family;

/// The largest `MPI_Status` of the three ABIs, in 4-byte words.
const WORDS: usize = 8;
const WORD_BYTES: usize = size_of::<i32>();

/// Scratch memory for one native `MPI_Status`, large enough for every family.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(8))]
pub struct StatusBuf {
    words: [i32; WORDS],
}

impl StatusBuf {
    /// An empty status.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: [0; WORDS] }
    }

    /// Its address, as an argument of [`crate::Native::call`]; valid while `self` stays where it is.
    pub fn address(&mut self) -> u64 {
        self.words.as_mut_ptr() as u64
    }
}

/// Scratch memory for `array_of_statuses[]`, with the family's distance between elements.
#[derive(Debug)]
pub struct StatusArray {
    stride_words: usize,
    /// Kept as 8-byte units for alignment; each holds two words.
    units: Vec<[i32; 2]>,
    len: usize,
}

impl StatusArray {
    /// An array of `len` empty statuses.
    #[must_use]
    pub fn new(family: Family, len: usize) -> Self {
        let stride_words = status_layout(family).size_bytes / WORD_BYTES;
        Self {
            stride_words,
            units: vec![[0; 2]; (len * stride_words).div_ceil(2)],
            len,
        }
    }

    /// How many statuses there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The array's address, as an argument of [`crate::Native::call`].
    pub fn address(&mut self) -> u64 {
        self.units.as_mut_ptr() as u64
    }

    /// A copy of the status at `index`, for [`crate::Native::decode_status`].
    ///
    /// # Panics
    /// If `index` is not below [`StatusArray::len`].
    #[must_use]
    pub fn get(&self, index: usize) -> StatusBuf {
        assert!(index < self.len, "status {index} of {}", self.len);
        let from = index * self.stride_words;
        let mut status = StatusBuf::new();
        status.words[..self.stride_words]
            .copy_from_slice(&self.units.as_flattened()[from..from + self.stride_words]);
        status
    }
}

/// Where a family keeps what in its `MPI_Status`, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusLayout {
    /// `sizeof(MPI_Status)`: the distance between elements of an array.
    pub size_bytes: usize,
    /// Offset of `MPI_SOURCE`.
    pub source_at: usize,
    /// Offset of `MPI_TAG`.
    pub tag_at: usize,
    /// Offset of `MPI_ERROR`.
    pub error_at: usize,
    /// Where count and cancelled flag are; `None` where the ABI leaves that to the library.
    pub received_at: Option<ReceivedAt>,
}

/// Where the count and the cancelled flag are, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceivedAt {
    /// MPICH: the count's low word, then its high 31 bits above the cancelled flag.
    Packed {
        /// Offset of `count_lo`.
        low_at: usize,
        /// Offset of `count_hi_and_cancelled`.
        high_and_cancelled_at: usize,
    },
    /// Open MPI: a flag and a 64-bit count.
    Plain {
        /// Offset of `_cancelled`.
        cancelled_at: usize,
        /// Offset of `_ucount`.
        count_at: usize,
    },
}

/// The layout of `MPI_Status` in a family's `mpi.h`.
#[must_use]
pub const fn status_layout(family: Family) -> StatusLayout {
    match family {
        Family::StandardAbi => StatusLayout {
            size_bytes: 32,
            source_at: 0,
            tag_at: 4,
            error_at: 8,
            received_at: None,
        },
        Family::Mpich => StatusLayout {
            size_bytes: 20,
            source_at: 8,
            tag_at: 12,
            error_at: 16,
            received_at: Some(ReceivedAt::Packed {
                low_at: 0,
                high_and_cancelled_at: 4,
            }),
        },
        Family::OpenMpi => StatusLayout {
            size_bytes: 24,
            source_at: 0,
            tag_at: 4,
            error_at: 8,
            received_at: Some(ReceivedAt::Plain {
                cancelled_at: 12,
                count_at: 16,
            }),
        },
    }
}

/// What a status says, in the standard ABI's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct StatusFields {
    /// `MPI_SOURCE`, with the standard's `MPI_ANY_SOURCE` (of an empty status) and `MPI_PROC_NULL`.
    pub source: i32,
    /// `MPI_TAG`, with the standard's `MPI_ANY_TAG`.
    pub tag: i32,
    /// `MPI_ERROR` as a class of the standard. Only calls that complete several requests set it.
    pub error_class: i32,
    /// Bytes received.
    pub count_bytes: i64,
    /// `MPI_Test_cancelled`.
    pub cancelled: bool,
}

/// A status in native values, before its constants are translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawStatus {
    pub source: i32,
    pub tag: i32,
    pub error: i32,
    /// Count and cancelled flag; `None` where the layout does not tell.
    pub received: Option<(i64, bool)>,
}

/// Reads the words of a native status.
#[inline]
pub(crate) fn read(family: Family, status: &StatusBuf) -> RawStatus {
    let layout = status_layout(family);
    let word = |at_bytes: usize| status.words[at_bytes / WORD_BYTES];
    let count = |low: i32, high: u32| (i64::from(high) << 32) | i64::from(low.cast_unsigned());
    let received = layout.received_at.map(|at| match at {
        ReceivedAt::Packed {
            low_at,
            high_and_cancelled_at,
        } => {
            let high_and_cancelled = word(high_and_cancelled_at).cast_unsigned();
            (
                count(word(low_at), high_and_cancelled >> 1),
                high_and_cancelled & 1 == 1,
            )
        }
        ReceivedAt::Plain {
            cancelled_at,
            count_at,
        } => {
            let high = word(count_at + WORD_BYTES).cast_unsigned();
            (count(word(count_at), high), word(cancelled_at) != 0)
        }
    });
    RawStatus {
        source: word(layout.source_at),
        tag: word(layout.tag_at),
        error: word(layout.error_at),
        received,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_beyond_four_gibibytes_survive() {
        let count = 0x12_3456_789a_i64;
        let (low, high) = (count as i32, (count >> 32) as i32);
        let mpich = StatusBuf {
            words: [low, high << 1 | 1, 3, 4, 5, 0, 0, 0],
        };
        assert_eq!(
            read(Family::Mpich, &mpich),
            RawStatus {
                source: 3,
                tag: 4,
                error: 5,
                received: Some((count, true))
            }
        );
        let open_mpi = StatusBuf {
            words: [3, 4, 5, 0, low, high, 0, 0],
        };
        assert_eq!(
            read(Family::OpenMpi, &open_mpi),
            RawStatus {
                source: 3,
                tag: 4,
                error: 5,
                received: Some((count, false))
            }
        );
    }

    #[test]
    fn elements_of_an_array_do_not_overlap() {
        for family in [Family::StandardAbi, Family::Mpich, Family::OpenMpi] {
            let mut array = StatusArray::new(family, 3);
            let words = array.stride_words;
            array
                .units
                .as_flattened_mut()
                .iter_mut()
                .zip(0..)
                .for_each(|(word, number)| *word = number);
            assert_eq!(array.get(2).words[0], (2 * words) as i32, "{family}");
            assert_eq!(array.address() % 8, 0);
        }
    }
}
