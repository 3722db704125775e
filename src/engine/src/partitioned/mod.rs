//! Partitioned communication (MPI-5.0 section 4.2), the same over every library: few have it, and none saves it.
//!
//! ```text
//!   MPI_Pready(p)   partition p packed -> side channel: header + bytes ------> any Wait, Test, Parrived of the receiver:
//!                   local: the send is complete when all are sent                 stored by header, delivered by offset
//!
//!   header: communicator, tag, which init on them, which start, offset in the message, bytes of the whole message
//! ```
//!
//! Sender and receiver are matched once, by the order of their inits on (communicator, peer, tag), so both sides count
//! them, and each counts its starts. Messages that the receiver has not started yet wait in the *early* ones. The two
//! sides may cut the same bytes into different partitions: a partition has arrived when its range of bytes has.
//!
//! A cut drains the side channel like any communicator, so what was ready has either arrived or is in the image.

mod arrived;
mod header;
mod receive;
mod send;

use std::collections::BTreeMap;

use mana_record_replay::group::{GroupRank, WorldRank};
use mana_record_replay::handle::DatatypeHandle;
use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

use crate::engine::{State, state};
use crate::error::MpiError;
use crate::request::RequestId;
use crate::{deliver, p2p};

pub use receive::{PartitionedReceive, has_arrived, init_receive, progress};
pub use send::{PartitionedSend, init_send, ready};

/// Which pair of requests a message belongs to, as one of the two sides sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    /// Global id of the communicator.
    comm: u64,
    /// World rank of the other side.
    peer: u32,
    tag: i32,
    /// Which init on these it was.
    ordinal: u64,
}

/// Whether inits are counted for sends or for receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Side {
    Send,
    Receive,
}

/// What a request is about, on either side.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Transfer {
    /// Address of the whole buffer.
    pub buffer: u64,
    /// Partitions of it.
    pub partitions: i32,
    /// Elements of a partition.
    pub count: i64,
    /// Upper handle of their datatype.
    pub datatype: u64,
    /// The other side's rank, or `MPI_PROC_NULL`.
    pub peer: i32,
    /// Tag.
    pub tag: i32,
    /// Upper handle of the communicator.
    pub comm: u64,
}

/// A part of a message that came before the receive was started.
#[derive(Debug, Serialize, Deserialize)]
struct Early {
    start: u64,
    offset: i64,
    whole: i64,
    bytes: Vec<u8>,
}

/// What this process knows of partitioned communication beside its requests.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Partitioned {
    /// Inits so far on (communicator, peer, tag).
    inits: BTreeMap<(Side, u64, u32, i32), u64>,
    receives: BTreeMap<Key, RequestId>,
    early: BTreeMap<Key, Vec<Early>>,
}

impl Transfer {
    /// The derived datatype of the buffer.
    pub fn derived_type(&self) -> Option<DatatypeHandle> {
        DatatypeHandle::from_word(self.datatype)
            .ok()
            .filter(|datatype| !datatype.is_predefined())
    }

    /// Checks the arguments that both sides have in common; the other side's world rank, none for `MPI_PROC_NULL`.
    fn check(&self) -> Result<Option<WorldRank>, MpiError> {
        p2p::datatype(self.datatype)?;
        p2p::check_count(self.count)?;
        let comm = p2p::comm(self.comm)?;
        let wrong = |class, what: &str, value: i64| {
            Err(MpiError::new(class, format!("{what} {value} is not one")))
        };
        if self.partitions < 0 {
            return wrong(
                mpi::MPI_ERR_ARG,
                "number of partitions",
                self.partitions.into(),
            );
        }
        if self.tag < 0 {
            return wrong(mpi::MPI_ERR_TAG, "tag", self.tag.into());
        }
        if self.peer == mpi::MPI_PROC_NULL {
            return Ok(None);
        }
        if !(0..comm.peers()).contains(&self.peer) {
            return wrong(mpi::MPI_ERR_RANK, "rank", self.peer.into());
        }
        self.bytes(i64::from(self.partitions))?;
        let state = state();
        let peers = state.comms.get(self.comm)?.peers();
        match peers.world_rank(GroupRank(self.peer as u32)) {
            Some(rank) => Ok(Some(rank)),
            None => wrong(mpi::MPI_ERR_RANK, "rank", self.peer.into()),
        }
    }

    /// Bytes of data in `partitions` partitions.
    fn bytes(&self, partitions: i64) -> Result<i64, MpiError> {
        let size = p2p::datatype(self.datatype)?.size_bytes();
        let bytes = partitions
            .checked_mul(self.count)
            .and_then(|count| count.checked_mul(size));
        bytes.ok_or_else(|| MpiError::new(mpi::MPI_ERR_COUNT, "more than 2^63 bytes"))
    }

    /// A partition's number must be one of these.
    fn check_partition(&self, partition: i32) -> Result<i64, MpiError> {
        if (0..self.partitions).contains(&partition) {
            return Ok(i64::from(partition));
        }
        Err(MpiError::argument(format!(
            "partition {partition} is not in 0..{}",
            self.partitions
        )))
    }

    /// Where partition `partition` lies.
    fn address(&self, partition: i64) -> Result<u64, MpiError> {
        let extent = deliver::layout(self.datatype)?.extent();
        Ok(self
            .buffer
            .wrapping_add_signed(partition * self.count * extent))
    }
}

impl State {
    /// Counts an init and returns the key of its pair.
    fn next_pair(
        &mut self,
        side: Side,
        transfer: &Transfer,
        peer: WorldRank,
    ) -> Result<Key, MpiError> {
        let comm = self.comms.get(transfer.comm)?.gid.0;
        let inits = &mut self.partitioned.inits;
        let ordinal = inits.entry((side, comm, peer.0, transfer.tag)).or_default();
        *ordinal += 1;
        Ok(Key {
            comm,
            peer: peer.0,
            tag: transfer.tag,
            ordinal: *ordinal,
        })
    }
}
