//! Point-to-point calls: blocking and nonblocking sends and receives, persistent requests, probes, matched messages.
//!
//! No receive and no probe blocks inside the native library: it is posted there and tested in a loop with safe points
//! (see `crate::progress`). A blocking send may block there; the cut sees to it that its message is taken.

use mana_record_replay::handle::Handle;
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use super::isendrecv::{halves, replaced};
use crate::args::Args;
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::large_type::Counted;
use crate::p2p::{self, Matched, MatchedProbe, Probed};
use crate::progress;
use crate::request::{Kind, Progress, ReceiveArgs, Request, SendArgs};
use crate::status::Completion;
use crate::{deliver, grequest, native_call, wait};

/// The arguments `(buf, count, datatype, dest, tag, comm)` that start at parameter `first`.
pub(super) fn send_args(a: &Args<'_>, function: FnId) -> SendArgs {
    SendArgs {
        buffer: a.raw(0),
        count: a.count(1),
        datatype: element_type(a, 1),
        destination: a.int(3),
        tag: a.int(4),
        comm: a.raw(5),
        function: function.0,
    }
}

/// The datatype after the count that is argument `i`. For no elements it may be `MPI_DATATYPE_NULL`, as in MPICH and what
/// comes from it: programs count on that. Open MPI refuses it.
#[inline]
pub(super) fn element_type(a: &Args<'_>, i: usize) -> u64 {
    match (a.count(i), a.raw(i + 1)) {
        (0, mpi::MPI_DATATYPE_NULL) => mpi::MPI_BYTE,
        (_, datatype) => datatype,
    }
}

/// The arguments `(buf, count, datatype, source, tag, comm)`.
fn receive_args(a: &Args<'_>) -> ReceiveArgs {
    ReceiveArgs {
        buffer: a.raw(0),
        count: a.count(1),
        datatype: element_type(a, 1),
        source: a.int(3),
        tag: a.int(4),
        comm: a.raw(5),
    }
}

/// `MPI_Send`.
pub fn send(a: &mut Args<'_>) -> Call {
    p2p::send_blocking(fns::MPI_SEND, &send_args(a, fns::MPI_ISEND))
}

/// `MPI_Ssend`.
pub fn ssend(a: &mut Args<'_>) -> Call {
    p2p::send_blocking(fns::MPI_SSEND, &send_args(a, fns::MPI_ISSEND))
}

/// `MPI_Rsend`: a standard send, which the standard allows (MPI-5.0 section 3.4), because after a restart the
/// receiver's receive may be posted again only after this send.
pub fn rsend(a: &mut Args<'_>) -> Call {
    send(a)
}

/// `MPI_Recv`.
pub fn recv(a: &mut Args<'_>) -> Call {
    let completion = match progress::resume(a) {
        Some(resumed) => wait::finish_resumed(a, resumed)?,
        None => {
            let request = p2p::start_receive(receive_args(a))?;
            wait::finish_blocking(a, request)?
        }
    };
    wait::hand_over(a, 6, &completion)
}

/// Inserts a started request and hands its handle out through parameter `i`.
pub(super) fn hand_out(a: &mut Args<'_>, i: usize, request: Request) -> Call {
    let id = state().insert_request(request)?;
    a.set_handle(i, u64::from(id.word()));
    Ok(())
}

/// `MPI_Isend`.
pub fn isend(a: &mut Args<'_>) -> Call {
    let request = p2p::start_send(send_args(a, fns::MPI_ISEND))?;
    hand_out(a, 6, request)
}

/// `MPI_Issend`.
pub fn issend(a: &mut Args<'_>) -> Call {
    let request = p2p::start_send(send_args(a, fns::MPI_ISSEND))?;
    hand_out(a, 6, request)
}

/// `MPI_Irsend`: a standard send, see [`rsend`].
pub fn irsend(a: &mut Args<'_>) -> Call {
    isend(a)
}

/// `MPI_Irecv`.
pub fn irecv(a: &mut Args<'_>) -> Call {
    let request = p2p::start_receive(receive_args(a))?;
    hand_out(a, 6, request)
}

/// `MPI_Send_init`.
pub fn send_init(a: &mut Args<'_>) -> Call {
    let args = send_args(a, fns::MPI_ISEND);
    hand_out(a, 6, Request::persistent(Kind::Send(args)))
}

/// `MPI_Ssend_init`.
pub fn ssend_init(a: &mut Args<'_>) -> Call {
    let args = send_args(a, fns::MPI_ISSEND);
    hand_out(a, 6, Request::persistent(Kind::Send(args)))
}

