//! The arguments of a collective as the native library takes them.
//!
//! ```text
//!   (sendbuf: buffer, sendcounts: count[peers], sendtypes: datatype[peers], …, op: op, root: rank, comm: comm)
//!       |                  |                        |                             |        |           |
//!       IN_PLACE/BOTTOM    narrowed if no _c below  array of native handles       native   ROOT …      native
//!   a scalar count that then does not fit: one element of a type that is so many
//! ```
//!
//! Handles that are not significant on this rank (the receive type of a non-root, say) may be garbage, so a handle
//! that is none of ours goes down as the native null handle and the native library judges it.

use std::cell::LazyCell;

use mana_native::{Native, int};
use mana_table::constants as mpi;
use mana_table::{Direction, FnId, Function, Kind, Length, Param};

use crate::args::is_64_bit;
use crate::collective_arrays::{Arrays, lay_out};
use crate::error::MpiError;
use crate::large_type::LargeType;
use crate::publish::{self, CommSlot};
use crate::words::{ArgumentWords, Words};
use crate::{native_call, p2p};

/// Arrays the native library reads during the operation.
pub type Keep = Vec<Vec<u64>>;

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

/// A call as the native library takes it.
pub struct Translated {
    /// The function to call.
    pub function: FnId,
    /// Its arguments.
    pub words: ArgumentWords,
    /// Arrays that it reads until the operation is over.
    pub keep: Keep,
    /// Types that live until the call has returned.
    _large: Vec<LargeType>,
}

/// Translates all arguments. `request` is the address that stands for the request parameter.
pub fn translate(
    native: &'static Native,
    a: Words<'_>,
    comm: &CommSlot,
    request: u64,
) -> Result<Translated, MpiError> {
    let (function, narrow) = function_below(native, a.row())?;
    let mut keep = Keep::new();
    let mut words = ArgumentWords::new();
    let arrays = LazyCell::new(|| Arrays::of(a, comm));
    for (i, param) in a.row().params.iter().enumerate() {
        let word = match (param.kind, param.length, same_array(a, i)) {
            (Kind::Request, ..) => request,
            (_, Length::Scalar, _) => scalar(native, a, i, param, narrow)?,
            // What is one array stays one: MPICH compares them when it looks for buffers that are one, too.
            (.., Some(same)) => words[same],
            (Kind::Datatype, ..) => {
                let types = (0..arrays.length(a, i))
                    .map(|at| datatype(a, i, at))
                    .collect::<Vec<_>>();
                kept(&mut keep, native_call::handle_array(native, &types))
            }
            _ if narrow && param.wide => kept(&mut keep, narrowed(a, i, arrays.length(a, i))?),
            _ => a.raw(i),
        };
        words.push(word);
    }
    let large = if narrow {
        enlarge(native, a, &mut words)?
    } else {
        Vec::new()
    };
    Ok(Translated {
        function,
        words,
        keep,
        _large: large,
    })
}

/// The parameter before `i` that is the same array, if `i` is one.
fn same_array(a: Words<'_>, i: usize) -> Option<usize> {
    let params = a.row().params;
    let is_same = |at: &usize| {
        a.raw(*at) == a.raw(i)
            && (params[*at].kind, params[*at].length) == (params[i].kind, params[i].length)
    };
    match params[i].length {
        Length::Scalar => None,
        _ => (0..i).find(is_same),
    }
}

/// Pairs of a count and its datatype, outside reductions.
const COUNTED: [(&str, &str); 3] = [
    ("count", "datatype"),
    ("sendcount", "sendtype"),
    ("recvcount", "recvtype"),
];

/// Whether scalar parameter `i` is the count of a type that [`enlarge`] makes.
fn is_enlarged(a: Words<'_>, i: usize) -> bool {
    let name = a.row().params[i].name;
    COUNTED.iter().any(|(count, _)| *count == name)
        && a.count(i) > i64::from(i32::MAX)
        && (a.row().param_index("op").is_none() || name == "count")
}

/// Replaces counts that an `int` cannot hold, and their types, by one element of a larger type. (Those of reductions
/// are left alone: see [`Parts`].)
fn enlarge(
    native: &'static Native,
    a: Words<'_>,
    words: &mut [u64],
) -> Result<Vec<LargeType>, MpiError> {
    let mut made = Vec::new();
    if a.row().param_index("op").is_some() {
        return Ok(made);
    }
    for (count, datatype) in COUNTED {
        let (Some(count), Some(datatype)) =
            (a.row().param_index(count), a.row().param_index(datatype))
        else {
            continue;
        };
        if a.row().params[count].length != Length::Scalar || !is_enlarged(a, count) {
            continue;
        }
        // A type that is not significant here may be none.
        if publish::datatype(a.raw(datatype)).is_some() {
            let large = LargeType::new(native, words[datatype], a.count(count))?;
            words[datatype] = large.below();
            made.push(large);
        }
        words[count] = 1;
    }
    Ok(made)
}

/// Keeps an array until the operation is over and returns its address.
pub fn kept(keep: &mut Keep, array: Vec<u64>) -> u64 {
    let address = array.as_ptr() as u64;
    keep.push(array);
    address
}

/// The native datatype of element `at` of array parameter `i`.
fn datatype(a: Words<'_>, i: usize, at: usize) -> u64 {
    publish::datatype(a.element(i, at) as u64).map_or(0, publish::TypeSlot::native)
}

/// A wide integer array as the `int` array that the plain function takes.
fn narrowed(a: Words<'_>, i: usize, len: usize) -> Result<Vec<u64>, MpiError> {
    if a.is_null(i) {
        return Ok(Vec::new());
    }
    let elements = (0..len)
        .map(|at| narrow_int(a.row().params[i].name, a.element(i, at)).map(i64::from))
        .collect::<Result<Vec<_>, _>>()?;
    let int = Param {
        wide: false,
        kind: Kind::Int,
        ..a.row().params[i]
    };
    Ok(lay_out(&int, &elements))
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
    a: Words<'_>,
    i: usize,
    param: &Param,
    narrow: bool,
) -> Result<u64, MpiError> {
    Ok(match param.kind {
        Kind::Buffer if a.raw(i) == 0 && is_unread(a, i) => UNREAD.as_ptr() as u64,
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
        // Replaced by `enlarge` or, in a reduction, by `Parts`.
        Kind::Count if narrow && is_enlarged(a, i) => 0,
        _ if narrow && param.wide => narrow_int(param.name, a.count(i))? as u64,
        _ if is_64_bit(param) && param.direction == Direction::In => a.count(i) as u64,
        Kind::Int | Kind::Count | Kind::Logical => a.int(i) as u64,
        _ => a.raw(i),
    })
}

/// Stands for a buffer that nobody reads.
static UNREAD: [u8; 64] = [0; 64];

/// Whether buffer `i` is the send buffer of the root of a reduction in an intercommunicator, which contributes nothing: the
/// standard has it ignored, MPICH 4.0 refuses a null one.
fn is_unread(a: Words<'_>, i: usize) -> bool {
    let root = a.named("root").map(|root| root as i32);
    a.row().params[i].name == "sendbuf"
        && a.row().params.iter().any(|param| param.kind == Kind::Op)
        && root == Some(mpi::MPI_ROOT)
}

/// A buffer address; `MPI_IN_PLACE` and `MPI_BOTTOM` are values that differ between ABIs.
pub fn buffer(native: &Native, address: u64) -> u64 {
    match address {
        mpi::MPI_IN_PLACE => native.addresses().in_place,
        mpi::MPI_BOTTOM => native.addresses().bottom,
        address => address,
    }
}
