//! Performance variables.
//!
//! ```text
//!   counters and timers   a handle starts stopped at 0:   value = sum + (running ? now - since : 0)
//!   levels and states     continuous and read-only:       value = now
//! ```

use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

use super::{Tool, ToolHandle, enums, error, find, find_mut, indexed, insert, remove};
use crate::engine::State;
use crate::error::MpiError;
use crate::{cut, publish};

/// A performance variable.
#[derive(Debug)]
pub struct Pvar {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Who may want to see it.
    pub verbosity: i32,
    /// `MPI_T_PVAR_CLASS_*`.
    pub class: i32,
    /// `MPI_T_BIND_*`.
    pub bind: i32,
    get: fn(&State, u64) -> u64,
}

/// What is added to nanoseconds to make seconds, for timers.
const SECONDS_PER_NS: f64 = 1e-9;

const fn counter(
    name: &'static str,
    description: &'static str,
    get: fn(&State, u64) -> u64,
) -> Pvar {
    Pvar {
        name,
        description,
        verbosity: mpi::MPI_T_VERBOSITY_USER_BASIC,
        class: mpi::MPI_T_PVAR_CLASS_COUNTER,
        bind: mpi::MPI_T_BIND_NO_OBJECT,
        get,
    }
}

const fn level(name: &'static str, description: &'static str, get: fn(&State, u64) -> u64) -> Pvar {
    Pvar {
        class: mpi::MPI_T_PVAR_CLASS_LEVEL,
        ..counter(name, description, get)
    }
}

const fn timer(name: &'static str, description: &'static str, get: fn(&State, u64) -> u64) -> Pvar {
    Pvar {
        class: mpi::MPI_T_PVAR_CLASS_TIMER,
        verbosity: mpi::MPI_T_VERBOSITY_USER_DETAIL,
        ..counter(name, description, get)
    }
}

/// All of them: those about messages and objects first, then from [`FIRST_OF_CHECKPOINTS`] those about checkpoints.
pub static PVARS: [Pvar; 13] = [
    counter(
        "mana_messages_sent",
        "Point-to-point messages whose sending this process has initiated",
        |state, _| state.tools.history.totals().sent,
    ),
    counter(
        "mana_messages_received",
        "Point-to-point messages that this process has received from the MPI library below",
        |state, _| state.tools.history.totals().received,
    ),
    level(
        "mana_messages_queued",
        "Messages that a checkpoint took out of the network and that wait for their receives",
        |state, _| state.unexpected.iter().count() as u64,
    ),
    Pvar {
        bind: mpi::MPI_T_BIND_MPI_COMM,
        ..level(
            "mana_comm_messages_queued",
            "Messages of a communicator that a checkpoint took out of the network and that wait for their receives",
            |_, comm| publish::comm(comm).map_or(0, |comm| u64::from(comm.queued())),
        )
    },
    level(
        "mana_requests",
        "Requests that are alive, persistent ones included",
        |state, _| state.requests.len() as u64,
    ),
    level(
        "mana_communicators",
        "Communicators that are alive, predefined ones included",
        |state, _| state.comms.slots().len() as u64,
    ),
    Pvar {
        class: mpi::MPI_T_PVAR_CLASS_STATE,
        ..counter(
            "mana_phase",
            "Where this process is in an attempt at a checkpoint",
            |_, _| cut::phase_number(),
        )
    },
    counter(
        "mana_checkpoints_committed",
        "Checkpoints of the job that were committed",
        |state, _| state.tools.history.totals().committed,
    ),
    counter(
        "mana_checkpoints_abandoned",
        "Attempts at a checkpoint that were abandoned or refused",
        |state, _| state.tools.history.totals().abandoned,
    ),
    counter(
        "mana_restarts",
        "How often the job was restarted",
        |state, _| u64::from(state.restarts.count()),
    ),
    timer(
        "mana_time_converge",
        "Seconds from the wish for a checkpoint until all processes could stop",
        |state, _| state.tools.history.totals().phases_ns[0],
    ),
    timer(
        "mana_time_drain",
        "Seconds in which processes stopped and took messages out of the network",
        |state, _| state.tools.history.totals().phases_ns[1],
    ),
    timer(
        "mana_time_write",
        "Seconds in which images were written",
        |state, _| state.tools.history.totals().phases_ns[2],
    ),
];

