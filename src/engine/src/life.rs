//! When the native library is up: started once, by the world model or by the first session, and taken down once.
//!
//! ```text
//!   MPI_Init ---------+                                 +--> MPI_Finalize, when no session is alive
//!                     +--> bring_up: once --- up ... ---+
//!   MPI_Session_init -+                                 +--> exit of the process, when nobody uses MPI any more
//! ```
//!
//! The library stays up between sessions: no MPI below can be started a second time. A session asks for the highest
//! thread level, since whoever comes later (another session, `MPI_Init_thread`) may need it and cannot raise it.
//!
//! A launcher wants to see the native `MPI_Finalize` exactly once from each process that started MPI. A process that
//! exits with the world model or a session still in use does not finalise: that is a failure, and is to look like one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use mana_table::constants as mpi;
use mana_table::fns;

use crate::engine::{Life, State, native, state, try_native};
use crate::error::{Call, EngineError, MpiError};
use crate::{alone, cut, family, init, native_call, surroundings};

/// Held while the library is being started: two threads may open a session at once.
static STARTING: Mutex<()> = Mutex::new(());
/// The native library was finalised.
static DOWN: AtomicBool = AtomicBool::new(false);

/// Makes sure that the native library is up. If it has to be started, with thread level `required`. `enter` makes the
/// state say that MPI is in use, given the thread level that the library has: before the first checkpoint can come.
pub fn bring_up<T>(
    required: i32,
    enter: impl FnOnce(&mut State, i32) -> Result<T, MpiError>,
) -> Result<T, MpiError> {
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if DOWN.load(Ordering::Acquire) {
        return Err(MpiError::new(
            mpi::MPI_ERR_OTHER,
            "MPI_Finalize has taken down the MPI library below, which cannot be started again; keep a session open over \
             MPI_Finalize to go on with sessions afterwards",
        ));
    }
    if try_native().is_some() {
        let mut state = state();
        let level = state.native_level;
        return enter(&mut state, level);
    }
    let failed =
        |error: EngineError| MpiError::new(mpi::MPI_ERR_OTHER, crate::entry::with_causes(&error));
    alone::end();
    family::member::leave();
    let reserved = surroundings::reserve(None).map_err(failed)?;
    family::register::listen().map_err(failed)?;
    let (world, level) = init::start_native(required).map_err(failed)?;
    init::join_world(world).map_err(failed)?;
    crate::calls::carry_critical_parts();
    let entered = {
        let mut state = state();
        state.native_level = level;
        state.init_thread_fs = crate::thread_fs();
        enter(&mut state, level)
    };
    init::start_agent(world).map_err(failed)?;
    surroundings::settle(reserved).map_err(failed)?;
    entered
}

/// Finalises the native library: collective over all processes of the job. Afterwards no checkpoint can be taken.
pub fn take_down() -> Call {
    let native = native()?;
    if DOWN.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    cut::finish();
    init::free_stand_ins(native);
    native_call::call(native, fns::MPI_FINALIZE, &[])?;
    cut::shutdown();
    Ok(())
}

/// The process exits: finalises the library if it is up and nobody uses it any more.
pub fn take_down_unused() -> Call {
    let unused = {
        let state = state();
        state.life != Life::Running && state.sessions.is_empty()
    };
    if try_native().is_none() || !unused || DOWN.load(Ordering::Acquire) {
        return Ok(());
    }
    take_down()
}
