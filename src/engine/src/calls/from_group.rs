//! Communicators made of groups alone (MPI-5.0 sections 7.4.2 and 7.6.2): how sessions communicate.
//!
//! ```text
//!   MPI_Comm_create_from_group         all of the group   -> gate (members, string tag) -> native create_group
//!   MPI_Intercomm_create_from_groups   one side: only its leader knows the other side
//!        all of the side -> gate (side, string tag) -> leader broadcasts the other side's members   = Bridge
//!        both sides      -> gate (all, string tag)  -> native create_group, intercomm_create by the leaders in the world
//! ```
//!
//! The ad-hoc groups' clocks are those of `create_group`. A restart between the two gates of the second finds what the
//! leader said in [`crate::engine::State::bridges`].

use std::collections::HashMap;

use mana_drain::Gid;
use mana_native::int;
use mana_record_replay::errhandler::ErrhandlerKind;
use mana_record_replay::group::{Group, WorldRank};
use mana_table::constants as mpi;
use mana_table::fns;
use serde::{Deserialize, Serialize};

use super::comm::comm_hints_arg;
use super::create_group::past_group_gate;
use super::errhandler::{raise_on_argument, usable};
use super::group::group_arg;
use crate::args::Args;
use crate::comms::{self, Inherit};
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::holder::Holder;
use crate::native_call;
use crate::predefined_attributes::TAG_UB;
use crate::publish::{self, CommSlot};

/// What the processes of one side know of the other once their leader has told them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// The other side's processes, in order.
    others: Vec<u32>,
    /// Which of them leads.
    leader: u32,
}

/// Bridges by the thread that is making an intercommunicator.
pub type Bridges = HashMap<u64, Bridge>;

/// `MPI_Comm_create_from_group(group, stringtag, info, errhandler, newcomm)`. Errors go to the error handler given.
pub fn comm_create_from_group(a: &mut Args<'_>) -> Call {
    match create(a) {
        Ok(made) => {
            a.set_handle(4, made);
            Ok(())
        }
        Err(error) => raise_on_argument(a, 3, ErrhandlerKind::Comm, &error),
    }
}

/// `MPI_Intercomm_create_from_groups(local_group, local_leader, remote_group, remote_leader, stringtag, info,
/// errhandler, newintercomm)`.
pub fn intercomm_create_from_groups(a: &mut Args<'_>) -> Call {
    let made = connect(a);
    state().bridges.remove(&crate::thread_fs());
    match made {
        Ok(made) => {
            a.set_handle(7, made);
            Ok(())
        }
        Err(error) => raise_on_argument(a, 6, ErrhandlerKind::Comm, &error),
    }
}

/// `MPI_COMM_WORLD` below, which every session's groups are part of.
fn world() -> Result<&'static CommSlot, MpiError> {
    publish::world().ok_or_else(|| MpiError::new(mpi::MPI_ERR_OTHER, "no session is open"))
}

/// The id of the ad-hoc group of `members` that calls with `tag`, and a native tag.
fn scope(members: &Group, tag: &[u8], what: u32) -> (Gid, i32) {
    // FNV-1a, 64 bits: the ids must mean the same in every version of mana.
    let hash = tag.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut ranks: Vec<u32> = members.iter().map(|process| process.0).collect();
    ranks.sort_unstable();
    let gid = Gid(hash ^ u64::from(what)).group(&ranks, (hash >> 20) as i32 & 0x0fff_ffff);
    (gid, tag_below(hash))
}

