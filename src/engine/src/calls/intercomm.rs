//! Intercommunicators: `MPI_Intercomm_create` and `MPI_Intercomm_merge`.
//!
//! The processes of both sides share an ad-hoc clock (see `create_group`), whose global id all must know before its gate;
//! but only the leaders know the other side:
//!
//! ```text
//!   leader A --Side A--> leader B                              (peer_comm, tag)
//!   leader A <--Side B-- leader B
//!       |  gate of local_comm, bcast       |  gate of local_comm, bcast
//!   all of A know both Sides           all of B know both Sides   -> gate of the new id -> native call
//! ```
//!
//! A leader looks for the other's message (safe points) and takes it only past the gate of `local_comm`; what each
//! rank has done by then is in its progress record, so the call can be entered again after a restart.

use mana_drain::Gid;
use mana_drain::Start;
use mana_native::{Native, int};
use mana_table::constants as mpi;
use mana_table::fns;

use super::comm::{construct, intra_arg};
use super::create_group::past_group_gate;
use crate::args::Args;
use crate::comms::{self, Inherit};
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::p2p::{self, Probed};
use crate::progress::{self, CallProgress, Resumed, Side};
use crate::publish::CommSlot;
use crate::request::{Progress, ReceiveArgs, SendArgs};
use crate::{cut, native_call, wait};

/// Bytes of a [`Side`] on the wire.
const SIDE_BYTES: i64 = 24;

/// `MPI_Intercomm_merge(intercomm, high, newintracomm)`. Which group comes first where both say the same is the native
/// library's choice; the descriptor records it.
pub fn intercomm_merge(a: &mut Args<'_>) -> Call {
    let comm = a.raw(0);
    p2p::comm(comm)?;
    if state().comms.get(comm)?.remote.is_none() {
        return Err(MpiError::new(
            mpi::MPI_ERR_COMM,
            "MPI_Intercomm_merge takes an intercommunicator",
        ));
    }
    let high = i32::from(a.int(1) != 0);
    let made = construct(
        a,
        fns::MPI_INTERCOMM_MERGE,
        &[int(high)],
        Inherit::Errhandler,
    )?;
    a.set_handle(2, made);
    Ok(())
}

/// `MPI_Intercomm_create(local_comm, local_leader, peer_comm, remote_leader, tag, newintercomm)`.
pub fn intercomm_create(a: &mut Args<'_>) -> Call {
    let bridge = Bridge::of(a)?;
    let made = build(a, &bridge);
    progress::clear(a);
    // Greetings that have been read by now.
    wait::sweep_orphans()?;
    a.set_handle(5, made?);
    Ok(())
}

/// The arguments of `MPI_Intercomm_create` on one side.
struct Bridge {
    local: &'static CommSlot,
    local_leader: i32,
    /// Where the other leader is: significant at this side's leader only, so only known there.
    peer: Option<Peer>,
    tag: i32,
}

/// Where a leader finds the other.
struct Peer {
    comm: &'static CommSlot,
    remote_leader: i32,
}

impl Bridge {
    /// Reads and checks the arguments.
    fn of(a: &Args<'_>) -> Result<Self, MpiError> {
        let local = intra_arg(a, 0)?;
        let (local_leader, tag) = (a.int(1), a.int(4));
        check_rank("local_leader", local_leader, local.size())?;
        if tag < 0 {
            return Err(MpiError::new(
                mpi::MPI_ERR_TAG,
                format!("tag {tag} is negative"),
            ));
        }
        let peer = if local.rank() == local_leader {
            Some(Peer::of(a)?)
        } else {
            None
        };
        Ok(Self {
            local,
            local_leader,
            peer,
            tag,
        })
    }

    /// This side, as the other one is told of it.
    fn side(&self) -> Side {
        let gid = self.local.gid();
        Side {
            gid: gid.0,
            ordinal: state().comms.coming_ordinal(gid),
            members: self.local.size() as u64,
        }
    }
}

impl Peer {
    fn of(a: &Args<'_>) -> Result<Self, MpiError> {
        let (comm, remote_leader) = (p2p::comm(a.raw(2))?, a.int(3));
        check_rank("remote_leader", remote_leader, comm.peers())?;
        Ok(Self {
            comm,
            remote_leader,
        })
    }
}

fn check_rank(name: &str, rank: i32, size: i32) -> Call {
    if (0..size).contains(&rank) {
        return Ok(());
    }
    Err(MpiError::new(
        mpi::MPI_ERR_RANK,
        format!("{name} {rank} is not in 0..{size}"),
    ))
}

