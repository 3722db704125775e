//! Messages of our own between ranks, beside the application's: what partitioned communication is made of, and how ranks
//! wait for each other in `MPI_Finalize`.
//!
//! ```text
//!   send(rank, subject, words) -> counted MPI_Isend on a duplicate of the world that the application cannot name
//!                                    |                                       the cut drains it like any communicator
//!   receive(subject)  <-  the drained queue first, then the network    <-----+
//! ```
//!
//! Every lower half makes the duplicate anew when it joins the world; under its one global id, drained messages find
//! their way across a restart. Two messages of one subject and sender arrive in the order in which they were sent. A
//! sender never waits: a message is a copy, and is kept until the network has it.

use std::collections::VecDeque;

use mana_drain::Gid;
use mana_native::Native;
use mana_table::constants as mpi;
use mana_table::fns;
use serde::{Deserialize, Serialize};

use crate::engine::{native, state};
use crate::error::MpiError;
use crate::init::World;
use crate::publish::{self, CommFacts, CommSlot, TypeSlot};
use crate::request::{ReceiveArgs, Request, RequestId, SendArgs};
use crate::{comms, native_call, p2p};

/// Its place among the published communicators: a value that the standard gives to nothing.
pub const HANDLE: u64 = 0xfff;
/// Its global id: the world's is 1, all others are hashes.
const GID: Gid = Gid(2);

/// What messages are about: their tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Parts of partitioned messages (`partitioned`).
    Partition,
    /// The sender is in `MPI_Finalize`, in so many rounds (`calls::finalize`).
    Leaving(u32),
}

/// A tag that no message bears.
const NO_SUBJECT: i32 = 0;

impl Subject {
    fn tag(self) -> i32 {
        match self {
            Self::Partition => 1,
            Self::Leaving(round) => 2 + round as i32,
        }
    }
}

/// Messages that the network has not taken yet.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outgoing(VecDeque<RequestId>);

/// A message that came in.
pub struct Incoming {
    /// World rank of the sender.
    pub source: u32,
    /// What was sent.
    pub bytes: Vec<u8>,
}

/// Makes the channel: a collective step of all ranks, when a lower half joins the world.
pub fn open(native: &Native, world: World) -> Result<(), MpiError> {
    let of = publish::world().map_or(0, CommSlot::native);
    let mut made = 0_u64;
    native_call::call(
        native,
        fns::MPI_COMM_DUP,
        &[of, native_call::out(&mut made)],
    )?;
    comms::return_errors(native, made)?;
    let (rank, size) = (world.rank as i32, world.size as i32);
    let facts = CommFacts {
        native: made,
        gid: GID,
        rank,
        size,
        peers: size,
        foreign: false,
        clock: None,
    };
    publish::publish_comm(HANDLE, &facts);
    Ok(())
}

/// Sends the first `len_bytes` bytes of `words` to world rank `to`.
pub fn send(to: u32, subject: Subject, words: Vec<u64>, len_bytes: usize) -> Result<(), MpiError> {
    settle()?;
    let mut request = p2p::start_send(SendArgs {
        buffer: words.as_ptr() as u64,
        count: len_bytes as i64,
        datatype: mpi::MPI_PACKED,
        destination: to as i32,
        tag: subject.tag(),
        comm: HANDLE,
        function: fns::MPI_ISEND.0,
    })?;
    request.keep.push(words);
    let mut state = state();
    let id = state.insert_request(request)?;
    state.outgoing.0.push_back(id);
    Ok(())
}

/// The next message about `subject`, if one is here.
pub fn receive(subject: Subject) -> Result<Option<Incoming>, MpiError> {
    let native = native()?;
    let channel = p2p::comm(HANDLE)?;
    let (anyone, tag) = (mpi::MPI_ANY_SOURCE, subject.tag());
    let matched = {
        // The look into the queue and the one into the network are one step: see `p2p::start_receive`.
        let mut state = state();
        if channel.queued() > 0
            && let Some(message) = state.take_drained(channel, anyone, tag)
        {
            return Ok(Some(Incoming {
                source: message.source as u32,
                bytes: message.bytes,
            }));
        }
        p2p::improbe_native(native, anyone, tag, channel)?
    };
    let Some((message, completion)) = matched else {
        return Ok(None);
    };
    Ok(Some(Incoming {
        source: completion.source as u32,
        bytes: p2p::receive_packed(native, message, &completion)?,
    }))
}

/// Posts a receive that no message will ever match.
pub fn post_in_vain(
    native: &'static Native,
    args: &ReceiveArgs,
    datatype: &TypeSlot,
) -> Result<Request, MpiError> {
    let channel = p2p::comm(HANDLE)?;
    let nothing = ReceiveArgs {
        source: channel.rank(),
        tag: NO_SUBJECT,
        comm: HANDLE,
        ..*args
    };
    p2p::post_native(native, &nothing, channel, datatype)
}

/// Lets go of messages that the network has taken; `true` when none is left.
pub fn settle() -> Result<bool, MpiError> {
    let waiting = std::mem::take(&mut state().outgoing.0);
    let mut left = VecDeque::new();
    for id in waiting {
        if p2p::poll(id)? {
            state().remove_request(id);
        } else {
            left.push_back(id);
        }
    }
    let mut state = state();
    // Another thread may have sent meanwhile.
    left.append(&mut state.outgoing.0);
    state.outgoing.0 = left;
    Ok(state.outgoing.0.is_empty())
}
