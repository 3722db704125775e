//! Control variables: the settings of mana.
//!
//! ```text
//!   environment (MANA_*) ----------------> value ----> the agent, the writer of images
//!   MPI_T_cvar_write -> Written, saved --^  what was written wins, also after a restart
//! ```

use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use mana_image::Compression;
use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

use super::{Tool, enums, error, find, indexed, insert, remove};
use crate::cut;
use crate::engine::{State, settings, state};
use crate::error::MpiError;

/// The longest interval between checkpoints that can be set, in seconds: a thousand years.
const LONGEST_INTERVAL_S: f64 = 3.2e10;

/// Settings that a tool has written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Written {
    interval_s: Option<f64>,
    keep: Option<i32>,
    compression: Option<i32>,
}

/// A variable's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `MPI_INT`.
    Int(i32),
    /// `MPI_DOUBLE`.
    Double(f64),
    /// `MPI_CHAR`, many, ending with a NUL.
    Text(Vec<u8>),
}

impl Value {
    /// Its datatype.
    pub fn datatype(&self) -> u64 {
        match self {
            Self::Int(_) => mpi::MPI_INT,
            Self::Double(_) => mpi::MPI_DOUBLE,
            Self::Text(_) => mpi::MPI_CHAR,
        }
    }

    /// How many elements of the datatype it has.
    pub fn count(&self) -> usize {
        match self {
            Self::Int(_) | Self::Double(_) => 1,
            Self::Text(text) => text.len(),
        }
    }

