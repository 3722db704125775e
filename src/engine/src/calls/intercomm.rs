//! Constructors that are collective over processes which share no communicator of just them: `MPI_Comm_create_group`
//! and `MPI_Intercomm_create`; and `MPI_Intercomm_merge`.
//!
//! Each such set of processes has a clock of its own (an *ad-hoc group*), so that the cut never falls between members
//! that are inside the native call and others that have not come to it. All must know the clock's global id before:
//!
//! ```text
//!   create_group   (parent, sorted members, tag)                         known to all from the arguments
//!   intercomm      leader A --Side A--> leader B      (peer_comm, tag)   only the leaders know the other side
//!                  leader A <--Side B-- leader B
//!                      |  bcast in local_comm            |  gate of local_comm
//!                  all of A know both Sides           all of B know both Sides   -> gate of the new id -> native call
//! ```
//!
//! A leader looks for the other's message (safe points) and takes it only past the gate of `local_comm`; what each
//! rank has done by then is in its progress record, so the call can be entered again after a restart.

use mana_drain::Start;
use mana_native::{Native, int};
use mana_record_replay::gid::{Gid, child_gid};
use mana_record_replay::group::Group;
use mana_table::constants as mpi;
use mana_table::fns;

use super::comm::{check_members, construct, intra_arg};
use super::group::group_arg;
use crate::args::Args;
use crate::comms::{self, Inherit};
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::p2p::{self, Probed};
use crate::progress::{self, CallProgress, Resumed, Side};
use crate::publish::CommSlot;
use crate::request::{Kind, Progress, ReceiveArgs, SendArgs};
use crate::{cut, native_call, wait};

/// Bytes of a [`Side`] on the wire.
const SIDE_BYTES: i64 = 24;

/// Runs `constructor` past the gate of the ad-hoc group `gid` of `members` processes; `comm` is where messages may
/// arrive meanwhile.
fn past_group_gate<T>(
    a: &mut Args<'_>,
    gid: Gid,
    members: u32,
    comm: &CommSlot,
    constructor: impl FnOnce() -> Result<T, MpiError>,
) -> Result<T, MpiError> {
    let clock = cut::register_clock(mana_drain::Gid(gid.0), members)?;
    let made = cut::enter_clock(a, clock, comm, Start::Blocking).and_then(|()| constructor());
    cut::retire_clock(clock);
    made
}

/// `MPI_Comm_create_group(comm, group, tag, newcomm)`: only the processes of `group` take part.
pub fn comm_create_group(a: &mut Args<'_>) -> Call {
    let group = group_arg(a, 1)?;
    let parent = intra_arg(a, 0)?;
    check_members(a, &group)?;
    let tag = a.int(2);
    if tag < 0 {
        return Err(MpiError::new(
            mpi::MPI_ERR_TAG,
            format!("tag {tag} is negative"),
        ));
    }
    let process = state().comms.process()?;
    let made = if group.contains(process) {
        create_group(a, parent, &group, tag)?
    } else {
        mpi::MPI_COMM_NULL
    };
    a.set_handle(3, made);
    Ok(())
}

/// Makes the communicator of `group`, of which this process is a member.
fn create_group(
    a: &mut Args<'_>,
    parent: &CommSlot,
    group: &Group,
    tag: i32,
) -> Result<u64, MpiError> {
    let mut members: Vec<u32> = group.iter().map(|process| process.0).collect();
    members.sort_unstable();
    let scope = Gid(mana_drain::Gid(parent.gid().0).group(&members, tag).0);
    let below = past_group_gate(a, scope, group.size(), parent, || {
        let library = native()?;
        let native_group = comms::native_group(library, group)?;
        let mut made = 0_u64;
        let arguments = [
            parent.native(),
            native_group,
            int(tag),
            native_call::out(&mut made),
        ];
        native_call::call(library, fns::MPI_COMM_CREATE_GROUP, &arguments)?;
        comms::free_native_group(library, native_group)?;
        Ok(made)
    })?;
    comms::adopt_in(
        u64::from(parent.handle()),
        scope,
        below,
        Inherit::Errhandler,
    )
}

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
    child_gid(
        Gid(low.gid),
        low.ordinal,
        child_gid(Gid(high.gid), high.ordinal, 0).0,
    )
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
    debug_assert!(
        matches!(request.kind, Kind::Receive(_)),
        "a receive was started"
    );
    Ok(words)
}
