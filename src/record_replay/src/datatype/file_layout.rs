//! The layout of a datatype in a file of the external32 representation (MPI-5.0 section 14.5.2).
//!
//! ```text
//!   vector(2, 1, stride 2, MPI_LONG)      memory   |llllllll........llllllll|   external32   |llll....llll|
//!   struct({MPI_LONG at byte 0, …})       displacements in bytes stay what they are
//! ```
//!
//! The constructor is the same, over predefined types as long as external32 has them: what it measures in extents shrinks
//! or grows with them.

use std::collections::BTreeMap;

use super::layout::Layout;
use super::lower;
use super::predefined::{Class, PREDEFINED, predefined, predefined_layout};
use super::store::Datatypes;
use crate::error::ObjectError;
use crate::handle::DatatypeHandle;

/// Layouts computed so far.
type Known = BTreeMap<DatatypeHandle, Layout>;

impl Datatypes {
    /// The layout of a datatype in a file of the external32 representation.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`], and what a layout in memory can fail with.
    pub fn file_layout(&self, handle: DatatypeHandle) -> Result<Layout, ObjectError> {
        let mut known = Known::new();
        self.find(handle, &mut known)?;
        known
            .remove(&handle)
            .ok_or_else(|| ObjectError::dead(handle))
    }

    /// Puts the layout of a datatype, and of its parts, among the known ones.
    fn find(&self, handle: DatatypeHandle, known: &mut Known) -> Result<(), ObjectError> {
        if known.contains_key(&handle) {
            return Ok(());
        }
        if predefined(handle).is_some() {
            known.insert(handle, basic(handle)?);
            return Ok(());
        }
        let constructor = self
            .constructor_held(handle)
            .ok_or_else(|| ObjectError::dead(handle))?;
        for child in constructor.children() {
            self.find(child, known)?;
        }
        let layout = lower::layout(constructor, &|child| {
            known.get(&child).ok_or_else(|| ObjectError::dead(child))
        })?;
        known.insert(handle, layout);
        Ok(())
    }
}

/// The layout of a predefined type: that of one which is as long in memory as it is in external32.
fn basic(handle: DatatypeHandle) -> Result<Layout, ObjectError> {
    let dead = || ObjectError::dead(handle);
    let row = predefined(handle).ok_or_else(dead)?;
    let same = row.size_bytes == row.external32_bytes;
    let stand_in = if same {
        handle
    } else {
        let long_enough = PREDEFINED
            .iter()
            .find(|other| other.size_bytes == row.external32_bytes && other.class != Class::Pair);
        long_enough.ok_or_else(dead)?.handle
    };
    predefined_layout(stand_in).cloned().ok_or_else(dead)
}

#[cfg(test)]
mod tests {
    use super::super::constructor::Constructor;
    use super::*;

    const LONG: DatatypeHandle = DatatypeHandle::predefined(0x20a);
    const INT: DatatypeHandle = DatatypeHandle::predefined(0x209);

    fn vector_of(old: DatatypeHandle) -> Constructor {
        Constructor::Vector {
            count: 2,
            block_length: 1,
            stride: 2,
            old,
        }
    }

    #[test]
    fn strides_in_elements_follow_the_elements() {
        let name = predefined(LONG).map(|row| row.name);
        assert_eq!(name, Some("MPI_LONG"));
        let mut types = Datatypes::new();
        let longs = types.create(vector_of(LONG), false).unwrap();
        let ints = types.create(vector_of(INT), false).unwrap();
        let in_file = types.file_layout(longs).unwrap();
        assert_eq!(in_file.extent(), 12);
        assert!(in_file.runs(2).eq(types.layout(ints).unwrap().runs(2)));
        assert_eq!(types.file_layout(ints).unwrap().extent(), 12);
    }
}