    /// Its bytes, as the application has them.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Int(value) => value.to_ne_bytes().to_vec(),
            Self::Double(value) => value.to_ne_bytes().to_vec(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// A control variable.
#[derive(Debug)]
pub struct Cvar {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Who may want to see it.
    pub verbosity: i32,
    /// Whether, and how widely, it may be set.
    pub scope: i32,
    /// Its enumeration, or the null handle.
    pub enumeration: u64,
    get: fn(&State) -> Value,
}

/// All of them.
pub static CVARS: [Cvar; 6] = [
    Cvar {
        name: "mana_ckpt_interval",
        description: "Seconds between checkpoints; 0 if they are taken only when asked for. Rank 0's value counts",
        verbosity: mpi::MPI_T_VERBOSITY_USER_BASIC,
        scope: mpi::MPI_T_SCOPE_ALL_EQ,
        enumeration: mpi::MPI_T_ENUM_NULL,
        get: |state| {
            Value::Double(interval_of(state).map_or(0.0, |interval| interval.as_secs_f64()))
        },
    },
    Cvar {
        name: "mana_ckpt_keep",
        description: "Committed checkpoints to keep. Rank 0's value counts",
        verbosity: mpi::MPI_T_VERBOSITY_USER_BASIC,
        scope: mpi::MPI_T_SCOPE_ALL_EQ,
        enumeration: mpi::MPI_T_ENUM_NULL,
        get: |state| Value::Int(i32::try_from(keep_of(state)).unwrap_or(i32::MAX)),
    },
    Cvar {
        name: "mana_compress",
        description: "How this process's part of an image is compressed",
        verbosity: mpi::MPI_T_VERBOSITY_USER_DETAIL,
        scope: mpi::MPI_T_SCOPE_LOCAL,
        enumeration: enums::COMPRESSIONS,
        get: |state| Value::Int(number_of(compression_of(state))),
    },
    Cvar {
        name: "mana_ckpt_dir",
        description: "Directory of the checkpoints",
        verbosity: mpi::MPI_T_VERBOSITY_USER_BASIC,
        scope: mpi::MPI_T_SCOPE_READONLY,
        enumeration: mpi::MPI_T_ENUM_NULL,
        get: |_| text(settings().directory.as_os_str().as_bytes()),
    },
    Cvar {
        name: "mana_ckpt_signal",
        description: "Number of the signal that asks for a checkpoint; 0 if none does",
        verbosity: mpi::MPI_T_VERBOSITY_USER_DETAIL,
        scope: mpi::MPI_T_SCOPE_READONLY,
        enumeration: mpi::MPI_T_ENUM_NULL,
        get: |_| Value::Int(settings().signal.unwrap_or(0)),
    },
    Cvar {
        name: "mana_mpi",
        description: "Which MPI library is opened below: auto, a family, or a path",
        verbosity: mpi::MPI_T_VERBOSITY_USER_DETAIL,
        scope: mpi::MPI_T_SCOPE_READONLY,
        enumeration: mpi::MPI_T_ENUM_NULL,
        get: |_| text(settings().mpi.as_bytes()),
    },
];

/// Indices of those that can be written.
const INTERVAL: usize = 0;
const KEEP: usize = 1;
const COMPRESS: usize = 2;

fn text(bytes: &[u8]) -> Value {
    Value::Text(bytes.iter().copied().chain([0]).collect())
}

fn number_of(compression: Compression) -> i32 {
    Compression::ALL
        .iter()
        .position(|known| *known == compression)
        .map_or(0, |at| at as i32)
}

fn interval_of(state: &State) -> Option<Duration> {
    match state.tools.written.interval_s {
        Some(seconds) => Some(Duration::from_secs_f64(seconds)).filter(|some| !some.is_zero()),
        None => settings().interval,
    }
}

fn keep_of(state: &State) -> usize {
    state
        .tools
        .written
        .keep
        .and_then(|keep| usize::try_from(keep).ok())
        .unwrap_or(settings().keep)
}

fn compression_of(state: &State) -> Compression {
    let written = state.tools.written.compression;
    written
        .and_then(|at| Compression::ALL.get(usize::try_from(at).ok()?).copied())
        .unwrap_or(settings().compression)
}

/// Time between checkpoints in use.
pub fn interval() -> Option<Duration> {
    interval_of(&state())
}

/// Checkpoints to keep in use.
pub fn keep() -> usize {
    keep_of(&state())
}

/// Compression in use.
pub fn compression() -> Compression {
    compression_of(&state())
}

/// The variable with this index.
pub fn by_index(index: i32) -> Result<&'static Cvar, MpiError> {
    indexed(&CVARS, index).map(|(_, cvar)| cvar)
}

/// The datatype of a variable.
pub fn datatype(state: &State, cvar: &Cvar) -> u64 {
    (cvar.get)(state).datatype()
}

/// A new handle of variable `index`, and how many elements it has.
pub fn allocate(state: &mut State, index: i32) -> Result<(u64, usize), MpiError> {
    let (at, cvar) = indexed(&CVARS, index)?;
    let count = (cvar.get)(state).count();
    Ok((insert(state, Tool::Cvar(at))?, count))
}

fn index_of(state: &State, word: u64) -> Result<usize, MpiError> {
    find(
        state,
        word,
        mpi::MPI_T_ERR_INVALID_HANDLE,
        |tool| match tool {
            Tool::Cvar(index) => Some(index),
            _ => None,
        },
    )
    .copied()
}

/// Frees a handle.
pub fn free(state: &mut State, word: u64) -> Result<(), MpiError> {
    index_of(state, word)?;
    remove(state, word);
    Ok(())
}

/// Reads through a handle.
pub fn read(state: &State, word: u64) -> Result<Value, MpiError> {
    Ok((CVARS[index_of(state, word)?].get)(state))
}

/// Writes through a handle: `int` and `double` give the value as either type has it in the application's buffer.
pub fn write(
    state: &mut State,
    word: u64,
    int: impl FnOnce() -> i32,
    double: impl FnOnce() -> f64,
) -> Result<(), MpiError> {
    let invalid = |what: String| Err(error(mpi::MPI_T_ERR_INVALID, what));
    match index_of(state, word)? {
        INTERVAL => {
            let seconds = double();
            if !(0.0..=LONGEST_INTERVAL_S).contains(&seconds) {
                return invalid(format!("an interval of {seconds} s cannot be"));
            }
            state.tools.written.interval_s = Some(seconds);
            cut::set_interval(interval_of(state));
        }
        KEEP => {
            let keep = int();
            if keep < 1 {
                return invalid(format!(
                    "{keep} checkpoints to keep: the newest always stays"
                ));
            }
            state.tools.written.keep = Some(keep);
        }
        COMPRESS => {
            let kind = int();
            if !(0..Compression::ALL.len() as i32).contains(&kind) {
                return invalid(format!("{kind} is no kind of compression"));
            }
            state.tools.written.compression = Some(kind);
        }
        other => {
            return Err(error(
                mpi::MPI_T_ERR_CVAR_SET_NEVER,
                format!("{} is set by the environment only", CVARS[other].name),
            ));
        }
    }
    Ok(())
}
