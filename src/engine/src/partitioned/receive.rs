//! The receiving side: parts find their request by their header, or wait for it.

use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

use super::arrived::Arrived;
use super::header::{BYTES, Header};
use super::{Early, Key, Side, Transfer};
use crate::deliver;
use crate::engine::{State, state};
use crate::error::{Call, MpiError};
use crate::request::{Progress, Request, RequestId};
use crate::side_channel::{self, Subject};
use crate::special::Special;
use crate::status::Completion;

/// `MPI_Precv_init`.
#[derive(Debug, Serialize, Deserialize)]
pub struct PartitionedReceive {
    /// Its arguments.
    pub transfer: Transfer,
    /// Its pair; none for `MPI_PROC_NULL`.
    key: Option<Key>,
    starts: u64,
    arrived: Arrived,
}

/// Makes the request and puts it into the table.
pub fn init_receive(transfer: Transfer) -> Result<RequestId, MpiError> {
    let peer = transfer.check()?;
    let mut state = state();
    let key = peer.map(|peer| state.next_pair(Side::Receive, &transfer, peer));
    let key = key.transpose()?;
    let id = state.insert_request(Request::special(
        Special::PartitionedReceive(PartitionedReceive {
            transfer,
            key,
            starts: 0,
            arrived: Arrived::default(),
        }),
        Progress::Inactive,
        true,
    ))?;
    if let Some(key) = key {
        state.partitioned.receives.insert(key, id);
    }
    Ok(id)
}

impl PartitionedReceive {
    /// `MPI_Start`.
    pub fn start(&mut self) -> Progress {
        self.starts += 1;
        self.arrived.clear();
        if self.key.is_none() {
            Progress::Done(Completion::PROC_NULL)
        } else if self.transfer.partitions == 0 {
            Progress::Done(self.completion(0))
        } else {
            Progress::Active
        }
    }

    /// The status when it is complete.
    fn completion(&self, bytes: i64) -> Completion {
        Completion::message(self.transfer.peer, self.transfer.tag, bytes)
    }

    /// The request is gone: nothing looks for it any more.
    pub fn forget(&self, state: &mut State) {
        if let Some(key) = self.key {
            state.partitioned.receives.remove(&key);
        }
    }
}

/// Takes in what was sent; to be called wherever a partitioned request is tested.
pub fn progress() -> Call {
    while let Some(incoming) = side_channel::receive(Subject::Partition)? {
        let header = Header::read(incoming.source, &incoming.bytes).ok_or_else(|| {
            MpiError::new(mpi::MPI_ERR_INTERN, "a part of a message without a header")
        })?;
        let mut bytes = incoming.bytes;
        bytes.drain(..BYTES);
        place(
            header.key,
            Early {
                start: header.start,
                offset: header.offset,
                whole: header.whole,
                bytes,
            },
        )?;
    }
    let waiting: Vec<_> = {
        let mut state = state();
        let ready = state.startable_early();
        ready
            .into_iter()
            .flat_map(|key| {
                let parts = state.partitioned.early.remove(&key).unwrap_or_default();
                parts.into_iter().map(move |part| (key, part))
            })
            .collect()
    };
    waiting
        .into_iter()
        .try_for_each(|(key, part)| place(key, part))
}

impl State {
    /// The receive of `key`: its request, whether that is active, and what it is.
    fn receive_of(&mut self, key: &Key) -> Option<(RequestId, bool, &mut PartitionedReceive)> {
        let id = *self.partitioned.receives.get(key)?;
        let request = self.requests.get_mut(id)?;
        let active = request.progress == Progress::Active;
        match request.special.as_deref_mut()? {
            Special::PartitionedReceive(receive) => Some((id, active, receive)),
            _ => None,
        }
    }

    /// The receive of `key` if it is active in its start number `start`.
    fn receive_started(
        &mut self,
        key: &Key,
        start: u64,
    ) -> Option<(RequestId, &mut PartitionedReceive)> {
        let (id, active, receive) = self.receive_of(key)?;
        (active && receive.starts == start).then_some((id, receive))
    }

    /// The keys of early parts whose receive is started now.
    fn startable_early(&mut self) -> Vec<Key> {
        let keys: Vec<_> = self
            .partitioned
            .early
            .iter()
            .filter_map(|(key, parts)| Some((*key, parts.iter().map(|part| part.start).min()?)))
            .collect();
        let mut startable = Vec::new();
        for (key, first) in keys {
            if self.receive_started(&key, first).is_some() {
                startable.push(key);
            }
        }
        startable
    }
}

/// Delivers a part if its receive is started, else keeps it.
fn place(key: Key, part: Early) -> Call {
    let (id, transfer) = {
        let mut state = state();
        match state.receive_of(&key) {
            Some((id, true, receive)) if receive.starts == part.start => (id, receive.transfer),
            // More than its start took: an empty message where the receive has no partitions.
            Some((.., receive)) if receive.starts >= part.start => return Ok(()),
            _ => {
                state.partitioned.early.entry(key).or_default().push(part);
                return Ok(());
            }
        }
    };
    let count = i64::from(transfer.partitions) * transfer.count;
    deliver::unpack_at(
        transfer.buffer,
        count,
        transfer.datatype,
        part.offset,
        &part.bytes,
    )?;
    let here = transfer.bytes(i64::from(transfer.partitions))?;
    let mut state = state();
    let Some((_, receive)) = state.receive_started(&key, part.start) else {
        return Ok(());
    };
    let end = part.offset + part.bytes.len() as i64;
    receive.arrived.insert(part.offset, end);
    if receive.arrived.covers(0, part.whole) {
        let mut completion = receive.completion(here.min(part.whole));
        // Both sides must say the same number of bytes (MPI-5.0 section 4.2.1).
        if part.whole != here {
            completion.error = mpi::MPI_ERR_TRUNCATE;
        }
        state.complete(id, completion);
    }
    Ok(())
}

/// Whether partition `partition` of request `id` is here.
pub fn has_arrived(id: RequestId, partition: i32) -> Result<bool, MpiError> {
    progress()?;
    let mut state = state();
    let progress = state.requests.get(id).map(|request| request.progress);
    let Some(Special::PartitionedReceive(receive)) = state.special_mut(id) else {
        return Err(MpiError::new(
            mpi::MPI_ERR_REQUEST,
            "the request is not a partitioned receive",
        ));
    };
    let at = receive.transfer.check_partition(partition)?;
    let (from, to) = (receive.transfer.bytes(at)?, receive.transfer.bytes(at + 1)?);
    // No byte tells that an empty partition is here; the part that completes the empty message does.
    let is_here = from < to && receive.arrived.covers(from, to);
    Ok(is_here || progress != Some(Progress::Active))
}
