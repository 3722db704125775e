//! Collectives: forwarded to the native library by what the table says of their parameters.
//!
//! ```text
//!   row: (sendbuf: buffer, sendcounts: count[peers], sendtypes: datatype[peers], …, op: op, root: rank, comm: comm)
//!          |                  |                        |                             |        |           |
//!          IN_PLACE/BOTTOM    narrowed if no _c below  array of native handles       native   ROOT …      native
//! ```
//!
//! A collective passes its communicator's gate first ([`crate::cut::enter_collective`]), is counted there, and then
//! may block in the native library: all its members are on their way into it.
//!
//! Handles that are not significant on this rank (the receive type of a non-root, say) may be garbage, so a handle
//! that is none of ours goes down as the native null handle and the native library judges it.

use mana_drain::Start;
use mana_native::{Native, int};
use mana_record_replay::handle::OpHandle;
use mana_table::constants as mpi;
use mana_table::{Direction, FnId, Function, Kind, Length, Param};

use crate::args::{Args, is_64_bit};
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::publish::{self, CommSlot};
use crate::request::{Kind as RequestKind, Request};
use crate::{cut, native_call, ops, p2p};

/// A blocking collective.
pub fn collective(a: &mut Args<'_>) -> Call {
    let native = native()?;
    let comm = comm_of(a)?;
    let (function, arguments, _keep) = translate(native, a, comm, 0)?;
    cut::enter_collective(a, comm, Start::Blocking)?;
    let op = op_of(a);
    op.map_or(Ok(()), ops::hold)?;
    let outcome = native_call::call(native, function, &arguments);
    op.inspect(|op| ops::release(*op));
    outcome
}

