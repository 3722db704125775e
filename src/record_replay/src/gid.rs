//! Global ids of communicators: the same number on all members, without a message to agree on it.
//!
//! ```text
//!                      child_gid(parent, clock, discriminator)
//!   WORLD ──Dup (clock 7)──────────────┬─> leader = world rank 0 ──> 0x3c5e...
//!         ──Split (clock 8)──colour 0──┬─> leader = world rank 0 ──> 0x91d0...
//!                            colour 1──┴─> leader = world rank 1 ──> 0x07aa...
//! ```
//!
//! Members of a new communicator know: the parent's id, how many collective calls they made on it (the same on all, because
//! creation is collective), and who is first in the new group. The children of one call are disjoint, so their first
//! members differ. `MPI_Comm_create_group` is collective over the new group only, so the parent's clock is no common
//! knowledge: there the new communicator's rank 0 draws [`fresh_gid`] and broadcasts it over the native communicator.
//!
//! The ids order communicators totally, and equally on all members: rebuilt in that order with a call collective over the
//! group only, no set of ranks can wait for each other in a circle.

use serde::{Deserialize, Serialize};

use crate::group::WorldRank;

/// A communicator's global id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Gid(pub u64);

impl std::fmt::Debug for Gid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "gid {:016x}", self.0)
    }
}

impl Gid {
    /// MPI_COMM_WORLD.
    pub const WORLD: Self = Self(1);

    /// The MPI_COMM_SELF of one rank: each rank has its own, so each has an id of its own.
    #[must_use]
    pub fn of_self(rank: WorldRank) -> Self {
        mixed([DOMAIN_SELF, u64::from(rank.0), 0, 0])
    }
}

/// The id of a communicator made by a collective call on `parent`, the `clock`-th one there. `discriminator` tells the
/// communicators made by one call apart: the world rank of the new group's first member (for an intercommunicator, the
/// smaller of the two sides' first members).
#[must_use]
pub fn child_gid(parent: Gid, clock: u64, discriminator: u64) -> Gid {
    mixed([DOMAIN_CHILD, parent.0, clock, discriminator])
}

/// An id drawn by one rank for others: `serial` counts what this rank has drawn in the whole run.
#[must_use]
pub fn fresh_gid(drawer: WorldRank, serial: u64) -> Gid {
    mixed([DOMAIN_FRESH, u64::from(drawer.0), serial, 0])
}

const DOMAIN_SELF: u64 = 1;
const DOMAIN_CHILD: u64 = 2;
const DOMAIN_FRESH: u64 = 3;

/// Values up to here are never derived: 0 is no communicator, 1 is the world.
const LAST_RESERVED: u64 = 15;

/// A 64-bit mix of four words: each goes through the finaliser of SplitMix64 (Steele, Lea and Flood 2014), a bijection in
/// which every input bit flips each output bit with probability 1/2. With n communicators in a job two share an id with
/// probability n²/2^65: 3e-8 for a million.
fn mixed(words: [u64; 4]) -> Gid {
    let mut state: u64 = 0x4d41_4e41_2047_4944;
    for word in words {
        state = finalise(
            state.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ finalise(word.wrapping_add(state)),
        );
    }
    while state <= LAST_RESERVED {
        state = finalise(state.wrapping_add(0x9e37_79b9_7f4a_7c15));
    }
    Gid(state)
}

const fn finalise(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn neighbours_in_every_argument_have_distinct_ids() {
        let mut seen = HashSet::from([Gid::WORLD]);
        for rank in 0..1000 {
            assert!(seen.insert(Gid::of_self(WorldRank(rank))));
        }
        for parent in [Gid::WORLD, Gid(2), Gid::of_self(WorldRank(0))] {
            for clock in 0..100 {
                for leader in 0..100 {
                    assert!(seen.insert(child_gid(parent, clock, leader)));
                }
            }
        }
        for serial in 0..1000 {
            assert!(seen.insert(fresh_gid(WorldRank(0), serial)));
        }
    }

    #[test]
    fn the_derivation_is_frozen() {
        // Ranks that restart from images of an older version must derive what that version derived.
        assert_eq!(child_gid(Gid::WORLD, 0, 0), Gid(FROZEN_CHILD));
        assert_eq!(Gid::of_self(WorldRank(3)), Gid(FROZEN_SELF));
    }

    const FROZEN_CHILD: u64 = 0x418c_1c10_17ec_ab17;
    const FROZEN_SELF: u64 = 0xf957_e876_225d_90ce;
}
