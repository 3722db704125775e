//! Virtual topologies: which rank is whose neighbour (MPI 4.1 chapter 8).
//!
//! All queries are answered here; a native communicator with the topology is only needed for neighbourhood collectives,
//! and can be rebuilt from the descriptor.
//!
//! ```text
//!   Cart         dims 2 x 3, periods        rank <-> coordinates, row-major; neighbours -1 and +1 per dimension
//!   Graph        index, edges               the whole graph, on every rank
//!   DistGraph    sources, destinations      this rank's neighbours only, with weights
//! ```

mod cart;
mod dims;
mod graph;

use serde::{Deserialize, Serialize};

use crate::abi::{CART, DIST_GRAPH, GRAPH, UNDEFINED};
use crate::error::ObjectError;

pub use cart::{Cart, CartSub};
pub use dims::dims_create;
pub use graph::{DistGraph, Graph, Neighbour};

/// The topology of a communicator.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Topology {
    /// None.
    #[default]
    None,
    /// A grid or torus.
    Cart(Cart),
    /// A graph that every rank knows.
    Graph(Graph),
    /// A graph of which every rank knows its own edges.
    DistGraph(DistGraph),
}

impl Topology {
    /// `MPI_Topo_test`.
    #[must_use]
    pub const fn to_abi(&self) -> i32 {
        match self {
            Self::None => UNDEFINED,
            Self::Cart(_) => CART,
            Self::Graph(_) => GRAPH,
            Self::DistGraph(_) => DIST_GRAPH,
        }
    }

    /// The grid.
    ///
    /// # Errors
    /// [`ObjectError::NoTopology`] when it is none.
    pub fn cart(&self) -> Result<&Cart, ObjectError> {
        match self {
            Self::Cart(cart) => Ok(cart),
            _ => Err(ObjectError::NoTopology {
                wanted: "Cartesian",
            }),
        }
    }

    /// The graph.
    ///
    /// # Errors
    /// [`ObjectError::NoTopology`] when it is none.
    pub fn graph(&self) -> Result<&Graph, ObjectError> {
        match self {
            Self::Graph(graph) => Ok(graph),
            _ => Err(ObjectError::NoTopology { wanted: "graph" }),
        }
    }

    /// The distributed graph.
    ///
    /// # Errors
    /// [`ObjectError::NoTopology`] when it is none.
    pub fn dist_graph(&self) -> Result<&DistGraph, ObjectError> {
        match self {
            Self::DistGraph(graph) => Ok(graph),
            _ => Err(ObjectError::NoTopology {
                wanted: "distributed graph",
            }),
        }
    }

    /// The neighbours of `rank` in the order of the buffers of neighbourhood collectives (MPI 4.1 section 8.6): those it
    /// receives from, then those it sends to. MPI_PROC_NULL is beyond the border of a grid: its block of the buffer exists
    /// and is left alone.
    ///
    /// # Errors
    /// [`ObjectError::NoTopology`] without a topology, [`ObjectError::Rank`] when the rank is not in it.
    pub fn neighbours(&self, rank: i32) -> Result<(Vec<i32>, Vec<i32>), ObjectError> {
        match self {
            Self::None => Err(ObjectError::NoTopology {
                wanted: "(virtual)",
            }),
            Self::Cart(cart) => cart.neighbours(rank).map(|both| (both.clone(), both)),
            Self::Graph(graph) => graph
                .neighbours(rank)
                .map(|both| (both.to_vec(), both.to_vec())),
            Self::DistGraph(graph) => Ok((graph.source_ranks(), graph.destination_ranks())),
        }
    }
}
