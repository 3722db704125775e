//! Rebuilding native objects from the live descriptors, at a restart.
//!
//! Order: datatypes and operations (local), communicators in the order of their global ids (collective over each
//! group, and a total order, so no two can wait for each other), windows and files in the order of their communicators'
//! ids, then pending receives in the order of posting.

use mana_native::Native;
use mana_record_replay::comm::Communicator;
use mana_record_replay::group::{Group, WorldRank};
use mana_record_replay::topology::Topology;
use mana_table::fns;

use crate::calls::{Edges, adjacent_arguments};
use crate::comms;
use crate::engine::{native, state};
use crate::error::{EngineError, MpiError};
use crate::publish::{self, CommSlot};
use crate::request::{Kind, Progress};
use crate::{native_call, p2p, side_channel, windows};

/// Makes all native objects anew.
pub fn rebuild() -> Result<(), EngineError> {
    let failed = |error: MpiError| EngineError::NativeCall {
        doing: "rebuilding the program's MPI objects",
        function: "MPI",
        reason: error.message,
    };
    let native = native().map_err(failed)?;
    crate::objects::rebuild(native).map_err(failed)?;
    communicators(native).map_err(failed)?;
    windows::rebuild(native).map_err(failed)?;
    crate::file_rebuild::rebuild(native).map_err(failed)?;
    refill_queues();
    receives(native).map_err(failed)
}

/// Makes the communicators.
fn communicators(native: &Native) -> Result<(), MpiError> {
    let order: Vec<_> = {
        let state = state();
        state
            .comms
            .set()?
            .rebuild_order()
            .into_iter()
            .map(|(handle, comm)| (handle, comm.clone()))
            .collect()
    };
    for (handle, comm) in order {
        let (below, side) = make(native, &comm)?;
        comms::return_errors(native, below)?;
        let mut state = state();
        state.comms.connect(handle, below)?;
        if let Some(side) = side {
            state.comms.keep_side(handle, side);
        }
    }
    Ok(())
}

/// Makes one native communicator; collective over its members. With an intercommunicator comes its local side, which it needs.
fn make(native: &Native, comm: &Communicator) -> Result<(u64, Option<u64>), MpiError> {
    let local = create_group(native, &comm.local)?;
    Ok(match &comm.remote {
        None => (add_topology(native, local, &comm.topology)?, None),
        Some(remote) => {
            let connected = connect_sides(native, local, &comm.local, remote)?;
            (connected, Some(local))
        }
    })
}

/// `MPI_Comm_create_group` of world ranks.
pub fn create_group(native: &Native, members: &Group) -> Result<u64, MpiError> {
    let group = comms::native_group(native, members)?;
    let world = publish::world().map_or(0, CommSlot::native);
    let mut comm = 0_u64;
    native_call::call(
        native,
        fns::MPI_COMM_CREATE_GROUP,
        &[world, group, 0, native_call::out(&mut comm)],
    )?;
    comms::free_native_group(native, group)?;
    Ok(comm)
}

/// `MPI_Intercomm_create` with the two first members as leaders.
fn connect_sides(
    native: &Native,
    local: u64,
    mine: &Group,
    other: &Group,
) -> Result<u64, MpiError> {
    let world = publish::world().map_or(0, CommSlot::native);
    let leader = |group: &Group| group.iter().next().map_or(0, |WorldRank(rank)| rank);
    // One tag per pair of leaders is enough: pairs that meet again do so in the same order on both sides.
    let tag = u64::from(leader(mine).min(leader(other)) % 1000);
    let mut comm = 0_u64;
    let arguments = [
        local,
        0,
        world,
        u64::from(leader(other)),
        tag,
        native_call::out(&mut comm),
    ];
    native_call::call(native, fns::MPI_INTERCOMM_CREATE, &arguments)?;
    Ok(comm)
}

/// Gives a native communicator its topology, for neighbourhood collectives; ranks stay as they are.
pub fn add_topology(native: &Native, mut base: u64, topology: &Topology) -> Result<u64, MpiError> {
    let mut with = 0_u64;
    match topology {
        Topology::None => return Ok(base),
        Topology::Cart(cart) => {
            let periods: Vec<i32> = cart
                .periods()
                .iter()
                .map(|period| i32::from(*period))
                .collect();
            native_call::call(
                native,
                fns::MPI_CART_CREATE,
                &[
                    base,
                    cart.dims().len() as u64,
                    cart.dims().as_ptr() as u64,
                    periods.as_ptr() as u64,
                    0,
                    native_call::out(&mut with),
                ],
            )?;
        }
        Topology::Graph(graph) => native_call::call(
            native,
            fns::MPI_GRAPH_CREATE,
            &[
                base,
                graph.index().len() as u64,
                graph.index().as_ptr() as u64,
                graph.edges().as_ptr() as u64,
                0,
                native_call::out(&mut with),
            ],
        )?,
        Topology::DistGraph(graph) => {
            let edges = Edges::of(graph);
            let mut arguments = vec![base];
            arguments.extend(adjacent_arguments(native, &edges));
            arguments.push(native_call::out(&mut with));
            native_call::call(native, fns::MPI_DIST_GRAPH_CREATE_ADJACENT, &arguments)?;
        }
    }
    native_call::call(native, fns::MPI_COMM_FREE, &[native_call::out(&mut base)])?;
    Ok(with)
}

/// Tells the hot paths how many drained messages wait on each communicator.
fn refill_queues() {
    let state = state();
    for slot in state.comms.slots() {
        let waiting = state
            .unexpected
            .iter()
            .filter(|message| message.comm == slot.gid())
            .count();
        slot.count_queued(waiting as i32);
    }
}

/// Posts the pending receives again, in the order in which they were posted.
///
/// One on a communicator that was freed meanwhile can only be cancelled any more: all members have freed it, since there
/// is no cut otherwise, and what they had sent on it before has arrived. It is posted where nothing will ever come.
fn receives(native: &'static Native) -> Result<(), MpiError> {
    let mut pending: Vec<_> = state()
        .requests
        .iter()
        .filter_map(|(id, request)| match (request.progress, request.kind) {
            (Progress::Active, Kind::Receive(args)) => Some((request.started, id, args)),
            _ => None,
        })
        .collect();
    pending.sort_unstable_by_key(|(started, ..)| *started);
    for (_, id, args) in pending {
        let datatype = p2p::datatype(args.datatype)?;
        let posted = match publish::comm(args.comm) {
            Some(comm) => p2p::post_native(native, &args, comm, datatype)?,
            None => side_channel::post_in_vain(native, &args, datatype)?,
        };
        if let Some(request) = state().requests.get_mut(id) {
            request.native = posted.native;
            request.started = posted.started;
        }
    }
    Ok(())
}
