//! Attributes: values that the application caches on communicators, datatypes and windows (MPI 4.1 section 7.7).
//!
//! A *keyval* is the key with its callbacks; an object carries a list of (keyval, value). The callbacks are functions of
//! the application, so only the engine can call them; this module says which and in what order.

use serde::{Deserialize, Serialize};

use crate::address::{CallbackLanguage, UpperAddress};
use crate::error::ObjectError;
use crate::handle::{KeyvalHandle, kind};
use crate::shared::SharedTable;

/// What kind of object a keyval is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum KeyvalKind {
    /// `MPI_Comm_create_keyval`.
    Comm,
    /// `MPI_Type_create_keyval`.
    Type,
    /// `MPI_Win_create_keyval`.
    Win,
}

impl KeyvalKind {
    const fn plural(self) -> &'static str {
        match self {
            Self::Comm => "communicators",
            Self::Type => "datatypes",
            Self::Win => "windows",
        }
    }
}

/// What happens to an attribute when its object is duplicated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CopyFunction {
    /// `MPI_*_NULL_COPY_FN` (0 in the standard ABI): the attribute is not copied.
    Null,
    /// `MPI_*_DUP_FN` (1): the value is copied as it is.
    Dup,
    /// A function of the application decides.
    Call(UpperAddress),
}

/// What happens to an attribute when it or its object goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DeleteFunction {
    /// `MPI_*_NULL_DELETE_FN` (0): nothing.
    Null,
    /// A function of the application is called.
    Call(UpperAddress),
}

impl From<UpperAddress> for CopyFunction {
    fn from(function: UpperAddress) -> Self {
        match function.0 {
            0 => Self::Null,
            1 => Self::Dup,
            _ => Self::Call(function),
        }
    }
}

impl From<UpperAddress> for DeleteFunction {
    fn from(function: UpperAddress) -> Self {
        if function.is_null() {
            Self::Null
        } else {
            Self::Call(function)
        }
    }
}

/// An attribute key. Held by every attribute that uses it, so it outlives `MPI_*_free_keyval`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Keyval {
    /// What it is for.
    pub kind: KeyvalKind,
    /// Called when the object is duplicated.
    pub copy: CopyFunction,
    /// Called when the attribute goes.
    pub delete: DeleteFunction,
    /// Passed to both.
    pub extra_state: u64,
    /// How both are called.
    pub language: CallbackLanguage,
}

/// The keyvals of a rank.
pub type Keyvals = SharedTable<kind::Keyval, Keyval>;

/// The attributes of one object, in the order in which they were first set.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes {
    values: Vec<(KeyvalHandle, u64)>,
}

impl Attributes {
    /// The value under a key.
    #[must_use]
    pub fn get(&self, keyval: KeyvalHandle) -> Option<u64> {
        self.values
            .iter()
            .find(|(key, _)| *key == keyval)
            .map(|(_, value)| *value)
    }

    /// Sets a value and takes a hold on its keyval. Returns the value it replaces; for that one the delete function is
    /// to be called *before* (MPI 4.1 section 7.7.2: `MPI_Comm_set_attr` deletes the old value first).
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`] or [`ObjectError::KeyvalKind`] when the key is not one for this kind of object.
    pub fn set(
        &mut self,
        keyvals: &mut Keyvals,
        kind: KeyvalKind,
        keyval: KeyvalHandle,
        value: u64,
    ) -> Result<Option<u64>, ObjectError> {
        check_kind(keyvals, kind, keyval)?;
        if let Some((_, old)) = self.values.iter_mut().find(|(key, _)| *key == keyval) {
            return Ok(Some(std::mem::replace(old, value)));
        }
        keyvals.hold(keyval)?;
        self.values.push((keyval, value));
        Ok(None)
    }

    /// Sets a value for a keyval that another object's attribute holds, freed or not: what a copy function gave when an
    /// object was duplicated.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`] when the keyval is gone.
    pub fn set_copied(
        &mut self,
        keyvals: &mut Keyvals,
        keyval: KeyvalHandle,
        value: u64,
    ) -> Result<(), ObjectError> {
        keyvals.hold(keyval)?;
        self.values.push((keyval, value));
        Ok(())
    }

    /// Removes a value and its hold; the delete function is to be called before.
    pub fn remove(&mut self, keyvals: &mut Keyvals, keyval: KeyvalHandle) -> Option<u64> {
        let index = self.values.iter().position(|(key, _)| *key == keyval)?;
        let (_, value) = self.values.remove(index);
        keyvals.release(keyval);
        Some(value)
    }

    /// All values, in the order in which they were first set. On MPI_COMM_SELF at finalisation the delete functions are
    /// called in the opposite order (MPI 4.1 section 11.2.4).
    #[must_use]
    pub fn as_slice(&self) -> &[(KeyvalHandle, u64)] {
        &self.values
    }
}

