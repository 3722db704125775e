//! One-sided communication (MPI-5.0 section 12.3): all functions have the same kinds of parameters, so what the table
//! says of them is enough to translate a call.
//!
//! ```text
//!   MPI_Put(origin_addr, origin_count, origin_datatype, target_rank, target_disp, target_count, target_datatype, win)
//!             address      narrowed      native            checked      checked                    native      native
//!                                                        \____ the epoch of the window allows it? ____/
//! ```
//!
//! The native operation completes at a flush, natively or by the epochs in `win_sync` and `win_locks`; the cut flushes
//! what is on its way. Operations with a request are native requests, complete before the cut like sends.

use mana_native::{Native, int};
use mana_record_replay::handle::DatatypeHandle;
use mana_table::constants as mpi;
use mana_table::{Kind, Param};

use crate::args::Args;
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::request::{Kind as RequestKind, Request};
use crate::rma_shape::{self, Shape};
use crate::status::Completion;
use crate::translate::{buffer, function_below, narrow_int};
use crate::windows::{self, Win, refused};
use crate::words::ArgumentWords;
use crate::{native_call, own_swap, own_window, p2p, pair_accumulate};

/// Serves a call of any of the functions here.
fn communicate(a: &mut Args<'_>) -> Call {
    let shape = shape(a)?;
    let aim = aim(a, shape)?;
    let win = &aim.win;
    let Some(target) = aim.target else {
        return at_once(a, shape);
    };
    let Some(window) = win.native else {
        own_window::communicate(a, win)?;
        return at_once(a, shape);
    };
    let library = native()?;
    let here = pair_accumulate::communicate(a, shape, win, target)?
        || own_swap::serve(library, a, shape, win, target)?;
    if here {
        return at_once(a, shape);
    }
    let mut made = 0_u64;
    let (function, narrow) = function_below(library, a.row())?;
    let mut words = ArgumentWords::new();
    for (i, param) in a.row().params.iter().enumerate() {
        words.push(match param.kind {
            Kind::Request => native_call::out(&mut made),
            Kind::Win => window,
            Kind::Aint => aim.disp as u64,
            _ if aim.no_op && param.name.starts_with("origin") => nothing(library, a, param),
            _ => word(library, a, i, param, narrow)?,
        });
    }
    native_call::call(library, function, &words)?;
    // Afterwards: another thread's flush in between would take the note away, and not wait for this.
    win.note_use();
    hand_out(a, shape, || Request::active(RequestKind::Rma, made))
}

