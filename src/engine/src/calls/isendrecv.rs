//! Nonblocking send-receives (MPI-5.0 section 3.10): a receive and a send without handles, and one request for both.

use mana_table::constants as mpi;
use mana_table::fns;

use super::p2p::{element_type, hand_out, send_args};
use crate::args::Args;
use crate::deliver;
use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::p2p;
use crate::request::{Progress, ReceiveArgs, Request, SendArgs};
use crate::special::Special;

/// Starts both halves and hands out the request of the pair through parameter `i`. `keep`: memory that the send reads.
fn start_pair(
    a: &mut Args<'_>,
    i: usize,
    receive: ReceiveArgs,
    send: SendArgs,
    keep: Vec<u64>,
) -> Call {
    // A send that cannot be started must not leave a receive behind.
    p2p::check_send(&send)?;
    let comm = receive.comm;
    let received = p2p::start_receive(receive)?;
    let mut sent = p2p::start_send(send)?;
    sent.keep.push(keep);
    let pair = {
        let mut state = state();
        let received = state.insert_request(received)?;
        Special::Pair(received, state.insert_request(sent)?, comm)
    };
    hand_out(a, i, Request::special(pair, Progress::Active, false))
}

/// `MPI_Isendrecv(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype, source, recvtag, comm,
/// request)`.
pub fn isendrecv(a: &mut Args<'_>) -> Call {
    let (receive, send) = halves(a);
    start_pair(a, 11, receive, send, Vec::new())
}

/// The two halves of a call `(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount, recvtype, source, recvtag,
/// comm, …)`.
pub fn halves(a: &Args<'_>) -> (ReceiveArgs, SendArgs) {
    let comm = a.raw(10);
    let receive = ReceiveArgs {
        buffer: a.raw(5),
        count: a.count(6),
        datatype: element_type(a, 6),
        source: a.int(8),
        tag: a.int(9),
        comm,
    };
    let send = SendArgs {
        comm,
        ..send_args(a, fns::MPI_ISEND)
    };
    (receive, send)
}

/// `MPI_Isendrecv_replace(buf, count, datatype, dest, sendtag, source, recvtag, comm, request)`: the outgoing data is
/// packed aside first.
pub fn isendrecv_replace(a: &mut Args<'_>) -> Call {
    let (receive, send, keep) = replaced(a)?;
    start_pair(a, 8, receive, send, keep)
}

/// The two halves of a call `(buf, count, datatype, dest, sendtag, source, recvtag, comm, …)`, and the outgoing data,
/// packed: the memory that the send reads.
pub fn replaced(a: &Args<'_>) -> Result<(ReceiveArgs, SendArgs, Vec<u64>), MpiError> {
    let (buffer, count, datatype, comm) = (a.raw(0), a.count(1), a.raw(2), a.raw(7));
    p2p::comm(comm)?;
    p2p::datatype(datatype)?;
    p2p::check_count(count)?;
    let (packed, len_bytes) = deliver::pack(buffer, count, datatype, comm)?;
    let send = SendArgs {
        buffer: packed.as_ptr() as u64,
        count: len_bytes as i64,
        datatype: mpi::MPI_PACKED,
        destination: a.int(3),
        tag: a.int(4),
        comm,
        function: fns::MPI_ISEND.0,
    };
    let receive = ReceiveArgs {
        buffer,
        count,
        datatype,
        source: a.int(5),
        tag: a.int(6),
        comm,
    };
    Ok((receive, send, packed))
}
