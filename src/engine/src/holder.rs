//! The objects that errors are raised on: each holds an error handler (MPI-5.0 section 9.3).
//!
//! ```text
//!   MPI_Send(…, comm)         -> Comm       MPI_File_read(fh, …)    -> File      MPI_FILE_NULL's: for failed opens
//!   MPI_Put(…, win)           -> Win        MPI_Session_get_info(…) -> Session
//!   MPI_Start(request)        -> the request's Comm or File; so in MPI_Wait, where the request that failed may be gone by then
//! ```

use std::cell::Cell;

use mana_record_replay::errhandler::{ERRORS_ARE_FATAL, ErrhandlerKind, NOT_CHOSEN};
use mana_record_replay::handle::{
    ErrhandlerHandle, FileHandle, RequestHandle, SessionHandle, WinHandle,
};
use mana_table::constants as mpi;
use mana_table::{Direction, Kind, Length, fns};

use crate::args::Args;
use crate::engine::{State, state};
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
    /// Whose handler judges errors that are about no object: MPI 4 says so; up to MPI 3 it was `MPI_COMM_WORLD`'s, which
    /// [`State::judge_of`] asks where none was chosen.
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
    fn stand_in(self) -> Self {
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

thread_local! {
    /// The object of the operation whose failure this thread is about to report. (The lower half's thread.)
    static FAILED_ON: Cell<Option<Holder>> = const { Cell::new(None) };
}

/// An operation on `holder` failed, and the call that completes it will say so.
#[cold]
pub fn note_failure(holder: Option<Holder>) {
    FAILED_ON.set(holder);
}

impl Holder {
    /// The object of the request that a call is about, or of the one whose failure it reports.
    pub fn of_request(a: &Args<'_>) -> Option<Self> {
        let noted = FAILED_ON.take();
        let (at, param) =
            (a.row().params.iter().enumerate()).find(|(_, p)| p.kind == Kind::Request)?;
        if noted.is_some() {
            return noted;
        }
        let handle = match (param.direction, param.length) {
            (Direction::In, Length::Scalar) => a.raw(at),
            (Direction::InOut, Length::Scalar) if !a.is_null(at) => a.handle_at(at, 0),
            _ => return None,
        };
        let id = RequestHandle::from_word(handle).ok()?;
        state().requests.get(id)?.holder()
    }
}

impl State {
    /// Who judges an error of `holder`, and with which handler.
    ///
    /// Where nobody has chosen one, it is `MPI_COMM_WORLD`'s, as it is by then. By the letter (MPI-5.0 section 9.3) a
    /// communicator has inherited `MPI_ERRORS_ARE_FATAL` when it was made before `MPI_COMM_WORLD` was given another handler,
    /// and a window has it in any case: that is what Open MPI does. MPICH and those that come from it ask `MPI_COMM_WORLD`, and
    /// programs count on that. The two differ for jobs only that would end.
    pub fn judge_of(&self, holder: Holder) -> (Holder, ErrhandlerHandle) {
        let known = |holder| {
            let handler = self.errhandler(holder).ok()?;
            Some((holder, handler))
        };
        let of = known(holder).or_else(|| known(holder.stand_in()));
        match of.unwrap_or((holder, NOT_CHOSEN)) {
            (of, NOT_CHOSEN) => known(Holder::Comm(mpi::MPI_COMM_WORLD))
                .filter(|(_, handler)| *handler != NOT_CHOSEN)
                .unwrap_or((of, ERRORS_ARE_FATAL)),
            chosen => chosen,
        }
    }

    /// The error handler of an object.
    pub fn errhandler(&self, holder: Holder) -> Result<ErrhandlerHandle, MpiError> {
        Ok(match holder {
            Holder::Comm(word) => match self.comms.get(word) {
                Ok(comm) => comm.errhandler,
                Err(_) if self.comms.set().is_err() && holder == Holder::COMM_SELF => NOT_CHOSEN,
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
