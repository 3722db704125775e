//! Communicators in the engine: the descriptors that survive, and what each has below.
//!
//! ```text
//!   upper handle -> Communicator (gid, groups, topology, name …)      saved
//!                -> Below (native handle, clock)                       made anew by every lower half
//!                -> publish::CommSlot (native, rank, sizes)            for the hot paths
//! ```
//!
//! A new communicator is made in three steps: the native constructor is called; [`describe`] asks the native result
//! who is in it; [`adopt`] gives it its global id, a handle and a clock. One that a nonblocking constructor makes is
//! *forming* until its request completes: it has a handle and a descriptor, but no native handle that could be used.

use std::collections::BTreeMap;

use mana_drain::ClockId;
use mana_drain::Gid;
use mana_native::Native;
use mana_record_replay::comm::{Communicator, Communicators};
use mana_record_replay::group::{Group, WorldRank};
use mana_record_replay::handle::CommHandle;
use mana_record_replay::topology::Topology;
use mana_table::constants as mpi;
use mana_table::fns;
use serde::{Deserialize, Serialize};

use crate::engine::{State, native, not_running, state};
use crate::error::{Call, MpiError};
use crate::publish::{self, CommFacts, CommSlot};
use crate::{cut, foreign, native_call, side_channel};

/// What a communicator has in this lower half.
#[derive(Debug, Clone, Copy)]
struct Below {
    native: u64,
    /// Of an intercommunicator that was made of communicators of ours: this process' side. Intel MPI's 2021.18 gives the side's
    /// context to others as soon as it is freed, and the collectives of the intercommunicator go on using it.
    side: Option<u64>,
    clock: ClockId,
}

/// The communicators of this process.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Comms {
    set: Option<Communicators>,
    /// Constructors called on each communicator over the whole run, for the children's global ids.
    ordinals: BTreeMap<u64, u64>,
    #[serde(skip)]
    below: BTreeMap<u32, Below>,
    /// Communicators that are forming: where the native library puts the handle, a place that must not move. None is
    /// left at a cut, which completes all nonblocking collectives.
    #[serde(skip)]
    forming: BTreeMap<u32, Vec<u64>>,
}

/// The handle in an argument word.
pub fn handle(word: u64) -> Result<CommHandle, MpiError> {
    CommHandle::from_word(word).map_err(MpiError::from)
}

impl Comms {
    /// The world and self of a process that just initialised MPI.
    pub fn set_world(&mut self, rank: u32, size: u32) -> Result<(), MpiError> {
        if self.set.is_none() {
            self.set = Some(Communicators::new(WorldRank(rank), size)?);
        }
        Ok(())
    }

    /// All communicators, before MPI_Init an error.
    pub fn set(&self) -> Result<&Communicators, MpiError> {
        self.set.as_ref().ok_or_else(not_running)
    }

    /// All communicators, to change them.
    pub fn set_mut(&mut self) -> Result<&mut Communicators, MpiError> {
        self.set.as_mut().ok_or_else(not_running)
    }

    /// The communicator behind an argument word.
    pub fn get(&self, word: u64) -> Result<&Communicator, MpiError> {
        Ok(self.set()?.get(handle(word)?)?)
    }

    /// The communicator behind an argument word, to change it.
    pub fn get_mut(&mut self, word: u64) -> Result<&mut Communicator, MpiError> {
        Ok(self.set_mut()?.get_mut(handle(word)?)?)
    }

