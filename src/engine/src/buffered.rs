//! Buffered sends (MPI-5.0 section 3.6): a copy is sent, and accounted for in the buffer that the application attached.
//!
//! ```text
//!   MPI_Bsend -> packed -> MPI_Isend of the copy, a request without a handle --> delivered: its room is free again
//!                  |
//!                  +-- fits the attached buffer? sum of (bytes + overhead) <= size, else MPI_ERR_BUFFER
//! ```
//!
//! The copies lie in memory of ours, so nothing is ever written to the application's buffer, and a library below needs
//! no buffer. A message goes by the buffer of its communicator if that has one, else by its session's, else by the process'.
//! At a cut all sends are complete: an image holds attached buffers and no messages in them.

use std::sync::{Mutex, PoisonError};

use mana_table::constants as mpi;
use mana_table::fns;
use serde::{Deserialize, Serialize};

use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::request::{RequestId, SendArgs};
use crate::{deliver, p2p};

/// What a message takes of a buffer beside its bytes. The messages are not really there, so this need not be the 512 of
/// `MPI_BSEND_OVERHEAD`: programs that count with another library's (96 in MPICH) find room, too.
const CHARGED_OVERHEAD_BYTES: i64 = 64;

/// What a buffer is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// The process (`MPI_Buffer_attach`).
    Process,
    /// A communicator, by its upper handle.
    Comm(u64),
    /// A session, by its upper handle.
    Session(u64),
}

/// A message on its way.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Message {
    serial: u64,
    charged_bytes: i64,
    /// Its send; none yet while it is being started.
    send: Option<RequestId>,
}

/// An attached buffer.
#[derive(Debug, Serialize, Deserialize)]
struct Buffer {
    owner: Owner,
    /// Where the application has it; `MPI_BUFFER_AUTOMATIC` for one without limits.
    address: u64,
    size_bytes: i64,
    messages: Vec<Message>,
}

impl Buffer {
    fn is_automatic(&self) -> bool {
        self.address == mpi::MPI_BUFFER_AUTOMATIC
    }

    fn charged_bytes(&self) -> i64 {
        self.messages.iter().map(|m| m.charged_bytes).sum()
    }
}

/// The attached buffers of this process.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Buffers {
    attached: Vec<Buffer>,
    serial: u64,
    /// Messages of communicators that were freed.
    ownerless: Vec<Message>,
}

/// The messages of one buffer that were sent up to a point in time.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Flush {
    owner: Owner,
    last_serial: u64,
}

impl Buffers {
    fn of(&mut self, owner: Owner) -> Option<&mut Buffer> {
        self.attached.iter_mut().find(|b| b.owner == owner)
    }

    fn attached_or_error(&mut self, owner: Owner) -> Result<&mut Buffer, MpiError> {
        self.of(owner)
            .ok_or_else(|| MpiError::new(mpi::MPI_ERR_BUFFER, "no buffer is attached"))
    }

    /// The buffer that messages on `comm`, which comes of `session`, go by (MPI-5.0 section 3.6).
    fn for_comm(&mut self, comm: u64, session: Option<u64>) -> Result<&mut Buffer, MpiError> {
        let candidates = [Some(Owner::Comm(comm)), session.map(Owner::Session)];
        let mut owners = candidates.into_iter().flatten();
        let owner = owners.find(|owner| self.of(*owner).is_some());
        self.attached_or_error(owner.unwrap_or(Owner::Process))
    }

    /// Makes room for a message of `bytes` on `comm`, which comes of `session`; returns its serial number.
    fn reserve(&mut self, comm: u64, session: Option<u64>, bytes: i64) -> Result<u64, MpiError> {
        let serial = self.serial + 1;
        let buffer = self.for_comm(comm, session)?;
        let (used, size) = (buffer.charged_bytes(), buffer.size_bytes);
        let charged_bytes = bytes + CHARGED_OVERHEAD_BYTES;
        if !buffer.is_automatic() && used + charged_bytes > size {
            return Err(MpiError::new(
                mpi::MPI_ERR_BUFFER,
                format!(
                    "a message of {bytes} bytes and {CHARGED_OVERHEAD_BYTES} of overhead does not fit: {used} of the \
                     buffer's {size} bytes are in use"
                ),
            ));
        }
        buffer.messages.push(Message {
            serial,
            charged_bytes,
            send: None,
        });
        self.serial = serial;
        Ok(serial)
    }

    /// All messages.
    fn lists(&mut self) -> impl Iterator<Item = &mut Vec<Message>> {
        let of_buffers = self.attached.iter_mut().map(|b| &mut b.messages);
        of_buffers.chain(std::iter::once(&mut self.ownerless))
    }

