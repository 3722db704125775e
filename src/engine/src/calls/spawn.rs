//! Starting processes (MPI-5.0 section 11.8): the library below starts the program, which becomes a mana process by itself,
//! with a world and agents of its own.
//!
//! ```text
//!   gate of comm -> broadcast of how many are wanted (all members get as many error codes) -> native spawn -> adopt
//!   child: MPI_Comm_get_parent -> adopt, at the first call
//! ```
//!
//! See [`crate::foreign`] for what becomes of checkpoints.

use mana_drain::Gid;
use mana_drain::Start;
use mana_native::{Native, int};
use mana_record_replay::info::Info;
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use super::comm::intra_arg;
use super::info::hints;
use crate::args::Args;
use crate::comms::{self, Inherit};
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::foreign::{self, Connecting};
use crate::native_info::Scratch;
use crate::publish::CommSlot;
use crate::{cut, native_call};

/// The root of a collective call on `comm`, in argument `i`.
pub fn root_arg(a: &Args<'_>, i: usize, comm: &CommSlot) -> Result<i32, MpiError> {
    let root = a.int(i);
    if (0..comm.size()).contains(&root) {
        return Ok(root);
    }
    Err(MpiError::new(
        mpi::MPI_ERR_ROOT,
        format!("root {root} is not in 0..{}", comm.size()),
    ))
}

/// `MPI_Comm_spawn(command, argv, maxprocs, info, root, comm, intercomm, array_of_errcodes)`.
pub fn comm_spawn(a: &mut Args<'_>) -> Call {
    let library = native()?;
    let comm = intra_arg(a, 5)?;
    let root = root_arg(a, 4, comm)?;
    let is_root = comm.rank() == root;
    let wanted = if is_root {
        hints(&state(), a.raw(3))?
    } else {
        Info::default()
    };
    let info = Scratch::new(library, &wanted)?;
    let arguments = [
        a.raw(0),
        if a.is_null(1) {
            library.addresses().argv_null
        } else {
            a.raw(1)
        },
        int(a.int(2)),
        info.handle(),
        int(root),
    ];
    let number = if is_root { a.int(2) } else { 0 };
    spawn(a, fns::MPI_COMM_SPAWN, comm, root, number, &arguments)
}

/// `MPI_Comm_spawn_multiple(count, array_of_commands, array_of_argv, array_of_maxprocs, array_of_info, root, comm,
/// intercomm, array_of_errcodes)`.
pub fn comm_spawn_multiple(a: &mut Args<'_>) -> Call {
    let library = native()?;
    let comm = intra_arg(a, 6)?;
    let root = root_arg(a, 5, comm)?;
    let (mut number, mut infos, mut count) = (0, Vec::new(), 0);
    if comm.rank() == root {
        count = a.int(0);
        let len = usize::try_from(count).unwrap_or(0);
        for maxprocs in a.ints32(3, len) {
            number += maxprocs.max(0);
        }
        for at in 0..len {
            let wanted = hints(&state(), a.handle_at(4, at))?;
            infos.push(Scratch::new(library, &wanted)?);
        }
    }
    let handles: Vec<u64> = infos.iter().map(Scratch::handle).collect();
    let handles = native_call::handle_array(library, &handles);
    let arguments = [
        int(count),
        a.raw(1),
        if a.is_null(2) {
            library.addresses().argv_null
        } else {
            a.raw(2)
        },
        a.raw(3),
        handles.as_ptr() as u64,
        int(root),
    ];
    spawn(
        a,
        fns::MPI_COMM_SPAWN_MULTIPLE,
        comm,
        root,
        number,
        &arguments,
    )
}

/// Spawns `number` processes (the root's word counts). The arguments before the communicator are given; it and the places
/// for results follow.
fn spawn(
    a: &mut Args<'_>,
    function: FnId,
    comm: &'static CommSlot,
    root: i32,
    number: i32,
    arguments: &[u64],
) -> Call {
    let library = native()?;
    cut::enter_collective(a, comm, Start::Blocking)?;
    let outcome = {
        let _connecting = Connecting::begin();
        let number = broadcast(library, comm, root, number)?;
        let mut codes = vec![0_i32; usize::try_from(number).unwrap_or(0).max(1)];
        let mut made = 0_u64;
        let mut words = arguments.to_vec();
        words.extend([
            comm.native(),
            native_call::out(&mut made),
            codes.as_mut_ptr() as u64,
        ]);
        let outcome = native_call::call(library, function, &words)
            .and_then(|()| comms::adopt(u64::from(comm.handle()), made, Inherit::Errhandler));
        codes.truncate(usize::try_from(number).unwrap_or(0));
        (outcome, codes)
    };
    let (outcome, codes) = outcome;
    let places = arguments.len() + 1;
    for (at, code) in codes.into_iter().enumerate() {
        let class = if code == 0 {
            mpi::MPI_SUCCESS
        } else {
            library.error_class(mana_native::NativeCode(code))
        };
        a.set_int_at(places + 1, at, i64::from(class));
    }
    a.set_handle(places, outcome?);
    Ok(())
}

/// The root's `number`, to all of `comm`.
fn broadcast(library: &Native, comm: &CommSlot, root: i32, number: i32) -> Result<i32, MpiError> {
    let int_type = library
        .predefined()
        .datatype(mpi::MPI_INT)
        .map_or(0, |int| int.raw());
    let mut word = u64::from(number as u32);
    let arguments = [
        native_call::out(&mut word),
        1,
        int_type,
        int(root),
        comm.native(),
    ];
    native_call::call(library, fns::MPI_BCAST, &arguments)?;
    Ok(word as i32)
}

/// `MPI_Comm_get_parent(parent)`: `MPI_COMM_NULL` in a job that was not spawned, and after it was disconnected.
pub fn comm_get_parent(a: &mut Args<'_>) -> Call {
    let parent = if foreign::is_spawned() {
        parent()?
    } else {
        mpi::MPI_COMM_NULL
    };
    a.set_handle(0, parent);
    Ok(())
}

/// The communicator with the parents, adopted when it is first asked for.
fn parent() -> Result<u64, MpiError> {
    let known = state().foreign.parent;
    if let Some(word) = known {
        let alive = state().comms.get(word).is_ok();
        return Ok(if alive { word } else { mpi::MPI_COMM_NULL });
    }
    let library = native()?;
    let Some(below) = native_parent(library)? else {
        return Ok(mpi::MPI_COMM_NULL);
    };
    let sides = comms::describe(library, below)?;
    let gid = Gid::WORLD.child(u64::MAX, 0);
    let word = comms::adopt_as(mpi::MPI_COMM_WORLD, below, gid, sides, Inherit::Errhandler)?;
    let mut state = state();
    state.comms.get_mut(word)?.set_name(c"MPI_COMM_PARENT");
    state.foreign.parent = Some(word);
    Ok(word)
}

/// The native communicator with the parents, if this job was spawned.
pub fn native_parent(library: &Native) -> Result<Option<u64>, MpiError> {
    if !library.has(fns::MPI_COMM_GET_PARENT) {
        return Ok(None);
    }
    let mut parent = 0_u64;
    native_call::call(
        library,
        fns::MPI_COMM_GET_PARENT,
        &[native_call::out(&mut parent)],
    )?;
    Ok((!comms::is_null(library, parent)).then_some(parent))
}
