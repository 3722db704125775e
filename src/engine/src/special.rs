//! Requests that the engine completes by itself: no native request stands for them, or more than one.
//!
//! ```text
//!   persistent collective    inactive: the call to make           active: as any nonblocking collective
//!   MPI_Isendrecv            a pair of requests without handles   complete when both are
//!   MPI_Buffer_iflush        the messages that are to go          complete when they are delivered
//!   generalized              the application's functions          complete when the application says so
//!   partitioned              which parts are ready or arrived     complete when all are
//! ```
//!
//! All of it is saved as it is. What travels for it (the pair, messages) are requests and messages like others, so the
//! cut sees to them.

use mana_record_replay::handle::DatatypeHandle;
use mana_record_replay::request::RecordedCall;
use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

use crate::buffered::{self, Flush};
use crate::engine::{State, state};
use crate::error::MpiError;
use crate::grequest::Generalized;
use crate::holder::Holder;
use crate::partitioned::{self, PartitionedReceive, PartitionedSend};
use crate::request::{Kind, Progress, Request, RequestId};
use crate::status::Completion;
use crate::{p2p, persistent, wait};

/// What the engine itself does for a request.
#[derive(Debug, Serialize, Deserialize)]
pub enum Special {
    /// The nonblocking collective that a start makes.
    Collective(RecordedCall),
    /// A receive and a send (`MPI_Isendrecv`), in this order, on the communicator of this upper handle.
    Pair(RequestId, RequestId, u64),
    /// Buffered messages that are to be delivered (`MPI_Buffer_iflush`).
    Flush(Flush),
    /// A generalized request.
    Generalized(Generalized),
    /// `MPI_Psend_init`.
    PartitionedSend(PartitionedSend),
    /// `MPI_Precv_init`.
    PartitionedReceive(PartitionedReceive),
}

impl Special {
    /// The derived datatypes that it uses for as long as it exists.
    pub fn derived_types(&self) -> Vec<DatatypeHandle> {
        match self {
            Self::Collective(call) => persistent::derived_types(call),
            Self::PartitionedSend(send) => send.transfer.derived_type().into_iter().collect(),
            Self::PartitionedReceive(receive) => {
                receive.transfer.derived_type().into_iter().collect()
            }
            Self::Pair(..) | Self::Flush(_) | Self::Generalized(_) => Vec::new(),
        }
    }
}

impl Request {
    /// The communicator or file of the operation, where it is known: its error handler judges a failure.
    pub fn holder(&self) -> Option<Holder> {
        let comm = match (&self.kind, self.special.as_deref()) {
            (Kind::File(args), _) => return Some(Holder::File(args.file)),
            (Kind::Send(args), _) => args.comm,
            (Kind::Receive(args), _) => args.comm,
            (_, Some(Special::Pair(.., comm))) => *comm,
            (_, Some(Special::PartitionedSend(send))) => send.transfer.comm,
            (_, Some(Special::PartitionedReceive(receive))) => receive.transfer.comm,
            (_, Some(Special::Collective(call))) => persistent::comm(call)?,
            _ => return None,
        };
        Some(Holder::Comm(comm))
    }
}

impl State {
    /// What the engine does for request `id`, if it is active.
    fn active_special(&self, id: RequestId) -> Option<&Special> {
        let request = self.requests.get(id)?;
        (request.progress == Progress::Active)
            .then_some(request.special.as_deref())
            .flatten()
    }

    /// What the engine does for request `id`, to change it.
    pub fn special_mut(&mut self, id: RequestId) -> Option<&mut Special> {
        self.requests.get_mut(id)?.special.as_deref_mut()
    }

    /// Whether request `id` is a collective.
    pub fn is_collective(&self, id: RequestId) -> bool {
        let request = self.requests.get(id);
        request.is_some_and(|request| request.kind == Kind::Collective)
    }

    /// The nonblocking collective that a start of persistent request `id` makes.
    pub fn recorded(&self, id: RequestId) -> Option<RecordedCall> {
        match self.requests.get(id)?.special.as_deref()? {
            Special::Collective(call) => Some(call.clone()),
            _ => None,
        }
    }

    /// Request `id` is complete.
    pub fn complete(&mut self, id: RequestId, completion: Completion) {
        if let Some(request) = self.requests.get_mut(id) {
            request.progress = Progress::Done(completion);
        }
    }

    /// Whether request `id` exists and is not active.
    fn is_settled(&self, id: RequestId) -> bool {
        self.requests
            .get(id)
            .is_none_or(|request| request.progress != Progress::Active)
    }
}

/// Looks whether request `id`, for which no native request stands now, is complete.
pub fn poll(id: RequestId) -> Result<bool, MpiError> {
    enum Step {
        Pair(RequestId, RequestId),
        Flush(Flush),
        Progress,
        Nothing,
    }
    let step = match state().active_special(id) {
        None | Some(Special::Collective(_)) => return Ok(true),
        Some(Special::Pair(receive, send, _)) => Step::Pair(*receive, *send),
        Some(Special::Flush(flush)) => Step::Flush(*flush),
        Some(Special::PartitionedSend(_) | Special::PartitionedReceive(_)) => Step::Progress,
        Some(Special::Generalized(_)) => Step::Nothing,
    };
    match step {
        Step::Pair(receive, send) => poll_pair(id, receive, send)?,
        Step::Flush(flush) => {
            if buffered::is_delivered(&flush)? {
                state().complete(id, Completion::EMPTY);
            }
        }
        Step::Progress => partitioned::progress()?,
        Step::Nothing => {}
    }
    Ok(state().is_settled(id))
}

/// Tests both halves of a pair; when both are complete, so is the whole, with the receive's status.
fn poll_pair(id: RequestId, receive: RequestId, send: RequestId) -> Result<(), MpiError> {
    let received = p2p::poll(receive)?;
    if !p2p::poll(send)? || !received {
        return Ok(());
    }
    let mut completion = wait::take(receive);
    let sent = wait::take(send);
    if completion.error == mpi::MPI_SUCCESS {
        completion.error = sent.error;
    }
    state().complete(id, completion);
    Ok(())
}
