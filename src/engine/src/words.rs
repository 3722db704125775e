//! The arguments of a collective as words: those of a call in progress, or those that a persistent one keeps.
//!
//! ```text
//!   MPI_Ibcast(…)      CrossFrame --Args::words--> [u64] --+
//!                                                          +--> Words --forward--> native call
//!   MPI_Start(request) RecordedCall --laid out--> [u64] ---+
//! ```
//!
//! # Safety
//! The lower half's TLS is live; allocation and panics (which abort) are allowed. Array arguments are followed on the
//! strength of the row's prototype, as in `args`; those of a recorded call lie in memory of ours.
#![expect(
    unsafe_code,
    reason = "reads arrays behind argument words; see # Safety above"
)]

use mana_table::{Function, Kind, Param};
use smallvec::SmallVec;

use crate::args::{Plain, is_64_bit};

/// The words of a call's arguments: no MPI function has more than 16, so they lie on the stack.
pub type ArgumentWords = SmallVec<[u64; 16]>;

/// The arguments of one call to the function that `row` describes.
#[derive(Clone, Copy)]
pub struct Words<'w> {
    row: &'static Function,
    words: &'w [u64],
}

/// Bytes of an element of array parameter `param`: 8 for handles, addresses and large counts, 4 for an `int`.
pub fn element_bytes(param: &Param) -> usize {
    if is_64_bit(param) || param.kind == Kind::Datatype {
        8
    } else {
        4
    }
}

impl<'w> Words<'w> {
    /// `words` are the arguments of a call to the function of `row`, in order.
    pub fn new(row: &'static Function, words: &'w [u64]) -> Self {
        Self { row, words }
    }

    /// The function's row.
    pub fn row(&self) -> &'static Function {
        self.row
    }

    /// Argument `i`; 0 for one that the call does not have.
    pub fn raw(&self, i: usize) -> u64 {
        self.words.get(i).copied().unwrap_or(0)
    }

    /// An `int` argument.
    pub fn int(&self, i: usize) -> i32 {
        self.raw(i) as i32
    }

    /// An integer argument of the width that the row says.
    pub fn count(&self, i: usize) -> i64 {
        if is_64_bit(&self.row.params[i]) {
            self.raw(i) as i64
        } else {
            i64::from(self.int(i))
        }
    }

    /// Whether pointer argument `i` is null.
    pub fn is_null(&self, i: usize) -> bool {
        self.raw(i) == 0
    }

    /// Element `index` of the integer or handle array behind argument `i`, of the width that the row says.
    pub fn element(&self, i: usize, index: usize) -> i64 {
        if element_bytes(&self.row.params[i]) == 8 {
            self.read_at::<i64>(i, index)
        } else {
            i64::from(self.read_at::<i32>(i, index))
        }
    }

    /// Argument `i` of the parameter called `name`, if the function has it.
    pub fn named(&self, name: &str) -> Option<u64> {
        self.row.param_index(name).map(|i| self.raw(i))
    }

    fn read_at<T: Plain>(&self, i: usize, index: usize) -> T {
        // SAFETY: the prototype promises an array of at least `index + 1` such elements; alignment may be off.
        unsafe { (self.raw(i) as *const T).add(index).read_unaligned() }
    }
}
