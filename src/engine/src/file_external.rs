//! Files in the external32 representation, over libraries that know only bytes (MPI-5.0 section 14.5.2).
//!
//! ```text
//!   memory type --encode--> external32 bytes --MPI_BYTE--> native view:  etype     = as many bytes as external32 has
//!   memory type <--finish-- external32 bytes <--MPI_BYTE--                filetype  = runs of bytes at the same places
//! ```
//!
//! What is read is converted when the operation completes, into the buffer that the request names.

use mana_native::Native;
use mana_record_replay::datatype::{Layout, external32_size};
use mana_record_replay::handle::DatatypeHandle;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::engine::{State, state};
use crate::error::MpiError;
use crate::request::Transfer;
use crate::status::Completion;
use crate::{deliver, native_call};

/// The layout of a transfer's datatype, also of one that was freed meanwhile.
fn layout(state: &State, wanted: &Transfer) -> Result<Layout, MpiError> {
    let handle = DatatypeHandle::from_word(wanted.datatype)?;
    let layout = state.objects.datatypes.layout_held(handle).cloned();
    layout.ok_or_else(|| MpiError::bad_handle(mpi::MPI_ERR_TYPE, "datatype", wanted.datatype))
}

/// Zeroed room for the external32 form of what is to be transferred, and its length in bytes.
pub fn room(wanted: &Transfer) -> Result<(Vec<u64>, i64), MpiError> {
    let layout = layout(&state(), wanted)?;
    room_for(&layout, wanted.count)
}

fn room_for(layout: &Layout, count: i64) -> Result<(Vec<u64>, i64), MpiError> {
    let bytes = external32_size(layout, count).ok_or_else(|| {
        MpiError::new(
            mpi::MPI_ERR_COUNT,
            format!("{count} elements exceed 2^63 bytes in external32"),
        )
    })?;
    Ok((vec![0; (bytes as usize).div_ceil(8)], bytes))
}

/// The external32 form of what is to be written, and its length in bytes.
pub fn encode(wanted: &Transfer) -> Result<(Vec<u64>, i64), MpiError> {
    let layout = layout(&state(), wanted)?;
    let (packed, bytes) = room_for(&layout, wanted.count)?;
    deliver::gather_external32(wanted.buffer, wanted.count, &layout, packed.as_ptr() as u64);
    Ok((packed, bytes))
}

/// Ends a transfer of which `moved` counts the external32 bytes: what was read is put into the buffer, and the
/// completion counts bytes of memory.
pub fn finish(state: &State, wanted: &Transfer, packed: &[u64], moved: Completion) -> Completion {
    let Ok(layout) = layout(state, wanted) else {
        return moved;
    };
    let count_bytes = if wanted.writes {
        deliver::bytes_of_external32(wanted.count, &layout, moved.count_bytes)
    } else {
        let from = packed.as_ptr() as u64;
        deliver::scatter_part_of_external32(
            from,
            moved.count_bytes,
            wanted.buffer,
            wanted.count,
            &layout,
        )
    };
    Completion {
        count_bytes,
        ..moved
    }
}

/// The native type of bytes that stands for a datatype in an external32 view; committed, and the caller frees it.
pub fn view_type(native: &Native, datatype: DatatypeHandle) -> Result<u64, MpiError> {
    let layout = state().objects.datatypes.file_layout(datatype)?;
    let byte = native
        .predefined()
        .datatype(mpi::MPI_BYTE)
        .map_or(0, |byte| byte.raw());
    let (mut places, mut lengths) = (Vec::new(), Vec::new());
    for run in layout.runs(1) {
        let length = i32::try_from(run.length).map_err(|_| {
            MpiError::new(
                mpi::MPI_ERR_COUNT,
                format!(
                    "a run of {} bytes in a view does not fit an int",
                    run.length
                ),
            )
        })?;
        places.push(run.offset);
        lengths.push(length);
    }
    let (mut runs, mut made) = (0_u64, 0_u64);
    let words = [
        lengths.len() as u64,
        lengths.as_ptr() as u64,
        places.as_ptr() as u64,
        byte,
        native_call::out(&mut runs),
    ];
    native_call::call(native, fns::MPI_TYPE_CREATE_HINDEXED, &words)?;
    let words = [
        runs,
        layout.lb() as u64,
        layout.extent() as u64,
        native_call::out(&mut made),
    ];
    native_call::call(native, fns::MPI_TYPE_CREATE_RESIZED, &words)?;
    native_call::call(native, fns::MPI_TYPE_FREE, &[native_call::out(&mut runs)])?;
    native_call::call(native, fns::MPI_TYPE_COMMIT, &[native_call::out(&mut made)])?;
    Ok(made)
}