    /// Says which request sends message `serial`; `None`: it is not sent after all.
    fn settle(&mut self, serial: u64, send: Option<RequestId>) {
        for list in self.lists() {
            match send {
                None => list.retain(|m| m.serial != serial),
                Some(_) => list
                    .iter_mut()
                    .filter(|m| m.serial == serial)
                    .for_each(|m| m.send = send),
            }
        }
    }

    /// A communicator is gone; its messages are delivered all the same.
    pub fn comm_gone(&mut self, comm: u64) {
        if let Some(at) = (self.attached.iter()).position(|b| b.owner == Owner::Comm(comm)) {
            let buffer = self.attached.swap_remove(at);
            self.ownerless.extend(buffer.messages);
        }
    }
}

/// Attaches a buffer.
pub fn attach(owner: Owner, address: u64, size_bytes: i64) -> Call {
    if size_bytes < 0 {
        return Err(MpiError::new(
            mpi::MPI_ERR_ARG,
            format!("a buffer of {size_bytes} bytes"),
        ));
    }
    let mut state = state();
    if state.buffers.of(owner).is_some() {
        return Err(MpiError::new(
            mpi::MPI_ERR_BUFFER,
            "a buffer is attached already: detach it first",
        ));
    }
    state.buffers.attached.push(Buffer {
        owner,
        address,
        size_bytes,
        messages: Vec::new(),
    });
    Ok(())
}

/// What is to be delivered before the buffer of `owner` is empty; an error if it has none.
pub fn flush(owner: Owner) -> Result<Flush, MpiError> {
    let mut state = state();
    state.buffers.attached_or_error(owner)?;
    Ok(Flush {
        owner,
        last_serial: state.buffers.serial,
    })
}

/// Whether the messages of `flush` are delivered.
pub fn is_delivered(flush: &Flush) -> Result<bool, MpiError> {
    reap()?;
    let mut state = state();
    let left = state.buffers.of(flush.owner).map(|buffer| {
        buffer
            .messages
            .iter()
            .any(|m| m.serial <= flush.last_serial)
    });
    Ok(left != Some(true))
}

/// Takes the buffer of `owner` away; returns its address and size. Its messages are delivered.
pub fn detach(owner: Owner) -> Result<(u64, i64), MpiError> {
    let mut state = state();
    state.buffers.attached_or_error(owner)?;
    let attached = &mut state.buffers.attached;
    let found = attached.iter().position(|b| b.owner == owner);
    let buffer = attached.swap_remove(found.unwrap_or_default());
    let size_bytes = if buffer.is_automatic() {
        0
    } else {
        buffer.size_bytes
    };
    Ok((buffer.address, size_bytes))
}

/// Whether every buffered message is delivered.
pub fn all_delivered() -> Result<bool, MpiError> {
    reap()?;
    Ok(state().buffers.lists().all(|list| list.is_empty()))
}

/// Held while messages are let go of, so that two threads do not test the same send.
static REAPING: Mutex<()> = Mutex::new(());

/// Lets go of messages that were delivered.
fn reap() -> Call {
    let _alone = REAPING.lock().unwrap_or_else(PoisonError::into_inner);
    let sends: Vec<_> = state()
        .buffers
        .lists()
        .flat_map(|list| list.iter().filter_map(|m| Some((m.serial, m.send?))))
        .collect();
    for (serial, send) in sends {
        if p2p::poll(send)? {
            let mut state = state();
            state.buffers.settle(serial, None);
            state.remove_request(send);
        }
    }
    Ok(())
}

/// Sends a message by the attached buffer.
pub fn send(args: &SendArgs) -> Call {
    if p2p::check_send(args)?.is_none() {
        return Ok(());
    }
    let (copy, len_bytes) = deliver::pack(args.buffer, args.count, args.datatype, args.comm)?;
    reap()?;
    let serial = {
        let mut state = state();
        let session = state.origins.session_of(args.comm);
        let len_bytes = len_bytes as i64;
        state.buffers.reserve(args.comm, session, len_bytes)?
    };
    let started = p2p::start_send(SendArgs {
        buffer: copy.as_ptr() as u64,
        count: len_bytes as i64,
        datatype: mpi::MPI_PACKED,
        function: fns::MPI_ISEND.0,
        ..*args
    });
    let sent = started.and_then(|mut request| {
        request.keep.push(copy);
        state().insert_request(request)
    });
    state().buffers.settle(serial, sent.as_ref().ok().copied());
    sent.map(|_| ())
}