/// `MPI_Rsend_init`: a standard send, see [`rsend`].
pub fn rsend_init(a: &mut Args<'_>) -> Call {
    send_init(a)
}

/// `MPI_Recv_init`.
pub fn recv_init(a: &mut Args<'_>) -> Call {
    let args = receive_args(a);
    hand_out(a, 6, Request::persistent(Kind::Receive(args)))
}

/// `MPI_Sendrecv`: the receive is posted, the send started, and both are waited for with safe points.
pub fn sendrecv(a: &mut Args<'_>) -> Call {
    let completion = match progress::resume(a) {
        Some(resumed) => wait::finish_resumed(a, resumed)?,
        None => {
            let (receive, send) = halves(a);
            let received = p2p::start_receive(receive)?;
            let sent = p2p::start_send(send)?;
            wait::finish_pair(a, received, sent)?
        }
    };
    wait::hand_over(a, 11, &completion)
}

/// `MPI_Sendrecv_replace`: the outgoing data is packed aside first.
pub fn sendrecv_replace(a: &mut Args<'_>) -> Call {
    let completion = match progress::resume(a) {
        Some(resumed) => wait::finish_resumed(a, resumed)?,
        None => {
            let (receive, send, packed) = replaced(a)?;
            let received = p2p::start_receive(receive)?;
            let mut sent = p2p::start_send(send)?;
            sent.keep.push(packed);
            wait::finish_pair(a, received, sent)?
        }
    };
    wait::hand_over(a, 8, &completion)
}

/// `MPI_Iprobe(source, tag, comm, flag, status)`.
pub fn iprobe(a: &mut Args<'_>) -> Call {
    let found = p2p::probe(a.int(0), a.int(1), a.raw(2))?;
    a.set_flag(3, matches!(found, Probed::Message(_)));
    match found {
        Probed::Message(completion) => wait::hand_over(a, 4, &completion),
        Probed::Nothing => Ok(()),
    }
}

/// `MPI_Probe(source, tag, comm, status)`.
pub fn probe(a: &mut Args<'_>) -> Call {
    let mut patience = wait::Patience::new();
    loop {
        if let Probed::Message(completion) = p2p::probe(a.int(0), a.int(1), a.raw(2))? {
            return wait::hand_over(a, 3, &completion);
        }
        patience.pause(a);
    }
}

/// `MPI_Improbe(source, tag, comm, flag, message, status)`.
pub fn improbe(a: &mut Args<'_>) -> Call {
    let found = p2p::improbe(a.int(0), a.int(1), a.raw(2))?;
    a.set_flag(3, !matches!(found, MatchedProbe::Nothing));
    hand_over_message(a, found, 4, 5)
}

/// `MPI_Mprobe(source, tag, comm, message, status)`.
pub fn mprobe(a: &mut Args<'_>) -> Call {
    let mut patience = wait::Patience::new();
    loop {
        let found = p2p::improbe(a.int(0), a.int(1), a.raw(2))?;
        if !matches!(found, MatchedProbe::Nothing) {
            return hand_over_message(a, found, 3, 4);
        }
        patience.pause(a);
    }
}

/// Gives a matched message's handle and status to the application.
fn hand_over_message(a: &mut Args<'_>, found: MatchedProbe, message: usize, status: usize) -> Call {
    match found {
        MatchedProbe::Nothing => Ok(()),
        MatchedProbe::NoProc => {
            a.set_handle(message, mpi::MPI_MESSAGE_NO_PROC);
            wait::hand_over(a, status, &Completion::PROC_NULL)
        }
        MatchedProbe::Message(matched) => {
            let completion = matched.completion;
            let id = state().messages.insert(matched)?;
            a.set_handle(message, u64::from(id.word()));
            wait::hand_over(a, status, &completion)
        }
    }
}

