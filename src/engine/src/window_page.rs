//! The page that each window has in the upper half: its lock words and the values of its predefined attributes.
//!
//! ```text
//!   lock word | master word | MPI_WIN_SIZE | MPI_WIN_DISP_UNIT | MPI_WIN_CREATE_FLAVOR | MPI_WIN_MODEL | pairs' word
//!   \______ written by RMA ______/\_______ read by the application through pointers, for ever ________/\ by RMA /
//! ```
//!
//! Words that came later stand behind, where pages of older images are zero. Lock words are elsewhere where ranks share memory
//! (`crate::lock_places`).
//!
//! The page is part of the image, so pointers that the application kept stay good. `MPI_WIN_BASE` has no place here: its
//! value is the address itself (MPI-5.0 section 12.2.6).
//!
//! The memory model is always the unified one: on the machines that `mana` runs on, the public copy of a window is its
//! memory whatever library is below, and a program may have made decisions by it.
//!
//! # Safety
//! Lower TLS live. A page is written here only before the application knows of its window.
#![expect(unsafe_code, reason = "writes the page that the application reads")]

use mana_record_replay::handle::WinHandle;
use mana_record_replay::win::{Window, WindowMemory};
use mana_split::upper_memory;
use mana_table::constants as mpi;

use crate::engine::state;
use crate::error::{Call, MpiError};

/// Bytes of the page.
const PAGE_BYTES: usize = 64;
/// Bytes of a word.
pub const WORD_BYTES: u64 = 8;
/// Where `MPI_WIN_SIZE` lies, an `MPI_Aint`.
const SIZE: u64 = 2 * WORD_BYTES;
/// Where `MPI_WIN_DISP_UNIT` lies, an `int`.
const DISP_UNIT: u64 = SIZE + WORD_BYTES;
/// Where `MPI_WIN_CREATE_FLAVOR` lies, an `int`.
const FLAVOR: u64 = DISP_UNIT + 4;
/// Where `MPI_WIN_MODEL` lies, an `int`.
const MODEL: u64 = FLAVOR + 4;

/// Makes the page of a new window: nothing is locked.
pub fn make(memory: &WindowMemory) -> Result<u64, MpiError> {
    let page = upper_memory::allocate(PAGE_BYTES)
        .map_err(|error| MpiError::new(mpi::MPI_ERR_NO_MEM, error.to_string()))?
        as u64;
    // SAFETY: the page was allocated just now, zeroed, and all places lie in it, aligned.
    unsafe {
        ((page + SIZE) as *mut i64).write(memory.size_bytes as i64);
        ((page + DISP_UNIT) as *mut i32).write(memory.disp_unit);
        ((page + FLAVOR) as *mut i32).write(memory.flavor);
        ((page + MODEL) as *mut i32).write(mpi::MPI_WIN_UNIFIED);
    }
    Ok(page)
}

/// Gives the memory of a window that is gone back: its page, and what `MPI_Win_allocate*` had made for it.
pub fn release(window: &Window) -> Call {
    let memory = &window.memory;
    let mut ranges = vec![(window.page, PAGE_BYTES as u64)];
    if memory.flavor == mpi::MPI_WIN_FLAVOR_ALLOCATE {
        ranges.push((memory.base, memory.size_bytes));
    }
    ranges.extend(
        memory
            .shared
            .iter()
            .map(|shared| (shared.start, shared.len_bytes)),
    );
    for (start, bytes) in ranges {
        // SAFETY: made for the window with this length; nobody may use it once the window is freed.
        unsafe { upper_memory::release(start as usize, bytes as usize) }
            .map_err(|error| MpiError::new(mpi::MPI_ERR_OTHER, error.to_string()))?;
    }
    Ok(())
}

/// What `MPI_Win_get_attr` gives for a predefined key: the base, or the address of a value.
pub fn attribute(win: WinHandle, keyval: i32) -> Result<Option<u64>, MpiError> {
    let state = state();
    let window = state.windows.require(win)?;
    Ok(match keyval {
        mpi::MPI_WIN_BASE => Some(window.memory.base),
        mpi::MPI_WIN_SIZE => Some(window.page + SIZE),
        mpi::MPI_WIN_DISP_UNIT => Some(window.page + DISP_UNIT),
        mpi::MPI_WIN_CREATE_FLAVOR => Some(window.page + FLAVOR),
        mpi::MPI_WIN_MODEL => Some(window.page + MODEL),
        _ => None,
    })
}
