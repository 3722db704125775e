//! Predefined handles: from the standard ABI's small integer to the library's own handle.
//!
//! ```text
//!   application      table                       library
//!   MPI_COMM_WORLD   standard 0x101 -> MPICH     0x44000000
//!                                   -> Open MPI  &ompi_mpi_comm_world (dlsym)
//!                                   -> standard  0x101
//! ```
//!
//! [`Predefined`] is that table for one opened library: an array indexed by the standard's value, so a lookup is one
//! load. A handle that the library does not have is `None`; it is never a guess.

use crate::handle::{
    Comm, Datatype, Errhandler, File, Group, Info, Kind, Message, NativeDatatype, NativeHandle, Op,
    Request, Session, Win,
};
use crate::predefined_datatypes::{DATATYPES, DatatypeRow};
use crate::predefined_objects::OBJECTS;
use std::collections::HashMap;

/// A handle of the MPICH ABI and which libraries of that family have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mpich {
    /// In every library of the family.
    Always(u32),
    /// In libraries recent enough to export `MPI_Abi_get_version` (MPICH 5 and Intel MPI 2021.18 do).
    Recent(u32),
    /// In MPICH 5 and later only, not in Intel's.
    Version5(u32),
}

/// What decides which optional handles a library of the MPICH family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MpichAge {
    /// It exports `MPI_Abi_get_version`.
    pub recent: bool,
    /// It is MPICH itself, and at least version 5.
    pub version_5: bool,
}

impl Mpich {
    /// The handle in a library of that age, if it has it.
    #[must_use]
    pub fn handle(self, age: MpichAge) -> Option<u64> {
        let (handle, there) = match self {
            Self::Always(handle) => (handle, true),
            Self::Recent(handle) => (handle, age.recent),
            Self::Version5(handle) => (handle, age.recent && age.version_5),
        };
        there.then_some(u64::from(handle))
    }
}

/// The standard ABI keeps predefined handles below this value; ours stand below 0x300.
const SLOTS: usize = 0x300;

/// The predefined handles of one opened library.
#[derive(Debug)]
pub struct Predefined {
    handles: Box<[Option<u64>; SLOTS]>,
    datatypes_back: HashMap<u64, u16>,
}

impl Predefined {
    /// Builds the table by asking `native_handle(standard, mpich, open_mpi_symbol)` for each predefined object.
    pub(crate) fn build(mut native_handle: impl FnMut(u16, Mpich, &str) -> Option<u64>) -> Self {
        let mut handles = Box::new([None; SLOTS]);
        for row in OBJECTS {
            handles[usize::from(row.standard)] =
                native_handle(row.standard, row.mpich, row.open_mpi);
        }
        for row in DATATYPES {
            handles[usize::from(row.standard)] =
                native_handle(row.standard, row.mpich, row.open_mpi);
        }
        let mut table = Self {
            handles,
            datatypes_back: HashMap::new(),
        };
        table.index_datatypes();
        table
    }

    fn index_datatypes(&mut self) {
        self.datatypes_back = DATATYPES
            .iter()
            .filter_map(|row| Some((self.handles[usize::from(row.standard)]?, row.standard)))
            .collect();
    }

    /// Takes out a datatype that turned out to be unusable in this build of the library.
    pub(crate) fn remove_datatype(&mut self, standard: u16) {
        self.handles[usize::from(standard)] = None;
        self.index_datatypes();
    }

    fn typed<K: Kind>(&self, standard: u64) -> Option<NativeHandle<K>> {
        let slot = usize::try_from(standard).ok()?;
        (*self.handles.get(slot)?).map(NativeHandle::from_raw)
    }

    /// The native handle for a standard `MPI_Comm` such as 0x101, `MPI_COMM_WORLD`.
    #[must_use]
    pub fn comm(&self, standard: u64) -> Option<NativeHandle<Comm>> {
        self.typed(standard)
    }

    /// The native handle for a standard `MPI_Group`.
    #[must_use]
    pub fn group(&self, standard: u64) -> Option<NativeHandle<Group>> {
        self.typed(standard)
    }

    /// The native handle for a standard `MPI_Op`.
    #[must_use]
    pub fn op(&self, standard: u64) -> Option<NativeHandle<Op>> {
        self.typed(standard)
    }

    /// The native handle for a standard `MPI_Errhandler`. MPICH 3 has no `MPI_ERRORS_ABORT`.
    #[must_use]
    pub fn errhandler(&self, standard: u64) -> Option<NativeHandle<Errhandler>> {
        self.typed(standard)
    }

