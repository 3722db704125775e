//! Partitioned communication (MPI-5.0 section 4.2); see `crate::partitioned`.

use mana_table::constants as mpi;

use super::info::hints;
use super::p2p::hand_out;
use super::wait::length;
use crate::args::Args;
use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::partitioned::{self, Transfer};
use crate::request::RequestId;
use crate::wait;

/// The arguments `(buf, partitions, count, datatype, peer, tag, comm, info)`.
fn transfer(a: &Args<'_>) -> Result<Transfer, MpiError> {
    hints(&state(), a.raw(7))?;
    Ok(Transfer {
        buffer: a.raw(0),
        partitions: a.int(1),
        count: a.count(2),
        datatype: a.raw(3),
        peer: a.int(4),
        tag: a.int(5),
        comm: a.raw(6),
    })
}

/// `MPI_Psend_init(buf, partitions, count, datatype, dest, tag, comm, info, request)`.
pub fn psend_init(a: &mut Args<'_>) -> Call {
    let request = partitioned::init_send(transfer(a)?)?;
    hand_out(a, 8, request)
}

/// `MPI_Precv_init(buf, partitions, count, datatype, source, tag, comm, info, request)`.
pub fn precv_init(a: &mut Args<'_>) -> Call {
    let id = partitioned::init_receive(transfer(a)?)?;
    a.set_handle(8, u64::from(id.word()));
    Ok(())
}

/// The request in argument `i`.
fn request(a: &Args<'_>, i: usize) -> Result<RequestId, MpiError> {
    wait::request_id(a.raw(i))?
        .ok_or_else(|| MpiError::new(mpi::MPI_ERR_REQUEST, "MPI_REQUEST_NULL has no partitions"))
}

/// `MPI_Pready(partition, request)`.
pub fn pready(a: &mut Args<'_>) -> Call {
    partitioned::ready(request(a, 1)?, a.int(0))
}

/// `MPI_Pready_range(partition_low, partition_high, request)`, both ends included.
pub fn pready_range(a: &mut Args<'_>) -> Call {
    let id = request(a, 2)?;
    (a.int(0)..=a.int(1)).try_for_each(|partition| partitioned::ready(id, partition))
}

/// `MPI_Pready_list(length, array_of_partitions, request)`.
pub fn pready_list(a: &mut Args<'_>) -> Call {
    let id = request(a, 2)?;
    let partitions = a.ints32(1, length(a, 0)?);
    partitions
        .into_iter()
        .try_for_each(|partition| partitioned::ready(id, partition))
}

/// `MPI_Parrived(request, partition, flag)`.
pub fn parrived(a: &mut Args<'_>) -> Call {
    let arrived = partitioned::has_arrived(request(a, 0)?, a.int(1))?;
    a.set_flag(2, arrived);
    Ok(())
}
