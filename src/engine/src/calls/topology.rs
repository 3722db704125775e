//! Virtual topologies. Queries are answered from the descriptor; the native communicator has the topology too, for
//! neighbourhood collectives. Ranks are never reordered: `reorder` only permits that (MPI-5.0 section 8.5.1).

use mana_record_replay::topology::{Cart, Topology};
use mana_table::constants as mpi;
use mana_table::fns;

use crate::args::Args;
use crate::calls::construct;
use crate::comms::Inherit;
use crate::engine::state;
use crate::error::{Call, MpiError};

/// A length argument that must not be negative.
fn length(a: &Args<'_>, i: usize) -> Result<usize, MpiError> {
    usize::try_from(a.int(i)).map_err(|_| MpiError::argument(format!("{} is negative", a.row().params[i].name)))
}

/// `MPI_Cart_create(old_comm, ndims, dims, periods, reorder, cart_comm)`.
pub fn cart_create(a: &mut Args<'_>) -> Call {
    let ndims = length(a, 1)?;
    let (dims, periods) = (a.ints32(2, ndims), a.ints32(3, ndims));
    let available = state().comms.get(a.raw(0))?.size();
    let cart = Cart::new(dims.clone(), periods.iter().map(|period| *period != 0).collect(), available)?;
    let arguments = [ndims as u64, dims.as_ptr() as u64, periods.as_ptr() as u64, 0];
    let made = construct(a, fns::MPI_CART_CREATE, &arguments, Inherit::Errhandler)?;
    if made != mpi::MPI_COMM_NULL {
        state().comms.get_mut(made)?.topology = Topology::Cart(cart);
    }
    a.set_handle(5, made);
    Ok(())
}

/// `MPI_Cart_coords(comm, rank, maxdims, coords)`.
pub fn cart_coords(a: &mut Args<'_>) -> Call {
    let coords = state().comms.get(a.raw(0))?.topology.cart()?.coords(a.int(1))?;
    let room = length(a, 2)?;
    for (at, coord) in coords.into_iter().take(room).enumerate() {
        a.set_int_at(3, at, i64::from(coord));
    }
    Ok(())
}

/// `MPI_Cart_shift(comm, direction, disp, rank_source, rank_dest)`.
pub fn cart_shift(a: &mut Args<'_>) -> Call {
    let (source, destination) = {
        let state = state();
        let comm = state.comms.get(a.raw(0))?;
        comm.topology.cart()?.shift(comm.rank.0 as i32, a.int(1), a.int(2))?
    };
    a.set_int(3, i64::from(source));
    a.set_int(4, i64::from(destination));
    Ok(())
}
