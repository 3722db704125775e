//! Questions about windows, and what hangs on them: group, shared parts, name, hints (MPI-5.0 sections 12.2.3,
//! 12.2.6, 12.2.7 and 7.8). Local objects altogether.

use std::ffi::CString;

use mana_record_replay::hints;
use mana_record_replay::win::Window;
use mana_table::constants as mpi;

use super::comm::hints_arg;
use super::group::hand_out_derived;
use super::info::tell_memory_kinds;
use crate::args::Args;
use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::windows;

/// `MPI_Win_get_group(win, group)`.
pub fn win_get_group(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(0))?;
    let group = {
        let state = state();
        state.comms.get(u64::from(win.comm.handle()))?.local.clone()
    };
    hand_out_derived(a, 1, group, u64::from(win.comm.handle()))
}

/// `MPI_Win_set_name(win, win_name)`.
pub fn win_set_name(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(0))?;
    let name = CString::new(a.string(1)).unwrap_or_default();
    state().window_mut(&win)?.set_name(&name);
    Ok(())
}

/// `MPI_Win_get_name(win, win_name, resultlen)`: empty for a window that was not named.
pub fn win_get_name(a: &mut Args<'_>) -> Call {
    let name = match a.raw(0) {
        mpi::MPI_WIN_NULL => "MPI_WIN_NULL".to_owned(),
        word => {
            let win = windows::get(word)?;
            let mut state = state();
            state.window_mut(&win)?.name.to_string_lossy().into_owned()
        }
    };
    let len = a.set_string(1, &name, mpi::MPI_MAX_OBJECT_NAME as usize);
    a.set_int(2, len as i64);
    Ok(())
}

/// `MPI_Win_set_info(win, info)`: the hints given replace those of the same keys, as for communicators.
pub fn win_set_info(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(0))?;
    if a.raw(1) == mpi::MPI_INFO_NULL {
        return Err(MpiError::new(
            mpi::MPI_ERR_INFO,
            "MPI_Win_set_info was given MPI_INFO_NULL",
        ));
    }
    let given = hints_arg(a, 1)?;
    let mut state = state();
    let window = state.window_mut(&win)?;
    Ok(hints::WIN.take_over(&mut window.info, &given)?)
}

/// `MPI_Win_get_info(win, info_used)`: a new info object with the hints in use.
pub fn win_get_info(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(0))?;
    let handle = {
        let mut state = state();
        let mut hints = hints::WIN.in_use(&state.window_mut(&win)?.info)?;
        tell_memory_kinds(&mut hints)?;
        state.objects.infos.insert(hints)?
    };
    a.set_handle(1, u64::from(handle.word()));
    Ok(())
}

/// A rank's memory, as another rank may use it directly.
struct Part {
    address: u64,
    size_bytes: u64,
    disp_unit: i32,
}

/// `MPI_Win_shared_query(win, rank, size, disp_unit, baseptr)`. `MPI_PROC_NULL` asks for the lowest rank that has some
/// memory.
pub fn win_shared_query(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(0))?;
    let rank = windows::target(&win, a.int(1))?;
    let part = {
        let mut state = state();
        let me = win.comm.rank();
        part(state.window_mut(&win)?, rank, me)?
    };
    a.set_int(2, part.size_bytes as i64);
    a.set_int(3, i64::from(part.disp_unit));
    a.set_word(4, part.address);
    Ok(())
}

/// The part of `rank`. Of windows that are not shared a rank can use its own memory only; for others the answer is the
/// one for memory that is not accessible: nothing, of size 0.
fn part(window: &Window, rank: Option<i32>, me: i32) -> Result<Part, MpiError> {
    let memory = &window.memory;
    if let Some(shared) = &memory.shared {
        let wanted = match rank {
            Some(rank) => shared.segments.get(rank as usize),
            None => shared
                .segments
                .iter()
                .find(|segment| segment.size_bytes > 0),
        };
        return Ok(wanted.map_or(
            Part {
                address: 0,
                size_bytes: 0,
                disp_unit: 0,
            },
            |segment| Part {
                address: match segment.size_bytes {
                    0 => 0,
                    _ => shared.start + segment.offset,
                },
                size_bytes: segment.size_bytes,
                disp_unit: segment.disp_unit,
            },
        ));
    }
    if memory.flavor == mpi::MPI_WIN_FLAVOR_DYNAMIC {
        return Err(MpiError::new(
            mpi::MPI_ERR_RMA_FLAVOR,
            "a dynamic window has no memory of its own",
        ));
    }
    // The lowest rank with memory is taken to be the first one: what others have is not known here.
    let mine = rank.unwrap_or(0) == me;
    Ok(Part {
        address: if mine { memory.base } else { 0 },
        size_bytes: if mine { memory.size_bytes } else { 0 },
        disp_unit: memory.disp_unit,
    })
}
