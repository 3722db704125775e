//! Objects that outlive `MPI_X_free`: the application drops its handle, but something still uses the object.
//!
//! ```text
//!             user references          holds
//!   create          1                    0      visible
//!   used by         1                    1      visible   (pending request, derived type, communicator's error handler)
//!   free            0                    1      kept, the application's handle is dead
//!   use ends        0                    0      gone
//! ```
//!
//! MPI 4.1 section 2.5.1: a deallocated object is freed when the last operation that uses it has completed.
//! `MPI_Comm_get_errhandler` and `MPI_Type_get_contents` hand out further user references to the same object.

use serde::{Deserialize, Serialize};

use crate::error::ObjectError;
use crate::handle::{Handle, Kind};
use crate::table::Table;

/// A table of objects with a count of user references and a count of holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
pub struct SharedTable<K, T> {
    table: Table<K, Shared<T>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Shared<T> {
    user_references: u32,
    holds: u32,
    object: T,
}

impl<K, T> Default for SharedTable<K, T> {
    fn default() -> Self {
        Self {
            table: Table::default(),
        }
    }
}

impl<K: Kind, T> SharedTable<K, T> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an object in, with one user reference.
    ///
    /// # Errors
    /// [`ObjectError::TableFull`].
    pub fn insert(&mut self, object: T) -> Result<Handle<K>, ObjectError> {
        self.table.insert(Shared {
            user_references: 1,
            holds: 0,
            object,
        })
    }

    /// The object as the application sees it: None once it freed its last reference.
    #[inline]
    #[must_use]
    pub fn get(&self, handle: Handle<K>) -> Option<&T> {
        self.table
            .get(handle)
            .filter(|shared| shared.user_references > 0)
            .map(|shared| &shared.object)
    }

    /// As [`SharedTable::get`], to change the object.
    #[inline]
    pub fn get_mut(&mut self, handle: Handle<K>) -> Option<&mut T> {
        self.table
            .get_mut(handle)
            .filter(|shared| shared.user_references > 0)
            .map(|shared| &mut shared.object)
    }

    /// As [`SharedTable::get`], or the error that an MPI function reports.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    pub fn require(&self, handle: Handle<K>) -> Result<&T, ObjectError> {
        self.get(handle).ok_or_else(|| ObjectError::dead(handle))
    }

    /// As [`SharedTable::get_mut`], or the error that an MPI function reports.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    pub fn require_mut(&mut self, handle: Handle<K>) -> Result<&mut T, ObjectError> {
        self.get_mut(handle)
            .ok_or_else(|| ObjectError::dead(handle))
    }

    /// The object for something that holds it, also after the application freed it.
    #[inline]
    #[must_use]
    pub fn get_held(&self, handle: Handle<K>) -> Option<&T> {
        self.table.get(handle).map(|shared| &shared.object)
    }

    /// As [`SharedTable::get_held`], to change the object.
    #[inline]
    pub fn get_held_mut(&mut self, handle: Handle<K>) -> Option<&mut T> {
        self.table.get_mut(handle).map(|shared| &mut shared.object)
    }

    /// How many references the application holds; 0 for an object that is gone.
    #[must_use]
    pub fn user_references(&self, handle: Handle<K>) -> u32 {
        self.table
            .get(handle)
            .map_or(0, |shared| shared.user_references)
    }

    /// Hands the application one more reference to an object that is alive, freed or not.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`] when the object is gone.
    pub fn add_user_reference(&mut self, handle: Handle<K>) -> Result<(), ObjectError> {
        let shared = self.table.require_mut(handle)?;
        shared.user_references += 1;
        Ok(())
    }

    /// The application gives a reference back. Returns the object when nothing uses it any more: whoever called then
    /// releases what the object itself holds, and its native counterpart.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`] when the application has no reference to give back.
    pub fn free(&mut self, handle: Handle<K>) -> Result<Option<T>, ObjectError> {
        let shared = self
            .table
            .get_mut(handle)
            .filter(|shared| shared.user_references > 0);
        let shared = shared.ok_or_else(|| ObjectError::dead(handle))?;
        shared.user_references -= 1;
        Ok(self.remove_unused(handle))
    }

    /// Something begins to use the object. A predefined handle needs no hold and has no effect.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`] when the object is gone.
    pub fn hold(&mut self, handle: Handle<K>) -> Result<(), ObjectError> {
        if handle.is_predefined() {
            return Ok(());
        }
        self.table.require_mut(handle)?.holds += 1;
        Ok(())
    }

    /// A use that [`SharedTable::hold`] announced ends. Returns the object when it was the last one, as
    /// [`SharedTable::free`] does.
    ///
    /// # Panics
    /// When nothing holds the object: a use was ended twice, a fault of this program.
    pub fn release(&mut self, handle: Handle<K>) -> Option<T> {
        if handle.is_predefined() {
            return None;
        }
        let shared = self
            .table
            .get_mut(handle)
            .unwrap_or_else(|| panic!("released {handle:?}, which is gone"));
        shared.holds = shared
            .holds
            .checked_sub(1)
            .unwrap_or_else(|| panic!("released {handle:?} more than held"));
        self.remove_unused(handle)
    }

    fn remove_unused(&mut self, handle: Handle<K>) -> Option<T> {
        let shared = self.table.get(handle)?;
        if shared.user_references > 0 || shared.holds > 0 {
            return None;
        }
        self.table.remove(handle).map(|shared| shared.object)
    }

    /// Number of objects alive, freed but held ones among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing is alive.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// All objects alive in slot order, freed but held ones among them.
    pub fn iter(&self) -> impl Iterator<Item = (Handle<K>, &T)> {
        self.table
            .iter()
            .map(|(handle, shared)| (handle, &shared.object))
    }

    /// As [`SharedTable::iter`], to change the objects.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Handle<K>, &mut T)> {
        self.table
            .iter_mut()
            .map(|(handle, shared)| (handle, &mut shared.object))
    }

    /// All objects alive, oldest first, freed but held ones among them.
    #[must_use]
    pub fn by_birth(&self) -> Vec<(Handle<K>, &T)> {
        self.table
            .by_birth()
            .into_iter()
            .map(|(handle, shared)| (handle, &shared.object))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::kind;

    #[test]
    fn a_held_object_outlives_its_free() {
        let mut table = SharedTable::<kind::Op, &str>::new();
        let handle = table.insert("op").unwrap();
        table.hold(handle).unwrap();
        assert_eq!(table.free(handle).unwrap(), None);
        assert_eq!(table.get(handle), None);
        assert_eq!(table.get_held(handle), Some(&"op"));
        assert_eq!(table.free(handle).unwrap_err(), ObjectError::dead(handle));
        assert_eq!(table.release(handle), Some("op"));
        assert!(table.is_empty());
    }

    #[test]
    fn a_freed_object_comes_back_by_a_new_user_reference() {
        let mut table = SharedTable::<kind::Errhandler, u8>::new();
        let handle = table.insert(1).unwrap();
        table.hold(handle).unwrap();
        assert_eq!(table.free(handle).unwrap(), None);
        table.add_user_reference(handle).unwrap();
        assert_eq!(table.get(handle), Some(&1));
    }

    #[test]
    fn holding_a_predefined_handle_is_nothing() {
        let mut table = SharedTable::<kind::Op, u8>::new();
        table.hold(Handle::predefined(0x21)).unwrap();
        assert_eq!(table.release(Handle::predefined(0x21)), None);
    }
}
