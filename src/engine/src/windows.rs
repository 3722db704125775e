//! Windows below the calls: the native windows, made at creation and again at a restart.
//!
//! ```text
//!   upper handle -> Window (communicator, memory, page, epoch)              saved
//!                -> Below { native window, native window of lock words }    made anew by every lower half
//!
//!   native:   Win_create, Win_lock_all(NOCHECK) ......... one epoch ......... Win_unlock_all, Win_free
//!   ours:       fence .. fence    lock .. unlock    post .. wait    start .. complete
//! ```
//!
//! The native windows are in one passive epoch for all of their life. The epochs that the application sees are made
//! of flushes, barriers, tokens and lock words, so the library holds nothing about them that a checkpoint would have
//! to keep, and no call of the application's blocks in a native lock.

use std::collections::BTreeMap;

use mana_native::values::WINDOW_ASSERTIONS;
use mana_native::{Native, int};
use mana_record_replay::handle::WinHandle;
use mana_record_replay::win::{Window, WindowMemory};
use mana_record_replay::win_epoch::Refusal;
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use crate::engine::{State, native, state};
use crate::error::{Call, MpiError};
use crate::publish::CommSlot;
use crate::window_page::{LOCK_WORDS, WORD_BYTES};
use crate::{native_call, p2p, shared_memory};

/// What a window has in this lower half.
#[derive(Debug, Clone, Copy)]
pub struct Below {
    /// The native window over the application's memory.
    pub native: u64,
    /// The native window over the lock words.
    pub locks: u64,
    /// Whether there was communication since the last flush of everything.
    used: bool,
}

/// What the windows of this process have below, by handle.
#[derive(Debug, Default)]
pub struct WindowsBelow(BTreeMap<u32, Below>);

/// A live window, as a call uses it.
#[derive(Debug, Clone, Copy)]
pub struct Win {
    /// Its handle.
    pub handle: WinHandle,
    /// The native window over the application's memory.
    pub native: u64,
    /// The native window over the lock words.
    pub locks: u64,
    /// Its internal communicator.
    pub comm: &'static CommSlot,
}

/// The window in an argument word.
pub fn get(word: u64) -> Result<Win, MpiError> {
    state().win(word)
}

/// A call that the epochs of its window do not allow.
pub fn refused(refusal: Refusal) -> MpiError {
    MpiError::new(mpi::MPI_ERR_RMA_SYNC, refusal)
}

impl State {
    /// The window in an argument word.
    pub fn win(&self, word: u64) -> Result<Win, MpiError> {
        let bad = || MpiError::bad_handle(mpi::MPI_ERR_WIN, "window", word);
        let handle = WinHandle::from_word(word).map_err(|_| bad())?;
        let window = self.windows.get(handle).ok_or_else(bad)?;
        let below = self.windows_below.0.get(&handle.word()).ok_or_else(bad)?;
        Ok(Win {
            handle,
            native: below.native,
            locks: below.locks,
            comm: p2p::comm(u64::from(window.comm))?,
        })
    }

    /// What a window has opened, to look at or change.
    pub fn window_mut(&mut self, win: &Win) -> Result<&mut Window, MpiError> {
        Ok(self.windows.require_mut(win.handle)?)
    }

    /// Notes that there is communication, which the next flush of everything has to wait for.
    pub fn window_is_used(&mut self, win: &Win) {
        if let Some(below) = self.windows_below.0.get_mut(&win.handle.word()) {
            below.used = true;
        }
    }

    /// Puts a window into the tables.
    pub fn insert_window(&mut self, window: Window, below: Below) -> Result<WinHandle, MpiError> {
        self.objects.hold_errhandler(window.errhandler)?;
        let handle = self.windows.insert(window)?;
        self.windows_below.0.insert(handle.word(), below);
        Ok(handle)
    }

    /// Takes a window out of the tables.
    pub fn remove_window(&mut self, win: &Win) -> Option<(Window, Below)> {
        let window = self.windows.remove(win.handle)?;
        self.objects.errhandlers.release(window.errhandler);
        Some((window, self.windows_below.0.remove(&win.handle.word())?))
    }
}

/// The native value of an assertion.
fn no_check(native: &Native) -> u64 {
    int(native
        .to_native(&WINDOW_ASSERTIONS, mpi::MPI_MODE_NOCHECK)
        .unwrap_or(0))
}

/// The native null info.
fn no_info(native: &Native) -> u64 {
    native
        .predefined()
        .info(mpi::MPI_INFO_NULL)
        .map_or(0, |info| info.raw())
}

/// Makes the native windows over `memory` and the lock words in `page`: collective over `comm`.
pub fn make(
    native: &Native,
    comm: &CommSlot,
    memory: &WindowMemory,
    page: u64,
) -> Result<Below, MpiError> {
    let window = if memory.flavor == mpi::MPI_WIN_FLAVOR_DYNAMIC {
        let words = [no_info(native), comm.native()];
        open(native, fns::MPI_WIN_CREATE_DYNAMIC, &words)?
    } else {
        let unit = memory.disp_unit;
        create(native, comm, memory.base, memory.size_bytes, unit)?
    };
    for (base, bytes) in &memory.attached {
        attach(native, window, *base, *bytes)?;
    }
    let locks = create(
        native,
        comm,
        page,
        LOCK_WORDS * WORD_BYTES,
        WORD_BYTES as i32,
    )?;
    Ok(Below {
        native: window,
        locks,
        used: false,
    })
}

