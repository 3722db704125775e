//! Counts that an `int` cannot hold, for a library whose functions take an `int`: one element of a type that is so many.
//!
//! ```text
//!   count = q * CHUNK + r       |-- contiguous(q, contiguous(CHUNK, T)) --|-- r of T --|    a struct of the two,
//!                               0                                          q * CHUNK * extent     its extent set
//! ```
//!
//! The type signature is the same as that of `count` elements, so the other side may use any form. MPI lets a type be
//! freed while a communication uses it: it may go as soon as the call that uses it has returned.

use mana_native::Native;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::error::MpiError;
use crate::native_call;

/// Elements of an inner block.
const CHUNK: i64 = 1 << 30;

/// A committed native type that is freed when this goes.
pub struct LargeType {
    native: &'static Native,
    below: u64,
}

impl LargeType {
    /// The type that is `count` elements of native type `element`.
    pub fn new(native: &'static Native, element: u64, count: i64) -> Result<Self, MpiError> {
        let (lb, extent) = extent_of(native, element)?;
        let too_many = || {
            MpiError::new(
                mpi::MPI_ERR_COUNT,
                format!("{count} elements of {extent} bytes exceed 2^63 bytes"),
            )
        };
        let (full, rest) = (count / CHUNK, count % CHUNK);
        let whole = count.checked_mul(extent).ok_or_else(too_many)?;
        i32::try_from(full).map_err(|_| too_many())?;
        let block = Self::contiguous(native, element, CHUNK)?;
        let blocks = Self::contiguous(native, block.below, full)?;
        let displacements = [0, full * CHUNK * extent];
        let lengths = 1_u64 | (rest as u64) << 32;
        let types = native_call::handle_array(native, &[blocks.below, element]);
        let joined = Self::made(native, |out| {
            native_call::call(
                native,
                fns::MPI_TYPE_CREATE_STRUCT,
                &[
                    if rest == 0 { 1 } else { 2 },
                    (&raw const lengths) as u64,
                    displacements.as_ptr() as u64,
                    types.as_ptr() as u64,
                    out,
                ],
            )
        })?;
        let mut sized = Self::made(native, |out| {
            let arguments = [joined.below, lb as u64, whole as u64, out];
            native_call::call(native, fns::MPI_TYPE_CREATE_RESIZED, &arguments)
        })?;
        let place = native_call::out(&mut sized.below);
        native_call::call(native, fns::MPI_TYPE_COMMIT, &[place])?;
        Ok(sized)
    }

    /// `MPI_Type_contiguous`.
    fn contiguous(native: &'static Native, of: u64, count: i64) -> Result<Self, MpiError> {
        Self::made(native, |out| {
            native_call::call(native, fns::MPI_TYPE_CONTIGUOUS, &[count as u64, of, out])
        })
    }

    /// The type that `make` puts at the address it is given.
    fn made(
        native: &'static Native,
        make: impl FnOnce(u64) -> Result<(), MpiError>,
    ) -> Result<Self, MpiError> {
        let mut below = 0_u64;
        make(native_call::out(&mut below))?;
        Ok(Self { native, below })
    }

    /// The native handle.
    pub fn below(&self) -> u64 {
        self.below
    }
}

impl Drop for LargeType {
    fn drop(&mut self) {
        let place = native_call::out(&mut self.below);
        native_call::raw(self.native, fns::MPI_TYPE_FREE, &[place]);
    }
}

/// Lower bound and extent of a native type.
pub fn extent_of(native: &Native, element: u64) -> Result<(i64, i64), MpiError> {
    let (mut lb, mut extent) = (0_u64, 0_u64);
    let arguments = [
        element,
        native_call::out(&mut lb),
        native_call::out(&mut extent),
    ];
    native_call::call(native, fns::MPI_TYPE_GET_EXTENT, &arguments)?;
    Ok((lb as i64, extent as i64))
}

/// `count` elements of a native type as the library takes them: count word and type, and what must live until the call
/// has returned.
pub struct Counted {
    /// The count, which fits an `int`.
    pub count: u64,
    /// The native type.
    pub datatype: u64,
    _large: Option<LargeType>,
}

impl Counted {
    /// `count` elements of `datatype`.
    #[inline]
    pub fn new(native: &'static Native, count: i64, datatype: u64) -> Result<Self, MpiError> {
        if let Ok(count) = i32::try_from(count) {
            return Ok(Self {
                count: count as u64,
                datatype,
                _large: None,
            });
        }
        let large = LargeType::new(native, datatype, count)?;
        Ok(Self {
            count: 1,
            datatype: large.below(),
            _large: Some(large),
        })
    }
}
