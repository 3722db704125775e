//! Windows: making and freeing (MPI-5.0 sections 12.2.1–12.2.5). What they have below is in `crate::windows`.
//!
//! ```text
//!   check arguments -> gate of the communicator (`cut`) -> duplicate it -> memory -> page -> native windows -> handle
//! ```
//!
//! Hints stay up here, except for `alloc_shared_noncontig`, which lays shared memory out: the native library gets
//! `MPI_INFO_NULL`.

use std::collections::BTreeMap;

use mana_drain::Start;
use mana_native::Native;
use mana_record_replay::errhandler::NOT_CHOSEN;
use mana_record_replay::hints;
use mana_record_replay::info::Info;
use mana_record_replay::win::{SharedMemory, Window, WindowMemory};
use mana_record_replay::win_epoch::Epoch;
use mana_split::upper_memory;
use mana_table::constants as mpi;
use mana_table::fns;

use super::comm::{hints_arg, intra_arg};
use crate::args::Args;
use crate::comms::{self, Inherit};
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::publish::CommSlot;
use crate::windows::{self, refused};
use crate::{attributes, cut, native_call, p2p, shared_memory, window_page};

/// Bytes of a page, on which parts of shared memory lie that need not follow each other.
const PAGE_BYTES: u64 = 4096;

/// `MPI_Win_create(base, size, disp_unit, info, comm, win)`.
pub fn win_create(a: &mut Args<'_>) -> Call {
    let (size_bytes, disp_unit) = extent(a, 1)?;
    let memory = WindowMemory {
        base: a.raw(0),
        ..plain(mpi::MPI_WIN_FLAVOR_CREATE, size_bytes, disp_unit)
    };
    construct(a, 3, |_, _| Ok(memory)).map(drop)
}

/// `MPI_Win_allocate(size, disp_unit, info, comm, baseptr, win)`: the memory is part of the image.
pub fn win_allocate(a: &mut Args<'_>) -> Call {
    let (size_bytes, disp_unit) = extent(a, 0)?;
    let base = construct(a, 2, |_, _| {
        let base = upper_memory::allocate(size_bytes as usize).map_err(|error| {
            MpiError::new(mpi::MPI_ERR_NO_MEM, format!("{size_bytes} bytes: {error}"))
        })?;
        Ok(WindowMemory {
            base: base as u64,
            ..plain(mpi::MPI_WIN_FLAVOR_ALLOCATE, size_bytes, disp_unit)
        })
    })?;
    a.set_word(4, base);
    Ok(())
}

/// `MPI_Win_allocate_shared(size, disp_unit, info, comm, baseptr, win)`.
pub fn win_allocate_shared(a: &mut Args<'_>) -> Call {
    let (size_bytes, disp_unit) = extent(a, 0)?;
    let apart = hints_arg(a, 2)?
        .get(c"alloc_shared_noncontig")?
        .is_some_and(|value| value == c"true");
    let base = construct(a, 2, |library, comm| {
        share(library, comm, size_bytes, disp_unit, apart)
    })?;
    a.set_word(4, base);
    Ok(())
}

/// `MPI_Win_create_dynamic(info, comm, win)`.
pub fn win_create_dynamic(a: &mut Args<'_>) -> Call {
    construct(a, 0, |_, _| Ok(plain(mpi::MPI_WIN_FLAVOR_DYNAMIC, 0, 1))).map(drop)
}

/// Size and unit of displacement in arguments `size` and the next.
fn extent(a: &Args<'_>, size: usize) -> Result<(u64, i32), MpiError> {
    let bytes = u64::try_from(a.count(size)).map_err(|_| {
        MpiError::new(
            mpi::MPI_ERR_SIZE,
            format!("a size of {} bytes is negative", a.count(size)),
        )
    })?;
    let unit = a.count(size + 1);
    match i32::try_from(unit) {
        Ok(narrow) if narrow > 0 => Ok((bytes, narrow)),
        _ => Err(MpiError::new(
            mpi::MPI_ERR_DISP,
            format!(
                "a unit of displacement of {unit} bytes is not positive, or more than an int holds"
            ),
        )),
    }
}

/// Memory without anything attached or shared, at address 0.
fn plain(flavor: i32, size_bytes: u64, disp_unit: i32) -> WindowMemory {
    WindowMemory {
        flavor,
        base: 0,
        size_bytes,
        disp_unit,
        attached: BTreeMap::new(),
        shared: None,
    }
}

/// Makes the memory of a shared window: collective over `comm`.
fn share(
    native: &Native,
    comm: &CommSlot,
    size_bytes: u64,
    disp_unit: i32,
    apart: bool,
) -> Result<WindowMemory, MpiError> {
    let parts: Vec<_> = shared_memory::gather(native, comm, [size_bytes as i64, disp_unit.into()])?
        .into_iter()
        .map(|[bytes, unit]| (bytes as u64, unit as i32))
        .collect();
    let too_much = || {
        MpiError::new(
            mpi::MPI_ERR_SIZE,
            "all ranks together ask for more than there can be",
        )
    };
    let (bytes, segments) =
        SharedMemory::lay_out(&parts, apart.then_some(PAGE_BYTES)).ok_or_else(too_much)?;
    let len_bytes = bytes
        .max(1)
        .checked_next_multiple_of(PAGE_BYTES)
        .ok_or_else(too_much)?;
    let start = shared_memory::make(native, comm, len_bytes)?;
    let offset = segments[comm.rank() as usize].offset;
    Ok(WindowMemory {
        base: start + offset,
        shared: Some(SharedMemory {
            start,
            len_bytes,
            segments,
        }),
        ..plain(mpi::MPI_WIN_FLAVOR_SHARED, size_bytes, disp_unit)
    })
}

