//! Sizes in the external32 representation (MPI 4.1 section 14.5.2): big endian, and types of fixed sizes.

use super::layout::Layout;
use super::predefined::predefined;

/// `MPI_Pack_external_size`: bytes of `count` elements in the external32 representation, or None beyond 63 bits.
#[must_use]
pub fn external32_size(layout: &Layout, count: i64) -> Option<i64> {
    let mut bytes = 0_i64;
    for run in layout.basic_runs(1) {
        let row = predefined(run.basic)?;
        let elements = run.run.length / i64::from(row.size_bytes);
        bytes = bytes.checked_add(elements.checked_mul(i64::from(row.external32_bytes))?)?;
    }
    bytes.checked_mul(count)
}
