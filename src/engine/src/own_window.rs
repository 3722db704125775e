//! Communication on a window of one process: copies and operations in its memory, done here.
//!
//! ```text
//!   MPI_Put                    origin -> target
//!   MPI_Get                    target -> origin
//!   MPI_Accumulate             target op origin -> target
//!   MPI_Get_accumulate, …      target -> result, target op origin -> target
//! ```
//!
//! Nothing native stands for such a window: Open MPI 4.1 cannot make one in a job of one rank, and it would take
//! communicators from others. All is complete when the call returns, so flushes have nothing to do.
//!
//! Data pass through a packed copy (the elements of the type map without gaps), so buffers may overlap.

use std::sync::{Mutex, PoisonError};

use mana_native::{Native, int};
use mana_record_replay::handle::DatatypeHandle;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::args::Args;
use crate::deliver;
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::windows::Win;
use crate::{native_call, ops, p2p};

/// Held by operations that are atomic for each other (MPI-5.0 section 12.7.1); nobody waits for anything with it.
static ATOMIC: Mutex<()> = Mutex::new(());

/// The most elements that one native reduction takes: any number that an `int` holds will do.
const AT_ONCE: usize = 1 << 24;

/// Elements in memory.
#[derive(Clone, Copy)]
pub struct Elements {
    /// Where the first one's origin is.
    pub address: u64,
    /// How many.
    pub count: i64,
    /// The application's handle of their datatype.
    pub datatype: u64,
}

/// The packed bytes of elements.
struct Packed {
    words: Vec<u64>,
    len_bytes: usize,
}

impl Elements {
    fn pack(&self) -> Result<Packed, MpiError> {
        let (words, len_bytes) = deliver::pack(self.address, self.count, self.datatype, 0)?;
        Ok(Packed { words, len_bytes })
    }

    fn put(&self, packed: &Packed) -> Call {
        let bytes = packed.bytes();
        deliver::unpack_at(self.address, self.count, self.datatype, 0, &bytes)
    }

    /// The first eight bytes of the elements, as a number of this machine.
    pub fn word(&self) -> Result<u64, MpiError> {
        Ok(self.pack()?.words.first().copied().unwrap_or_default())
    }

    /// Sets elements of eight bytes to those of a number of this machine.
    pub fn put_word(&self, word: u64) -> Call {
        let words = vec![word];
        let len_bytes = size_of_val(&word);
        self.put(&Packed { words, len_bytes })
    }
}

impl Packed {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self
            .words
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        bytes.truncate(self.len_bytes);
        bytes
    }
}

/// Does what the call `a` asks of a window that only this process has.
pub fn communicate(a: &Args<'_>, win: &Win) -> Call {
    let target = target(a, win)?;
    match a.row().name.trim_end_matches("_c") {
        "MPI_Put" | "MPI_Rput" => target.put(&origin(a).pack()?),
        "MPI_Get" | "MPI_Rget" => origin(a).put(&target.pack()?),
        _ => {
            let _turn = ATOMIC.lock().unwrap_or_else(PoisonError::into_inner);
            change(a, &target)
        }
    }
}

/// The operations that change the target, which is in this process' memory, by what is there.
pub fn change(a: &Args<'_>, target: &Elements) -> Call {
    let before = target.pack()?;
    if let Some(result) = result(a) {
        result.put(&before)?;
    }
    if let Some(wanted) = comparand(a) {
        if wanted.pack()?.bytes() != before.bytes() {
            return Ok(());
        }
        return target.put(&origin(a).pack()?);
    }
    match operation(a) {
        mpi::MPI_NO_OP => Ok(()),
        mpi::MPI_REPLACE => target.put(&origin(a).pack()?),
        op => target.put(&combine(native()?, target, before, origin(a).pack()?, op)?),
    }
}

/// What the call does with the target.
pub fn operation(a: &Args<'_>) -> u64 {
    named(a, "op").unwrap_or(mpi::MPI_REPLACE)
}

/// The argument of that name.
fn named(a: &Args<'_>, name: &str) -> Option<u64> {
    a.row().param_index(name).map(|at| match name {
        "origin_count" | "target_count" | "result_count" | "target_disp" => a.count(at) as u64,
        _ => a.raw(at),
    })
}

