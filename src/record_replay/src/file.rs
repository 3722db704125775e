//! Open files: what a rebuilt one must have again (MPI-5.0 chapter 14).
//!
//! ```text
//!   File   name, amode, group, gid      opened again by the group, in the order of gids
//!          view, atomicity              set again
//!          position, shared, size       asked of the MPI below while the image is written, put back at the restart
//!          split                        the split collective under way: a request, complete at every cut
//! ```

use std::ffi::CString;

use mana_drain::Gid;
use serde::{Deserialize, Serialize};

use crate::address::UpperAddress;
use crate::errhandler::ERRORS_RETURN;
use crate::group::Group;
use crate::handle::{DatatypeHandle, ErrhandlerHandle, RequestHandle, kind};
use crate::info::Info;
use crate::table::Table;

/// The handle of `MPI_BYTE`: elementary type and filetype of a file that has just been opened.
const BYTE: DatatypeHandle = DatatypeHandle::predefined(0x247);

/// How data looks in the file (MPI-5.0 section 14.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Representation {
    /// As in memory.
    #[default]
    Native,
    /// As this implementation likes it: as in memory.
    Internal,
    /// Big endian, sizes that are the same everywhere.
    External32,
}

impl Representation {
    /// Its name for `MPI_File_set_view`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Internal => "internal",
            Self::External32 => "external32",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Native, Self::Internal, Self::External32]
            .into_iter()
            .find(|one| one.name() == name)
    }
}

/// `MPI_File_set_view`. The file holds both types.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct View {
    /// Where it begins, in bytes.
    pub displacement: i64,
    /// What offsets count.
    pub etype: DatatypeHandle,
    /// Which bytes of the file are seen.
    pub filetype: DatatypeHandle,
    /// How data looks in the file.
    pub representation: Representation,
}

impl Default for View {
    /// The view of a file that has just been opened: all its bytes.
    fn default() -> Self {
        Self {
            displacement: 0,
            etype: BYTE,
            filetype: BYTE,
            representation: Representation::Native,
        }
    }
}

/// A split collective under way: begun, not ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Split {
    /// Slot number of the `…_end` function that ends it.
    pub ended_by: u16,
    /// What does the work; the application does not know it.
    pub request: RequestHandle,
}

/// An open file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct File {
    /// `MPI_File_set_errhandler`; the file holds it.
    pub errhandler: ErrhandlerHandle,
    /// The same number on all processes that have it open.
    pub gid: Gid,
    /// Those processes.
    pub group: Group,
    /// The name, absolute.
    pub name: CString,
    /// The access mode, in the standard ABI's bits.
    pub amode: i32,
    /// The hints given.
    pub info: Info,
    /// The view.
    pub view: View,
    /// `MPI_File_set_atomicity`.
    pub atomic: bool,
    /// Whether this process has used the shared file pointer.
    pub uses_shared_pointer: bool,
    /// The split collective under way.
    pub split: Option<Split>,
    /// As of the last image: individual file pointer, in etypes.
    pub position: Option<i64>,
    /// As of the last image: shared file pointer, in etypes, if it was used.
    pub shared_position: Option<i64>,
    /// As of the last image: size in bytes.
    pub size_bytes: Option<i64>,
}

/// A data representation that the application registered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UserRepresentation {
    /// Its name.
    pub name: CString,
    /// From the file to memory; 0: no conversion.
    pub read: UpperAddress,
    /// From memory to the file; 0: no conversion.
    pub write: UpperAddress,
    /// A datatype's extent in the file.
    pub extent: UpperAddress,
    /// What the functions are given.
    pub extra_state: u64,
    /// Whether the conversions take `MPI_Count`s.
    pub large: bool,
}

/// The open files of a rank, and the error handler that new ones get: that of MPI_FILE_NULL.
#[derive(Debug, Serialize, Deserialize)]
pub struct Files {
    /// The open files.
    pub table: Table<kind::File, File>,
    /// What `MPI_File_set_errhandler(MPI_FILE_NULL)` set.
    pub errhandler: ErrhandlerHandle,
    /// `MPI_Register_datarep`.
    #[serde(default)]
    pub representations: Vec<UserRepresentation>,
}

impl Default for Files {
    /// No file; errors of files are returned (MPI-5.0 section 14.7).
    fn default() -> Self {
        Self {
            table: Table::default(),
            errhandler: ERRORS_RETURN,
            representations: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn representations_are_found_by_name() {
        for one in [
            Representation::Native,
            Representation::Internal,
            Representation::External32,
        ] {
            assert_eq!(Representation::named(one.name()), Some(one));
        }
        assert_eq!(Representation::named("NATIVE"), None);
        assert_eq!(Representation::named(""), None);
    }
}
