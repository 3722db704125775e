//! An error on its way to the application: through the error handler of the object that the call was about
//! (MPI-5.0 section 9.3), with our handles and the standard's classes.
//!
//! ```text
//!   error -> which object? comm parameter, else MPI_COMM_SELF (before/after MPI: MPI_COMM_SELF's initial handler)
//!         -> its handler:  FATAL / ABORT: say what happened, end the job
//!                          RETURN: the code          user function: called with our handle, then the code
//! ```

use mana_record_replay::address::UpperAddress;
use mana_table::constants as mpi;
use mana_table::{FnId, Kind, fns};

use crate::args::Args;
use crate::engine::{native, settings, state};
use crate::error::MpiError;
use crate::{callback, native_call};

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// End all processes connected to this one.
    Fatal,
    /// End the processes of the communicator.
    Abort,
    /// Return the code.
    Return,
    /// Call the application's function at this address, then return the code.
    Call(u64),
}

/// Raises `error` in the call `a` and returns the error code for the application.
pub fn raise(a: &Args<'_>, error: &MpiError) -> i32 {
    let comm = comm_parameter(a).unwrap_or(mpi::MPI_COMM_SELF);
    raise_on(comm, a.row().id, error)
}

/// Raises `error` of function `function` on communicator `comm`.
pub fn raise_on(comm: u64, function: FnId, error: &MpiError) -> i32 {
    let (reaction, comm) = {
        let state = state();
        match state.comms.reaction(comm, &state.objects) {
            Some(reaction) => (reaction, comm),
            // Not a communicator (that may be the error): MPI_COMM_SELF's handler judges.
            None => (
                state
                    .comms
                    .reaction(mpi::MPI_COMM_SELF, &state.objects)
                    .unwrap_or(Reaction::Fatal),
                mpi::MPI_COMM_SELF,
            ),
        }
    };
    match reaction {
        Reaction::Return => error.class,
        Reaction::Call(address) => {
            let (mut handle, mut code) = (comm, error.class);
            // The lock of the state is free again here: the function may call MPI.
            callback::word(
                UpperAddress(address),
                &[(&raw mut handle) as u64, (&raw mut code) as u64],
            );
            error.class
        }
        Reaction::Fatal | Reaction::Abort => die(function, error, reaction, comm),
    }
}

/// The communicator that the call was about.
fn comm_parameter(a: &Args<'_>) -> Option<u64> {
    let at = a
        .row()
        .params
        .iter()
        .position(|param| param.kind == Kind::Comm)?;
    match a.row().params[at].direction {
        mana_table::Direction::In => Some(a.raw(at)),
        mana_table::Direction::Out | mana_table::Direction::InOut => None,
    }
}

/// Ends the job.
fn die(function: FnId, error: &MpiError, reaction: Reaction, comm: u64) -> ! {
    let rank =
        crate::publish::world().map_or_else(|| "?".to_string(), |world| world.rank().to_string());
    let what = if reaction == Reaction::Fatal {
        "MPI_ERRORS_ARE_FATAL"
    } else {
        "MPI_ERRORS_ABORT"
    };
    eprintln!(
        "mana: rank {rank}: fatal error in {}: {} (error class {}); the error handler is {what}, so the job ends. \
         Checkpoints made so far stay in {}",
        function.name(),
        error.message,
        error.class,
        settings().directory.display(),
    );
    // MPI_ERRORS_ARE_FATAL ends all processes connected to this one (MPI-5.0 section 9.3): without spawning, the world.
    abort(
        if reaction == Reaction::Fatal {
            mpi::MPI_COMM_WORLD
        } else {
            comm
        },
        error.class,
    )
}

/// `MPI_Abort`: ends the processes of `comm` as far as the library below can.
pub fn abort(comm: u64, code: i32) -> ! {
    let native_comm = crate::publish::comm(comm)
        .or_else(crate::publish::world)
        .map(crate::publish::CommSlot::native);
    if let (Ok(native), Some(comm)) = (native(), native_comm) {
        native_call::raw(native, fns::MPI_ABORT, &[comm, code as u64]);
    }
    std::process::exit(if code == 0 { 1 } else { code & 0xff })
}
