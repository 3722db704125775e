//! Global communicator ids: the same number on every member, and on no other communicator.
//!
//! Ids are derived, not negotiated: a communicator made by the n-th collective constructor of its parent has
//! an id that every member can compute. They are hashes of 64 bits; among a million communicators two are
//! equal with a chance of 3 in 10^8, and [`crate::Clocks::register`] notices most of those by their sizes.
//!
//! ```text
//!                      child(ordinal, part)
//!   WORLD ──Dup (call 7)───────────────┬─> first member: world rank 0 ──> 0x3c5e...
//!         ──Split (call 8)──colour 0───┬─> first member: world rank 0 ──> 0x91d0...
//!                           colour 1───┴─> first member: world rank 1 ──> 0x07aa...
//! ```
//!
//! They order communicators totally, and equally on all members: rebuilt in that order with calls that are collective over the
//! group only, no set of ranks can wait for each other in a circle.
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The id of a communicator (or of an ad-hoc group that acts like one), equal on all its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gid(pub u64);

/// What an id is derived from; part of the hash, so that the kinds cannot meet.
#[repr(u8)]
#[derive(Clone, Copy)]
enum Origin {
    Child = 1,
    Group = 2,
    Critical = 3,
    SelfOf = 4,
}

impl Gid {
    /// `MPI_COMM_WORLD`.
    pub const WORLD: Gid = Gid(1);

    /// The `MPI_COMM_SELF` of world rank `rank`: each rank has its own, so each has an id of its own.
    #[must_use]
    pub fn of_self(rank: u32) -> Gid {
        Gid::derive(Origin::SelfOf, &[u64::from(rank)])
    }

    /// The communicator with part number `part` (the lowest world rank in it will do: a split makes several
    /// at once) that the `ordinal`-th collective constructor called on `self` made.
    ///
    /// `ordinal` counts constructors on `self` over the whole run, restarts included.
    #[must_use]
    pub fn child(self, ordinal: u64, part: u64) -> Gid {
        Gid::derive(Origin::Child, &[self.0, ordinal, part])
    }

    /// The ad-hoc group of an `MPI_Comm_create_group` or `MPI_Intercomm_create`: only these ranks of `self`
    /// take part, told apart from another such call by `tag` (MPI 5.0, MPI_Comm_create_group).
    ///
    /// `sorted_world_ranks` must be in ascending order, so that all members compute the same id.
    #[must_use]
    pub fn group(self, sorted_world_ranks: &[u32], tag: i32) -> Gid {
        debug_assert!(
            sorted_world_ranks.is_sorted(),
            "members disagree on the id of an unsorted group"
        );
        let mut words = vec![self.0, u64::from(tag.cast_unsigned())];
        words.extend(sorted_world_ranks.iter().map(|&rank| u64::from(rank)));
        Gid::derive(Origin::Group, &words)
    }

    /// The pseudo-communicator of a rank's critical sections (see [`crate::Rank::critical_begin`]).
    pub(crate) fn critical(rank: u32) -> Gid {
        Gid::derive(Origin::Critical, &[u64::from(rank)])
    }

    fn derive(origin: Origin, words: &[u64]) -> Gid {
        let mut bytes = vec![origin as u8];
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        Gid(xxh3_64(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::Gid;

    #[test]
    fn ids_differ_by_everything_they_are_derived_from() {
        let ids = [
            Gid::WORLD,
            Gid::WORLD.child(1, 0),
            Gid::WORLD.child(2, 0),
            Gid::WORLD.child(1, 1),
            Gid::WORLD.child(1, 0).child(1, 0),
            Gid::WORLD.group(&[0, 1], 7),
            Gid::WORLD.group(&[0, 2], 7),
            Gid::WORLD.group(&[0, 1], 8),
            Gid::critical(0),
            Gid::critical(1),
            Gid::of_self(0),
            Gid::of_self(1),
        ];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }

    /// An image outlives versions of mana: the ids in it must mean the same later.
    #[test]
    fn ids_are_frozen() {
        assert_eq!(Gid::WORLD.child(1, 0), Gid(6_183_784_349_800_201_246));
        assert_eq!(
            Gid::WORLD.group(&[0, 1], 7),
            Gid(15_589_469_047_422_412_094)
        );
    }
}
