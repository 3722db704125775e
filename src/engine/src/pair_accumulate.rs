//! Accumulating pairs that have a gap (`MPI_DOUBLE_INT` and its like), over libraries that do it wrong.
//!
//! ```text
//!   several pairs              a native call for each
//!   MPI_SHORT_INT, and all over Open MPI 4
//!     take the target's word   compare and swap on the native window of lock words
//!       get                    native MPI_Get into an array of pairs, flush
//!       change the array       as on a window of one process (`own_window::change`)
//!       put                    native MPI_Put, flush
//!     give the word back
//! ```
//!
//! `tests/programs/calls/rma_pair_calls.c` tells them: Intel MPI 2021.18 loses the gaps of several elements, Open MPI's
//! osc/rdma takes `count * size` bytes for the elements (and half of the index of an `MPI_SHORT_INT`), its osc/pt2pt ends
//! the process with `MPI_SHORT_INT` and `MPI_LONG_INT`; one pair of another type is right everywhere, and MPICH is right.
//! All accumulating of one type goes one way there, so it is atomic among itself; the standard asks for no more, and for
//! each element alone (MPI-5.0 section 12.7.1: the same predefined datatype).
//!
//! With the word there is no safe point until it is given back: no cut finds it taken. All is complete when that call
//! returns.

use mana_native::{Native, Vendor, int};
use mana_record_replay::handle::DatatypeHandle;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::args::Args;
use crate::calls::take_in;
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::own_window::{self, Elements};
use crate::rma_shape::Shape;
use crate::translate::narrow_int;
use crate::wait::Patience;
use crate::windows::{self, Win};
use crate::{deliver, lock_words, native_call, ops, p2p};

/// In the version of that library.
const OPEN_MPI_4: &str = " v4.";

/// Does the call here, if it is one that the library below would do wrong; whether it was.
pub fn communicate(
    a: &mut Args<'_>,
    shape: &Shape,
    win: &Win,
    target: i32,
) -> Result<bool, MpiError> {
    let library = native()?;
    if library.vendor() == Vendor::Mpich || shape.op.is_none() {
        return Ok(false);
    }
    let datatype = a.raw(shape.datatype);
    if DatatypeHandle::from_word(datatype)?.is_predefined() && !has_gap(datatype) {
        return Ok(false);
    }
    let there = own_window::target_at(0, a);
    let Some(pair) = own_window::predefined(there.datatype)?.filter(|basic| has_gap(*basic)) else {
        return Ok(false);
    };
    if pair != mpi::MPI_SHORT_INT && !library.version().contains(OPEN_MPI_4) {
        return one_by_one(library, a, shape, win, target, pair);
    }
    let mut patience = Patience::new();
    while !lock_words::try_take_pairs(library, win, target)? {
        // Who has it may be at work in this rank's memory.
        take_in(win)?;
        patience.pause(a);
    }
    let done = change(library, a, win, target, &there, pair);
    lock_words::give_pairs_back(library, win, target)?;
    done.map(|()| true)
}

