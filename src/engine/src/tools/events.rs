//! Events: a checkpoint was committed, or abandoned.
//!
//! ```text
//!   agent: end of an attempt -> raise -> a thread's next call into mana -> deliver: a callback per registration
//! ```

use std::collections::{BTreeMap, VecDeque};

use mana_record_replay::address::UpperAddress;
use mana_record_replay::info::Info;
use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

use super::{Tool, deliver, error, find, find_mut, indexed, insert, remove};
use crate::engine::State;
use crate::error::MpiError;

/// A type of event.
#[derive(Debug)]
pub struct Event {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub description: &'static str,
}

/// Index of the event that a checkpoint was committed.
pub const COMMITTED: usize = 0;
/// Index of the event that an attempt was abandoned.
pub const ABANDONED: usize = 1;

/// How many types there are.
pub const EVENT_TYPES: usize = 2;

/// All types.
pub static EVENTS: [Event; EVENT_TYPES] = [
    Event {
        name: "mana_checkpoint_committed",
        description: "A checkpoint of the job was committed. Elements: its number; the nanoseconds that it took",
    },
    Event {
        name: "mana_checkpoint_abandoned",
        description: "An attempt at a checkpoint came to nothing. Elements: the number of attempts that ended in this life \
                      of the job; the nanoseconds that it took",
    },
];

/// Elements of an event, all of them unsigned 64-bit numbers, one behind the other.
pub const ELEMENTS: usize = 2;

/// The only source: mana's clock.
pub const SOURCE_NAME: &str = "mana_clock";
/// What it is.
pub const SOURCE_DESCRIPTION: &str =
    "The clock of MPI_Wtime, in nanoseconds; it goes on over restarts";
/// Its ticks per second.
pub const TICKS_PER_SECOND: i64 = 1_000_000_000;

/// An event that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// Index of its type.
    pub event: usize,
    /// When, by the source's clock.
    pub time: i64,
    /// Its elements.
    pub elements: [u64; ELEMENTS],
}

/// Events to be delivered, and how many were dropped since the queue was full.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// The events.
    pub events: VecDeque<Raised>,
    /// Dropped, by type.
    pub dropped: [u64; EVENT_TYPES],
}

/// A callback with what it was registered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// The function.
    pub function: UpperAddress,
    /// Its argument.
    pub user_data: u64,
    /// Hints.
    pub info: Info,
}

/// A registration for a type of event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Index of the type.
    pub event: usize,
    info: Info,
    /// Callbacks by their safety level.
    pub callbacks: BTreeMap<i32, Callback>,
    /// Called for events that were dropped.
    pub dropped: Option<UpperAddress>,
}

/// The type with this index.
pub fn by_index(index: i32) -> Result<&'static Event, MpiError> {
    indexed(&EVENTS, index).map(|(_, event)| event)
}

/// Checks a safety level.
pub fn check_safety(safety: i32) -> Result<(), MpiError> {
    match safety {
        mpi::MPI_T_CB_REQUIRE_NONE
        | mpi::MPI_T_CB_REQUIRE_MPI_RESTRICTED
        | mpi::MPI_T_CB_REQUIRE_THREAD_SAFE
        | mpi::MPI_T_CB_REQUIRE_ASYNC_SIGNAL_SAFE => Ok(()),
        other => Err(error(
            mpi::MPI_T_ERR_INVALID,
            format!("{other} is no level of callback safety"),
        )),
    }
}

/// A new registration for events of type `index`.
pub fn register(state: &mut State, index: i32, info: Info) -> Result<u64, MpiError> {
    let (event, _) = indexed(&EVENTS, index)?;
    let registration = Registration {
        event,
        info,
        callbacks: BTreeMap::new(),
        dropped: None,
    };
    let handle = insert(state, Tool::Registration(registration))?;
    deliver::registrations_changed(state);
    Ok(handle)
}

/// The registration behind a handle.
pub fn registration(state: &State, word: u64) -> Result<&Registration, MpiError> {
    find(
        state,
        word,
        mpi::MPI_T_ERR_INVALID_HANDLE,
        |tool| match tool {
            Tool::Registration(registration) => Some(registration),
            _ => None,
        },
    )
}

/// As [`registration`], to change it.
pub fn registration_mut(state: &mut State, word: u64) -> Result<&mut Registration, MpiError> {
    find_mut(
        state,
        word,
        mpi::MPI_T_ERR_INVALID_HANDLE,
        |tool| match tool {
            Tool::Registration(registration) => Some(registration),
            _ => None,
        },
    )
}

/// Ends a registration.
pub fn unregister(state: &mut State, word: u64) -> Result<(), MpiError> {
    registration(state, word)?;
    remove(state, word);
    deliver::registrations_changed(state);
    Ok(())
}

/// The hints of a registration, or of one of its callbacks.
pub fn info_of(state: &State, word: u64, safety: Option<i32>) -> Result<Info, MpiError> {
    let registration = registration(state, word)?;
    match safety {
        None => Ok(registration.info.clone()),
        Some(safety) => match registration.callbacks.get(&safety) {
            Some(callback) => Ok(callback.info.clone()),
            None => Err(no_callback()),
        },
    }
}

/// Sets hints of a registration, or of one of its callbacks.
pub fn set_info(
    state: &mut State,
    word: u64,
    safety: Option<i32>,
    hints: &Info,
) -> Result<(), MpiError> {
    let registration = registration_mut(state, word)?;
    let info = match safety {
        None => &mut registration.info,
        Some(safety) => match registration.callbacks.get_mut(&safety) {
            Some(callback) => &mut callback.info,
            None => return Err(no_callback()),
        },
    };
    for (key, value) in hints.iter() {
        info.set(key, value)?;
    }
    Ok(())
}

fn no_callback() -> MpiError {
    error(
        mpi::MPI_T_ERR_INVALID,
        "no callback is registered for this level of safety",
    )
}

/// The event behind an instance's handle, valid in its callback only.
pub fn instance(state: &State, word: u64) -> Result<Raised, MpiError> {
    find(
        state,
        word,
        mpi::MPI_T_ERR_INVALID_HANDLE,
        |tool| match tool {
            Tool::Instance(raised) => Some(raised),
            _ => None,
        },
    )
    .copied()
}

/// An instance for a callback that is about to be called.
pub fn begin_instance(state: &mut State, raised: Raised) -> Result<u64, MpiError> {
    insert(state, Tool::Instance(raised))
}

/// The callback has returned.
pub fn end_instance(state: &mut State, word: u64) {
    remove(state, word);
}

/// The registrations for events of type `event`, with their handles.
pub fn registrations_for(state: &State, event: usize) -> Vec<(u64, Registration)> {
    let wanted = |(handle, tool): (super::ToolHandle, &Tool)| match tool {
        Tool::Registration(registration) if registration.event == event => {
            Some((u64::from(handle.word()), registration.clone()))
        }
        _ => None,
    };
    state.tools.handles.iter().filter_map(wanted).collect()
}

/// Whether anybody is registered for anything.
pub fn any_registration(state: &State) -> bool {
    state
        .tools
        .handles
        .iter()
        .any(|(_, tool)| matches!(tool, Tool::Registration(_)))
}
