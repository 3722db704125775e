//! Open files in the engine: the descriptors that survive, and what each has below.
//!
//! ```text
//!   upper handle -> File (name, amode, group, view, pointers …)    saved, in `State::files`
//!                -> Below (native handle, clock)                    made anew by every lower half
//! ```
//!
//! The MPI library below does the input and output. A collective operation passes the gate of the file's own clock first,
//! as a collective on a communicator does. What the library alone knows (pointers, size) is asked of it while the image
//! is written: by local calls, since every thread of the job is parked then.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use mana_drain::Gid;
use mana_drain::{ClockId, Start};
use mana_record_replay::file::File;
use mana_record_replay::handle::FileHandle;
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use crate::args::Args;
use crate::engine::{State, native, state};
use crate::error::{Call, MpiError};
use crate::{cut, datatypes, native_call, publish};

/// What a file has in this lower half.
#[derive(Debug, Clone, Copy)]
pub struct Below {
    /// The native handle.
    pub native: u64,
    clock: ClockId,
}

/// By upper handle. Behind a lock of its own, under which nothing else is called.
static BELOW: LazyLock<RwLock<HashMap<u32, Below>>> = LazyLock::new(RwLock::default);

/// The file in argument `i`.
pub fn file_arg(a: &Args<'_>, i: usize) -> Result<FileHandle, MpiError> {
    valid(a.raw(i))
}

/// The handle in an argument word, which must be that of an open file.
pub fn valid(word: u64) -> Result<FileHandle, MpiError> {
    let handle = FileHandle::from_word(word)?;
    state().files.table.require(handle)?;
    Ok(handle)
}

/// The native handle of a file.
pub fn native_file(handle: FileHandle) -> Result<u64, MpiError> {
    below(handle).map(|below| below.native)
}

fn below(handle: FileHandle) -> Result<Below, MpiError> {
    let all = BELOW.read().unwrap_or_else(PoisonError::into_inner);
    all.get(&handle.word())
        .copied()
        .ok_or_else(|| MpiError::bad_handle(mpi::MPI_ERR_FILE, "file", u64::from(handle.word())))
}

/// Connects a described file with its native handle, and gives it its clock.
pub fn connect(handle: FileHandle, gid: Gid, members: u32, native: u64) -> Call {
    let clock = cut::register_clock(gid, members)?;
    let mut all = BELOW.write().unwrap_or_else(PoisonError::into_inner);
    all.insert(handle.word(), Below { native, clock });
    Ok(())
}

/// Takes a closed file out of the tables, and what it held.
pub fn forget(handle: FileHandle) {
    let gone = {
        let mut all = BELOW.write().unwrap_or_else(PoisonError::into_inner);
        all.remove(&handle.word())
    };
    if let Some(below) = gone {
        cut::retire_clock(below.clock);
    }
    let mut state = state();
    state.origins.forget(u64::from(handle.word()));
    if let Some(file) = state.files.table.remove(handle) {
        state.objects.errhandlers.release(file.errhandler);
        state.release_view_types(&file);
    }
}

impl State {
    /// The types of a file's view are not used by it any more.
    pub fn release_view_types(&mut self, file: &File) {
        for datatype in [file.view.etype, file.view.filetype] {
            datatypes::forget(&self.objects.datatypes.release(datatype));
        }
    }
}

/// Passes the gate before a collective operation on a file and counts it; a safe point while a checkpoint comes up.
pub fn enter(a: &mut Args<'_>, handle: FileHandle, start: Start) -> Call {
    let clock = below(handle)?.clock;
    let world = publish::world().ok_or_else(|| {
        MpiError::new(
            mpi::MPI_ERR_OTHER,
            "called before MPI_Init or after MPI_Finalize",
        )
    })?;
    cut::enter_clock(a, clock, world, start)
}

/// As [`enter`], for an operation that must not meet a split collective (MPI-5.0 section 14.4.5).
pub fn enter_alone(a: &mut Args<'_>, handle: FileHandle, start: Start) -> Call {
    not_split(handle)?;
    enter(a, handle, start)
}

/// No split collective may be under way.
pub fn not_split(handle: FileHandle) -> Call {
    match state().files.table.require(handle)?.split {
        None => Ok(()),
        Some(split) => Err(MpiError::new(
            mpi::MPI_ERR_OTHER,
            format!(
                "a split collective is under way on this file; call {} first",
                FnId(split.ended_by).name()
            ),
        )),
    }
}

/// A 64-bit number that the library tells of a file: `function(fh, MPI_Offset *)`.
pub fn ask_offset(file: u64, function: FnId) -> Result<i64, MpiError> {
    let mut value = 0_u64;
    native_call::call(native()?, function, &[file, native_call::out(&mut value)])?;
    Ok(value as i64)
}

/// Notes in the descriptors what only the library knows, for the image that is about to be written.
pub fn note_positions() -> Call {
    let open: Vec<_> = {
        let state = state();
        let table = &state.files.table;
        table
            .iter()
            .map(|(handle, file)| (handle, file.amode, file.uses_shared_pointer))
            .collect()
    };
    for (handle, amode, uses_shared_pointer) in open {
        let file = native_file(handle)?;
        let is_sequential = amode & mpi::MPI_MODE_SEQUENTIAL != 0;
        let ask = |wanted: bool, function| wanted.then(|| ask_offset(file, function)).transpose();
        let position = ask(!is_sequential, fns::MPI_FILE_GET_POSITION)?;
        let shared_position = ask(uses_shared_pointer, fns::MPI_FILE_GET_POSITION_SHARED)?;
        let size_bytes = ask(true, fns::MPI_FILE_GET_SIZE)?;
        if let Some(file) = state().files.table.get_mut(handle) {
            file.position = position;
            file.shared_position = shared_position;
            file.size_bytes = size_bytes;
        }
    }
    Ok(())
}
