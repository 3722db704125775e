//! What the command line calls: run a program, restart a checkpoint, ask a running job for one.

use std::error::Error;
use std::path::Path;

use mana_split::hooks::Note;
use mana_split::loader::{self, Program};

use crate::error::EngineError;
use crate::{alone, init, process, restart as restarting, surroundings};

/// Runs a program in this process' upper half. Returns only when that fails. `by_itself`: no launcher has started it, and it
/// is not known to use MPI, so that it is a job of its own until it does. `note`: the program before has executed it.
pub fn run(
    program: &Program,
    by_itself: bool,
    note: Option<&Note>,
) -> Result<std::convert::Infallible, EngineError> {
    if let Some(note) = note {
        note.take_over()?;
        // Of a launched process, more may be the launcher's.
        if by_itself {
            surroundings::inherit()?;
        }
    }
    process::prepare()?;
    let loaded = loader::load(program)?;
    note.map_or(Ok(()), Note::go_on)?;
    if by_itself {
        let reserved = surroundings::reserve(None)?;
        alone::begin()?;
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
