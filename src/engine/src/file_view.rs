//! Views: which bytes of a file a process sees, and where an offset lies (MPI-5.0 section 14.3).
//!
//! ```text
//!   displacement | filetype       | filetype       | …          etype 1, 2, 3 … fall into the filetype's runs in turn
//!                | 1 2 . . 3 .    | 4 5 . . 6 .    |
//! ```

use mana_native::Native;
use mana_record_replay::datatype::Layout;
use mana_record_replay::file::{Representation, View};
use mana_record_replay::handle::DatatypeHandle;
use mana_record_replay::info::Info;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::engine::{State, state};
use crate::error::{Call, MpiError};
use crate::native_info::Scratch;
use crate::{file_external, native_call, p2p};

/// Sets a view below.
pub fn install(native: &'static Native, file: u64, view: &View, hints: &Info) -> Call {
    let hints = Scratch::new(native, hints)?;
    let (mut etype, mut filetype) = match view.representation {
        Representation::Native | Representation::Internal => (
            p2p::datatype(u64::from(view.etype.word()))?.native(),
            p2p::datatype(u64::from(view.filetype.word()))?.native(),
        ),
        Representation::External32 => (
            file_external::view_type(native, view.etype)?,
            file_external::view_type(native, view.filetype)?,
        ),
    };
    let words = [
        file,
        view.displacement as u64,
        etype,
        filetype,
        c"native".as_ptr() as u64,
        hints.handle(),
    ];
    let outcome = native_call::call(native, fns::MPI_FILE_SET_VIEW, &words);
    if view.representation == Representation::External32 {
        for made in [&mut etype, &mut filetype] {
            native_call::call(native, fns::MPI_TYPE_FREE, &[native_call::out(made)])?;
        }
    }
    outcome
}

/// The layout that a datatype has in a file, also one that was freed and that a view holds.
pub fn layout_in_file(
    state: &State,
    datatype: DatatypeHandle,
    representation: Representation,
) -> Result<Layout, MpiError> {
    let datatypes = &state.objects.datatypes;
    if representation == Representation::External32 {
        return Ok(datatypes.file_layout(datatype)?);
    }
    datatypes.layout_held(datatype).cloned().ok_or_else(|| {
        MpiError::bad_handle(mpi::MPI_ERR_TYPE, "datatype", u64::from(datatype.word()))
    })
}

/// The byte of the file at which etype number `etypes` of a view lies.
pub fn byte_offset(view: &View, etypes: i64) -> Result<i64, MpiError> {
    let (etype, filetype) = {
        let state = state();
        (
            layout_in_file(&state, view.etype, view.representation)?,
            layout_in_file(&state, view.filetype, view.representation)?,
        )
    };
    position(view.displacement, &etype, &filetype, etypes).ok_or_else(|| {
        MpiError::argument(format!(
            "offset {etypes} lies beyond what 63 bits can count"
        ))
    })
}

fn position(displacement: i64, etype: &Layout, filetype: &Layout, etypes: i64) -> Option<i64> {
    let data = etypes.checked_mul(etype.size_bytes())?;
    let tile = filetype.size_bytes();
    if tile == 0 {
        return Some(displacement);
    }
    let start = (data / tile)
        .checked_mul(filetype.extent())?
        .checked_add(displacement)?;
    let mut rest = data % tile;
    for run in filetype.runs(1) {
        if rest < run.length {
            return start.checked_add(run.offset + rest);
        }
        rest -= run.length;
    }
    Some(start)
}

#[cfg(test)]
mod tests {
    use mana_record_replay::datatype::{Constructor, Datatypes};

    use super::*;

    #[test]
    fn offsets_skip_the_holes_of_the_filetype() {
        let int = DatatypeHandle::predefined(mpi::MPI_INT as u16);
        let mut types = Datatypes::new();
        let pairs = types
            .create(
                Constructor::Vector {
                    count: 2,
                    block_length: 2,
                    stride: 3,
                    old: int,
                },
                false,
            )
            .expect("a vector");
        let etype = types.layout(int).expect("int").clone();
        let filetype = types.layout(pairs).expect("the vector").clone();
        let at = |etypes| position(100, &etype, &filetype, etypes);
        let places: Vec<_> = (0..6).filter_map(at).collect();
        assert_eq!(places, [100, 104, 112, 116, 120, 124]);
        assert_eq!(at(i64::MAX), None);
    }
}
