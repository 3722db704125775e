//! Establishing communication (MPI-5.0 section 11.9): ports, published names, connect, accept, join and disconnect, by the
//! library below.
//!
//! ```text
//!   gate of comm -> native accept or connect, which waits for the other side -> adopt
//!     the other side in another job: foreign                       (see `foreign`)
//!     in this job: both agree on a global id, over the new communicator, so that it can be rebuilt like any other
//! ```

use std::ffi::CString;

use mana_drain::Gid;
use mana_drain::Start;
use mana_native::{Family, Native, int};
use mana_record_replay::info::Info;
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use super::comm::intra_arg;
use super::info::hints;
use super::spawn::root_arg;
use crate::args::Args;
use crate::comms::{self, Inherit};
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::foreign::{self, Connecting};
use crate::native_info::Scratch;
use crate::{attributes, carriers, cut, native_call, p2p};

/// Room for a port's name below: what no library exceeds.
const PORT_ROOM: usize = 4096;

/// The hints of argument `i` as the library below takes them.
fn info_arg(a: &Args<'_>, i: usize) -> Result<Scratch, MpiError> {
    let wanted = hints(&state(), a.raw(i))?;
    Scratch::new(native()?, &wanted)
}

/// As [`info_arg`], for a call that gives a port's name: MPICH 5 makes none that is longer than its own header's
/// MPI_MAX_PORT_NAME, as those over UCX are, unless it is told of the room (a hint of its own).
fn info_arg_with_room(a: &Args<'_>, i: usize) -> Result<Scratch, MpiError> {
    let mut wanted = hints(&state(), a.raw(i))?;
    let library = native()?;
    if library.family() == Family::Mpich {
        let room = CString::new(mpi::MPI_MAX_PORT_NAME.to_string()).unwrap_or_default();
        wanted.set(c"port_name_size", &room)?;
    }
    Scratch::new(library, &wanted)
}

/// Puts a native port's name out through argument `i`.
fn put_port(a: &mut Args<'_>, i: usize, name: &[u8]) -> Call {
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let room = mpi::MPI_MAX_PORT_NAME as usize;
    if name.len() >= room {
        return Err(MpiError::new(
            mpi::MPI_ERR_PORT,
            format!(
                "the port's name has {} bytes, and MPI_MAX_PORT_NAME is {room}",
                name.len()
            ),
        ));
    }
    a.set_bytes(i, name, room);
    Ok(())
}

/// `MPI_Open_port(info, port_name)`.
pub fn open_port(a: &mut Args<'_>) -> Call {
    let info = info_arg_with_room(a, 0)?;
    let mut name = vec![0_u8; PORT_ROOM];
    let arguments = [info.handle(), name.as_mut_ptr() as u64];
    native_call::call(native()?, fns::MPI_OPEN_PORT, &arguments)?;
    foreign::port_opened();
    put_port(a, 1, &name)
}

/// `MPI_Close_port(port_name)`.
pub fn close_port(a: &mut Args<'_>) -> Call {
    native_call::call(native()?, fns::MPI_CLOSE_PORT, &[a.raw(0)])?;
    foreign::port_closed();
    Ok(())
}

/// `MPI_Publish_name(service_name, info, port_name)`.
pub fn publish_name(a: &mut Args<'_>) -> Call {
    let info = info_arg(a, 1)?;
    let arguments = [a.raw(0), info.handle(), a.raw(2)];
    native_call::call(native()?, fns::MPI_PUBLISH_NAME, &arguments)
}

/// `MPI_Unpublish_name(service_name, info, port_name)`.
pub fn unpublish_name(a: &mut Args<'_>) -> Call {
    let info = info_arg(a, 1)?;
    let arguments = [a.raw(0), info.handle(), a.raw(2)];
    native_call::call(native()?, fns::MPI_UNPUBLISH_NAME, &arguments)
}

/// `MPI_Lookup_name(service_name, info, port_name)`.
pub fn lookup_name(a: &mut Args<'_>) -> Call {
    let info = info_arg_with_room(a, 1)?;
    let mut name = vec![0_u8; PORT_ROOM];
    let arguments = [a.raw(0), info.handle(), name.as_mut_ptr() as u64];
    native_call::call(native()?, fns::MPI_LOOKUP_NAME, &arguments)?;
    put_port(a, 2, &name)
}

/// `MPI_Comm_accept(port_name, info, root, comm, newcomm)`.
pub fn comm_accept(a: &mut Args<'_>) -> Call {
    establish(a, fns::MPI_COMM_ACCEPT)
}

