//! Graph topologies: the whole graph on each rank (MPI 4.1 section 8.5.3), or each rank's own edges (section 8.5.4).

use serde::{Deserialize, Serialize};

use crate::abi::UNDEFINED;
use crate::error::ObjectError;

/// `MPI_Graph_create`'s graph. Neighbours may repeat and be the rank itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Graph {
    /// `index[i]` edges belong to the ranks 0 to i.
    index: Vec<i32>,
    /// The edges' ends, rank after rank.
    edges: Vec<i32>,
}

impl Graph {
    /// A graph on a communicator of `available` ranks.
    ///
    /// # Errors
    /// [`ObjectError::TopologySize`] when there are too few ranks, [`ObjectError::Argument`] when the index falls,
    /// [`ObjectError::Length`] when it does not fit the edges, [`ObjectError::Rank`] for an edge to a rank not there.
    pub fn new(index: Vec<i32>, edges: Vec<i32>, available: u32) -> Result<Self, ObjectError> {
        if index.len() > available as usize {
            return Err(ObjectError::TopologySize {
                wanted: index.len() as u64,
                available: u64::from(available),
            });
        }
        let mut before = 0;
        for &value in &index {
            if value < before {
                let allowed =
                    "the index counts edges up to a rank: it starts at 0 or more and never falls";
                return Err(ObjectError::Argument {
                    argument: "index",
                    value: i64::from(value),
                    allowed,
                });
            }
            before = value;
        }
        if edges.len() != before as usize {
            return Err(ObjectError::Length {
                what: "edges",
                got: edges.len(),
                wanted: before as usize,
            });
        }
        let size = index.len() as u32;
        match edges
            .iter()
            .find(|rank| u32::try_from(**rank).map_or(true, |rank| rank >= size))
        {
            Some(rank) => Err(ObjectError::Rank {
                rank: i64::from(*rank),
                size,
            }),
            None => Ok(Self { index, edges }),
        }
    }

    /// How many edges the ranks 0 to i have, for each i.
    #[must_use]
    pub fn index(&self) -> &[i32] {
        &self.index
    }

    /// The edges' ends, rank after rank.
    #[must_use]
    pub fn edges(&self) -> &[i32] {
        &self.edges
    }

    /// Number of ranks in the graph.
    #[must_use]
    pub fn size(&self) -> i32 {
        self.index.len() as i32
    }

    /// `MPI_Graph_neighbors`; their number is `MPI_Graph_neighbors_count`.
    ///
    /// # Errors
    /// [`ObjectError::Rank`].
    pub fn neighbours(&self, rank: i32) -> Result<&[i32], ObjectError> {
        let size = self.index.len();
        let node = usize::try_from(rank).ok().filter(|node| *node < size);
        let node = node.ok_or(ObjectError::Rank {
            rank: i64::from(rank),
            size: size as u32,
        })?;
        let first = if node == 0 {
            0
        } else {
            self.index[node - 1] as usize
        };
        Ok(&self.edges[first..self.index[node] as usize])
    }

    /// `MPI_Graph_map` without reordering: the rank itself, or MPI_UNDEFINED for one that is not in the graph.
    #[must_use]
    pub fn map(&self, rank: i32) -> i32 {
        if (0..self.size()).contains(&rank) {
            rank
        } else {
            UNDEFINED
        }
    }
}

/// An edge of a distributed graph, seen from one end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Neighbour {
    /// The other end.
    pub rank: i32,
    /// The edge's weight; 1 in a graph without weights, where it means nothing.
    pub weight: i32,
}

/// One rank's edges of a distributed graph, in the order that `MPI_Dist_graph_neighbors` reports and neighbourhood
/// collectives use. After `MPI_Dist_graph_create` (edges given by anyone) that order is the MPI's choice, so it must be
/// recorded and kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DistGraph {
    /// Edges that end here.
    pub sources: Vec<Neighbour>,
    /// Edges that begin here.
    pub destinations: Vec<Neighbour>,
    /// False after MPI_UNWEIGHTED.
    pub weighted: bool,
}

