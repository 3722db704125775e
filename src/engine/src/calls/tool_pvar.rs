//! Performance variables of the tool information interface (MPI-5.0 section 15.3.7); see [`crate::tools::pvars`].

use mana_table::constants as mpi;

use super::tool::{index_by_name, put_string};
use crate::args::Args;
use crate::engine::State;
use crate::error::{Call, MpiError};
use crate::tools::{self, error, pvars};

/// `MPI_T_pvar_get_num(num_pvar)`.
pub fn t_pvar_get_num(a: &mut Args<'_>) -> Call {
    drop(tools::locked()?);
    a.set_int(0, pvars::PVARS.len() as i64);
    Ok(())
}

/// `MPI_T_pvar_get_index(name, var_class, pvar_index)`.
pub fn t_pvar_get_index(a: &mut Args<'_>) -> Call {
    drop(tools::locked()?);
    let index = index_by_name(a, pvars::PVARS.iter().map(|row| row.name))?;
    let class = pvars::PVARS[index as usize].class;
    if class != a.int(1) {
        return Err(error(
            mpi::MPI_T_ERR_INVALID_NAME,
            format!("the variable is of class {class}, not {}", a.int(1)),
        ));
    }
    a.set_int(2, index);
    Ok(())
}

/// `MPI_T_pvar_get_info(pvar_index, name, name_len, verbosity, var_class, datatype, enumtype, desc, desc_len, bind,
/// readonly, continuous, atomic)`.
pub fn t_pvar_get_info(a: &mut Args<'_>) -> Call {
    drop(tools::locked()?);
    let pvar = pvars::by_index(a.int(0))?;
    put_string(a, 1, 2, pvar.name);
    a.set_int(3, i64::from(pvar.verbosity));
    a.set_int(4, i64::from(pvar.class));
    a.set_handle(5, pvar.datatype());
    a.set_handle(6, pvar.enumeration());
    put_string(a, 7, 8, pvar.description);
    a.set_int(9, i64::from(pvar.bind));
    a.set_flag(10, pvar.is_continuous());
    a.set_flag(11, pvar.is_continuous());
    // Reading and resetting is one step under the lock, where resetting is allowed.
    a.set_flag(12, !pvar.is_continuous());
    Ok(())
}

/// `MPI_T_pvar_session_create(pe_session)`.
pub fn t_pvar_session_create(a: &mut Args<'_>) -> Call {
    let session = pvars::open(&mut *tools::locked()?)?;
    a.set_handle(0, session);
    Ok(())
}

/// `MPI_T_pvar_session_free(pe_session)`.
pub fn t_pvar_session_free(a: &mut Args<'_>) -> Call {
    let mut state = tools::locked()?;
    pvars::close(&mut state, a.handle_at(0, 0))?;
    a.set_handle(0, mpi::MPI_T_PVAR_SESSION_NULL);
    Ok(())
}

/// `MPI_T_pvar_handle_alloc(pe_session, pvar_index, obj_handle, handle, count)`.
pub fn t_pvar_handle_alloc(a: &mut Args<'_>) -> Call {
    let handle = {
        let mut state = tools::locked()?;
        let object = || (!a.is_null(2)).then(|| a.read_at::<u64>(2, 0));
        pvars::allocate(&mut state, a.raw(0), a.int(1), object)?
    };
    a.set_handle(3, handle);
    a.set_int(4, 1);
    Ok(())
}

/// `MPI_T_pvar_handle_free(pe_session, handle)`.
pub fn t_pvar_handle_free(a: &mut Args<'_>) -> Call {
    let mut state = tools::locked()?;
    pvars::free(&mut state, a.raw(0), a.handle_at(1, 0))?;
    a.set_handle(1, mpi::MPI_T_PVAR_HANDLE_NULL);
    Ok(())
}

/// Does something to the handle of argument 1, or to all of the session for which it makes sense: those are passed over
/// that are continuous or read-only, or as they are to be already (MPI-5.0 section 15.3.7).
fn each(a: &Args<'_>, what: impl Fn(&mut State, u64, u64) -> Result<bool, MpiError>) -> Call {
    let mut state = tools::locked()?;
    let (session, word) = (a.raw(0), a.raw(1));
    if word != mpi::MPI_T_PVAR_ALL_HANDLES {
        return what(&mut state, session, word).map(drop);
    }
    pvars::check_session(&state, session)?;
    for handle in pvars::handles_of(&state, session) {
        if !pvars::variable(&state, session, handle)?.is_continuous() {
            what(&mut state, session, handle)?;
        }
    }
    Ok(())
}

/// `MPI_T_pvar_start(pe_session, handle)`.
pub fn t_pvar_start(a: &mut Args<'_>) -> Call {
    each(a, pvars::start)
}

/// `MPI_T_pvar_stop(pe_session, handle)`.
pub fn t_pvar_stop(a: &mut Args<'_>) -> Call {
    each(a, pvars::stop)
}

/// `MPI_T_pvar_reset(pe_session, handle)`.
pub fn t_pvar_reset(a: &mut Args<'_>) -> Call {
    each(a, |state, session, handle| {
        pvars::set(state, session, handle, 0).map(|()| true)
    })
}

/// Puts a value out through argument 2.
fn put(a: &mut Args<'_>, value: u64, pvar: &pvars::Pvar) {
    for (at, byte) in pvar.bytes(value).into_iter().enumerate() {
        a.write_at(2, at, byte);
    }
}

/// `MPI_T_pvar_read(pe_session, handle, buf)`.
pub fn t_pvar_read(a: &mut Args<'_>) -> Call {
    let (value, pvar) = pvars::value(&*tools::locked()?, a.raw(0), a.raw(1))?;
    put(a, value, pvar);
    Ok(())
}

/// `MPI_T_pvar_readreset(pe_session, handle, buf)`.
pub fn t_pvar_readreset(a: &mut Args<'_>) -> Call {
    let (value, pvar) = {
        let mut state = tools::locked()?;
        let read = pvars::value(&state, a.raw(0), a.raw(1))?;
        pvars::set(&mut state, a.raw(0), a.raw(1), 0)?;
        read
    };
    put(a, value, pvar);
    Ok(())
}

/// `MPI_T_pvar_write(pe_session, handle, buf)`.
pub fn t_pvar_write(a: &mut Args<'_>) -> Call {
    let mut state = tools::locked()?;
    let pvar = pvars::variable(&state, a.raw(0), a.raw(1))?;
    if pvar.is_continuous() {
        // Its value may be shorter than the word read below.
        return pvars::set(&mut state, a.raw(0), a.raw(1), 0);
    }
    if a.is_null(2) {
        return Err(error(mpi::MPI_T_ERR_INVALID, "the buffer is null"));
    }
    let value = pvar.value_of(a.read_at(2, 0));
    pvars::set(&mut state, a.raw(0), a.raw(1), value)
}
