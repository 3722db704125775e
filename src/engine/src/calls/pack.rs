//! Packing and unpacking (MPI-5.0 section 5.2), by ourselves: bytes packed under one MPI library are unpacked under
//! another after a restart.
//!
//! ```text
//!   MPI_Pack            elements in type map order, no header: what a message carries, so MPI_PACKED matches any type
//!   MPI_Pack_external   the same in external32: big endian, sizes that are the same everywhere
//! ```

use mana_record_replay::datatype::{Layout, external32_size};
use mana_table::constants as mpi;

use crate::args::Args;
use crate::calls::{layout_arg, type_arg};
use crate::deliver;
use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::p2p;

/// The elements in one side of a call.
struct Elements {
    layout: Layout,
    count: i64,
}

impl Elements {
    /// The elements that count argument `count` and datatype argument `datatype` describe.
    fn of(a: &Args<'_>, count: usize, datatype: usize) -> Result<Self, MpiError> {
        let layout = layout_arg(a, datatype)?;
        if !state()
            .objects
            .datatypes
            .is_committed(type_arg(a, datatype)?)?
        {
            return Err(MpiError::new(
                mpi::MPI_ERR_TYPE,
                "the datatype is not committed",
            ));
        }
        let count = a.count(count);
        if count < 0 {
            return Err(MpiError::new(
                mpi::MPI_ERR_COUNT,
                format!("count {count} is negative"),
            ));
        }
        Ok(Self { layout, count })
    }

    /// Bytes that they are packed.
    fn packed_bytes(&self) -> Result<i64, MpiError> {
        self.count
            .checked_mul(self.layout.size_bytes())
            .ok_or_else(too_many)
    }

    /// Bytes that they are in external32.
    fn external_bytes(&self) -> Result<i64, MpiError> {
        external32_size(&self.layout, self.count).ok_or_else(too_many)
    }
}

/// More bytes than 63 bits count.
fn too_many() -> MpiError {
    MpiError::new(mpi::MPI_ERR_COUNT, "the elements are more than 2^63 bytes")
}

/// The packed side of a call: a buffer, its size, and a position in it that the call moves on.
struct Packed {
    address: u64,
    end: i64,
    position_param: usize,
}

impl Packed {
    /// The next `bytes` in buffer argument `buffer` of size argument `size` at position argument `position`.
    fn at(
        a: &Args<'_>,
        [buffer, size, position]: [usize; 3],
        bytes: i64,
    ) -> Result<Self, MpiError> {
        let (begin, size_bytes) = (a.int_at(position, 0), a.count(size));
        if begin < 0 || begin > size_bytes {
            return Err(MpiError::argument(format!(
                "position {begin} is not in the buffer of {size_bytes} bytes"
            )));
        }
        let end = begin
            .checked_add(bytes)
            .filter(|end| *end <= size_bytes)
            .ok_or_else(|| {
                let class = mpi::MPI_ERR_TRUNCATE;
                MpiError::new(
                    class,
                    format!(
                        "{bytes} bytes at position {begin} do not fit the buffer of {size_bytes}"
                    ),
                )
            })?;
        Ok(Self {
            address: a.raw(buffer).wrapping_add_signed(begin),
            end,
            position_param: position,
        })
    }

    /// The call has packed or unpacked its elements.
    fn advance(&self, a: &mut Args<'_>) -> Call {
        a.set_int(self.position_param, self.end);
        Ok(())
    }
}

/// The data representation in argument 0; external32 is the only one that MPI defines for these functions.
fn check_external32(a: &Args<'_>) -> Call {
    match a.string(0).as_str() {
        "external32" => Ok(()),
        other => Err(MpiError::argument(format!(
            "the data representation is {other:?}, not \"external32\""
        ))),
    }
}

/// `MPI_Pack(inbuf, incount, datatype, outbuf, outsize, position, comm)`.
pub fn pack(a: &mut Args<'_>) -> Call {
    p2p::comm(a.raw(6))?;
    let elements = Elements::of(a, 1, 2)?;
    let packed = Packed::at(a, [3, 4, 5], elements.packed_bytes()?)?;
    deliver::gather(a.raw(0), elements.count, &elements.layout, packed.address);
    packed.advance(a)
}

/// `MPI_Unpack(inbuf, insize, position, outbuf, outcount, datatype, comm)`.
pub fn unpack(a: &mut Args<'_>) -> Call {
    p2p::comm(a.raw(6))?;
    let elements = Elements::of(a, 4, 5)?;
    let packed = Packed::at(a, [0, 1, 2], elements.packed_bytes()?)?;
    deliver::scatter(packed.address, a.raw(3), elements.count, &elements.layout);
    packed.advance(a)
}

/// `MPI_Pack_size(incount, datatype, comm, size)`: `MPI_UNDEFINED` where an `int` cannot hold it.
pub fn pack_size(a: &mut Args<'_>) -> Call {
    p2p::comm(a.raw(2))?;
    let size = Elements::of(a, 0, 1)?.packed_bytes()?;
    a.set_size(3, size);
    Ok(())
}

/// `MPI_Pack_external(datarep, inbuf, incount, datatype, outbuf, outsize, position)`.
pub fn pack_external(a: &mut Args<'_>) -> Call {
    check_external32(a)?;
    let elements = Elements::of(a, 2, 3)?;
    let packed = Packed::at(a, [4, 5, 6], elements.external_bytes()?)?;
    deliver::gather_external32(a.raw(1), elements.count, &elements.layout, packed.address);
    packed.advance(a)
}

/// `MPI_Unpack_external(datarep, inbuf, insize, position, outbuf, outcount, datatype)`.
pub fn unpack_external(a: &mut Args<'_>) -> Call {
    check_external32(a)?;
    let elements = Elements::of(a, 5, 6)?;
    let packed = Packed::at(a, [1, 2, 3], elements.external_bytes()?)?;
    deliver::scatter_external32(packed.address, a.raw(4), elements.count, &elements.layout);
    packed.advance(a)
}

/// `MPI_Pack_external_size(datarep, incount, datatype, size)`.
pub fn pack_external_size(a: &mut Args<'_>) -> Call {
    check_external32(a)?;
    let size = Elements::of(a, 1, 2)?.external_bytes()?;
    a.set_int(3, size);
    Ok(())
}