/// `MPI_Comm_connect(port_name, info, root, comm, newcomm)`.
pub fn comm_connect(a: &mut Args<'_>) -> Call {
    establish(a, fns::MPI_COMM_CONNECT)
}

/// Accepts or connects: the two take the same arguments.
fn establish(a: &mut Args<'_>, function: FnId) -> Call {
    let library = native()?;
    let comm = intra_arg(a, 3)?;
    let root = root_arg(a, 2, comm)?;
    let is_root = comm.rank() == root;
    let info = if is_root {
        info_arg(a, 1)?
    } else {
        Scratch::new(library, &Info::default())?
    };
    // Significant at the root only, but a library may look at it all the same.
    let port = if is_root {
        a.c_string(0)
    } else {
        CString::default()
    };
    cut::enter_collective(a, comm, Start::Blocking)?;
    let made = {
        let _connecting = Connecting::begin();
        let mut below = 0_u64;
        let arguments = [
            port.as_ptr() as u64,
            info.handle(),
            int(root),
            comm.native(),
            native_call::out(&mut below),
        ];
        native_call::call(library, function, &arguments)?;
        adopt(library, u64::from(comm.handle()), below)?
    };
    a.set_handle(4, made);
    Ok(())
}

/// `MPI_Comm_join(fd, intercomm)`.
pub fn comm_join(a: &mut Args<'_>) -> Call {
    let library = native()?;
    let made = {
        let _connecting = Connecting::begin();
        let mut below = 0_u64;
        let arguments = [int(a.int(0)), native_call::out(&mut below)];
        native_call::call(library, fns::MPI_COMM_JOIN, &arguments)?;
        adopt(library, mpi::MPI_COMM_SELF, below)?
    };
    a.set_handle(1, made);
    Ok(())
}

/// Adopts the intercommunicator `below` that processes of `comm` have established.
fn adopt(library: &Native, comm: u64, below: u64) -> Result<u64, MpiError> {
    let sides = comms::describe(library, below)?;
    if foreign::among(&sides.0, sides.1.as_ref()) {
        return comms::adopt(comm, below, Inherit::Errhandler);
    }
    let mine = {
        let mut state = state();
        let scope = state.comms.get(comm)?.gid;
        scope.child(state.comms.next_ordinal(scope), 0).0
    };
    let theirs = exchange(library, below, mine)?;
    let gid = Gid(mine.min(theirs)).child(mine.max(theirs), 0);
    comms::adopt_as(comm, below, gid, sides, Inherit::Errhandler)
}

/// The other side's word, which all its processes give alike: over an intercommunicator a reduction gives each side what
/// the other one has.
fn exchange(library: &Native, inter: u64, mine: u64) -> Result<u64, MpiError> {
    let byte = library
        .predefined()
        .datatype(mpi::MPI_UNSIGNED_CHAR)
        .map_or(0, |byte| byte.raw());
    let op = library
        .predefined()
        .op(mpi::MPI_MAX)
        .map_or(0, |op| op.raw());
    let (word, mut theirs) = (mine, 0_u64);
    let arguments = [
        std::ptr::from_ref(&word) as u64,
        native_call::out(&mut theirs),
        size_of::<u64>() as u64,
        byte,
        op,
        inter,
    ];
    native_call::call(library, fns::MPI_ALLREDUCE, &arguments)?;
    Ok(theirs)
}

/// `MPI_Comm_disconnect(comm)`: as `MPI_Comm_free`, and waits until all communication is over. Delete callbacks run first.
pub fn comm_disconnect(a: &mut Args<'_>) -> Call {
    let word = a.handle_at(0, 0);
    let comm = p2p::comm(word)?;
    if word == mpi::MPI_COMM_WORLD || word == mpi::MPI_COMM_SELF {
        return Err(MpiError::new(
            mpi::MPI_ERR_COMM,
            "MPI_COMM_WORLD and MPI_COMM_SELF cannot be disconnected",
        ));
    }
    cut::enter_collective(a, comm, Start::Blocking)?;
    attributes::delete_all(word)?;
    let _connecting = comm.is_foreign().then(Connecting::begin);
    carriers::comm_goes(comm)?;
    for mut below in comms::forget(comms::handle(word)?)? {
        native_call::call(
            native()?,
            fns::MPI_COMM_DISCONNECT,
            &[native_call::out(&mut below)],
        )?;
    }
    a.set_handle(0, mpi::MPI_COMM_NULL);
    Ok(())
}