/// Where the called function has its parameters.
fn shape(a: &Args<'_>) -> Result<&'static Shape, MpiError> {
    rma_shape::of(a.row()).ok_or_else(|| {
        MpiError::new(
            mpi::MPI_ERR_INTERN,
            format!("{} is not one-sided", a.row().name),
        )
    })
}

/// What a call that may be made is about.
struct Aim {
    win: Win,
    /// None for `MPI_PROC_NULL`.
    target: Option<i32>,
    /// The displacement in the native window.
    disp: i64,
    /// Whether the operation is `MPI_NO_OP`.
    no_op: bool,
}

/// Checks the arguments and asks the window's epochs, all with the state locked once.
fn aim(a: &Args<'_>, shape: &Shape) -> Result<Aim, MpiError> {
    let mut state = state();
    let win = state.win(a.raw(shape.win))?;
    let target = windows::target(&win, a.int(shape.rank))?;
    let no_op = check_op(a, shape)?;
    let window = state.window_mut(&win)?;
    let dynamic = window.memory.flavor == mpi::MPI_WIN_FLAVOR_DYNAMIC;
    check(a, shape, dynamic, no_op)?;
    let mut disp = a.count(shape.disp);
    if let Some(target) = target {
        let allowed = match shape.request {
            Some(_) => window.epoch.request(target),
            None => window.epoch.communicate(target),
        };
        allowed.map_err(refused)?;
        disp = state.native_displacement(&win, target, disp)?;
    }
    Ok(Aim {
        win,
        target,
        disp,
        no_op,
    })
}

/// The end of a call that is complete.
fn at_once(a: &mut Args<'_>, shape: &Shape) -> Call {
    hand_out(a, shape, || {
        Request::done(RequestKind::Rma, Completion::EMPTY)
    })
}

/// Hands the handle of a request out, where the call has one.
fn hand_out(a: &mut Args<'_>, shape: &Shape, request: impl FnOnce() -> Request) -> Call {
    let Some(at) = shape.request else {
        return Ok(());
    };
    let id = state().insert_request(request())?;
    a.set_handle(at, u64::from(id.word()));
    Ok(())
}

/// Checks the operation: predefined ones only, and `MPI_NO_OP` only where something is fetched. Whether it is that.
fn check_op(a: &Args<'_>, shape: &Shape) -> Result<bool, MpiError> {
    let Some(at) = shape.op else {
        return Ok(false);
    };
    let op = a.raw(at);
    let known = op != mpi::MPI_OP_NULL && native()?.predefined().op(op).is_some();
    if known && (op != mpi::MPI_NO_OP || shape.fetches) {
        return Ok(op == mpi::MPI_NO_OP);
    }
    Err(MpiError::new(
        mpi::MPI_ERR_OP,
        format!(
            "{op:#x} is no predefined operation that {} takes",
            a.row().name
        ),
    ))
}

/// Checks counts, datatypes and the displacement.
fn check(a: &Args<'_>, shape: &Shape, dynamic: bool, no_op: bool) -> Call {
    for (i, param) in a.row().params.iter().enumerate() {
        if no_op && param.name.starts_with("origin") {
            continue;
        }
        match param.kind {
            Kind::Count if a.count(i) < 0 => {
                return Err(MpiError::new(
                    mpi::MPI_ERR_COUNT,
                    format!("{} is {}, which is negative", param.name, a.count(i)),
                ));
            }
            Kind::Aint if a.count(i) < 0 && !dynamic => {
                return Err(MpiError::new(
                    mpi::MPI_ERR_DISP,
                    format!("{} is {}, which is negative", param.name, a.count(i)),
                ));
            }
            Kind::Datatype => {
                p2p::datatype(a.raw(i))?;
                if !shape.counted && !DatatypeHandle::from_word(a.raw(i))?.is_predefined() {
                    return Err(MpiError::new(
                        mpi::MPI_ERR_TYPE,
                        format!("{} takes predefined datatypes only", a.row().name),
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// One argument, translated.
fn word(
    native: &Native,
    a: &Args<'_>,
    i: usize,
    param: &Param,
    narrow: bool,
) -> Result<u64, MpiError> {
    Ok(match param.kind {
        Kind::Buffer => buffer(native, a.raw(i)),
        Kind::Datatype => p2p::datatype(a.raw(i))?.native(),
        Kind::Op => crate::ops::native_op(native, a.raw(i)),
        Kind::Count if narrow && param.wide => int(narrow_int(param.name, a.count(i))?),
        Kind::Rank => int(a.int(i)),
        _ => a.count(i) as u64,
    })
}

/// An argument about the origin's data of an operation that does nothing with it: the application may have given
/// anything.
fn nothing(native: &Native, a: &Args<'_>, param: &Param) -> u64 {
    match param.kind {
        // Some libraries look for an address all the same; this one is never read.
        Kind::Buffer => a
            .row()
            .params
            .iter()
            .position(|param| param.name == "result_addr")
            .map_or(0, |at| buffer(native, a.raw(at))),
        Kind::Datatype => native
            .predefined()
            .datatype(mpi::MPI_BYTE)
            .map_or(0, |byte| byte.raw()),
        _ => 0,
    }
}

/// `MPI_Put`.
pub fn put(a: &mut Args<'_>) -> Call {
    communicate(a)
}

/// `MPI_Get`.
pub fn get(a: &mut Args<'_>) -> Call {
    communicate(a)
}

/// `MPI_Accumulate`.
pub fn accumulate(a: &mut Args<'_>) -> Call {
    communicate(a)
}

/// `MPI_Get_accumulate`.
pub fn get_accumulate(a: &mut Args<'_>) -> Call {
    communicate(a)
}

/// `MPI_Fetch_and_op`.
pub fn fetch_and_op(a: &mut Args<'_>) -> Call {
    communicate(a)
}

/// `MPI_Compare_and_swap`.
pub fn compare_and_swap(a: &mut Args<'_>) -> Call {
    communicate(a)
}

/// `MPI_Rput`.
pub fn rput(a: &mut Args<'_>) -> Call {
    communicate(a)
}

/// `MPI_Rget`.
pub fn rget(a: &mut Args<'_>) -> Call {
    communicate(a)
}

/// `MPI_Raccumulate`.
pub fn raccumulate(a: &mut Args<'_>) -> Call {
    communicate(a)
}

/// `MPI_Rget_accumulate`.
pub fn rget_accumulate(a: &mut Args<'_>) -> Call {
    communicate(a)
}