/// A nonblocking collective: counted at its initiation, completed like any request.
pub fn icollective(a: &mut Args<'_>) -> Call {
    let native = native()?;
    let comm = comm_of(a)?;
    let mut request = 0_u64;
    let (function, arguments, keep) = translate(native, a, comm, native_call::out(&mut request))?;
    cut::enter_collective(a, comm, Start::Nonblocking)?;
    native_call::call(native, function, &arguments)?;
    let mut entry = Request::active(RequestKind::Collective, request);
    entry.keep = keep;
    entry.op = op_of(a);
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

/// The communicator parameter of a collective.
fn comm_of(a: &Args<'_>) -> Result<&'static CommSlot, MpiError> {
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
fn op_of(a: &Args<'_>) -> Option<OpHandle> {
    let at = a
        .row()
        .params
        .iter()
        .position(|param| param.kind == Kind::Op)?;
    ops::user_op(a.raw(at))
}

/// Arrays the native library reads during the operation.
type Keep = Vec<Vec<u64>>;

/// The function to call below: the row's own, or for a `_c` function that is missing there the plain one.
pub fn function_below(native: &Native, row: &Function) -> Result<(FnId, bool), MpiError> {
    if native.has(row.id) {
        return Ok((row.id, false));
    }
    let plain = row
        .name
        .strip_suffix("_c")
        .and_then(FnId::by_name)
        .filter(|plain| native.has(*plain));
    match plain {
        Some(plain) => Ok((plain, true)),
        None => Err(MpiError::unsupported(
            row.name,
            "the MPI library below lacks it",
        )),
    }
}

/// Translates all arguments. `request` is the address that stands for the request parameter.
fn translate(
    native: &Native,
    a: &Args<'_>,
    comm: &CommSlot,
    request: u64,
) -> Result<(FnId, Vec<u64>, Keep), MpiError> {
    let (function, narrow) = function_below(native, a.row())?;
    let mut keep = Keep::new();
    let mut words = Vec::with_capacity(a.row().params.len());
    let peers = PeerCounts::of(a, comm);
    for (i, param) in a.row().params.iter().enumerate() {
        let word = match (param.kind, param.length) {
            (Kind::Request, _) => request,
            (_, Length::Scalar) => scalar(native, a, i, param, narrow)?,
            (Kind::Datatype, _) => {
                let types = (0..peers.of_param(param))
                    .map(|at| datatype(a, i, at))
                    .collect::<Vec<_>>();
                kept(&mut keep, native_call::handle_array(native, &types))
            }
            _ if narrow && param.wide => kept(&mut keep, narrowed(a, i, peers.of_param(param))?),
            _ => a.raw(i),
        };
        words.push(word);
    }
    Ok((function, words, keep))
}

/// Keeps an array until the operation is over and returns its address.
fn kept(keep: &mut Keep, array: Vec<u64>) -> u64 {
    let address = array.as_ptr() as u64;
    keep.push(array);
    address
}

/// How long the arrays of a collective are.
struct PeerCounts {
    /// Elements of an array about what is sent.
    send: usize,
    /// Elements of an array about what is received.
    receive: usize,
}

impl PeerCounts {
    fn of(a: &Args<'_>, comm: &CommSlot) -> Self {
        let peers = comm.peers().max(0) as usize;
        if !a.row().name.contains("eighbor") {
            return Self {
                send: peers,
                receive: peers,
            };
        }
        let (receive, send) = state().neighbor_counts(comm.handle());
        Self { send, receive }
    }

    /// The length of array parameter `param`; nothing is read where `MPI_IN_PLACE` makes the send side insignificant.
    fn of_param(&self, param: &Param) -> usize {
        if param.name.starts_with('s') {
            self.send
        } else {
            self.receive
        }
    }
}

/// Whether the send side of the call is `MPI_IN_PLACE`, so that its arrays are not to be read.
fn is_in_place(a: &Args<'_>) -> bool {
    a.row()
        .params
        .iter()
        .position(|param| param.name == "sendbuf")
        .is_some_and(|at| a.raw(at) == mpi::MPI_IN_PLACE)
}

/// The native datatype of element `at` of array parameter `i`.
fn datatype(a: &Args<'_>, i: usize, at: usize) -> u64 {
    if a.row().params[i].name.starts_with('s') && is_in_place(a) {
        return 0;
    }
    publish::datatype(a.handle_at(i, at)).map_or(0, publish::TypeSlot::native)
}

/// A wide integer array as the `int` array that the plain function takes.
fn narrowed(a: &Args<'_>, i: usize, len: usize) -> Result<Vec<u64>, MpiError> {
    if a.row().params[i].name.starts_with('s') && is_in_place(a) || a.is_null(i) {
        return Ok(Vec::new());
    }
    let mut words = vec![0_u64; len.div_ceil(2)];
    for at in 0..len {
        let value = narrow_int(a.row().params[i].name, a.int_at(i, at))?;
        words[at / 2] |= u64::from(value as u32) << (32 * (at % 2));
    }
    Ok(words)
}

/// A 64-bit value as an `int`, or an error that names it.
pub fn narrow_int(name: &str, value: i64) -> Result<i32, MpiError> {
    i32::try_from(value).map_err(|_| {
        MpiError::new(
            mpi::MPI_ERR_COUNT,
            format!("{name} = {value} does not fit the int that the MPI library below takes"),
        )
    })
}

/// One scalar argument.
fn scalar(
    native: &Native,
    a: &Args<'_>,
    i: usize,
    param: &Param,
    narrow: bool,
) -> Result<u64, MpiError> {
    Ok(match param.kind {
        Kind::Buffer => buffer(native, a.raw(i)),
        Kind::Comm => p2p::comm(a.raw(i))?.native(),
        Kind::Datatype => publish::datatype(a.raw(i))
            .map(publish::TypeSlot::native)
            .or_else(|| {
                native
                    .predefined()
                    .datatype(mpi::MPI_DATATYPE_NULL)
                    .map(|null| null.raw())
            })
            .unwrap_or(0),
        Kind::Op => crate::ops::native_op(native, a.raw(i)),
        Kind::Rank => int(native.rank_to_native(a.int(i))),
        Kind::Info => native
            .predefined()
            .info(mpi::MPI_INFO_NULL)
            .map_or(0, |info| info.raw()),
        _ if narrow && param.wide => narrow_int(param.name, a.count(i))? as u64,
        _ if is_64_bit(param) && param.direction == Direction::In => a.count(i) as u64,
        Kind::Int | Kind::Count | Kind::Logical => a.int(i) as u64,
        _ => a.raw(i),
    })
}

/// A buffer address; `MPI_IN_PLACE` and `MPI_BOTTOM` are values that differ between ABIs.
pub fn buffer(native: &Native, address: u64) -> u64 {
    match address {
        mpi::MPI_IN_PLACE => native.addresses().in_place,
        mpi::MPI_BOTTOM => native.addresses().bottom,
        address => address,
    }
}
