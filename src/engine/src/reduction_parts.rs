//! Reductions of more elements than an `int` counts, over a library whose reductions take an `int`.
//!
//! ```text
//!   MPI_Allreduce_c(3 * 2^30 elements)  ->  three native MPI_Allreduce of 2^30, one after the other, in one gate
//! ```
//!
//! A type that is several elements will not do here: operations are defined on the elements.

use mana_native::Native;
use mana_table::constants as mpi;

use crate::error::{Call, MpiError};
use crate::large_type::extent_of;
use crate::translate::Translated;
use crate::words::Words;
use crate::{native_call, p2p};

/// A reduction of more elements than the `int` of the library below counts, which is made in parts. All members have
/// the same count, so they agree on the parts.
pub struct Parts {
    count: i64,
    extent: i64,
    count_param: usize,
    buffers: [(usize, bool); 2],
}

impl Parts {
    /// Elements of one part.
    const LENGTH: i64 = 1 << 30;

    /// The parts of `call`; `None` where it is no such reduction, or is to be made in one.
    pub fn of(native: &Native, call: Words<'_>) -> Result<Option<Self>, MpiError> {
        let row = call.row();
        // What every call asks: so before anything is looked up by name.
        if native.has(row.id) {
            return Ok(None);
        }
        let of_name = |name| row.param_index(name);
        let (Some(count_param), Some(datatype), Some(_), Some(send), Some(receive)) = (
            of_name("count"),
            of_name("datatype"),
            of_name("op"),
            of_name("sendbuf"),
            of_name("recvbuf"),
        ) else {
            return Ok(None);
        };
        let count = call.count(count_param);
        if i32::try_from(count).is_ok() {
            return Ok(None);
        }
        let datatype = p2p::datatype(call.raw(datatype))?;
        let moves = |at: usize| call.raw(at) != mpi::MPI_IN_PLACE;
        Ok(Some(Self {
            count,
            extent: extent_of(native, datatype.native())?.1,
            count_param,
            buffers: [(send, moves(send)), (receive, moves(receive))],
        }))
    }

    /// Makes the parts one after the other.
    pub fn call(&self, native: &Native, translated: &Translated) -> Call {
        let mut done = 0;
        while done < self.count {
            let now = (self.count - done).min(Self::LENGTH);
            let mut words = translated.words.clone();
            words[self.count_param] = now as u64;
            for (at, _) in self.buffers.iter().filter(|(_, moves)| *moves) {
                words[*at] = words[*at].wrapping_add_signed(done * self.extent);
            }
            native_call::call(native, translated.function, &words)?;
            done += now;
        }
        Ok(())
    }
}
