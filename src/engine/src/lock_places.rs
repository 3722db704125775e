//! Where the words behind a window's locks lie (`lock_words` says what they mean).
//!
//! ```text
//!   one process          in the window's page
//!   ranks of one node    in memory that they share, below: a line of words for each rank     an atomic is an instruction
//!   any others           in the pages, with a native window over them                        an atomic is a message
//! ```
//!
//! Which of the last two it is, the ranks find out when they make the window, by trying to share. Nothing of it is in an
//! image: a restart begins with free words, and every rank takes again what its descriptor says it holds
//! (`lock_words::take_again`), wherever the words lie then.
//!
//! # Safety
//! Lower TLS live. Words are changed by atomics only; a window is not freed while a call is at work on it.
#![expect(
    unsafe_code,
    reason = "lock words are at addresses in pages and shared memory"
)]

use std::sync::atomic::{AtomicI64, Ordering};

use mana_native::Native;
use memmap2::{MmapOptions, MmapRaw};

use crate::engine::settings;
use crate::error::MpiError;
use crate::publish::CommSlot;
use crate::window_page::WORD_BYTES;
use crate::{shared_memory, windows};

/// So many words, from the beginning of a page, hold all that other ranks change.
const WORDS: u64 = 6;
/// Bytes from one rank's words to the next in shared memory: a cache line.
const LINE_BYTES: u64 = 64;

/// A word that other ranks change, by its place.
#[derive(Debug, Clone, Copy)]
pub enum Word {
    /// The lock of the rank's memory.
    Lock = 0,
    /// What exclusive locks and those of all ranks exclude each other by.
    Master = 1,
    /// That of `crate::pair_accumulate`.
    Pairs = 5,
}

/// All of them.
const ALL: [Word; 3] = [Word::Lock, Word::Master, Word::Pairs];

/// The lock words of all ranks of a window, as a call uses them.
#[derive(Debug, Clone, Copy)]
pub enum Places {
    /// This process' alone, at this address.
    Own(u64),
    /// In memory that is shared, from this address on.
    Shared(u64),
    /// Behind this native window.
    Network(u64),
}

/// How a word is reached.
#[derive(Debug, Clone, Copy)]
pub enum Reach {
    /// By instructions.
    Near(&'static AtomicI64),
    /// By native atomics on this native window.
    Far(u64),
}

impl Places {
    /// The way to a word of a rank.
    pub fn reach(self, rank: i32, word: Word) -> Reach {
        match self {
            Self::Own(page) => Reach::Near(at(page, word)),
            Self::Shared(start) => Reach::Near(at(start + rank as u64 * LINE_BYTES, word)),
            Self::Network(window) => Reach::Far(window),
        }
    }
}

/// Lock words, and what holds them in this lower half.
#[derive(Debug)]
pub struct LockMemory {
    /// Where they are.
    pub places: Places,
    /// The memory of those that are shared.
    _memory: Option<MmapRaw>,
}

impl LockMemory {
    /// Those of a window that no other process has.
    pub fn own(page: u64) -> Self {
        clear(page);
        Self {
            places: Places::Own(page),
            _memory: None,
        }
    }

    /// Those of a window of several: all free. Collective over `comm`; the page is this rank's.
    pub fn make(native: &Native, comm: &CommSlot, page: u64) -> Result<Self, MpiError> {
        clear(page);
        if settings().shared_locks {
            match share(native, comm) {
                Ok(memory) => {
                    return Ok(Self {
                        places: Places::Shared(memory.as_ptr() as u64),
                        _memory: Some(memory),
                    });
                }
                Err(error) => tracing::debug!(%error, "window locks go through the network"),
            }
        }
        let bytes = WORDS * WORD_BYTES;
        let window = windows::create(native, comm, page, bytes, WORD_BYTES as i32)?;
        Ok(Self {
            places: Places::Network(window),
            _memory: None,
        })
    }
}

/// Memory for the words of all ranks of `comm`, zeroed, if they are on one node. All of them get it, or none.
fn share(native: &Native, comm: &CommSlot) -> Result<MmapRaw, MpiError> {
    let bytes = comm.size() as u64 * LINE_BYTES;
    shared_memory::share_below(native, comm, bytes, |file| {
        MmapOptions::new().len(bytes as usize).map_raw(file)
    })
}

/// The word of a rank whose words begin at `start`.
fn at(start: u64, word: Word) -> &'static AtomicI64 {
    // SAFETY: a word of a page or of shared memory that the caller's window has, aligned, changed by atomics only; see # Safety
    // for how long.
    unsafe { AtomicI64::from_ptr((start + word as u64 * WORD_BYTES) as *mut i64) }
}

/// Frees the words in a page: an image has them as they were.
fn clear(page: u64) {
    for word in ALL {
        at(page, word).store(0, Ordering::SeqCst);
    }
}