/// The keyval, if the application may use it on objects of this kind.
///
/// # Errors
/// [`ObjectError::DeadHandle`] or [`ObjectError::KeyvalKind`].
pub fn check_kind(
    keyvals: &Keyvals,
    kind: KeyvalKind,
    handle: KeyvalHandle,
) -> Result<Keyval, ObjectError> {
    let keyval = *keyvals.require(handle)?;
    if keyval.kind != kind {
        let (wanted, actual) = (kind.plural(), keyval.kind.plural());
        return Err(ObjectError::KeyvalKind {
            word: handle.word(),
            wanted,
            actual,
        });
    }
    Ok(keyval)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyval(kind: KeyvalKind) -> Keyval {
        let (copy, delete) = (CopyFunction::Dup, DeleteFunction::Null);
        Keyval {
            kind,
            copy,
            delete,
            extra_state: 0,
            language: CallbackLanguage::C,
        }
    }

    #[test]
    fn a_freed_keyval_lives_on_in_its_attributes() {
        let mut keyvals = Keyvals::new();
        let key = keyvals.insert(keyval(KeyvalKind::Comm)).unwrap();
        let mut attributes = Attributes::default();
        assert_eq!(
            attributes.set(&mut keyvals, KeyvalKind::Comm, key, 5),
            Ok(None)
        );
        assert_eq!(keyvals.free(key), Ok(None));
        assert!(
            attributes
                .set(&mut keyvals, KeyvalKind::Comm, key, 6)
                .is_err()
        );
        let mut copy = Attributes::default();
        copy.set_copied(&mut keyvals, key, 5).unwrap();
        assert_eq!(attributes.remove(&mut keyvals, key), Some(5));
        assert_eq!(keyvals.len(), 1);
        assert_eq!(copy.remove(&mut keyvals, key), Some(5));
        assert!(keyvals.is_empty());
    }

    #[test]
    fn replacing_keeps_the_place_and_tells_the_old_value() {
        let mut keyvals = Keyvals::new();
        let a = keyvals.insert(keyval(KeyvalKind::Type)).unwrap();
        let b = keyvals.insert(keyval(KeyvalKind::Type)).unwrap();
        let mut attributes = Attributes::default();
        for (key, value, old) in [(a, 1, None), (b, 2, None), (a, 3, Some(1))] {
            assert_eq!(
                attributes.set(&mut keyvals, KeyvalKind::Type, key, value),
                Ok(old)
            );
        }
        assert_eq!(attributes.as_slice(), [(a, 3), (b, 2)]);
        assert_eq!(attributes.get(b), Some(2));
    }

    #[test]
    fn a_keyval_is_for_one_kind_of_object() {
        let mut keyvals = Keyvals::new();
        let key = keyvals.insert(keyval(KeyvalKind::Win)).unwrap();
        let error = Attributes::default()
            .set(&mut keyvals, KeyvalKind::Comm, key, 0)
            .unwrap_err();
        assert!(error.to_string().contains("windows"), "{error}");
    }
}
