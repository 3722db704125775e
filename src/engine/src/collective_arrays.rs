//! The arrays among a collective's arguments: how long they are, and where they mean anything.
//!
//! ```text
//!   MPI_Gatherv     recvcounts, displs     at the root only            peers elements
//!   MPI_Alltoallw   sendcounts, …          not under MPI_IN_PLACE      peers
//!   MPI_Neighbor_*  sendcounts / recv…     everywhere                  neighbours out / in
//! ```
//!
//! What is not significant may be garbage, so it is never read.

use mana_table::constants as mpi;
use mana_table::{Length, Param};

use crate::engine::state;
use crate::error::MpiError;
use crate::forward::comm_of;
use crate::publish::CommSlot;
use crate::words::{Words, element_bytes};

/// How long the arrays of a collective are.
pub struct Arrays {
    /// Elements of an array about what is sent.
    send: usize,
    /// Elements of an array about what is received.
    receive: usize,
}

impl Arrays {
    pub fn of(a: Words<'_>, comm: &CommSlot) -> Self {
        let peers = comm.peers().max(0) as usize;
        let everywhere = Self {
            send: peers,
            receive: peers,
        };
        if a.row().name.contains("eighbor") {
            let (receive, send) = state().neighbor_counts(comm.handle());
            return Self { send, receive };
        }
        match a.row().params.iter().position(|p| p.name == "root") {
            Some(at) if !is_root(comm, a.int(at)) => Self {
                send: 0,
                receive: 0,
            },
            _ => everywhere,
        }
    }

    /// The significant length of array parameter `i`: nothing is read of it on ranks where it means nothing, nor on the
    /// send side under `MPI_IN_PLACE`.
    pub fn length(&self, a: Words<'_>, i: usize) -> usize {
        let sends = a.row().params[i].name.starts_with('s')
            || a.row().name.to_lowercase().contains("scatterv");
        match sends {
            true if is_in_place(a) => 0,
            true => self.send,
            false => self.receive,
        }
    }
}

/// Whether this process is the root `root` of a collective on `comm`.
fn is_root(comm: &CommSlot, root: i32) -> bool {
    let across = state()
        .comms
        .get(u64::from(comm.handle()))
        .is_ok_and(|comm| comm.remote.is_some());
    if across {
        root == mpi::MPI_ROOT
    } else {
        root == comm.rank()
    }
}

/// Whether the send side of the call is `MPI_IN_PLACE`, so that its arrays are not to be read.
fn is_in_place(a: Words<'_>) -> bool {
    a.named("sendbuf") == Some(mpi::MPI_IN_PLACE)
}

/// The arrays of `call`, copied: its words with the arrays' elements, in order of the parameters.
pub fn array_elements(call: Words<'_>, i: usize) -> Result<Option<Vec<i64>>, MpiError> {
    if call.row().params[i].length != Length::Peers {
        return Ok(None);
    }
    let len = Arrays::of(call, comm_of(call)?).length(call, i);
    Ok(Some((0..len).map(|at| call.element(i, at)).collect()))
}

/// Lays elements out as an array argument of parameter `param`.
pub fn lay_out(param: &Param, elements: &[i64]) -> Vec<u64> {
    if element_bytes(param) == 8 {
        return elements.iter().map(|element| *element as u64).collect();
    }
    let pairs = elements.chunks(2).map(|pair| {
        let high = pair.get(1).copied().unwrap_or(0);
        u64::from(pair[0] as u32) | u64::from(high as u32) << 32
    });
    pairs.collect()
}
