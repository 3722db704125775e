//! Communicators: what they are and who is in them, answered from the descriptor (MPI-5.0 sections 7.4.1, 7.4.4, 7.6.1,
//! 7.8). All local.

use std::ffi::CString;

use mana_record_replay::group::Group;
use mana_record_replay::hints;
use mana_table::constants as mpi;

use super::comm::hints_arg;
use super::group::hand_out_group;
use super::info::tell_memory_kinds;
use crate::args::Args;
use crate::engine::state;
use crate::error::{Call, MpiError};

/// `MPI_Comm_compare(comm1, comm2, result)`.
pub fn comm_compare(a: &mut Args<'_>) -> Call {
    let result = {
        let state = state();
        state
            .comms
            .get(a.raw(0))?
            .compare(state.comms.get(a.raw(1))?)
    };
    a.set_int(2, i64::from(result));
    Ok(())
}

/// `MPI_Comm_test_inter(comm, flag)`.
pub fn comm_test_inter(a: &mut Args<'_>) -> Call {
    let inter = state().comms.get(a.raw(0))?.remote.is_some();
    a.set_flag(1, inter);
    Ok(())
}

/// `MPI_Comm_group(comm, group)`: of an intercommunicator, the local one.
pub fn comm_group(a: &mut Args<'_>) -> Call {
    let group = state().comms.get(a.raw(0))?.local.clone();
    hand_out_group(a, 1, group)
}

/// The remote group of the intercommunicator of parameter 0.
fn remote(a: &Args<'_>) -> Result<Group, MpiError> {
    let remote = state().comms.get(a.raw(0))?.remote.clone();
    remote.ok_or_else(|| {
        MpiError::new(
            mpi::MPI_ERR_COMM,
            "an intracommunicator has no remote group",
        )
    })
}

/// `MPI_Comm_remote_group(comm, group)`.
pub fn comm_remote_group(a: &mut Args<'_>) -> Call {
    let group = remote(a)?;
    hand_out_group(a, 1, group)
}

/// `MPI_Comm_remote_size(comm, size)`.
pub fn comm_remote_size(a: &mut Args<'_>) -> Call {
    let size = remote(a)?.size();
    a.set_int(1, i64::from(size));
    Ok(())
}

/// `MPI_Comm_set_name(comm, comm_name)`.
pub fn comm_set_name(a: &mut Args<'_>) -> Call {
    let name = CString::new(a.string(1)).unwrap_or_default();
    state().comms.get_mut(a.raw(0))?.set_name(&name);
    Ok(())
}

/// `MPI_Comm_get_name(comm, comm_name, resultlen)`: empty for a communicator that was not named.
pub fn comm_get_name(a: &mut Args<'_>) -> Call {
    let name = match a.raw(0) {
        mpi::MPI_COMM_NULL => "MPI_COMM_NULL".to_owned(),
        comm => state().comms.get(comm)?.name.to_string_lossy().into_owned(),
    };
    let len = a.set_string(1, &name, mpi::MPI_MAX_OBJECT_NAME as usize);
    a.set_int(2, len as i64);
    Ok(())
}

/// `MPI_Comm_set_info(comm, info)`: the hints given replace those of the same keys. The standard makes this
/// collective, but nothing has to be agreed on: all members give the same hints.
pub fn comm_set_info(a: &mut Args<'_>) -> Call {
    if a.raw(1) == mpi::MPI_INFO_NULL {
        return Err(MpiError::new(
            mpi::MPI_ERR_INFO,
            "MPI_Comm_set_info was given MPI_INFO_NULL",
        ));
    }
    let given = hints_arg(a, 1)?;
    let mut state = state();
    let comm = state.comms.get_mut(a.raw(0))?;
    Ok(hints::COMM.take_over(&mut comm.info, &given)?)
}

/// `MPI_Comm_get_info(comm, info_used)`: a new info object with the hints in use.
pub fn comm_get_info(a: &mut Args<'_>) -> Call {
    let handle = {
        let mut state = state();
        let mut hints = hints::COMM.in_use(&state.comms.get(a.raw(0))?.info)?;
        tell_memory_kinds(&mut hints)?;
        state.objects.infos.insert(hints)?
    };
    a.set_handle(1, u64::from(handle.word()));
    Ok(())
}
