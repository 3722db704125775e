//! Sessions (MPI-5.0 section 11.3).

use serde::{Deserialize, Serialize};

use crate::handle::{ErrhandlerHandle, kind};
use crate::table::Table;

/// A session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The error handler given to `MPI_Session_init`, or set later; the session holds it.
    pub errhandler: ErrhandlerHandle,
    /// The thread level it was given, as the standard's constant.
    #[serde(default)]
    pub thread_level: i32,
}

/// The sessions of a rank.
pub type Sessions = Table<kind::Session, Session>;