    /// The published slots of all communicators, and of the side channel.
    pub fn slots(&self) -> Vec<&'static CommSlot> {
        self.below
            .keys()
            .map(|word| u64::from(*word))
            .chain(std::iter::once(side_channel::HANDLE))
            .filter_map(publish::comm)
            .collect()
    }

    /// The number of this constructor call on a communicator (or ad-hoc group), the same on all its members.
    pub fn next_ordinal(&mut self, gid: Gid) -> u64 {
        let ordinal = self.ordinals.entry(gid.0).or_default();
        *ordinal += 1;
        *ordinal
    }

    /// What [`Comms::next_ordinal`] will say, for a call that is not sure yet to be the next one.
    pub fn coming_ordinal(&self, gid: Gid) -> u64 {
        self.ordinals.get(&gid.0).copied().unwrap_or_default() + 1
    }

    /// The world rank of this process.
    pub fn process(&self) -> Result<WorldRank, MpiError> {
        Ok(WorldRank(self.get(mpi::MPI_COMM_WORLD)?.rank.0))
    }

    /// Connects a described communicator with its native handle: clock and published slot.
    pub fn connect(&mut self, handle: CommHandle, native: u64) -> Result<(), MpiError> {
        let comm = self.set()?.get(handle)?;
        // Processes of another job report to nobody here, so the clock is that of this job's members.
        let members =
            foreign::count_own(&comm.local) + comm.remote.as_ref().map_or(0, foreign::count_own);
        let clock = cut::register_clock(comm.gid, members)?;
        let facts = CommFacts {
            native,
            gid: comm.gid,
            rank: comm.rank.0 as i32,
            size: comm.size() as i32,
            peers: comm.peers().size() as i32,
            foreign: foreign::among(&comm.local, comm.remote.as_ref()),
            clock: Some(clock),
        };
        if facts.foreign {
            foreign::connected();
        }
        let below = Below {
            native,
            side: None,
            clock,
        };
        self.below.insert(handle.word(), below);
        publish::publish_comm(u64::from(handle.word()), &facts);
        Ok(())
    }

    /// Keeps native communicator `side`, of which `intercomm` was made, as long as that.
    pub fn keep_side(&mut self, intercomm: CommHandle, side: u64) {
        if let Some(below) = self.below.get_mut(&intercomm.word()) {
            below.side = Some(side);
        }
    }

    /// Takes a communicator out of the tables; returns what it has below, to be freed in this order.
    pub fn disconnect(&mut self, handle: CommHandle) -> Vec<u64> {
        if publish::comm(u64::from(handle.word())).is_some_and(CommSlot::is_foreign) {
            foreign::disconnected();
        }
        publish::retire_comm(u64::from(handle.word()));
        let Some(below) = self.below.remove(&handle.word()) else {
            return Vec::new();
        };
        cut::retire_clock(below.clock);
        std::iter::once(below.native).chain(below.side).collect()
    }
}

/// Who is in a native communicator: its own side and, for an intercommunicator, the other, as world ranks.
pub fn describe(native: &Native, comm: u64) -> Result<(Group, Option<Group>), MpiError> {
    let mut is_inter = 0_u64;
    native_call::call(
        native,
        fns::MPI_COMM_TEST_INTER,
        &[comm, native_call::out(&mut is_inter)],
    )?;
    let mut group = 0_u64;
    native_call::call(
        native,
        fns::MPI_COMM_GROUP,
        &[comm, native_call::out(&mut group)],
    )?;
    let local = world_ranks(native, group)?;
    if is_inter as i32 == 0 {
        return Ok((local, None));
    }
    let mut group = 0_u64;
    native_call::call(
        native,
        fns::MPI_COMM_REMOTE_GROUP,
        &[comm, native_call::out(&mut group)],
    )?;
    Ok((local, Some(world_ranks(native, group)?)))
}

/// The world ranks of a native group, which is freed.
fn world_ranks(native: &Native, mut group: u64) -> Result<Group, MpiError> {
    let world = publish::world().map_or(0, CommSlot::native);
    let mut world_group = 0_u64;
    native_call::call(
        native,
        fns::MPI_COMM_GROUP,
        &[world, native_call::out(&mut world_group)],
    )?;
    let mut size = 0_u64;
    native_call::call(
        native,
        fns::MPI_GROUP_SIZE,
        &[group, native_call::out(&mut size)],
    )?;
    let len = size as u32 as usize;
    let ranks: Vec<i32> = (0..len as i32).collect();
    let mut world_ranks = vec![0_i32; len];
    native_call::call(
        native,
        fns::MPI_GROUP_TRANSLATE_RANKS,
        &[
            group,
            len as u64,
            ranks.as_ptr() as u64,
            world_group,
            world_ranks.as_mut_ptr() as u64,
        ],
    )?;
    let members = foreign::numbers(native, group, &world_ranks)?;
    native_call::call(native, fns::MPI_GROUP_FREE, &[native_call::out(&mut group)])?;
    native_call::call(
        native,
        fns::MPI_GROUP_FREE,
        &[native_call::out(&mut world_group)],
    )?;
    Ok(Group::from_world_ranks(members)?)
}

