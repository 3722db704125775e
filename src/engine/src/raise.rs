//! An error on its way to the application: through the error handler of the object that the call was about
//! (MPI-5.0 section 9.3), with our handles and the standard's classes.
//!
//! ```text
//!   error -> which object? comm, window, file or session parameter, else MPI_COMM_SELF or _WORLD (see `holder`)
//!         -> its handler:  FATAL / ABORT: say what happened, end the job
//!                          RETURN: the code          user function: called with our handle, then the code that it leaves
//! ```

use mana_record_replay::address::UpperAddress;
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use crate::args::Args;
use crate::engine::{native, settings, state};
use crate::error::MpiError;
use crate::holder::Holder;
use crate::messages::say;
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
    /// Call the application's function at this address, then return the code that it leaves.
    Call(u64),
}

/// Raises `error` in the call `a` and returns the error code for the application.
#[cold]
pub fn raise(a: &Args<'_>, error: &MpiError) -> i32 {
    // The tool information interface calls no error handler (MPI-5.0 section 15.3.9).
    if a.row().name.starts_with("MPI_T_") {
        return error.class;
    }
    let holder = Holder::of_call(a)
        .or_else(|| Holder::of_request(a))
        .unwrap_or(Holder::COMM_SELF);
    raise_on(holder, a.row().id, error)
}

/// Raises `error` of function `function` on the object `holder`.
pub fn raise_on(holder: Holder, function: FnId, error: &MpiError) -> i32 {
    let (holder, reaction) = {
        let state = state();
        let (holder, handler) = state.judge_of(holder);
        (holder, state.objects.reaction(handler))
    };
    react(reaction, holder, function, error)
}

/// Does what an error handler of `holder` does about `error`, and returns the error code.
pub fn react(reaction: Reaction, holder: Holder, function: FnId, error: &MpiError) -> i32 {
    match reaction {
        Reaction::Return => error.class,
        Reaction::Call(address) => {
            let (mut handle, mut code) = (holder.word(), error.class);
            // The lock of the state is free again here: the function may call MPI.
            callback::word(
                UpperAddress(address),
                &[(&raw mut handle) as u64, (&raw mut code) as u64],
            );
            // The handler may put another code there for the call to return, also MPI_SUCCESS.
            code
        }
        Reaction::Fatal | Reaction::Abort => die(function, error, reaction, holder),
    }
}

/// Ends the job.
fn die(function: FnId, error: &MpiError, reaction: Reaction, holder: Holder) -> ! {
    let rank =
        crate::publish::world().map_or_else(|| "?".to_string(), |world| world.rank().to_string());
    let what = if reaction == Reaction::Fatal {
        "MPI_ERRORS_ARE_FATAL"
    } else {
        "MPI_ERRORS_ABORT"
    };
    say!(
        "mana: rank {rank}: fatal error in {}: {} (error class {}); the error handler is {what}, so the job ends. \
         Checkpoints made so far stay in {}",
        function.name(),
        error.message,
        error.class,
        settings().directory.display(),
    );
    // MPI_ERRORS_ARE_FATAL ends all processes connected to this one (MPI-5.0 section 9.3): without spawning, the world.
    let comm = match (reaction, holder) {
        (Reaction::Abort, Holder::Comm(comm)) => comm,
        _ => mpi::MPI_COMM_WORLD,
    };
    abort(comm, error.class)
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
