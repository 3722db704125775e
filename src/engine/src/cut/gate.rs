//! The gates before collectives: each clock says whether its next one may start.

use mana_drain::{ClockId, Gid, Start, Verdict};
use mana_table::constants as mpi;

use super::{cut, wake_agent};
use crate::args::Args;
use crate::engine::not_running;
use crate::error::{Call, MpiError};
use crate::publish::CommSlot;
use crate::{p2p, wait};

/// Gives a communicator its clock.
pub fn register_clock(gid: Gid, size: u32) -> Result<ClockId, MpiError> {
    match cut().get() {
        Some(cut) => cut
            .rank
            .register(gid, size)
            .map_err(|e| MpiError::new(mpi::MPI_ERR_INTERN, e.to_string())),
        None => Err(MpiError::new(
            mpi::MPI_ERR_INTERN,
            "a communicator was made before MPI_Init",
        )),
    }
}

/// A communicator was freed here.
pub fn retire_clock(clock: ClockId) {
    if let Some(cut) = cut().get() {
        cut.rank.retire(clock);
    }
}

/// Passes the gate before a collective on `comm` and counts it. While a checkpoint is coming up this may hold the
/// thread, and is a safe point then; the caller must not have done anything yet that the application can see.
pub fn enter_collective(a: &mut Args<'_>, comm: &CommSlot, start: Start) -> Call {
    let bad = || {
        let handle = u64::from(comm.handle());
        MpiError::bad_handle(mpi::MPI_ERR_COMM, "communicator", handle)
    };
    enter_clock(a, comm.clock().ok_or_else(bad)?, comm, start)
}

/// Passes the gate of `clock`; `comm` is where messages may arrive meanwhile.
pub fn enter_clock(a: &mut Args<'_>, clock: ClockId, comm: &CommSlot, start: Start) -> Call {
    let mut patience = wait::Patience::new();
    loop {
        let changed = {
            let mut guard = cut();
            let Some(cut) = guard.get() else {
                return Err(not_running());
            };
            let verdict = cut.rank.may_start(clock, start);
            let changed = cut.rank.take_changed();
            if verdict == Verdict::Enter {
                drop(guard);
                if changed {
                    wake_agent();
                }
                return Ok(());
            }
            changed
        };
        if changed {
            wake_agent();
        }
        // A held rank keeps the library moving: others may wait for the rest of a message that it is sending.
        p2p::probe(
            mpi::MPI_ANY_SOURCE,
            mpi::MPI_ANY_TAG,
            u64::from(comm.handle()),
        )?;
        patience.pause(a);
    }
}
