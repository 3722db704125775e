//! From bytes received to counts: `MPI_Get_count` and `MPI_Get_elements` (MPI 4.1 sections 3.2.5 and 5.1.11).

use super::layout::Layout;
use super::shape::{Amount, Limit};

impl Layout {
    /// How many of this datatype `bytes` are, or None (MPI_UNDEFINED) when they are no whole number of them. A type
    /// without data makes 0 of 0 bytes.
    #[must_use]
    pub fn count_in(&self, bytes: u64) -> Option<i64> {
        let size = self.size_bytes() as u64;
        if size == 0 {
            return (bytes == 0).then_some(0);
        }
        bytes.is_multiple_of(size).then_some((bytes / size) as i64)
    }

    /// How many basic elements `bytes` are, or None (MPI_UNDEFINED) when they end within an element.
    #[must_use]
    pub fn elements_in(&self, bytes: u64) -> Option<i64> {
        let size = self.size_bytes() as u64;
        if size == 0 {
            return (bytes == 0).then_some(0);
        }
        let (whole, rest) = ((bytes / size) as i64, (bytes % size) as i64);
        let part = self.part(Limit::Bytes(rest));
        (part.bytes == rest)
            .then_some(part.elements)?
            .checked_add(whole.checked_mul(self.elements())?)
    }

    /// The bytes that `elements` basic elements are: what `MPI_Status_set_elements` stores. None when the type has no
    /// elements and some are asked for, or when it is too many bytes.
    #[must_use]
    pub fn bytes_of_elements(&self, elements: i64) -> Option<u64> {
        if self.elements() == 0 {
            return (elements == 0).then_some(0);
        }
        let (whole, rest) = (elements / self.elements(), elements % self.elements());
        let bytes = whole
            .checked_mul(self.size_bytes())?
            .checked_add(self.part(Limit::Elements(rest)).bytes)?;
        u64::try_from(bytes).ok()
    }

    /// The beginning of one datatype.
    fn part(&self, limit: Limit) -> Amount {
        self.body().shape.as_ref().map_or(
            Amount {
                bytes: 0,
                elements: 0,
            },
            |shape| shape.prefix(limit),
        )
    }
}
