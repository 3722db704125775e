//! A program without MPI: a job of one rank, with no library below.
//!
//! ```text
//!   mana run ./program   no launcher, not linked with the stub -> begin: an agent, a cut, a control file
//!       |                                                            checkpoints as in any job; the program calls nothing, so
//!       |                                                            its threads are stopped by the signal only
//!       +-- it loads an MPI program's module after all (python3) --> end: MPI_Init makes it a job like any other
//! ```

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use mana_agent::{Cookie, Listener};

use crate::error::EngineError;
use crate::init::{self, World};
use crate::{cut, family};

/// Whether this process is such a job.
static ALONE: AtomicBool = AtomicBool::new(false);

/// The only rank.
const WORLD: World = World { rank: 0, size: 1 };

/// Whether this process is a job without MPI.
pub fn is_alone() -> bool {
    ALONE.load(Ordering::Acquire)
}

/// Makes this process a job of its own, with a family that others may join.
pub fn begin() -> Result<(), EngineError> {
    family::register::listen()?;
    begin_agent()
}

/// Makes it a member of the family of which the root is at the other end of `socket`.
pub fn begin_as_member(socket: UnixStream) -> Result<(), EngineError> {
    family::member::become_one();
    begin_agent()?;
    family::member::serve(socket)
}

/// Makes it one that the root's orders alone make checkpoints of, once they can be heard.
pub fn begin_agent() -> Result<(), EngineError> {
    init::set_world(WORLD);
    cut::begin(WORLD.rank);
    let (listener, contact) = Listener::bind()?;
    let cookie = Cookie::random().map_err(|source| EngineError::Os {
        doing: "drawing a random number".into(),
        source,
    })?;
    ALONE.store(true, Ordering::Release);
    init::launch_agent(WORLD, listener, vec![contact], cookie)?;
    Ok(())
}

/// MPI is about to be started: the job that this was ends.
pub fn end() {
    if ALONE.swap(false, Ordering::AcqRel) {
        cut::shutdown();
    }
}
