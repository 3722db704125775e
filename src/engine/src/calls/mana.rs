//! `mana.h`: what a program may ask of mana itself.

use mana_table::constants as mpi;

use crate::args::Args;
use crate::error::{Call, MpiError};
use crate::progress::{self, CallProgress};
use crate::{cut, wait};

/// `mana_checkpoint()`: asks for a checkpoint and waits until it is taken or given up. The result is 0 when the
/// program goes on after it, 1 in a program restarted from it, and an MPI error code when there is none.
pub fn mana_checkpoint(a: &mut Args<'_>) -> Call {
    if progress::resume(a).is_some() {
        progress::clear(a);
        a.set_result(1);
        return Ok(());
    }
    let Some(request) = cut::request() else {
        return Err(MpiError::new(mpi::MPI_ERR_OTHER, "checkpoints are taken between MPI_Init and MPI_Finalize"));
    };
    progress::record(a, CallProgress::Checkpoint);
    let mut patience = wait::Patience::new();
    while !request.is_over() {
        patience.pause(a);
    }
    progress::clear(a);
    a.set_result(if request.succeeded() { 0 } else { -1 });
    Ok(())
}