/// Makes the intercommunicator, from wherever a restart found the call.
fn build(a: &mut Args<'_>, bridge: &Bridge) -> Result<u64, MpiError> {
    let mine = bridge.side();
    let theirs = match progress::resume(a) {
        Some(Resumed(CallProgress::Met(theirs))) => theirs,
        resumed => meet(a, bridge, mine, resumed.is_some())?,
    };
    progress::record(a, CallProgress::Met(theirs));
    let gid = bridged_gid(mine, theirs);
    let members = (mine.members + theirs.members) as u32;
    let below = past_group_gate(a, gid, members, bridge.local, || connect(native()?, bridge))?;
    state().comms.next_ordinal(bridge.local.gid());
    let sides = comms::describe(native()?, below)?;
    comms::adopt_as(
        u64::from(bridge.local.handle()),
        below,
        gid,
        sides,
        Inherit::Errhandler,
    )
}

/// The new communicator's global id: the same seen from both sides.
fn bridged_gid(mine: Side, theirs: Side) -> Gid {
    let (low, high) = if mine <= theirs {
        (mine, theirs)
    } else {
        (theirs, mine)
    };
    Gid(low.gid).child(low.ordinal, Gid(high.gid).child(high.ordinal, 0).0)
}

/// The native call.
fn connect(native: &Native, bridge: &Bridge) -> Result<u64, MpiError> {
    // Insignificant at all but the leader, but a library may look at it all the same.
    let (peer, remote_leader) = match &bridge.peer {
        Some(peer) => (peer.comm.native(), peer.remote_leader),
        None => (bridge.local.native(), 0),
    };
    let mut made = 0_u64;
    native_call::call(
        native,
        fns::MPI_INTERCOMM_CREATE,
        &[
            bridge.local.native(),
            int(bridge.local_leader),
            peer,
            int(remote_leader),
            int(bridge.tag),
            native_call::out(&mut made),
        ],
    )?;
    Ok(made)
}

/// Learns who the other side is: the leaders tell each other, and each tells its side. `greeted`: this leader's message
/// went out before a restart.
fn meet(a: &mut Args<'_>, bridge: &Bridge, mine: Side, greeted: bool) -> Result<Side, MpiError> {
    if let Some(peer) = &bridge.peer {
        if !greeted {
            greet(peer, bridge.tag, mine)?;
            progress::record(a, CallProgress::Greeted);
        }
        let mut patience = wait::Patience::new();
        while !matches!(
            p2p::probe(
                peer.remote_leader,
                bridge.tag,
                u64::from(peer.comm.handle())
            )?,
            Probed::Message(_)
        ) {
            patience.pause(a);
        }
    }
    cut::enter_collective(a, bridge.local, Start::Blocking)?;
    let mut words = match &bridge.peer {
        Some(peer) => take_greeting(peer, bridge.tag)?,
        None => [0; 3],
    };
    let library = native()?;
    let byte = library
        .predefined()
        .datatype(mpi::MPI_BYTE)
        .map_or(0, |byte| byte.raw());
    let arguments = [
        words.as_mut_ptr() as u64,
        SIDE_BYTES as u64,
        byte,
        int(bridge.local_leader),
        bridge.local.native(),
    ];
    native_call::call(library, fns::MPI_BCAST, &arguments)?;
    let [gid, ordinal, members] = words;
    Ok(Side {
        gid,
        ordinal,
        members,
    })
}

/// Sends this side's description to the other leader. Both leaders send first, so neither waits for it to be over.
fn greet(peer: &Peer, tag: i32, side: Side) -> Call {
    let words = vec![side.gid, side.ordinal, side.members];
    let mut request = p2p::start_send(SendArgs {
        buffer: words.as_ptr() as u64,
        count: SIDE_BYTES,
        datatype: mpi::MPI_BYTE,
        destination: peer.remote_leader,
        tag,
        comm: u64::from(peer.comm.handle()),
        function: fns::MPI_ISEND.0,
    })?;
    request.keep.push(words);
    request.orphan = true;
    let mut state = state();
    let id = state.requests.insert(request)?;
    state.orphans.push_back(id);
    Ok(())
}

/// Receives the other leader's description, which has arrived.
fn take_greeting(peer: &Peer, tag: i32) -> Result<[u64; 3], MpiError> {
    let mut words = [0_u64; 3];
    let mut request = p2p::start_receive(ReceiveArgs {
        buffer: words.as_mut_ptr() as u64,
        count: SIDE_BYTES,
        datatype: mpi::MPI_BYTE,
        source: peer.remote_leader,
        tag,
        comm: u64::from(peer.comm.handle()),
    })?;
    let library = native()?;
    let mut patience = wait::Patience::new();
    let completion = loop {
        if let Progress::Done(completion) = request.progress {
            break completion;
        }
        if let Some(below) = request.native.as_mut()
            && let Some(completion) = p2p::test_native(library, below)?
        {
            p2p::count_completion(&request.kind, &completion);
            break completion;
        }
        patience.breathe();
    };
    wait::failed(&completion)?;
    Ok(words)
}