/// The datatype argument of that name, or the only one.
fn datatype(a: &Args<'_>, name: &str) -> u64 {
    named(a, name)
        .or_else(|| named(a, "datatype"))
        .unwrap_or(mpi::MPI_DATATYPE_NULL)
}

/// Where the call puts what it fetches, if it fetches something.
pub fn result(a: &Args<'_>) -> Option<Elements> {
    Some(Elements {
        address: named(a, "result_addr")?,
        count: named(a, "result_count").map_or(1, |count| count as i64),
        datatype: datatype(a, "result_datatype"),
    })
}

/// What the call gives.
pub fn origin(a: &Args<'_>) -> Elements {
    Elements {
        address: named(a, "origin_addr").unwrap_or_default(),
        count: named(a, "origin_count").map_or(1, |count| count as i64),
        datatype: datatype(a, "origin_datatype"),
    }
}

/// What a compare and swap expects.
pub fn comparand(a: &Args<'_>) -> Option<Elements> {
    Some(Elements {
        address: named(a, "compare_addr")?,
        ..origin(a)
    })
}

/// The displacement that a call names.
pub fn displacement(a: &Args<'_>) -> i64 {
    named(a, "target_disp").unwrap_or_default() as i64
}

/// The target's elements, where they are at `address`.
pub fn target_at(address: u64, a: &Args<'_>) -> Elements {
    Elements {
        address,
        count: named(a, "target_count").map_or(1, |count| count as i64),
        datatype: datatype(a, "target_datatype"),
    }
}

/// The target's elements, of this process.
pub fn target(a: &Args<'_>, win: &Win) -> Result<Elements, MpiError> {
    let mut state = state();
    let memory = &state.window_mut(win)?.memory;
    let bytes = displacement(a).wrapping_mul(memory.disp_unit.into());
    Ok(target_at(memory.base.wrapping_add_signed(bytes), a))
}

/// `target` `op` `origin`, element by element, in the packed form of `like`.
fn combine(
    native: &Native,
    like: &Elements,
    target: Packed,
    origin: Packed,
    op: u64,
) -> Result<Packed, MpiError> {
    let Some(basic) = predefined(like.datatype)? else {
        return Ok(target);
    };
    // The elements as an array: a pair of a long double and an int has a gap in it.
    let layout = deliver::layout(basic)?;
    let (size, extent) = (layout.size_bytes() as usize, layout.extent() as usize);
    let count = target.len_bytes.min(origin.len_bytes) / size.max(1);
    let spread = |packed: &Packed| {
        let mut room = vec![0_u64; (count * extent).div_ceil(8)];
        let array = Elements {
            address: room.as_mut_ptr() as u64,
            count: count as i64,
            datatype: basic,
        };
        array.put(packed).map(|()| (room, array))
    };
    let (_given, given) = spread(&origin)?;
    let (_changed, changed) = spread(&target)?;
    for first in (0..count).step_by(AT_ONCE) {
        let at = (first * extent) as u64;
        let words = [
            given.address + at,
            changed.address + at,
            int(AT_ONCE.min(count - first) as i32),
            p2p::datatype(basic)?.native(),
            ops::native_op(native, op),
        ];
        native_call::call(native, fns::MPI_REDUCE_LOCAL, &words)?;
    }
    changed.pack()
}

/// The predefined datatype that one is made of; the standard allows only one kind in it here. `None` if it has no elements.
pub fn predefined(datatype: u64) -> Result<Option<u64>, MpiError> {
    let mut handle = DatatypeHandle::from_word(datatype)?;
    while !handle.is_predefined() {
        let part = {
            let state = state();
            let derived = state.objects.datatypes.derived(handle)?;
            derived.and_then(|derived| derived.constructor().children().first().copied())
        };
        match part {
            Some(part) => handle = part,
            // It stands for itself, as a parametrised Fortran type does.
            None => {
                let layout = deliver::layout(u64::from(handle.word()))?;
                let run = layout.basic_runs(1).next();
                return Ok(run.map(|run| u64::from(run.basic.word())));
            }
        }
    }
    Ok(Some(u64::from(handle.word())))
}
