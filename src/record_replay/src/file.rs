//! Open files: what a rebuilt one must have again (MPI-5.0 chapter 14).

use serde::{Deserialize, Serialize};

use crate::errhandler::ERRORS_RETURN;
use crate::handle::{ErrhandlerHandle, kind};
use crate::table::Table;

/// An open file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct File {
    /// `MPI_File_set_errhandler`; the file holds it.
    pub errhandler: ErrhandlerHandle,
}

/// The open files of a rank, and the error handler that new ones get: that of MPI_FILE_NULL.
#[derive(Debug, Serialize, Deserialize)]
pub struct Files {
    /// The open files.
    pub table: Table<kind::File, File>,
    /// What `MPI_File_set_errhandler(MPI_FILE_NULL)` set.
    pub errhandler: ErrhandlerHandle,
}

impl Default for Files {
    /// No file; errors of files are returned (MPI-5.0 section 14.7).
    fn default() -> Self {
        Self {
            table: Table::default(),
            errhandler: ERRORS_RETURN,
        }
    }
}
