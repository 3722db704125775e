//! The crate's one error type. A message says what failed, where, why, and what to try.

use std::io;
use std::path::PathBuf;

/// Result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a program could not be loaded, gated, inspected or restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program (or the interpreter its `#!` line names) is not there or cannot be opened.
    #[error("cannot open the program {path}: {source}")]
    OpenProgram {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is there and this user may not execute it.
    #[error("{path} is not executable: {source} (chmod +x {path}?)")]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no ELF program and no script.
    #[error("{path} is not a program: {why}")]
    NotAProgram {
        /// The file.
        path: PathBuf,
        /// Which part of it is wrong.
        why: String,
    },
    /// An ELF file for another machine.
    #[error("{path} is a program for {found}; this mana runs {wanted} programs only")]
    WrongMachine {
        /// The file.
        path: PathBuf,
        /// The file's class and machine.
        found: String,
        /// What this build can load.
        wanted: &'static str,
    },
    /// `#!` lines that name scripts whose `#!` lines name scripts …
    #[error("{path}: too many levels of #! interpreters ({levels})")]
    ScriptTooDeep {
        /// The script that was asked for.
        path: PathBuf,
        /// How many levels were followed.
        levels: usize,
    },
    /// A statically linked program cannot contain the stub library.
    #[error(
        "{path} is statically linked (it names no dynamic loader), so it cannot contain mana's stub MPI library: \
         link it dynamically"
    )]
    StaticProgram {
        /// The file.
        path: PathBuf,
    },
    /// A program that is not position independent, at addresses that are taken.
    #[error(
        "{path} is not position independent and must be mapped at {start:#x}-{end:#x}, where {occupant} is: \
         link it with -pie, or allow address randomisation"
    )]
    AddressOccupied {
        /// The file.
        path: PathBuf,
        /// First address it needs.
        start: usize,
        /// End of the range it needs.
        end: usize,
        /// What /proc/self/maps shows there.
        occupant: String,
    },
    /// The window or a table of fixed size is full.
    #[error("no room for {what} ({bytes} bytes): {source}")]
    NoRoom {
        /// What was to be mapped.
        what: String,
        /// Its size in bytes.
        bytes: usize,
        /// What the system said.
        source: io::Error,
    },
    /// The processor lacks something that the split process cannot do without.
    #[error("this processor lacks {what}")]
    Processor {
        /// The missing feature, by its usual name.
        what: &'static str,
    },
    /// Something else is mapped where the gate belongs.
    #[error("address {address:#x}, where mana's gate belongs, is already mapped")]
    GateOccupied {
        /// The gate's address.
        address: usize,
    },
    /// The function table does not fit the gate.
    #[error("the function table has {functions} functions, the gate has room for {slots}")]
    GateTooSmall {
        /// Functions in the table.
        functions: usize,
        /// Slots in the gate.
        slots: usize,
    },
    /// Restored state does not fit this process.
    #[error("cannot restore the split process: {why}")]
    Restore {
        /// What does not fit.
        why: String,
    },
    /// A signal that cannot serve as the checkpoint signal.
    #[error(
        "signal {signal} cannot be the checkpoint signal: take one from 1 to 64 that the kernel does not raise for a fault \
         and that can have a handler"
    )]
    CheckpointSignal {
        /// The signal's number.
        signal: i32,
    },
    /// The calling thread has no upper half.
    #[error("this thread is not one of the application's")]
    NotAnUpperThread,
    /// The calling thread runs the application's code on top of the lower half's.
    #[error(
        "thread {tid} is in a callback from the lower half, which cannot be saved; it can when the callback returns"
    )]
    InCallback {
        /// The kernel's number of the thread.
        tid: i32,
    },
    /// A system call failed.
    #[error("{what} failed: {source}")]
    Os {
        /// The call and what it was for.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// [`Error::Os`] with errno as the last libc call of this thread left it.
    #[must_use]
    pub fn os(what: &str) -> Self {
        Self::Os {
            what: what.into(),
            source: io::Error::last_os_error(),
        }
    }

    /// [`Error::Os`] from the negative number that a raw system call returned.
    #[must_use]
    pub(crate) fn raw(what: &str, errno: crate::sys::Errno) -> Self {
        Self::Os {
            what: what.into(),
            source: errno.into(),
        }
    }
}
