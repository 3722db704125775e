//! Files: opening, closing and deleting (MPI-5.0 section 14.2).
//!
//! ```text
//!   name, access mode -> gate of the communicator -> native open -> descriptor, clock of the file
//!   close             -> gate of the file         -> native close
//! ```

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use mana_drain::Start;
use mana_native::Native;
use mana_record_replay::file::{File, View};
use mana_table::constants as mpi;
use mana_table::fns;

use super::comm::intra_arg;
use super::file::hints_of;
use crate::args::Args;
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::native_info::Scratch;
use crate::publish::CommSlot;
use crate::{cut, file_rebuild, files, native_call};

/// The access mode in argument `i` (MPI-5.0 section 14.2.1).
fn amode_arg(a: &Args<'_>, i: usize) -> Result<i32, MpiError> {
    let amode = a.int(i);
    let refuse =
        |reason: &str| MpiError::new(mpi::MPI_ERR_AMODE, format!("access mode {amode}: {reason}"));
    let has = |bits: i32| amode & bits != 0;
    let ways = [
        mpi::MPI_MODE_RDONLY,
        mpi::MPI_MODE_RDWR,
        mpi::MPI_MODE_WRONLY,
    ];
    let known = ways.iter().sum::<i32>()
        | mpi::MPI_MODE_CREATE
        | mpi::MPI_MODE_EXCL
        | mpi::MPI_MODE_DELETE_ON_CLOSE
        | mpi::MPI_MODE_UNIQUE_OPEN
        | mpi::MPI_MODE_SEQUENTIAL
        | mpi::MPI_MODE_APPEND;
    if has(!known) {
        return Err(refuse("it has bits that mean nothing"));
    }
    if ways.iter().filter(|way| has(**way)).count() != 1 {
        return Err(refuse(
            "exactly one of MPI_MODE_RDONLY, MPI_MODE_RDWR and MPI_MODE_WRONLY must be given",
        ));
    }
    if has(mpi::MPI_MODE_RDONLY) && has(mpi::MPI_MODE_CREATE | mpi::MPI_MODE_EXCL) {
        return Err(refuse(
            "MPI_MODE_CREATE and MPI_MODE_EXCL do not go with MPI_MODE_RDONLY",
        ));
    }
    if has(mpi::MPI_MODE_RDWR) && has(mpi::MPI_MODE_SEQUENTIAL) {
        return Err(refuse("MPI_MODE_SEQUENTIAL does not go with MPI_MODE_RDWR"));
    }
    Ok(amode)
}

/// The name in argument `i`, absolute: a restart may begin in another directory. A file system's prefix stays in front.
fn name_arg(a: &Args<'_>, i: usize) -> Result<CString, MpiError> {
    let given = a.c_string(i);
    if given.is_empty() {
        return Err(MpiError::new(
            mpi::MPI_ERR_BAD_FILE,
            "the name of the file is empty",
        ));
    }
    let (prefix, path) = split_prefix(given.to_bytes());
    let path = std::path::absolute(OsStr::from_bytes(path)).map_err(|error| {
        MpiError::new(
            mpi::MPI_ERR_BAD_FILE,
            format!("{}: {error}", given.to_string_lossy()),
        )
    })?;
    let whole = [prefix, path.as_os_str().as_bytes()].concat();
    CString::new(whole).map_err(|error| MpiError::new(mpi::MPI_ERR_BAD_FILE, error.to_string()))
}

/// With `MPI_MODE_EXCL` the file must not exist yet. The first process looks, and tells the others: MPICH 5 and Intel MPI
/// fail on all of them, but know why on the first only.
fn check_new(library: &Native, comm: &CommSlot, name: &CStr, amode: i32) -> Call {
    const NEW: i32 = mpi::MPI_MODE_CREATE | mpi::MPI_MODE_EXCL;
    if amode & NEW != NEW {
        return Ok(());
    }
    let path = OsStr::from_bytes(split_prefix(name.to_bytes()).1);
    let mut exists = u64::from(Path::new(path).symlink_metadata().is_ok());
    let predefined = library.predefined();
    let int32 = predefined.datatype(mpi::MPI_INT32_T);
    let words = [
        native_call::out(&mut exists),
        1,
        int32.map_or(0, |int32| int32.raw()),
        0,
        comm.native(),
    ];
    native_call::call(library, fns::MPI_BCAST, &words)?;
    if exists == 0 {
        return Ok(());
    }
    Err(MpiError::new(
        mpi::MPI_ERR_FILE_EXISTS,
        format!(
            "{} exists, and MPI_MODE_EXCL asks for a new file",
            name.to_string_lossy()
        ),
    ))
}

