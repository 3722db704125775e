//! The standard ABI about itself (MPI-5.0 chapter 20): its version and sizes, and what Fortran's types are like, which a
//! Fortran library above tells once.
//!
//! ```text
//!   MPI_Abi_get_version, _get_info          constants
//!   MPI_Abi_set_fortran_info, _booleans     the first call counts, later ones are MPI_ERR_ABI; kept in the image
//! ```
//!
//! All of them may be called at any time, before MPI is initialised and after it is finalised.

use std::ffi::CString;

use mana_record_replay::info::Info;
use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

use super::info::read_info;
use crate::args::Args;
use crate::engine::state;
use crate::error::{Call, MpiError};

/// Largest size of a Fortran LOGICAL in bytes that is known to exist.
const LARGEST_LOGICAL: usize = 16;

/// What a program said about Fortran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fortran {
    info: Option<Info>,
    booleans: Option<Booleans>,
}

/// The two values of a LOGICAL, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Booleans {
    yes: Vec<u8>,
    no: Vec<u8>,
}

/// `MPI_Abi_get_version(abi_major, abi_minor)`.
pub fn abi_get_version(a: &mut Args<'_>) -> Call {
    a.set_int(0, i64::from(mpi::MPI_ABI_VERSION));
    a.set_int(1, i64::from(mpi::MPI_ABI_SUBVERSION));
    Ok(())
}

/// `MPI_Abi_get_info(info)`: the sizes of the types that an ABI may choose.
pub fn abi_get_info(a: &mut Args<'_>) -> Call {
    let mut info = Info::default();
    for (key, bytes) in [
        (c"mpi_aint_size", size_of::<libc::intptr_t>()),
        (c"mpi_count_size", size_of::<i64>()),
        (c"mpi_offset_size", size_of::<i64>()),
    ] {
        info.set(key, &CString::new(bytes.to_string()).unwrap_or_default())?;
    }
    let handle = state().objects.infos.insert(info)?;
    a.set_handle(0, u64::from(handle.word()));
    Ok(())
}

fn already_set(what: &str) -> MpiError {
    MpiError::new(
        mpi::MPI_ERR_ABI,
        format!("{what} are set already; only the first call counts"),
    )
}

/// `MPI_Abi_set_fortran_info(info)`.
pub fn abi_set_fortran_info(a: &mut Args<'_>) -> Call {
    let mut state = state();
    if state.fortran.info.is_some() {
        return Err(already_set("the properties of Fortran's types"));
    }
    let info = read_info(&state, a.raw(0))?;
    state.fortran.info = Some(info);
    Ok(())
}

/// `MPI_Abi_get_fortran_info(info)`: `MPI_INFO_NULL` while nobody has set it.
pub fn abi_get_fortran_info(a: &mut Args<'_>) -> Call {
    let word = {
        let mut state = state();
        match state.fortran.info.clone() {
            Some(info) => u64::from(state.objects.infos.insert(info)?.word()),
            None => mpi::MPI_INFO_NULL,
        }
    };
    a.set_handle(0, word);
    Ok(())
}

/// Argument 0: the bytes of a LOGICAL.
fn logical_size(a: &Args<'_>) -> Result<usize, MpiError> {
    let size = a.int(0);
    usize::try_from(size)
        .ok()
        .filter(|size| size.is_power_of_two() && *size <= LARGEST_LOGICAL)
        .ok_or_else(|| {
            MpiError::argument(format!(
                "logical_size {size} is not 1, 2, 4, 8 or {LARGEST_LOGICAL}"
            ))
        })
}

fn bytes(a: &Args<'_>, i: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| a.read_at(i, at)).collect()
}

/// `MPI_Abi_set_fortran_booleans(logical_size, logical_true, logical_false)`.
pub fn abi_set_fortran_booleans(a: &mut Args<'_>) -> Call {
    let len = logical_size(a)?;
    let mut state = state();
    if state.fortran.booleans.is_some() {
        return Err(already_set("the values of Fortran's booleans"));
    }
    if a.is_null(1) || a.is_null(2) {
        return Err(MpiError::argument("a boolean's address is null"));
    }
    state.fortran.booleans = Some(Booleans {
        yes: bytes(a, 1, len),
        no: bytes(a, 2, len),
    });
    Ok(())
}

/// `MPI_Abi_get_fortran_booleans(logical_size, logical_true, logical_false, is_set)`.
pub fn abi_get_fortran_booleans(a: &mut Args<'_>) -> Call {
    let len = logical_size(a)?;
    let booleans = state().fortran.booleans.clone();
    a.set_flag(3, booleans.is_some());
    let Some(Booleans { yes, no }) = booleans else {
        return Ok(());
    };
    if yes.len() != len {
        return Err(MpiError::argument(format!(
            "logical_size is {len}, but the booleans were set as ones of {} bytes",
            yes.len()
        )));
    }
    for (at, (yes, no)) in yes.into_iter().zip(no).enumerate() {
        a.write_at(1, at, yes);
        a.write_at(2, at, no);
    }
    Ok(())
}