/// Starts the receive of the matched message behind parameter 3 of `(buf, count, datatype, message, …)`.
fn start_matched(a: &mut Args<'_>) -> Result<Request, MpiError> {
    let handle = a.handle_at(3, 0);
    if handle == mpi::MPI_MESSAGE_NO_PROC {
        a.set_handle(3, mpi::MPI_MESSAGE_NULL);
        return Ok(Request::done(Kind::MatchedReceive, Completion::PROC_NULL));
    }
    let bad = || MpiError::bad_handle(mpi::MPI_ERR_ARG, "message", handle);
    let id = Handle::from_word(handle).map_err(|_| bad())?;
    let matched: Matched = state().messages.remove(id).ok_or_else(bad)?;
    a.set_handle(3, mpi::MPI_MESSAGE_NULL);
    let args = ReceiveArgs {
        buffer: a.raw(0),
        count: a.count(1),
        datatype: element_type(a, 1),
        source: matched.completion.source,
        tag: matched.completion.tag,
        comm: matched.comm,
    };
    if let Some(bytes) = matched.bytes {
        let message = mana_record_replay::message::DrainedMessage {
            comm: p2p::comm(args.comm)?.gid(),
            source: args.source,
            tag: args.tag,
            bytes,
        };
        return Ok(Request::done(
            Kind::MatchedReceive,
            deliver::deliver(&message, &args)?,
        ));
    }
    let native = native()?;
    let datatype = p2p::datatype(args.datatype)?;
    let (mut message, mut request) = (matched.native, 0_u64);
    let counted = Counted::new(native, args.count, datatype.native())?;
    native_call::call(
        native,
        fns::MPI_IMRECV,
        &[
            args.buffer,
            counted.count,
            counted.datatype,
            native_call::out(&mut message),
            native_call::out(&mut request),
        ],
    )?;
    Ok(Request::active(Kind::MatchedReceive, request))
}

/// `MPI_Mrecv(buf, count, datatype, message, status)`.
pub fn mrecv(a: &mut Args<'_>) -> Call {
    let completion = match progress::resume(a) {
        Some(resumed) => wait::finish_resumed(a, resumed)?,
        None => {
            let request = start_matched(a)?;
            wait::finish_blocking(a, request)?
        }
    };
    wait::hand_over(a, 4, &completion)
}

/// `MPI_Imrecv(buf, count, datatype, message, request)`.
pub fn imrecv(a: &mut Args<'_>) -> Call {
    let request = start_matched(a)?;
    hand_out(a, 4, request)
}

/// `MPI_Cancel`: the native library decides whether the cancellation of a message succeeds; the status tells. Of a
/// generalized request the application decides; collective and partitioned operations and pairs cannot be cancelled.
pub fn cancel(a: &mut Args<'_>) -> Call {
    let handle = a.handle_at(0, 0);
    let id = wait::request_id(handle)?.ok_or_else(|| {
        MpiError::new(mpi::MPI_ERR_REQUEST, "MPI_REQUEST_NULL cannot be cancelled")
    })?;
    let (generalized, kind) = {
        let state = state();
        (
            state.generalized(id),
            state.requests.get(id).map(|r| r.kind),
        )
    };
    if let Some((functions, complete)) = generalized {
        return grequest::cancel(&functions, complete);
    }
    if matches!(
        kind,
        Some(Kind::Collective | Kind::CommDup(_) | Kind::Special | Kind::Rma | Kind::File(_))
    ) {
        return Err(MpiError::new(
            mpi::MPI_ERR_REQUEST,
            "only sends, receives and generalized requests can be cancelled",
        ));
    }
    let Some(mut request) = state().native_request(id)? else {
        return Ok(());
    };
    native_call::call(
        native()?,
        fns::MPI_CANCEL,
        &[native_call::out(&mut request)],
    )?;
    if let Some(request) = state().requests.get_mut(id) {
        request.cancelling = true;
    }
    Ok(())
}

/// `MPI_Request_free`. The operation goes on; its entry goes when it is complete.
pub fn request_free(a: &mut Args<'_>) -> Call {
    let handle = a.handle_at(0, 0);
    let id = wait::request_id(handle)?
        .ok_or_else(|| MpiError::new(mpi::MPI_ERR_REQUEST, "MPI_REQUEST_NULL cannot be freed"))?;
    a.set_handle(0, mpi::MPI_REQUEST_NULL);
    let generalized = state().generalized(id);
    if let Some((functions, complete)) = generalized {
        return grequest::give_back(id, &functions, complete);
    }
    let active = {
        let mut state = state();
        let Some(request) = state.requests.get_mut(id) else {
            return Err(MpiError::bad_handle(
                mpi::MPI_ERR_REQUEST,
                "request",
                handle,
            ));
        };
        request.orphan = true;
        request.progress == Progress::Active
    };
    if active {
        state().orphans.push_back(id);
    } else {
        state().remove_request(id);
    }
    wait::sweep_orphans()
}

/// `MPI_Test_cancelled(status, flag)`.
pub fn test_cancelled(a: &mut Args<'_>) -> Call {
    let cancelled = wait::read_status(a, 0, 0).cancelled;
    a.set_flag(1, cancelled);
    Ok(())
}
