//! Virtual topologies: distributed graphs, of which each rank knows its own edges (MPI-5.0 section 8.5.4). Queries are
//! answered from the descriptor; ranks are never reordered.
//!
//! ```text
//!   Dist_graph_create_adjacent   edges of this rank, given        -> descriptor
//!   Dist_graph_create            edges of anyone, given by anyone -> native library -> its Dist_graph_neighbors -> descriptor
//! ```
//!
//! The order of a rank's edges is the order of the buffers of neighbourhood collectives, so the native library's own
//! order is what the descriptor keeps, and what a restart recreates.

use mana_native::Native;
use mana_record_replay::topology::{DistGraph, Topology};
use mana_table::constants as mpi;
use mana_table::fns;

use super::comm::{construct, hints_arg, intra_arg};
use super::group::length_arg;
use super::topology::{set_ints, set_topology};
use crate::args::Args;
use crate::comms::Inherit;
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::{native_call, p2p};

/// The `len` weights of argument `i`; `None` for `MPI_UNWEIGHTED`.
fn weights_arg(a: &Args<'_>, i: usize, len: usize) -> Result<Option<Vec<i32>>, MpiError> {
    match a.raw(i) {
        mpi::MPI_UNWEIGHTED => Ok(None),
        mpi::MPI_WEIGHTS_EMPTY if len == 0 => Ok(Some(Vec::new())),
        mpi::MPI_WEIGHTS_EMPTY => Err(MpiError::argument(format!(
            "{} is MPI_WEIGHTS_EMPTY, but there are {len} edges",
            a.row().params[i].name
        ))),
        _ => Ok(Some(a.ints32(i, len))),
    }
}

/// The native argument for weights.
fn native_weights(native: &Native, weights: Option<&[i32]>) -> u64 {
    match weights {
        None => native.addresses().unweighted,
        Some([]) => native.addresses().weights_empty,
        Some(weights) => weights.as_ptr() as u64,
    }
}

/// `MPI_Dist_graph_create_adjacent(comm_old, indegree, sources, sourceweights, outdegree, destinations, destweights,
/// info, reorder, comm_dist_graph)`.
pub fn dist_graph_create_adjacent(a: &mut Args<'_>) -> Call {
    hints_arg(a, 7)?;
    let size = intra_arg(a, 0)?.size() as u32;
    let (indegree, outdegree) = (length_arg(a, 1)?, length_arg(a, 4)?);
    let (in_weights, out_weights) = (weights_arg(a, 3, indegree)?, weights_arg(a, 6, outdegree)?);
    let (sources, destinations) = (a.ints32(2, indegree), a.ints32(5, outdegree));
    let graph = DistGraph::new(
        (&sources, in_weights.as_deref()),
        (&destinations, out_weights.as_deref()),
        size,
    )?;
    let made = construct(
        a,
        fns::MPI_DIST_GRAPH_CREATE_ADJACENT,
        &adjacent_arguments(native()?, &Edges::of(&graph)),
        Inherit::Errhandler,
    )?;
    set_topology(made, Topology::DistGraph(graph))?;
    a.set_handle(9, made);
    Ok(())
}

/// A rank's edges as the arrays that MPI takes.
pub struct Edges {
    sources: Vec<i32>,
    destinations: Vec<i32>,
    weights: Option<(Vec<i32>, Vec<i32>)>,
}

impl Edges {
    /// The edges of a descriptor.
    pub fn of(graph: &DistGraph) -> Self {
        let in_weights = || graph.sources.iter().map(|edge| edge.weight).collect();
        let out_weights = || graph.destinations.iter().map(|edge| edge.weight).collect();
        Self {
            sources: graph.source_ranks(),
            destinations: graph.destination_ranks(),
            weights: graph.weighted.then(|| (in_weights(), out_weights())),
        }
    }
}

/// The native arguments of `MPI_Dist_graph_create_adjacent` between the communicator and the place for the new one.
/// They point into `edges`.
pub fn adjacent_arguments(native: &Native, edges: &Edges) -> [u64; 8] {
    let (in_weights, out_weights) = match &edges.weights {
        Some((in_weights, out_weights)) => {
            (Some(in_weights.as_slice()), Some(out_weights.as_slice()))
        }
        None => (None, None),
    };
    [
        edges.sources.len() as u64,
        edges.sources.as_ptr() as u64,
        native_weights(native, in_weights),
        edges.destinations.len() as u64,
        edges.destinations.as_ptr() as u64,
        native_weights(native, out_weights),
        native
            .predefined()
            .info(mpi::MPI_INFO_NULL)
            .map_or(0, |info| info.raw()),
        0,
    ]
}

/// The edges given to `MPI_Dist_graph_create`: any process may give any.
struct GivenEdges {
    sources: Vec<i32>,
    degrees: Vec<i32>,
    destinations: Vec<i32>,
    weights: Option<Vec<i32>>,
}

