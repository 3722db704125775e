//! Communicators: making and freeing (MPI-5.0 section 7.4). Questions about them are in `comm_query`, constructors of
//! which only some members of the parent take part in `intercomm`.
//!
//! ```text
//!   check arguments -> gate of the parent (`cut`) -> native constructor -> adopt: gid, descriptor, handle (`comms`)
//! ```
//!
//! Hints stay up here: the native library gets `MPI_INFO_NULL`.

use mana_drain::Start;
use mana_native::{Native, int};
use mana_record_replay::group::Group;
use mana_record_replay::handle::InfoHandle;
use mana_record_replay::hints;
use mana_record_replay::info::{INFO_ENV, Info};
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use super::group::group_arg;
use super::hw_resource::{colors_by_hardware, colors_of_machine};
use crate::args::Args;
use crate::comms::{self, Inherit};
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::publish::CommSlot;
use crate::request::{Kind, Request};
use crate::{attributes, carriers, cut, native_call, p2p};

/// Calls a collective constructor on the communicator of parameter 0 with `arguments` between it and the place for
/// the new one, and adopts what it made; returns the new handle.
pub fn construct(
    a: &mut Args<'_>,
    function: FnId,
    arguments: &[u64],
    inherit: Inherit,
) -> Result<u64, MpiError> {
    construct_then(a, function, arguments, inherit, |_, made| Ok(made))
}

/// As [`construct`], and `then` replaces the native communicator by another one of the same processes.
pub fn construct_then(
    a: &mut Args<'_>,
    function: FnId,
    arguments: &[u64],
    inherit: Inherit,
    then: impl FnOnce(&Native, u64) -> Result<u64, MpiError>,
) -> Result<u64, MpiError> {
    let library = native()?;
    let parent = p2p::comm(a.raw(0))?;
    cut::enter_collective(a, parent, Start::Blocking)?;
    let mut made = 0_u64;
    let mut words = vec![parent.native()];
    words.extend_from_slice(arguments);
    words.push(native_call::out(&mut made));
    native_call::call(library, function, &words)?;
    comms::adopt(u64::from(parent.handle()), then(library, made)?, inherit)
}

