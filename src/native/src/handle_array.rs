//! Arrays of native handles, laid out as the library's ABI wants them: 4 or 8 bytes each.

use crate::Family;
use crate::handle::{Kind, NativeHandle};
use std::marker::PhantomData;

/// An array argument such as `array_of_requests[]`, in the native layout.
///
/// It can be cleared and filled again without a new allocation, which `MPI_Waitall` in a loop wants.
#[derive(Debug)]
pub struct HandleArray<K: Kind> {
    elements: Elements,
    kind: PhantomData<fn() -> K>,
}

#[derive(Debug)]
enum Elements {
    Narrow(Vec<u32>),
    Wide(Vec<u64>),
}

impl<K: Kind> HandleArray<K> {
    /// An empty array with room for `capacity` handles.
    #[must_use]
    pub fn with_capacity(family: Family, capacity: usize) -> Self {
        let elements = if NativeHandle::<K>::is_narrow(family) {
            Elements::Narrow(Vec::with_capacity(capacity))
        } else {
            Elements::Wide(Vec::with_capacity(capacity))
        };
        Self {
            elements,
            kind: PhantomData,
        }
    }

    /// An array of `handles`.
    pub fn from_handles(
        family: Family,
        handles: impl IntoIterator<Item = NativeHandle<K>>,
    ) -> Self {
        let handles = handles.into_iter();
        let mut array = Self::with_capacity(family, handles.size_hint().0);
        handles.for_each(|handle| array.push(handle));
        array
    }

    /// Appends a handle.
    pub fn push(&mut self, handle: NativeHandle<K>) {
        match &mut self.elements {
            Elements::Narrow(elements) => elements.push(narrow(handle.raw())),
            Elements::Wide(elements) => elements.push(handle.raw()),
        }
    }

    /// The handle at `index`, after a call perhaps another one than was pushed.
    ///
    /// # Panics
    /// If `index` is not below [`HandleArray::len`].
    #[must_use]
    pub fn get(&self, index: usize) -> NativeHandle<K> {
        NativeHandle::from_raw(match &self.elements {
            Elements::Narrow(elements) => u64::from(elements[index]),
            Elements::Wide(elements) => elements[index],
        })
    }

    /// Replaces the handle at `index`.
    ///
    /// # Panics
    /// If `index` is not below [`HandleArray::len`].
    pub fn set(&mut self, index: usize, handle: NativeHandle<K>) {
        match &mut self.elements {
            Elements::Narrow(elements) => elements[index] = narrow(handle.raw()),
            Elements::Wide(elements) => elements[index] = handle.raw(),
        }
    }

    /// How many handles there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.elements {
            Elements::Narrow(elements) => elements.len(),
            Elements::Wide(elements) => elements.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the handles and keeps the memory.
    pub fn clear(&mut self) {
        match &mut self.elements {
            Elements::Narrow(elements) => elements.clear(),
            Elements::Wide(elements) => elements.clear(),
        }
    }

    /// The handles in order.
    pub fn iter(&self) -> impl Iterator<Item = NativeHandle<K>> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The array's address, as an argument of [`crate::Native::call`]; valid until the next `push`.
    pub fn address(&mut self) -> u64 {
        match &mut self.elements {
            Elements::Narrow(elements) => elements.as_mut_ptr() as u64,
            Elements::Wide(elements) => elements.as_mut_ptr() as u64,
        }
    }
}

/// MPICH's handles are 32-bit numbers that were zero-extended: the upper half carries nothing.
fn narrow(raw: u64) -> u32 {
    debug_assert!(u32::try_from(raw).is_ok(), "no MPICH handle: {raw:#x}");
    raw as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::{NativeRequest, Request};

    #[test]
    fn elements_have_the_width_of_the_family() {
        for (family, width_bytes) in [
            (Family::StandardAbi, 8),
            (Family::Mpich, 4),
            (Family::OpenMpi, 8),
        ] {
            let handles = [
                NativeRequest::from_raw(0x2c00_0000),
                NativeRequest::from_raw(7),
            ];
            let mut array = HandleArray::<Request>::from_handles(family, handles);
            assert_eq!(array.iter().collect::<Vec<_>>(), handles);
            let (first, second) = match &array.elements {
                Elements::Narrow(elements) => {
                    (&raw const elements[0] as u64, &raw const elements[1] as u64)
                }
                Elements::Wide(elements) => {
                    (&raw const elements[0] as u64, &raw const elements[1] as u64)
                }
            };
            assert_eq!(array.address(), first);
            assert_eq!(second - first, width_bytes, "{family}");
            array.set(1, NativeRequest::from_raw(9));
            assert_eq!(array.get(1).raw(), 9);
        }
    }
}
