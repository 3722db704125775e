//! What a datatype is: bounds, name, and the predefined types by what they are. All answered from the descriptors,
//! equally under every MPI library.

use mana_record_replay::datatype::{Layout, PREDEFINED, match_size};
use mana_record_replay::handle::DatatypeHandle;
use mana_table::constants as mpi;

use crate::args::Args;
use crate::calls::type_arg;
use crate::engine::state;
use crate::error::{Call, MpiError};

/// The layout of the datatype in argument `i`.
pub fn layout_arg(a: &Args<'_>, i: usize) -> Result<Layout, MpiError> {
    let datatype = type_arg(a, i)?;
    Ok(state().objects.datatypes.layout(datatype)?.clone())
}

/// `MPI_Type_get_extent(datatype, lb, extent)`.
pub fn type_get_extent(a: &mut Args<'_>) -> Call {
    let layout = layout_arg(a, 0)?;
    a.set_int(1, layout.lb());
    a.set_int(2, layout.extent());
    Ok(())
}

/// `MPI_Type_get_extent_x(datatype, lb, extent)`.
pub fn type_get_extent_x(a: &mut Args<'_>) -> Call {
    type_get_extent(a)
}

/// `MPI_Type_get_true_extent(datatype, true_lb, true_extent)`.
pub fn type_get_true_extent(a: &mut Args<'_>) -> Call {
    let layout = layout_arg(a, 0)?;
    a.set_int(1, layout.true_lb());
    a.set_int(2, layout.true_extent());
    Ok(())
}

/// `MPI_Type_get_true_extent_x(datatype, true_lb, true_extent)`.
pub fn type_get_true_extent_x(a: &mut Args<'_>) -> Call {
    type_get_true_extent(a)
}

/// `MPI_Type_get_name(datatype, type_name, resultlen)`.
pub fn type_get_name(a: &mut Args<'_>) -> Call {
    let datatype = type_arg(a, 0)?;
    let name = state().objects.datatypes.name(datatype)?;
    let len = a.set_string(
        1,
        &name.to_string_lossy(),
        mpi::MPI_MAX_OBJECT_NAME as usize,
    );
    a.set_int(2, len as i64);
    Ok(())
}

/// `MPI_Type_set_name(datatype, type_name)`.
pub fn type_set_name(a: &mut Args<'_>) -> Call {
    let datatype = type_arg(a, 0)?;
    let name = std::ffi::CString::new(a.string(1))
        .map_err(|error| MpiError::argument(error.to_string()))?;
    Ok(state().objects.datatypes.set_name(datatype, &name)?)
}

/// `MPI_Type_match_size(typeclass, size, datatype)`.
pub fn type_match_size(a: &mut Args<'_>) -> Call {
    let found = match_size(a.int(0), a.int(1))?;
    a.set_handle(2, u64::from(found.word()));
    Ok(())
}

/// `MPI_Type_get_value_index(value_type, index_type, pair_type)`: `MPI_DATATYPE_NULL` where there is no such pair.
pub fn type_get_value_index(a: &mut Args<'_>) -> Call {
    let (value, index) = (type_arg(a, 0)?, type_arg(a, 1)?);
    for datatype in [value, index] {
        // Dead handles and MPI_DATATYPE_NULL have no layout.
        state().objects.datatypes.layout(datatype)?;
    }
    let is_pair = |parts: [(u8, DatatypeHandle); 2]| parts[0].1 == value && parts[1].1 == index;
    let pair = PREDEFINED.iter().find(|row| row.parts.is_some_and(is_pair));
    a.set_handle(
        2,
        pair.map_or(mpi::MPI_DATATYPE_NULL, |row| u64::from(row.handle.word())),
    );
    Ok(())
}
