//! Virtual topologies: grids (MPI-5.0 section 8.5). Queries are answered from the descriptor; the native communicator
//! has the topology too, for neighbourhood collectives. Ranks are never reordered: `reorder` only permits that
//! (MPI-5.0 section 8.5.1). Graphs are in `graph`.

use mana_native::int;
use mana_record_replay::topology::{Cart, Topology, dims_create as balanced_dims};
use mana_table::constants as mpi;
use mana_table::fns;

use super::comm::{construct_then, intra_arg};
use super::group::length_arg;
use crate::args::Args;
use crate::comms::Inherit;
use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::rebuild::add_topology;

/// Gives the communicator `made` (or nothing, where it is `MPI_COMM_NULL`) its topology.
pub fn set_topology(made: u64, topology: Topology) -> Call {
    if made != mpi::MPI_COMM_NULL {
        state().comms.get_mut(made)?.topology = topology;
    }
    Ok(())
}

/// Writes the `int`s that fit into an array of `room` elements behind parameter `i`.
pub fn set_ints(a: &mut Args<'_>, i: usize, room: usize, values: &[i32]) {
    for (at, value) in values.iter().take(room).enumerate() {
        a.set_int_at(i, at, i64::from(*value));
    }
}

/// Writes the flags that fit into an array of `room` elements behind parameter `i`.
fn set_flags(a: &mut Args<'_>, i: usize, room: usize, values: &[bool]) {
    let values: Vec<i32> = values.iter().copied().map(i32::from).collect();
    set_ints(a, i, room, &values);
}

/// The grid of the communicator of parameter 0, and the calling process' rank in it.
fn cart_arg(a: &Args<'_>) -> Result<(Cart, i32), MpiError> {
    let state = state();
    let comm = state.comms.get(a.raw(0))?;
    Ok((comm.topology.cart()?.clone(), comm.rank.0 as i32))
}

/// The grid that arguments `(ndims, dims, periods)` from parameter 1 on describe, for the communicator of parameter 0.
fn new_cart(a: &Args<'_>) -> Result<Cart, MpiError> {
    let available = intra_arg(a, 0)?.size() as u32;
    let ndims = length_arg(a, 1)?;
    let periods = a
        .ints32(3, ndims)
        .into_iter()
        .map(|period| period != 0)
        .collect();
    Ok(Cart::new(a.ints32(2, ndims), periods, available)?)
}

/// `MPI_Topo_test(comm, status)`.
pub fn topo_test(a: &mut Args<'_>) -> Call {
    let kind = state().comms.get(a.raw(0))?.topology.to_abi();
    a.set_int(1, i64::from(kind));
    Ok(())
}

/// `MPI_Dims_create(nnodes, ndims, dims)`.
pub fn dims_create(a: &mut Args<'_>) -> Call {
    let ndims = length_arg(a, 1)?;
    let mut dims = a.ints32(2, ndims);
    balanced_dims(a.int(0), &mut dims)?;
    set_ints(a, 2, ndims, &dims);
    Ok(())
}

/// Makes a communicator of the processes that `rank_in`, as of [`Cart::map`], gives a place, with `topology`, and hands it out
/// through parameter 5. A split first: where processes are left over, MPICH 5.0 makes a communicator whose group has them.
pub fn create(a: &mut Args<'_>, rank_in: i32, topology: Topology) -> Call {
    let is_member = rank_in != mpi::MPI_UNDEFINED;
    let colour = if is_member { 0 } else { mpi::MPI_UNDEFINED };
    split(a, (colour, 0), topology, 5)
}

/// Splits the communicator of parameter 0 by colour and key, and hands the part, with `topology`, out through parameter `i`.
fn split(a: &mut Args<'_>, (colour, key): (i32, i32), topology: Topology, i: usize) -> Call {
    let made = construct_then(
        a,
        fns::MPI_COMM_SPLIT,
        &[int(colour), int(key)],
        Inherit::Errhandler,
        |native, made| match colour {
            mpi::MPI_UNDEFINED => Ok(made),
            _ => add_topology(native, made, &topology),
        },
    )?;
    set_topology(made, topology)?;
    a.set_handle(i, made);
    Ok(())
}

/// `MPI_Cart_create(old_comm, ndims, dims, periods, reorder, cart_comm)`: `MPI_COMM_NULL` for those beyond the grid.
pub fn cart_create(a: &mut Args<'_>) -> Call {
    let cart = new_cart(a)?;
    let rank = cart.map(intra_arg(a, 0)?.rank());
    create(a, rank, Topology::Cart(cart))
}

/// `MPI_Cart_sub(comm, remain_dims, newcomm)`: a split into the parts, each of which becomes a grid. (MPICH's own
/// function gives most ranks `MPI_COMM_NULL` where no dimension remains.)
pub fn cart_sub(a: &mut Args<'_>) -> Call {
    let (cart, rank) = cart_arg(a)?;
    let remain: Vec<bool> = a
        .ints32(1, cart.dims().len())
        .into_iter()
        .map(|flag| flag != 0)
        .collect();
    let part = cart.sub(rank, &remain)?;
    split(a, (part.colour, part.rank), Topology::Cart(part.cart), 2)
}

/// `MPI_Cartdim_get(comm, ndims)`.
pub fn cartdim_get(a: &mut Args<'_>) -> Call {
    let ndims = cart_arg(a)?.0.dims().len();
    a.set_int(1, ndims as i64);
    Ok(())
}

/// `MPI_Cart_get(comm, maxdims, dims, periods, coords)`.
pub fn cart_get(a: &mut Args<'_>) -> Call {
    let (cart, rank) = cart_arg(a)?;
    let room = length_arg(a, 1)?;
    set_ints(a, 2, room, cart.dims());
    set_flags(a, 3, room, cart.periods());
    set_ints(a, 4, room, &cart.coords(rank)?);
    Ok(())
}

/// `MPI_Cart_rank(comm, coords, rank)`.
pub fn cart_rank(a: &mut Args<'_>) -> Call {
    let (cart, _) = cart_arg(a)?;
    let rank = cart.rank(&a.ints32(1, cart.dims().len()))?;
    a.set_int(2, i64::from(rank));
    Ok(())
}

/// `MPI_Cart_coords(comm, rank, maxdims, coords)`.
pub fn cart_coords(a: &mut Args<'_>) -> Call {
    let coords = cart_arg(a)?.0.coords(a.int(1))?;
    let room = length_arg(a, 2)?;
    set_ints(a, 3, room, &coords);
    Ok(())
}

/// `MPI_Cart_shift(comm, direction, disp, rank_source, rank_dest)`.
pub fn cart_shift(a: &mut Args<'_>) -> Call {
    let (cart, rank) = cart_arg(a)?;
    let (source, destination) = cart.shift(rank, a.int(1), a.int(2))?;
    a.set_int(3, i64::from(source));
    a.set_int(4, i64::from(destination));
    Ok(())
}

/// `MPI_Cart_map(comm, ndims, dims, periods, newrank)`.
pub fn cart_map(a: &mut Args<'_>) -> Call {
    let rank = intra_arg(a, 0)?.rank();
    let dims = a.ints32(2, length_arg(a, 1)?);
    // A grid without places is none that could be made, but it may be asked about.
    let place = if dims.contains(&0) && dims.iter().all(|extent| *extent >= 0) {
        mpi::MPI_UNDEFINED
    } else {
        new_cart(a)?.map(rank)
    };
    a.set_int(4, i64::from(place));
    Ok(())
}
