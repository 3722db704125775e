//! Files: what there is to know and set of an open one (MPI-5.0 sections 14.2 and 14.6).
//!
//! ```text
//!   told by the descriptor   group, access mode, atomicity
//!   asked of the library     size, hints in use
//!   collective               sizes, hints, atomicity, sync: gate of the file -> native call -> descriptor
//! ```

use mana_drain::Start;
use mana_record_replay::handle::FileHandle;
use mana_record_replay::info::Info;
use mana_table::{FnId, fns};

use super::group::hand_out_group;
use super::info::{hints, tell_memory_kinds};
use crate::args::Args;
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::native_info::{self, Scratch};
use crate::{file_form, files, native_call};

/// The hints of the info object in argument `i`.
pub fn hints_of(a: &Args<'_>, i: usize) -> Result<Info, MpiError> {
    hints(&state(), a.raw(i))
}

/// A collective call below that takes the file and a number.
fn set_number(a: &mut Args<'_>, function: FnId, handle: FileHandle, number: u64) -> Call {
    files::enter_alone(a, handle, Start::Blocking)?;
    let words = [files::native_file(handle)?, number];
    native_call::call(native()?, function, &words)
}

/// The size in argument 1 of a call that resizes the file.
fn resize(a: &mut Args<'_>, function: FnId) -> Call {
    let handle = files::file_arg(a, 0)?;
    let size = a.count(1);
    if size < 0 {
        return Err(MpiError::argument(format!("size {size} is negative")));
    }
    let amode = state().files.table.require(handle)?.amode;
    file_form::writable(amode)?;
    file_form::not_sequential(amode)?;
    set_number(a, function, handle, size as u64)
}

/// `MPI_File_set_size(fh, size)`.
pub fn file_set_size(a: &mut Args<'_>) -> Call {
    resize(a, fns::MPI_FILE_SET_SIZE)
}

/// `MPI_File_preallocate(fh, size)`.
pub fn file_preallocate(a: &mut Args<'_>) -> Call {
    resize(a, fns::MPI_FILE_PREALLOCATE)
}

/// `MPI_File_get_size(fh, size)`.
pub fn file_get_size(a: &mut Args<'_>) -> Call {
    let file = files::native_file(files::file_arg(a, 0)?)?;
    let size = files::ask_offset(file, fns::MPI_FILE_GET_SIZE)?;
    a.set_int(1, size);
    Ok(())
}

/// `MPI_File_get_group(fh, group)`.
pub fn file_get_group(a: &mut Args<'_>) -> Call {
    let handle = files::file_arg(a, 0)?;
    let group = state().files.table.require(handle)?.group.clone();
    hand_out_group(a, 1, group)
}

/// `MPI_File_get_amode(fh, amode)`.
pub fn file_get_amode(a: &mut Args<'_>) -> Call {
    let handle = files::file_arg(a, 0)?;
    let amode = state().files.table.require(handle)?.amode;
    a.set_int(1, i64::from(amode));
    Ok(())
}

/// `MPI_File_set_info(fh, info)`: the library below may use some of the hints.
pub fn file_set_info(a: &mut Args<'_>) -> Call {
    let handle = files::file_arg(a, 0)?;
    let info = hints_of(a, 1)?;
    files::enter_alone(a, handle, Start::Blocking)?;
    let library = native()?;
    let below = Scratch::made(library, &info)?;
    let words = [files::native_file(handle)?, below.handle()];
    native_call::call(library, fns::MPI_FILE_SET_INFO, &words)?;
    add_hints(handle, &info)
}

/// Remembers hints, in addition to those given before.
pub fn add_hints(handle: FileHandle, given: &Info) -> Call {
    let mut state = state();
    let info = &mut state.files.table.require_mut(handle)?.info;
    for (key, value) in given.iter() {
        info.set(key, value)?;
    }
    Ok(())
}

/// `MPI_File_get_info(fh, info_used)`: what the library below uses.
pub fn file_get_info(a: &mut Args<'_>) -> Call {
    let file = files::native_file(files::file_arg(a, 0)?)?;
    let library = native()?;
    let mut below = 0_u64;
    native_call::call(
        library,
        fns::MPI_FILE_GET_INFO,
        &[file, native_call::out(&mut below)],
    )?;
    let mut info = native_info::read(library, below)?;
    tell_memory_kinds(&mut info)?;
    let handle = state().objects.infos.insert(info)?;
    a.set_handle(1, u64::from(handle.word()));
    Ok(())
}

/// `MPI_File_set_atomicity(fh, flag)`.
pub fn file_set_atomicity(a: &mut Args<'_>) -> Call {
    let handle = files::file_arg(a, 0)?;
    let atomic = a.int(1) != 0;
    set_number(a, fns::MPI_FILE_SET_ATOMICITY, handle, u64::from(atomic))?;
    state().files.table.require_mut(handle)?.atomic = atomic;
    Ok(())
}

/// `MPI_File_get_atomicity(fh, flag)`.
pub fn file_get_atomicity(a: &mut Args<'_>) -> Call {
    let handle = files::file_arg(a, 0)?;
    let atomic = state().files.table.require(handle)?.atomic;
    a.set_flag(1, atomic);
    Ok(())
}

/// `MPI_File_sync(fh)`.
pub fn file_sync(a: &mut Args<'_>) -> Call {
    let handle = files::file_arg(a, 0)?;
    files::enter_alone(a, handle, Start::Blocking)?;
    let words = [files::native_file(handle)?];
    native_call::call(native()?, fns::MPI_FILE_SYNC, &words)
}