/// Native `MPI_Win_create`.
fn create(
    native: &Native,
    comm: &CommSlot,
    base: u64,
    bytes: u64,
    unit: i32,
) -> Result<u64, MpiError> {
    let words = [base, bytes, int(unit), no_info(native), comm.native()];
    open(native, fns::MPI_WIN_CREATE, &words)
}

/// Calls a native constructor and begins the one native epoch.
fn open(native: &Native, function: FnId, words: &[u64]) -> Result<u64, MpiError> {
    let mut window = 0_u64;
    let mut words = words.to_vec();
    words.push(native_call::out(&mut window));
    native_call::call(native, function, &words)?;
    let handler = native
        .predefined()
        .errhandler(mpi::MPI_ERRORS_RETURN)
        .map_or(0, |handler| handler.raw());
    native_call::call(native, fns::MPI_WIN_SET_ERRHANDLER, &[window, handler])?;
    native_call::call(native, fns::MPI_WIN_LOCK_ALL, &[no_check(native), window])?;
    Ok(window)
}

/// Native `MPI_Win_attach`.
pub fn attach(native: &Native, window: u64, base: u64, bytes: u64) -> Call {
    native_call::call(native, fns::MPI_WIN_ATTACH, &[window, base, bytes])
}

/// Frees the native windows: collective over the window's communicator.
pub fn unmake(native: &Native, window: &Window, below: Below) -> Call {
    for base in window.memory.attached.keys() {
        native_call::call(native, fns::MPI_WIN_DETACH, &[below.native, *base])?;
    }
    for mut handle in [below.native, below.locks] {
        native_call::call(native, fns::MPI_WIN_UNLOCK_ALL, &[handle])?;
        native_call::call(native, fns::MPI_WIN_FREE, &[native_call::out(&mut handle)])?;
    }
    Ok(())
}

/// Completes all communication of this rank on a window, here and at the targets.
pub fn flush_all(native: &Native, win: &Win) -> Call {
    {
        let mut state = state();
        match state.windows_below.0.get_mut(&win.handle.word()) {
            Some(below) if below.used => below.used = false,
            _ => return Ok(()),
        }
    }
    native_call::call(native, fns::MPI_WIN_FLUSH_ALL, &[win.native])
}

/// Completes all communication of this rank, for the cut.
///
/// A native flush may wait for its target, which gets on because every rank is in the library: one that is not parked
/// in a waiting call or on its way to one, a parked one in its drain loop or in a flush as here.
pub fn flush_used(native: &Native) -> Call {
    let used: Vec<Win> = {
        let state = state();
        let words = state.windows_below.0.iter();
        words
            .filter(|(_, below)| below.used)
            .map(|(word, _)| state.win(u64::from(*word)))
            .collect::<Result<_, _>>()?
    };
    used.iter().try_for_each(|win| flush_all(native, win))
}

/// Brings what loads and stores see of the window's memory in line with what communication does.
pub fn sync(native: &Native, win: &Win) -> Call {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    native_call::call(native, fns::MPI_WIN_SYNC, &[win.native])
}

/// Makes all native windows anew, at a restart: in the order of their communicators' ids, which is the same on all
/// members, so no two ranks wait for each other. Lock words are as the image holds them.
pub fn rebuild(native: &Native) -> Result<(), MpiError> {
    let mut order = Vec::new();
    {
        let state = state();
        for (handle, window) in state.windows.iter() {
            let comm = p2p::comm(u64::from(window.comm))?;
            order.push((comm.gid(), comm, handle, window.memory.clone(), window.page));
        }
    }
    order.sort_unstable_by_key(|(gid, ..)| *gid);
    for (_, comm, handle, memory, page) in order {
        if let Some(shared) = &memory.shared {
            shared_memory::share_again(native, comm, shared)?;
        }
        let below = make(native, comm, &memory, page)?;
        state().windows_below.0.insert(handle.word(), below);
    }
    Ok(())
}

/// The rank in argument `rank`, of a window: `None` for `MPI_PROC_NULL`.
pub fn target(win: &Win, rank: i32) -> Result<Option<i32>, MpiError> {
    if rank == mpi::MPI_PROC_NULL {
        return Ok(None);
    }
    if (0..win.comm.size()).contains(&rank) {
        return Ok(Some(rank));
    }
    Err(MpiError::new(
        mpi::MPI_ERR_RANK,
        format!(
            "rank {rank} is not in 0..{} nor MPI_PROC_NULL",
            win.comm.size()
        ),
    ))
}

/// Native flush of one target, or one of its kin, by `function`.
pub fn flush(function: FnId, win: &Win, target: i32) -> Call {
    native_call::call(native()?, function, &[int(target), win.native])
}