/// A native group of these world ranks; the caller frees it.
pub fn native_group(native: &Native, group: &Group) -> Result<u64, MpiError> {
    if foreign::among(group, None) {
        return foreign::native_group(native, group);
    }
    let world = publish::world().map_or(0, CommSlot::native);
    let (mut world_group, mut result) = (0_u64, 0_u64);
    native_call::call(
        native,
        fns::MPI_COMM_GROUP,
        &[world, native_call::out(&mut world_group)],
    )?;
    let ranks: Vec<i32> = group.iter().map(|rank| rank.0 as i32).collect();
    native_call::call(
        native,
        fns::MPI_GROUP_INCL,
        &[
            world_group,
            ranks.len() as u64,
            ranks.as_ptr() as u64,
            native_call::out(&mut result),
        ],
    )?;
    native_call::call(
        native,
        fns::MPI_GROUP_FREE,
        &[native_call::out(&mut world_group)],
    )?;
    Ok(result)
}

/// Frees a native group.
pub fn free_native_group(native: &Native, mut group: u64) -> Result<(), MpiError> {
    native_call::call(native, fns::MPI_GROUP_FREE, &[native_call::out(&mut group)])
}

/// Errors of a native communicator come back as codes; our own error handlers judge them.
pub fn return_errors(native: &Native, comm: u64) -> Result<(), MpiError> {
    let handler = native
        .predefined()
        .errhandler(mpi::MPI_ERRORS_RETURN)
        .map_or(0, |handler| handler.raw());
    native_call::call(native, fns::MPI_COMM_SET_ERRHANDLER, &[comm, handler])
}

/// What a new communicator takes over from the one it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inherit {
    /// Error handler only.
    Errhandler,
    /// Error handler and topology (`MPI_Comm_dup`); attributes are copied by the caller.
    Dup,
}

/// Adopts native communicator `comm` that a collective constructor on `parent` made: describes it and gives it a
/// handle. The native null communicator gives `MPI_COMM_NULL`.
pub fn adopt(parent: u64, comm: u64, inherit: Inherit) -> Result<u64, MpiError> {
    let gid = state().comms.get(parent)?.gid;
    adopt_in(parent, gid, comm, inherit)
}

/// As [`adopt`], for a constructor that only the processes of `scope` called: `parent` itself, or the ad-hoc group of
/// an `MPI_Comm_create_group`. The new global id derives from how often they have done so.
pub fn adopt_in(parent: u64, scope: Gid, comm: u64, inherit: Inherit) -> Result<u64, MpiError> {
    let native = native()?;
    let ordinal = state().comms.next_ordinal(scope);
    if is_null(native, comm) {
        return Ok(mpi::MPI_COMM_NULL);
    }
    let (local, remote) = describe(native, comm)?;
    // Foreign processes have other numbers elsewhere.
    let first = |group: &Group| {
        let mut own = group
            .iter()
            .filter(|process| !foreign::is_foreign(*process));
        own.next().map_or(u32::MAX, |rank| rank.0)
    };
    let part = remote.as_ref().map_or(u32::MAX, first).min(first(&local));
    adopt_as(
        parent,
        comm,
        scope.child(ordinal, u64::from(part)),
        (local, remote),
        inherit,
    )
}

/// Whether a native communicator is the native `MPI_COMM_NULL`.
pub fn is_null(native: &Native, comm: u64) -> bool {
    native
        .predefined()
        .comm(mpi::MPI_COMM_NULL)
        .is_some_and(|null| null.raw() == comm)
}

/// The two groups of a communicator: the process' own, and the other one of an intercommunicator.
pub type Sides = (Group, Option<Group>);

/// Adopts native communicator `comm` of the groups `sides` under global id `gid`.
pub fn adopt_as(
    parent: u64,
    comm: u64,
    gid: Gid,
    sides: Sides,
    inherit: Inherit,
) -> Result<u64, MpiError> {
    return_errors(native()?, comm)?;
    let mut state = state();
    let handle = enrol(&mut state, parent, gid, sides, inherit)?;
    state.comms.connect(handle, comm)?;
    Ok(u64::from(handle.word()))
}