    /// The native handle for a standard `MPI_Info`.
    #[must_use]
    pub fn info(&self, standard: u64) -> Option<NativeHandle<Info>> {
        self.typed(standard)
    }

    /// The native handle for a standard `MPI_Request`, of which only the null handle is predefined.
    #[must_use]
    pub fn request(&self, standard: u64) -> Option<NativeHandle<Request>> {
        self.typed(standard)
    }

    /// The native handle for a standard `MPI_Message`.
    #[must_use]
    pub fn message(&self, standard: u64) -> Option<NativeHandle<Message>> {
        self.typed(standard)
    }

    /// The native handle for a standard `MPI_Win`, of which only the null handle is predefined.
    #[must_use]
    pub fn win(&self, standard: u64) -> Option<NativeHandle<Win>> {
        self.typed(standard)
    }

    /// The native handle for a standard `MPI_File`, of which only the null handle is predefined.
    #[must_use]
    pub fn file(&self, standard: u64) -> Option<NativeHandle<File>> {
        self.typed(standard)
    }

    /// The native handle for a standard `MPI_Session`, of which only the null handle is predefined.
    #[must_use]
    pub fn session(&self, standard: u64) -> Option<NativeHandle<Session>> {
        self.typed(standard)
    }

    /// The native handle for a standard `MPI_Datatype`, exactly: `None` if this library has no such type.
    #[must_use]
    pub fn datatype(&self, standard: u64) -> Option<NativeHandle<Datatype>> {
        self.typed(standard)
    }

    /// Like [`Predefined::datatype`], but with the type's stand-in of the same size and arithmetic where the library
    /// lacks it. `None`: not even that; a contiguous type of [`datatype_size_bytes`] bytes can still carry it.
    #[must_use]
    pub fn datatype_or_stand_in(&self, standard: u64) -> Option<NativeHandle<Datatype>> {
        self.datatype(standard).or_else(|| {
            let stand_in = datatype_row(standard)?.stand_in;
            (stand_in != 0).then(|| self.datatype(u64::from(stand_in)))?
        })
    }

    /// The standard's handle for a native predefined datatype, for instance in a user operation's callback.
    #[must_use]
    pub fn standard_datatype(&self, native: NativeDatatype) -> Option<u64> {
        self.datatypes_back
            .get(&native.raw())
            .copied()
            .map(u64::from)
    }
}

/// The row of a standard datatype handle.
#[must_use]
pub fn datatype_row(standard: u64) -> Option<&'static DatatypeRow> {
    DATATYPES
        .iter()
        .find(|row| u64::from(row.standard) == standard)
}

/// The size in bytes (`MPI_Type_size`) of the predefined datatype with this standard handle, on x86-64 Linux.
#[must_use]
pub fn datatype_size_bytes(standard: u64) -> Option<usize> {
    datatype_row(standard).map(|row| usize::from(row.size_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mpich(age: MpichAge) -> Predefined {
        Predefined::build(|_, mpich, _| mpich.handle(age))
    }

    #[test]
    fn an_old_mpich_has_stand_ins_for_new_logicals() {
        let old = mpich(MpichAge {
            recent: false,
            version_5: false,
        });
        assert_eq!(old.datatype(0x2d0), None, "MPI_LOGICAL4");
        assert_eq!(
            old.datatype_or_stand_in(0x2d0),
            old.datatype(0x250),
            "MPI_INT32_T"
        );
        assert_eq!(
            old.datatype_or_stand_in(0x2e1),
            None,
            "MPI_INTEGER16 has no equal"
        );
        let new = mpich(MpichAge {
            recent: true,
            version_5: true,
        });
        assert_eq!(
            new.datatype(0x2d0).map(NativeHandle::raw),
            Some(0x4c00_0449)
        );
    }

    #[test]
    fn stand_ins_have_the_size_of_what_they_stand_for() {
        for row in DATATYPES.iter().filter(|row| row.stand_in != 0) {
            let other =
                datatype_row(u64::from(row.stand_in)).expect("a stand-in is a predefined type");
            assert_eq!(
                row.size_bytes, other.size_bytes,
                "{} and {}",
                row.name, other.name
            );
        }
    }

    #[test]
    fn no_standard_handle_is_listed_twice() {
        let mut seen = std::collections::HashSet::new();
        for standard in DATATYPES
            .iter()
            .map(|row| row.standard)
            .chain(OBJECTS.iter().map(|row| row.standard))
        {
            assert!(seen.insert(standard), "{standard:#x}");
        }
    }
}
