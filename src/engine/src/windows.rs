//! Windows below the calls: the native windows, made at creation and again at a restart.
//!
//! ```text
//!   upper handle -> Window (communicator, memory, page, epoch)   saved
//!                -> Below { native window, lock words }          made anew by every lower half
//!                   of a window of one process: no native window (`own_window`)
//!
//!   native:   Win_create, Win_lock_all(NOCHECK) ......... one epoch ......... Win_unlock_all, Win_free
//!   ours:       fence .. fence    lock .. unlock    post .. wait    start .. complete
//! ```
//!
//! The native windows are in one passive epoch for all of their life. The epochs that the application sees are made
//! of flushes, barriers, tokens and lock words, so the library holds nothing about them that a checkpoint would have
//! to keep, and no call of the application's blocks in a native lock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use mana_native::values::WINDOW_ASSERTIONS;
use mana_native::{Native, Vendor, int};
use mana_record_replay::handle::{Kind, WinHandle, kind};
use mana_record_replay::win::{Window, WindowMemory};
use mana_record_replay::win_epoch::Refusal;
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use crate::engine::{State, native, state};
use crate::error::{Call, MpiError};
use crate::lock_places::{LockMemory, Places};
use crate::publish::CommSlot;
use crate::words::ArgumentWords;
use crate::{lock_words, native_call, p2p, shared_memory};

/// What a window has in this lower half.
#[derive(Debug)]
pub struct Below {
    /// The native window over the application's memory; a window of one process has none.
    native: Option<u64>,
    /// The words behind its locks.
    locks: LockMemory,
    /// Where the ranks' memory begins in a native window that counts bytes from aligned addresses.
    parts: Option<Vec<Part>>,
}

/// Whether there was communication on a window since the last flush of everything, by the index in its handle: beside the
/// tables, since every operation says it after it has been made, and flushes ask.
static USED: [AtomicBool; 1 << INDEX_BITS] = [const { AtomicBool::new(false) }; 1 << INDEX_BITS];

/// Index bits of a window's handle.
const INDEX_BITS: u32 = <kind::Win as Kind>::INDEX_BITS;

/// A rank's memory in a native window that counts bytes.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Bytes from the beginning of the native window to that of ours.
    shift: i64,
    /// Bytes of one unit of displacement.
    unit: i64,
}

/// Native windows begin at multiples of so many bytes: MPICH 4.0.2 over UCX 1.13 takes the memory of a window that
/// begins elsewhere to begin at the multiple before, and puts data there.
const ALIGNED_BYTES: u64 = 16;

/// What the windows of this process have below, by handle.
#[derive(Debug, Default)]
pub struct WindowsBelow(BTreeMap<u32, Below>);

/// A live window, as a call uses it.
#[derive(Debug, Clone, Copy)]
pub struct Win {
    /// Its handle.
    pub handle: WinHandle,
    /// The native window; a window of one process has none.
    pub native: Option<u64>,
    /// Where the words behind its locks are.
    pub locks: Places,
    /// Its internal communicator.
    pub comm: &'static CommSlot,
    /// Its place in [`USED`].
    used: &'static AtomicBool,
}

