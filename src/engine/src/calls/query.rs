//! Slow paths of the queries that [`crate::local`] answers without switching halves: reached only when the answer is
//! an error, or needs more than the published tables.

use mana_table::constants as mpi;

use crate::args::Args;
use crate::error::{Call, MpiError};
use crate::status::Completion;
use crate::{local, p2p, publish, wait};

/// `MPI_Comm_rank(comm, rank)`.
pub fn comm_rank(a: &mut Args<'_>) -> Call {
    let rank = p2p::comm(a.raw(0))?.rank();
    a.set_int(1, i64::from(rank));
    Ok(())
}

/// `MPI_Comm_size(comm, size)`.
pub fn comm_size(a: &mut Args<'_>) -> Call {
    let size = p2p::comm(a.raw(0))?.size();
    a.set_int(1, i64::from(size));
    Ok(())
}

/// The size in bytes of a live datatype.
fn size_bytes(handle: u64) -> Result<i64, MpiError> {
    publish::datatype(handle)
        .map(publish::TypeSlot::size_bytes)
        .ok_or_else(|| MpiError::bad_handle(mpi::MPI_ERR_TYPE, "datatype", handle))
}

/// `MPI_Type_size(datatype, size)` and `MPI_Type_size_x`, `_c`: `MPI_UNDEFINED` where an `int` cannot hold it.
pub fn type_size(a: &mut Args<'_>) -> Call {
    let size = size_bytes(a.raw(0))?;
    a.set_size(1, size);
    Ok(())
}

/// `MPI_Type_size_x(datatype, size)`.
pub fn type_size_x(a: &mut Args<'_>) -> Call {
    type_size(a)
}

/// `MPI_Get_count(status, datatype, count)`.
pub fn get_count(a: &mut Args<'_>) -> Call {
    let Completion { count_bytes, .. } = wait::read_status(a, 0, 0);
    let size = size_bytes(a.raw(1))?;
    let count = if a.is_wide(2) && size > 0 && count_bytes % size == 0 {
        count_bytes / size
    } else {
        i64::from(local::whole_elements(count_bytes, size))
    };
    a.set_int(2, count);
    Ok(())
}

/// `MPI_Wtime`, which the gate answers locally; a crossing cannot return a double.
pub fn wtime(_a: &mut Args<'_>) -> Call {
    Err(MpiError::new(
        mpi::MPI_ERR_INTERN,
        "MPI_Wtime is answered without a crossing",
    ))
}

/// `MPI_Wtick`, as [`wtime`].
pub fn wtick(_a: &mut Args<'_>) -> Call {
    wtime(_a)
}

/// `MPI_Aint_add`, as [`wtime`].
pub fn aint_add(_a: &mut Args<'_>) -> Call {
    wtime(_a)
}

/// `MPI_Aint_diff`, as [`wtime`].
pub fn aint_diff(_a: &mut Args<'_>) -> Call {
    wtime(_a)
}
