//! Groups: an ordered list of processes, each named by its rank in MPI_COMM_WORLD.
//!
//! ```text
//!   group rank      0   1   2   3
//!   world rank      8  10  12  14      strided: first 8, stride 2, length 4   (12 bytes, whatever its length)
//!   world rank      5   0   9   3      listed:  the ranks, and an index sorted by world rank for rank_of
//! ```
//!
//! Groups are local objects (MPI 4.1 section 7.3): no native group is ever needed for them. Most groups of big jobs are
//! strided (the world, its halves, rows and columns of a grid), so those cost nothing; equal member lists always have the
//! same representation, so `==` is MPI_IDENT.

mod algebra;
mod members;

use serde::{Deserialize, Serialize};

use crate::abi::{IDENT, PROC_NULL, SIMILAR, UNDEFINED, UNEQUAL};
use crate::error::ObjectError;
use crate::handle::GroupHandle;

pub use algebra::RankRange;
pub use members::Group;

/// The predefined empty group.
pub const GROUP_EMPTY: GroupHandle = GroupHandle::predefined(0x109);

/// A rank in MPI_COMM_WORLD: names a process in the whole job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorldRank(pub u32);

/// A rank in some group or communicator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupRank(pub u32);

/// The result of comparing two groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupComparison {
    /// Same members, same order.
    Identical,
    /// Same members, other order.
    Similar,
    /// Other members.
    Unequal,
}

impl GroupComparison {
    /// MPI_IDENT, MPI_SIMILAR or MPI_UNEQUAL.
    #[must_use]
    pub const fn to_abi(self) -> i32 {
        match self {
            Self::Identical => IDENT,
            Self::Similar => SIMILAR,
            Self::Unequal => UNEQUAL,
        }
    }
}

impl Group {
    /// `MPI_Group_rank`'s answer for a process: its rank or MPI_UNDEFINED.
    #[must_use]
    pub fn rank_or_undefined(&self, process: WorldRank) -> i32 {
        self.rank_of(process)
            .map_or(UNDEFINED, |rank| rank.0 as i32)
    }

    /// Checks a rank argument.
    ///
    /// # Errors
    /// [`ObjectError::Rank`] when it is not in this group.
    pub fn check_rank(&self, rank: i32) -> Result<GroupRank, ObjectError> {
        let size = self.size();
        match u32::try_from(rank) {
            Ok(rank) if rank < size => Ok(GroupRank(rank)),
            _ => Err(ObjectError::Rank {
                rank: rank.into(),
                size,
            }),
        }
    }

    /// `MPI_Group_translate_ranks`: MPI_PROC_NULL stays, who is not in `other` is MPI_UNDEFINED.
    ///
    /// # Errors
    /// [`ObjectError::Rank`] when a rank is not in this group.
    pub fn translate_ranks(&self, ranks: &[i32], other: &Self) -> Result<Vec<i32>, ObjectError> {
        let translate = |rank: &i32| {
            if *rank == PROC_NULL {
                return Ok(PROC_NULL);
            }
            let process = self.world_rank_at(self.check_rank(*rank)?);
            Ok(other.rank_or_undefined(process))
        };
        ranks.iter().map(translate).collect()
    }

    /// `MPI_Group_compare`.
    #[must_use]
    pub fn compare(&self, other: &Self) -> GroupComparison {
        if self == other {
            GroupComparison::Identical
        } else if self.size() == other.size() && self.iter().all(|process| other.contains(process))
        {
            GroupComparison::Similar
        } else {
            GroupComparison::Unequal
        }
    }
}
