//! Passive target synchronisation: locks, flushes, sync (MPI-5.0 sections 12.5.3 and 12.5.4). The words behind the
//! locks are in `crate::lock_words`; flushes are the native library's.
//!
//! ```text
//!   lock:    { try }  pause, a safe point  { try } ... held: noted in the descriptor, in the same step
//!   unlock:  flush the target -> no longer held -> release
//! ```

use mana_native::Native;
use mana_record_replay::win_epoch::{Fence, Held};
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use super::win_sync::{assertion, take_in};
use crate::args::Args;
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::lock_words;
use crate::wait::Patience;
use crate::windows::{self, Win, refused};

/// Tries until a lock is taken; no safe point between that and what the caller does next.
fn until_taken(
    a: &mut Args<'_>,
    win: &Win,
    mut attempt: impl FnMut(&Native) -> Result<bool, MpiError>,
) -> Call {
    let library = native()?;
    let mut patience = Patience::new();
    while !attempt(library)? {
        take_in(win)?;
        patience.pause(a);
    }
    Ok(())
}

/// `MPI_Win_lock(lock_type, rank, assert, win)`.
pub fn win_lock(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(3))?;
    let exclusive = match a.int(0) {
        mpi::MPI_LOCK_EXCLUSIVE => true,
        mpi::MPI_LOCK_SHARED => false,
        other => {
            return Err(MpiError::new(
                mpi::MPI_ERR_LOCKTYPE,
                format!("{other} is no lock type (MPI_LOCK_EXCLUSIVE, MPI_LOCK_SHARED)"),
            ));
        }
    };
    let checked = assertion(a, 2, mpi::MPI_MODE_NOCHECK)? == 0;
    let Some(target) = windows::target(&win, a.int(1))? else {
        return Ok(());
    };
    state()
        .window_mut(&win)?
        .epoch
        .may_lock(Some(target))
        .map_err(refused)?;
    if checked {
        until_taken(a, &win, |library| {
            lock_words::try_lock(library, &win, target, exclusive)
        })?;
    }
    {
        let mut state = state();
        let epoch = &mut state.window_mut(&win)?.epoch;
        epoch.fence = Fence::Closed;
        epoch.locks.insert(target, Held { exclusive, checked });
    }
    windows::sync(&win)
}

/// `MPI_Win_unlock(rank, win)`.
pub fn win_unlock(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(1))?;
    let Some(target) = windows::target(&win, a.int(0))? else {
        return Ok(());
    };
    let Some(held) = state().window_mut(&win)?.epoch.locks.remove(&target) else {
        return Err(refused("the target is not locked"));
    };
    let library = native()?;
    windows::flush(fns::MPI_WIN_FLUSH, &win, target)?;
    windows::sync(&win)?;
    if held.checked {
        lock_words::unlock(library, &win, target, held.exclusive)?;
    }
    Ok(())
}

/// `MPI_Win_lock_all(assert, win)`.
pub fn win_lock_all(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(1))?;
    let checked = assertion(a, 0, mpi::MPI_MODE_NOCHECK)? == 0;
    state()
        .window_mut(&win)?
        .epoch
        .may_lock(None)
        .map_err(refused)?;
    if checked {
        until_taken(a, &win, |library| lock_words::try_lock_all(library, &win))?;
    }
    {
        let mut state = state();
        let epoch = &mut state.window_mut(&win)?.epoch;
        epoch.fence = Fence::Closed;
        epoch.lock_all = Some(checked);
    }
    windows::sync(&win)
}

/// `MPI_Win_unlock_all(win)`.
pub fn win_unlock_all(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(0))?;
    let Some(checked) = state().window_mut(&win)?.epoch.lock_all.take() else {
        return Err(refused("there was no MPI_Win_lock_all"));
    };
    let library = native()?;
    windows::flush_all(&win)?;
    windows::sync(&win)?;
    if checked {
        lock_words::unlock_all(library, &win)?;
    }
    Ok(())
}

/// A flush of one target, `(rank, win)`.
fn flush_one(a: &Args<'_>, function: FnId) -> Call {
    let (win, target) = {
        let mut state = state();
        let win = state.win(a.raw(1))?;
        let Some(target) = windows::target(&win, a.int(0))? else {
            return Ok(());
        };
        let epoch = &state.window_mut(&win)?.epoch;
        epoch.passive(target).map_err(refused)?;
        (win, target)
    };
    windows::flush(function, &win, target)
}

/// `MPI_Win_flush(rank, win)`.
pub fn win_flush(a: &mut Args<'_>) -> Call {
    flush_one(a, fns::MPI_WIN_FLUSH)
}

/// `MPI_Win_flush_local(rank, win)`.
pub fn win_flush_local(a: &mut Args<'_>) -> Call {
    flush_one(a, fns::MPI_WIN_FLUSH_LOCAL)
}

/// The window in argument 0, in a passive epoch.
fn passive(a: &Args<'_>) -> Result<Win, MpiError> {
    let mut state = state();
    let win = state.win(a.raw(0))?;
    let epoch = &state.window_mut(&win)?.epoch;
    epoch.any_passive().map_err(refused)?;
    Ok(win)
}

/// `MPI_Win_flush_all(win)`.
pub fn win_flush_all(a: &mut Args<'_>) -> Call {
    let win = passive(a)?;
    windows::flush_all(&win)
}

/// `MPI_Win_flush_local_all(win)`.
pub fn win_flush_local_all(a: &mut Args<'_>) -> Call {
    let win = passive(a)?;
    windows::below(fns::MPI_WIN_FLUSH_LOCAL_ALL, &win, &[])
}

/// `MPI_Win_sync(win)`: in any epoch, and outside; where the standard demands a passive one, there is no harm in it.
pub fn win_sync(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(0))?;
    windows::sync(&win)
}
