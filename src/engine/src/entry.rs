//! What the command line calls: run a program, restart a checkpoint, ask a running job for one.

use std::error::Error;
use std::path::Path;

use mana_split::hooks::Note;
use mana_split::loader::{self, Program};

use crate::error::EngineError;
use crate::{alone, family, init, process, restart as restarting, surroundings};

/// Where a program comes from.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// A launcher has started it, or it is known to use MPI.
    ForMpi,
    /// Nobody but the user: it is a job of its own until it uses MPI.
    ByItself,
    /// A program that was of one of these kinds has executed it in its own place.
    Executed(&'a Note, bool),
    /// A child of a program has executed it: it joins that one's family.
    AsMember(&'a Note),
}

impl<'a> Start<'a> {
    /// What the program before has left for it.
    fn note(self) -> Option<&'a Note> {
        match self {
            Self::ForMpi | Self::ByItself => None,
            Self::Executed(note, _) | Self::AsMember(note) => Some(note),
        }
    }

    fn is_by_itself(self) -> bool {
        matches!(self, Self::ByItself | Self::Executed(_, true))
    }
}

/// Runs a program in this process' upper half. Returns only when that fails.
pub fn run(program: &Program, start: Start<'_>) -> Result<std::convert::Infallible, EngineError> {
    let is_member = matches!(start, Start::AsMember(_));
    if is_member {
        family::member::become_one();
    }
    if let Some(note) = start.note() {
        note.take_over()?;
        // Of a launched process, more may be the launcher's.
        if is_member || start.is_by_itself() {
            surroundings::inherit()?;
        }
    }
    process::prepare()?;
    let loaded = loader::load(program)?;
    start.note().map_or(Ok(()), Note::go_on)?;
    if is_member || start.is_by_itself() {
        let reserved = surroundings::reserve(None)?;
        if is_member {
            alone::begin_as_member(family::member::connect()?)?;
        } else {
            alone::begin()?;
        }
        surroundings::settle(reserved)?;
    }
    loaded.start()
}

/// Takes over the job whose checkpoint is at `path`. Returns only when that fails.
pub fn restart(path: &Path) -> Result<std::convert::Infallible, EngineError> {
    restarting::restart(path)
}

/// Asks the job that writes to `directory` for a checkpoint and waits until it is there or was given up.
pub fn checkpoint(
    directory: &Path,
    kill: bool,
    progress: impl FnMut(&mana_agent::Progress),
) -> Result<mana_agent::Outcome, EngineError> {
    Ok(mana_agent::request(
        &directory.join(init::CONTROL_FILE_NAME),
        kill,
        progress,
    )?)
}

/// An error with its causes, in one line.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
