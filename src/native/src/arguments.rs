//! Conversions of ranks and tags, which every message pays for: a comparison, and nothing else for ordinary values.

use crate::{Family, Native, values};

/// A negative number that no ABI gives a meaning as a rank or tag: what an invalid argument is passed on as, so that
/// the library reports it, instead of taking the standard's −2 for its own `MPI_ANY_SOURCE`.
const INVALID: i32 = i32::MIN;

/// The standard ABI's `MPI_ANY_SOURCE`.
pub const ANY_SOURCE: i32 = -1;
/// The standard ABI's `MPI_ANY_TAG`.
pub const ANY_TAG: i32 = -2;
/// The standard ABI's `MPI_PROC_NULL`.
pub const PROC_NULL: i32 = -3;
/// The standard ABI's `MPI_ROOT`.
pub const ROOT: i32 = -4;
/// `MPI_UNDEFINED`, the same in all three ABIs.
pub const UNDEFINED: i32 = -32766;

impl Native {
    /// A rank argument (source, destination or root, with `MPI_ANY_SOURCE`, `MPI_PROC_NULL`, `MPI_ROOT`).
    #[inline]
    #[must_use]
    pub fn rank_to_native(&self, rank: i32) -> i32 {
        if rank >= 0 {
            rank
        } else {
            self.to_native(&values::RANKS, rank).unwrap_or(INVALID)
        }
    }

    /// A rank the library returned, in a status or by `MPI_Cart_shift`. A negative one that it has no name for is
    /// `MPI_UNDEFINED` (as from `MPI_Group_translate_ranks`).
    #[inline]
    #[must_use]
    pub fn rank_from_native(&self, rank: i32) -> i32 {
        if rank >= 0 {
            rank
        } else {
            self.from_native(&values::RANKS, rank).unwrap_or(UNDEFINED)
        }
    }

    /// A tag argument, with `MPI_ANY_TAG`.
    #[inline]
    #[must_use]
    pub fn tag_to_native(&self, tag: i32) -> i32 {
        match tag {
            0.. => tag,
            ANY_TAG if self.family() == Family::StandardAbi => ANY_TAG,
            ANY_TAG => -1,
            _ => INVALID,
        }
    }

    /// A tag the library returned in a status.
    #[inline]
    #[must_use]
    pub fn tag_from_native(&self, tag: i32) -> i32 {
        if tag >= 0 { tag } else { ANY_TAG }
    }

    /// A thread level, for `MPI_Init_thread`; levels are ordered, so an unknown one is the next lower known.
    #[must_use]
    pub fn thread_level_to_native(&self, level: i32) -> i32 {
        let known = values::THREAD_LEVELS.rows.iter().rev();
        let at_most = |row: &&values::Row| {
            row.value(Family::StandardAbi)
                .is_some_and(|value| value <= level)
        };
        known
            .filter(at_most)
            .find_map(|row| row.value(self.family()))
            .unwrap_or(0)
    }

    /// The thread level the library provides, as one of the standard's.
    #[must_use]
    pub fn thread_level_from_native(&self, level: i32) -> i32 {
        self.from_native(&values::THREAD_LEVELS, level).unwrap_or(0)
    }

    /// A split type; `None` if the library's ABI lacks it. `MPI_UNDEFINED` stays itself.
    #[must_use]
    pub fn split_type_to_native(&self, split_type: i32) -> Option<i32> {
        if split_type == UNDEFINED {
            Some(UNDEFINED)
        } else {
            self.to_native(&values::SPLIT_TYPES, split_type)
        }
    }

    /// The result of comparing communicators or groups, as one of the standard's.
    #[must_use]
    pub fn comparison_from_native(&self, result: i32) -> Option<i32> {
        self.from_native(&values::COMPARISONS, result)
    }
}