/// The communicator of argument `i`, which must not be an intercommunicator.
pub fn intra_arg(a: &Args<'_>, i: usize) -> Result<&'static CommSlot, MpiError> {
    let slot = p2p::comm(a.raw(i))?;
    if state().comms.get(a.raw(i))?.remote.is_some() {
        return Err(MpiError::new(
            mpi::MPI_ERR_COMM,
            format!(
                "{} takes an intracommunicator, and {} is an intercommunicator",
                a.row().name,
                a.row().params[i].name
            ),
        ));
    }
    Ok(slot)
}

/// The hints of the info object of argument `i`; none for `MPI_INFO_NULL`.
pub fn hints_arg(a: &Args<'_>, i: usize) -> Result<Info, MpiError> {
    let handle = InfoHandle::from_word(a.raw(i))?;
    if handle.is_null() || handle == INFO_ENV {
        return Ok(Info::default());
    }
    Ok(state().objects.infos.require(handle)?.clone())
}

/// Those hints of the info object of argument `i` that a communicator knows.
pub fn comm_hints_arg(a: &Args<'_>, i: usize) -> Result<Info, MpiError> {
    let mut kept = Info::default();
    hints::COMM.take_over(&mut kept, &hints_arg(a, i)?)?;
    Ok(kept)
}

/// `MPI_Comm_dup(comm, newcomm)`: attributes are copied by their callbacks.
pub fn comm_dup(a: &mut Args<'_>) -> Call {
    let made = duplicate(a)?;
    a.set_handle(1, made);
    Ok(())
}

/// `MPI_Comm_dup_with_info(comm, info, newcomm)`: as [`comm_dup`], with the given hints in place of the parent's.
pub fn comm_dup_with_info(a: &mut Args<'_>) -> Call {
    let hints = comm_hints_arg(a, 1)?;
    let made = duplicate(a)?;
    state().comms.get_mut(made)?.info = hints;
    a.set_handle(2, made);
    Ok(())
}

/// Duplicates the communicator of parameter 0; without a trace if an attribute's callback refuses.
fn duplicate(a: &mut Args<'_>) -> Result<u64, MpiError> {
    let parent = a.raw(0);
    let made = construct(a, fns::MPI_COMM_DUP, &[], Inherit::Dup)?;
    match attributes::copy_all(parent, made) {
        Ok(()) => Ok(made),
        Err(refused) => {
            comms::free(made)?;
            Err(refused)
        }
    }
}

/// `MPI_Comm_idup(comm, newcomm, request)`.
pub fn comm_idup(a: &mut Args<'_>) -> Call {
    start_dup(a, None, 1)
}

/// `MPI_Comm_idup_with_info(comm, info, newcomm, request)`.
pub fn comm_idup_with_info(a: &mut Args<'_>) -> Call {
    let hints = comm_hints_arg(a, 1)?;
    start_dup(a, Some(hints), 2)
}

/// Starts a duplication; the handles of communicator and request go out through parameter `newcomm` and the next.
/// Attributes and hints are copied now, as if by `MPI_Comm_dup` (MPI-5.0 section 7.4.2).
fn start_dup(a: &mut Args<'_>, hints: Option<Info>, newcomm: usize) -> Call {
    let library = native()?;
    let parent = p2p::comm(a.raw(0))?;
    cut::enter_collective(a, parent, Start::Nonblocking)?;
    let (mut place, mut request) = (vec![0_u64], 0_u64);
    let arguments = [
        parent.native(),
        place.as_mut_ptr() as u64,
        native_call::out(&mut request),
    ];
    native_call::call(library, fns::MPI_COMM_IDUP, &arguments)?;
    let made = comms::adopt_forming(a.raw(0), place)?;
    let id = state()
        .requests
        .insert(Request::active(Kind::CommDup(made), request))?;
    if let Some(hints) = hints {
        state().comms.get_mut(made)?.info = hints;
    }
    if let Err(refused) = attributes::copy_all(a.raw(0), made) {
        // The other members' duplication goes on, so ours does too; nobody will see the result.
        state().orphans.push_back(id);
        return Err(refused);
    }
    a.set_handle(newcomm, made);
    a.set_handle(newcomm + 1, u64::from(id.word()));
    Ok(())
}

/// `MPI_Comm_split(comm, color, key, newcomm)`.
pub fn comm_split(a: &mut Args<'_>) -> Call {
    let (color, key) = (a.int(1), a.int(2));
    if color < 0 && color != mpi::MPI_UNDEFINED {
        return Err(MpiError::argument(format!(
            "color {color} is negative and not MPI_UNDEFINED"
        )));
    }
    let made = construct(
        a,
        fns::MPI_COMM_SPLIT,
        &[int(color), int(key)],
        Inherit::Errhandler,
    )?;
    a.set_handle(3, made);
    Ok(())
}

/// `MPI_Comm_split_type(comm, split_type, key, info, newcomm)`. Who shares memory is what the machine says now; after
/// a restart elsewhere the communicators stay as they were made.
///
/// A split by colours, whatever each process asks for, so that all are in the same native call: Open MPI's own
/// `MPI_Comm_split_type` crashes on intercommunicators before 5.0, and none knows hardware by our names. In two steps, since a
/// colour has 31 bits and a name more.
pub fn comm_split_type(a: &mut Args<'_>) -> Call {
    let hints = hints_arg(a, 3)?;
    let colors = match colors_by_hardware(a.int(1), &hints)? {
        Some(colors) => colors,
        None if shares_memory(a.int(1), &hints)? => colors_of_machine(),
        None => [mpi::MPI_UNDEFINED; 2],
    };
    let ([first, second], key) = (colors.map(int), int(a.int(2)));
    let function = fns::MPI_COMM_SPLIT;
    let arguments = [first, key];
    let then = |native: &Native, mut made: u64| {
        if comms::is_null(native, made) {
            return Ok(made);
        }
        comms::return_errors(native, made)?;
        let mut part = 0_u64;
        let words = [made, second, key, native_call::out(&mut part)];
        let split = native_call::call(native, function, &words);
        native_call::call(native, fns::MPI_COMM_FREE, &[native_call::out(&mut made)])?;
        split.map(|()| part)
    };
    let made = construct_then(a, function, &arguments, Inherit::Errhandler, then)?;
    a.set_handle(4, made);
    Ok(())
}

/// Whether a split type asks for those who share memory. A guided split by shared memory is one; for other resources, which
/// a restart could not keep together, the answer is the one the standard has for resources that are not known (MPI-5.0
/// section 7.4.2), `MPI_COMM_NULL`, as for `MPI_UNDEFINED`.
fn shares_memory(split_type: i32, hints: &Info) -> Result<bool, MpiError> {
    match split_type {
        mpi::MPI_COMM_TYPE_SHARED => Ok(true),
        mpi::MPI_COMM_TYPE_HW_GUIDED | mpi::MPI_COMM_TYPE_RESOURCE_GUIDED => Ok(hints
            .get(c"mpi_hw_resource_type")?
            .is_some_and(|kind| kind == c"mpi_shared_memory")),
        mpi::MPI_UNDEFINED | mpi::MPI_COMM_TYPE_HW_UNGUIDED => Ok(false),
        other => Err(MpiError::argument(format!(
            "{other} is no split type (MPI_COMM_TYPE_SHARED …)"
        ))),
    }
}

/// `MPI_Comm_create(comm, group, newcomm)`.
pub fn comm_create(a: &mut Args<'_>) -> Call {
    let group = group_arg(a, 1)?;
    p2p::comm(a.raw(0))?;
    check_members(a, &group)?;
    let library = native()?;
    let below = comms::native_group(library, &group)?;
    let made = construct(a, fns::MPI_COMM_CREATE, &[below], Inherit::Errhandler);
    comms::free_native_group(library, below)?;
    a.set_handle(2, made?);
    Ok(())
}

/// The processes of `group` must be members of the communicator of parameter 0 (its own side).
pub fn check_members(a: &Args<'_>, group: &Group) -> Call {
    let state = state();
    let members = &state.comms.get(a.raw(0))?.local;
    match group.iter().find(|process| !members.contains(*process)) {
        None => Ok(()),
        Some(process) => Err(MpiError::new(
            mpi::MPI_ERR_GROUP,
            format!(
                "world rank {} is in the group, but not in the communicator",
                process.0
            ),
        )),
    }
}

/// `MPI_Comm_free(comm)`: collective; delete callbacks run first.
pub fn comm_free(a: &mut Args<'_>) -> Call {
    let word = a.handle_at(0, 0);
    let comm = p2p::comm(word)?;
    if word == mpi::MPI_COMM_WORLD || word == mpi::MPI_COMM_SELF {
        return Err(MpiError::new(
            mpi::MPI_ERR_COMM,
            "MPI_COMM_WORLD and MPI_COMM_SELF cannot be freed",
        ));
    }
    cut::enter_collective(a, comm, Start::Blocking)?;
    attributes::delete_all(word)?;
    carriers::comm_goes(comm)?;
    comms::free(word)?;
    a.set_handle(0, mpi::MPI_COMM_NULL);
    Ok(())
}