/// Makes a window over what `make_memory` gives, with the hints of argument `info`, on the communicator of the next
/// one, and hands its handle out through the last; returns the base. Collective.
fn construct(
    a: &mut Args<'_>,
    info: usize,
    make_memory: impl FnOnce(&Native, &CommSlot) -> Result<WindowMemory, MpiError>,
) -> Result<u64, MpiError> {
    let mut kept = Info::default();
    hints::WIN.take_over(&mut kept, &hints_arg(a, info)?)?;
    let parent = intra_arg(a, info + 1)?;
    cut::enter_collective(a, parent, Start::Blocking)?;
    let comm = duplicate(parent)?;
    let made = make_memory(native()?, comm).and_then(|memory| finish(comm, memory, kept));
    match made {
        Ok((word, base)) => {
            a.set_handle(a.row().params.len() - 1, word);
            Ok(base)
        }
        Err(error) => {
            comms::free(u64::from(comm.handle()))?;
            Err(error)
        }
    }
}

/// Makes the window's internal communicator.
fn duplicate(parent: &CommSlot) -> Result<&'static CommSlot, MpiError> {
    let mut made = 0_u64;
    let words = [parent.native(), native_call::out(&mut made)];
    native_call::call(native()?, fns::MPI_COMM_DUP, &words)?;
    p2p::comm(comms::adopt(
        u64::from(parent.handle()),
        made,
        Inherit::Errhandler,
    )?)
}

/// Makes page and native windows, and the handle; returns it and the base.
fn finish(comm: &CommSlot, memory: WindowMemory, info: Info) -> Result<(u64, u64), MpiError> {
    let base = memory.base;
    let page = window_page::make(&memory)?;
    let below = windows::make(native()?, comm, &memory, page)?;
    let window = Window {
        name: Default::default(),
        errhandler: NOT_CHOSEN,
        attributes: Default::default(),
        info,
        comm: comm.handle(),
        memory,
        page,
        epoch: Epoch::default(),
    };
    let handle = state().insert_window(window, below)?;
    Ok((u64::from(handle.word()), base))
}

/// `MPI_Win_free(win)`: collective; delete callbacks run first.
pub fn win_free(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.handle_at(0, 0))?;
    state()
        .window_mut(&win)?
        .epoch
        .may_free()
        .map_err(refused)?;
    let library = native()?;
    windows::flush_all(&win)?;
    cut::enter_collective(a, win.comm, Start::Blocking)?;
    attributes::delete_all_of_window(win.handle)?;
    // Nobody takes memory away that another rank is still at work in.
    native_call::call(library, fns::MPI_BARRIER, &[win.comm.native()])?;
    let removed = state().remove_window(&win);
    if let Some((window, below)) = removed {
        windows::unmake(library, &window, &below)?;
        comms::free(u64::from(win.comm.handle()))?;
        window_page::release(&window)?;
    }
    a.set_handle(0, mpi::MPI_WIN_NULL);
    Ok(())
}

/// `MPI_Win_attach(win, base, size)`.
pub fn win_attach(a: &mut Args<'_>) -> Call {
    let win = dynamic(a)?;
    let base = a.raw(1);
    let Ok(bytes) = u64::try_from(a.count(2)) else {
        return Err(MpiError::new(
            mpi::MPI_ERR_SIZE,
            format!("a size of {} bytes is negative", a.count(2)),
        ));
    };
    if !state().window_mut(&win)?.memory.attach(base, bytes) {
        return Err(MpiError::new(
            mpi::MPI_ERR_RMA_ATTACH,
            format!("some of the {bytes} bytes at {base:#x} are attached already"),
        ));
    }
    windows::attach(&win, base, bytes).inspect_err(|_| {
        if let Ok(window) = state().window_mut(&win) {
            window.memory.detach(base);
        }
    })
}

/// `MPI_Win_detach(win, base)`.
pub fn win_detach(a: &mut Args<'_>) -> Call {
    let win = dynamic(a)?;
    let base = a.raw(1);
    if !state().window_mut(&win)?.memory.detach(base) {
        return Err(MpiError::new(
            mpi::MPI_ERR_BASE,
            format!("no memory that begins at {base:#x} is attached"),
        ));
    }
    windows::detach(&win, base)
}

/// The window of argument 0, which must be a dynamic one.
fn dynamic(a: &Args<'_>) -> Result<windows::Win, MpiError> {
    let win = windows::get(a.raw(0))?;
    if state().window_mut(&win)?.memory.flavor != mpi::MPI_WIN_FLAVOR_DYNAMIC {
        return Err(MpiError::new(
            mpi::MPI_ERR_RMA_FLAVOR,
            format!("{} is for dynamic windows", a.row().name),
        ));
    }
    Ok(win)
}