/// Index of the first variable about checkpoints.
pub const FIRST_OF_CHECKPOINTS: usize = 6;

impl Pvar {
    /// Its datatype.
    pub fn datatype(&self) -> u64 {
        match self.class {
            mpi::MPI_T_PVAR_CLASS_STATE => mpi::MPI_INT,
            mpi::MPI_T_PVAR_CLASS_TIMER => mpi::MPI_DOUBLE,
            _ => mpi::MPI_UNSIGNED_LONG_LONG,
        }
    }

    /// Its enumeration, or the null handle.
    pub fn enumeration(&self) -> u64 {
        if self.class == mpi::MPI_T_PVAR_CLASS_STATE {
            enums::PHASES
        } else {
            mpi::MPI_T_ENUM_NULL
        }
    }

    /// Whether it is always running and cannot be written.
    pub fn is_continuous(&self) -> bool {
        matches!(
            self.class,
            mpi::MPI_T_PVAR_CLASS_STATE | mpi::MPI_T_PVAR_CLASS_LEVEL
        )
    }

    /// A value's bytes in the variable's datatype.
    pub fn bytes(&self, value: u64) -> Vec<u8> {
        match self.class {
            mpi::MPI_T_PVAR_CLASS_STATE => (value as i32).to_ne_bytes().to_vec(),
            mpi::MPI_T_PVAR_CLASS_TIMER => (value as f64 * SECONDS_PER_NS).to_ne_bytes().to_vec(),
            _ => value.to_ne_bytes().to_vec(),
        }
    }

    /// The value that the eight bytes of a written one mean.
    pub fn value_of(&self, word: u64) -> u64 {
        if self.class == mpi::MPI_T_PVAR_CLASS_TIMER {
            (f64::from_bits(word) / SECONDS_PER_NS) as u64
        } else {
            word
        }
    }
}

/// A handle of a performance variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    session: u64,
    index: usize,
    /// The object it is bound to.
    object: u64,
    /// What was counted before the variable was last started.
    sum: u64,
    /// What the variable stood at when it was started; `None` while it is stopped.
    since: Option<u64>,
}

/// The variable with this index.
pub fn by_index(index: i32) -> Result<&'static Pvar, MpiError> {
    indexed(&PVARS, index).map(|(_, pvar)| pvar)
}

/// Opens a session.
pub fn open(state: &mut State) -> Result<u64, MpiError> {
    insert(state, Tool::Session).map_err(|full| error(mpi::MPI_T_ERR_OUT_OF_SESSIONS, full.message))
}

/// Checks a session.
pub fn check_session(state: &State, session: u64) -> Result<(), MpiError> {
    let wanted = |tool| matches!(tool, &Tool::Session).then_some(tool);
    find(state, session, mpi::MPI_T_ERR_INVALID_SESSION, wanted).map(drop)
}

/// Closes a session, and the handles in it.
pub fn close(state: &mut State, session: u64) -> Result<(), MpiError> {
    check_session(state, session)?;
    for handle in handles_of(state, session) {
        remove(state, handle);
    }
    remove(state, session);
    Ok(())
}

/// The handles of a session.
pub fn handles_of(state: &State, session: u64) -> Vec<u64> {
    let of_session = |(handle, tool): (ToolHandle, &Tool)| match tool {
        Tool::Pvar(watch) if watch.session == session => Some(u64::from(handle.word())),
        _ => None,
    };
    state.tools.handles.iter().filter_map(of_session).collect()
}

