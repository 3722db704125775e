//! The objects that errors are raised on: each holds an error handler (MPI-5.0 section 9.3).
//!
//! ```text
//!   MPI_Send(…, comm)         -> Comm       MPI_File_read(fh, …)    -> File      MPI_FILE_NULL's: for failed opens
//!   MPI_Put(…, win)           -> Win        MPI_Session_get_info(…) -> Session
//! ```

use mana_record_replay::errhandler::{ERRORS_ARE_FATAL, ErrhandlerKind};
use mana_record_replay::handle::{ErrhandlerHandle, FileHandle, SessionHandle, WinHandle};
use mana_table::constants as mpi;
use mana_table::{Direction, Kind, fns};

use crate::args::Args;
use crate::engine::State;
use crate::error::MpiError;

/// An object that holds an error handler, by its upper handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A communicator.
    Comm(u64),
    /// A window.
    Win(u64),
    /// A file, or `MPI_FILE_NULL`: what new files start with.
    File(u64),
    /// A session.
    Session(u64),
}

impl Holder {
    /// Whose handler judges errors that are about no object.
    pub const COMM_SELF: Self = Self::Comm(mpi::MPI_COMM_SELF);

    /// The holder of a kind.
    pub fn new(kind: ErrhandlerKind, word: u64) -> Self {
        match kind {
            ErrhandlerKind::Comm => Self::Comm(word),
            ErrhandlerKind::Win => Self::Win(word),
            ErrhandlerKind::File => Self::File(word),
            ErrhandlerKind::Session => Self::Session(word),
        }
    }

    /// Whose handler judges errors of opening and deleting files, and where there is no valid file (MPI-5.0 section 14.7).
    pub const NO_FILE: Self = Self::File(mpi::MPI_FILE_NULL);

    /// The object that a call is about: its first argument of such a kind; of opening a file that is no communicator.
    pub fn of_call(a: &Args<'_>) -> Option<Self> {
        if matches!(
            a.row().id,
            fns::MPI_FILE_OPEN
                | fns::MPI_FILE_DELETE
                | fns::MPI_REGISTER_DATAREP
                | fns::MPI_REGISTER_DATAREP_C
        ) {
            return Some(Self::NO_FILE);
        }
        a.row().params.iter().enumerate().find_map(|(at, param)| {
            let kind = match param.kind {
                Kind::Comm => ErrhandlerKind::Comm,
                Kind::Win => ErrhandlerKind::Win,
                Kind::File => ErrhandlerKind::File,
                Kind::Session => ErrhandlerKind::Session,
                _ => return None,
            };
            match param.direction {
                Direction::In => Some(Self::new(kind, a.raw(at))),
                Direction::InOut if !a.is_null(at) => Some(Self::new(kind, a.handle_at(at, 0))),
                Direction::Out | Direction::InOut => None,
            }
        })
    }

    /// Who judges errors instead, when this is no object (that may be the error).
    pub fn stand_in(self) -> Self {
        match self {
            Self::File(_) => Self::NO_FILE,
            Self::Comm(_) | Self::Win(_) | Self::Session(_) => Self::COMM_SELF,
        }
    }

    /// The upper handle.
    pub fn word(self) -> u64 {
        match self {
            Self::Comm(word) | Self::Win(word) | Self::File(word) | Self::Session(word) => word,
        }
    }
}

impl State {
    /// The error handler of an object.
    pub fn errhandler(&self, holder: Holder) -> Result<ErrhandlerHandle, MpiError> {
        Ok(match holder {
            Holder::Comm(word) => match self.comms.get(word) {
                Ok(comm) => comm.errhandler,
                Err(_) if self.comms.set().is_err() && holder == Holder::COMM_SELF => {
                    ERRORS_ARE_FATAL
                }
                Err(error) => return Err(error),
            },
            Holder::Win(word) => {
                self.windows
                    .require(WinHandle::from_word(word)?)?
                    .errhandler
            }
            Holder::File(mpi::MPI_FILE_NULL) => self.files.errhandler,
            Holder::File(word) => {
                self.files
                    .table
                    .require(FileHandle::from_word(word)?)?
                    .errhandler
            }
            Holder::Session(word) => {
                self.sessions
                    .require(SessionHandle::from_word(word)?)?
                    .errhandler
            }
        })
    }

    /// Attaches an error handler to an object and returns the one before.
    pub fn replace_errhandler(
        &mut self,
        holder: Holder,
        handler: ErrhandlerHandle,
    ) -> Result<ErrhandlerHandle, MpiError> {
        let place = match holder {
            Holder::Comm(word) => &mut self.comms.get_mut(word)?.errhandler,
            Holder::Win(word) => {
                &mut self
                    .windows
                    .require_mut(WinHandle::from_word(word)?)?
                    .errhandler
            }
            Holder::File(mpi::MPI_FILE_NULL) => &mut self.files.errhandler,
            Holder::File(word) => {
                &mut self
                    .files
                    .table
                    .require_mut(FileHandle::from_word(word)?)?
                    .errhandler
            }
            Holder::Session(word) => {
                &mut self
                    .sessions
                    .require_mut(SessionHandle::from_word(word)?)?
                    .errhandler
            }
        };
        Ok(std::mem::replace(place, handler))
    }
}