/// Parts a name into a file system's prefix (`ufs:`), which the library below may know, and the path.
fn split_prefix(name: &[u8]) -> (&[u8], &[u8]) {
    let colon = name.iter().position(|byte| *byte == b':').filter(|at| {
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric();
        *at > 1 && name[..*at].iter().all(is_name)
    });
    name.split_at(colon.map_or(0, |at| at + 1))
}

/// `MPI_File_open(comm, filename, amode, info, fh)`.
pub fn file_open(a: &mut Args<'_>) -> Call {
    let library = native()?;
    let comm = intra_arg(a, 0)?;
    let name = name_arg(a, 1)?;
    let amode = amode_arg(a, 2)?;
    let info = hints_of(a, 3)?;
    cut::enter_collective(a, comm, Start::Blocking)?;
    let (gid, group) = {
        let mut state = state();
        let ordinal = state.comms.next_ordinal(comm.gid());
        let group = state.comms.get(a.raw(0))?.local.clone();
        let first = group.iter().next().map_or(0, |rank| rank.0);
        (comm.gid().child(ordinal, u64::from(first)), group)
    };
    check_new(library, comm, &name, amode)?;
    let below = file_rebuild::open(library, comm.native(), &name, amode, &info)?;
    let members = group.size();
    let handle = {
        let mut state = state();
        let errhandler = state.files.errhandler;
        state.objects.hold_errhandler(errhandler)?;
        let handle = state.files.table.insert(File {
            errhandler,
            gid,
            group,
            name,
            amode,
            info,
            view: View::default(),
            atomic: false,
            // Opened at the end, it stands there.
            uses_shared_pointer: amode & mpi::MPI_MODE_APPEND != 0,
            split: None,
            position: None,
            shared_position: None,
            size_bytes: None,
        })?;
        state.origins.derive(u64::from(handle.word()), a.raw(0));
        handle
    };
    files::connect(handle, gid, members, below)?;
    a.set_handle(4, u64::from(handle.word()));
    Ok(())
}

/// `MPI_File_close(fh)`: below it deletes the file where `MPI_MODE_DELETE_ON_CLOSE` says so.
pub fn file_close(a: &mut Args<'_>) -> Call {
    let handle = files::valid(a.handle_at(0, 0))?;
    files::enter_alone(a, handle, Start::Blocking)?;
    let mut below = files::native_file(handle)?;
    native_call::call(
        native()?,
        fns::MPI_FILE_CLOSE,
        &[native_call::out(&mut below)],
    )?;
    files::forget(handle);
    a.set_handle(0, mpi::MPI_FILE_NULL);
    Ok(())
}

/// `MPI_File_delete(filename, info)`.
pub fn file_delete(a: &mut Args<'_>) -> Call {
    let name = name_arg(a, 0)?;
    let info = Scratch::new(native()?, &hints_of(a, 1)?)?;
    let words = [name.as_ptr() as u64, info.handle()];
    native_call::call(native()?, fns::MPI_FILE_DELETE, &words)
}

#[cfg(test)]
mod tests {
    use super::split_prefix;

    #[test]
    fn only_a_word_before_a_colon_is_a_prefix() {
        assert_eq!(split_prefix(b"ufs:a/b"), (&b"ufs:"[..], &b"a/b"[..]));
        assert_eq!(split_prefix(b"a/b:c"), (&b""[..], &b"a/b:c"[..]));
        assert_eq!(split_prefix(b"plain"), (&b""[..], &b"plain"[..]));
    }
}
