//! The two representations of a group's members, and the lookups in them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{GroupRank, WorldRank};
use crate::error::ObjectError;

/// An ordered set of processes. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct Group {
    members: Members,
}

/// Invariant: a list that is strided is never `Listed`; a group of no member starts at 0, of at most one has stride 1.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Members {
    Strided {
        first: u32,
        stride: i32,
        length: u32,
    },
    Listed(Arc<Listed>),
}

#[derive(PartialEq, Eq, Debug)]
struct Listed {
    world_ranks: Vec<u32>,
    /// (world rank, group rank), sorted.
    by_world_rank: Vec<(u32, u32)>,
}

/// What a group is in an image.
#[derive(Clone, Serialize, Deserialize)]
enum Record {
    Strided {
        first: u32,
        stride: i32,
        length: u32,
    },
    Listed(Vec<u32>),
}

impl Default for Group {
    fn default() -> Self {
        Self::empty()
    }
}

impl Group {
    /// MPI_GROUP_EMPTY.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            members: Members::Strided {
                first: 0,
                stride: 1,
                length: 0,
            },
        }
    }

    /// The group of MPI_COMM_WORLD with `size` processes.
    #[must_use]
    pub const fn world(size: u32) -> Self {
        Self {
            members: Members::Strided {
                first: 0,
                stride: 1,
                length: size,
            },
        }
    }

    /// The group of one process.
    #[must_use]
    pub const fn of_one(process: WorldRank) -> Self {
        Self {
            members: Members::Strided {
                first: process.0,
                stride: 1,
                length: 1,
            },
        }
    }

    /// The group of these processes in this order.
    ///
    /// # Errors
    /// [`ObjectError::DuplicateRank`].
    pub fn from_world_ranks(world_ranks: Vec<u32>) -> Result<Self, ObjectError> {
        if let Some(members) = strided(&world_ranks) {
            return Ok(Self { members });
        }
        let mut by_world_rank: Vec<_> = world_ranks
            .iter()
            .zip(0..)
            .map(|(world, rank)| (*world, rank))
            .collect();
        by_world_rank.sort_unstable();
        match by_world_rank.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(ObjectError::DuplicateRank { rank: pair[0].0 }),
            None => Ok(Self {
                members: Members::Listed(Arc::new(Listed {
                    world_ranks,
                    by_world_rank,
                })),
            }),
        }
    }

    /// Number of members.
    #[inline]
    #[must_use]
    pub fn size(&self) -> u32 {
        match &self.members {
            Members::Strided { length, .. } => *length,
            Members::Listed(listed) => listed.world_ranks.len() as u32,
        }
    }

    /// The process with this rank, or None when the group is smaller.
    #[inline]
    #[must_use]
    pub fn world_rank(&self, rank: GroupRank) -> Option<WorldRank> {
        match &self.members {
            Members::Strided {
                first,
                stride,
                length,
            } => (rank.0 < *length).then(|| element(*first, *stride, rank.0)),
            Members::Listed(listed) => listed
                .world_ranks
                .get(rank.0 as usize)
                .copied()
                .map(WorldRank),
        }
    }

    /// As [`Group::world_rank`], for a rank that was checked.
    pub(super) fn world_rank_at(&self, rank: GroupRank) -> WorldRank {
        self.world_rank(rank)
            .unwrap_or_else(|| panic!("{rank:?} was checked to be in a group of {}", self.size()))
    }

    /// The rank of a process, or None when it is no member. O(1) when strided, O(log n) when listed.
    #[inline]
    #[must_use]
    pub fn rank_of(&self, process: WorldRank) -> Option<GroupRank> {
        match &self.members {
            Members::Strided {
                first,
                stride,
                length,
            } => {
                let distance = i64::from(process.0) - i64::from(*first);
                let stride = i64::from(*stride);
                let rank = distance / stride;
                (distance % stride == 0 && (0..i64::from(*length)).contains(&rank))
                    .then_some(GroupRank(rank as u32))
            }
            Members::Listed(listed) => {
                let index = &listed.by_world_rank;
                let found = index
                    .binary_search_by_key(&process.0, |(world, _)| *world)
                    .ok()?;
                Some(GroupRank(index[found].1))
            }
        }
    }

    /// Whether a process is a member.
    #[must_use]
    pub fn contains(&self, process: WorldRank) -> bool {
        self.rank_of(process).is_some()
    }

    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = WorldRank> + '_ {
        (0..self.size()).map(|rank| self.world_rank_at(GroupRank(rank)))
    }
}

fn element(first: u32, stride: i32, index: u32) -> WorldRank {
    WorldRank((i64::from(first) + i64::from(stride) * i64::from(index)) as u32)
}

/// The strided representation of a list, if it has one.
fn strided(world_ranks: &[u32]) -> Option<Members> {
    let length = u32::try_from(world_ranks.len()).ok()?;
    let first = world_ranks.first().copied().unwrap_or(0);
    let Some(second) = world_ranks.get(1) else {
        return Some(Members::Strided {
            first,
            stride: 1,
            length,
        });
    };
    let stride = i32::try_from(i64::from(*second) - i64::from(first))
        .ok()
        .filter(|stride| *stride != 0)?;
    let follows = |pair: &[u32]| i64::from(pair[1]) - i64::from(pair[0]) == i64::from(stride);
    world_ranks
        .windows(2)
        .all(follows)
        .then_some(Members::Strided {
            first,
            stride,
            length,
        })
}

impl From<Group> for Record {
    fn from(group: Group) -> Self {
        match group.members {
            Members::Strided {
                first,
                stride,
                length,
            } => Self::Strided {
                first,
                stride,
                length,
            },
            Members::Listed(listed) => Self::Listed(listed.world_ranks.clone()),
        }
    }
}

impl TryFrom<Record> for Group {
    type Error = ObjectError;

    fn try_from(record: Record) -> Result<Self, ObjectError> {
        match record {
            Record::Listed(world_ranks) => Self::from_world_ranks(world_ranks),
            Record::Strided { length: 0, .. } => Ok(Self::empty()),
            Record::Strided {
                first, length: 1, ..
            } => Ok(Self::of_one(WorldRank(first))),
            Record::Strided {
                first,
                stride,
                length,
            } => {
                let last = i64::from(first) + i64::from(stride) * (i64::from(length) - 1);
                if stride == 0 {
                    return Err(ObjectError::DuplicateRank { rank: first });
                }
                if u32::try_from(last).is_err() {
                    return Err(ObjectError::Rank {
                        rank: last,
                        size: u32::MAX,
                    });
                }
                Ok(Self {
                    members: Members::Strided {
                        first,
                        stride,
                        length,
                    },
                })
            }
        }
    }
}
