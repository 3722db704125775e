//! Views and data representations of files (MPI-5.0 sections 14.3 and 14.5).
//!
//! ```text
//!   native, internal   as in memory: "native" below
//!   external32         converted up here, bytes below (see `file_external`)
//!   a registered one   kept by name; no MPI below converts by the application's functions, and neither do we
//! ```

use mana_drain::Start;
use mana_record_replay::address::UpperAddress;
use mana_record_replay::file::{Representation, UserRepresentation, View};
use mana_record_replay::handle::{DatatypeHandle, FileHandle};
use mana_table::constants as mpi;
use mana_table::fns;

use super::datatype::type_arg;
use super::file::add_hints;
use super::file_pointer::seekable;
use super::info::hints;
use crate::args::Args;
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::{file_view, files, p2p};

/// The data representation that argument `i` names.
fn representation_arg(a: &Args<'_>, i: usize) -> Result<Representation, MpiError> {
    let name = a.c_string(i);
    if let Some(known) = name.to_str().ok().and_then(Representation::named) {
        return Ok(known);
    }
    let is_registered = state()
        .files
        .representations
        .iter()
        .any(|one| one.name == name);
    let reason = if is_registered {
        "is registered, but files cannot be converted by the program's functions"
    } else {
        "is not known"
    };
    Err(MpiError::new(
        mpi::MPI_ERR_UNSUPPORTED_DATAREP,
        format!("data representation {name:?} {reason}"),
    ))
}

/// A committed datatype in argument `i`.
fn committed_arg(a: &Args<'_>, i: usize) -> Result<DatatypeHandle, MpiError> {
    let datatype = type_arg(a, i)?;
    p2p::datatype(a.raw(i))?;
    Ok(datatype)
}

/// The filetype must be made of whole etypes, in places that do not precede the view.
fn check_filetype(view: &View) -> Call {
    let state = state();
    let layout = |datatype| state.objects.datatypes.layout(datatype);
    let (etype, filetype) = (layout(view.etype)?, layout(view.filetype)?);
    let unit = etype.size_bytes();
    if unit > 0 && filetype.size_bytes() % unit != 0 {
        return Err(MpiError::argument(format!(
            "the filetype's {} bytes are no multiple of the etype's {unit}",
            filetype.size_bytes()
        )));
    }
    if filetype.true_lb() < 0 {
        return Err(MpiError::new(
            mpi::MPI_ERR_IO,
            "the filetype has a negative displacement",
        ));
    }
    Ok(())
}

/// The displacement in argument 1. `MPI_DISPLACEMENT_CURRENT` is where the shared file pointer is.
fn displacement_arg(a: &Args<'_>, handle: FileHandle) -> Result<i64, MpiError> {
    let displacement = a.count(1);
    let (amode, view) = {
        let state = state();
        let file = state.files.table.require(handle)?;
        (file.amode, file.view)
    };
    let is_sequential = amode & mpi::MPI_MODE_SEQUENTIAL != 0;
    let is_current = displacement == mpi::MPI_DISPLACEMENT_CURRENT;
    if is_current != is_sequential {
        return Err(MpiError::argument(format!(
            "displacement {displacement}: MPI_DISPLACEMENT_CURRENT is for files opened with MPI_MODE_SEQUENTIAL, and the \
             only one for them"
        )));
    }
    if is_current {
        let file = files::native_file(handle)?;
        let pointer = files::ask_offset(file, fns::MPI_FILE_GET_POSITION_SHARED)?;
        return file_view::byte_offset(&view, pointer);
    }
    if displacement < 0 {
        return Err(MpiError::argument(format!(
            "displacement {displacement} is negative"
        )));
    }
    Ok(displacement)
}

