//! Attributes: keyvals, and setting, getting and deleting values (MPI-5.0 section 7.7).
//!
//! The MPI-1 functions (`MPI_Keyval_create`, `MPI_Attr_put` …) are the ones for communicators under older names. What
//! happens to the values is in [`crate::attributes`].

use mana_record_replay::address::{CallbackLanguage, UpperAddress};
use mana_record_replay::attr::{CopyFunction, DeleteFunction, Keyval, KeyvalKind, check_kind};
use mana_record_replay::handle::KeyvalHandle;
use mana_table::constants as mpi;

use crate::args::Args;
use crate::attributes::{self, Owner};
use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::predefined_attributes::{self, is_predefined};
use crate::window_page;

/// The keyval in an `int`, to be used on an object by the application: the predefined ones are read-only.
fn keyval(value: i32) -> Result<KeyvalHandle, MpiError> {
    if is_predefined(value) {
        return Err(MpiError::new(
            mpi::MPI_ERR_KEYVAL,
            format!(
                "attribute key {value} is predefined: its value cannot be set or deleted, nor the key be freed"
            ),
        ));
    }
    Ok(KeyvalHandle::from_word(u64::from(value as u32))?)
}

/// `MPI_*_create_keyval(copy_fn, delete_fn, keyval, extra_state)`.
fn create_keyval(a: &mut Args<'_>, kind: KeyvalKind) -> Call {
    let key = Keyval {
        kind,
        copy: CopyFunction::from(UpperAddress(a.raw(0))),
        delete: DeleteFunction::from(UpperAddress(a.raw(1))),
        extra_state: a.raw(3),
        language: CallbackLanguage::C,
    };
    let handle = state().objects.keyvals.insert(key)?;
    a.set_int(2, i64::from(handle.word()));
    Ok(())
}

/// `MPI_*_free_keyval(keyval)`: values under it stay until they are deleted, and till then it may be freed again, as
/// delete callbacks do with the key that they are given.
fn free_keyval(a: &mut Args<'_>, kind: KeyvalKind) -> Call {
    let handle = keyval(a.read_at::<i32>(0, 0))?;
    {
        let keyvals = &mut state().objects.keyvals;
        let held = keyvals.get_held(handle).is_some_and(|key| key.kind == kind);
        if !held || keyvals.get(handle).is_some() {
            check_kind(keyvals, kind, handle)?;
            keyvals.free(handle)?;
        }
    }
    a.set_int(0, i64::from(mpi::MPI_KEYVAL_INVALID));
    Ok(())
}

/// `MPI_*_get_attr(object, keyval, attribute_val, flag)`.
fn get_attr(a: &mut Args<'_>, owner: Owner) -> Call {
    let value = match owner {
        Owner::Comm(_) if is_predefined(a.int(1)) => predefined_attributes::address(a.int(1))?,
        Owner::Win(win) if is_predefined(a.int(1)) => window_page::attribute(win, a.int(1))?,
        _ => attributes::get(owner, keyval(a.int(1))?)?,
    };
    a.set_flag(3, value.is_some());
    if let Some(value) = value {
        a.set_word(2, value);
    }
    Ok(())
}

/// `MPI_Comm_create_keyval(copy_fn, delete_fn, keyval, extra_state)`.
pub fn comm_create_keyval(a: &mut Args<'_>) -> Call {
    create_keyval(a, KeyvalKind::Comm)
}

/// `MPI_Comm_free_keyval(keyval)`.
pub fn comm_free_keyval(a: &mut Args<'_>) -> Call {
    free_keyval(a, KeyvalKind::Comm)
}

/// `MPI_Comm_set_attr(comm, keyval, attribute_val)`.
pub fn comm_set_attr(a: &mut Args<'_>) -> Call {
    attributes::set(Owner::comm(a.raw(0))?, keyval(a.int(1))?, a.raw(2))
}

/// `MPI_Comm_get_attr(comm, keyval, attribute_val, flag)`.
pub fn comm_get_attr(a: &mut Args<'_>) -> Call {
    let owner = Owner::comm(a.raw(0))?;
    get_attr(a, owner)
}

/// `MPI_Comm_delete_attr(comm, keyval)`.
pub fn comm_delete_attr(a: &mut Args<'_>) -> Call {
    attributes::delete(Owner::comm(a.raw(0))?, keyval(a.int(1))?)
}

/// `MPI_Type_create_keyval(copy_fn, delete_fn, keyval, extra_state)`.
pub fn type_create_keyval(a: &mut Args<'_>) -> Call {
    create_keyval(a, KeyvalKind::Type)
}

/// `MPI_Type_free_keyval(keyval)`.
pub fn type_free_keyval(a: &mut Args<'_>) -> Call {
    free_keyval(a, KeyvalKind::Type)
}

/// `MPI_Type_set_attr(datatype, keyval, attribute_val)`.
pub fn type_set_attr(a: &mut Args<'_>) -> Call {
    attributes::set(Owner::datatype(a.raw(0))?, keyval(a.int(1))?, a.raw(2))
}

/// `MPI_Type_get_attr(datatype, keyval, attribute_val, flag)`.
pub fn type_get_attr(a: &mut Args<'_>) -> Call {
    let owner = Owner::datatype(a.raw(0))?;
    get_attr(a, owner)
}

/// `MPI_Type_delete_attr(datatype, keyval)`.
pub fn type_delete_attr(a: &mut Args<'_>) -> Call {
    attributes::delete(Owner::datatype(a.raw(0))?, keyval(a.int(1))?)
}

/// `MPI_Win_create_keyval(copy_fn, delete_fn, keyval, extra_state)`.
pub fn win_create_keyval(a: &mut Args<'_>) -> Call {
    create_keyval(a, KeyvalKind::Win)
}

/// `MPI_Win_free_keyval(keyval)`.
pub fn win_free_keyval(a: &mut Args<'_>) -> Call {
    free_keyval(a, KeyvalKind::Win)
}

/// `MPI_Win_set_attr(win, keyval, attribute_val)`.
pub fn win_set_attr(a: &mut Args<'_>) -> Call {
    attributes::set(Owner::win(a.raw(0))?, keyval(a.int(1))?, a.raw(2))
}

/// `MPI_Win_get_attr(win, keyval, attribute_val, flag)`.
pub fn win_get_attr(a: &mut Args<'_>) -> Call {
    let owner = Owner::win(a.raw(0))?;
    get_attr(a, owner)
}

/// `MPI_Win_delete_attr(win, keyval)`.
pub fn win_delete_attr(a: &mut Args<'_>) -> Call {
    attributes::delete(Owner::win(a.raw(0))?, keyval(a.int(1))?)
}

/// `MPI_Keyval_create(copy_fn, delete_fn, keyval, extra_state)`, of MPI-1.
pub fn keyval_create(a: &mut Args<'_>) -> Call {
    comm_create_keyval(a)
}

/// `MPI_Keyval_free(keyval)`, of MPI-1.
pub fn keyval_free(a: &mut Args<'_>) -> Call {
    comm_free_keyval(a)
}

/// `MPI_Attr_put(comm, keyval, attribute_val)`, of MPI-1.
pub fn attr_put(a: &mut Args<'_>) -> Call {
    comm_set_attr(a)
}

/// `MPI_Attr_get(comm, keyval, attribute_val, flag)`, of MPI-1.
pub fn attr_get(a: &mut Args<'_>) -> Call {
    comm_get_attr(a)
}

/// `MPI_Attr_delete(comm, keyval)`, of MPI-1.
pub fn attr_delete(a: &mut Args<'_>) -> Call {
    comm_delete_attr(a)
}
