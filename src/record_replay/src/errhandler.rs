//! Error handlers: what to do with an error of a call on a communicator, window, file or session (MPI 4.1 section 9.3).

use serde::{Deserialize, Serialize};

use crate::address::{CallbackLanguage, UpperAddress};
use crate::handle::{ErrhandlerHandle, kind};
use crate::shared::SharedTable;

/// Abort all connected processes: the default.
pub const ERRORS_ARE_FATAL: ErrhandlerHandle = ErrhandlerHandle::predefined(0x141);
/// Abort the processes of the communicator, window, file or session only.
pub const ERRORS_ABORT: ErrhandlerHandle = ErrhandlerHandle::predefined(0x142);
/// Return the code.
pub const ERRORS_RETURN: ErrhandlerHandle = ErrhandlerHandle::predefined(0x143);

/// Nobody has chosen one, neither for the object nor for the one that it inherited from. The application sees
/// [`ERRORS_ARE_FATAL`]; whether that is what happens is decided when there is an error, see `mana_engine`'s `holder`.
pub const NOT_CHOSEN: ErrhandlerHandle = ErrhandlerHandle::predefined(0x140);

/// What kind of object a handler is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ErrhandlerKind {
    /// Communicators.
    Comm,
    /// Windows.
    Win,
    /// Files.
    File,
    /// Sessions.
    Session,
}

/// A handler of the application. Held by every object it is attached to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Errhandler {
    /// What it is for.
    pub kind: ErrhandlerKind,
    /// The application's function, `void (Handle *, int *code, ...)`.
    pub function: UpperAddress,
    /// How it is called.
    pub language: CallbackLanguage,
}

/// The error handlers of a rank that the application made.
pub type Errhandlers = SharedTable<kind::Errhandler, Errhandler>;
