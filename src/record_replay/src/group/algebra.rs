//! New groups from old ones (MPI 4.1 section 7.3.2).

use super::{Group, GroupRank};
use crate::error::ObjectError;

/// A triplet (first, last, stride) of `MPI_Group_range_incl` and `_range_excl`.
pub type RankRange = [i32; 3];

impl Group {
    /// `MPI_Group_union`: the members of this group, then those of `other` that are not in it.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let added = other.iter().filter(|process| !self.contains(*process));
        self.with_members(self.iter().chain(added).map(|process| process.0).collect())
    }

    /// `MPI_Group_intersection`: the members of this group that are in `other`, in this group's order.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.with_members(
            self.iter()
                .filter(|process| other.contains(*process))
                .map(|process| process.0)
                .collect(),
        )
    }

    /// `MPI_Group_difference`: the members of this group that are not in `other`, in this group's order.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.with_members(
            self.iter()
                .filter(|process| !other.contains(*process))
                .map(|process| process.0)
                .collect(),
        )
    }

    /// `MPI_Group_incl`: the members with these ranks, in this order.
    ///
    /// # Errors
    /// [`ObjectError::Rank`] or [`ObjectError::DuplicateRank`].
    pub fn incl(&self, ranks: &[i32]) -> Result<Self, ObjectError> {
        let ranks = self.distinct(ranks.iter().copied().map(i64::from))?;
        Ok(self.with_members(
            ranks
                .into_iter()
                .map(|rank| self.world_rank_at(rank).0)
                .collect(),
        ))
    }

    /// `MPI_Group_excl`: all members but those with these ranks, in this group's order.
    ///
    /// # Errors
    /// [`ObjectError::Rank`] or [`ObjectError::DuplicateRank`].
    pub fn excl(&self, ranks: &[i32]) -> Result<Self, ObjectError> {
        let ranks = self.distinct(ranks.iter().copied().map(i64::from))?;
        Ok(self.without(&ranks))
    }

    /// `MPI_Group_range_incl`.
    ///
    /// # Errors
    /// [`ObjectError::Range`] for a stride of 0 or away from the last rank, [`ObjectError::Rank`] and
    /// [`ObjectError::DuplicateRank`] for the ranks that the ranges stand for.
    pub fn range_incl(&self, ranges: &[RankRange]) -> Result<Self, ObjectError> {
        let ranks = self.expand(ranges)?;
        Ok(self.with_members(
            ranks
                .into_iter()
                .map(|rank| self.world_rank_at(rank).0)
                .collect(),
        ))
    }

    /// `MPI_Group_range_excl`.
    ///
    /// # Errors
    /// As [`Group::range_incl`].
    pub fn range_excl(&self, ranges: &[RankRange]) -> Result<Self, ObjectError> {
        let ranks = self.expand(ranges)?;
        Ok(self.without(&ranks))
    }

    fn without(&self, ranks: &[GroupRank]) -> Self {
        let mut excluded = vec![false; self.size() as usize];
        for rank in ranks {
            excluded[rank.0 as usize] = true;
        }
        let kept = self.iter().zip(excluded).filter(|(_, excluded)| !excluded);
        self.with_members(kept.map(|(process, _)| process.0).collect())
    }

    /// Members chosen from groups, so without duplicates.
    fn with_members(&self, world_ranks: Vec<u32>) -> Self {
        Self::from_world_ranks(world_ranks)
            .unwrap_or_else(|error| panic!("members of a group are distinct: {error}"))
    }

    fn expand(&self, ranges: &[RankRange]) -> Result<Vec<GroupRank>, ObjectError> {
        for range @ [first, last, stride] in ranges {
            let away = (first < last && *stride < 0) || (first > last && *stride > 0);
            if *stride == 0 || away {
                return Err(ObjectError::Range {
                    first: range[0],
                    last: range[1],
                    stride: range[2],
                });
            }
        }
        self.distinct(ranges.iter().flat_map(|range| ranks_of(*range)))
    }

    /// Checks that the ranks are members and none comes twice. Ends at the first bad one, so a range of 2^31 ranks in a
    /// small group costs no more than the group.
    fn distinct(&self, ranks: impl Iterator<Item = i64>) -> Result<Vec<GroupRank>, ObjectError> {
        let size = self.size();
        let mut seen = vec![false; size as usize];
        let mut checked = Vec::new();
        for rank in ranks {
            if !(0..i64::from(size)).contains(&rank) {
                return Err(ObjectError::Rank { rank, size });
            }
            if std::mem::replace(&mut seen[rank as usize], true) {
                return Err(ObjectError::DuplicateRank { rank: rank as u32 });
            }
            checked.push(GroupRank(rank as u32));
        }
        Ok(checked)
    }
}

/// The ranks first, first + stride, ..., first + ⌊(last − first) / stride⌋ · stride.
fn ranks_of([first, last, stride]: RankRange) -> impl Iterator<Item = i64> {
    let (first, last, stride) = (i64::from(first), i64::from(last), i64::from(stride));
    (0..=(last - first) / stride).map(move |step| first + step * stride)
}
