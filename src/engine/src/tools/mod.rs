//! The tool information interface, MPI_T (MPI-5.0 section 15.3): what mana lets tools read, and set, of itself. Nothing of
//! the library below shows through: its variables would mean something else under the next one.
//!
//! ```text
//!   tables, the same in every process     cvars (settings)  pvars (counters, levels, timers)  events  categories  enums
//!   Tools, saved in the image             how often it is initialised; handles, sessions, registrations: one table
//!   History, saved in the image           what the counters stood at in earlier lives of the job
//! ```
//!
//! Functions of the interface return codes and call no error handler ([`crate::raise`]).

pub mod categories;
pub mod cvars;
pub mod deliver;
pub mod enums;
pub mod events;
pub mod history;
pub mod pvars;

use mana_record_replay::handle::{Handle, kind};
use mana_record_replay::table::Table;
use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

use crate::engine::{State, StateGuard, state};
use crate::error::MpiError;

/// A handle of the tool information interface.
pub type ToolHandle = Handle<kind::Tool>;

/// What a process holds of the interface; saved in the image.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Tools {
    /// Calls of `MPI_T_init_thread` without their `MPI_T_finalize`.
    users: u32,
    /// Everything that tools have handles of.
    handles: Table<kind::Tool, Tool>,
    /// Settings that were written.
    pub written: cvars::Written,
    /// Counters of earlier lives.
    pub history: history::History,
    /// Events that no callback has been called for yet.
    pub undelivered: events::Queue,
}

/// Something that a tool has a handle of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Tool {
    /// Of the control variable with this index.
    Cvar(usize),
    /// A session for performance variables.
    Session,
    /// Of a performance variable.
    Pvar(pvars::Watch),
    /// A registration for events.
    Registration(events::Registration),
    /// An event, while its callback runs.
    Instance(events::Raised),
}

/// An error of the interface.
pub fn error(class: i32, message: impl Into<String>) -> MpiError {
    MpiError::new(class, message)
}

/// The locked state, if the interface is initialised.
pub fn locked() -> Result<StateGuard, MpiError> {
    let state = state();
    if state.tools.users == 0 {
        return Err(error(
            mpi::MPI_T_ERR_NOT_INITIALIZED,
            "MPI_T_init_thread was not called",
        ));
    }
    Ok(state)
}

/// `MPI_T_init_thread`: counted.
pub fn initialise() {
    state().tools.users += 1;
}

/// `MPI_T_finalize`: the last one takes all handles along.
pub fn finalise() -> Result<(), MpiError> {
    let mut state = locked()?;
    state.tools.users -= 1;
    if state.tools.users == 0 {
        state.tools.handles = Table::default();
        state.tools.undelivered = events::Queue::default();
        deliver::registrations_changed(&state);
    }
    Ok(())
}

/// The element of a table with an index from the application.
pub fn indexed<T>(table: &'static [T], index: i32) -> Result<(usize, &'static T), MpiError> {
    let at = usize::try_from(index).unwrap_or(usize::MAX);
    table.get(at).map(|row| (at, row)).ok_or_else(|| {
        error(
            mpi::MPI_T_ERR_INVALID_INDEX,
            format!("index {index} is not in 0..{}", table.len()),
        )
    })
}

/// The object behind a handle, by a function that says which kind is wanted.
fn find<'s, T>(
    state: &'s State,
    word: u64,
    class: i32,
    wanted: impl FnOnce(&'s Tool) -> Option<&'s T>,
) -> Result<&'s T, MpiError> {
    let found = ToolHandle::from_word(word)
        .ok()
        .and_then(|handle| state.tools.handles.get(handle))
        .and_then(wanted);
    found.ok_or_else(|| {
        error(
            class,
            format!("{word:#x} is not such a handle, or was freed"),
        )
    })
}

/// As [`find`], to change the object.
fn find_mut<'s, T>(
    state: &'s mut State,
    word: u64,
    class: i32,
    wanted: impl FnOnce(&'s mut Tool) -> Option<&'s mut T>,
) -> Result<&'s mut T, MpiError> {
    let found = ToolHandle::from_word(word)
        .ok()
        .and_then(|handle| state.tools.handles.get_mut(handle))
        .and_then(wanted);
    found.ok_or_else(|| {
        error(
            class,
            format!("{word:#x} is not such a handle, or was freed"),
        )
    })
}

/// Puts an object in; returns its handle.
fn insert(state: &mut State, tool: Tool) -> Result<u64, MpiError> {
    state
        .tools
        .handles
        .insert(tool)
        .map(|handle| u64::from(handle.word()))
        .map_err(|full| error(mpi::MPI_T_ERR_OUT_OF_HANDLES, full.to_string()))
}

/// Takes an object out.
fn remove(state: &mut State, word: u64) {
    if let Ok(handle) = ToolHandle::from_word(word) {
        state.tools.handles.remove(handle);
    }
}
