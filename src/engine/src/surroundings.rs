//! What the program has from the system besides memory and MPI: open descriptors, working directory, file mode mask,
//! limits.
//!
//! ```text
//!   start      Reserved -> the lower half opens what it needs above -> note_lower_half      numbers are as without mana
//!   cut        save: describe the program's descriptors                                    what cannot be kept is named
//!   restart    Reserved up to the image's highest number -> native MPI -> restore -> note_lower_half
//! ```
//!
//! At a restart everything is opened before the agents connect, which is where all ranks meet: so no rank writes to a file
//! again before each has found it as it was.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use mana_descriptors::{Descriptors, Lost, Standard};
use mana_split::descriptors::{self, Reserved};
use rustix::fs::Mode;
use serde::{Deserialize, Serialize};

use crate::engine::settings;
use crate::error::EngineError;
use crate::limits::{self, Limits};

/// Standard streams as the launcher gave them to this process.
static STANDARD: OnceLock<Standard> = OnceLock::new();
/// What was said last about what cannot be kept.
static SAID: Mutex<Vec<Lost>> = Mutex::new(Vec::new());

/// Part of an image.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Surroundings {
    /// Open descriptors.
    pub descriptors: Descriptors,
    /// The working directory; `None` where it has been removed.
    pub directory: Option<PathBuf>,
    /// The file mode mask, umask(2).
    pub mask: u32,
    /// What the program has told the kernel about its process.
    pub limits: Limits,
}

/// Looks at what the launcher gave, before anything is opened.
pub fn start() {
    let _ = STANDARD.set(Standard::now());
    limits::start();
}

/// Keeps numbers free for the program while the lower half opens its own; `saved`: what an image has.
pub fn reserve(saved: Option<&Surroundings>) -> Result<Reserved, EngineError> {
    let highest = saved.and_then(|saved| saved.descriptors.highest());
    if let Some(highest) = highest {
        mana_native::move_launcher_connection(highest + 1);
    }
    Ok(Reserved::below(highest)?)
}

/// The lower half is up: what is open and not the program's is its own.
pub fn settle(reserved: Reserved) -> Result<(), EngineError> {
    drop(reserved);
    Ok(descriptors::note_lower_half()?)
}

/// Describes all of it; the program is stopped. Says what cannot be kept, when that is new.
pub fn save() -> Result<Surroundings, EngineError> {
    let standard = STANDARD.get().copied().unwrap_or_default();
    descriptors::claim_fifos()?;
    let descriptors = mana_descriptors::save(&descriptors::owned(), &standard)?;
    tell(&descriptors.lost);
    let mask = rustix::process::umask(Mode::empty());
    rustix::process::umask(mask);
    Ok(Surroundings {
        descriptors,
        directory: std::env::current_dir().ok(),
        mask: mask.bits(),
        limits: limits::save(),
    })
}

/// Names what cannot be kept.
fn tell(lost: &[Lost]) {
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if *said == lost {
        return;
    }
    for Lost { number, what, why } in lost.iter().filter(|lost| !said.contains(lost)) {
        eprintln!(
            "mana: descriptor {number} ({what}) cannot be kept in a checkpoint: {why}. After a restart reading it ends at \
             once, as if the other side had closed it"
        );
    }
    *said = lost.to_vec();
}

/// Puts all of it back, before any of the program runs.
pub fn restore(saved: &Surroundings) -> Result<(), EngineError> {
    mana_descriptors::restore(&saved.descriptors, settings().files)?;
    for number in &saved.descriptors.numbers {
        descriptors::adopt(number.number);
    }
    rustix::process::umask(Mode::from_bits_retain(saved.mask));
    limits::restore(&saved.limits)?;
    if let Some(directory) = &saved.directory
        && let Err(error) = std::env::set_current_dir(directory)
    {
        tracing::warn!(
            "the program's working directory, {}, cannot be entered ({error}): it goes on in {}",
            directory.display(),
            std::env::current_dir().unwrap_or_default().display()
        );
    }
    Ok(())
}