impl GivenEdges {
    /// Reads and checks arguments `(n, sources, degrees, destinations, weights)` from parameter 1 on.
    fn of(a: &Args<'_>, size: i32) -> Result<Self, MpiError> {
        let n = length_arg(a, 1)?;
        let (sources, degrees) = (a.ints32(2, n), a.ints32(3, n));
        if let Some(degree) = degrees.iter().find(|degree| **degree < 0) {
            return Err(MpiError::argument(format!("degree {degree} is negative")));
        }
        let edge_count = degrees.iter().map(|degree| *degree as usize).sum();
        let destinations = a.ints32(4, edge_count);
        if let Some(rank) = sources
            .iter()
            .chain(&destinations)
            .find(|rank| !(0..size).contains(*rank))
        {
            return Err(MpiError::new(
                mpi::MPI_ERR_RANK,
                format!("an edge begins or ends at {rank}, which is not in 0..{size}"),
            ));
        }
        let weights = weights_arg(a, 5, edge_count)?;
        if let Some(weight) = weights.iter().flatten().find(|weight| **weight < 0) {
            return Err(MpiError::argument(format!("weight {weight} is negative")));
        }
        Ok(Self {
            sources,
            degrees,
            destinations,
            weights,
        })
    }
}

/// `MPI_Dist_graph_create(comm_old, n, sources, degrees, destinations, weights, info, reorder, comm_dist_graph)`.
pub fn dist_graph_create(a: &mut Args<'_>) -> Call {
    hints_arg(a, 6)?;
    let library = native()?;
    let size = intra_arg(a, 0)?.size();
    let given = GivenEdges::of(a, size)?;
    let arguments = [
        given.sources.len() as u64,
        given.sources.as_ptr() as u64,
        given.degrees.as_ptr() as u64,
        given.destinations.as_ptr() as u64,
        native_weights(library, given.weights.as_deref()),
        library
            .predefined()
            .info(mpi::MPI_INFO_NULL)
            .map_or(0, |info| info.raw()),
        0,
    ];
    let made = construct(
        a,
        fns::MPI_DIST_GRAPH_CREATE,
        &arguments,
        Inherit::Errhandler,
    )?;
    set_topology(
        made,
        Topology::DistGraph(own_edges(library, p2p::comm(made)?.native(), size as u32)?),
    )?;
    a.set_handle(8, made);
    Ok(())
}

/// This rank's edges of native communicator `comm`, in the native library's order.
fn own_edges(native: &Native, comm: u64, size: u32) -> Result<DistGraph, MpiError> {
    let (mut indegree, mut outdegree, mut weighted) = (0_u64, 0_u64, 0_u64);
    let counts = [
        comm,
        native_call::out(&mut indegree),
        native_call::out(&mut outdegree),
        native_call::out(&mut weighted),
    ];
    native_call::call(native, fns::MPI_DIST_GRAPH_NEIGHBORS_COUNT, &counts)?;
    let room = |degree: u64| vec![0_i32; degree as u32 as usize];
    let (mut sources, mut in_weights) = (room(indegree), room(indegree));
    let (mut destinations, mut out_weights) = (room(outdegree), room(outdegree));
    native_call::call(
        native,
        fns::MPI_DIST_GRAPH_NEIGHBORS,
        &[
            comm,
            indegree,
            sources.as_mut_ptr() as u64,
            in_weights.as_mut_ptr() as u64,
            outdegree,
            destinations.as_mut_ptr() as u64,
            out_weights.as_mut_ptr() as u64,
        ],
    )?;
    let weighted = weighted as i32 != 0;
    let (in_weights, out_weights) = (
        weighted.then_some(&in_weights[..]),
        weighted.then_some(&out_weights[..]),
    );
    Ok(DistGraph::new(
        (&sources, in_weights),
        (&destinations, out_weights),
        size,
    )?)
}

/// The distributed graph of the communicator of parameter 0.
fn dist_graph_arg(a: &Args<'_>) -> Result<DistGraph, MpiError> {
    Ok(state().comms.get(a.raw(0))?.topology.dist_graph()?.clone())
}

/// `MPI_Dist_graph_neighbors_count(comm, indegree, outdegree, weighted)`.
pub fn dist_graph_neighbors_count(a: &mut Args<'_>) -> Call {
    let graph = dist_graph_arg(a)?;
    a.set_int(1, graph.sources.len() as i64);
    a.set_int(2, graph.destinations.len() as i64);
    a.set_flag(3, graph.weighted);
    Ok(())
}

/// `MPI_Dist_graph_neighbors(comm, maxindegree, sources, sourceweights, maxoutdegree, destinations, destweights)`:
/// as many as there is room for; weights of a graph without any are not touched.
pub fn dist_graph_neighbors(a: &mut Args<'_>) -> Call {
    let graph = dist_graph_arg(a)?;
    let (in_room, out_room) = (length_arg(a, 1)?, length_arg(a, 4)?);
    let edges = Edges::of(&graph);
    set_ints(a, 2, in_room, &edges.sources);
    set_ints(a, 5, out_room, &edges.destinations);
    if let Some((in_weights, out_weights)) = edges.weights {
        set_weights(a, 3, in_room, &in_weights);
        set_weights(a, 6, out_room, &out_weights);
    }
    Ok(())
}

/// Writes weights behind parameter `i`, unless the program passes `MPI_UNWEIGHTED` because it does not want them.
fn set_weights(a: &mut Args<'_>, i: usize, room: usize, weights: &[i32]) {
    if !matches!(a.raw(i), mpi::MPI_UNWEIGHTED | mpi::MPI_WEIGHTS_EMPTY) {
        set_ints(a, i, room, weights);
    }
}