/// A new handle of variable `index` in a session. Bound variables get their object by `object`.
pub fn allocate(
    state: &mut State,
    session: u64,
    index: i32,
    object: impl FnOnce() -> Option<u64>,
) -> Result<u64, MpiError> {
    check_session(state, session)?;
    let (at, pvar) = indexed(&PVARS, index)?;
    let object = if pvar.bind == mpi::MPI_T_BIND_MPI_COMM {
        let comm = object().filter(|comm| publish::comm(*comm).is_some());
        comm.ok_or_else(|| {
            error(
                mpi::MPI_T_ERR_INVALID_HANDLE,
                format!(
                    "{} is bound to a communicator, and none was given",
                    pvar.name
                ),
            )
        })?
    } else {
        0
    };
    let watch = Watch {
        session,
        index: at,
        object,
        sum: 0,
        since: None,
    };
    insert(state, Tool::Pvar(watch))
}

/// A handle of a session, with its variable.
fn watch(state: &State, session: u64, word: u64) -> Result<(&Watch, &'static Pvar), MpiError> {
    check_session(state, session)?;
    let watch = find(
        state,
        word,
        mpi::MPI_T_ERR_INVALID_HANDLE,
        |tool| match tool {
            Tool::Pvar(watch) if watch.session == session => Some(watch),
            _ => None,
        },
    )?;
    Ok((watch, &PVARS[watch.index]))
}

/// Changes a handle that is known to be one.
fn change(state: &mut State, word: u64, how: impl FnOnce(&mut Watch)) -> Result<(), MpiError> {
    find_mut(
        state,
        word,
        mpi::MPI_T_ERR_INVALID_HANDLE,
        |tool| match tool {
            Tool::Pvar(watch) => Some(watch),
            _ => None,
        },
    )
    .map(how)
}

/// Frees a handle.
pub fn free(state: &mut State, session: u64, word: u64) -> Result<(), MpiError> {
    watch(state, session, word)?;
    remove(state, word);
    Ok(())
}

/// A handle's value.
pub fn value(state: &State, session: u64, word: u64) -> Result<(u64, &'static Pvar), MpiError> {
    let (watch, pvar) = watch(state, session, word)?;
    let now = (pvar.get)(state, watch.object);
    let value = if pvar.is_continuous() {
        now
    } else {
        let running = watch.since.map_or(0, |since| now.wrapping_sub(since));
        watch.sum.wrapping_add(running)
    };
    Ok((value, pvar))
}

/// Starts a handle; `false` if it is running already.
pub fn start(state: &mut State, session: u64, word: u64) -> Result<bool, MpiError> {
    let (watch, pvar) = watch(state, session, word)?;
    if pvar.is_continuous() {
        return Err(no_start_stop(pvar));
    }
    if watch.since.is_some() {
        return Ok(false);
    }
    let now = (pvar.get)(state, watch.object);
    change(state, word, |watch| watch.since = Some(now))?;
    Ok(true)
}

/// Stops a handle; `false` if it is stopped already.
pub fn stop(state: &mut State, session: u64, word: u64) -> Result<bool, MpiError> {
    let (value, pvar) = value(state, session, word)?;
    if pvar.is_continuous() {
        return Err(no_start_stop(pvar));
    }
    let mut was_running = false;
    change(state, word, |watch| {
        was_running = watch.since.take().is_some();
        watch.sum = value;
    })?;
    Ok(was_running)
}

fn no_start_stop(pvar: &Pvar) -> MpiError {
    error(
        mpi::MPI_T_ERR_PVAR_NO_STARTSTOP,
        format!("{} is continuous: it always runs", pvar.name),
    )
}

/// Sets a handle's value.
pub fn set(state: &mut State, session: u64, word: u64, to: u64) -> Result<(), MpiError> {
    let (watch, pvar) = watch(state, session, word)?;
    if pvar.is_continuous() {
        return Err(error(
            mpi::MPI_T_ERR_PVAR_NO_WRITE,
            format!("{} is read-only", pvar.name),
        ));
    }
    let now = (pvar.get)(state, watch.object);
    change(state, word, |watch| {
        watch.sum = to;
        watch.since = watch.since.map(|_| now);
    })
}

/// The variable of a handle.
pub fn variable(state: &State, session: u64, word: u64) -> Result<&'static Pvar, MpiError> {
    watch(state, session, word).map(|(_, pvar)| pvar)
}