impl Win {
    /// Notes that there was communication, which the next flush of everything has to wait for.
    pub fn note_use(&self) {
        self.used.store(true, Ordering::Release);
    }
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
            locks: below.locks.places,
            comm: p2p::comm(u64::from(window.comm))?,
            used: used(handle),
        })
    }

    /// What a window has opened, to look at or change.
    pub fn window_mut(&mut self, win: &Win) -> Result<&mut Window, MpiError> {
        Ok(self.windows.require_mut(win.handle)?)
    }

    /// Where displacement `disp` at `target` is in the native window.
    pub fn native_displacement(&self, win: &Win, target: i32, disp: i64) -> Result<i64, MpiError> {
        let below = self.windows_below.0.get(&win.handle.word());
        let parts = below.and_then(|below| below.parts.as_ref());
        let Some(part) = parts.and_then(|parts| parts.get(target as usize)) else {
            return Ok(disp);
        };
        let bytes = disp
            .checked_mul(part.unit)
            .and_then(|bytes| bytes.checked_add(part.shift));
        bytes.ok_or_else(|| {
            MpiError::new(
                mpi::MPI_ERR_DISP,
                format!("displacement {disp} is beyond all memory"),
            )
        })
    }

    /// Puts a window into the tables.
    pub fn insert_window(&mut self, window: Window, below: Below) -> Result<WinHandle, MpiError> {
        self.objects.hold_errhandler(window.errhandler)?;
        let handle = self.windows.insert(window)?;
        used(handle).store(false, Ordering::Release);
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

/// The place of a window in [`USED`].
fn used(handle: WinHandle) -> &'static AtomicBool {
    let index = handle.slot().map_or(0, |(index, _)| index);
    &USED[index]
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

/// Makes the native window over `memory` and free lock words, maybe in `page`: collective over `comm`.
pub fn make(
    native: &Native,
    comm: &CommSlot,
    memory: &WindowMemory,
    page: u64,
) -> Result<Below, MpiError> {
    if comm.size() == 1 {
        return Ok(Below {
            native: None,
            locks: LockMemory::own(page),
            parts: None,
        });
    }
    let (window, parts) = if memory.flavor == mpi::MPI_WIN_FLAVOR_DYNAMIC {
        let words = [no_info(native), comm.native()];
        (open(native, fns::MPI_WIN_CREATE_DYNAMIC, &words)?, None)
    } else {
        create_aligned(native, comm, memory)?
    };
    for (base, bytes) in &memory.attached {
        native_call::call(native, fns::MPI_WIN_ATTACH, &[window, *base, *bytes])?;
    }
    Ok(Below {
        native: Some(window),
        locks: LockMemory::make(native, comm, page)?,
        parts,
    })
}

/// Makes the native window over memory with a base. Where that of some rank is not aligned, the native window begins
/// a few bytes before, on all ranks alike, and counts bytes; so it does where single elements have to be named
/// (`crate::pair_accumulate`).
fn create_aligned(
    native: &Native,
    comm: &CommSlot,
    memory: &WindowMemory,
) -> Result<(u64, Option<Vec<Part>>), MpiError> {
    let shift = if memory.size_bytes > 0 {
        memory.base % ALIGNED_BYTES
    } else {
        0
    };
    let unit = memory.disp_unit;
    let all = shared_memory::gather(native, comm, [shift as i64, unit.into()])?;
    if native.vendor() == Vendor::Mpich && all.iter().all(|[shift, _]| *shift == 0) {
        let window = create(native, comm, memory.base, memory.size_bytes, unit)?;
        return Ok((window, None));
    }
    let (base, bytes) = (memory.base - shift, memory.size_bytes + shift);
    let parts = all.iter().map(|&[shift, unit]| Part { shift, unit });
    Ok((create(native, comm, base, bytes, 1)?, Some(parts.collect())))
}

/// Native `MPI_Win_create`, in its one epoch.
pub fn create(
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

/// A native call about a window that has the native window as its last argument, where there is one.
pub fn below(function: FnId, win: &Win, before: &[u64]) -> Call {
    let Some(window) = win.native else {
        return Ok(());
    };
    let mut words = ArgumentWords::from_slice(before);
    words.push(window);
    native_call::call(native()?, function, &words)
}

/// Native `MPI_Win_attach`.
pub fn attach(win: &Win, base: u64, bytes: u64) -> Call {
    match win.native {
        Some(window) => native_call::call(native()?, fns::MPI_WIN_ATTACH, &[window, base, bytes]),
        None => Ok(()),
    }
}

/// Native `MPI_Win_detach`.
pub fn detach(win: &Win, base: u64) -> Call {
    match win.native {
        Some(window) => native_call::call(native()?, fns::MPI_WIN_DETACH, &[window, base]),
        None => Ok(()),
    }
}

/// Frees the native windows: collective over the window's communicator.
pub fn unmake(native: &Native, window: &Window, below: &Below) -> Call {
    let Some(memory) = below.native else {
        return Ok(());
    };
    for base in window.memory.attached.keys() {
        native_call::call(native, fns::MPI_WIN_DETACH, &[memory, *base])?;
    }
    let locks = match below.locks.places {
        Places::Network(window) => Some(window),
        Places::Own(_) | Places::Shared(_) => None,
    };
    for mut handle in [memory].into_iter().chain(locks) {
        native_call::call(native, fns::MPI_WIN_UNLOCK_ALL, &[handle])?;
        native_call::call(native, fns::MPI_WIN_FREE, &[native_call::out(&mut handle)])?;
    }
    Ok(())
}

/// Completes all communication of this rank on a window, here and at the targets.
pub fn flush_all(win: &Win) -> Call {
    if !win.used.swap(false, Ordering::AcqRel) {
        return Ok(());
    }
    below(fns::MPI_WIN_FLUSH_ALL, win, &[])
}

/// Completes all communication of this rank, for the cut.
///
/// A native flush may wait for its target, which gets on because every rank is in the library: one that is not parked
/// in a waiting call or on its way to one, a parked one in its drain loop or in a flush as here.
pub fn flush_used() -> Call {
    let all: Vec<Win> = {
        let state = state();
        let words = state.windows_below.0.keys();
        words
            .map(|word| state.win(u64::from(*word)))
            .collect::<Result<_, _>>()?
    };
    all.iter().try_for_each(flush_all)
}

/// Brings what loads and stores see of the window's memory in line with what communication does.
pub fn sync(win: &Win) -> Call {
    std::sync::atomic::fence(Ordering::SeqCst);
    below(fns::MPI_WIN_SYNC, win, &[])
}

/// Makes all native windows anew, at a restart: in the order of their communicators' ids, which is the same on all
/// members, so no two ranks wait for each other. Each rank takes the locks that it held, before any goes on.
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
        let (win, epoch) = {
            let mut state = state();
            state.windows_below.0.insert(handle.word(), below);
            let win = state.win(u64::from(handle.word()))?;
            (win, state.window_mut(&win)?.epoch.clone())
        };
        lock_words::take_again(native, &win, &epoch)?;
        native_call::call(native, fns::MPI_BARRIER, &[comm.native()])?;
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
    below(function, win, &[int(target)])
}
