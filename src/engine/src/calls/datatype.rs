//! Derived datatypes: constructors, commit, free.

use mana_record_replay::datatype::{Constructor, Order, SubarrayDim};
use mana_record_replay::handle::DatatypeHandle;
use mana_table::constants as mpi;

use crate::args::Args;
use crate::datatypes;
use crate::error::{Call, MpiError};

/// The datatype handle in argument `i`.
pub fn type_arg(a: &Args<'_>, i: usize) -> Result<DatatypeHandle, MpiError> {
    Ok(DatatypeHandle::from_word(a.raw(i))?)
}

/// Creates a datatype and hands it out through parameter `i`; `_c` functions make large ones.
pub fn hand_out_type(a: &mut Args<'_>, i: usize, constructor: Constructor) -> Call {
    let made = datatypes::create(constructor, a.row().name.ends_with("_c"))?;
    a.set_handle(i, made);
    Ok(())
}

/// `MPI_Type_contiguous(count, oldtype, newtype)`.
pub fn type_contiguous(a: &mut Args<'_>) -> Call {
    let constructor = Constructor::Contiguous { count: a.count(0), old: type_arg(a, 1)? };
    hand_out_type(a, 2, constructor)
}

/// `MPI_Type_vector(count, blocklength, stride, oldtype, newtype)`.
pub fn type_vector(a: &mut Args<'_>) -> Call {
    let constructor = Constructor::Vector {
        count: a.count(0),
        block_length: a.count(1),
        stride: a.count(2),
        old: type_arg(a, 3)?,
    };
    hand_out_type(a, 4, constructor)
}

/// `MPI_Type_create_resized(oldtype, lb, extent, newtype)`.
pub fn type_create_resized(a: &mut Args<'_>) -> Call {
    let constructor = Constructor::Resized { lb: a.count(1), extent: a.count(2), old: type_arg(a, 0)? };
    hand_out_type(a, 3, constructor)
}

/// `MPI_Type_create_subarray(ndims, sizes, subsizes, starts, order, oldtype, newtype)`.
pub fn type_create_subarray(a: &mut Args<'_>) -> Call {
    let ndims = usize::try_from(a.int(0)).map_err(|_| MpiError::argument("ndims is negative"))?;
    let dims = (0..ndims)
        .map(|at| SubarrayDim { size: a.int_at(1, at), subsize: a.int_at(2, at), start: a.int_at(3, at) })
        .collect();
    let constructor = Constructor::Subarray { dims, order: Order::from_abi(a.int(4))?, old: type_arg(a, 5)? };
    hand_out_type(a, 6, constructor)
}

/// `MPI_Type_commit(datatype)`.
pub fn type_commit(a: &mut Args<'_>) -> Call {
    datatypes::commit(DatatypeHandle::from_word(a.handle_at(0, 0))?)
}

/// `MPI_Type_free(datatype)`.
pub fn type_free(a: &mut Args<'_>) -> Call {
    datatypes::free(DatatypeHandle::from_word(a.handle_at(0, 0))?)?;
    a.set_handle(0, mpi::MPI_DATATYPE_NULL);
    Ok(())
}
