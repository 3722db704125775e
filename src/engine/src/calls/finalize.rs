//! `MPI_Finalize`: ranks wait for each other before they enter it below.
//!
//! ```text
//!   round 0   r --> r + 1        each rank tells another that it is here, and hears the same of one;
//!   round 1   r --> r + 2        after log2(ranks) rounds every rank is known to be here (a dissemination barrier)
//!   round 2   r --> r + 4
//! ```
//!
//! The native call may wait for the last rank, and from within it no checkpoint can be taken: one rank that is done early
//! would end the checkpoints of all. So they meet up here, by messages that the cut knows, in a waiting loop with safe
//! points: images hold ranks that are leaving as they hold any other. How far a rank has got is in the state.

use mana_drain::Start;
use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

use crate::args::Args;
use crate::engine::{Life, state};
use crate::error::{Call, MpiError};
use crate::side_channel::Subject;
use crate::{buffered, cut, init, life, partitioned, publish, side_channel, wait};

/// How far this rank has got in meeting the others.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Leaving {
    /// Rounds in which it has told.
    told: u32,
    /// Rounds in which it has heard.
    heard: u32,
}

/// `MPI_Finalize`: a collective on the world; afterwards no checkpoint can be taken, unless a session is still open.
pub fn finalize(a: &mut Args<'_>) -> Call {
    if state().life != Life::Running {
        return Err(MpiError::new(
            mpi::MPI_ERR_OTHER,
            "MPI_Finalize was called before MPI_Init, or twice",
        ));
    }
    let world = publish::world()
        .ok_or_else(|| MpiError::new(mpi::MPI_ERR_OTHER, "called before MPI_Init"))?;
    deliver_rest(a)?;
    crate::attributes::delete_all_of_self()?;
    meet(a)?;
    cut::enter_collective(a, world, Start::Blocking)?;
    let in_use = {
        let mut state = state();
        state.life = Life::Finalized;
        !state.sessions.is_empty()
    };
    if in_use { Ok(()) } else { life::take_down() }
}

/// Waits until messages that were copied are delivered: buffered ones (MPI-5.0 section 11.2.2), and our own. Requests
/// that were given back and are complete are let go of: the library below counts them.
fn deliver_rest(a: &mut Args<'_>) -> Call {
    wait::sweep_all_orphans()?;
    let mut patience = wait::Patience::new();
    while !(buffered::all_delivered()? && side_channel::settle()?) {
        // Another rank's partitions may wait for this one to take them in.
        partitioned::progress()?;
        patience.pause(a);
    }
    Ok(())
}

/// Waits until all ranks are here.
fn meet(a: &mut Args<'_>) -> Call {
    let Some(world) = init::world() else {
        return Ok(());
    };
    let mut patience = wait::Patience::new();
    while !step(world)? {
        partitioned::progress()?;
        patience.pause(a);
    }
    deliver_rest(a)
}

/// Tells and hears what it can; `true` when all rounds are over. Sending and noting that it was done have no safe point
/// between them.
fn step(world: init::World) -> Result<bool, MpiError> {
    loop {
        let Leaving { told, heard } = state().leaving;
        let is_round = |round: u32| 1_u64 << round < u64::from(world.size);
        if is_round(told) && told == heard {
            let to = (u64::from(world.rank) + (1 << told)) % u64::from(world.size);
            side_channel::send(to as u32, Subject::Leaving(told), vec![0], 0)?;
            state().leaving.told += 1;
        } else if !is_round(heard) {
            return Ok(true);
        } else if side_channel::receive(Subject::Leaving(heard))?.is_some() {
            state().leaving.heard += 1;
        } else {
            return Ok(false);
        }
    }
}
