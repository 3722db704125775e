//! File pointers: where the next access begins (MPI-5.0 sections 14.4.3 and 14.4.4). They are kept below, and put
//! into the image by [`crate::files::note_positions`].

use mana_drain::Start;
use mana_native::{int, values};
use mana_record_replay::handle::FileHandle;
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use crate::args::Args;
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::{file_form, files, native_call};

/// The file in argument 0, which must allow individual pointers and offsets.
pub(super) fn seekable(a: &Args<'_>) -> Result<FileHandle, MpiError> {
    let handle = files::file_arg(a, 0)?;
    file_form::not_sequential(state().files.table.require(handle)?.amode)?;
    Ok(handle)
}

/// The native arguments of a seek, `(fh, offset, whence)`; `position` asks where the pointer is now.
fn seek_arguments(a: &Args<'_>, handle: FileHandle, position: FnId) -> Result<[u64; 3], MpiError> {
    let (offset, whence) = (a.count(1), a.int(2));
    let library = native()?;
    let below = library.to_native(&values::SEEKS, whence).ok_or_else(|| {
        MpiError::argument(format!(
            "whence {whence} is none of MPI_SEEK_SET, MPI_SEEK_CUR and MPI_SEEK_END"
        ))
    })?;
    let file = files::native_file(handle)?;
    let from = match whence {
        mpi::MPI_SEEK_SET => 0,
        mpi::MPI_SEEK_CUR => files::ask_offset(file, position)?,
        // How many etypes there are is for the library to say.
        _ => i64::MAX,
    };
    if from.checked_add(offset).is_some_and(|to| to < 0) {
        return Err(MpiError::argument(format!(
            "offset {offset} leads to before the beginning of the view"
        )));
    }
    Ok([file, offset as u64, int(below)])
}

/// `MPI_File_seek(fh, offset, whence)`.
pub fn file_seek(a: &mut Args<'_>) -> Call {
    let handle = seekable(a)?;
    let words = seek_arguments(a, handle, fns::MPI_FILE_GET_POSITION)?;
    native_call::call(native()?, fns::MPI_FILE_SEEK, &words)
}

/// `MPI_File_seek_shared(fh, offset, whence)`.
pub fn file_seek_shared(a: &mut Args<'_>) -> Call {
    let handle = seekable(a)?;
    let words = seek_arguments(a, handle, fns::MPI_FILE_GET_POSITION_SHARED)?;
    files::enter_alone(a, handle, Start::Blocking)?;
    state().files.table.require_mut(handle)?.uses_shared_pointer = true;
    native_call::call(native()?, fns::MPI_FILE_SEEK_SHARED, &words)
}

/// `MPI_File_get_position(fh, offset)`.
pub fn file_get_position(a: &mut Args<'_>) -> Call {
    let file = files::native_file(seekable(a)?)?;
    let position = files::ask_offset(file, fns::MPI_FILE_GET_POSITION)?;
    a.set_int(1, position);
    Ok(())
}

/// `MPI_File_get_position_shared(fh, offset)`.
pub fn file_get_position_shared(a: &mut Args<'_>) -> Call {
    let file = files::native_file(files::file_arg(a, 0)?)?;
    let position = files::ask_offset(file, fns::MPI_FILE_GET_POSITION_SHARED)?;
    a.set_int(1, position);
    Ok(())
}