impl DistGraph {
    /// The edges of one rank; weights are None for MPI_UNWEIGHTED.
    ///
    /// # Errors
    /// [`ObjectError::Rank`] for a neighbour outside a communicator of `size` ranks, [`ObjectError::NegativeCount`] for a
    /// negative weight, [`ObjectError::Length`] when weights and neighbours differ in number, [`ObjectError::Argument`]
    /// when only one side has weights.
    pub fn new(
        sources: (&[i32], Option<&[i32]>),
        destinations: (&[i32], Option<&[i32]>),
        size: u32,
    ) -> Result<Self, ObjectError> {
        let weighted = sources.1.is_some();
        if destinations.1.is_some() != weighted {
            let allowed = "MPI_UNWEIGHTED must be given for both sides or for none";
            return Err(ObjectError::Argument {
                argument: "weights",
                value: 0,
                allowed,
            });
        }
        let sources = neighbours(sources.0, sources.1, size)?;
        let destinations = neighbours(destinations.0, destinations.1, size)?;
        Ok(Self {
            sources,
            destinations,
            weighted,
        })
    }

    /// The ranks this one receives from.
    #[must_use]
    pub fn source_ranks(&self) -> Vec<i32> {
        self.sources.iter().map(|edge| edge.rank).collect()
    }

    /// The ranks this one sends to.
    #[must_use]
    pub fn destination_ranks(&self) -> Vec<i32> {
        self.destinations.iter().map(|edge| edge.rank).collect()
    }
}

fn neighbours(
    ranks: &[i32],
    weights: Option<&[i32]>,
    size: u32,
) -> Result<Vec<Neighbour>, ObjectError> {
    if let Some(weights) = weights.filter(|weights| weights.len() != ranks.len()) {
        return Err(ObjectError::Length {
            what: "weights",
            got: weights.len(),
            wanted: ranks.len(),
        });
    }
    let edge = |(place, &rank): (usize, &i32)| {
        if u32::try_from(rank).map_or(true, |rank| rank >= size) {
            return Err(ObjectError::Rank {
                rank: i64::from(rank),
                size,
            });
        }
        let weight = weights.map_or(1, |weights| weights[place]);
        if weight < 0 {
            return Err(ObjectError::NegativeCount {
                what: "an edge's weight",
                value: i64::from(weight),
            });
        }
        Ok(Neighbour { rank, weight })
    };
    ranks.iter().enumerate().map(edge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard() {
        // MPI 4.1 section 8.5.3: neighbours 0: 1 3; 1: 0; 2: 3; 3: 0 2.
        let graph = Graph::new(vec![2, 3, 4, 6], vec![1, 3, 0, 3, 0, 2], 4).unwrap();
        let all: Vec<_> = (0..4)
            .map(|rank| graph.neighbours(rank).unwrap().to_vec())
            .collect();
        assert_eq!(all, [vec![1, 3], vec![0], vec![3], vec![0, 2]]);
        assert!(graph.neighbours(4).is_err());
    }

    #[test]
    fn inconsistent_graphs_are_refused() {
        assert!(Graph::new(vec![2, 1], vec![0, 1], 2).is_err());
        assert!(Graph::new(vec![1, 3], vec![0, 1], 2).is_err());
        assert!(Graph::new(vec![1], vec![1], 2).is_err());
        assert!(Graph::new(vec![1, 2, 3], vec![0, 0, 0], 2).is_err());
    }

    #[test]
    fn edges_keep_order_repetition_and_weights() {
        let graph = DistGraph::new((&[2, 0, 2], Some(&[5, 0, 7])), (&[], Some(&[])), 3).unwrap();
        assert_eq!(graph.source_ranks(), [2, 0, 2]);
        assert_eq!(graph.sources[2].weight, 7);
        assert!(DistGraph::new((&[3], None), (&[], None), 3).is_err());
        assert!(DistGraph::new((&[1], Some(&[-1])), (&[], Some(&[])), 3).is_err());
        assert!(DistGraph::new((&[1], None), (&[], Some(&[])), 3).is_err());
    }
}
