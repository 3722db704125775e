//! Control variables of the tool information interface (MPI-5.0 section 15.3.6); see [`crate::tools::cvars`].

use mana_table::constants as mpi;

use super::tool::{index_by_name, put_string};
use crate::args::Args;
use crate::error::Call;
use crate::tools::{self, cvars, error};

/// `MPI_T_cvar_get_num(num_cvar)`.
pub fn t_cvar_get_num(a: &mut Args<'_>) -> Call {
    drop(tools::locked()?);
    a.set_int(0, cvars::CVARS.len() as i64);
    Ok(())
}

/// `MPI_T_cvar_get_index(name, cvar_index)`.
pub fn t_cvar_get_index(a: &mut Args<'_>) -> Call {
    drop(tools::locked()?);
    let index = index_by_name(a, cvars::CVARS.iter().map(|row| row.name))?;
    a.set_int(1, index);
    Ok(())
}

/// `MPI_T_cvar_get_info(cvar_index, name, name_len, verbosity, datatype, enumtype, desc, desc_len, bind, scope)`.
pub fn t_cvar_get_info(a: &mut Args<'_>) -> Call {
    let (cvar, datatype) = {
        let state = tools::locked()?;
        let cvar = cvars::by_index(a.int(0))?;
        (cvar, cvars::datatype(&state, cvar))
    };
    put_string(a, 1, 2, cvar.name);
    a.set_int(3, i64::from(cvar.verbosity));
    a.set_handle(4, datatype);
    a.set_handle(5, cvar.enumeration);
    put_string(a, 6, 7, cvar.description);
    a.set_int(8, i64::from(mpi::MPI_T_BIND_NO_OBJECT));
    a.set_int(9, i64::from(cvar.scope));
    Ok(())
}

/// `MPI_T_cvar_handle_alloc(cvar_index, obj_handle, handle, count)`.
pub fn t_cvar_handle_alloc(a: &mut Args<'_>) -> Call {
    let (handle, count) = cvars::allocate(&mut *tools::locked()?, a.int(0))?;
    a.set_handle(2, handle);
    a.set_int(3, count as i64);
    Ok(())
}

/// `MPI_T_cvar_handle_free(handle)`.
pub fn t_cvar_handle_free(a: &mut Args<'_>) -> Call {
    let mut state = tools::locked()?;
    cvars::free(&mut state, a.handle_at(0, 0))?;
    a.set_handle(0, mpi::MPI_T_CVAR_HANDLE_NULL);
    Ok(())
}

/// `MPI_T_cvar_read(handle, buf)`.
pub fn t_cvar_read(a: &mut Args<'_>) -> Call {
    let value = cvars::read(&*tools::locked()?, a.raw(0))?;
    for (at, byte) in value.bytes().into_iter().enumerate() {
        a.write_at(1, at, byte);
    }
    Ok(())
}

/// `MPI_T_cvar_write(handle, buf)`.
pub fn t_cvar_write(a: &mut Args<'_>) -> Call {
    let mut state = tools::locked()?;
    if a.is_null(1) {
        return Err(error(mpi::MPI_T_ERR_INVALID, "the buffer is null"));
    }
    cvars::write(
        &mut state,
        a.raw(0),
        || a.read_at(1, 0),
        || f64::from_bits(a.read_at(1, 0)),
    )
}
