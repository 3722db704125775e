//! Buffered sends, and the buffers that applications attach for them (MPI-5.0 sections 3.4 to 3.7); see `crate::buffered`.

use mana_record_replay::handle::SessionHandle;
use mana_table::fns;

use super::p2p::{hand_out, send_args};
use crate::args::Args;
use crate::buffered::{self, Owner};
use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::p2p;
use crate::request::{Kind, Progress, Request};
use crate::special::Special;
use crate::status::Completion;
use crate::wait::Patience;

/// `MPI_Bsend`.
pub fn bsend(a: &mut Args<'_>) -> Call {
    buffered::send(&send_args(a, fns::MPI_IBSEND))
}

/// `MPI_Ibsend`: complete at once, since the message is copied.
pub fn ibsend(a: &mut Args<'_>) -> Call {
    let args = send_args(a, fns::MPI_IBSEND);
    buffered::send(&args)?;
    hand_out(a, 6, Request::done(Kind::Send(args), Completion::EMPTY))
}

/// `MPI_Bsend_init`.
pub fn bsend_init(a: &mut Args<'_>) -> Call {
    let args = send_args(a, fns::MPI_IBSEND);
    p2p::check_send(&args)?;
    hand_out(a, 6, Request::persistent(Kind::Send(args)))
}

/// `comm`, argument 0, as the owner of a buffer.
fn comm_owner(a: &Args<'_>) -> Result<Owner, MpiError> {
    p2p::comm(a.raw(0))?;
    Ok(Owner::Comm(a.raw(0)))
}

/// `session`, argument 0, as the owner of a buffer.
fn session_owner(a: &Args<'_>) -> Result<Owner, MpiError> {
    let session = SessionHandle::from_word(a.raw(0))?;
    state().sessions.require(session)?;
    Ok(Owner::Session(a.raw(0)))
}

/// Waits until the buffer is empty.
fn flush(a: &mut Args<'_>, owner: Owner) -> Call {
    let flush = buffered::flush(owner)?;
    let mut patience = Patience::new();
    while !buffered::is_delivered(&flush)? {
        patience.pause(a);
    }
    Ok(())
}

/// Waits until the buffer is empty and gives it back through parameters `i` and `i + 1`.
fn detach(a: &mut Args<'_>, owner: Owner, i: usize) -> Call {
    flush(a, owner)?;
    let (address, size_bytes) = buffered::detach(owner)?;
    a.set_word(i, address);
    a.set_size(i + 1, size_bytes);
    Ok(())
}

/// Starts waiting until the buffer is empty; the request goes out through parameter `i`.
fn iflush(a: &mut Args<'_>, owner: Owner, i: usize) -> Call {
    let flush = Special::Flush(buffered::flush(owner)?);
    hand_out(a, i, Request::special(flush, Progress::Active, false))
}

/// `MPI_Buffer_attach(buffer, size)`.
pub fn buffer_attach(a: &mut Args<'_>) -> Call {
    buffered::attach(Owner::Process, a.raw(0), a.count(1))
}

/// `MPI_Buffer_detach(buffer_addr, size)`.
pub fn buffer_detach(a: &mut Args<'_>) -> Call {
    detach(a, Owner::Process, 0)
}

/// `MPI_Buffer_flush()`.
pub fn buffer_flush(a: &mut Args<'_>) -> Call {
    flush(a, Owner::Process)
}

/// `MPI_Buffer_iflush(request)`.
pub fn buffer_iflush(a: &mut Args<'_>) -> Call {
    iflush(a, Owner::Process, 0)
}

/// `MPI_Comm_attach_buffer(comm, buffer, size)`.
pub fn comm_attach_buffer(a: &mut Args<'_>) -> Call {
    buffered::attach(comm_owner(a)?, a.raw(1), a.count(2))
}

/// `MPI_Comm_detach_buffer(comm, buffer_addr, size)`.
pub fn comm_detach_buffer(a: &mut Args<'_>) -> Call {
    let owner = comm_owner(a)?;
    detach(a, owner, 1)
}

/// `MPI_Comm_flush_buffer(comm)`.
pub fn comm_flush_buffer(a: &mut Args<'_>) -> Call {
    let owner = comm_owner(a)?;
    flush(a, owner)
}

/// `MPI_Comm_iflush_buffer(comm, request)`.
pub fn comm_iflush_buffer(a: &mut Args<'_>) -> Call {
    let owner = comm_owner(a)?;
    iflush(a, owner, 1)
}

/// `MPI_Session_attach_buffer(session, buffer, size)`.
pub fn session_attach_buffer(a: &mut Args<'_>) -> Call {
    buffered::attach(session_owner(a)?, a.raw(1), a.count(2))
}

/// `MPI_Session_detach_buffer(session, buffer_addr, size)`.
pub fn session_detach_buffer(a: &mut Args<'_>) -> Call {
    let owner = session_owner(a)?;
    detach(a, owner, 1)
}

/// `MPI_Session_flush_buffer(session)`.
pub fn session_flush_buffer(a: &mut Args<'_>) -> Call {
    let owner = session_owner(a)?;
    flush(a, owner)
}

/// `MPI_Session_iflush_buffer(session, request)`.
pub fn session_iflush_buffer(a: &mut Args<'_>) -> Call {
    let owner = session_owner(a)?;
    iflush(a, owner, 1)
}
