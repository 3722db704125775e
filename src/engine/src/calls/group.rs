//! Groups (MPI-5.0 section 7.3): local objects altogether, no native group is involved.
//!
//! An empty result is always the predefined `MPI_GROUP_EMPTY`, so a program may compare with it; freeing it gives
//! `MPI_GROUP_NULL` and leaves the predefined group alone.

use mana_record_replay::group::{GROUP_EMPTY, Group, RankRange};
use mana_record_replay::handle::GroupHandle;
use mana_table::constants as mpi;

use crate::args::Args;
use crate::engine::state;
use crate::error::{Call, MpiError};

/// The group of argument `i`.
pub fn group_arg(a: &Args<'_>, i: usize) -> Result<Group, MpiError> {
    let handle = GroupHandle::from_word(a.raw(i))?;
    if handle == GROUP_EMPTY {
        return Ok(Group::empty());
    }
    Ok(state().objects.groups.require(handle)?.clone())
}

/// Hands a new group out through parameter `i`; where parameter 0 is of a session, so is the group.
pub fn hand_out_group(a: &mut Args<'_>, i: usize, group: Group) -> Call {
    hand_out_derived(a, i, group, a.raw(0))
}

/// Hands a new group out through parameter `i`; where `from` is of a session, so is the group.
pub fn hand_out_derived(a: &mut Args<'_>, i: usize, group: Group, from: u64) -> Call {
    let made = insert(group)?;
    state().origins.derive(u64::from(made.word()), from);
    a.set_handle(i, u64::from(made.word()));
    Ok(())
}

/// Gives a new group a handle.
pub fn insert(group: Group) -> Result<GroupHandle, MpiError> {
    if group.size() == 0 {
        return Ok(GROUP_EMPTY);
    }
    Ok(state().objects.groups.insert(group)?)
}

/// Length argument `i`, which must not be negative.
pub fn length_arg(a: &Args<'_>, i: usize) -> Result<usize, MpiError> {
    let value = a.int(i);
    usize::try_from(value).map_err(|_| {
        MpiError::argument(format!(
            "{} is {value}, but must not be negative",
            a.row().params[i].name
        ))
    })
}

/// `MPI_Group_free(group)`.
pub fn group_free(a: &mut Args<'_>) -> Call {
    let handle = GroupHandle::from_word(a.handle_at(0, 0))?;
    if handle != GROUP_EMPTY && state().objects.groups.remove(handle).is_none() {
        return Err(MpiError::bad_handle(
            mpi::MPI_ERR_GROUP,
            "group",
            u64::from(handle.word()),
        ));
    }
    state().origins.forget(u64::from(handle.word()));
    a.set_handle(0, mpi::MPI_GROUP_NULL);
    Ok(())
}

/// `MPI_Group_size(group, size)`.
pub fn group_size(a: &mut Args<'_>) -> Call {
    let size = group_arg(a, 0)?.size();
    a.set_int(1, i64::from(size));
    Ok(())
}

/// `MPI_Group_rank(group, rank)`: `MPI_UNDEFINED` for a process that is not a member.
pub fn group_rank(a: &mut Args<'_>) -> Call {
    let group = group_arg(a, 0)?;
    let process = state().comms.process()?;
    a.set_int(1, i64::from(group.rank_or_undefined(process)));
    Ok(())
}

/// `MPI_Group_compare(group1, group2, result)`.
pub fn group_compare(a: &mut Args<'_>) -> Call {
    let comparison = group_arg(a, 0)?.compare(&group_arg(a, 1)?);
    a.set_int(2, i64::from(comparison.to_abi()));
    Ok(())
}

/// `MPI_Group_translate_ranks(group1, n, ranks1, group2, ranks2)`.
pub fn group_translate_ranks(a: &mut Args<'_>) -> Call {
    let (from, to) = (group_arg(a, 0)?, group_arg(a, 3)?);
    let len = length_arg(a, 1)?;
    if len > 0 && (a.is_null(2) || a.is_null(4)) {
        return Err(MpiError::argument("an array of ranks is a null pointer"));
    }
    let ranks = a.ints32(2, len);
    for (at, rank) in from.translate_ranks(&ranks, &to)?.into_iter().enumerate() {
        a.set_int_at(4, at, i64::from(rank));
    }
    Ok(())
}

/// `MPI_Group_union(group1, group2, newgroup)`.
pub fn group_union(a: &mut Args<'_>) -> Call {
    let group = group_arg(a, 0)?.union(&group_arg(a, 1)?);
    hand_out_group(a, 2, group)
}

/// `MPI_Group_intersection(group1, group2, newgroup)`.
pub fn group_intersection(a: &mut Args<'_>) -> Call {
    let group = group_arg(a, 0)?.intersection(&group_arg(a, 1)?);
    hand_out_group(a, 2, group)
}

/// `MPI_Group_difference(group1, group2, newgroup)`.
pub fn group_difference(a: &mut Args<'_>) -> Call {
    let group = group_arg(a, 0)?.difference(&group_arg(a, 1)?);
    hand_out_group(a, 2, group)
}

/// `MPI_Group_incl(group, n, ranks, newgroup)`.
pub fn group_incl(a: &mut Args<'_>) -> Call {
    let group = group_arg(a, 0)?.incl(&a.ints32(2, length_arg(a, 1)?))?;
    hand_out_group(a, 3, group)
}

/// `MPI_Group_excl(group, n, ranks, newgroup)`.
pub fn group_excl(a: &mut Args<'_>) -> Call {
    let group = group_arg(a, 0)?.excl(&a.ints32(2, length_arg(a, 1)?))?;
    hand_out_group(a, 3, group)
}

/// The triplets (first, last, stride) of arguments `(n, ranges)` at 1 and 2.
fn ranges(a: &Args<'_>) -> Result<Vec<RankRange>, MpiError> {
    let words = a.ints32(2, 3 * length_arg(a, 1)?);
    Ok(words.as_chunks::<3>().0.to_vec())
}

/// `MPI_Group_range_incl(group, n, ranges, newgroup)`.
pub fn group_range_incl(a: &mut Args<'_>) -> Call {
    let group = group_arg(a, 0)?.range_incl(&ranges(a)?)?;
    hand_out_group(a, 3, group)
}

/// `MPI_Group_range_excl(group, n, ranges, newgroup)`.
pub fn group_range_excl(a: &mut Args<'_>) -> Call {
    let group = group_arg(a, 0)?.range_excl(&ranges(a)?)?;
    hand_out_group(a, 3, group)
}