/// A tag for the library below. Threads that make communicators of one group at the same time are told apart by it there, and their
/// string tags may differ in the last byte alone, which FNV leaves in few bits: so all bits go into each (`MurmurHash3`'s last steps).
fn tag_below(hash: u64) -> i32 {
    let half = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (half ^ half >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (mixed >> 33) as i32 & TAG_UB
}

/// This process must be in the group that it calls with.
fn check_membership(group: &Group) -> Call {
    let process = state().comms.process()?;
    if group.contains(process) {
        return Ok(());
    }
    Err(MpiError::new(
        mpi::MPI_ERR_GROUP,
        "the calling process is not in the group",
    ))
}

/// The native communicator of `group`; collective over its members.
fn native_comm(group: &Group, tag: i32) -> Result<u64, MpiError> {
    let library = native()?;
    let mut members = comms::native_group(library, group)?;
    let mut made = 0_u64;
    let arguments = [
        world()?.native(),
        members,
        int(tag),
        native_call::out(&mut made),
    ];
    let outcome = native_call::call(library, fns::MPI_COMM_CREATE_GROUP, &arguments);
    native_call::call(
        library,
        fns::MPI_GROUP_FREE,
        &[native_call::out(&mut members)],
    )?;
    outcome.map(|()| made)
}

/// Makes the communicator of a group.
fn create(a: &mut Args<'_>) -> Result<u64, MpiError> {
    let group = group_arg(a, 0)?;
    let hints = comm_hints_arg(a, 2)?;
    let errhandler = usable(&state(), a.raw(3), ErrhandlerKind::Comm)?;
    if group.size() == 0 {
        return Ok(mpi::MPI_COMM_NULL);
    }
    let world = world()?;
    check_membership(&group)?;
    let (scope, tag) = scope(&group, a.c_string(1).to_bytes(), 0);
    let below = past_group_gate(a, scope, group.size(), world, || native_comm(&group, tag))?;
    let made = comms::adopt_in(mpi::MPI_COMM_WORLD, scope, below, Inherit::Errhandler)?;
    state().origins.derive(made, a.raw(0));
    dress(made, errhandler, hints)?;
    Ok(made)
}

/// Gives a new communicator the error handler and hints that its constructor was called with.
fn dress(
    made: u64,
    errhandler: mana_record_replay::handle::ErrhandlerHandle,
    hints: mana_record_replay::info::Info,
) -> Call {
    let mut state = state();
    state.objects.hold_errhandler(errhandler)?;
    let before = state.replace_errhandler(Holder::Comm(made), errhandler)?;
    state.objects.errhandlers.release(before);
    state.comms.get_mut(made)?.info = hints;
    Ok(())
}

/// Makes the intercommunicator between two groups.
fn connect(a: &mut Args<'_>) -> Result<u64, MpiError> {
    let local = group_arg(a, 0)?;
    let leader = local.check_rank(a.int(1))?;
    let hints = comm_hints_arg(a, 5)?;
    let errhandler = usable(&state(), a.raw(6), ErrhandlerKind::Comm)?;
    let world = world()?;
    check_membership(&local)?;
    let text = a.c_string(4);
    let tag = text.to_bytes();
    let bridge = meet(a, &local, leader.0, tag)?;
    let remote = Group::from_world_ranks(bridge.others.clone())?;
    let both = local.union(&remote);
    if both.size() != local.size() + remote.size() {
        return Err(MpiError::new(
            mpi::MPI_ERR_GROUP,
            "the two groups of an intercommunicator must not have a process in common",
        ));
    }
    let (gid, native_tag) = scope(&both, tag, 1);
    let (below, side) = past_group_gate(a, gid, both.size(), world, || {
        let (library, side) = (native()?, native_comm(&local, native_tag)?);
        let mut made = 0_u64;
        let arguments = [
            side,
            u64::from(leader.0),
            world.native(),
            u64::from(bridge.leader),
            int(native_tag),
            native_call::out(&mut made),
        ];
        native_call::call(library, fns::MPI_INTERCOMM_CREATE, &arguments)?;
        Ok((made, side))
    })?;
    let made = comms::adopt_in(mpi::MPI_COMM_WORLD, gid, below, Inherit::Errhandler)?;
    state().comms.keep_side(comms::handle(made)?, side);
    state().origins.derive(made, a.raw(0));
    dress(made, errhandler, hints)?;
    Ok(made)
}

/// The other side: as the leader of this one tells it, or as a restart found it.
fn meet(a: &mut Args<'_>, local: &Group, leader: u32, tag: &[u8]) -> Result<Bridge, MpiError> {
    if let Some(bridge) = state().bridges.get(&crate::thread_fs()).cloned() {
        return Ok(bridge);
    }
    let leads = local.rank_of(state().comms.process()?).map(|rank| rank.0) == Some(leader);
    // Read before the gate, but judged behind it: the others of this side are on their way to it.
    let mine = if leads { read_bridge(a) } else { Ok(None) };
    let (gid, native_tag) = scope(local, tag, 2);
    let words = past_group_gate(a, gid, local.size(), world()?, || {
        let side = native_comm(local, native_tag)?;
        let told = broadcast(side, leader, mine.as_ref().ok().and_then(Option::as_ref));
        let mut side = side;
        native_call::call(
            native()?,
            fns::MPI_COMM_FREE,
            &[native_call::out(&mut side)],
        )?;
        told
    })?;
    mine?;
    let [leader, others @ ..] = words.as_slice() else {
        return Err(MpiError::new(
            mpi::MPI_ERR_GROUP,
            "the leader of this side found something wrong with the other side",
        ));
    };
    let bridge = Bridge {
        others: others.to_vec(),
        leader: *leader,
    };
    state().bridges.insert(crate::thread_fs(), bridge.clone());
    Ok(bridge)
}

/// What the leader was called with: the other side's leader, then all its processes.
fn read_bridge(a: &Args<'_>) -> Result<Option<Vec<u32>>, MpiError> {
    let remote = group_arg(a, 2)?;
    let leader = remote.check_rank(a.int(3))?;
    let first = remote.world_rank(leader).map_or(0, |WorldRank(rank)| rank);
    let mut words = vec![first];
    words.extend(remote.iter().map(|process| process.0));
    Ok(Some(words))
}

/// Broadcasts the leader's words over `side`; none when it found a mistake.
fn broadcast(side: u64, leader: u32, words: Option<&Vec<u32>>) -> Result<Vec<u32>, MpiError> {
    let library = native()?;
    let int_type = library
        .predefined()
        .datatype(mpi::MPI_INT)
        .map_or(0, |int| int.raw());
    let mut words = words.cloned().unwrap_or_default();
    let mut len = words.len() as u64;
    let arguments = [
        native_call::out(&mut len),
        1,
        int_type,
        u64::from(leader),
        side,
    ];
    native_call::call(library, fns::MPI_BCAST, &arguments)?;
    words.resize(len as u32 as usize, 0);
    let arguments = [
        words.as_mut_ptr() as u64,
        len,
        int_type,
        u64::from(leader),
        side,
    ];
    native_call::call(library, fns::MPI_BCAST, &arguments)?;
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_strings_are_ones_that_every_library_has_and_differ() {
        let group = Group::of_one(WorldRank(0));
        let tag = |n| scope(&group, format!("thread {n}").as_bytes(), 0).1;
        let tags: Vec<i32> = (0..1000).map(tag).collect();
        assert!(tags.iter().all(|tag| (0..=TAG_UB).contains(tag)));
        // Of so few bits some fall together.
        let different: std::collections::HashSet<&i32> = tags.iter().collect();
        assert!(different.len() > 990, "{}", different.len());
    }
}
