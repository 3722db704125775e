//! Attributes on communicators and datatypes: copied and deleted by the application's callbacks (MPI-5.0 section 7.7).
//!
//! ```text
//!   set      old value there? delete callback(old) -> then the new value
//!   copy     each of `from`, in the order of setting: copy callback -> flag? value of `to`
//!   delete   the last set first (section 11.2.4 demands it for MPI_COMM_SELF): delete callback -> then the value goes
//! ```
//!
//! A callback may call MPI again, also to change the attributes it is about: so no lock is held while it runs, and
//! loops look at the object afresh after each. A callback that fails leaves its attribute where it was, and its code
//! is the error of the call.

use mana_record_replay::attr::{
    Attributes, CopyFunction, DeleteFunction, Keyval, KeyvalKind, Keyvals, check_kind,
};
use mana_record_replay::handle::{CommHandle, DatatypeHandle, KeyvalHandle, WinHandle};
use mana_table::constants as mpi;

use crate::callback;
use crate::engine::{State, state};
use crate::error::{Call, MpiError};

/// An object that attributes hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A communicator.
    Comm(CommHandle),
    /// A datatype, predefined ones too.
    Type(DatatypeHandle),
    /// A window.
    Win(WinHandle),
}

impl Owner {
    /// The communicator in an argument word.
    pub fn comm(word: u64) -> Result<Self, MpiError> {
        let handle = CommHandle::from_word(word)?;
        state().comms.get(word)?;
        Ok(Self::Comm(handle))
    }

    /// The datatype in an argument word.
    pub fn datatype(word: u64) -> Result<Self, MpiError> {
        let handle = DatatypeHandle::from_word(word)?;
        state().objects.datatypes.attributes(handle)?;
        Ok(Self::Type(handle))
    }

    /// The window in an argument word.
    pub fn win(word: u64) -> Result<Self, MpiError> {
        let handle = WinHandle::from_word(word)?;
        state().windows.require(handle)?;
        Ok(Self::Win(handle))
    }

    /// The handle that callbacks are given.
    fn word(self) -> u64 {
        match self {
            Self::Comm(handle) => u64::from(handle.word()),
            Self::Type(handle) => u64::from(handle.word()),
            Self::Win(handle) => u64::from(handle.word()),
        }
    }

    /// The keyvals that go with it.
    fn kind(self) -> KeyvalKind {
        match self {
            Self::Comm(_) => KeyvalKind::Comm,
            Self::Type(_) => KeyvalKind::Type,
            Self::Win(_) => KeyvalKind::Win,
        }
    }

    /// Its attributes, next to the keyvals.
    fn attributes(self, state: &mut State) -> Result<(&mut Attributes, &mut Keyvals), MpiError> {
        let State {
            comms,
            objects,
            windows,
            ..
        } = state;
        let attributes = match self {
            Self::Comm(handle) => &mut comms.set_mut()?.get_mut(handle)?.attributes,
            Self::Type(handle) => objects.datatypes.attributes_mut(handle)?,
            Self::Win(handle) => &mut windows.require_mut(handle)?.attributes,
        };
        Ok((attributes, &mut objects.keyvals))
    }

    /// All of its attributes, in the order of setting.
    fn values(self) -> Result<Vec<(KeyvalHandle, u64)>, MpiError> {
        Ok(self.attributes(&mut state())?.0.as_slice().to_vec())
    }
}

/// The value under a key, if there is one. A key that was freed still serves to get at values that are set: that is
/// how they can be deleted one by one (MPI-5.0 section 7.7.2, `MPI_Comm_free_keyval`).
pub fn get(owner: Owner, keyval: KeyvalHandle) -> Result<Option<u64>, MpiError> {
    let mut state = state();
    let (attributes, keyvals) = owner.attributes(&mut state)?;
    let value = attributes.get(keyval);
    if value.is_none() {
        check_kind(keyvals, owner.kind(), keyval)?;
    }
    Ok(value)
}

/// Sets a value; the delete callback is called for one that is there.
pub fn set(owner: Owner, keyval: KeyvalHandle, value: u64) -> Call {
    check_kind(&state().objects.keyvals, owner.kind(), keyval)?;
    if let Some(old) = get(owner, keyval)? {
        call_delete(owner, keyval, old)?;
    }
    let mut state = state();
    let (attributes, keyvals) = owner.attributes(&mut state)?;
    attributes.set(keyvals, owner.kind(), keyval, value)?;
    Ok(())
}

/// Deletes a value by its callback; where none is set there is nothing to do.
pub fn delete(owner: Owner, keyval: KeyvalHandle) -> Call {
    match get(owner, keyval)? {
        Some(value) => delete_value(owner, keyval, value),
        None => Ok(()),
    }
}

