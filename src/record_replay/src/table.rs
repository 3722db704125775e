//! A table of live objects of one kind: O(1) from handle to object, and handles that are noticed when stale.
//!
//! ```text
//!   handle = kind | generation 3 | index 1
//!                          |          |
//!   slots   [0] gen 7  free          |        free (first in, first out): 0, 4, ...
//!           [1] gen 3  birth 42, object  <---- generations agree: alive
//!           [2] gen 0  birth 43, object
//! ```
//!
//! Every object has a *birth*, a number that grows with each insertion: objects made in the order of their births after
//! a restart find what they were made from (a derived datatype its old types).

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::marker::PhantomData;

use crate::error::ObjectError;
use crate::handle::{Handle, Kind};

/// How many free slots a table keeps before it reuses the oldest of them (see [`crate::handle`]).
pub const QUARANTINE_SLOTS: usize = 64;

/// Live objects of kind `K`, each a `T`. Serialised with its handles, so they mean the same after a restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
pub struct Table<K, T> {
    slots: Vec<Slot<T>>,
    free: VecDeque<u32>,
    next_birth: u64,
    kind: PhantomData<K>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Slot<T> {
    generation: u8,
    entry: Option<Entry<T>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry<T> {
    birth: u64,
    object: T,
}

impl<K, T> Default for Table<K, T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: VecDeque::new(),
            next_birth: 0,
            kind: PhantomData,
        }
    }
}

impl<K: Kind, T> Table<K, T> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an object in and returns its handle.
    ///
    /// # Errors
    /// [`ObjectError::TableFull`] when the kind's index bits are used up.
    pub fn insert(&mut self, object: T) -> Result<Handle<K>, ObjectError> {
        let index = self.take_slot()?;
        let slot = &mut self.slots[index as usize];
        slot.entry = Some(Entry {
            birth: self.next_birth,
            object,
        });
        self.next_birth += 1;
        Ok(Handle::new(index, slot.generation))
    }

    fn take_slot(&mut self) -> Result<u32, ObjectError> {
        let limit = 1 << K::INDEX_BITS;
        let may_grow = self.slots.len() < limit;
        if self.free.len() >= QUARANTINE_SLOTS || !may_grow {
            return self.free.pop_front().ok_or(ObjectError::TableFull {
                kind: K::NAME,
                limit,
            });
        }
        self.slots.push(Slot {
            generation: 0,
            entry: None,
        });
        Ok((self.slots.len() - 1) as u32)
    }

    /// The object, or None when the handle is stale, predefined or of another kind.
    #[inline]
    #[must_use]
    pub fn get(&self, handle: Handle<K>) -> Option<&T> {
        let (index, generation) = handle.slot()?;
        let slot = self.slots.get(index)?;
        if slot.generation != generation {
            return None;
        }
        slot.entry.as_ref().map(|entry| &entry.object)
    }

    /// The object to change it, or None as in [`Table::get`].
    #[inline]
    pub fn get_mut(&mut self, handle: Handle<K>) -> Option<&mut T> {
        let (index, generation) = handle.slot()?;
        let slot = self.slots.get_mut(index)?;
        if slot.generation != generation {
            return None;
        }
        slot.entry.as_mut().map(|entry| &mut entry.object)
    }

    /// The object, or the error that an MPI function reports for this handle.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`] when the handle is stale, or predefined and so in no table.
    pub fn require(&self, handle: Handle<K>) -> Result<&T, ObjectError> {
        self.get(handle).ok_or_else(|| ObjectError::dead(handle))
    }

    /// The object to change it, or the error that an MPI function reports for this handle.
    ///
    /// # Errors
    /// As [`Table::require`].
    pub fn require_mut(&mut self, handle: Handle<K>) -> Result<&mut T, ObjectError> {
        self.get_mut(handle)
            .ok_or_else(|| ObjectError::dead(handle))
    }

    /// Takes the object out; its handle is stale from now on.
    pub fn remove(&mut self, handle: Handle<K>) -> Option<T> {
        let (index, generation) = handle.slot()?;
        let slot = self.slots.get_mut(index)?;
        if slot.generation != generation {
            return None;
        }
        let entry = slot.entry.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push_back(index as u32);
        Some(entry.object)
    }

    /// Number of live objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether nothing is alive.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All live objects, in slot order (cheap; use [`Table::by_birth`] where the order matters).
    pub fn iter(&self) -> impl Iterator<Item = (Handle<K>, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let entry = slot.entry.as_ref()?;
            Some((Handle::new(index as u32, slot.generation), &entry.object))
        })
    }

    /// All live objects to change them, in slot order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Handle<K>, &mut T)> {
        self.slots
            .iter_mut()
            .enumerate()
            .filter_map(|(index, slot)| {
                let entry = slot.entry.as_mut()?;
                Some((
                    Handle::new(index as u32, slot.generation),
                    &mut entry.object,
                ))
            })
    }

    /// All live objects, oldest first.
    #[must_use]
    pub fn by_birth(&self) -> Vec<(Handle<K>, &T)> {
        let mut live: Vec<_> = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| {
                let entry = slot.entry.as_ref()?;
                Some((
                    entry.birth,
                    Handle::new(index as u32, slot.generation),
                    &entry.object,
                ))
            })
            .collect();
        live.sort_unstable_by_key(|(birth, ..)| *birth);
        live.into_iter()
            .map(|(_, handle, object)| (handle, object))
            .collect()
    }
}