/// Makes a native call for each pair; `false` where the call is that already.
fn one_by_one(
    library: &Native,
    a: &Args<'_>,
    shape: &Shape,
    win: &Win,
    target: i32,
    pair: u64,
) -> Result<bool, MpiError> {
    let there = own_window::target_at(0, a);
    let fetched = own_window::result(a);
    let op = own_window::operation(a);
    let given = Some(own_window::origin(a)).filter(|_| op != mpi::MPI_NO_OP);
    let all = [Some(there), given, fetched];
    if all
        .iter()
        .flatten()
        .all(|one| one.datatype == pair && one.count == 1)
    {
        return Ok(false);
    }
    let half = first_half(pair)?;
    let places =
        |elements: Option<Elements>| elements.map_or(Ok(Vec::new()), |it| places(&it, half));
    let [to, from, into] = all.map(places);
    let (to, from, into) = (to?, from?, into?);
    let at = state().native_displacement(win, target, own_window::displacement(a))?;
    let (native_pair, memory) = (p2p::datatype(pair)?.native(), win.native.unwrap_or(0));
    for (index, offset) in to.iter().enumerate() {
        let one = from.get(index).zip(given).map(|(from, given)| {
            let address = given.address.wrapping_add_signed(*from);
            [address, int(1), native_pair]
        });
        let to = [
            int(target),
            at.wrapping_add(*offset) as u64,
            int(1),
            native_pair,
        ];
        let mut words = one.unwrap_or([0, int(0), native_pair]).to_vec();
        let function = match into.get(index).zip(fetched) {
            Some((into, fetched)) => {
                words.extend([
                    fetched.address.wrapping_add_signed(*into),
                    int(1),
                    native_pair,
                ]);
                fns::MPI_GET_ACCUMULATE
            }
            None => fns::MPI_ACCUMULATE,
        };
        words.extend(to);
        words.extend([ops::native_op(library, op), memory]);
        native_call::call(library, function, &words)?;
    }
    // As in `calls::rma`.
    win.note_use();
    if shape.request.is_some() {
        // It is complete when this call returns.
        windows::flush(fns::MPI_WIN_FLUSH, win, target)?;
    }
    Ok(true)
}

/// The type of a pair's value, which is before its index.
fn first_half(pair: u64) -> Result<DatatypeHandle, MpiError> {
    let layout = deliver::layout(pair)?;
    let half = layout.basic_runs(1).next().map(|run| run.basic);
    half.ok_or_else(|| MpiError::bad_handle(mpi::MPI_ERR_TYPE, "datatype", pair))
}

/// Where the pairs of some elements are, in bytes from their address.
fn places(elements: &Elements, half: DatatypeHandle) -> Result<Vec<i64>, MpiError> {
    let layout = deliver::layout(elements.datatype)?;
    let runs = layout.basic_runs(elements.count);
    let halves = runs.filter(|run| run.basic == half);
    Ok(halves.map(|run| run.run.offset).collect())
}

/// Whether there is a gap in a predefined datatype. `MPI_2INT` and `MPI_FLOAT_INT` have none on any machine of ours.
fn has_gap(basic: u64) -> bool {
    matches!(
        basic,
        mpi::MPI_SHORT_INT | mpi::MPI_LONG_INT | mpi::MPI_DOUBLE_INT | mpi::MPI_LONG_DOUBLE_INT
    )
}

/// Reads the target's pairs, changes them and writes them.
fn change(
    library: &Native,
    a: &Args<'_>,
    win: &Win,
    target: i32,
    there: &Elements,
    pair: u64,
) -> Call {
    let (all, one) = (deliver::layout(there.datatype)?, deliver::layout(pair)?);
    let pairs = there.count * all.size_bytes() / one.size_bytes();
    if pairs == 0 {
        return Ok(());
    }
    let bytes = pairs as usize * one.extent() as usize;
    // Aligned for a long double.
    let mut room = vec![0_u128; bytes.div_ceil(size_of::<u128>())];
    let here = Elements {
        address: room.as_mut_ptr() as u64,
        count: pairs,
        datatype: pair,
    };
    let disp = own_window::displacement(a);
    let words = [
        here.address,
        int(narrow_int("the number of pairs", pairs)?),
        p2p::datatype(pair)?.native(),
        int(target),
        state().native_displacement(win, target, disp)? as u64,
        int(narrow_int("target_count", there.count)?),
        p2p::datatype(there.datatype)?.native(),
        win.native.unwrap_or(0),
    ];
    native_call::call(library, fns::MPI_GET, &words)?;
    windows::flush(fns::MPI_WIN_FLUSH, win, target)?;
    own_window::change(a, &here)?;
    if own_window::operation(a) == mpi::MPI_NO_OP {
        return Ok(());
    }
    native_call::call(library, fns::MPI_PUT, &words)?;
    windows::flush(fns::MPI_WIN_FLUSH, win, target)
}