/// Deletes a value that is there, also under a keyval that was freed.
fn delete_value(owner: Owner, keyval: KeyvalHandle, value: u64) -> Call {
    call_delete(owner, keyval, value)?;
    let mut state = state();
    let (attributes, keyvals) = owner.attributes(&mut state)?;
    attributes.remove(keyvals, keyval);
    Ok(())
}

/// The keyval of an attribute that is set, freed or not.
fn held_keyval(keyval: KeyvalHandle) -> Result<Keyval, MpiError> {
    let held = state().objects.keyvals.get_held(keyval).copied();
    held.ok_or_else(|| {
        MpiError::bad_handle(
            mpi::MPI_ERR_KEYVAL,
            "attribute key",
            u64::from(keyval.word()),
        )
    })
}

/// Calls the delete callback.
fn call_delete(owner: Owner, keyval: KeyvalHandle, value: u64) -> Call {
    let key = held_keyval(keyval)?;
    match key.delete {
        DeleteFunction::Null => Ok(()),
        DeleteFunction::Call(function) => {
            let words = [
                owner.word(),
                u64::from(keyval.word()),
                value,
                key.extra_state,
            ];
            succeeded("delete", callback::status(function, &words))
        }
    }
}

/// The value for the copy of an object; `None` when it gets none.
fn call_copy(from: Owner, keyval: KeyvalHandle, value: u64) -> Result<Option<u64>, MpiError> {
    let key = held_keyval(keyval)?;
    match key.copy {
        CopyFunction::Null => Ok(None),
        CopyFunction::Dup => Ok(Some(value)),
        CopyFunction::Call(function) => {
            let (mut copied, mut flag) = (0_u64, 0_i32);
            let (copied_at, flag_at) = ((&raw mut copied) as u64, (&raw mut flag) as u64);
            let words = [
                from.word(),
                u64::from(keyval.word()),
                key.extra_state,
                value,
                copied_at,
                flag_at,
            ];
            succeeded("copy", callback::status(function, &words))?;
            Ok((flag != 0).then_some(copied))
        }
    }
}

/// A callback's code as the outcome of the call.
fn succeeded(what: &str, code: i32) -> Call {
    if code == mpi::MPI_SUCCESS {
        return Ok(());
    }
    Err(MpiError::new(
        code,
        format!("an attribute's {what} callback returned error code {code}"),
    ))
}

/// Copies all attributes of `from` to `to`, which is new. If a callback fails, those copied so far are deleted again.
fn copy_between(from: Owner, to: Owner) -> Call {
    for (keyval, value) in from.values()? {
        let copied = call_copy(from, keyval, value).and_then(|copied| match copied {
            Some(copied) => put_copied(to, keyval, copied),
            None => Ok(()),
        });
        if let Err(error) = copied {
            // The failure of the copy is what the application is told, whatever comes of the clearing up.
            let _ = delete_values(to);
            return Err(error);
        }
    }
    Ok(())
}

/// Sets what a copy callback gave.
fn put_copied(to: Owner, keyval: KeyvalHandle, value: u64) -> Call {
    let mut state = state();
    let (attributes, keyvals) = to.attributes(&mut state)?;
    Ok(attributes.set_copied(keyvals, keyval, value)?)
}

/// Deletes all attributes, the last set first.
fn delete_values(owner: Owner) -> Call {
    while let Some((keyval, value)) = owner.values()?.pop() {
        delete_value(owner, keyval, value)?;
    }
    Ok(())
}

/// Copies all attributes of communicator `from` to `to`, its duplicate.
pub fn copy_all(from: u64, to: u64) -> Call {
    copy_between(Owner::comm(from)?, Owner::comm(to)?)
}

/// Deletes all attributes of a communicator that is freed.
pub fn delete_all(comm: u64) -> Call {
    delete_values(Owner::comm(comm)?)
}

/// Deletes all attributes of a window that is freed.
pub fn delete_all_of_window(win: WinHandle) -> Call {
    delete_values(Owner::Win(win))
}

/// Copies all attributes of datatype `from` to `to`, its duplicate.
pub fn copy_all_of_type(from: DatatypeHandle, to: DatatypeHandle) -> Call {
    copy_between(Owner::Type(from), Owner::Type(to))
}

/// Deletes all attributes of a datatype of which the application is giving back its last reference; before that there
/// are others left (from `MPI_Type_get_contents`), and nothing happens.
pub fn delete_all_of_type(datatype: DatatypeHandle) -> Call {
    if state().objects.datatypes.user_references(datatype) != 1 {
        return Ok(());
    }
    delete_values(Owner::Type(datatype))
}

/// Deletes all attributes of `MPI_COMM_SELF`, the first thing `MPI_Finalize` does (MPI-5.0 section 11.2.4).
pub fn delete_all_of_self() -> Call {
    delete_all(mpi::MPI_COMM_SELF)
}
