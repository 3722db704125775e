//! The locks of `MPI_Win_lock` and `MPI_Win_lock_all`: words of every rank, changed by atomics, which lie where all ranks
//! reach them (`crate::lock_places`).
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

use std::sync::atomic::Ordering;

use mana_native::{Native, int};
use mana_record_replay::win_epoch::Epoch;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::error::{Call, MpiError};
use crate::lock_places::{Reach, Word};
use crate::native_call;
use crate::windows::Win;

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
    let is_far = matches!(win.locks.reach(target, word), Reach::Far(_));
    let crashes = is_far && target == win.comm.rank() && native.crashes_in_own_swap();
    if !crashes {
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

/// Takes what a window's epochs say this process holds, while all words are free but for what others take so: at a
/// restart.
pub fn take_again(native: &Native, win: &Win, epoch: &Epoch) -> Call {
    for (&target, held) in epoch.locks.iter().filter(|(_, held)| held.checked) {
        if held.exclusive {
            add(native, win, MASTER_RANK, Word::Master, HIGH)?;
            add(native, win, target, Word::Lock, EXCLUSIVE)?;
        } else {
            add(native, win, target, Word::Lock, 1)?;
        }
    }
    if epoch.lock_all == Some(true) {
        add(native, win, MASTER_RANK, Word::Master, 1)?;
    }
    Ok(())
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
    let window = match win.locks.reach(rank, word) {
        Reach::Near(near) => return Ok(near.fetch_add(value, Ordering::SeqCst)),
        Reach::Far(window) => window,
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
        window,
    ];
    native_call::call(native, fns::MPI_FETCH_AND_OP, &words)?;
    native_call::call(native, fns::MPI_WIN_FLUSH, &[int(rank), window])?;
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
    let window = match win.locks.reach(rank, word) {
        Reach::Near(near) => {
            let swapped = near.compare_exchange(0, value, Ordering::SeqCst, Ordering::SeqCst);
            return Ok(swapped.is_ok());
        }
        Reach::Far(window) => window,
    };
    let (mut before, mut operand, mut zero) = (1_u64, value as u64, 0_u64);
    let words = [
        native_call::out(&mut operand),
        native_call::out(&mut zero),
        native_call::out(&mut before),
        word_type(native),
        int(rank),
        word as u64,
        window,
    ];
    native_call::call(native, fns::MPI_COMPARE_AND_SWAP, &words)?;
    native_call::call(native, fns::MPI_WIN_FLUSH, &[int(rank), window])?;
    Ok(before == 0)
}
