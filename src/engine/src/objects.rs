//! Objects that are virtual altogether or need a native counterpart only for communication.
//!
//! ```text
//!   groups, infos, keyvals, error handlers, error classes    no native object at all
//!   datatypes   descriptor -> native type, made at creation and again at a restart   (see `datatypes`)
//!   operations  function   -> native operation over a trampoline of a pool            (see `ops`)
//! ```

use mana_native::Native;
use mana_record_replay::address::UpperAddress;
use mana_record_replay::attr::Keyvals;
use mana_record_replay::datatype::{Datatypes, predefined_layout};
use mana_record_replay::errhandler::{ERRORS_ABORT, ERRORS_ARE_FATAL, ERRORS_RETURN, Errhandlers};
use mana_record_replay::error_registry::ErrorRegistry;
use mana_record_replay::group::Group;
use mana_record_replay::handle::{DatatypeHandle, ErrhandlerHandle, kind};
use mana_record_replay::info::Info;
use mana_record_replay::op::Ops;
use mana_record_replay::table::Table;
use serde::{Deserialize, Serialize};

use crate::error::MpiError;
use crate::raise::Reaction;
use crate::{datatypes, ops};

/// The objects of this process, all of which are saved.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Objects {
    /// Groups.
    pub groups: Table<kind::Group, Group>,
    /// Derived datatypes.
    pub datatypes: Datatypes,
    /// User operations.
    pub ops: Ops,
    /// Info objects.
    pub infos: Table<kind::Info, Info>,
    /// User error handlers.
    pub errhandlers: Errhandlers,
    /// Attribute keys.
    pub keyvals: Keyvals,
    /// Error classes, codes and strings that the application added.
    pub errors: ErrorRegistry,
}

/// Bytes of one element of the predefined datatype with this handle value.
pub fn predefined_size_bytes(value: u64) -> Option<i64> {
    Some(predefined_layout(DatatypeHandle::from_word(value).ok()?)?.size_bytes())
}

impl Objects {
    /// What an error handler does.
    pub fn reaction(&self, errhandler: ErrhandlerHandle) -> Reaction {
        match errhandler {
            ERRORS_ARE_FATAL => Reaction::Fatal,
            ERRORS_ABORT => Reaction::Abort,
            ERRORS_RETURN => Reaction::Return,
            other => match self
                .errhandlers
                .get_held(other)
                .map(|handler| handler.function)
            {
                Some(UpperAddress(address)) => Reaction::Call(address),
                None => Reaction::Fatal,
            },
        }
    }

    /// Something begins to use an error handler.
    pub fn hold_errhandler(&mut self, errhandler: ErrhandlerHandle) -> Result<(), MpiError> {
        Ok(self.errhandlers.hold(errhandler)?)
    }
}

/// Makes the native counterparts anew, at a restart.
pub fn rebuild(native: &Native) -> Result<(), MpiError> {
    datatypes::rebuild(native)?;
    ops::rebuild(native)
}
