//! The locks of `MPI_Win_lock` and `MPI_Win_lock_all`: words in every rank's window page, changed by native atomics
//! on a window of their own.
//!
//! ```text
//!   lock word of each rank   EXCLUSIVE, or how many hold it shared
//!   master word of rank 0    low half: holders of lock_all    high half: holders of exclusive locks anywhere
//!   pairs' word of each rank EXCLUSIVE while somebody accumulates pairs there (`crate::pair_accumulate`)
//!
//!   shared(t)     t += 1;            t was exclusive?  t -= 1, again
//!   exclusive(t)  master += HIGH;    there is a lock_all, or t is not 0 (compare and swap)?  master -= HIGH, again
//!   lock_all      master += 1;       there is an exclusive lock?  master -= 1, again
//! ```
//!
//! In its own word a process adds EXCLUSIVE and takes it away again, where a library crashes in a compare and swap there
//! ([`Native::crashes_in_own_swap`]); all others compare and swap, so that whoever comes first to a free word has it.
//!
//! So locking all costs one exchange however many ranks there are (the scheme of Gerstenberger, Besta and Hoefler,
//! "Enabling highly-scalable remote memory access programming with MPI-3 one sided", 2013).
//!
//! An attempt takes the lock or leaves no trace, and has no safe point in it: at a cut the words say exactly what the
//! descriptors say is held. Who fails tries again after a pause; there is no queue, so under lasting contention who is
//! next is a matter of luck.

use mana_native::{Native, int};
use mana_table::constants as mpi;
use mana_table::fns;

use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::window_page::Word;
use crate::windows::Win;
use crate::{native_call, window_page};

/// A lock word that is held exclusively.
const EXCLUSIVE: i64 = 1 << 40;
/// One holder of an exclusive lock, in the master word.
const HIGH: i64 = 1 << 32;
/// The rank that has the master word.
const MASTER_RANK: i32 = 0;

/// Tries to lock `target`; `false`: somebody has a lock that excludes it.
pub fn try_lock(
    native: &Native,
    win: &Win,
    target: i32,
    exclusive: bool,
) -> Result<bool, MpiError> {
    if !exclusive {
        let before = add(native, win, target, Word::Lock, 1)?;
        if before < EXCLUSIVE {
            return Ok(true);
        }
        add(native, win, target, Word::Lock, -1)?;
        return Ok(false);
    }
    let before = add(native, win, MASTER_RANK, Word::Master, HIGH)?;
    let all_locked = before % HIGH != 0;
    if !all_locked && take_free(native, win, target, Word::Lock)? {
        return Ok(true);
    }
    add(native, win, MASTER_RANK, Word::Master, -HIGH)?;
    Ok(false)
}

/// Makes a word of `target` exclusive if nobody holds it.
fn take_free(native: &Native, win: &Win, target: i32, word: Word) -> Result<bool, MpiError> {
    let is_own = target == win.comm.rank() && win.native.is_some();
    if !is_own || !native.crashes_in_own_swap() {
        return swap_from_zero(native, win, target, word, EXCLUSIVE);
    }
    let free = add(native, win, target, word, EXCLUSIVE)? == 0;
    if !free {
        add(native, win, target, word, -EXCLUSIVE)?;
    }
    Ok(free)
}

/// Tries to take the word that `crate::pair_accumulate` holds while it is at `target`'s memory.
pub fn try_take_pairs(native: &Native, win: &Win, target: i32) -> Result<bool, MpiError> {
    take_free(native, win, target, Word::Pairs)
}

/// Gives that word back.
pub fn give_pairs_back(native: &Native, win: &Win, target: i32) -> Call {
    add(native, win, target, Word::Pairs, -EXCLUSIVE).map(drop)
}

/// Releases a lock of `target`.
pub fn unlock(native: &Native, win: &Win, target: i32, exclusive: bool) -> Call {
    if exclusive {
        add(native, win, target, Word::Lock, -EXCLUSIVE)?;
        add(native, win, MASTER_RANK, Word::Master, -HIGH)?;
    } else {
        add(native, win, target, Word::Lock, -1)?;
    }
    Ok(())
}

/// Tries to lock all ranks, shared.
pub fn try_lock_all(native: &Native, win: &Win) -> Result<bool, MpiError> {
    let before = add(native, win, MASTER_RANK, Word::Master, 1)?;
    if before < HIGH {
        return Ok(true);
    }
    unlock_all(native, win)?;
    Ok(false)
}

/// Releases the lock of all ranks.
pub fn unlock_all(native: &Native, win: &Win) -> Call {
    add(native, win, MASTER_RANK, Word::Master, -1).map(drop)
}

/// The page of a window, for one of which this process has all words.
fn page(win: &Win) -> Result<u64, MpiError> {
    Ok(state().window_mut(win)?.page)
}

/// The native datatype of a word.
fn word_type(native: &Native) -> u64 {
    native
        .predefined()
        .datatype(mpi::MPI_INT64_T)
        .map_or(0, |word| word.raw())
}

/// Adds to a word; returns what was there.
fn add(native: &Native, win: &Win, rank: i32, word: Word, value: i64) -> Result<i64, MpiError> {
    let Some(natives) = win.native else {
        return Ok(window_page::add(page(win)?, word, value));
    };
    let (mut before, mut operand) = (0_u64, value as u64);
    let sum = native
        .predefined()
        .op(mpi::MPI_SUM)
        .map_or(0, |sum| sum.raw());
    let words = [
        native_call::out(&mut operand),
        native_call::out(&mut before),
        word_type(native),
        int(rank),
        word as u64,
        sum,
        natives.locks,
    ];
    native_call::call(native, fns::MPI_FETCH_AND_OP, &words)?;
    native_call::call(native, fns::MPI_WIN_FLUSH, &[int(rank), natives.locks])?;
    Ok(before as i64)
}

/// Sets a word of `rank` if it is 0.
fn swap_from_zero(
    native: &Native,
    win: &Win,
    rank: i32,
    word: Word,
    value: i64,
) -> Result<bool, MpiError> {
    let Some(natives) = win.native else {
        return Ok(window_page::swap_from_zero(page(win)?, word, value));
    };
    let (mut before, mut operand, mut zero) = (1_u64, value as u64, 0_u64);
    let words = [
        native_call::out(&mut operand),
        native_call::out(&mut zero),
        native_call::out(&mut before),
        word_type(native),
        int(rank),
        word as u64,
        natives.locks,
    ];
    native_call::call(native, fns::MPI_COMPARE_AND_SWAP, &words)?;
    native_call::call(native, fns::MPI_WIN_FLUSH, &[int(rank), natives.locks])?;
    Ok(before == 0)
}
