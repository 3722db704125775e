//! What a function that reads or writes a file does, told by its name.
//!
//! ```text
//!   MPI_File_ i     read | write   _at             _all              _begin | _end     _c
//!             ^                    ^               _shared           ^                 ^
//!             nonblocking          explicit        _ordered          split             large count
//!                                  offset          which pointer, collective or not
//! ```

use mana_record_replay::file::File;
use mana_table::constants as mpi;
use mana_table::{FnId, Function};

use crate::error::{Call, MpiError};

/// One of those functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Writes (and does not read).
    pub writes: bool,
    /// Returns a request.
    pub nonblocking: bool,
    /// All processes of the file call it.
    pub collective: bool,
    /// Uses the shared file pointer.
    pub shared: bool,
    /// All call it, and the data lies in the file in the order of ranks (`_ordered`).
    pub ordered: bool,
}

impl Form {
    /// What a row's function does.
    pub fn of(row: &Function) -> Self {
        let name = row.name;
        let has = |part: &str| name.contains(part);
        Self {
            writes: has("write"),
            nonblocking: has("File_iread") || has("File_iwrite"),
            collective: has("_all") || has("_ordered"),
            shared: has("_shared") || has("_ordered"),
            ordered: has("_ordered"),
        }
    }

    /// Whether the file's access mode allows it.
    pub fn check(&self, file: &File) -> Call {
        if !self.shared {
            not_sequential(file.amode)?;
        }
        if self.writes {
            writable(file.amode)
        } else {
            readable(file.amode)
        }
    }
}

/// The file must have been opened for writing.
pub fn writable(amode: i32) -> Call {
    if amode & mpi::MPI_MODE_RDONLY == 0 {
        return Ok(());
    }
    Err(MpiError::new(
        mpi::MPI_ERR_READ_ONLY,
        "the file was opened with MPI_MODE_RDONLY: it cannot be written or resized",
    ))
}

/// The file must have been opened for reading.
fn readable(amode: i32) -> Call {
    if amode & mpi::MPI_MODE_WRONLY == 0 {
        return Ok(());
    }
    Err(MpiError::new(
        mpi::MPI_ERR_ACCESS,
        "the file was opened with MPI_MODE_WRONLY: it cannot be read",
    ))
}

/// Individual pointers and offsets are not for files opened with `MPI_MODE_SEQUENTIAL` (MPI-5.0 section 14.2.1).
pub fn not_sequential(amode: i32) -> Call {
    if amode & mpi::MPI_MODE_SEQUENTIAL == 0 {
        return Ok(());
    }
    Err(MpiError::new(
        mpi::MPI_ERR_UNSUPPORTED_OPERATION,
        "the file was opened with MPI_MODE_SEQUENTIAL: only the shared file pointer may be used, without seeking",
    ))
}

/// The function of this name.
pub fn named(name: &str) -> Result<FnId, MpiError> {
    FnId::by_name(name)
        .ok_or_else(|| MpiError::new(mpi::MPI_ERR_INTERN, format!("there is no function {name}")))
}

/// The nonblocking collective that a split one begins: `MPI_File_read_at_all_begin` starts `MPI_File_iread_at_all`.
pub fn starter(begin: &Function) -> Result<FnId, MpiError> {
    let plain = begin.name.replace("_begin", "");
    named(&plain.replacen("File_", "File_i", 1))
}

/// The blocking function that a split one stands for, where it is done at once.
pub fn whole(begin: &Function) -> Result<FnId, MpiError> {
    named(&begin.name.replace("_begin", ""))
}

/// The function that ends what a `_begin` function begins.
pub fn ender(begin: &Function) -> Result<FnId, MpiError> {
    let plain = begin.name.strip_suffix("_c").unwrap_or(begin.name);
    named(&plain.replace("_begin", "_end"))
}

#[cfg(test)]
mod tests {
    use mana_table::fns;

    use super::*;

    fn row(function: FnId) -> &'static Function {
        function.function().expect("it is in the table")
    }

    #[test]
    fn names_tell_what_functions_do() {
        let form = |function| Form::of(row(function));
        let plain = Form {
            writes: false,
            nonblocking: false,
            collective: false,
            shared: false,
            ordered: false,
        };
        assert_eq!(form(fns::MPI_FILE_READ), plain);
        assert_eq!(
            form(fns::MPI_FILE_IWRITE_AT_ALL_C),
            Form {
                writes: true,
                nonblocking: true,
                collective: true,
                ..plain
            }
        );
        assert_eq!(
            form(fns::MPI_FILE_READ_ORDERED_BEGIN),
            Form {
                collective: true,
                shared: true,
                ordered: true,
                ..plain
            }
        );
    }

    #[test]
    fn split_collectives_find_their_parts() {
        let begin = row(fns::MPI_FILE_WRITE_AT_ALL_BEGIN_C);
        assert_eq!(starter(begin).ok(), Some(fns::MPI_FILE_IWRITE_AT_ALL_C));
        assert_eq!(ender(begin).ok(), Some(fns::MPI_FILE_WRITE_AT_ALL_END));
        let begin = row(fns::MPI_FILE_READ_ORDERED_BEGIN);
        assert_eq!(whole(begin).ok(), Some(fns::MPI_FILE_READ_ORDERED));
        assert_eq!(ender(begin).ok(), Some(fns::MPI_FILE_READ_ORDERED_END));
    }
}
