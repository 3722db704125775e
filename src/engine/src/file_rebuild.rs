//! Opening files again, at a restart.
//!
//! ```text
//!   files in the order of their gids (a total order, so no two groups wait for each other):
//!     communicator of the group -> MPI_File_open, without MPI_MODE_CREATE, _EXCL, _APPEND
//!   when all are open:
//!     cut to its size at the checkpoint, if asked -> view -> atomicity -> individual pointer -> shared pointer
//! ```
//!
//! *Why the size.* What lies beyond was written after the checkpoint, and will be written again. A program that asks for the
//! size, or seeks to the end, finds what it found the first time only if it is cut off; but only the user knows that nobody
//! else wrote it (`MANA_FILES=cut`).

use std::ffi::CStr;

use mana_descriptors::FilePolicy;
use mana_native::{Native, int, values};
use mana_record_replay::file::{File, View};
use mana_record_replay::handle::FileHandle;
use mana_record_replay::info::Info;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::engine::{settings, state};
use crate::error::{Call, MpiError};
use crate::native_info::Scratch;
use crate::{file_view, files, native_call, rebuild};

/// Opens a file below.
pub fn open(
    native: &'static Native,
    comm: u64,
    name: &CStr,
    amode: i32,
    hints: &Info,
) -> Result<u64, MpiError> {
    // Sequential access is watched over up here: below, the pointers must be movable after a restart.
    let mode = amode & !mpi::MPI_MODE_SEQUENTIAL;
    let mode = values::FILE_MODES
        .mask_to_native(native.family(), mode)
        .ok_or_else(|| {
            MpiError::new(
                mpi::MPI_ERR_AMODE,
                format!("access mode {amode:#x} has bits that mean nothing"),
            )
        })?;
    let hints = Scratch::new(native, hints)?;
    let mut file = 0_u64;
    let words = [
        comm,
        name.as_ptr() as u64,
        int(mode),
        hints.handle(),
        native_call::out(&mut file),
    ];
    native_call::call(native, fns::MPI_FILE_OPEN, &words).map_err(|error| {
        MpiError::new(
            error.class,
            format!("{}: {}", name.to_string_lossy(), error.message),
        )
    })?;
    Ok(file)
}

/// A file that is open again, and the communicator of its group.
struct Reopened {
    handle: FileHandle,
    file: File,
    below: u64,
    comm: u64,
}

/// Opens all files of the descriptors again. None is changed before all are there.
pub fn rebuild(native: &'static Native) -> Call {
    let mut saved: Vec<(FileHandle, File)> = {
        let state = state();
        let table = &state.files.table;
        table
            .iter()
            .map(|(handle, file)| (handle, file.clone()))
            .collect()
    };
    saved.sort_unstable_by_key(|(_, file)| file.gid);
    let reopened = saved
        .into_iter()
        .map(|(handle, file)| reopen(native, handle, file))
        .collect::<Result<Vec<_>, _>>()?;
    for one in reopened {
        settle(native, &one)?;
        let (gid, members) = (one.file.gid, one.file.group.size());
        files::connect(one.handle, gid, members, one.below)?;
        let mut comm = one.comm;
        native_call::call(native, fns::MPI_COMM_FREE, &[native_call::out(&mut comm)])?;
    }
    Ok(())
}

/// Opens one file again; collective over its group.
fn reopen(native: &'static Native, handle: FileHandle, file: File) -> Result<Reopened, MpiError> {
    const ONCE: i32 = mpi::MPI_MODE_CREATE | mpi::MPI_MODE_EXCL | mpi::MPI_MODE_APPEND;
    let comm = rebuild::create_group(native, &file.group)?;
    let below = open(native, comm, &file.name, file.amode & !ONCE, &file.info)?;
    Ok(Reopened {
        handle,
        file,
        below,
        comm,
    })
}

/// Gives a file its size, view, atomicity and pointers again; collective over its group.
fn settle(native: &'static Native, one: &Reopened) -> Call {
    let Reopened {
        file, below, comm, ..
    } = one;
    restore_size(native, *comm, *below, file)?;
    if is_any(native, *comm, file.view != View::default())? {
        file_view::install(native, *below, &file.view, &file.info)?;
    }
    if file.atomic {
        native_call::call(native, fns::MPI_FILE_SET_ATOMICITY, &[*below, 1])?;
    }
    if let Some(position) = file.position {
        seek(native, *below, fns::MPI_FILE_SEEK, position)?;
    }
    // Some processes may not have touched the shared pointer: all seek to what the others know.
    let shared = highest(native, *comm, file.shared_position.unwrap_or(-1))?;
    if shared >= 0 {
        seek(native, *below, fns::MPI_FILE_SEEK_SHARED, shared)?;
    }
    Ok(())
}

/// `MPI_File_seek` or `MPI_File_seek_shared` to etype number `position`.
fn seek(native: &Native, file: u64, function: mana_table::FnId, position: i64) -> Call {
    let whence = native.to_native(&values::SEEKS, mpi::MPI_SEEK_SET);
    let words = [file, position as u64, int(whence.unwrap_or(0))];
    native_call::call(native, function, &words)
}

/// Cuts a file that has grown since the checkpoint, if that was asked for; warns of one that has shrunk.
fn restore_size(native: &Native, comm: u64, below: u64, file: &File) -> Call {
    let saved = highest(native, comm, file.size_bytes.unwrap_or(-1))?;
    let found = highest(
        native,
        comm,
        files::ask_offset(below, fns::MPI_FILE_GET_SIZE)?,
    )?;
    if saved < 0 || found == saved {
        return Ok(());
    }
    if found < saved {
        tracing::warn!(
            "{} is {found} bytes long, but was {saved} at the checkpoint: data is missing",
            file.name.to_string_lossy()
        );
        return Ok(());
    }
    if file.amode & mpi::MPI_MODE_RDONLY != 0 {
        return Ok(());
    }
    if settings().files != FilePolicy::Cut {
        tracing::warn!(
            "{} is {found} bytes long, and was {saved} at the checkpoint; MANA_FILES=cut at the restart cuts off what was \
             written later",
            file.name.to_string_lossy()
        );
        return Ok(());
    }
    native_call::call(native, fns::MPI_FILE_SET_SIZE, &[below, saved as u64])
}

/// Whether it is so on any process of a communicator.
fn is_any(native: &Native, comm: u64, mine: bool) -> Result<bool, MpiError> {
    Ok(highest(native, comm, i64::from(mine))? > 0)
}

/// The highest of the values of a communicator's processes.
fn highest(native: &Native, comm: u64, mine: i64) -> Result<i64, MpiError> {
    let predefined = native.predefined();
    let mut all = 0_u64;
    let mine = [mine];
    let words = [
        mine.as_ptr() as u64,
        native_call::out(&mut all),
        1,
        predefined
            .datatype(mpi::MPI_INT64_T)
            .map_or(0, |datatype| datatype.raw()),
        predefined.op(mpi::MPI_MAX).map_or(0, |op| op.raw()),
        comm,
    ];
    native_call::call(native, fns::MPI_ALLREDUCE, &words)?;
    Ok(all as i64)
}
