//! The sending side: partitions go out as they become ready.

use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

use super::header::{BYTES, Header};
use super::{Key, Side, Transfer};
use crate::deliver;
use crate::engine::{State, state};
use crate::error::{Call, MpiError};
use crate::request::{Kind, Progress, Request, RequestId};
use crate::side_channel::{self, Subject};
use crate::special::Special;
use crate::status::Completion;

/// `MPI_Psend_init`.
#[derive(Debug, Serialize, Deserialize)]
pub struct PartitionedSend {
    /// Its arguments.
    pub transfer: Transfer,
    /// Its pair; none for `MPI_PROC_NULL`.
    key: Option<Key>,
    starts: u64,
    ready: Vec<bool>,
    /// Partitions that are out.
    sent: i32,
}

/// Makes the request.
pub fn init_send(transfer: Transfer) -> Result<Request, MpiError> {
    let peer = transfer.check()?;
    let key = peer.map(|peer| state().next_pair(Side::Send, &transfer, peer));
    Ok(Request::special(
        Special::PartitionedSend(PartitionedSend {
            transfer,
            key: key.transpose()?,
            starts: 0,
            ready: vec![false; transfer.partitions as usize],
            sent: 0,
        }),
        Progress::Inactive,
        true,
    ))
}

impl PartitionedSend {
    /// `MPI_Start`.
    pub fn start(&mut self) -> Progress {
        self.starts += 1;
        self.sent = 0;
        self.ready.fill(false);
        if self.ready.is_empty() {
            Progress::Done(Completion::EMPTY)
        } else {
            Progress::Active
        }
    }
}

/// The partitioned send `id`, which must be active.
fn active(state: &mut State, id: RequestId) -> Result<&mut PartitionedSend, MpiError> {
    let wrong = |text| Err(MpiError::new(mpi::MPI_ERR_REQUEST, text));
    match state.requests.get_mut(id) {
        Some(Request {
            kind: Kind::Special,
            progress,
            special: Some(special),
            ..
        }) => match special.as_mut() {
            Special::PartitionedSend(_) if *progress == Progress::Inactive => {
                wrong("the partitioned send is not started")
            }
            Special::PartitionedSend(send) => Ok(send),
            _ => wrong("the request is not a partitioned send"),
        },
        _ => wrong("the request is not a partitioned send"),
    }
}

/// Partition `partition` of request `id` is ready: it is copied and sent. Of an empty message only the last one that
/// becomes ready is sent: no bytes would tell the receiver which of them are still to come.
pub fn ready(id: RequestId, partition: i32) -> Call {
    let (transfer, key, start, last) = {
        let mut state = state();
        let send = active(&mut state, id)?;
        let at = send.transfer.check_partition(partition)? as usize;
        if std::mem::replace(&mut send.ready[at], true) {
            return Err(MpiError::argument(format!(
                "partition {partition} is ready already"
            )));
        }
        let last = send.ready.iter().all(|ready| *ready);
        (send.transfer, send.key, send.starts, last)
    };
    let whole = transfer.bytes(i64::from(transfer.partitions))?;
    if let Some(key) = key.filter(|_| whole > 0 || last) {
        let header = Header {
            key,
            start,
            offset: transfer.bytes(i64::from(partition))?,
            whole,
        };
        let from = transfer.address(i64::from(partition))?;
        let (packed, len) = deliver::pack(from, transfer.count, transfer.datatype, transfer.comm)?;
        let words = header.words().into_iter().chain(packed).collect();
        side_channel::send(key.peer, Subject::Partition, words, BYTES + len)?;
    }
    let mut state = state();
    let send = active(&mut state, id)?;
    send.sent += 1;
    if send.sent == transfer.partitions {
        state.complete(id, Completion::EMPTY);
    }
    Ok(())
}
