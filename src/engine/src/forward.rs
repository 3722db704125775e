//! Collectives: forwarded to the native library by what the table says of their parameters.
//!
//! ```text
//!   row: (sendbuf: buffer, sendcounts: count[peers], sendtypes: datatype[peers], …, op: op, root: rank, comm: comm)
//!          |                  |                        |                             |        |           |
//!          IN_PLACE/BOTTOM    narrowed if no _c below  array of native handles       native   ROOT …      native
//! ```
//!
//! The translation is in `translate`. The arguments are those of the call itself or, for a persistent collective, those
//! that its initialisation recorded (`persistent`).
//!
//! A collective passes its communicator's gate first ([`crate::cut::enter_collective`]), is counted there, and then
//! may block in the native library: all its members are on their way into it.
//!

use mana_drain::Start;
use mana_record_replay::handle::OpHandle;
use mana_table::Kind;
use mana_table::constants as mpi;

use crate::args::Args;
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::publish::CommSlot;
use crate::reduction_parts::Parts;
use crate::request::{Kind as RequestKind, Request};
use crate::translate::translate;
use crate::words::Words;
use crate::{cut, native_call, ops, p2p};

/// A blocking collective.
pub fn collective(a: &mut Args<'_>) -> Call {
    let native = native()?;
    let words = a.words();
    let call = Words::new(a.row(), &words);
    let comm = comm_of(call)?;
    let parts = Parts::of(native, call)?;
    let first = translate(native, call, comm, 0)?;
    cut::enter_collective(a, comm, Start::Blocking)?;
    let op = op_of(call);
    op.map_or(Ok(()), ops::hold)?;
    let outcome = match parts {
        None => native_call::call(native, first.function, &first.words),
        Some(parts) => parts.call(native, &first),
    };
    op.inspect(|op| ops::release(*op));
    outcome
}

/// A nonblocking collective: counted at its initiation, completed like any request.
pub fn icollective(a: &mut Args<'_>) -> Call {
    let words = a.words();
    let entry = start(a, Words::new(a.row(), &words))?;
    let id = state().insert_request(entry)?;
    if let Some(at) = a
        .row()
        .params
        .iter()
        .position(|param| param.kind == Kind::Request)
    {
        a.set_handle(at, u64::from(id.word()));
    }
    Ok(())
}

/// Starts nonblocking collective `call` from within `a`, which is that call itself or the `MPI_Start` of a persistent
/// one. The gate may hold the thread and is a safe point: nothing may have been done that the application can see.
pub fn start(a: &mut Args<'_>, call: Words<'_>) -> Result<Request, MpiError> {
    let native = native()?;
    let comm = comm_of(call)?;
    if Parts::of(native, call)?.is_some() {
        return Err(MpiError::new(
            mpi::MPI_ERR_COUNT,
            format!(
                "{}: more elements than an int counts, and the MPI library below takes an int",
                call.row().name
            ),
        ));
    }
    let mut request = 0_u64;
    let translated = translate(native, call, comm, native_call::out(&mut request))?;
    cut::enter_collective(a, comm, Start::Nonblocking)?;
    native_call::call(native, translated.function, &translated.words)?;
    let mut entry = Request::active(RequestKind::Collective, request);
    entry.keep = translated.keep;
    entry.op = op_of(call);
    Ok(entry)
}

/// The communicator parameter of a collective.
pub fn comm_of(a: Words<'_>) -> Result<&'static CommSlot, MpiError> {
    match a
        .row()
        .params
        .iter()
        .position(|param| param.kind == Kind::Comm)
    {
        Some(at) => p2p::comm(a.raw(at)),
        None => Err(MpiError::new(
            mpi::MPI_ERR_INTERN,
            format!("{} has no communicator", a.row().name),
        )),
    }
}

/// The user operation that a collective applies.
pub fn op_of(a: Words<'_>) -> Option<OpHandle> {
    let at = a
        .row()
        .params
        .iter()
        .position(|param| param.kind == Kind::Op)?;
    ops::user_op(a.raw(at))
}
