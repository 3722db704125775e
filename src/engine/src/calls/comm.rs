//! Communicators: making, freeing and asking.

use mana_drain::Start;
use mana_native::int;
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use crate::args::Args;
use crate::comms::{self, Inherit};
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::{attributes, cut, native_call, p2p};

/// Calls a collective constructor on the communicator of parameter 0 with `arguments` between it and the place for
/// the new one, and adopts what it made; returns the new handle.
pub fn construct(a: &mut Args<'_>, function: FnId, arguments: &[u64], inherit: Inherit) -> Result<u64, MpiError> {
    let library = native()?;
    let parent = p2p::comm(a.raw(0))?;
    cut::enter_collective(a, parent, Start::Blocking)?;
    let mut made = 0_u64;
    let mut words = vec![parent.native()];
    words.extend_from_slice(arguments);
    words.push(native_call::out(&mut made));
    native_call::call(library, function, &words)?;
    comms::adopt(u64::from(parent.handle()), made, inherit)
}

/// `MPI_Comm_dup(comm, newcomm)`: attributes are copied by their callbacks.
pub fn comm_dup(a: &mut Args<'_>) -> Call {
    let parent = a.raw(0);
    let made = construct(a, fns::MPI_COMM_DUP, &[], Inherit::Dup)?;
    if let Err(error) = attributes::copy_all(parent, made) {
        free(made)?;
        return Err(error);
    }
    a.set_handle(1, made);
    Ok(())
}

/// `MPI_Comm_split(comm, color, key, newcomm)`.
pub fn comm_split(a: &mut Args<'_>) -> Call {
    let (color, key) = (a.int(1), a.int(2));
    let made = construct(a, fns::MPI_COMM_SPLIT, &[int(color), int(key)], Inherit::Errhandler)?;
    a.set_handle(3, made);
    Ok(())
}

/// `MPI_Comm_free(comm)`: collective; delete callbacks run first.
pub fn comm_free(a: &mut Args<'_>) -> Call {
    let word = a.handle_at(0, 0);
    let comm = p2p::comm(word)?;
    if word == mpi::MPI_COMM_WORLD || word == mpi::MPI_COMM_SELF {
        return Err(MpiError::new(mpi::MPI_ERR_COMM, "MPI_COMM_WORLD and MPI_COMM_SELF cannot be freed"));
    }
    cut::enter_collective(a, comm, Start::Blocking)?;
    attributes::delete_all(word)?;
    free(word)?;
    a.set_handle(0, mpi::MPI_COMM_NULL);
    Ok(())
}

/// Takes a communicator out of the tables and frees it below.
fn free(word: u64) -> Call {
    let handle = comms::handle(word)?;
    let below = {
        let mut state = state();
        state.comms.set_mut()?.free(handle)?;
        state.comms.disconnect(handle)
    };
    match below {
        Some(mut below) => native_call::call(native()?, fns::MPI_COMM_FREE, &[native_call::out(&mut below)]),
        None => Ok(()),
    }
}
