//! Virtual topologies: graphs that every rank knows (MPI-5.0 section 8.5.3). Queries are answered from the descriptor;
//! ranks are never reordered. Graphs of which each rank knows its own edges are in `dist_graph`.

use mana_record_replay::topology::{Graph, Topology};

use super::comm::intra_arg;
use super::group::length_arg;
use super::topology::{create, set_ints};
use crate::args::Args;
use crate::engine::state;
use crate::error::{Call, MpiError};

/// The graph of the communicator of parameter 0.
fn graph_arg(a: &Args<'_>) -> Result<Graph, MpiError> {
    Ok(state().comms.get(a.raw(0))?.topology.graph()?.clone())
}

/// The graph that arguments `(nnodes, index, edges)` from parameter 1 on describe, for the communicator of parameter 0.
fn new_graph(a: &Args<'_>) -> Result<Graph, MpiError> {
    let available = intra_arg(a, 0)?.size() as u32;
    let index = a.ints32(2, length_arg(a, 1)?);
    let edge_count = index
        .last()
        .map_or(0, |last| usize::try_from(*last).unwrap_or(0));
    Ok(Graph::new(index, a.ints32(3, edge_count), available)?)
}

/// `MPI_Graph_create(comm_old, nnodes, index, edges, reorder, comm_graph)`: `MPI_COMM_NULL` for those beyond it.
pub fn graph_create(a: &mut Args<'_>) -> Call {
    let graph = new_graph(a)?;
    let rank = graph.map(intra_arg(a, 0)?.rank());
    create(a, rank, Topology::Graph(graph))
}

/// `MPI_Graphdims_get(comm, nnodes, nedges)`.
pub fn graphdims_get(a: &mut Args<'_>) -> Call {
    let graph = graph_arg(a)?;
    a.set_int(1, graph.index().len() as i64);
    a.set_int(2, graph.edges().len() as i64);
    Ok(())
}

/// `MPI_Graph_get(comm, maxindex, maxedges, index, edges)`.
pub fn graph_get(a: &mut Args<'_>) -> Call {
    let graph = graph_arg(a)?;
    let (index_room, edges_room) = (length_arg(a, 1)?, length_arg(a, 2)?);
    set_ints(a, 3, index_room, graph.index());
    set_ints(a, 4, edges_room, graph.edges());
    Ok(())
}

/// `MPI_Graph_neighbors_count(comm, rank, nneighbors)`.
pub fn graph_neighbors_count(a: &mut Args<'_>) -> Call {
    let count = graph_arg(a)?.neighbours(a.int(1))?.len();
    a.set_int(2, count as i64);
    Ok(())
}

/// `MPI_Graph_neighbors(comm, rank, maxneighbors, neighbors)`.
pub fn graph_neighbors(a: &mut Args<'_>) -> Call {
    let graph = graph_arg(a)?;
    let room = length_arg(a, 2)?;
    set_ints(a, 3, room, graph.neighbours(a.int(1))?);
    Ok(())
}

/// `MPI_Graph_map(comm, nnodes, index, edges, newrank)`.
pub fn graph_map(a: &mut Args<'_>) -> Call {
    let graph = new_graph(a)?;
    let rank = intra_arg(a, 0)?.rank();
    a.set_int(4, i64::from(graph.map(rank)));
    Ok(())
}