/// Gives a new communicator its descriptor and handle; it is not usable before [`Comms::connect`].
fn enrol(
    state: &mut State,
    parent: u64,
    gid: Gid,
    sides: Sides,
    inherit: Inherit,
) -> Result<CommHandle, MpiError> {
    let mut comm = Communicator::intra(gid, sides.0, state.comms.process()?)?;
    comm.remote = sides.1;
    let from = state.comms.get(parent)?;
    comm.errhandler = from.errhandler;
    if inherit == Inherit::Dup {
        comm.topology = from.topology.clone();
        comm.info = from.info.clone();
    }
    state.objects.hold_errhandler(comm.errhandler)?;
    let made = state.comms.set_mut()?.insert(comm)?;
    state.origins.derive(u64::from(made.word()), parent);
    Ok(made)
}

/// Adopts the duplicate of `parent` that the native library is making: `place` is where it will put the handle.
pub fn adopt_forming(parent: u64, place: Vec<u64>) -> Result<u64, MpiError> {
    let mut state = state();
    let from = state.comms.get(parent)?;
    let (scope, sides) = (from.gid, (from.local.clone(), from.remote.clone()));
    let first = sides.0.iter().next().map_or(0, |rank| rank.0);
    let part = sides
        .1
        .iter()
        .flat_map(Group::iter)
        .next()
        .map_or(first, |rank| rank.0.min(first));
    let ordinal = state.comms.next_ordinal(scope);
    let gid = scope.child(ordinal, u64::from(part));
    let handle = enrol(&mut state, parent, gid, sides, Inherit::Dup)?;
    state.comms.forming.insert(handle.word(), place);
    Ok(u64::from(handle.word()))
}

/// Takes a communicator out of the tables, and what it held; returns what it has below, to be freed in this order.
pub fn forget(handle: CommHandle) -> Result<Vec<u64>, MpiError> {
    let mut state = state();
    if let Some(comm) = state.comms.set_mut()?.free(handle)? {
        state.objects.errhandlers.release(comm.errhandler);
    }
    state.buffers.comm_gone(u64::from(handle.word()));
    state.origins.forget(u64::from(handle.word()));
    Ok(state.comms.disconnect(handle))
}

/// Takes a communicator out of the tables and frees it below: collective.
pub fn free(word: u64) -> Call {
    for mut below in forget(handle(word)?)? {
        native_call::call(
            native()?,
            fns::MPI_COMM_FREE,
            &[native_call::out(&mut below)],
        )?;
    }
    Ok(())
}

/// How many neighbours a rank has in its communicator's topology: (in, out).
pub fn neighbor_counts(comm: &Communicator) -> (usize, usize) {
    match &comm.topology {
        Topology::None => (0, 0),
        Topology::Cart(cart) => (2 * cart.dims().len(), 2 * cart.dims().len()),
        Topology::Graph(graph) => {
            let degree = graph.neighbours(comm.rank.0 as i32).map_or(0, <[i32]>::len);
            (degree, degree)
        }
        Topology::DistGraph(graph) => (graph.source_ranks().len(), graph.destination_ranks().len()),
    }
}

impl State {
    /// How many neighbours this rank has in a communicator's topology: (in, out).
    pub fn neighbor_counts(&self, comm: u32) -> (usize, usize) {
        self.comms
            .get(u64::from(comm))
            .map_or((0, 0), neighbor_counts)
    }
}

/// Completes an `MPI_Comm_idup`: the native handle is valid now. One that was never made (the call failed) stays
/// unusable; Open MPI leaves the half of it behind then.
pub fn finish_idup(word: u64, is_made: bool) -> Result<(), MpiError> {
    let handle = handle(word)?;
    let place = state().comms.forming.remove(&handle.word());
    let Some(below) = place.and_then(|place| place.first().copied()) else {
        return Ok(());
    };
    let native = native()?;
    if !is_made || below == 0 || is_null(native, below) {
        return Ok(());
    }
    return_errors(native, below)?;
    state().comms.connect(handle, below)
}
