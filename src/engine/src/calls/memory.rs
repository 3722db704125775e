//! `MPI_Alloc_mem` and `MPI_Free_mem` (MPI-5.0 section 9.2): pages in the upper half, so that the memory is part of
//! the image whatever library is below.
//!
//! A page is the least that is given: programs ask for few and large pieces. The hints say nothing that would make a
//! difference; pages fulfil every alignment up to their size (`mpi_minimum_memory_alignment`).
//!
//! # Safety
//! Lower TLS live. Memory is unmapped only when the program gives back exactly what it was given.
#![expect(unsafe_code, reason = "unmaps memory that the application gives back")]

use std::collections::BTreeMap;

use mana_split::upper_memory;
use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

use super::info::hints;
use crate::args::Args;
use crate::engine::state;
use crate::error::{Call, MpiError};

/// Memory given out and not given back: length in bytes by address. Saved in the image.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Allocations(BTreeMap<u64, u64>);

/// `MPI_Alloc_mem(size, info, baseptr)`.
pub fn alloc_mem(a: &mut Args<'_>) -> Call {
    let Ok(bytes) = usize::try_from(a.count(0)) else {
        return Err(MpiError::argument(format!(
            "a size of {} bytes",
            a.count(0)
        )));
    };
    hints(&state(), a.raw(1))?;
    let base = upper_memory::allocate(bytes)
        .map_err(|error| MpiError::new(mpi::MPI_ERR_NO_MEM, format!("{bytes} bytes: {error}")))?;
    state().memory.0.insert(base as u64, bytes as u64);
    a.set_word(2, base as u64);
    Ok(())
}

/// `MPI_Free_mem(base)`.
pub fn free_mem(a: &mut Args<'_>) -> Call {
    let base = a.raw(0);
    let Some(bytes) = state().memory.0.remove(&base) else {
        let text =
            format!("MPI_Alloc_mem did not give memory at {base:#x}, or it was freed already");
        return Err(MpiError::new(mpi::MPI_ERR_BASE, text));
    };
    // SAFETY: allocated above with this length; the program ends its use with this call.
    unsafe { upper_memory::release(base as usize, bytes as usize) }
        .map_err(|error| MpiError::new(mpi::MPI_ERR_OTHER, error.to_string()))
}