/// `MPI_File_set_view(fh, disp, etype, filetype, datarep, info)`.
pub fn file_set_view(a: &mut Args<'_>) -> Call {
    let handle = files::file_arg(a, 0)?;
    let mut view = View {
        displacement: 0,
        etype: committed_arg(a, 2)?,
        filetype: committed_arg(a, 3)?,
        representation: representation_arg(a, 4)?,
    };
    check_filetype(&view)?;
    displacement_arg(a, handle)?;
    let info = hints(&state(), a.raw(5))?;
    files::enter_alone(a, handle, Start::Blocking)?;
    // All are here, so nobody moves the shared file pointer any more.
    view.displacement = displacement_arg(a, handle)?;
    file_view::install(native()?, files::native_file(handle)?, &view, &info)?;
    let mut state = state();
    for datatype in [view.etype, view.filetype] {
        state.objects.datatypes.hold(datatype)?;
    }
    let before = state.files.table.require(handle)?.clone();
    state.release_view_types(&before);
    state.files.table.require_mut(handle)?.view = view;
    drop(state);
    add_hints(handle, &info)
}

/// `MPI_File_get_view(fh, disp, etype, filetype, datarep)`: the application frees the derived types it is given.
pub fn file_get_view(a: &mut Args<'_>) -> Call {
    let handle = files::file_arg(a, 0)?;
    let view = {
        let mut state = state();
        let view = state.files.table.require(handle)?.view;
        for datatype in [view.etype, view.filetype] {
            state.objects.datatypes.add_user_reference(datatype)?;
        }
        view
    };
    a.set_int(1, view.displacement);
    a.set_handle(2, u64::from(view.etype.word()));
    a.set_handle(3, u64::from(view.filetype.word()));
    let room = mpi::MPI_MAX_DATAREP_STRING as usize;
    a.set_string(4, view.representation.name(), room);
    Ok(())
}

/// `MPI_File_get_byte_offset(fh, offset, disp)`.
pub fn file_get_byte_offset(a: &mut Args<'_>) -> Call {
    let handle = seekable(a)?;
    let offset = a.count(1);
    if offset < 0 {
        return Err(MpiError::argument(format!("offset {offset} is negative")));
    }
    let view = state().files.table.require(handle)?.view;
    let byte = file_view::byte_offset(&view, offset)?;
    a.set_int(2, byte);
    Ok(())
}

/// `MPI_File_get_type_extent(fh, datatype, extent)`.
pub fn file_get_type_extent(a: &mut Args<'_>) -> Call {
    let handle = files::file_arg(a, 0)?;
    let datatype = type_arg(a, 1)?;
    let extent = {
        let state = state();
        state.objects.datatypes.layout(datatype)?;
        let view = state.files.table.require(handle)?.view;
        file_view::layout_in_file(&state, datatype, view.representation)?.extent()
    };
    a.set_int(2, extent);
    Ok(())
}

/// `MPI_Register_datarep(datarep, read_conversion_fn, write_conversion_fn, dtype_file_extent_fn, extra_state)`.
pub fn register_datarep(a: &mut Args<'_>) -> Call {
    let name = a.c_string(0);
    if !(1..mpi::MPI_MAX_DATAREP_STRING as usize).contains(&name.count_bytes()) {
        return Err(MpiError::argument(format!(
            "the name of a data representation has 1 to {} bytes, not {}",
            mpi::MPI_MAX_DATAREP_STRING - 1,
            name.count_bytes()
        )));
    }
    if a.is_null(3) {
        return Err(MpiError::argument(
            "the function that tells a datatype's extent in the file is null",
        ));
    }
    let given = UserRepresentation {
        read: UpperAddress(a.raw(1)),
        write: UpperAddress(a.raw(2)),
        extent: UpperAddress(a.raw(3)),
        extra_state: a.raw(4),
        large: a.row().name.ends_with("_c"),
        name,
    };
    let known = &mut state().files.representations;
    let is_predefined = given
        .name
        .to_str()
        .is_ok_and(|name| Representation::named(name).is_some());
    if is_predefined || known.iter().any(|one| one.name == given.name) {
        return Err(MpiError::new(
            mpi::MPI_ERR_DUP_DATAREP,
            format!("data representation {:?} exists already", given.name),
        ));
    }
    known.push(given);
    Ok(())
}
